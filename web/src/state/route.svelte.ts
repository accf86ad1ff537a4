// Where one is: which chat, and what lies over or beside it. It stands in the fragment of the url, so that the system's
// back and forward work, a reload comes back to it, and a window can be opened at it.
//
//   #/                       nothing chosen
//   #/chat/ID                a chat
//   #/chat/ID/at/MESSAGE     a chat, at a message
//   #/…/-/contact/ID         over or beside that: a panel and what it is about

export interface Place {
  chat: string | null;
  /** A message of the chat to go to and flash. */
  at: string | null;
  /** `["settings", "network"]` */
  panel: readonly string[] | null;
}

export function parsed(hash: string): Place {
  const place: Place = { chat: null, at: null, panel: null };
  if (!hash.startsWith("#/")) return place;
  const parts = hash.slice(2).split("/").filter(Boolean).map(decoded);
  const divide = parts.indexOf("-");
  const where = divide < 0 ? parts : parts.slice(0, divide);
  if (divide >= 0 && divide + 1 < parts.length) place.panel = parts.slice(divide + 1);
  if (where[0] === "chat" && where[1]) {
    place.chat = where[1];
    if (where[2] === "at" && where[3]) place.at = where[3];
  }
  return place;
}

export function written(place: Place): string {
  const parts: string[] = [];
  if (place.chat) parts.push("chat", place.chat);
  if (place.chat && place.at) parts.push("at", place.at);
  if (place.panel?.length) parts.push("-", ...place.panel);
  return `#/${parts.map(encodeURIComponent).join("/")}`;
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

class Route {
  #place = $state.raw<Place>(parsed(location.hash));
  /** Steps of this visit: how far the system's back stays inside. */
  #depth = (history.state as { depth?: number } | null)?.depth ?? 0;

  constructor() {
    window.addEventListener("popstate", () => this.#arrived());
    window.addEventListener("hashchange", () => this.#arrived());
  }

  get chat(): string | null {
    return this.#place.chat;
  }
  get at(): string | null {
    return this.#place.at;
  }
  get panel(): readonly string[] | null {
    return this.#place.panel;
  }

  /** To a chat (at a message of it); what lay over it is gone. */
  openChat(chat: string, at: string | null = null): void {
    const next: Place = { chat, at, panel: at ? this.#besideThat() : null };
    // From chat to chat is no step: back leads to the list where that is a place of its own, not through all chats.
    if (this.#place.chat === null && !this.#place.panel) this.#go(next);
    else this.#replace(next);
  }

  /** A panel over or beside what is there: `open("contact", id)`, `open("settings", "network")`. */
  open(...panel: string[]): void {
    const next: Place = { chat: this.chat, at: null, panel };
    if (this.#place.panel) this.#replace(next);
    else this.#go(next);
  }

  /** A further step inside of a panel, from which back comes back. */
  step(...panel: string[]): void {
    this.#go({ chat: this.chat, at: null, panel });
  }

  /** Closes the panel; the chat stays. */
  close(): void {
    if (!this.#place.panel) return;
    this.#back({ chat: this.chat, at: null, panel: null });
  }

  /** From a chat to the list. */
  leaveChat(): void {
    this.#back({ chat: null, at: null, panel: null });
  }

  /** The message was shown: a reload need not go there again. */
  arrived(): void {
    if (this.#place.at) this.#replace({ ...this.#place, at: null });
  }

  /** What was searched for stays beside what was found, where there is room for both. */
  #besideThat(): Place["panel"] {
    const panel = this.#place.panel;
    if (panel?.[0] !== "search") return null;
    return matchMedia(panel.length > 1 ? "(min-width: 1100px)" : "(min-width: 720px)").matches ? panel : null;
  }

  #go(place: Place): void {
    const address = written(place);
    if (address === written(this.#place)) return;
    this.#depth += 1;
    history.pushState({ depth: this.#depth }, "", address);
    this.#place = place;
  }

  #replace(place: Place): void {
    history.replaceState({ depth: this.#depth }, "", written(place));
    this.#place = place;
  }

  /** Through the history when it leads there, so that forward works, too. */
  #back(place: Place): void {
    if (this.#depth > 0) {
      const wanted = written(place);
      history.back();
      // Several steps were taken inside: then it is not reached by one step back.
      const check = () => {
        if (written(this.#place) !== wanted) this.#replace(place);
      };
      window.addEventListener("popstate", check, { once: true });
    } else this.#replace(place);
  }

  #arrived(): void {
    this.#depth = (history.state as { depth?: number } | null)?.depth ?? 0;
    this.#place = parsed(location.hash);
  }
}

export const route = new Route();
