/** Tells of new messages while nobody looks: by the computer's notifications, a soft sound, and words for who listens. */
import type { ChangeItem, ChatItem, MessageItem } from "../api/types";
import { chats } from "../state/chats.svelte";
import { people } from "../state/people.svelte";
import { route } from "../state/route.svelte";
import { session } from "../state/session.svelte";
import { say } from "../state/toasts.svelte";
import { t } from "../words/words";
import { isNews, saidBy, told, type Words } from "./news";
import { chime } from "./sound";
import { windows } from "./windows.svelte";

const ASKED_AS = "whimbrel-notify-asked";

const words: Words = {
  new_one: () => t("desktop.new_one"),
  news: (count) => t("desktop.new", { count }),
  in_group: (name, text) => t("desktop.in_group", { name, text }),
  what: (kind) => t(`desktop.${kind}`),
};

class Notifier {
  /** "default": the browser was not asked yet. */
  permission = $state<NotificationPermission>(
    "Notification" in globalThis ? Notification.permission : "denied",
  );
  /** The last message in words, for who listens; a new object each time, so that equal words are said again. */
  heard = $state.raw<{ words: string }>({ words: "" });

  /** Messages up to here were there before, or were told already. */
  #upTo = Infinity;
  #shown = new Map<string, Notification>();

  load(): void {
    // After a gap what came meanwhile is told by the counts; only what comes from now on is news.
    this.#upTo = chats.all.reduce((most, chat) => Math.max(most, chat.preview?.n ?? 0), 0);
  }

  change(change: ChangeItem): void {
    if (change.message) this.#came(change.message);
    if (change.chat) this.#forget(change.chat);
  }

  /** After a press alone: browsers and people do not like to be asked out of nowhere. */
  async ask(): Promise<NotificationPermission> {
    if (!("Notification" in globalThis)) return "denied";
    this.permission = await Notification.requestPermission();
    localStorage.setItem(ASKED_AS, "yes");
    say(t(this.permission === "granted" ? "desktop.allowed" : "desktop.refused"));
    return this.permission;
  }

  #came(message: MessageItem): void {
    if (message.n <= this.#upTo) return;
    this.#upTo = message.n;
    const chat = chats.get(message.chat);
    if (session.locked || !chat || !isNews(message, chat, session.account ?? "")) return;
    const looked = windows.isLookedAt(message.chat);
    this.#sayIt(message, chat);
    if (looked || !windows.speaks) return;
    if (session.settings.sounds && session.settings.notify !== "off") chime();
    if (document.hasFocus()) return;
    if (this.permission === "granted") this.#show(message, chat);
    else this.#offerLater();
  }

  #sayIt(message: MessageItem, chat: ChatItem): void {
    const name = people.name(message.person) ?? message.sender;
    if (route.chat === chat.id)
      this.heard = { words: t("desktop.says", { name, text: saidBy(message, words) }) };
    else if (chat.kind === "group") this.heard = { words: t("desktop.says_in", { name, chat: chat.name }) };
    else this.heard = { words: t("desktop.says_from", { name }) };
  }

  #show(message: MessageItem, chat: ChatItem): void {
    const what = told(message, chat, chats.unread, session.settings.notify, words);
    if (!what) return;
    const options: NotificationOptions & { renotify?: boolean } = {
      body: what.body,
      tag: what.tag,
      renotify: true,
      silent: true,
      icon: "/icons/192.png",
      lang: document.documentElement.lang,
      dir: "auto",
    };
    let shown: Notification;
    try {
      shown = new Notification(what.title, options);
    } catch {
      // Some phones show them from service workers alone; the counts tell it.
      return;
    }
    this.#shown.get(chat.id)?.close();
    this.#shown.set(chat.id, shown);
    shown.onclick = () => {
      window.focus();
      route.openChat(chat.id);
      shown.close();
    };
    shown.onclose = () => {
      if (this.#shown.get(chat.id) === shown) this.#shown.delete(chat.id);
    };
  }

  /** Read, here or elsewhere: nothing is to be told of it any more. */
  #forget(chat: ChatItem): void {
    if (chat.unread > 0) return;
    this.#shown.get(chat.id)?.close();
    this.#shown.delete(chat.id);
  }

  /** Once, when the person is back: something came that one could have been told of. */
  #offerLater(): void {
    if (this.permission !== "default" || session.settings.notify === "off" || localStorage.getItem(ASKED_AS))
      return;
    localStorage.setItem(ASKED_AS, "yes");
    const offer = () => say(t("desktop.offer"), { label: t("desktop.offer_yes"), do: () => void this.ask() });
    addEventListener("focus", offer, { once: true });
  }
}

export const notifier = new Notifier();
session.join(notifier);
// This file comes a moment after the chats have.
if (session.loaded) notifier.load();
