import { expect, test } from "vitest";
import type { RouteItem } from "../api/types";
import { host, how, places } from "./routes";

test.each([
  ["wss://talk.example/abc", "talk.example"],
  ["public|wss://garden.example:8443/l5?ip=192.0.2.1", "garden.example"],
  ["socks5://127.0.0.1:9050|wss://[2001:db8::1]:443/x", "[2001:db8::1]"],
  ["ws://192.168.1.9:4711/x", "192.168.1.9"],
  ["no way", "no way"],
])("%s leads to %s", (route, where) => {
  expect(host({ route })).toBe(where);
});

test("how a way did", () => {
  expect(how({ up: true, came_up: 0, failed_since: 3 })).toBe("network.ways.up");
  expect(how({ up: false, came_up: 4, failed_since: 0 })).toBe("network.ways.worked");
  expect(how({ up: false, came_up: 4, failed_since: 2 })).toBe("network.ways.failed");
  expect(how({ up: false, came_up: 0, failed_since: 0 })).toBe("network.ways.untried");
});

test("one row for a place, which speaks for the best of its ways, and none for what is found by itself", () => {
  const of = (route: string, more: Partial<RouteItem> = {}): RouteItem => ({
    relay: "ab",
    embedded: false,
    own: true,
    route,
    up: false,
    came_up: 0,
    failed_since: 0,
    derived: false,
    told_by: "",
    ...more,
  });
  const shown = places([
    of("wss://talk.example/x", { failed_since: 2 }),
    of("https://talk.example/x", { up: true }),
    of("https://talk.example:8443/x"),
    of("public|wss://garden.example/y", { told_by: "Bo" }),
    of("frag|wss://talk.example/x", { derived: true }),
    of("ws://127.0.0.1:4711/x", { embedded: true }),
  ]);
  expect(shown.map((route) => route.route)).toEqual([
    "https://talk.example/x",
    "https://talk.example:8443/x",
    "public|wss://garden.example/y",
  ]);
});
