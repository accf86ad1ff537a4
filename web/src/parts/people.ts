// What stands for somebody without a picture: the first letters of the name, and a colour that the account key chooses.

const segmenter = new Intl.Segmenter(undefined, { granularity: "grapheme" });

/** One or two letters; an emoji or a sign when the name begins with one. */
export function initials(name: string): string {
  const words = name
    .normalize("NFC")
    .replace(/[\u200e\u200f\u202a-\u202e\u2066-\u2069]/g, "")
    .trim()
    .split(/\s+/u);
  const first = (word: string | undefined) => {
    if (!word) return "";
    const segment = segmenter.segment(word)[Symbol.iterator]().next();
    return segment.done ? "" : segment.value.segment.toLocaleUpperCase();
  };
  const one = first(words[0]);
  if (words.length < 2 || !/\p{L}/u.test(one)) return one || "?";
  const two = first(words[words.length - 1]);
  return /\p{L}/u.test(two) ? one + two : one;
}

/** 0 to 7, the same in every window and on every computer. */
export function colourOf(key: string): number {
  let sum = 0;
  for (let at = 0; at < key.length; at++) sum = (sum * 31 + key.charCodeAt(at)) >>> 0;
  return sum % 8;
}
