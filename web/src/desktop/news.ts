/**
 * What is told of a message that came: nothing, that something came, who wrote, or what. Pure, so that what leaves the page
 * for the computer's notifications is decided in one place and tested.
 */
import type { ChatItem, MessageItem, SettingsItem } from "../api/types";
import { shownAs } from "../media/kinds";
import { plain, read } from "../media/richtext";

export interface Words {
  new_one(): string;
  news(count: number): string;
  in_group(name: string, text: string): string;
  what(kind: "picture" | "video" | "voice" | "file"): string;
}

export interface Told {
  title: string;
  body: string;
  /** Of the same tag there is one at a time. */
  tag: string;
}

/** The name alone is the app's; a name that somebody chose is never mistaken for it. */
const APP = "Whimbrel";
const LONGEST = 160;

/** Whether a message is news at all: of somebody else, not read, in a chat that is not muted. */
export function isNews(message: MessageItem, chat: ChatItem | undefined, me: string): boolean {
  if (message.mine || message.deleted || message.state === "read" || !chat) return false;
  if (chat.standing === "blocked" || chat.standing === "asked") return false;
  if (!chat.muted && !chat.archived) return true;
  // Being named gets through a group that is muted: somebody waits for an answer.
  return chat.kind === "group" && message.mentions.some(({ person }) => person === me);
}

export function told(
  message: MessageItem,
  chat: ChatItem,
  unread: number,
  notify: SettingsItem["notify"],
  words: Words,
): Told | null {
  switch (notify) {
    case "off":
      return null;
    case "that":
      return { title: APP, body: words.news(Math.max(1, unread)), tag: "whimbrel" };
    case "who":
      return { title: oneLine(chat.name), body: words.new_one(), tag: `whimbrel-${chat.id}` };
    case "what": {
      const text = saidBy(message, words);
      const body = chat.kind === "group" ? words.in_group(oneLine(message.sender), text) : text;
      return { title: oneLine(chat.name), body, tag: `whimbrel-${chat.id}` };
    }
  }
}

/** A line of it: the text without marks, or what kind of file it is. */
export function saidBy(message: MessageItem, words: Pick<Words, "new_one" | "what">): string {
  const text = oneLine(plain(read(message.text, message.mentions)));
  if (text !== "") return text;
  const file = message.files[0];
  if (!file) return words.new_one();
  const kind = shownAs(file);
  return words.what(kind === "audio" ? "file" : kind);
}

function oneLine(text: string): string {
  const line = text
    .replace(/[\p{Cc}\u2028\u2029\u202a-\u202e\u2066-\u2069]+/gu, " ")
    .replace(/\s+/g, " ")
    .trim();
  return line.length > LONGEST ? `${Array.from(line).slice(0, LONGEST).join("")}…` : line;
}
