// A way to a relay, in words.
import type { RouteItem } from "../api/types";
import type { Key } from "../words/words";

/** The machine that is dialled. */
export function host(route: Pick<RouteItem, "route">): string {
  const inner = route.route.slice(route.route.lastIndexOf("|") + 1);
  return /^[a-z]+:\/\/(\[[^\]]*\]|[^/:?]+)/.exec(inner)?.[1] ?? inner;
}

/** How it did. */
export function how(route: Pick<RouteItem, "up" | "came_up" | "failed_since">): Key {
  if (route.up) return "network.ways.up";
  if (route.failed_since > 0) return "network.ways.failed";
  return route.came_up > 0 ? "network.ways.worked" : "network.ways.untried";
}

/** One for each place: streams and letters go there alike, and are removed together. Of several the one that is up speaks, else the best. */
export function places(routes: RouteItem[]): RouteItem[] {
  const found = new Map<string, RouteItem>();
  for (const route of routes) {
    if (route.embedded || route.derived) continue;
    const place = `${route.relay} ${/:\/\/([^/?]+)/.exec(route.route)?.[1] ?? route.route}`;
    const before = found.get(place);
    if (!before || rank(route) < rank(before)) found.set(place, route);
  }
  return [...found.values()];
}

function rank(route: RouteItem): number {
  if (route.up) return 0;
  if (route.failed_since > 0) return 3;
  return route.came_up > 0 ? 1 : 2;
}
