/**
 * What lies ready to be sent in each chat: chosen, dropped, pasted or recorded. It stays while one looks at other chats, and
 * goes up to the app when the message is sent.
 */
import { call, upload } from "../api/calls";
import type { FileItem, MediaItem } from "../api/types";
import { session } from "../state/session.svelte";
import { inWords, say } from "../state/toasts.svelte";
import { t } from "../words/words";
import { CannotGo, cleanName, prepared, type Prepared } from "./prepare";

export const MOST_FILES = 30;

/** One thing in the tray. */
export class Attached {
  readonly id: number;
  readonly file: File;
  /** Null while it is made ready. */
  ready = $state.raw<Prepared | null>(null);
  /** In words, when it cannot go. */
  wrong = $state("");
  /** For those who do not see it; goes with it. */
  description = $state("");
  /** The part that went up to the app, while it goes. */
  done = $state(0);
  /** Of what will be sent, to look at; pictures and films alone. */
  preview = $state<string>();
  #making: Promise<void> = Promise.resolve();
  #turn = 0;

  constructor(id: number, file: File, full: boolean, ready?: Prepared) {
    this.id = id;
    this.file = file;
    if (ready) this.#show(ready);
    else this.make(full);
  }

  get name(): string {
    return cleanName(this.file.name);
  }

