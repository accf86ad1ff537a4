import fc from "fast-check";
import { expect, it } from "vitest";
import { ranked } from "./ranking";

const named = (...names: string[]) => names.map((name) => ({ names: [name] }));
const first = (query: string, ...names: string[]) =>
  ranked(query, named(...names)).map(({ names }) => names[0]);

it("the beginning comes before the middle", () =>
  expect(first("an", "Susan", "Bo Anders", "Anna")).toEqual(["Anna", "Bo Anders", "Susan"]));
it("case and accents make no difference", () => expect(first("zoe", "ZOË")).toEqual(["ZOË"]));
it("every word has to fit", () =>
  expect(first("book club", "Book shop", "The club of books")).toEqual(["The club of books"]));
it("a few letters in order are enough", () =>
  expect(first("wktr", "Walking tour", "Work")).toEqual(["Walking tour"]));
it("other words for it count less than its name", () => {
  const commands = [{ names: ["Theme", "dark"] }, { names: ["Dark"] }];
  expect(ranked("dark", commands)[0]).toBe(commands[1]);
});
it("nothing typed leaves all as they are", () => expect(first("", "b", "a")).toEqual(["b", "a"]));
it("whatever is typed, what is given was there", () => {
  fc.assert(
    fc.property(fc.string(), fc.array(fc.string()), (query, names) => {
      const all = named(...names);
      for (const one of ranked(query, all)) expect(all).toContain(one);
    }),
  );
});
