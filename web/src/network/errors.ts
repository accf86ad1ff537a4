// What could not be done, in the catalogue's words for its code, or else in the app's own; and the line for those who help.
import { ApiError } from "../api/calls";
import { maybe, t } from "../words/words";

export interface Told {
  what: string;
  /** What one can do now; empty: nothing. */
  next: string;
  /** Code and words of the app. */
  technical: string;
}

/** Null for what was stopped on purpose. */
export function told(error: unknown): Told | null {
  if (error instanceof DOMException && error.name === "AbortError") return null;
  if (!(error instanceof ApiError)) {
    console.error(error);
    return { what: t("errors.unexpected"), next: t("errors.unexpected.do"), technical: String(error) };
  }
  const technical = [error.code, error.message, error.what_to_do].filter(Boolean).join(": ");
  const what = maybe(`errors.${error.code}`);
  if (what === undefined) return { what: error.message, next: error.what_to_do, technical };
  return { what, next: maybe(`errors.${error.code}.do`) ?? "", technical };
}
