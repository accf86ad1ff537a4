import { describe, expect, it } from "vitest";
import fc from "fast-check";
import {
  EMPTY,
  merged,
  MOST,
  nextPortion,
  PAGE,
  PORTION_MOST,
  withNewer,
  withOlder,
  withOne,
  without,
  type Item,
  type Stretch,
} from "./items";

const item = (n: number, text = ""): Item =>
  ({ id: `m${n}`, chat: "c", n, text, mine: false, person: "p", at: "2026-11-24T10:00:00.000Z" }) as Item;
const range = (from: number, to: number) => Array.from({ length: to - from }, (_, at) => item(from + at));
const numbers = (stretch: Stretch) => stretch.items.map((one) => one.n);

describe("a stretch", () => {
  it("takes older ones in front and says when nothing is before", () => {
    const stretch = withOlder({ items: range(50, 60), first: false, last: true }, range(40, 50), true);
    expect(numbers(stretch)).toEqual(range(40, 60).map((one) => one.n));
    expect(stretch).toMatchObject({ first: true, last: true });
  });

  it("lets go of what is far away, and knows that it did", () => {
    let stretch: Stretch = { items: range(1000, 1000 + MOST), first: false, last: true };
    stretch = withOlder(stretch, range(1000 - PAGE, 1000), false);
    expect(stretch.items).toHaveLength(MOST);
    expect(stretch).toMatchObject({ first: false, last: false });
    expect(stretch.items[0]!.n).toBe(1000 - PAGE);
    stretch = withNewer(stretch, range(1000 - PAGE + MOST, 1000 + MOST), true);
    expect(stretch.items).toHaveLength(MOST);
    expect(stretch).toMatchObject({ first: false, last: true });
  });

  it("puts one that came behind the end only when the end is there", () => {
    const open: Stretch = { items: range(0, 5), first: true, last: true };
    expect(withOne(open, item(5))).toMatchObject({ came: true, stretch: { last: true } });
    expect(numbers(withOne(open, item(5)).stretch)).toEqual([0, 1, 2, 3, 4, 5]);
    const closed: Stretch = { items: range(0, 5), first: true, last: false };
    expect(withOne(closed, item(9))).toEqual({ came: true, stretch: closed });
  });

  it("changes one where it stands, and leaves out what lies before it", () => {
    const stretch: Stretch = { items: range(10, 15), first: false, last: true };
    const changed = withOne(stretch, item(12, "other"));
    expect(changed.came).toBe(false);
    expect(changed.stretch.items[2]).toMatchObject({ text: "other" });
    expect(withOne(stretch, item(3)).stretch).toBe(stretch);
  });

  it("begins with the first message of an empty chat", () => {
    expect(numbers(withOne({ ...EMPTY, first: true, last: true }, item(7)).stretch)).toEqual([7]);
  });

  it("forgets one that vanished and is the same when there was none", () => {
    const stretch: Stretch = { items: range(0, 3), first: true, last: true };
    expect(numbers(without(stretch, "m1"))).toEqual([0, 2]);
    expect(without(stretch, "m9")).toBe(stretch);
  });

  it("is in order and has each one once, whatever is merged", () => {
    const some = fc
      .uniqueArray(fc.integer({ min: 0, max: 60 }))
      .map((all) => all.sort((a, b) => a - b).map((n) => item(n)));
    fc.assert(
      fc.property(some, some, (one, other) => {
        const all = merged(one, other).map((each) => each.n);
        expect(all).toEqual([...new Set([...one, ...other].map((each) => each.n))].sort((a, b) => a - b));
      }),
    );
  });
});

describe("the rows of a frame", () => {
  const after = (perRow: number, from: number) => {
    let rows = from;
    for (let n = 0; n < 20; n++) rows = nextPortion(rows, rows * perRow);
    return rows;
  };

  it("are as many as the computer can put in within their part of a frame", () => {
    expect(after(0.1, 3)).toBe(PORTION_MOST);
    expect(after(2, 10)).toBe(2);
    expect(after(2, 1)).toBe(2);
    expect(after(50, 10)).toBe(1);
  });

  it("never creep or rush because of one odd frame, or a clock that stood still", () => {
    expect(nextPortion(4, 80)).toBe(2);
    expect(nextPortion(3, 0)).toBe(PORTION_MOST);
    expect(nextPortion(1, 1000)).toBe(1);
  });
});
