/**
 * What a picture file says about itself: kind, size, which way up; and the same file without what it tells of its maker
 * (EXIF with place and time, XMP, IPTC, comments, thumbnails, whatever lies behind its end). Pixels and colour profile stay to
 * the last bit. Pure, for untrusted bytes: whatever is not understood gives null.
 */

export type PictureKind = "jpeg" | "png" | "webp" | "gif" | "avif" | "bmp";

export interface Head {
  kind: PictureKind;
  width: number;
  height: number;
  /** As EXIF counts: 1 is upright, 5 to 8 lie on their side (width and height are those of the file). */
  orientation: number;
  animated: boolean;
}

export const TYPES: Record<PictureKind, string> = {
  jpeg: "image/jpeg",
  png: "image/png",
  webp: "image/webp",
  gif: "image/gif",
  avif: "image/avif",
  bmp: "image/bmp",
};

export function kindOf(bytes: Uint8Array): PictureKind | null {
  if (bytes[0] === 0xff && bytes[1] === 0xd8 && bytes[2] === 0xff) return "jpeg";
  if (letters(bytes, 1, 3) === "PNG" && bytes[0] === 0x89) return "png";
  if (letters(bytes, 0, 4) === "RIFF" && letters(bytes, 8, 4) === "WEBP") return "webp";
  if (/^GIF8[79]a$/.test(letters(bytes, 0, 6))) return "gif";
  if (letters(bytes, 4, 4) === "ftyp" && /avi[fs]/.test(letters(bytes, 8, 32))) return "avif";
  if (letters(bytes, 0, 2) === "BM" && bytes.length > 26 && view(bytes).getUint32(14, true) >= 40)
    return "bmp";
  return null;
}

/** Read from the beginning of a file; a megabyte of it is enough for all but the oddest. */
export function headOf(bytes: Uint8Array): Head | null {
  const kind = kindOf(bytes);
  if (!kind) return null;
  try {
    const head = HEADS[kind](bytes);
    return head && head.width > 0 && head.height > 0
      ? { kind, orientation: 1, animated: false, ...head }
      : null;
  } catch (error) {
    if (error instanceof RangeError) return null;
    throw error;
  }
}

/** The same picture, saying nothing about where, when and with what it was made. Null: not a whole file of a known kind. */
export function withoutMetadata(bytes: Uint8Array): Uint8Array<ArrayBuffer> | null {
  const kind = kindOf(bytes);
  const strip = kind ? STRIPS[kind] : undefined;
  if (!strip) return null;
  try {
    const parts = strip(bytes);
    return parts ? joined(parts) : null;
  } catch (error) {
    if (error instanceof RangeError) return null;
    throw error;
  }
}

type Size = Pick<Head, "width" | "height"> & Partial<Head>;

const HEADS: Record<PictureKind, (bytes: Uint8Array) => Size | null> = {
  jpeg: jpegHead,
  png: pngHead,
  webp: webpHead,
  gif: (bytes) => ({
    width: view(bytes).getUint16(6, true),
    height: view(bytes).getUint16(8, true),
    animated: true,
  }),
  avif: avifHead,
  bmp: (bytes) => ({
    width: view(bytes).getInt32(18, true),
    height: Math.abs(view(bytes).getInt32(22, true)),
  }),
};

const STRIPS: Partial<Record<PictureKind, (bytes: Uint8Array) => Uint8Array[] | null>> = {
  jpeg: jpegParts,
  png: pngParts,
  webp: webpParts,
  gif: gifParts,
};

// JPEG: markers of two bytes, most with a length; after SOS the picture itself until the next marker.

const SOS = 0xda;
const EOI = 0xd9;

interface Segment {
  marker: number;
  start: number;
  /** Of what the segment says, after its length. */
  body: number;
  end: number;
}

function* jpegSegments(bytes: Uint8Array): Generator<Segment> {
  let i = 2;
  while (i < bytes.length) {
    if (bytes[i] !== 0xff) throw new RangeError("no marker");
    let start = i;
    while (bytes[i + 1] === 0xff) i = ++start; // any number of fill bytes
    const marker = byte(bytes, i + 1);
    if (marker === EOI) {
      yield { marker, start, body: i + 2, end: i + 2 };
      return;
    }
    const length = view(bytes).getUint16(i + 2);
    if (length < 2) throw new RangeError("length");
    let end = i + 2 + length;
    const body = i + 4;
    if (end > bytes.length) throw new RangeError("cut off");
    if (marker === SOS) end = afterScan(bytes, end);
    yield { marker, start, body, end };
    i = end;
  }
}

