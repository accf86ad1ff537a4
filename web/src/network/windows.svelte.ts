// Other windows of this page in this browser. They need nothing from each other (the app keeps them in step); it is only
// said that they are there.

const HERE_MS = 10_000;

class Windows {
  #channel = new BroadcastChannel("whimbrel-others");
  #own = crypto.randomUUID();
  #heard = new Map<string, number>();
  /** How many others there are. */
  others = $state(0);

  constructor() {
    this.#channel.onmessage = ({ data }: MessageEvent<{ from: string; gone?: boolean; asks?: boolean }>) => {
      if (data.gone) this.#heard.delete(data.from);
      else this.#heard.set(data.from, Date.now());
      if (data.asks) this.#channel.postMessage({ from: this.#own });
      this.#count();
    };
    this.#channel.postMessage({ from: this.#own, asks: true });
    setInterval(() => {
      this.#channel.postMessage({ from: this.#own });
      this.#count();
    }, HERE_MS);
    window.addEventListener("pagehide", () => this.#channel.postMessage({ from: this.#own, gone: true }));
  }

  #count(): void {
    // Timers of windows that nobody sees run once a minute.
    for (const [from, at] of this.#heard) if (Date.now() - at > 12 * HERE_MS) this.#heard.delete(from);
    this.others = this.#heard.size;
  }
}

export const windows = new Windows();
