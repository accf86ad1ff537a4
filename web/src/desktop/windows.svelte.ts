/**
 * Several windows of one home: each says which chat it looks at, and one of them (the oldest that is there) speaks for all, so
 * that a message is told and heard once.
 */

interface Look {
  window: string;
  /** The chat that somebody looks at there, now. */
  chat: string | null;
  gone?: boolean;
  /** A window that has just come asks the others. */
  asks?: boolean;
}

class Windows {
  /** This window tells of new messages. */
  speaks = $state(false);
  /** Further windows that are open. */
  others = $state(0);

  readonly #own = crypto.randomUUID();
  readonly #channel = new BroadcastChannel("whimbrel-windows");
  readonly #looks = new Map<string, string | null>();
  #chat: string | null = null;

  constructor() {
    this.#channel.onmessage = ({ data }: MessageEvent<Look>) => this.#hear(data);
    this.#say({ asks: true });
    addEventListener("pagehide", () => this.#say({ gone: true }));
    addEventListener("pageshow", (event) => event.persisted && this.#say({ asks: true }));
    // Whoever has the lock speaks; when that window closes the next one gets it.
    void navigator.locks?.request("whimbrel-speaks", () => {
      this.speaks = true;
      return new Promise<void>(() => {});
    });
    if (!navigator.locks) this.speaks = true;
  }

  /** The chat that is in sight and in use in this window; null when it is not looked at. */
  looksAt(chat: string | null): void {
    if (chat === this.#chat) return;
    this.#chat = chat;
    this.#say({});
  }

  isLookedAt(chat: string): boolean {
    return this.#chat === chat || [...this.#looks.values()].includes(chat);
  }

  #say(more: Partial<Look>): void {
    this.#channel.postMessage({ window: this.#own, chat: this.#chat, ...more } satisfies Look);
  }

  #hear(look: Look): void {
    if (look.gone) this.#looks.delete(look.window);
    else this.#looks.set(look.window, look.chat);
    this.others = this.#looks.size;
    if (look.asks) this.#say({});
  }
}

export const windows = new Windows();
