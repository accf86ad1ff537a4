import { beforeAll, describe, expect, it, vi } from "vitest";

// The route of a window begins with its address.
beforeAll(() => {
  vi.stubGlobal("location", { hash: "" });
  vi.stubGlobal("history", { state: null });
  vi.stubGlobal("window", { addEventListener: () => {} });
});

describe("the address", () => {
  it.each([
    ["#/", { chat: null, at: null, panel: null }],
    ["#/chat/ab12", { chat: "ab12", at: null, panel: null }],
    ["#/chat/ab12/at/cd34", { chat: "ab12", at: "cd34", panel: null }],
    ["#/chat/ab12/-/contact/ef", { chat: "ab12", at: null, panel: ["contact", "ef"] }],
    ["#/-/settings/network", { chat: null, at: null, panel: ["settings", "network"] }],
  ])("%s is read and written", async (hash, place) => {
    const { parsed, written } = await import("./route.svelte");
    expect(parsed(hash)).toEqual(place);
    expect(written(place)).toBe(hash);
  });

  it.each(["", "#", "#SECRET", "#/nonsense", "#/chat", "#/chat/ab/at", "#/-", "#/chat/%E0%A4%A"])(
    "%j leads nowhere that is not there",
    async (hash) => {
      const { parsed } = await import("./route.svelte");
      expect(parsed(hash).at).toBeNull();
      expect(parsed(hash).panel).toBeNull();
    },
  );
});
