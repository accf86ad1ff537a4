/** What the palette can do beside going somewhere. */
import { ask, call } from "../api/calls";
import type { ChatItem } from "../api/types";
import type { IconName } from "../parts/icons";
import { chats } from "../state/chats.svelte";
import { people } from "../state/people.svelte";
import { route } from "../state/route.svelte";
import { session } from "../state/session.svelte";
import { sayError } from "../state/toasts.svelte";
import { t } from "../words/words";
import { keys, type KeyName } from "./keys";
import { notifier } from "./notify.svelte";

export interface Command {
  /** An English word for it, too, whatever language is spoken. */
  name: string;
  label: string;
  icon: IconName;
  key?: KeyName;
  do: () => void;
}

export function commands(): Command[] {
  const theme = (wanted: "light" | "dark" | "system") => () =>
    void session.set({ theme: wanted }).catch(sayError);
  const all: (Command | false)[] = [
    {
      name: "new chat",
      label: t("desktop.do.new_chat"),
      icon: "person_add",
      do: () => route.open("new-chat"),
    },
    { name: "new group", label: t("desktop.do.new_group"), icon: "group", do: () => route.open("new-group") },
    chats.unreadChats > 0 && {
      name: "unread",
      label: t("desktop.do.unread"),
      icon: "unread",
      do: nextUnread,
    },
    { name: "note to self", label: t("desktop.do.self"), icon: "self", do: () => void noteToSelf() },
    { name: "search", label: t("desktop.do.search"), icon: "search", do: () => route.open("search") },
    route.chat !== null && {
      name: "attach",
      label: t("desktop.do.attach"),
      icon: "attach",
      key: "attach",
      do: () => keys.press("attach"),
    },
    people.requests.length > 0 && {
      name: "requests",
      label: t("desktop.do.requests"),
      icon: "requests",
      do: () => route.open("requests"),
    },
    { name: "settings", label: t("desktop.do.settings"), icon: "settings", do: () => route.open("settings") },
    { name: "network", label: t("desktop.do.network"), icon: "network", do: () => route.open("network") },
    { name: "light theme", label: t("desktop.do.light"), icon: "sun", do: theme("light") },
    { name: "dark theme", label: t("desktop.do.dark"), icon: "moon", do: theme("dark") },
    { name: "system theme", label: t("desktop.do.system"), icon: "settings", do: theme("system") },
    notifier.permission === "default" && {
      name: "notifications",
      label: t("desktop.do.notify"),
      icon: "bell",
      do: () => void notifier.ask(),
    },
    session.status?.key_place === "passphrase" && {
      name: "lock",
      label: t("desktop.do.lock"),
      icon: "lock",
      do: () => void call("lock", {}).catch(sayError),
    },
    {
      name: "keys shortcuts",
      label: t("desktop.do.keys"),
      icon: "keyboard",
      key: "all_keys",
      do: () => keys.press("all_keys"),
    },
  ];
  return all.filter((command): command is Command => command !== false);
}

/** The chat above or below the one that is open, as the list has them. */
export function stepChat(by: number): void {
  const list = chats.shown;
  const at = list.findIndex(({ id }) => id === route.chat);
  const next = at < 0 ? list[by > 0 ? 0 : list.length - 1] : list[at + by];
  if (next) route.openChat(next.id);
}

function nextUnread(): void {
  const next = chats.all.find(
    (chat) => !chat.archived && chat.id !== route.chat && (chat.unread > 0 || chat.unread_mark),
  );
  if (next) route.openChat(next.id);
}

async function noteToSelf(): Promise<void> {
  try {
    const chat = (await ask("note_to_self", {})) as ChatItem;
    chats.put(chat);
    route.openChat(chat.id);
  } catch (error) {
    sayError(error);
  }
}
