// Who this page speaks about, in the order of docs/threat-model.md. How many sentences there are is what the catalogue has.
export const PARTIES = [
  "all",
  "relay",
  "seized",
  "bridge",
  "network",
  "filter",
  "stranger",
  "contact",
  "member",
  "thief",
  "guest",
  "site",
  "user",
  "open",
] as const;

export type Party = (typeof PARTIES)[number];

/** The sentences of a party that the catalogue has: keys are numbered from 1. */
export function sentences(
  maybe: (key: string) => string | undefined,
  party: Party,
  what: "can" | "cannot",
): string[] {
  const found: string[] = [];
  for (let n = 1; ; n++) {
    const sentence = maybe(`settings.truth.${party}.${what}.${n}`);
    if (sentence === undefined) return found;
    found.push(sentence);
  }
}
