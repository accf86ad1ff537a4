/** What a file of a message is shown as. Pure; the types come from other people. */
import type { FileItem } from "../api/types";

export type Shown = "picture" | "video" | "voice" | "audio" | "file";

const PICTURES = new Set(["image/jpeg", "image/png", "image/webp", "image/gif", "image/avif"]);
const FILMS = new Set(["video/mp4", "video/webm", "video/quicktime", "video/ogg"]);
const SOUNDS = new Set([
  "audio/ogg",
  "audio/webm",
  "audio/mpeg",
  "audio/mp4",
  "audio/aac",
  "audio/wav",
  "audio/x-wav",
  "audio/flac",
  "audio/opus",
  "audio/x-m4a",
]);

export function shownAs(file: FileItem): Shown {
  const type = (file.type.split(";")[0] ?? "").trim().toLowerCase();
  if (PICTURES.has(type)) return "picture";
  if (FILMS.has(type)) return "video";
  if (SOUNDS.has(type) || (file.media?.voice && FILMS.has(type)))
    return file.media?.voice ? "voice" : "audio";
  return "file";
}

/** A name as it may be shown: without what turns letters round or breaks lines, so that what ends with "exe" looks like it. */
export function shownName(name: string): string {
  return name.replace(/[\u0000-\u001f\u007f-\u009f\u200e\u200f\u2028-\u202e\u2066-\u2069]/g, "");
}

/** "pdf", "tar.gz": what is written on the sign of a file; at most five letters. */
export function endingOf(name: string): string {
  const match = /\.((?:tar\.)?[\p{L}\p{N}]{1,5})$/u.exec(name);
  return (match?.[1] ?? "").toLowerCase();
}

const WIDEST = 320;
const HIGHEST = 360;
const LEAST = 96;

/** The room that a picture takes in the log: known before it is there, sensible whatever it says. */
export function roomFor(
  width: number | undefined,
  height: number | undefined,
): { width: number; height: number } {
  if (!isSide(width) || !isSide(height)) return { width: 240, height: 180 };
  const ratio = Math.min(3.2, Math.max(0.4, width / height));
  let w = Math.min(WIDEST, Math.max(width, LEAST));
  let h = w / ratio;
  if (h > HIGHEST) {
    h = HIGHEST;
    w = h * ratio;
  }
  return { width: Math.round(Math.max(w, LEAST)), height: Math.round(Math.max(h, LEAST)) };
}

function isSide(side: number | undefined): side is number {
  return side !== undefined && Number.isFinite(side) && side >= 1;
}

/** 65 s is 1:05, an hour and a bit 1:00:07. */
export function lengthOf(milliseconds: number): string {
  const seconds = Math.max(0, Math.round(milliseconds / 1000));
  const two = (n: number) => String(n).padStart(2, "0");
  const hours = Math.floor(seconds / 3600);
  const rest = `${hours > 0 ? two(Math.floor(seconds / 60) % 60) : Math.floor(seconds / 60)}:${two(seconds % 60)}`;
  return hours > 0 ? `${hours}:${rest}` : rest;
}
