// What stands in a conversation, and which part of it is loaded: a stretch without gaps, in the order of `n`.
import type { EventItem, MessageItem } from "../api/types";

/** What only this window knows of a message that it has just sent. */
export interface Local {
  /** Stays the same when the app gives the message its id: what stands in the log is not made anew. */
  key: string;
  /** Why the app did not take it. */
  error?: string;
  /** Parts of the files that have gone up to the app, by the place of the file. */
  again?: () => void;
}

export type Message = MessageItem & { local?: Local };
export type Item = Message | EventItem;

export function isEvent(item: Item): item is EventItem {
  return "event" in item;
}

export interface Stretch {
  readonly items: readonly Item[];
  /** Nothing is before it. */
  readonly first: boolean;
  /** Nothing is after it. */
  readonly last: boolean;
}

export const EMPTY: Stretch = { items: [], first: false, last: false };

/** So many are asked for at once; some screens full. */
export const PAGE = 40;
/** More are not kept, and not in the document: memory stays flat however far one scrolls. */
export const MOST = 120;

/** Rows that are put into the document in one frame: at first, and at the most. */
export const PORTION_FIRST = 3;
export const PORTION_MOST = 10;
/** What they may cost, in ms; the rest of the frame is for the scrolling. */
const PORTION_MS = 4;

/** How many rows are put in next, when `rows` of them took `ms`. One slow frame is no reason to creep, one fast one none to rush. */
export function nextPortion(rows: number, ms: number): number {
  const fitting = (rows * PORTION_MS) / Math.max(ms, 0.1);
  const half = (rows + fitting) / 2;
  return Math.max(1, Math.min(PORTION_MOST, fitting < rows ? Math.floor(half) : Math.ceil(half)));
}

/** Older ones in front; the newest go when there are too many. */
export function withOlder(stretch: Stretch, older: readonly Item[], first: boolean): Stretch {
  const items = merged(older, stretch.items);
  if (items.length <= MOST) return { ...stretch, items, first };
  return { items: items.slice(0, MOST), first, last: false };
}

/** Newer ones behind; the oldest go when there are too many. */
export function withNewer(stretch: Stretch, newer: readonly Item[], last: boolean): Stretch {
  const items = merged(stretch.items, newer);
  if (items.length <= MOST) return { ...stretch, items, last };
  return { items: items.slice(-MOST), first: false, last };
}

/** One that changed or came. What lies outside of the stretch stays outside; `came` says that it is behind the end. */
export function withOne(stretch: Stretch, item: Item): { stretch: Stretch; came: boolean } {
  const at = stretch.items.findIndex((one) => one.id === item.id);
  if (at >= 0) {
    const items = [...stretch.items];
    items[at] = item;
    return { stretch: { ...stretch, items }, came: false };
  }
  const oldest = stretch.items[0];
  const newest = stretch.items[stretch.items.length - 1];
  if (!newest || item.n > newest.n) {
    if (!stretch.last) return { stretch, came: true };
    return { stretch: withNewer(stretch, [item], true), came: true };
  }
  if (oldest && item.n < oldest.n && !stretch.first) return { stretch, came: false };
  return { stretch: { ...stretch, items: merged(stretch.items, [item]) }, came: false };
}

export function without(stretch: Stretch, id: string): Stretch {
  const items = stretch.items.filter((item) => item.id !== id);
  return items.length === stretch.items.length ? stretch : { ...stretch, items };
}

/** Both by `n`; of two with one id the one of `over` holds. */
export function merged(under: readonly Item[], over: readonly Item[]): Item[] {
  if (under.length === 0) return [...over];
  if (over.length === 0) return [...under];
  if (under[under.length - 1]!.n < over[0]!.n) return [...under, ...over];
  const byId = new Map<string, Item>();
  for (const item of under) byId.set(item.id, item);
  for (const item of over) byId.set(item.id, item);
  return [...byId.values()].sort((one, other) => one.n - other.n);
}
