// What is said in passing. Nothing that must be known is said here alone.
import { ApiError } from "../api/calls";
import { maybe, t } from "../words/words";

export interface Toast {
  id: number;
  text: string;
  action?: { label: string; do: () => void };
}

const SHOWN_MS = 5_000;
const AT_MOST = 3;

export const toasts = $state<Toast[]>([]);
let last = 0;

export function say(text: string, action?: Toast["action"]): void {
  const id = ++last;
  toasts.push(action ? { id, text, action } : { id, text });
  if (toasts.length > AT_MOST) toasts.shift();
  setTimeout(() => dismiss(id), action ? 2 * SHOWN_MS : SHOWN_MS);
}

export function dismiss(id: number): void {
  const at = toasts.findIndex((toast) => toast.id === id);
  if (at >= 0) toasts.splice(at, 1);
}

/** What went wrong, in the catalogue's words for its code, or else in the app's own. */
export function inWords(error: unknown): string {
  if (!(error instanceof ApiError)) {
    console.error(error);
    return t("shell.unexpected");
  }
  const said = maybe(`errors.${error.code}`) ?? error.message;
  return [said, maybe(`errors.${error.code}.do`) ?? error.what_to_do].filter(Boolean).join(" ");
}

export function sayError(error: unknown): void {
  if (error instanceof DOMException && error.name === "AbortError") return;
  say(inWords(error));
}
