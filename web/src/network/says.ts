// What is so with the network and the app, in one line, and what it means: decided from facts alone, so that each case can
// be tested. Nothing here alarms: `act` is only for what nobody but the person can do.
import type { StatusItem } from "../api/types";
import type { Key } from "../words/words";

export type Tone = "ok" | "quiet" | "busy" | "act";

export interface Facts {
  /** Undefined until it has come for the first time. */
  status: StatusItem | undefined;
  /** Whether the app answers, is away for now, or does not know this window. */
  app: "there" | "away" | "stranger";
  /** What the browser says of this computer. */
  online: boolean;
  /** Since when no relay is reached, in ms; null: one is. */
  downSince: number | null;
  /** Whether there was a way before, in this window. */
  hadWay: boolean;
  /** When a way came back after a while, in ms; null: not lately. */
  againSince: number | null;
  now: number;
}

export interface Says {
  tone: Tone;
  line: Key;
  means: Key;
  values: Record<string, string | number>;
}

/** Milliseconds until the first try to reach a relay counts as having failed. */
export const PATIENCE_MS = 8_000;
/** Milliseconds for which it is said that a way is back; only after it was gone for as long as the next. */
export const AGAIN_MS = 6_000;
export const AWHILE_MS = 5_000;

const STORE = new Set(["home-full", "home-read-only", "home-gone", "home-damaged"]);
const LOST = new Set([
  "chain",
  "shown",
  "behind",
  "denied",
  "blob",
  "locked",
  "expired",
  "split",
  "copied",
  "replaced",
  "moved",
]);

export function says(facts: Facts): Says {
  const { status } = facts;
  if (facts.app === "stranger") return said("act", "network.line.window", "network.means.window");
  if (facts.app === "away") return said("busy", "network.line.app", "network.means.app");
  if (!status || status.name === null || status.ways.length === 0)
    return said("busy", "network.line.reaching", "network.means.reaching");

  const wrong = new Set(status.wrong.map((entry) => entry.code));
  if (wrong.has("retired")) return said("act", "network.line.stopped", "network.means.stopped");
  if (wrong.has("home-full")) return said("act", "network.line.disk", "network.means.disk");
  const store = [...wrong].find((code) => STORE.has(code));
  if (store) return said("act", "network.wrong", `network.trouble.${store}` as Key);
  if (wrong.has("no-inbox")) return said("act", "network.line.place", "network.means.place");
  if (wrong.has("clock")) return said("act", "network.line.clock", "network.means.clock_some");

  const up = status.ways.filter((way) => way.up);
  const remote = status.ways.filter((way) => !way.embedded);
  if (status.ways.length > 0 && up.length === 0) return unreached(facts);
  if (facts.againSince !== null && facts.now - facts.againSince < AGAIN_MS) {
    return said("ok", "network.line.again", "network.means.again");
  }
  const own = up.some((way) => way.own);
  if (status.ways.length > up.length && facts.downSince === null && !own) return unreached(facts);
  if (status.ways.length > up.length) return said("quiet", "network.line.some", "network.means.some");
  if ([...wrong].some((code) => LOST.has(code))) {
    return said("quiet", "network.line.mending", "network.means.mending");
  }
  if (status.waiting > 0) {
    return said("busy", "network.line.sending", "network.means.sending", { count: status.waiting });
  }
  if (remote.length > 0 && remote.every((way) => way.slow)) {
    return said("quiet", "network.line.slow", "network.means.slow");
  }
  if (status.relay === "this-computer" && remote.length === 0) {
    return said("ok", "network.line.here", "network.means.here");
  }
  return said("ok", "network.line.connected", "network.means.connected");
}

function unreached(facts: Facts): Says {
  if (!facts.online) return said("quiet", "network.line.offline", "network.means.offline");
  const since = facts.downSince === null ? 0 : facts.now - facts.downSince;
  if (since < PATIENCE_MS) {
    return facts.hadWay
      ? said("busy", "network.line.another_way", "network.means.another_way")
      : said("busy", "network.line.reaching", "network.means.reaching");
  }
  return said("quiet", "network.line.no_way", "network.means.no_way");
}

function said(tone: Tone, line: Key, means: Key, values: Record<string, string | number> = {}): Says {
  return { tone, line, means, values };
}

/** For the technical lines that can be copied: what the app says, without names of people. */
export function technical(status: StatusItem | undefined, facts: Pick<Facts, "app" | "online">): string {
  const lines = [`app: ${facts.app}, browser: ${facts.online ? "online" : "offline"}`];
  if (!status) return lines.join("\n");
  lines.push(`version: ${status.version}`, `relay: ${status.relay}`, `waiting: ${status.waiting}`);
  for (const way of status.ways) {
    const place = way.embedded ? "in the app" : "elsewhere";
    lines.push(
      `relay ${way.relay.slice(0, 16)} (${place}): ${way.up ? "up" : "down"} since ${way.since ?? "?"}`,
    );
    if (way.way) lines.push(`  way: ${way.way.replace(/(\/\/[^/]+\/).+/, "$1…")}`);
    if (way.trouble) lines.push(`  ${way.trouble_code ? `${way.trouble_code}: ` : ""}${way.trouble}`);
  }
  for (const entry of status.wrong) {
    // What is said of a chat begins with its name.
    const what = entry.chat ? ` in ${entry.chat.slice(0, 8)}` : `: ${entry.text}`;
    lines.push(`${entry.at ?? ""} ${entry.code}${what}`.trim());
  }
  return lines.join("\n");
}
