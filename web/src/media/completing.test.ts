import { describe, expect, it } from "vitest";
import type { MemberItem } from "../api/types";
import { begunAt, fitting } from "./completing";

describe("begun", () => {
  it.each([
    ["@", "person", ""],
    ["hi @ad", "person", "ad"],
    ["(@Иван Пет", "person", "Иван Пет"],
    ["so :smi", "emoji", "smi"],
    [":сме", "emoji", "сме"],
  ])("%j: a %s", (text, what, query) =>
    expect(begunAt(text, text.length)).toMatchObject({ what, query, end: text.length }),
  );
  it.each(["ada@exam", "12:30", "note: it", "@ada and bo and", ":)", ":D", "", "https://x.y"])(
    "%j: nothing",
    (text) => expect(begunAt(text, text.length)).toBe(null),
  );
  it("is what stands before the cursor", () =>
    expect(begunAt("@ada, hello", 3)).toMatchObject({ query: "ad", start: 0, end: 3 }));
});

const member = (name: string, more: Partial<MemberItem> = {}): MemberItem => ({
  id: name,
  name,
  role: "member",
  present: true,
  me: false,
  verified: false,
  contact: true,
  blocked: false,
  ...more,
});

it("names that begin so come first, then words of names; not oneself, not who left", () => {
  const members = [
    member("Mary Ann"),
    member("Anna"),
    member("Ann Me", { me: true }),
    member("Andy", { present: false }),
    member("Joanne"),
  ];
  expect(fitting(members, "an").map(({ name }) => name)).toEqual(["Anna", "Mary Ann"]);
});
