import { describe, expect, it } from "vitest";
import english from "../words/en/keys.json";
import { KEYS, keys, printed, written } from "./keys";

const press = (
  key: string,
  code: string,
  held: Partial<Record<"ctrlKey" | "metaKey" | "altKey" | "shiftKey", boolean>> = {},
) => ({
  key,
  code,
  ctrlKey: false,
  metaKey: false,
  altKey: false,
  shiftKey: false,
  ...held,
});

describe("a key", () => {
  it.each([
    [press("k", "KeyK", { ctrlKey: true }), "Mod+K"],
    [press("л", "KeyK", { ctrlKey: true }), "Mod+K"],
    [press("?", "Slash", { shiftKey: true }), "?"],
    [press("ArrowUp", "ArrowUp", { altKey: true }), "Alt+ArrowUp"],
    [press("F10", "F10", { shiftKey: true }), "Shift+F10"],
    [press("Enter", "Enter"), "Enter"],
  ])("%o is %s", (event, name) => expect(written(event, false)).toBe(name));
  it("on Apple's computers is held with ⌘", () => {
    expect(written(press("k", "KeyK", { metaKey: true }), true)).toBe("Mod+K");
    expect(printed("Mod+K", true)).toBe("⌘K");
    expect(printed("Mod+K", false)).toBe("Ctrl+K");
    expect(printed("+", false)).toBe("+");
  });
  it("is answered by who came last, and by the one before when it is not the moment", () => {
    const heard: string[] = [];
    const offFirst = keys.on("attach", () => void heard.push("first"));
    const offLast = keys.on("attach", () => (heard.push("last"), false));
    expect(keys.press("attach")).toBe(true);
    expect(heard).toEqual(["last", "first"]);
    offFirst();
    expect(keys.press("attach")).toBe(false);
    offLast();
  });
});

describe("the table", () => {
  it("names no key twice in one area", () => {
    const seen = new Set<string>();
    for (const { keys: own, area } of Object.values(KEYS)) {
      for (const key of own) {
        expect(seen.has(`${area} ${key}`)).toBe(false);
        seen.add(`${area} ${key}`);
      }
    }
  });
  it("has words for each key and area", () => {
    for (const [name, { area }] of Object.entries(KEYS)) {
      expect(english).toHaveProperty([`keys.${name}`]);
      expect(english).toHaveProperty([`keys.area.${area}`]);
    }
  });
});
