// Finding people and chats by what is typed: every word begins a word of the name. Case and accents do not matter.

export function folded(text: string): string {
  return text
    .normalize("NFKD")
    .replace(/\p{M}+/gu, "")
    .toLocaleLowerCase();
}

export function wordsOf(typed: string): string[] {
  return folded(typed)
    .split(/[^\p{L}\p{N}]+/u)
    .filter(Boolean);
}

/** Whether a name fits; without words everything does. */
export function fits(name: string, words: readonly string[]): boolean {
  if (words.length === 0) return true;
  const parts = wordsOf(name);
  return words.every((word) => parts.some((part) => part.startsWith(word)));
}

/** Parts of a text, each with whether it is the beginning of a word that was looked for. */
export function marked(text: string, words: readonly string[]): { text: string; found: boolean }[] {
  if (words.length === 0) return [{ text, found: false }];
  const parts: { text: string; found: boolean }[] = [];
  let last = 0;
  for (const match of text.matchAll(/[\p{L}\p{N}\p{M}]+/gu)) {
    const word = match[0];
    const looked = words.find((wanted) => folded(word).startsWith(wanted));
    if (looked === undefined) continue;
    const length = lengthOf(word, looked);
    if (match.index > last) parts.push({ text: text.slice(last, match.index), found: false });
    parts.push({ text: word.slice(0, length), found: true });
    last = match.index + length;
  }
  if (last < text.length || parts.length === 0) parts.push({ text: text.slice(last), found: false });
  return parts;
}

/** How many characters of the word, accents included, make up what was looked for. */
function lengthOf(word: string, looked: string): number {
  for (let end = 1; end <= word.length; end++) {
    if (folded(word.slice(0, end)).length < looked.length) continue;
    while (end < word.length && /\p{M}/u.test(word[end]!)) end++;
    return end;
  }
  return word.length;
}

/** A long text from a little before the first found word. */
export function around(text: string, words: readonly string[], before = 40): string {
  const plain = text.replace(/\s+/g, " ").trim();
  let at = 0;
  for (const part of marked(plain, words)) {
    if (part.found) break;
    at += part.text.length;
  }
  if (at >= plain.length || at <= before) return plain;
  const start = plain.lastIndexOf(" ", at - before / 2);
  return start <= 0 ? plain : `…${plain.slice(start + 1)}`;
}
