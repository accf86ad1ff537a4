// Calls of the client: the methods that commands have, too. `types.ts` says what each takes and answers.
import type { Answer, Method, Params, UploadItem } from "./types";

const KEPT_AS = "whimbrel";
let secret = "";

/** What an app answers instead of items. `message` and `do` are plain words; `code` is for the catalogue. */
export class ApiError extends Error {
  constructor(
    readonly code: string,
    message: string,
    readonly what_to_do: string = "",
    readonly exit: number = 1,
    readonly candidates: string[] = [],
  ) {
    super(message);
    this.name = "ApiError";
  }
}

/** The app does not answer at all: it was ended, or starts again. */
export const UNREACHABLE = "app-unreachable";
/** The app does not know this window (any more): only a new link helps. */
export const STRANGER = "window-unknown";

/** The link brings the second secret behind the #, once; from then on only this origin's storage has it. */
export function takeSecret(): void {
  const fragment = location.hash.slice(1);
  if (fragment && !fragment.startsWith("/")) {
    localStorage.setItem(KEPT_AS, fragment);
    history.replaceState(null, "", "/");
  }
  secret = localStorage.getItem(KEPT_AS) ?? "";
}

export function header(): Record<string, string> {
  return { "X-Whimbrel": secret };
}

/** Another window may have been let in with newer secrets. */
window.addEventListener("storage", (event) => {
  if (event.key === KEPT_AS && event.newValue) secret = event.newValue;
});

/** All items that answer the call, or an ApiError. */
export async function call<M extends Method>(
  method: M,
  params: Params<M>,
  options: { signal?: AbortSignal } = {},
): Promise<Answer<M>[]> {
  const items: Answer<M>[] = [];
  await each<M>(method, params, (item) => items.push(item), options);
  return items;
}

/** The one item of a call that answers with one. */
export async function ask<M extends Method>(
  method: M,
  params: Params<M>,
  options: { signal?: AbortSignal } = {},
): Promise<Answer<M>> {
  const [item] = await call(method, params, options);
  if (item === undefined) throw new ApiError("no-answer", `The app answered ${method} with nothing.`);
  return item;
}

/** Items as they come, for calls that answer for a while. */
export async function each<M extends Method>(
  method: M,
  params: Params<M>,
  take: (item: Answer<M>) => void,
  options: { signal?: AbortSignal } = {},
): Promise<void> {
  const response = await reached(`/api/${method}`, {
    method: "POST",
    headers: { ...header(), "Content-Type": "application/json" },
    body: JSON.stringify(params),
    signal: options.signal ?? null,
  });
  let ended = false;
  for await (const line of lines(response)) {
    const answer = JSON.parse(line) as { item?: Answer<M>; end?: boolean; error?: Told };
    if (answer.error) throw told(answer.error);
    if (answer.item !== undefined) take(answer.item);
    ended ||= answer.end === true;
  }
  if (!ended) throw new ApiError(UNREACHABLE, "The app ended in the middle of an answer.");
}

/** Gives a file to the app. `progress` hears the part that is there, from 0 to 1. */
export function upload(
  file: Blob,
  about: { chat?: string; name: string; type: string },
  progress: (part: number) => void = () => {},
  signal?: AbortSignal,
): Promise<UploadItem> {
  const query = new URLSearchParams({ name: about.name, type: about.type || "application/octet-stream" });
  if (about.chat) query.set("chat", about.chat);
  // fetch() tells nothing of what has gone up; XMLHttpRequest does.
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("POST", `/files?${query}`);
    request.setRequestHeader("X-Whimbrel", secret);
    request.upload.onprogress = (event) => event.lengthComputable && progress(event.loaded / event.total);
    request.onerror = () => reject(new ApiError(UNREACHABLE, "The app does not answer."));
    request.onabort = () => reject(new DOMException("Stopped.", "AbortError"));
    request.onload = () => {
      try {
        resolve(uploaded(request));
      } catch (error) {
        reject(error as Error);
      }
    };
    signal?.addEventListener("abort", () => request.abort());
    request.send(file);
  });
}

function uploaded(request: XMLHttpRequest): UploadItem {
  let item: UploadItem | undefined;
  for (const line of request.responseText.split("\n")) {
    if (!line.startsWith("{")) continue;
    const answer = JSON.parse(line) as { item?: UploadItem; error?: Told };
    if (answer.error) throw told(answer.error);
    item ??= answer.item;
  }
  if (item && request.status < 400) return item;
  throw refused(request.status, request.responseText);
}

interface Told {
  error: string;
  message: string;
  do?: string;
  exit?: number;
  candidates?: string[];
}

function told(error: Told): ApiError {
  return new ApiError(error.error, error.message, error.do, error.exit, error.candidates);
}

function refused(status: number, text: string): ApiError {
  const code = status === 403 || status === 421 ? STRANGER : `http-${status}`;
  const plain = /^[^<{]{1,200}$/.test(text.trim()) ? text.trim() : `The app refused this (${status}).`;
  return new ApiError(code, plain);
}

/** fetch() that throws ApiErrors only (and what an abort throws). */
export async function reached(address: string, request: RequestInit): Promise<Response> {
  let response: Response;
  try {
    response = await fetch(address, { ...request, cache: "no-store", credentials: "same-origin" });
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") throw error;
    throw new ApiError(UNREACHABLE, "The app does not answer.");
  }
  if (response.ok) return response;
  const text = await response.text().catch(() => "");
  if (text.startsWith("{")) {
    const answer = JSON.parse(text.split("\n")[0]!) as { error?: Told };
    if (answer.error) throw told(answer.error);
  }
  throw refused(response.status, text);
}

/** The lines of an answer as they come. A connection that breaks ends them with an ApiError. */
export async function* lines(response: Response): AsyncGenerator<string> {
  if (!response.body) return;
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  try {
    for (;;) {
      const { done, value } = await reader.read().catch((error: unknown) => {
        if (error instanceof DOMException && error.name === "AbortError") throw error;
        throw new ApiError(UNREACHABLE, "The app ended in the middle of an answer.");
      });
      if (done) break;
      const parts = (rest + value).split("\n");
      rest = parts.pop()!;
      for (const part of parts) if (part) yield part;
    }
    if (rest) yield rest;
  } finally {
    void reader.cancel().catch(() => {});
  }
}
