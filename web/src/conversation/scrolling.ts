// Keeps the place in the log: whatever is loaded, changes its size or comes, what is read stays where it is.
//
// One mechanism for all of it. While nobody scrolls, the position (the end, or a row and its distance from the upper edge)
// is what holds; after each change of the document and of a size the log is scrolled so that it is true again.
import type { Position } from "../state/conversation.svelte";

/** So near to the end is the end. */
const NEAR = 32;

export class Scrolling {
  constructor(
    readonly box: HTMLElement,
    /** Its children are the rows, each with `data-key`. */
    readonly column: HTMLElement,
    /** Whether the last row of the chat is there. */
    readonly isLast: () => boolean,
  ) {}

  /** Where one reads now. */
  position(): Position {
    const { box } = this;
    if (this.isLast() && box.scrollHeight - box.scrollTop - box.clientHeight < NEAR) return "end";
    const row = this.#firstBelow(box.scrollTop + 1);
    if (!row) return "end";
    return { id: row.dataset["key"]!, offset: this.top(row) - box.scrollTop };
  }

  /** Scrolls so that `position` is true. */
  hold(position: Position): void {
    const wanted = this.#wanted(position);
    if (wanted !== null && Math.abs(this.box.scrollTop - wanted) >= 1) this.box.scrollTop = wanted;
  }

  #wanted(position: Position): number | null {
    if (position === "end") return this.box.scrollHeight - this.box.clientHeight;
    const row = this.row(position.id);
    if (!row) return null;
    return Math.max(
      0,
      Math.min(this.top(row) - position.offset, this.box.scrollHeight - this.box.clientHeight),
    );
  }

  row(key: string): HTMLElement | null {
    const escaped = CSS.escape(key);
    return this.column.querySelector(`:scope > [data-key="${escaped}"], :scope > [data-id="${escaped}"]`);
  }

  top(row: HTMLElement): number {
    return row.offsetTop + this.column.offsetTop;
  }

  /** The last row of which enough is in sight to count as seen. */
  lastSeen(): HTMLElement | null {
    const below = this.#firstBelow(this.box.scrollTop + this.box.clientHeight - 24);
    return below ?? (this.column.lastElementChild as HTMLElement | null);
  }

  /** The first row whose lower edge is below `y`, found by halves. */
  #firstBelow(y: number): HTMLElement | null {
    const rows = this.column.children as HTMLCollectionOf<HTMLElement>;
    let [low, high] = [0, rows.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      const row = rows[middle]!;
      if (this.top(row) + row.offsetHeight > y) high = middle;
      else low = middle + 1;
    }
    return rows[low] ?? null;
  }
}
