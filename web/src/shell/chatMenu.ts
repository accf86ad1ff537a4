// What can be done with a chat from the list, and from the head of its conversation.
import type { ChatItem } from "../api/types";
import type { MenuItem } from "../parts/Menu.svelte";
import { chats } from "../state/chats.svelte";
import { isUnread } from "../state/order";
import { route } from "../state/route.svelte";
import { say } from "../state/toasts.svelte";
import { t } from "../words/words";
import { ask } from "../api/calls";

export function chatMenu(chat: ChatItem): MenuItem[] {
  const items: MenuItem[] = [
    {
      icon: chat.pinned ? "unpin" : "pin",
      label: chat.pinned ? t("shell.unpin") : t("shell.pin"),
      do: () => void chats.set(chat.id, { pinned: !chat.pinned }),
    },
    {
      icon: chat.muted ? "bell" : "mute",
      label: chat.muted ? t("shell.unmute") : t("shell.mute"),
      do: () => void chats.set(chat.id, { muted: !chat.muted, muted_until: null }),
    },
    {
      icon: isUnread(chat) ? "tick" : "unread",
      label: isUnread(chat) ? t("shell.mark_read") : t("shell.mark_unread"),
      do: () => void markRead(chat),
    },
    {
      icon: chat.archived ? "unarchive" : "archive",
      label: chat.archived ? t("shell.unarchive") : t("shell.archive"),
      do: () => archive(chat),
    },
  ];
  if (chat.kind !== "self") {
    items.push({
      icon: "info",
      label: chat.kind === "group" ? t("shell.group_details") : t("shell.contact_details"),
      apart: true,
      do: () => {
        route.openChat(chat.id);
        openDetails(chat);
      },
    });
  }
  return items;
}

export function openDetails(chat: ChatItem): void {
  if (chat.kind === "group") route.open("group", chat.id);
  else if (chat.person) route.open("contact", chat.person);
}

async function markRead(chat: ChatItem): Promise<void> {
  if (!isUnread(chat)) return chats.set(chat.id, { unread_mark: true });
  if (chat.unread_mark) await chats.set(chat.id, { unread_mark: false });
  if (chat.unread && chat.preview) chats.put(await ask("seen", { chat: chat.id, n: chat.preview.n }));
}

function archive(chat: ChatItem): void {
  const archived = !chat.archived;
  void chats.set(chat.id, { archived });
  const undo = { label: t("shell.undo"), do: () => void chats.set(chat.id, { archived: !archived }) };
  say(
    archived ? t("shell.archived_now", { name: chat.name }) : t("shell.unarchived_now", { name: chat.name }),
    undo,
  );
}