function afterScan(bytes: Uint8Array, from: number): number {
  for (let i = bytes.indexOf(0xff, from); i >= 0; i = bytes.indexOf(0xff, i + 1)) {
    const next = bytes[i + 1];
    if (next === undefined) break;
    const within = next === 0 || next === 0xff || (next >= 0xd0 && next <= 0xd7);
    if (!within) return i;
  }
  throw new RangeError("cut off");
}

function isFrame(marker: number): boolean {
  return marker >= 0xc0 && marker <= 0xcf && marker !== 0xc4 && marker !== 0xc8 && marker !== 0xcc;
}

function jpegHead(bytes: Uint8Array): Size | null {
  let orientation = 1;
  for (const { marker, body, end } of jpegSegments(bytes)) {
    if (marker === 0xe1 && letters(bytes, body, 6) === "Exif\0\0")
      orientation = exifOrientation(bytes.subarray(body + 6, end));
    if (isFrame(marker)) {
      return { width: view(bytes).getUint16(body + 3), height: view(bytes).getUint16(body + 1), orientation };
    }
    if (marker === SOS) return null;
  }
  return null;
}

/** Of the first directory of a TIFF structure; 1 when it says nothing sensible. */
export function exifOrientation(tiff: Uint8Array): number {
  try {
    const little = letters(tiff, 0, 2) === "II";
    const data = view(tiff);
    const directory = data.getUint32(4, little);
    const entries = data.getUint16(directory, little);
    for (let entry = 0; entry < entries; entry++) {
      const at = directory + 2 + entry * 12;
      if (data.getUint16(at, little) === 0x0112) {
        const value = data.getUint16(at + 8, little);
        return value >= 1 && value <= 8 ? value : 1;
      }
    }
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
  }
  return 1;
}

function jpegParts(bytes: Uint8Array): Uint8Array[] | null {
  const parts = [bytes.subarray(0, 2)];
  let frames = 0;
  for (const { marker, start, body, end } of jpegSegments(bytes)) {
    if (isFrame(marker)) frames += 1;
    if (marker === 0xe0 && letters(bytes, body, 5) === "JFIF\0" && end - body >= 14) {
      // Without the small picture that may be in it.
      parts.push(Uint8Array.of(0xff, 0xe0, 0, 16), bytes.subarray(body, body + 12), Uint8Array.of(0, 0));
    } else if (
      marker === 0xe2
        ? letters(bytes, body, 12) === "ICC_PROFILE\0"
        : marker === 0xee
          ? letters(bytes, body, 5) === "Adobe"
          : isPicture(marker)
    ) {
      parts.push(bytes.subarray(start, end));
    }
    // Behind the end phones put films and second pictures with EXIF of their own.
    if (marker === EOI) return frames > 0 ? parts : null;
  }
  return null;
}

/** Not an application segment (0xe0 to 0xef), a comment or one of those reserved for extensions. */
function isPicture(marker: number): boolean {
  return marker >= 0xc0 && marker <= 0xdf;
}

// PNG: chunks of length, name, content, checksum.

const PNG_STAYS = new Set([
  "IHDR",
  "PLTE",
  "IDAT",
  "IEND",
  "tRNS",
  "cHRM",
  "gAMA",
  "iCCP",
  "sBIT",
  "sRGB",
  "cICP",
  "bKGD",
  "hIST",
  "pHYs",
  "sPLT",
  "acTL",
  "fcTL",
  "fdAT",
]);

function pngHead(bytes: Uint8Array): Size | null {
  if (letters(bytes, 12, 4) !== "IHDR") return null;
  // What makes it move has to stand before the picture itself.
  let animated = false;
  let orientation = 1;
  for (let i = 8; i + 8 <= bytes.length;) {
    const name = letters(bytes, i + 4, 4);
    const length = view(bytes).getUint32(i);
    if (name === "acTL") animated = true;
    if (name === "eXIf") orientation = exifOrientation(bytes.subarray(i + 8, i + 8 + length));
    if (name === "IDAT") break;
    i += 12 + length;
  }
  return { width: view(bytes).getUint32(16), height: view(bytes).getUint32(20), animated, orientation };
}

function pngParts(bytes: Uint8Array): Uint8Array[] | null {
  const parts = [bytes.subarray(0, 8)];
  for (let i = 8; i < bytes.length;) {
    const end = i + 12 + view(bytes).getUint32(i);
    if (end > bytes.length) return null;
    const name = letters(bytes, i + 4, 4);
    if (PNG_STAYS.has(name)) parts.push(bytes.subarray(i, end));
    if (name === "IEND") return parts;
    i = end;
  }
  return null;
}

// WebP: RIFF chunks of name, length, content, to an even length.

const WEBP_STAYS = new Set(["VP8 ", "VP8L", "VP8X", "ALPH", "ANIM", "ANMF", "ICCP"]);
const WEBP_EXIF = 0x08;
const WEBP_XMP = 0x04;

