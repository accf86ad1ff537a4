/**
 * Phones write the place into their films, as user data of the film (`udta`, `meta`, `uuid`). Those boxes become `free` ones
 * full of zeroes: nothing moves, so that the film itself is what it was, byte by byte.
 */

/** The part that says what is where is small; a film whose is not is left alone. */
const MOST_INDEX_BYTES = 64 * 1024 * 1024;
const TELLING = new Set(["udta", "meta", "uuid"]);
const HOLDING = new Set(["moov", "trak", "mdia", "minf", "moof", "traf"]);

interface Box {
  type: string;
  start: number;
  body: number;
  end: number;
}

/** The same film without user data; null when it is not of this kind, or broken. */
export async function withoutPlace(file: Blob): Promise<Blob | null> {
  const parts: BlobPart[] = [];
  let at = 0;
  let first = true;
  while (at < file.size) {
    const head = new Uint8Array(await file.slice(at, at + 16).arrayBuffer());
    const box = boxAt(head, 0, file.size - at);
    if (!box || (first && box.type !== "ftyp")) return null;
    first = false;
    const size = box.end;
    if (HOLDING.has(box.type) || TELLING.has(box.type)) {
      if (size > MOST_INDEX_BYTES) return null;
      const bytes = new Uint8Array(await file.slice(at, at + size).arrayBuffer());
      quietly(bytes, 0, bytes.length);
      parts.push(bytes);
    } else {
      parts.push(file.slice(at, at + size));
    }
    at += size;
  }
  return first ? null : new Blob(parts, { type: file.type });
}

/** Empties what tells, in place, wherever it lies in boxes that hold others. */
export function quietly(bytes: Uint8Array, from: number, to: number): void {
  for (let at = from; at < to;) {
    const box = boxAt(bytes, at, to - at);
    if (!box) return;
    if (TELLING.has(box.type)) {
      bytes.set([0x66, 0x72, 0x65, 0x65], at + 4);
      bytes.fill(0, box.body, box.end);
    } else if (HOLDING.has(box.type)) {
      quietly(bytes, box.body, box.end);
    }
    at = box.end;
  }
}

function boxAt(bytes: Uint8Array, at: number, left: number): Box | null {
  if (left < 8 || at + 8 > bytes.length) return null;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const type = String.fromCharCode(...bytes.subarray(at + 4, at + 8));
  let size = view.getUint32(at);
  let body = at + 8;
  if (size === 1) {
    if (at + 16 > bytes.length) return null;
    size = Number(view.getBigUint64(at + 8));
    body = at + 16;
  } else if (size === 0) size = left;
  if (size < body - at || size > left) return null;
  return { type, start: at, body, end: at + size };
}
