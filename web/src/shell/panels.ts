// What opens on demand, by its name in the route: where it appears, and how it is fetched.
import type { Component } from "svelte";

export interface PanelProps {
  /** What follows the name in the route. */
  args: readonly string[];
  close: () => void;
}
export type PanelComponent = Component<PanelProps>;

/** "dialog": over everything. "details": beside the conversation. "list": in the place of the list of chats. */
export type Place = "dialog" | "details" | "list";

const found = import.meta.glob<{ default: PanelComponent }>([
  "../people/{NewChat,NewGroup,Invite,Contact,Group,Requests,Verify}.svelte",
  "../settings/Settings.svelte",
  "../search/Search.svelte",
  "../network/Network.svelte",
]);

interface Panel {
  place: Place;
  file: string;
  /** Of a dialog, in px. */
  width?: number;
}

const PANELS: Record<string, Panel> = {
  "new-chat": { place: "dialog", file: "../people/NewChat.svelte", width: 540 },
  "new-group": { place: "dialog", file: "../people/NewGroup.svelte", width: 460 },
  invite: { place: "dialog", file: "../people/Invite.svelte", width: 540 },
  requests: { place: "dialog", file: "../people/Requests.svelte", width: 520 },
  settings: { place: "dialog", file: "../settings/Settings.svelte", width: 640 },
  network: { place: "dialog", file: "../network/Network.svelte", width: 460 },
  verify: { place: "dialog", file: "../people/Verify.svelte", width: 460 },
  contact: { place: "details", file: "../people/Contact.svelte" },
  group: { place: "details", file: "../people/Group.svelte" },
  search: { place: "list", file: "../search/Search.svelte" },
};

export interface Opened {
  name: string;
  args: readonly string[];
  place: Place;
  width: number;
  load: () => Promise<PanelComponent>;
}

/** The panel that the route names, if there is such a one. */
export function opened(route: readonly string[] | null): Opened | null {
  const [name, ...args] = route ?? [];
  const panel = name === undefined ? undefined : PANELS[name];
  const file = panel && found[panel.file];
  if (!panel || !file) return null;
  // To search in one chat is done beside that chat.
  const place = name === "search" && args.length > 0 ? "details" : panel.place;
  return { name: name!, args, place, width: panel.width ?? 440, load: async () => (await file()).default };
}