function webpHead(bytes: Uint8Array): Size | null {
  const data = view(bytes);
  const first = letters(bytes, 12, 4);
  if (first === "VP8X") {
    const three = (at: number) => data.getUint16(at, true) + data.getUint8(at + 2) * 65536 + 1;
    return {
      width: three(24),
      height: three(27),
      animated: (byte(bytes, 20) & 0x02) !== 0,
      orientation: webpOrientation(bytes),
    };
  }
  if (first === "VP8L") {
    const bits = data.getUint32(21, true);
    return { width: (bits & 0x3fff) + 1, height: ((bits >>> 14) & 0x3fff) + 1 };
  }
  if (first === "VP8 ")
    return { width: data.getUint16(26, true) & 0x3fff, height: data.getUint16(28, true) & 0x3fff };
  return null;
}

function webpOrientation(bytes: Uint8Array): number {
  for (let i = 12; i + 8 <= bytes.length;) {
    const length = view(bytes).getUint32(i + 4, true);
    if (letters(bytes, i, 4) === "EXIF") {
      const body = bytes.subarray(i + 8, i + 8 + length);
      return exifOrientation(letters(body, 0, 6) === "Exif\0\0" ? body.subarray(6) : body);
    }
    i += 8 + length + (length % 2);
  }
  return 1;
}

function webpParts(bytes: Uint8Array): Uint8Array[] | null {
  const parts: Uint8Array[] = [];
  let pictures = 0;
  const until = Math.min(bytes.length, 8 + view(bytes).getUint32(4, true));
  for (let i = 12; i + 8 <= until;) {
    const length = view(bytes).getUint32(i + 4, true);
    if (i + 8 + length > bytes.length) return null;
    const end = Math.min(i + 8 + length + (length % 2), bytes.length);
    const name = letters(bytes, i, 4);
    if (/^VP8[ L]$|^ANMF$/.test(name)) pictures += 1;
    if (WEBP_STAYS.has(name)) {
      const chunk = bytes.slice(i, end);
      if (name === "VP8X" && length > 0) chunk[8] = byte(chunk, 8) & ~(WEBP_EXIF | WEBP_XMP);
      parts.push(chunk);
    }
    i = end;
  }
  if (pictures === 0) return null;
  const size = parts.reduce((sum, part) => sum + part.length, 4);
  const head = new Uint8Array(12);
  head.set(bytes.subarray(0, 12));
  view(head).setUint32(4, size, true);
  return [head, ...parts];
}

// GIF: a head, then pictures and extensions; comments and what applications left (XMP) go, the loop stays.

function gifParts(bytes: Uint8Array): Uint8Array[] | null {
  const table = (flags: number) => ((flags & 0x80) !== 0 ? 3 * 2 ** ((flags & 7) + 1) : 0);
  let i = 13 + table(byte(bytes, 10));
  const parts = [bytes.subarray(0, i)];
  while (i < bytes.length) {
    const start = i;
    const what = byte(bytes, i);
    if (what === 0x3b) return [...parts, bytes.subarray(i, i + 1)];
    if (what === 0x2c) i = afterBlocks(bytes, i + 11 + table(byte(bytes, i + 9)));
    else if (what === 0x21) i = afterBlocks(bytes, i + 2);
    else return null;
    const label = bytes[start + 1];
    const loops = label === 0xff && /^(NETSCAPE2\.0|ANIMEXTS1\.0)$/.test(letters(bytes, start + 3, 11));
    if (what === 0x2c || label === 0xf9 || loops) parts.push(bytes.subarray(start, i));
  }
  return null;
}

function afterBlocks(bytes: Uint8Array, from: number): number {
  let i = from;
  for (;;) {
    const length = byte(bytes, i);
    i += 1 + length;
    if (length === 0) return i;
  }
}

// AVIF: only its size is read, from the first `ispe` (the largest: thumbnails have one, too).

function avifHead(bytes: Uint8Array): Size | null {
  let largest: Size | null = null;
  for (let i = 0; i + 16 <= Math.min(bytes.length, 65536); i++) {
    if (bytes[i] !== 0x69 || letters(bytes, i, 4) !== "ispe") continue;
    const width = view(bytes).getUint32(i + 8);
    const height = view(bytes).getUint32(i + 12);
    if (!largest || width * height > largest.width * largest.height) largest = { width, height };
  }
  return largest;
}

function view(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function byte(bytes: Uint8Array, at: number): number {
  const value = bytes[at];
  if (value === undefined) throw new RangeError("cut off");
  return value;
}

function letters(bytes: Uint8Array, at: number, count: number): string {
  return String.fromCharCode(...bytes.subarray(at, at + count));
}

function joined(parts: Uint8Array[]): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
