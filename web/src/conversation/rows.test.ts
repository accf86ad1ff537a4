import { describe, expect, it } from "vitest";
import type { Item } from "./items";
import { isLong, rows } from "./rows";

let n = 0;
const say = (person: string, at: string): Item =>
  ({
    id: `m${++n}`,
    chat: "c",
    n,
    text: "x",
    person,
    mine: person === "me",
    at,
    files: [],
  }) as unknown as Item;
const happened = (at: string): Item =>
  ({ event: "joined", id: `e${++n}`, chat: "c", n, mine: false, at }) as Item;
const shape = (items: Item[], unread: string | null = null) =>
  rows(items, unread).map(
    (row) => `${row.day ? "D" : ""}${row.unread ? "U" : ""}${row.head ? "<" : ""}${row.tail ? ">" : ""}`,
  );

describe("rows", () => {
  it("puts bubbles of one sender within a minute together", () => {
    const all = [
      say("bo", "2026-11-24T10:00:00.000"),
      say("bo", "2026-11-24T10:00:30.000"),
      say("bo", "2026-11-24T10:01:10.000"),
      say("bo", "2026-11-24T10:03:00.000"),
      say("me", "2026-11-24T10:03:10.000"),
    ];
    expect(shape(all)).toEqual(["D<", "", ">", "<>", "<>"]);
  });

  it("parts them where a day begins, something happens, or the unread begins", () => {
    const all = [
      say("bo", "2026-11-23T23:59:50.000"),
      say("bo", "2026-11-24T00:00:10.000"),
      say("bo", "2026-11-24T00:00:20.000"),
      happened("2026-11-24T00:00:25.000"),
      say("bo", "2026-11-24T00:00:30.000"),
    ];
    expect(shape(all, all[2]!.id)).toEqual(["D<>", "D<>", "U<>", "<>", "<>"]);
  });

  it("keeps the key of what was sent from here when it gets its id", () => {
    const sent = { ...say("me", "2026-11-24T10:00:00.000"), local: { key: "local-1" } } as Item;
    expect(rows([sent], null)[0]!.key).toBe("local-1");
  });
});

describe("a long text", () => {
  it("is one of more than forty lines, however they come about", () => {
    expect(isLong("a\n".repeat(30))).toBe(false);
    expect(isLong("a\n".repeat(50))).toBe(true);
    expect(isLong("word ".repeat(200))).toBe(false);
    expect(isLong("word ".repeat(700))).toBe(true);
  });
});