  /** Makes it ready, anew when the quality is chosen otherwise. */
  make(full: boolean): void {
    const turn = (this.#turn += 1);
    this.#making = prepared(this.file, full).then(
      (ready) => {
        if (turn === this.#turn) this.#show(ready);
      },
      (error: unknown) => {
        if (turn === this.#turn) this.wrong = whyNot(error, this.name);
      },
    );
  }

  /** When it is ready, or said what is wrong. */
  async settled(): Promise<Prepared | null> {
    let turn: number;
    do {
      turn = this.#turn;
      await this.#making;
    } while (turn !== this.#turn);
    return this.wrong ? null : this.ready;
  }

  letGo(): void {
    this.#turn += 1;
    if (this.preview) URL.revokeObjectURL(this.preview);
    this.preview = undefined;
  }

  #show(ready: Prepared): void {
    if (this.preview) URL.revokeObjectURL(this.preview);
    this.preview =
      ready.what === "picture" || ready.what === "video" ? URL.createObjectURL(ready.blob) : undefined;
    this.ready = ready;
  }
}

/** What `send` takes, and what the log shows until the app has answered. */
export interface Taken {
  uploads: string[];
  descriptions: string[];
  media: string[];
  pending: FileItem[];
}

class Tray {
  readonly chat: string;
  items = $state<Attached[]>([]);
  full = $state(false);
  /** They go up to the app now. */
  going = $state(false);
  #stop: AbortController | null = null;

  constructor(chat: string) {
    this.chat = chat;
    this.full = session.settings?.full_quality ?? false;
  }

  get empty(): boolean {
    return this.items.length === 0;
  }

  /** Something would be sent. */
  get some(): boolean {
    return this.items.some((item) => !item.wrong);
  }

  /** Pictures for which the quality makes a difference. */
  get pictures(): boolean {
    return this.items.some((item) => item.ready?.what === "picture" && item.ready.type !== "image/gif");
  }

  add(files: Iterable<File>): void {
    const all = [...files];
    const room = MOST_FILES - this.items.length;
    if (all.length > room) say(t("media.tray.too_many", { count: MOST_FILES }));
    for (const file of all.slice(0, Math.max(0, room)))
      this.items.push(new Attached((ids += 1), file, this.full));
  }

  remove(item: Attached): void {
    item.letGo();
    this.items = this.items.filter((other) => other !== item);
  }

  /** Earlier (-1) or later (1) among the others. */
  move(item: Attached, by: number): void {
    const from = this.items.indexOf(item);
    const to = from + by;
    if (from < 0 || to < 0 || to >= this.items.length) return;
    const items = [...this.items];
    items.splice(from, 1);
    items.splice(to, 0, item);
    this.items = items;
  }

  setFull(full: boolean): void {
    if (this.full === full) return;
    this.full = full;
    for (const item of this.items) if (item.ready?.what === "picture" || !item.ready) item.make(full);
  }

  clear(): void {
    this.#stop?.abort();
    for (const item of this.items) item.letGo();
    this.items = [];
    this.full = session.settings?.full_quality ?? false;
  }

  /**
   * Everything up to the app, in its order, and the tray is empty. Null when there was nothing, it was stopped, or something
   * went wrong: that is said, and all stays as it was.
   */
  async take(): Promise<Taken | null> {
    const items = this.items.filter((item) => !item.wrong);
    if (items.length === 0 || this.going) return null;
    this.going = true;
    this.#stop = new AbortController();
    try {
      const taken = await goUp(this.chat, items, this.#stop.signal);
      // What cannot go was said; it does not stay for the next message.
      const left = this.items.filter((item) => !items.includes(item) && !item.wrong);
      for (const item of this.items) if (!left.includes(item)) item.letGo();
      this.items = left;
      return taken;
    } catch (error) {
      if (!(error instanceof DOMException && error.name === "AbortError")) say(inWords(error));
      return null;
    } finally {
      this.going = false;
      for (const item of items) item.done = 0;
    }
  }

  stop(): void {
    this.#stop?.abort();
  }
}

async function goUp(chat: string, items: Attached[], signal: AbortSignal): Promise<Taken> {
  const taken: Taken = { uploads: [], descriptions: [], media: [], pending: [] };
  try {
    await giveAll(chat, items, signal, taken);
    return taken;
  } catch (error) {
    // Nothing of what was not sent stays with the app.
    for (const id of taken.uploads) void call("drop_upload", { upload: id }).catch(() => {});
    throw error;
  }
}

async function giveAll(chat: string, items: Attached[], signal: AbortSignal, taken: Taken): Promise<void> {
  for (const item of items) {
    const ready = await item.settled();
    if (!ready) continue;
    const given = await giveToApp(chat, ready, (part) => (item.done = part), signal);
    taken.uploads.push(given.upload);
    taken.descriptions.push(item.description.trim());
    taken.media.push(JSON.stringify(ready.media ?? {}));
    taken.pending.push(pendingFile(given.upload, ready, item.description.trim()));
  }
}

function giveToApp(chat: string, ready: Prepared, progress: (part: number) => void, signal?: AbortSignal) {
  return upload(ready.blob, { chat, name: ready.name, type: ready.type }, progress, signal);
}

function pendingFile(id: string, ready: Prepared, description: string): FileItem {
  const size = ready.blob.size;
  const file: FileItem = {
    id: `pending-${id}`,
    name: ready.name,
    size,
    type: ready.type,
    state: "going",
    done: 0,
    description,
  };
  return ready.media ? { ...file, media: ready.media } : file;
}

/** A recording goes by itself, past the tray. */
export async function takeVoice(chat: string, blob: Blob, media: MediaItem): Promise<Taken> {
  const type = blob.type.split(";")[0] || "audio/webm";
  const ready: Prepared = {
    what: "audio",
    blob,
    name: `voice.${type === "audio/ogg" ? "ogg" : type === "audio/mp4" ? "m4a" : "webm"}`,
    type,
    media,
    note: null,
  };
  const given = await giveToApp(chat, ready, () => {});
  return {
    uploads: [given.upload],
    descriptions: [""],
    media: [JSON.stringify(media)],
    pending: [pendingFile(given.upload, ready, "")],
  };
}

function whyNot(error: unknown, name: string): string {
  if (error instanceof CannotGo) return t(`media.tray.${error.why}`, { name });
  console.error(error);
  return t("media.tray.unreadable", { name });
}

let ids = 0;
const trays = new Map<string, Tray>();

export function tray(chat: string): Tray {
  let found = trays.get(chat);
  if (!found) trays.set(chat, (found = new Tray(chat)));
  return found;
}

/** Files that were pasted go to the tray; true when there were some. Text that comes with them (from offices) wins. */
export function pasted(event: ClipboardEvent, chat: string): boolean {
  const data = event.clipboardData;
  if (!data || data.files.length === 0 || data.types.includes("text/plain")) return false;
  event.preventDefault();
  tray(chat).add(data.files);
  return true;
}
