import fc from "fast-check";
import { describe, expect, it } from "vitest";

import type { MentionItem } from "../api/types";
import { onlyEmoji, plain, read, written, type Piece } from "./richtext";

/** A tree in short: [bold …], {link}, <mention>, `code`. */
function short(pieces: Piece[]): string {
  return pieces
    .map((p) => {
      if ("pieces" in p) return `[${p.kind} ${short(p.pieces)}]`;
      if (p.kind === "link") return `{${p.text}}`;
      if (p.kind === "mention") return `<${p.text}>`;
      if (p.kind === "code" || p.kind === "block") return `[${p.kind} ${p.text}]`;
      if (p.kind === "override") return `(${p.code})`;
      if (p.kind === "found") return `|${p.text}|`;
      return p.text;
    })
    .join("");
}

describe("marks", () => {
  it.each([
    ["*bold*", "[bold bold]"],
    ["a *b c* d", "a [bold b c] d"],
    ["_i_, ~s~.", "[italic i], [struck s]."],
    ["*_both_*", "[bold [italic both]]"],
    ["(*b*)", "([bold b])"],
    ["*жирный* و *سلام*", "[bold жирный] و [bold سلام]"],
    ["👍*b*👍", "👍[bold b]👍"],
    ["`*no*`", "[code *no*]"],
    ["```\nlet a = *b*;\n```\nafter", "[block let a = *b*;]after"],
    ["```one line```", "[block one line]"],
  ])("%j is read", (text, tree) => expect(short(read(text))).toBe(tree));

  it.each([
    "snake_case_name",
    "2*3*4",
    "* a list *",
    "*open",
    "a*b*",
    "**two**",
    "~5 or ~6",
    "*over\nlines*",
    "__init__",
    "``",
    "` `",
    "``````",
    "```open",
    "_",
    "***",
    "𝒜_𝒷_𝒸",
  ])("%j is left alone", (text) => expect(read(text).every((p) => p.kind === "text")).toBe(true));
});

describe("links", () => {
  it.each([
    ["see https://example.org/a_b_c/*x*/~y.", "see {https://example.org/a_b_c/*x*/~y}."],
    ["(https://example.org/a(b))", "({https://example.org/a(b)})"],
    ["*https://example.org/*", "[bold {https://example.org/}]"],
    ["*see https://example.org* now", "[bold see {https://example.org}] now"],
    ["HTTP://EXAMPLE.ORG", "{HTTP://EXAMPLE.ORG}"],
    ["«https://пример.рф/путь»", "«{https://пример.рф/путь}»"],
  ])("%j", (text, tree) => expect(short(read(text))).toBe(tree));

  it.each([
    "javascript:alert(1)",
    "data:text/html,x",
    "https://bank.example@evil.example/",
    "https://bank.example:secret@evil.example/",
    "xhttps://example.org",
    "https://",
    "file:///etc/passwd",
  ])("%j is no link", (text) => expect(read(text).some((p) => p.kind === "link")).toBe(false));

  it("ends where something unseen begins", () => {
    expect(short(read("https://a.example/\u202egnp.exe"))).toBe("{https://a.example/}(U+202E)gnp.exe");
    expect(short(read("https://a.example/\u200b@b"))).toBe("{https://a.example/}\u200b@b");
  });

  it("leads where it says", () => {
    fc.assert(
      fc.property(fc.webUrl({ withQueryParameters: true, withFragments: true }), (url) => {
        const links = read(`go ${url} now`).filter((p) => p.kind === "link");
        for (const link of links)
          if (link.kind === "link") expect(new URL(link.href).host).toBe(new URL(link.text).host);
        expect(links.length).toBe(1);
      }),
    );
  });
});

describe("mentions", () => {
  const person = "ab".repeat(16);
  it("count code points, not halves of them", () => {
    expect(short(read("👋 @Ada_Lovelace_ hi", [{ start: 2, length: 14, person }]))).toBe(
      "👋 <@Ada_Lovelace_> hi",
    );
  });
  it("stand in bold and end a link", () => {
    expect(short(read("*hi @Bo*", [{ start: 4, length: 3, person }]))).toBe("[bold hi <@Bo>]");
  });
  it.each([
    [{ start: -1, length: 3, person }],
    [{ start: 0, length: 99, person }],
    [{ start: 1.5, length: 1, person }],
    [{ start: 0, length: 0, person }],
  ])("%j outside of the text is none", (mention) => expect(short(read("hello", [mention]))).toBe("hello"));
  it("never lie over one another", () => {
    expect(
      short(
        read("hello", [
          { start: 0, length: 3, person },
          { start: 2, length: 2, person },
        ]),
      ),
    ).toBe("<hel>lo");
  });
});

const TEXT = fc.oneof(
  fc.string({ unit: "binary" }),
  fc
    .array(
      fc.constantFrom(
        "*",
        "_",
        "~",
        "`",
        "```",
        "\n",
        " ",
        "a",
        "ж",
        "7",
        "👍",
        "@",
        "https://a.example/x_y",
        ".",
        ")",
        "\u202e",
        "\u2067",
      ),
      { maxLength: 40 },
    )
    .map((p) => p.join("")),
);
const MENTIONS: fc.Arbitrary<MentionItem[]> = fc.array(
  fc.record({
    start: fc.integer({ min: -2, max: 30 }),
    length: fc.integer({ min: -1, max: 10 }),
    person: fc.constant("cd"),
  }),
  { maxLength: 4 },
);

describe("whatever is typed", () => {
  it("is all there", () => {
    fc.assert(
      fc.property(TEXT, MENTIONS, fc.array(fc.string(), { maxLength: 3 }), (text, mentions, found) => {
        expect(written(read(text, mentions, found))).toBe(text);
      }),
      { numRuns: 2000 },
    );
  });
  it("says nothing that turns the order around", () => {
    fc.assert(
      fc.property(TEXT, MENTIONS, (text, mentions) => {
        expect(plain(read(text, mentions))).not.toMatch(/[\u202a-\u202e]/);
      }),
    );
  });
  it("is read in no time, a megabyte of it", () => {
    for (const unit of [
      "*a ",
      "`",
      "_a_ ",
      "```",
      "*a `b ",
      "https://a.example/x* ",
      "((((https://a.example/)",
      "~*_",
    ]) {
      const text = unit.repeat(Math.ceil(300_000 / unit.length));
      expect(written(read(text))).toBe(text);
    }
  }, 10_000);
});

describe("found words", () => {
  it("are marked at the start of words, in any case, in marks as well", () => {
    expect(short(read("Tea, *teapot* and steam", [], ["TEA"]))).toBe("|Tea|, [bold |tea|pot] and steam");
  });
});

describe("emoji alone", () => {
  it.each([
    ["👍", 1],
    ["❤️ 👩‍👩‍👧‍👦 🇫🇷", 3],
    ["1️⃣", 1],
    ["👋🏽", 1],
    ["", 0],
    ["12", 0],
    ["ok 👍", 0],
    ["©", 0],
  ])("%j: %d", (text, number) => expect(onlyEmoji(text)).toBe(number));
});
