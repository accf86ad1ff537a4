import { expect, it } from "vitest";
import type { ChatItem } from "../api/types";
import { before, passes } from "./order";

const chat = (id: string, more: Partial<ChatItem> = {}) =>
  ({
    id,
    last: null,
    pinned: false,
    archived: false,
    unread: 0,
    unread_mark: false,
    kind: "pair",
    ...more,
  }) as ChatItem;

it("shows pinned chats first, then what came last, then those without messages", () => {
  const all = [
    chat("quiet"),
    chat("old", { last: "2026-11-01T10:00:00.000Z" }),
    chat("new", { last: "2026-11-24T10:00:00.000Z" }),
    chat("pinned", { last: "2025-01-01T10:00:00.000Z", pinned: true }),
  ];
  expect(all.sort(before).map((one) => one.id)).toEqual(["pinned", "new", "old", "quiet"]);
});

it("keeps the archive apart from everything", () => {
  const away = chat("away", { archived: true, unread: 3, kind: "group" });
  expect((["all", "unread", "groups", "archived"] as const).filter((filter) => passes(away, filter))).toEqual(
    ["archived"],
  );
  expect(passes(chat("marked", { unread_mark: true }), "unread")).toBe(true);
});
