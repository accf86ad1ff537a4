// A day inside a sentence: "24 November", with the year when it is another.
import { language } from "../words/words";

export function dayInSentence(date: Date, now: Date): string {
  const year = date.getFullYear() === now.getFullYear() ? undefined : "numeric";
  return new Intl.DateTimeFormat(language(), { day: "numeric", month: "long", year }).format(date);
}
