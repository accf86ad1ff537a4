// The order of the list of chats, and what its filters let through.
import type { ChatItem } from "../api/types";

export type Filter = "all" | "unread" | "groups" | "archived";

/** Pinned ones first, then by what came last. */
export function before(one: ChatItem, other: ChatItem): number {
  if (one.pinned !== other.pinned) return one.pinned ? -1 : 1;
  const [mine, theirs] = [one.last ?? "", other.last ?? ""];
  if (mine !== theirs) return mine < theirs ? 1 : -1;
  return one.id < other.id ? -1 : 1;
}

export function isUnread(chat: ChatItem): boolean {
  return chat.unread > 0 || chat.unread_mark;
}

export function passes(chat: ChatItem, filter: Filter): boolean {
  if (filter === "archived") return chat.archived;
  if (chat.archived) return false;
  if (filter === "unread") return isUnread(chat);
  return filter === "all" || chat.kind === "group";
}
