// How items stand in the log: day lines, the line before the first unread, and which bubbles stand together.
import { isEvent, type Item } from "./items";

export interface Row {
  key: string;
  item: Item;
  /** The first of its day: the moment, for the day line above. */
  day: string | null;
  /** The line "New messages" stands above. */
  unread: boolean;
  /** The first and the last of bubbles that stand together. */
  head: boolean;
  tail: boolean;
}

/** Bubbles of one sender stand together while not more than this is between two of them. */
const TOGETHER_MS = 60_000;

export function rows(items: readonly Item[], unreadFrom: string | null): Row[] {
  const made: Row[] = [];
  for (let at = 0; at < items.length; at++) {
    const item = items[at]!;
    const earlier = items[at - 1];
    const later = items[at + 1];
    const day = !earlier || dayOf(earlier) !== dayOf(item) ? item.at : null;
    const unread = unreadFrom !== null && item.id === unreadFrom;
    const head = day !== null || unread || !earlier || !together(earlier, item);
    const tail = !later || later.id === unreadFrom || dayOf(later) !== dayOf(item) || !together(item, later);
    made.push(asBefore({ key: keyOf(item), item, day, unread, head, tail }));
  }
  return made;
}

/** The rows of before: what has not changed is the same object, so that nothing of it is looked at again when others come. */
const known = new WeakMap<Item, Row>();
function asBefore(row: Row): Row {
  const before = known.get(row.item);
  if (
    before &&
    before.key === row.key &&
    before.day === row.day &&
    before.unread === row.unread &&
    before.head === row.head &&
    before.tail === row.tail
  )
    return before;
  known.set(row.item, row);
  return row;
}

export function keyOf(item: Item): string {
  return isEvent(item) ? item.id : (item.local?.key ?? item.id);
}

function together(one: Item, next: Item): boolean {
  if (isEvent(one) || isEvent(next)) return false;
  return (
    one.person === next.person &&
    one.mine === next.mine &&
    Math.abs(moment(next) - moment(one)) <= TOGETHER_MS
  );
}

function moment(item: Item): number {
  return Date.parse(item.at);
}

// Asked for each item of a stretch, again and again: by the calendar of this computer.
const days = new Map<string, string>();
function dayOf(item: Item): string {
  let day = days.get(item.at);
  if (day === undefined) {
    if (days.size > 5_000) days.clear();
    day = new Date(item.at).toDateString();
    days.set(item.at, day);
  }
  return day;
}

/** Lines after which a long text is folded, and about how long a line is. */
export const FOLD_LINES = 40;
const LINE = 60;

export function isLong(text: string): boolean {
  if (text.length < FOLD_LINES) return false;
  let count = 0;
  for (const line of text.split("\n")) {
    count += Math.max(1, Math.ceil(line.length / LINE));
    if (count > FOLD_LINES + 4) return true;
  }
  return false;
}
