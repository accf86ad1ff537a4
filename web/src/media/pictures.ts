/**
 * Turns a file that somebody chose into the picture that is sent: upright, not larger than asked for, without metadata, with
 * its size and a ThumbHash. Runs in a worker (`pictures.worker.ts`), so that no frame of the page waits for it.
 */
import { rgbaToThumbHash } from "thumbhash";

import { headOf, TYPES, withoutMetadata, type Head } from "./metadata";

/** Side of a picture that is not sent in full quality: more than screens show, a tenth of what phones take. */
export const LONG_SIDE = 2048;
const GOOD = 0.85;
const FULL = 0.95;
/** Decoded, a picture takes four bytes for each of these; browsers and phones of friends give up somewhere above. */
const MOST_PIXELS = 120_000_000;
const LONGEST_SIDE = 16_384;
/** Small enough to go as it is, with its pixels untouched. */
const SMALL_BYTES = 600_000;
const HEAD_BYTES = 1 << 20;
const THUMB_SIDE = 100;

export interface Picture {
  what: "picture";
  blob: Blob;
  type: string;
  width: number;
  height: number;
  thumbhash: string;
}

/** Goes as a file, for a reason that is said: it cannot be read as a picture, or is larger than screens can show. */
export interface NoPicture {
  what: "file";
  blob: Blob;
  why: "not-a-picture" | "huge";
  /** What it says about its maker could not be taken out. */
  tells: boolean;
}

export async function pictureOf(file: Blob, full: boolean): Promise<Picture | NoPicture> {
  const head = headOf(new Uint8Array(await file.slice(0, HEAD_BYTES).arrayBuffer()));
  if (!head) return { what: "file", blob: file, why: "not-a-picture", tells: true };
  if (head.width * head.height > MOST_PIXELS || Math.max(head.width, head.height) > LONGEST_SIDE) {
    const clean = await stripped(file, head);
    return { what: "file", blob: clean ?? file, why: "huge", tells: clean === null };
  }
  let bitmap: ImageBitmap;
  try {
    bitmap = await createImageBitmap(file);
  } catch {
    return { what: "file", blob: file, why: "not-a-picture", tells: true };
  }
  try {
    const thumb = thumbOf(bitmap);
    const blob = await sent(file, head, bitmap, full, thumb.opaque);
    const shrunk = blob.size === 0 ? null : await sizeOf(blob, bitmap, full, head);
    if (!shrunk) return { what: "file", blob: file, why: "not-a-picture", tells: true };
    return { what: "picture", blob, type: blob.type, ...shrunk, thumbhash: thumb.hash };
  } finally {
    bitmap.close();
  }
}

/** As large as it is shown and sent. */
function fitted(width: number, height: number): { width: number; height: number } {
  const scale = Math.min(1, LONG_SIDE / Math.max(width, height));
  return { width: Math.max(1, Math.round(width * scale)), height: Math.max(1, Math.round(height * scale)) };
}

async function sizeOf(
  blob: Blob,
  bitmap: ImageBitmap,
  full: boolean,
  head: Head,
): Promise<{ width: number; height: number }> {
  if (full || head.animated) return { width: bitmap.width, height: bitmap.height };
  const made = headOf(new Uint8Array(await blob.slice(0, HEAD_BYTES).arrayBuffer()));
  return made ? { width: made.width, height: made.height } : fitted(bitmap.width, bitmap.height);
}

async function sent(
  file: Blob,
  head: Head,
  bitmap: ImageBitmap,
  full: boolean,
  opaque: boolean,
): Promise<Blob> {
  const upright = head.orientation === 1;
  if (head.animated)
    return (
      (await stripped(file, head)) ??
      encoded(bitmap, full ? bitmap : fitted(bitmap.width, bitmap.height), FULL, opaque)
    );
  if (full) return (upright && (await stripped(file, head))) || encoded(bitmap, bitmap, FULL, opaque);
  const size = fitted(bitmap.width, bitmap.height);
  const clean =
    upright && size.width === bitmap.width && head.kind !== "bmp" ? await stripped(file, head) : null;
  if (clean && clean.size <= SMALL_BYTES) return clean;
  const made = await encoded(bitmap, size, GOOD, opaque);
  return clean && clean.size <= made.size ? clean : made;
}

async function stripped(file: Blob, head: Head): Promise<Blob | null> {
  const clean = withoutMetadata(new Uint8Array(await file.arrayBuffer()));
  return clean && new Blob([clean], { type: TYPES[head.kind] });
}

async function encoded(
  bitmap: ImageBitmap,
  size: { width: number; height: number },
  quality: number,
  opaque: boolean,
): Promise<Blob> {
  const canvas = drawn(bitmap, size.width, size.height);
  // A browser that cannot write WebP gives PNG, which is as good and larger.
  return canvas.convertToBlob({ type: opaque ? TYPES.jpeg : TYPES.webp, quality });
}

function drawn(bitmap: ImageBitmap, width: number, height: number): OffscreenCanvas {
  const canvas = new OffscreenCanvas(width, height);
  const context = canvas.getContext("2d");
  if (!context) throw new Error("no canvas");
  context.imageSmoothingQuality = "high";
  context.drawImage(bitmap, 0, 0, width, height);
  return canvas;
}

function thumbOf(bitmap: ImageBitmap): { hash: string; opaque: boolean } {
  const scale = THUMB_SIDE / Math.max(bitmap.width, bitmap.height, THUMB_SIDE);
  const width = Math.max(1, Math.round(bitmap.width * scale));
  const height = Math.max(1, Math.round(bitmap.height * scale));
  const pixels = drawn(bitmap, width, height).getContext("2d")!.getImageData(0, 0, width, height).data;
  let opaque = true;
  for (let i = 3; opaque && i < pixels.length; i += 4) opaque = pixels[i] === 255;
  return { hash: hashOf(width, height, pixels), opaque };
}

/** Base64 of the ThumbHash of pixels (at most 100 × 100 of them). */
export function hashOf(width: number, height: number, pixels: Uint8ClampedArray): string {
  return btoa(String.fromCharCode(...rgbaToThumbHash(width, height, pixels)));
}
