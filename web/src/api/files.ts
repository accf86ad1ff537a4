// Bytes of files as blob: urls. The header that the app wants cannot be sent by an <img>, so the page fetches them.
// A url is shared by all who show the file, and goes some time after the last one has let go of it.
import { header, reached } from "./calls";

interface Kept {
  url: Promise<string>;
  users: number;
  size: number;
}

const kept = new Map<string, Kept>();
/** Bytes of files that nobody shows now and that are kept for coming back to them. */
const IDLE_BYTES = 64 * 1024 * 1024;

/** A url for the file with this id; let go of it with `release(id)`. */
export function fileUrl(id: string): Promise<string> {
  return held(id, `/files/${id}`);
}

/** A url for the picture of a group, by the id that ChatItem.picture has; `release("picture/ID")` lets go. */
export function pictureUrl(id: string): Promise<string> {
  return held(`picture/${id}`, `/files/picture/${id}`);
}

export function release(id: string): void {
  const entry = kept.get(id);
  if (!entry) return;
  entry.users -= 1;
  // Again to the end: the map is in the order of the last use.
  kept.delete(id);
  kept.set(id, entry);
  tidy();
}

function held(id: string, address: string): Promise<string> {
  let entry = kept.get(id);
  if (!entry) {
    entry = { url: fetched(id, address), users: 0, size: 0 };
    kept.set(id, entry);
  }
  entry.users += 1;
  return entry.url;
}

async function fetched(id: string, address: string): Promise<string> {
  try {
    const response = await reached(address, { headers: header() });
    const blob = await response.blob();
    const entry = kept.get(id);
    if (entry) entry.size = blob.size;
    return URL.createObjectURL(blob);
  } catch (error) {
    kept.delete(id);
    throw error;
  }
}

function tidy(): void {
  let idle = 0;
  for (const entry of kept.values()) if (entry.users <= 0) idle += entry.size;
  for (const [id, entry] of kept) {
    if (idle <= IDLE_BYTES) return;
    if (entry.users > 0) continue;
    idle -= entry.size;
    kept.delete(id);
    void entry.url.then((url) => URL.revokeObjectURL(url));
  }
}
