import { describe, expect, test } from "vitest";
import { grouped, kindOf } from "./texts";

// Made with wire/base32.py: version 1, then the kind in four bits.
const text = (kind: number) => {
  const bits = ((1 << 8) | (kind << 4)) << 4;
  const alphabet = "abcdefghijklmnopqrstuvwxyz234567";
  return `whimbrel:${[15, 10, 5, 0].map((shift) => alphabet[(bits >> shift) & 31]).join("")}mfrggzdf`;
};

describe("kindOf", () => {
  test.each([
    [1, "address"],
    [2, "invite"],
    [3, "open-invite"],
    [4, "other"],
  ])("kind %i is %s", (kind, name) => expect(kindOf(text(kind))).toBe(name));

  test("case, spaces, quotes and words around it do not matter", () => {
    const invite = text(2);
    expect(kindOf(`  “${invite.toUpperCase()}”\n`)).toBe("invite");
    expect(kindOf(`Open this: ${invite.slice(0, 12)}\n ${invite.slice(12)}`)).toBe("invite");
  });

  test.each(["", "hello", "https://example.org/", "whimbrel:", "whimbrel:a"])(
    "%j is something else",
    (other) => expect(kindOf(other)).toBe("other"),
  );
});

test("a safety number is read in groups of five", () => {
  expect(grouped("123456789012")).toEqual(["12345", "67890", "12"]);
});
