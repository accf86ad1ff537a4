// How a contact came, as the app tells it in English words with a day, in the language of the page.
import { maybe } from "../words/words";

const SENTENCES: [RegExp, string][] = [
  [/^you opened their invite on (\d{4}-\d\d-\d\d)$/, "people.came.opened"],
  [/^you asked them on (\d{4}-\d\d-\d\d)$/, "people.came.asked"],
  [/^asked by your open invite on (\d{4}-\d\d-\d\d)$/, "people.came.open_invite"],
  [/^came by your invite of (\d{4}-\d\d-\d\d)$/, "people.came.your_invite"],
  [/^let you in on (\d{4}-\d\d-\d\d)$/, "people.came.let_in"],
];

/** In words; as the app said it when a newer one says something else. */
export function cameInWords(came: string, day: (date: Date) => string): string {
  for (const [sentence, key] of SENTENCES) {
    const found = sentence.exec(came);
    if (found) return maybe(key, { day: day(new Date(`${found[1]}T12:00:00`)) }) ?? came;
  }
  return came;
}
