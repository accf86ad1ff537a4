// What is shown while a panel is open and is not told by itself: loaded at once, with each status, and every few seconds.
import { session } from "../state/session.svelte";

const AGAIN_MS = 3_000;

/** For a component's beginning. `load` keeps its own errors. */
export function again(load: () => Promise<void>): void {
  $effect(() => {
    void session.status;
    void load();
    const timer = setInterval(load, AGAIN_MS);
    return () => clearInterval(timer);
  });
}
