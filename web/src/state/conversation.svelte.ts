// One chat as this window shows it: the loaded stretch of it, what was sent a moment ago, and where one reads.
import { tick } from "svelte";
import { ApiError, ask, call, UNREACHABLE } from "../api/calls";
import type { ChangeItem, FileItem, MessageItem, QuoteItem } from "../api/types";
import {
  EMPTY,
  isEvent,
  nextPortion,
  PAGE,
  PORTION_FIRST,
  PORTION_MOST,
  withNewer,
  withOlder,
  withOne,
  without,
  type Item,
  type Message,
  type Stretch,
} from "../conversation/items";
import { chats } from "./chats.svelte";
import { session } from "./session.svelte";
import { inWords, sayError } from "./toasts.svelte";

/** What is to be sent. `pending` is what the log shows of files until the app has made the message. */
export interface Outgoing {
  text?: string;
  uploads?: string[];
  descriptions?: string[];
  media?: string[];
  pending?: FileItem[];
  reply_to?: Message | null;
  mentions?: string[];
}

/** Where one reads: at the end, or this item so many px below the upper edge. */
export type Position = "end" | { id: string; offset: number };
/** An offset that the log has yet to choose. */
export const UNPLACED = -1e6;

const SEEN_AFTER_MS = 150;
let locals = 0;
/** Hidden windows have no frames. */
const nextFrame = () =>
  new Promise<void>((go) => (document.hidden ? setTimeout(go) : requestAnimationFrame(() => go())));

export class Conversation {
  /** The edge of what is loaded is all but in sight: rows come as they can, even if a frame is late by it. */
  hurry = false;
  #portion = PORTION_FIRST;
  stretch = $state.raw<Stretch>(EMPTY);
  /** Sent from here and without an id yet, or refused by the app. */
  pending = $state.raw<Message[]>([]);
  /** Why nothing could be loaded. */
  trouble = $state.raw<unknown>(null);
  loaded = $state(false);
  /** Came while the end of the chat was not shown, and was not seen. */
  newer = $state(0);
  /** The line "New messages" stands above this one. */
  unreadFrom = $state<string | null>(null);
  /** Is shown at once when one comes back. */
  position: Position = "end";

  /** No `$derived`: it would belong to the component that asked for this conversation first, and stop when that one goes. */
  get items(): readonly Item[] {
    const { items, last } = this.stretch;
    return last && this.pending.length ? [...items, ...this.pending] : items;
  }

  #loading: Promise<void> | null = null;
  /** What the stream said lately: newer than an answer that was under way then. */
  #recent: { item: Item; count: number }[] = [];
  #count = 0;
  #seen = 0;
  #seenTimer: ReturnType<typeof setTimeout> | undefined;
  /** Keys of messages that were sent from here, by the id that they have got. */
  #keys = new Map<string, string>();

  /** Came while the chat was loaded, and not shown yet. */
  #fresh = new Set<string>();

  constructor(readonly chat: string) {}

  /** Whether a message has just come; true once for each. */
  isFresh(id: string): boolean {
    return this.#fresh.delete(id);
  }

  // -- loading --------------------------------------------------------------------------------------------

  /** Opened: at the first unread one, or where one was, or at the end. */
  async open(): Promise<void> {
    const chat = chats.get(this.chat);
    const unread = chat?.unread ? chat.first_unread : null;
    if (unread && (!this.loaded || !this.#has(unread))) {
      this.unreadFrom = unread;
      this.position = { id: unread, offset: UNPLACED };
      await this.#read({ around: unread });
    } else if (!this.loaded) {
      await this.#read({});
    } else if (unread && this.unreadFrom === null) {
      this.unreadFrom = unread;
      this.position = { id: unread, offset: UNPLACED };
    }
  }

  /** Left: what was new is not new any more when one comes back. */
  leave(): void {
    this.unreadFrom = null;
    const chat = chats.get(this.chat);
    if (chat?.unread_mark) void chats.set(this.chat, { unread_mark: false });
  }

  async toEnd(): Promise<void> {
    this.position = "end";
    if (!this.stretch.last) await this.#read({});
    this.newer = 0;
  }

  /** Makes sure that this message is loaded; false when it is not there (any more). */
  async goTo(id: string): Promise<boolean> {
    if (this.#has(id)) return true;
    try {
      await this.#read({ around: id });
    } catch {
      return false;
    }
    return this.#has(id);
  }

  older(): Promise<void> {
    return this.#more("older");
  }

  async newest(): Promise<void> {
    await this.#more("newer");
  }

  #more(way: "older" | "newer"): Promise<void> {
    const { items, first, last } = this.stretch;
    const edge = way === "older" ? items[0] : items[items.length - 1];
    if (!edge || (way === "older" ? first : last)) return Promise.resolve();
    this.#loading ??= (async () => {
      const fresh = await this.#answer(way === "older" ? { before: edge.n } : { after: edge.n });
      await this.#inPortions(way, fresh);
    })()
      .catch(sayError)
      .finally(() => (this.#loading = null));
    return this.#loading;
  }

  /** So few at a time that no frame is late by them, as this computer is; what is nearest comes first. */
  async #inPortions(way: "older" | "newer", fresh: Item[]): Promise<void> {
    const end = fresh.length < PAGE;
    for (let done = 0; done < fresh.length || (done === 0 && end);) {
      if (done > 0) await nextFrame();
      const portion = this.hurry ? PORTION_MOST : this.#portion;
      const whole = end && done + portion >= fresh.length;
      const from = performance.now();
      if (way === "older") {
        const part = fresh.slice(Math.max(0, fresh.length - done - portion), fresh.length - done);
        this.stretch = withOlder(this.stretch, part, whole);
      } else {
        this.stretch = withNewer(this.stretch, fresh.slice(done, done + portion), whole);
        if (whole) this.newer = 0;
      }
      done += portion;
      await tick(); // they stand in the document, and their places are reckoned
      this.#portion = nextPortion(portion, performance.now() - from);
    }
  }

