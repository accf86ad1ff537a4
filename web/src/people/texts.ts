// The texts that people hand to each other (`whimbrel:…`), as far as the page must tell them apart before the app reads
// them: version and kind stand in the first two bytes. Whether a text is whole and right is for the app to say.

export type TextKind = "address" | "invite" | "open-invite" | "other";

const PREFIX = "whimbrel:";
const ALPHABET = "abcdefghijklmnopqrstuvwxyz234567";
const KINDS: Record<number, TextKind> = { 1: "address", 2: "invite", 3: "open-invite" };

/** What a pasted text seems to be. */
export function kindOf(text: string): TextKind {
  const bare = text.toLowerCase().replace(/[^a-z2-7:]/g, "");
  const start = bare.lastIndexOf(PREFIX);
  if (start < 0) return "other";
  const head = bare.slice(start + PREFIX.length, start + PREFIX.length + 4);
  if (head.length < 4) return "other";
  let bits = 0;
  for (const character of head) bits = bits * 32 + ALPHABET.indexOf(character);
  const version = bits >> 12;
  return version === 1 ? (KINDS[(bits >> 8) & 15] ?? "other") : "other";
}

/** A safety number in groups of five digits, as it is read aloud. */
export function grouped(digits: string): string[] {
  return digits.replace(/\D/g, "").match(/.{1,5}/g) ?? [];
}
