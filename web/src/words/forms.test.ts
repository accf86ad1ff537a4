import { describe, expect, it } from "vitest";
import { formatted } from "./forms";

const MESSAGES = {
  one: "{count} сообщение",
  few: "{count} сообщения",
  many: "{count} сообщений",
  other: "{count} сообщения",
};

describe("a text", () => {
  it("has the plural form that its language wants", () => {
    const said = [1, 2, 5, 11, 21, 22, 25].map((count) => formatted(MESSAGES, { count }, "ru"));
    expect(said).toEqual([
      "1 сообщение",
      "2 сообщения",
      "5 сообщений",
      "11 сообщений",
      "21 сообщение",
      "22 сообщения",
      "25 сообщений",
    ]);
    expect(formatted({ one: "{count} thing", other: "{count} things" }, { count: 1234 }, "en")).toBe(
      "1,234 things",
    );
  });

  it("is not turned round by what is put into it", () => {
    expect(formatted("Reply to {name}", { name: "Bo" }, "en")).toBe("Reply to Bo");
    expect(formatted("Reply to {name}", { name: "محمد" }, "en")).toBe("Reply to \u2068محمد\u2069");
    expect(formatted("Reply to {name}", { name: "evil\u202e" }, "en")).toBe("Reply to \u2068evil\u2069");
  });

  it("says what it was not given", () => {
    expect(formatted("{here} and {there}", { here: "a" }, "en")).toBe("a and {there}");
  });
});