  /** A new stretch in place of the old one: the end, or around a message. */
  async #read(where: { around?: string }): Promise<void> {
    await this.#loading;
    const since = this.#count;
    try {
      const items = await this.#answer(where);
      if (where.around !== undefined) this.stretch = await this.#withEdges(items, where.around);
      else this.stretch = { items, first: items.length < PAGE, last: true };
      this.#catchUp(since);
      this.trouble = null;
      this.loaded = true;
    } catch (error) {
      if (!this.loaded) this.trouble = error;
      throw error;
    }
  }

  /** After a jump: whether there is anything before and behind. */
  async #withEdges(items: Item[], around: string): Promise<Stretch> {
    const newest = items[items.length - 1];
    if (!newest || !items.some((item) => item.id === around)) {
      throw new ApiError("not-found", "That message is not here.");
    }
    const chat = chats.get(this.chat);
    const last = chat?.preview ? newest.n >= chat.preview.n : false;
    let stretch: Stretch = { items, first: false, last };
    if (items.length < PAGE) {
      const [before, after] = await Promise.all([
        this.#answer({ before: items[0]!.n }),
        last ? [] : this.#answer({ after: newest.n }),
      ]);
      stretch = withOlder(stretch, before, before.length < PAGE);
      if (!last) stretch = withNewer(stretch, after, after.length < PAGE);
    }
    return stretch;
  }

  async #answer(where: {
    before?: number;
    after?: number;
    around?: string;
    limit?: number;
  }): Promise<Item[]> {
    const since = this.#count;
    const items = (await call("messages", { chat: this.chat, limit: PAGE, ...where })) as Item[];
    const later = new Map(
      this.#recent.filter(({ count }) => count > since).map(({ item }) => [item.id, item]),
    );
    return items.map((item) => this.#known(later.get(item.id) ?? item));
  }

  /** What came while the answer was under way and is not in it. */
  #catchUp(since: number): void {
    for (const { item, count } of this.#recent) {
      if (count > since) this.stretch = withOne(this.stretch, this.#known(item)).stretch;
    }
  }

  /** After a gap in the stream: the same stretch anew. */
  async load(): Promise<void> {
    if (!this.loaded) return;
    const { items, last } = this.stretch;
    const first = items[0];
    const since = this.#count;
    const fresh = first
      ? await this.#answer({ after: first.n - 1, limit: Math.max(PAGE, items.length + PAGE) })
      : await this.#answer({});
    const before = this.stretch.items.length ? this.stretch.first : fresh.length < PAGE;
    this.stretch = { items: fresh, first: before, last: last || fresh.length < PAGE };
    this.#catchUp(since);
    for (const message of this.pending) this.#adoptedAmong(message);
    for (const message of this.pending) message.local?.again?.();
  }

  // -- what the stream says -------------------------------------------------------------------------------

  change(change: ChangeItem): void {
    const item = change.message ?? change.event;
    if (item && item.chat === this.chat) this.#arrived(item);
    if (change.no_message) {
      const id = change.no_message;
      this.stretch = without(this.stretch, id);
      if (this.unreadFrom === id) this.unreadFrom = null;
    }
  }

  #arrived(item: Item): void {
    this.#recent.push({ item, count: ++this.#count });
    if (this.#recent.length > 200) this.#recent.splice(0, 100);
    if (!this.loaded) return;
    if (!isEvent(item) && item.mine && !this.#has(item.id)) this.#adopt(item);
    const { stretch, came } = withOne(this.stretch, this.#known(item));
    this.stretch = stretch;
    if (came && stretch.last && !isEvent(item)) this.#fresh.add(item.id);
    const fromOthers = !item.mine && came;
    if (fromOthers && (this.position !== "end" || !stretch.last)) this.newer += 1;
    if (fromOthers && !isEvent(item) && this.unreadFrom === null && !this.#looking())
      this.unreadFrom = item.id;
  }

  #looking(): boolean {
    return document.hasFocus() && this.position === "end";
  }

  /** One that was sent from here: it stands where it stood, with its id. */
  #adopt(item: MessageItem): void {
    const waiting = this.pending.find(
      (one) => one.text === item.text && one.files.length === item.files.length && !one.local!.error,
    );
    if (waiting) this.#given(waiting, item.id);
  }

  #adoptedAmong(message: Message): void {
    const found = this.stretch.items.find(
      (item) =>
        !isEvent(item) &&
        item.mine &&
        !this.#keys.has(item.id) &&
        item.text === message.text &&
        item.files.length === message.files.length &&
        item.at >= message.at,
    );
    if (found) this.#given(message, found.id);
  }

  #given(message: Message, id: string): void {
    const key = message.local!.key;
    this.#keys.set(id, key);
    if (this.#has(id)) {
      this.pending = this.pending.filter((one) => one.local!.key !== key);
      const items = this.stretch.items.map((item) => (item.id === id ? this.#known(item) : item));
      this.stretch = { ...this.stretch, items };
    } else {
      this.pending = this.pending.filter((one) => one.local!.key !== key);
    }
  }

  #known<T extends Item>(item: T): T {
    const key = this.#keys.get(item.id);
    return key === undefined ? item : { ...item, local: { key } };
  }

  #has(id: string): boolean {
    return this.stretch.items.some((item) => item.id === id);
  }

  // -- what one does --------------------------------------------------------------------------------------

  /** Stands in the log at once. When the app does not take it, it says so there. */
  send(outgoing: Outgoing): void {
    const key = `local-${++locals}`;
    const message = this.#draft(key, outgoing);
    this.pending = [...this.pending, message];
    this.unreadFrom = null;
    if (!this.stretch.last) void this.toEnd();
    this.position = "end";
    void this.#give(key, outgoing);
  }

  /** What was not taken is tried once more. */
  again(message: Message): void {
    message.local?.again?.();
  }

  /** One that the app had taken and could not bring through: the same text once more, in place of it. */
  sendAnew(message: Message): void {
    this.send({ text: message.text, reply_to: null });
    void this.delete(message, false);
  }

  forget(message: Message): void {
    this.pending = this.pending.filter((one) => one.local!.key !== message.local!.key);
  }

  async #give(key: string, outgoing: Outgoing): Promise<void> {
    const { text, uploads, descriptions, media, mentions, reply_to } = outgoing;
    try {
      const answer = (await ask("send", {
        chat: this.chat,
        ...(text ? { text } : {}),
        ...(uploads?.length ? { uploads, descriptions: descriptions ?? [], media: media ?? [] } : {}),
        ...(reply_to ? { reply_to: reply_to.id } : {}),
        ...(mentions?.length ? { mentions } : {}),
        wait: 0,
      })) as unknown as { id: string };
      await this.#taken(key, answer.id);
    } catch (error) {
      const away = error instanceof ApiError && error.code === UNREACHABLE;
      const again = () => {
        if (!this.pending.some((one) => one.local!.key === key)) return;
        this.#replace(key, (one) => ({ ...one, state: "queued", local: { key } }));
        void this.#give(key, outgoing);
      };
      // No answer is no refusal: it goes when the app is there again, if it has not taken it after all.
      this.#replace(key, (one) => ({
        ...one,
        state: away ? "queued" : "failed",
        local: away ? { key, again } : { key, again, error: inWords(error) },
      }));
    }
  }

  async #taken(key: string, id: string): Promise<void> {
    this.#keys.set(id, key);
    const message = this.pending.find((one) => one.local!.key === key);
    if (!message) return;
    // The stream brings it, mostly before this answer; when it does not, it is asked for.
    if (!this.#has(id) && this.stretch.last) {
      const [item] = (await call("message", { id }).catch(() => [])) as MessageItem[];
      if (item && !this.#has(id)) this.stretch = withOne(this.stretch, this.#known(item)).stretch;
    }
    this.#given(message, id);
  }

  #replace(key: string, change: (message: Message) => Message): void {
    this.pending = this.pending.map((one) => (one.local!.key === key ? change(one) : one));
  }

  #draft(key: string, outgoing: Outgoing): Message {
    const reply = outgoing.reply_to ?? null;
    return {
      id: key,
      chat: this.chat,
      n: Number.MAX_SAFE_INTEGER,
      from: session.name,
      sender: session.name,
      person: session.account ?? "",
      mine: true,
      at: new Date().toISOString(),
      text: outgoing.text ?? "",
      files: outgoing.pending ?? [],
      reply_to: reply?.id ?? null,
      quote: reply && quoteOf(reply),
      state: "queued",
      edited: false,
      deleted: false,
      forwarded: false,
      newer: false,
      reactions: [],
      mentions: (outgoing.mentions ?? []).map((mention) => {
        const [start, length, person] = mention.split(":");
        return { start: Number(start), length: Number(length), person: person ?? "" };
      }),
      expires: chats.get(this.chat)?.timer || null,
      vanishes: null,
      local: { key },
    };
  }

  async edit(message: Message, text: string, mentions: string[] = []): Promise<void> {
    await this.#deed(message, { text, edited: true }, () =>
      call("edit", { message: message.id, text, mentions }),
    );
  }

  async delete(message: Message, everyone: boolean): Promise<void> {
    if (message.local && this.pending.some((one) => one.id === message.id)) return this.forget(message);
    if (!everyone) {
      const before = this.stretch;
      this.stretch = without(this.stretch, message.id);
      await call("delete", { message: message.id, everyone }).catch((error: unknown) => {
        this.stretch = before;
        sayError(error);
      });
      return;
    }
    const gone = { text: "", files: [], quote: null, reactions: [], deleted: true };
    await this.#deed(message, gone, () => call("delete", { message: message.id, everyone }));
  }

  /** One emoji of each person; the same one again takes it back. */
  async react(message: Message, emoji: string): Promise<void> {
    const me = session.account ?? "";
    const before = message.reactions.find((reaction) => reaction.mine)?.emoji;
    const wanted = before === emoji ? "" : emoji;
    const others = message.reactions
      .map((reaction) =>
        reaction.mine
          ? { ...reaction, mine: false, people: reaction.people.filter((person) => person !== me) }
          : reaction,
      )
      .filter((reaction) => reaction.people.length > 0);
    const same = others.find((reaction) => reaction.emoji === wanted);
    const reactions = !wanted
      ? others
      : same
        ? others.map((one) => (one === same ? { ...one, mine: true, people: [...one.people, me] } : one))
        : [...others, { emoji: wanted, people: [me], mine: true }];
    await this.#deed(message, { reactions }, () => call("react", { message: message.id, emoji: wanted }));
  }

  /** Shown at once, and taken back when the app refuses. */
  async #deed(message: Message, changes: Partial<MessageItem>, act: () => Promise<unknown>): Promise<void> {
    const put = (item: Message) => {
      if (this.#has(item.id)) this.stretch = withOne(this.stretch, item).stretch;
    };
    put({ ...message, ...changes });
    try {
      await act();
    } catch (error) {
      put(message);
      sayError(error);
    }
  }

  /** Everything up to `n` was in sight of somebody who looks. */
  saw(n: number): void {
    if (n <= this.#seen || n === Number.MAX_SAFE_INTEGER) return;
    this.#seen = n;
    clearTimeout(this.#seenTimer);
    this.#seenTimer = setTimeout(() => {
      const chat = chats.get(this.chat);
      if (!chat || (chat.unread === 0 && !chat.unread_mark)) return;
      call("seen", { chat: this.chat, n: this.#seen }).catch(() => (this.#seen = 0));
    }, SEEN_AFTER_MS);
  }
}

function quoteOf(message: Message): QuoteItem {
  const { id, sender, mine, text, files } = message;
  const type = files[0]?.type ?? "";
  const what = message.deleted
    ? "deleted"
    : !files.length
      ? "text"
      : files[0]!.media?.voice
        ? "voice"
        : type.startsWith("image/")
          ? "picture"
          : type.startsWith("video/")
            ? "video"
            : "file";
  return { id, sender, mine, text, what };
}

// -- those that are open, and those that were a moment ago ------------------------------------------------

const AT_HAND = 12;
const open = new Map<string, Conversation>();

export function conversation(chat: string): Conversation {
  const found = open.get(chat) ?? new Conversation(chat);
  open.delete(chat);
  open.set(chat, found);
  for (const [id, one] of open) {
    if (open.size <= AT_HAND) break;
    if (one.pending.length === 0) open.delete(id);
  }
  return found;
}

session.join({
  async load() {
    await Promise.all([...open.values()].map((one) => one.load()));
  },
  change(change) {
    if (change.no_chat) open.delete(change.no_chat);
    for (const one of open.values()) one.change(change);
  },
});
