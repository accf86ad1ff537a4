import { describe, expect, it } from "vitest";
import type { TriedItem } from "../api/types";
import en from "../words/en/network.json";
import ru from "../words/ru/network.json";
import { findingTone, findingWords, triedWords } from "./looks";

const TRIED: TriedItem = {
  host: "talk.example",
  bridge: false,
  looks: "plain",
  worked: 0,
  failed: 2,
  stage: "handshake",
  reason: "reset",
  bytes: 0,
};

describe("what was found", () => {
  it("only what is done on purpose stands out", () => {
    expect(findingTone({ what: "name-reset", blame: "network" })).toBe("done");
    expect(findingTone({ what: "relay-down", blame: "relay" })).toBe("quiet");
    expect(findingTone({ what: "slow", blame: "unknown" })).toBe("quiet");
    expect(findingTone({ what: "clear", blame: "nobody" })).toBe("ok");
  });

  it("has its figures", () => {
    const { key, values } = findingWords({ what: "slowed", blame: "network", kbit: 140 });
    expect(key).toBe("network.found.slowed");
    expect(values.kbit).toBe(140);
  });
});

describe("what was tried", () => {
  it("says how far it came", () => {
    expect(triedWords(TRIED).key).toBe("network.tried.handshake");
    expect(triedWords({ ...TRIED, stage: "receive", bytes: 14_200 })).toEqual({
      key: "network.tried.silent",
      values: { worked: 0, failed: 2, kilobytes: 14 },
    });
    expect(triedWords({ ...TRIED, worked: 3, failed: 0 }).key).toBe("network.tried.worked");
  });

  it("has a sentence for each stage and each finding, in each language", () => {
    const stages = ["resolve", "connect", "handshake", "send", "receive", "silent", "worked"];
    for (const words of [en, ru] as Record<string, unknown>[]) {
      for (const stage of stages) expect(words[`network.tried.${stage}`], stage).toBeTruthy();
    }
  });
});
