/** Films and recordings before they are sent: how long, how large, what the first picture looks like, and where they were taken: out. */
import { hashOf } from "./pictures";
import type { Prepared } from "./prepare";
import { withoutPlace } from "./mp4";

const PATIENCE_MS = 8_000;
const THUMB_SIDE = 100;

export async function filmOf(plain: Prepared, file: Blob): Promise<Prepared> {
  const clean = await withoutPlace(file);
  const blob = clean ?? file;
  const note = clean === null && /mp4|quicktime|3gp|m4v/.test(plain.type) ? "tells" : null;
  const element = document.createElement("video");
  element.muted = true;
  try {
    await loaded(element, blob, "loadeddata");
    const { videoWidth: width, videoHeight: height } = element;
    if (width === 0) return soundOf({ ...plain, blob, note });
    const media = { width, height, ...lengthOf(element), thumbhash: firstPicture(element, width, height) };
    return { ...plain, what: "video", blob, note, media };
  } catch {
    return { ...plain, blob, note };
  } finally {
    letGo(element);
  }
}

export async function soundOf(plain: Prepared): Promise<Prepared> {
  const element = document.createElement("audio");
  try {
    await loaded(element, plain.blob, "loadedmetadata");
    return { ...plain, what: "audio", media: lengthOf(element) };
  } catch {
    return plain;
  } finally {
    letGo(element);
  }
}

function lengthOf(element: HTMLMediaElement): { duration_ms?: number } {
  return Number.isFinite(element.duration) ? { duration_ms: Math.round(element.duration * 1000) } : {};
}

function firstPicture(element: HTMLVideoElement, width: number, height: number): string {
  const scale = THUMB_SIDE / Math.max(width, height);
  const canvas = document.createElement("canvas");
  canvas.width = Math.max(1, Math.round(width * scale));
  canvas.height = Math.max(1, Math.round(height * scale));
  const context = canvas.getContext("2d", { willReadFrequently: true });
  if (!context) throw new Error("no canvas");
  context.drawImage(element, 0, 0, canvas.width, canvas.height);
  return hashOf(canvas.width, canvas.height, context.getImageData(0, 0, canvas.width, canvas.height).data);
}

function loaded(
  element: HTMLMediaElement,
  blob: Blob,
  event: "loadeddata" | "loadedmetadata",
): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error("too slow")), PATIENCE_MS);
    const end = (then: () => void) => () => {
      clearTimeout(timer);
      then();
    };
    element.addEventListener(event, end(resolve), { once: true });
    element.addEventListener(
      "error",
      end(() => reject(new Error("not to be played"))),
      { once: true },
    );
    element.preload = "auto";
    element.src = URL.createObjectURL(blob);
  });
}

function letGo(element: HTMLMediaElement): void {
  const url = element.src;
  element.removeAttribute("src");
  element.load();
  URL.revokeObjectURL(url);
}
