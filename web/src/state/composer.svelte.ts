// What is being written, for each chat: its text, what it answers or changes, and who is named in it. Kept as a draft.
import type { Message } from "../conversation/items";
import { chats } from "./chats.svelte";

const SAVED_AFTER_MS = 500;

export class Composer {
  text = $state("");
  replyTo = $state.raw<Message | null>(null);
  editing = $state.raw<Message | null>(null);
  /** People who were chosen from the list after an @: the name as it stands in the text, and the account. */
  named = $state.raw<{ name: string; person: string }[]>([]);
  /** The text box, while it is shown. */
  box = $state.raw<HTMLTextAreaElement | null>(null);

  #saved: string;
  #before = "";
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(readonly chat: string) {
    this.text = this.#saved = chats.get(chat)?.draft ?? "";
  }

  focus(): void {
    this.box?.focus({ preventScroll: true });
  }

  /** At the cursor, in place of what is selected. */
  insert(text: string): void {
    const box = this.box;
    const [start, end] = box ? [box.selectionStart, box.selectionEnd] : [this.text.length, this.text.length];
    this.replace(start, end, text);
  }

  /** Puts `text` in the place of a part, and the cursor behind it. */
  replace(start: number, end: number, text: string): void {
    this.text = this.text.slice(0, start) + text + this.text.slice(end);
    this.keep();
    const at = start + text.length;
    queueMicrotask(() => {
      this.box?.focus({ preventScroll: true });
      this.box?.setSelectionRange(at, at);
    });
  }

  reply(message: Message): void {
    this.stopEditing();
    this.replyTo = message;
    this.focus();
  }

  edit(message: Message): void {
    if (!this.editing) this.#before = this.text;
    this.replyTo = null;
    this.editing = message;
    this.text = message.text;
    queueMicrotask(() => {
      this.focus();
      this.box?.setSelectionRange(this.text.length, this.text.length);
    });
  }

  stopEditing(): void {
    if (!this.editing) return;
    this.editing = null;
    this.text = this.#before;
    this.#before = "";
  }

  /** The text as it goes, with who is named in it; the box is empty then. */
  take(): { text: string; mentions: string[]; reply_to: Message | null; editing: Message | null } {
    const text = this.text.trim();
    const taken = {
      text,
      mentions: mentions(text, this.named),
      reply_to: this.replyTo,
      editing: this.editing,
    };
    if (this.editing) {
      this.stopEditing();
    } else {
      this.text = "";
      this.replyTo = null;
      this.named = [];
      this.save();
    }
    return taken;
  }

  /** Soon. */
  keep(): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.save(), SAVED_AFTER_MS);
  }

  save(): void {
    clearTimeout(this.#timer);
    const draft = this.editing ? this.#before : this.text;
    if (draft === this.#saved) return;
    this.#saved = draft;
    void chats.set(this.chat, { draft });
  }

  /** The draft was written in another window; what is being written here stays. */
  follow(draft: string): void {
    if (draft === this.#saved || this.editing) return;
    if (this.text === this.#saved) this.text = draft;
    this.#saved = draft;
  }
}

/** "start:length:account" in code points, for each name that still stands in the text. */
export function mentions(text: string, named: readonly { name: string; person: string }[]): string[] {
  const found: string[] = [];
  const length = (part: string) => [...part].length;
  for (const { name, person } of named) {
    for (let at = text.indexOf(`@${name}`); at >= 0; at = text.indexOf(`@${name}`, at + 1)) {
      const mention = `${length(text.slice(0, at))}:${length(`@${name}`)}:${person}`;
      if (!found.includes(mention)) found.push(mention);
    }
  }
  return found;
}

const composers = new Map<string, Composer>();

export function composer(chat: string): Composer {
  let found = composers.get(chat);
  if (!found) composers.set(chat, (found = new Composer(chat)));
  return found;
}

window.addEventListener("pagehide", () => {
  for (const one of composers.values()) one.save();
});
