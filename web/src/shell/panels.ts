// What opens on demand, by its name in the route: where it appears, and how it is fetched.
import type { Component } from "svelte";

export interface PanelProps {
  /** What follows the name in the route. */
  args: string[];
  close: () => void;
}
export type PanelComponent = Component<PanelProps>;

/** "dialog": over everything. "details": beside the conversation. "list": in the place of the list of chats. */
export type Place = "dialog" | "details" | "list";

interface Panel {
  place: Place;
  load: () => Promise<{ default: PanelComponent }>;
  /** Of a dialog, in px. */
  width?: number;
}

const PANELS: Record<string, Panel> = {
  "new-chat": { place: "dialog", load: () => import("../people/NewChat.svelte"), width: 540 },
  "new-group": { place: "dialog", load: () => import("../people/NewGroup.svelte"), width: 460 },
  invite: { place: "dialog", load: () => import("../people/Invite.svelte"), width: 540 },
  requests: { place: "dialog", load: () => import("../people/Requests.svelte"), width: 520 },
  settings: { place: "dialog", load: () => import("../settings/Settings.svelte"), width: 640 },
  network: { place: "dialog", load: () => import("../network/Network.svelte"), width: 460 },
  verify: { place: "dialog", load: () => import("../people/Verify.svelte"), width: 460 },
  contact: { place: "details", load: () => import("../people/Contact.svelte") },
  group: { place: "details", load: () => import("../people/Group.svelte") },
  search: { place: "list", load: () => import("../search/Search.svelte") },
};

export interface Opened {
  name: string;
  args: string[];
  place: Place;
  width: number;
  load: () => Promise<PanelComponent>;
}

/** The panel that the route names, if there is such a one. */
export function opened(route: readonly string[] | null): Opened | null {
  const [name, ...args] = route ?? [];
  const panel = name === undefined ? undefined : PANELS[name];
  if (!panel) return null;
  // To search in one chat is done beside that chat.
  const place = name === "search" && args.length > 0 ? "details" : panel.place;
  return {
    name: name!,
    args,
    place,
    width: panel.width ?? 440,
    load: async () => (await panel.load()).default,
  };
}
