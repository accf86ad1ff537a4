// The chats, in the order of the list.
import { ask, call } from "../api/calls";
import type { ChangeItem, ChatItem } from "../api/types";
import { before, isUnread, passes, type Filter } from "./order";
import { session } from "./session.svelte";
import { sayError } from "./toasts.svelte";

/** What `chat_set` may change. */
export type ChatSettings = Partial<
  Pick<ChatItem, "pinned" | "archived" | "muted" | "muted_until" | "unread_mark" | "draft">
>;

class Chats {
  #byId = $state.raw(new Map<string, ChatItem>());
  /** What was pressed here and not yet confirmed by the app. */
  #wanted = new Map<string, ChatSettings>();
  filter = $state<Filter>("all");

  readonly all = $derived([...this.#byId.values()].sort(before));
  readonly shown = $derived(this.all.filter((chat) => passes(chat, this.filter)));
  readonly archived = $derived(this.all.filter((chat) => chat.archived));
  /** Of chats that are neither muted nor archived: what the title and the icon count. */
  readonly unread = $derived(
    this.all.reduce(
      (sum, chat) => sum + (chat.muted || chat.archived ? 0 : chat.unread || +chat.unread_mark),
      0,
    ),
  );
  readonly unreadChats = $derived(this.all.filter((chat) => !chat.archived && isUnread(chat)).length);
  readonly #byAccount = $derived(
    new Map([...this.#byId.values()].filter((chat) => chat.person).map((chat) => [chat.person!, chat])),
  );

  get(id: string | null | undefined): ChatItem | undefined {
    return id ? this.#byId.get(id) : undefined;
  }

  /** The chat of two with this account. */
  byPerson(account: string): ChatItem | undefined {
    return this.#byAccount.get(account);
  }

  async load(): Promise<void> {
    const items = (await call("chats", {})) as ChatItem[];
    this.#byId = new Map(items.map((chat) => [chat.id, this.#asWanted(chat)]));
  }

  change(change: ChangeItem): void {
    if (change.chat) this.put(change.chat);
    if (change.no_chat) {
      const next = new Map(this.#byId);
      next.delete(change.no_chat);
      this.#byId = next;
    }
  }

  /** A chat as the app has just said it. */
  put(chat: ChatItem): void {
    this.#byId = new Map(this.#byId).set(chat.id, this.#asWanted(chat));
  }

  /** Shown at once; what the app then says holds. */
  async set(id: string, changes: ChatSettings): Promise<void> {
    const chat = this.#byId.get(id);
    if (!chat) return;
    this.#wanted.set(id, { ...this.#wanted.get(id), ...changes });
    this.put(chat);
    try {
      const answer = (await ask("chat_set", { chat: id, ...changes })) as ChatItem;
      this.#wanted.delete(id);
      this.put(answer);
    } catch (error) {
      this.#wanted.delete(id);
      if (this.#byId.has(id)) this.put(chat);
      if (!("draft" in changes)) sayError(error);
    }
  }

  #asWanted(chat: ChatItem): ChatItem {
    const wanted = this.#wanted.get(chat.id);
    return wanted ? { ...chat, ...wanted } : chat;
  }
}

export const chats = new Chats();
session.join(chats);
