import { expect, it } from "vitest";
import { colourOf, initials } from "./people";

it.each([
  ["Ada Lindqvist", "AL"],
  ["bo", "B"],
  ["  Élodie   de la Marche ", "ÉM"],
  ["محمد الأمين", "ما"],
  ["👩‍🚀 Nova", "👩‍🚀"],
  ["\u202eAda", "A"],
  ["", "?"],
])("initials of %j are %s", (name, letters) => {
  expect(initials(name)).toBe(letters);
});

it("gives everybody the same colour everywhere", () => {
  expect(colourOf("4b4c7a")).toBe(colourOf("4b4c7a"));
  expect(new Set(Array.from({ length: 200 }, (_, at) => colourOf(`key ${at}`))).size).toBe(8);
});
