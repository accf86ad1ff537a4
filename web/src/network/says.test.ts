import { describe, expect, test } from "vitest";
import type { StatusItem, WayItem, WrongItem } from "../api/types";
import { AGAIN_MS, PATIENCE_MS, says, technical, type Facts } from "./says";

const NOW = 1_000_000;

const way = (of: Partial<WayItem> = {}): WayItem => ({
  relay: "ab".repeat(32),
  embedded: false,
  own: true,
  up: true,
  way: "wss://relay.example/secret-path",
  since: "2026-11-24T04:00:00.000Z",
  trouble: null,
  trouble_code: null,
  slow: false,
  pattern: null,
  ...of,
});
const own = (of: Partial<WayItem> = {}) => way({ relay: "cd".repeat(32), embedded: true, ...of });
const wrong = (...codes: string[]): WrongItem[] =>
  codes.map((code) => ({ code, text: `${code} in words`, chat: null, at: null }));

const status = (of: Partial<StatusItem> = {}): StatusItem => ({
  name: "Ada",
  account: "aa".repeat(32),
  ways: [way()],
  waiting: 0,
  wrong: [],
  key: "",
  key_place: "file",
  home: "/home/ada/.whimbrel",
  locked: false,
  version: "0.1.0",
  requests: 0,
  relay: "elsewhere",
  network: {
    findings: [],
    tried: [],
    works: { text: "at-once", picture: "at-once", voice: "at-once", video: "at-once" },
    observer: { sees: "nothing", host: "" },
    looking: false,
    done: 0,
    planned: 0,
    looked: null,
  },
  ...of,
});

const facts = (of: Partial<Facts> = {}): Facts => ({
  status: status(),
  app: "there",
  online: true,
  downSince: null,
  hadWay: true,
  againSince: null,
  now: NOW,
  ...of,
});
const down = (since: number, of: Partial<Facts> = {}) =>
  facts({ status: status({ ways: [way({ up: false })] }), downSince: NOW - since, ...of });

describe("what the status line says", () => {
  test.each<[string, Facts, string, string]>([
    ["all is well", facts(), "ok", "connected"],
    [
      "nobody was invited",
      facts({ status: status({ ways: [own()], relay: "this-computer" }) }),
      "ok",
      "here",
    ],
    ["the app starts", facts({ status: undefined }), "busy", "reaching"],
    ["no relay was asked yet", facts({ status: status({ ways: [] }) }), "busy", "reaching"],
    ["the first try", down(100, { hadWay: false }), "busy", "reaching"],
    ["the way was lost", down(100), "busy", "another_way"],
    ["no way for a while", down(PATIENCE_MS + 1), "quiet", "no_way"],
    ["the computer is offline", down(100, { online: false }), "quiet", "offline"],
    ["a way is back", facts({ againSince: NOW - 100 }), "ok", "again"],
    ["a way is back since a while", facts({ againSince: NOW - AGAIN_MS - 1 }), "ok", "connected"],
    ["things wait", facts({ status: status({ waiting: 2 }) }), "busy", "sending"],
    ["a slow way", facts({ status: status({ ways: [way({ slow: true })] }) }), "quiet", "slow"],
    [
      "one relay of two",
      facts({ status: status({ ways: [own(), way({ own: false, up: false })], relay: "this-network" }) }),
      "quiet",
      "some",
    ],
    [
      "one's own relay of two",
      facts({ status: status({ ways: [own({ own: false }), way({ up: false })] }) }),
      "busy",
      "another_way",
    ],
    ["the app was closed", facts({ app: "away" }), "busy", "app"],
    ["the window was thrown out", facts({ app: "stranger" }), "act", "window"],
    ["a full disk", facts({ status: status({ wrong: wrong("home-full") }) }), "act", "disk"],
    ["a wrong clock", facts({ status: status({ wrong: wrong("clock") }) }), "act", "clock"],
    ["a copied home", facts({ status: status({ wrong: wrong("retired", "clock") }) }), "act", "stopped"],
    ["no place on the relay", facts({ status: status({ wrong: wrong("no-inbox") }) }), "act", "place"],
    ["a conversation is lost", facts({ status: status({ wrong: wrong("chain") }) }), "quiet", "mending"],
    ["a code of a newer app", facts({ status: status({ wrong: wrong("whatever") }) }), "ok", "connected"],
  ])("%s", (_, given, tone, line) => {
    const said = says(given);
    expect([said.tone, said.line]).toEqual([tone, `network.line.${line}`]);
  });

  test("nothing that mends itself asks the person to act", () => {
    for (const since of [0, PATIENCE_MS, 10 * PATIENCE_MS]) {
      for (const online of [true, false]) expect(says(down(since, { online })).tone).not.toBe("act");
    }
  });
});

test("the technical lines hold no name, no place of the home and no secret path", () => {
  const lost = { code: "chain", text: "Harbour walk: another history", chat: "ef".repeat(32), at: null };
  const lines = technical(status({ wrong: [lost, ...wrong("clock")] }), { app: "there", online: true });
  expect(lines).toContain("chain in efefefef");
  expect(lines).toContain("clock: clock in words");
  expect(lines).toContain("wss://relay.example/…");
  for (const secret of ["secret-path", "Ada", "/home/ada", "Harbour"]) expect(lines).not.toContain(secret);
});
