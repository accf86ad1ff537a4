// Parts of the page that other folders bring: fetched when they are first wanted.
import type { Component } from "svelte";

// eslint-disable-next-line @typescript-eslint/no-explicit-any
type AnyComponent = Component<any>;

const found = import.meta.glob<{ default: AnyComponent }>([
  "../network/StatusLine.svelte",
  "../people/FirstStart.svelte",
  "../settings/Lock.svelte",
  "../desktop/Desktop.svelte",
]);

/** The component in this file; null when there is none. */
export async function slot(file: string): Promise<AnyComponent | null> {
  const load = found[file];
  return load ? (await load()).default : null;
}
