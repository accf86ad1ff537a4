/** Which voice notes of others were heard in this browser: their ids alone, the newest two thousand. */
import { SvelteSet } from "svelte/reactivity";
import type { Track } from "./player.svelte";

const KEPT_AS = "whimbrel-heard";
const MOST = 2000;

class Heard {
  #ids = new SvelteSet<string>(remembered());

  constructor() {
    window.addEventListener("storage", ({ key }) => {
      if (key === KEPT_AS) for (const id of remembered()) this.#ids.add(id);
    });
  }

  has(id: string): boolean {
    return this.#ids.has(id);
  }

  add(track: Track): void {
    if (track.mine || this.#ids.has(track.file.id)) return;
    this.#ids.add(track.file.id);
    localStorage.setItem(KEPT_AS, JSON.stringify([...this.#ids].slice(-MOST)));
  }
}

function remembered(): string[] {
  try {
    const kept: unknown = JSON.parse(localStorage.getItem(KEPT_AS) ?? "[]");
    return Array.isArray(kept) ? kept.filter((id) => typeof id === "string") : [];
  } catch {
    return [];
  }
}

export const heard = new Heard();
