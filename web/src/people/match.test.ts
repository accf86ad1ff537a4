import { describe, expect, test } from "vitest";
import { around, fits, marked, wordsOf } from "./match";

describe("fits", () => {
  test.each([
    ["Ada Lovelace", "love", true],
    ["Ada Lovelace", "lovelace ada", true],
    ["Ada Lovelace", "ovel", false],
    ["Zoë", "zoe", true],
    ["Ёлка", "елк", true],
    ["Anna", "", true],
    ["Anna", "  !", true],
    ["محمد", "مح", true],
  ])("%s with %j: %s", (name, typed, expected) => expect(fits(name, wordsOf(typed))).toBe(expected));
});

describe("marked", () => {
  const found = (text: string, typed: string) =>
    marked(text, wordsOf(typed))
      .map((part) => (part.found ? `[${part.text}]` : part.text))
      .join("");
  test.each([
    ["the quick brown fox", "bro", "the quick [bro]wn fox"],
    ["Crème brûlée", "creme bru", "[Crème] [brû]lée"],
    ["nothing here", "xyz", "nothing here"],
    ["<b>bold</b>", "bold", "<b>[bold]</b>"],
    ["", "a", ""],
    ["e\u0301t\u00e9", "ete", "[e\u0301t\u00e9]"],
  ])("%j with %j", (text, typed, expected) => expect(found(text, typed)).toBe(expected));

  test("nothing of the text is lost, whatever is looked for", () => {
    const text = "a ǆ İstanbul ﬁne ß\u0000 👩‍👧 x";
    for (const typed of ["a", "i", "fin", "ss", "dz", "x"]) {
      expect(
        marked(text, wordsOf(typed))
          .map((part) => part.text)
          .join(""),
      ).toBe(text);
    }
  });
});

test("a long text begins a little before what was found", () => {
  const text = `${"word ".repeat(50)}needle and more`;
  const shown = around(text, wordsOf("needle"));
  expect(shown.startsWith("…")).toBe(true);
  expect(shown.indexOf("needle")).toBeLessThan(60);
  expect(around("short needle", wordsOf("needle"))).toBe("short needle");
});
