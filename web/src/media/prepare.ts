/**
 * What becomes of a file that was chosen, dropped or pasted before it is sent: pictures are made ready in a worker, films and
 * recordings are asked for their length, and what cannot go is told with a reason that has words.
 */
import type { MediaItem } from "../api/types";
import { filmOf, soundOf } from "./films";
import type { Answered, Asked } from "./pictures.worker";
import type { NoPicture, Picture } from "./pictures";

/** As much as the messengers that people know take; a relay may take less, and says so. */
export const MOST_BYTES = 2 * 1024 ** 3;

export type Note = "not-a-picture" | "huge" | "drawing" | "unknown-picture" | "tells";

export interface Prepared {
  what: "picture" | "video" | "audio" | "file";
  blob: Blob;
  name: string;
  type: string;
  media: MediaItem | null;
  note: Note | null;
}

export class CannotGo extends Error {
  constructor(readonly why: "empty" | "too-big" | "unreadable") {
    super(why);
  }
}

export async function prepared(file: File, full: boolean): Promise<Prepared> {
  if (file.size === 0) throw new CannotGo("empty");
  if (file.size > MOST_BYTES) throw new CannotGo("too-big");
  const name = cleanName(file.name);
  const type = file.type || "application/octet-stream";
  const plain: Prepared = { what: "file", blob: file, name, type, media: null, note: null };
  await readable(file);
  if (type === "image/svg+xml" || /\.svgz?$/i.test(name)) return { ...plain, note: "drawing" };
  if (/^image\//.test(type) || /\.(jpe?g|png|webp|gif|avif|bmp)$/i.test(name))
    return asPicture(plain, file, full);
  if (/^video\//.test(type)) return filmOf(plain, file);
  if (/^audio\//.test(type)) return soundOf(plain);
  return plain;
}

/** A folder that was dropped, or a file that went away since. */
async function readable(file: File): Promise<void> {
  try {
    await file.slice(0, 1).arrayBuffer();
  } catch {
    throw new CannotGo("unreadable");
  }
}

async function asPicture(plain: Prepared, file: File, full: boolean): Promise<Prepared> {
  const made = await inTheWorker(file, full);
  if (made.what === "file") {
    const other =
      made.why === "not-a-picture" && /hei[cf]|tiff|jxl|raw/i.test(plain.type) ? "unknown-picture" : made.why;
    return { ...plain, blob: made.blob, note: other };
  }
  const { blob, type, width, height, thumbhash } = made;
  return {
    ...plain,
    what: "picture",
    blob,
    type,
    name: named(plain.name, type),
    media: { width, height, thumbhash },
  };
}

const ENDINGS: Record<string, RegExp> = {
  "image/jpeg": /\.(jpe?g|jfif)$/i,
  "image/png": /\.a?png$/i,
  "image/webp": /\.webp$/i,
  "image/gif": /\.gif$/i,
};

/** With the ending of what it became. */
function named(name: string, type: string): string {
  const ending = ENDINGS[type];
  if (!ending || ending.test(name)) return name;
  return `${name.replace(/\.(jpe?g|jfif|a?png|webp|gif|avif|bmp)$/i, "")}.${type === "image/jpeg" ? "jpg" : type.slice(6)}`;
}

/** A name alone: no folders, nothing that is not seen, nothing that turns the order of what is. */
export function cleanName(name: string): string {
  const last = name.split(/[/\\]/).at(-1) ?? "";
  const seen = last.replace(/[\p{Cc}\u200b\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]/gu, "").trim();
  return seen.slice(0, 200) || "file";
}

const IDLE_MS = 30_000;
let worker: Worker | null = null;
let idle: ReturnType<typeof setTimeout> | undefined;
let asked = 0;
const waiting = new Map<number, { resolve(made: Picture | NoPicture): void; reject(error: Error): void }>();

function inTheWorker(file: Blob, full: boolean): Promise<Picture | NoPicture> {
  clearTimeout(idle);
  worker ??= started();
  const id = (asked += 1);
  return new Promise((resolve, reject) => {
    waiting.set(id, { resolve, reject });
    worker?.postMessage({ id, file, full } satisfies Asked);
  });
}

function started(): Worker {
  const made = new Worker(new URL("./pictures.worker.ts", import.meta.url), {
    type: "module",
    name: "pictures",
  });
  made.onmessage = ({ data }: MessageEvent<Answered>) => {
    const who = waiting.get(data.id);
    waiting.delete(data.id);
    if ("made" in data) who?.resolve(data.made);
    else who?.reject(new Error(data.failed));
    if (waiting.size === 0) idle = setTimeout(ended, IDLE_MS);
  };
  made.onerror = () => {
    for (const { reject } of waiting.values()) reject(new Error("the worker ended"));
    waiting.clear();
    ended();
  };
  return made;
}

/** A worker that is done gives its memory back. */
function ended(): void {
  worker?.terminate();
  worker = null;
}
