// How things stand now, for the status line: the facts that says.ts decides from, kept up with the time.
import { untrack } from "svelte";
import { session } from "../state/session.svelte";
import { AGAIN_MS, AWHILE_MS, PATIENCE_MS, says, type Says } from "./says";

class Standing {
  #online = $state(navigator.onLine);
  #downSince = $state<number | null>(null);
  #againSince = $state<number | null>(null);
  #hadWay = $state(false);
  #now = $state(Date.now());

  readonly says: Says = $derived(
    says({
      status: session.status,
      app: session.app,
      online: this.#online,
      downSince: this.#downSince,
      hadWay: this.#hadWay,
      againSince: this.#againSince,
      now: this.#now,
    }),
  );

  get online(): boolean {
    return this.#online;
  }

  constructor() {
    const online = () => (this.#online = navigator.onLine);
    window.addEventListener("online", online);
    window.addEventListener("offline", online);
    $effect.root(() => {
      const down = $derived(!!session.status?.ways.length && !session.status.ways.some((way) => way.up));
      $effect(() => {
        const turned = down;
        untrack(() => this.#turned(turned));
      });
      $effect(() => this.#wakeLater(this.#downSince, this.#againSince));
    });
  }

  #turned(down: boolean): void {
    const now = (this.#now = Date.now());
    const since = this.#downSince;
    if (down) {
      this.#downSince = since ?? now;
      this.#againSince = null;
    } else {
      if (since !== null && this.#hadWay && now - since > AWHILE_MS) this.#againSince = now;
      this.#downSince = null;
      if (session.status?.ways.some((way) => way.up)) this.#hadWay = true;
    }
  }

  /** The time matters at two moments only: when patience ends, and when the good news is old. */
  #wakeLater(down: number | null, again: number | null): () => void {
    const at = down !== null ? down + PATIENCE_MS : again !== null ? again + AGAIN_MS : null;
    const timer = at === null ? undefined : setTimeout(() => (this.#now = Date.now()), at - Date.now() + 20);
    return () => clearTimeout(timer);
  }
}

export const standing = new Standing();
