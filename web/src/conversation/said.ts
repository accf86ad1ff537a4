// What happened, and what a message is, in words of the catalogue.
import type { EventItem, PreviewItem, QuoteItem } from "../api/types";
import type { IconName } from "../parts/icons";
import { session } from "../state/session.svelte";
import { duration, list, maybe, t } from "../words/words";

/** An event as one line. */
export function eventInWords(event: EventItem): string {
  const people = event.people ?? [];
  const aboutMe = people.length === 1 && people[0] === session.name;
  const who = event.sender;
  const values = {
    who,
    people: list(people),
    count: people.length,
    name: event.name ?? "",
    before: event.before ?? "",
    time: event.seconds ? duration(event.seconds) : "",
  };
  // The one whom it is about and the one who did it may be the same, and either may be oneself.
  const kind = event.event === "timer" && !event.seconds ? "timer_off" : event.event;
  const side = event.mine ? "mine" : aboutMe ? "me" : "other";
  const said =
    maybe(`conversation.event.${kind}.${side}`, values) ?? maybe(`conversation.event.${kind}.other`, values);
  return said ?? event.text ?? t("conversation.event.newer");
}

/** What a message is, when it is not (only) its text. */
export function kindInWords(what: (PreviewItem | QuoteItem)["what"]): string {
  switch (what) {
    case "picture":
      return t("conversation.kind.picture");
    case "video":
      return t("conversation.kind.video");
    case "voice":
      return t("conversation.kind.voice");
    case "file":
      return t("conversation.kind.file");
    case "deleted":
      return t("conversation.kind.deleted");
    case "gone":
      return t("conversation.kind.gone");
    default:
      return "";
  }
}

export const KIND_ICONS: Partial<Record<(PreviewItem | QuoteItem)["what"], IconName>> = {
  picture: "picture",
  video: "video",
  voice: "microphone",
  file: "file",
  deleted: "blocked",
};
