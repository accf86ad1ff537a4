// What changes, as it changes: one stream for the window, for as long as the window is there.
//
// EventSource cannot send a header, so this reads server-sent events with fetch. A stream that ends is opened again, for
// ever, with a growing pause; each time `ready` comes, everything that was missed is to be read anew by who listens.
import { ApiError, header, lines, reached, STRANGER } from "./calls";
import type { ChangeItem } from "./types";

export interface Listener {
  /** The stream stands, anew or for the first time: what one has may be old. */
  ready(): void;
  change(change: ChangeItem): void;
  /** The app does not answer (for now), or does not know this window. */
  lost(error: ApiError): void;
}

const PAUSES_MS = [250, 500, 1000, 2000, 4000];
/** The app sends a comment or a change at least every 15 s; twice that without a byte is a dead connection. */
const SILENCE_MS = 40_000;

/** Follows until the function that it gives is called. */
export function follow(listener: Listener): () => void {
  const stopped = new AbortController();
  void keepFollowing(listener, stopped.signal);
  return () => stopped.abort();
}

async function keepFollowing(listener: Listener, stopped: AbortSignal): Promise<void> {
  let failures = 0;
  while (!stopped.aborted) {
    try {
      await followOnce(listener, stopped, () => (failures = 0));
    } catch (error) {
      if (stopped.aborted) return;
      listener.lost(error instanceof ApiError ? error : new ApiError("app-unreachable", String(error)));
      if (error instanceof ApiError && error.code === STRANGER) failures = PAUSES_MS.length;
    }
    await pause(PAUSES_MS[Math.min(failures, PAUSES_MS.length - 1)]!, stopped);
    failures += 1;
  }
}

async function followOnce(listener: Listener, stopped: AbortSignal, stands: () => void): Promise<void> {
  const silence = new AbortController();
  let timer = setTimeout(() => silence.abort(), SILENCE_MS);
  const heard = () => {
    clearTimeout(timer);
    timer = setTimeout(() => silence.abort(), SILENCE_MS);
  };
  try {
    const response = await reached("/api/follow", {
      headers: { ...header(), Accept: "text/event-stream" },
      signal: AbortSignal.any([stopped, silence.signal]),
    });
    for await (const line of lines(response)) {
      heard();
      if (!line.startsWith("data:")) continue;
      const answer = JSON.parse(line.slice(5)) as {
        item?: ChangeItem;
        error?: { error: string; message: string };
      };
      if (answer.error) throw new ApiError(answer.error.error, answer.error.message);
      if (answer.item?.ready) {
        stands();
        listener.ready();
      } else if (answer.item) {
        listener.change(answer.item);
      }
    }
    throw new ApiError("app-unreachable", "The app ended.");
  } finally {
    clearTimeout(timer);
  }
}

/** Waits, but no longer than until the browser says that it is back or the window is looked at again. */
function pause(milliseconds: number, stopped: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      stopped.removeEventListener("abort", done);
      document.removeEventListener("visibilitychange", done);
      resolve();
    };
    const timer = setTimeout(done, milliseconds);
    stopped.addEventListener("abort", done);
    document.addEventListener("visibilitychange", done);
  });
}
