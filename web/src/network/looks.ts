// What the app found of the network, in words: which sentence, how it looks, and how a way that was tried did.
import type { FindingItem, TriedItem } from "../api/types";
import type { Key } from "../words/words";

/** `done`: somebody does this on purpose; `quiet`: harmless, or not known; `ok`: nothing is in the way. */
export type FindingTone = "done" | "quiet" | "ok";

export function findingTone(finding: FindingItem): FindingTone {
  if (finding.blame === "nobody") return "ok";
  return finding.blame === "network" ? "done" : "quiet";
}

/** A sentence, and what is put into it. */
export function findingWords(finding: FindingItem): { key: Key; values: Record<string, string | number> } {
  return {
    key: `network.found.${finding.what}` as Key,
    values: { kbit: finding.kbit ?? 0, kilobytes: Math.round((finding.bytes ?? 0) / 1000) },
  };
}

/** How connections to one machine did, in one line. */
export function triedWords(one: TriedItem): { key: Key; values: Record<string, string | number> } {
  const kilobytes = Math.max(1, Math.round(one.bytes / 1000));
  const values = { worked: one.worked, failed: one.failed, kilobytes };
  if (one.failed === 0) return { key: "network.tried.worked", values };
  if (one.bytes > 1) return { key: "network.tried.silent", values };
  return { key: `network.tried.${one.stage ?? "connect"}` as Key, values };
}
