// Whether one can write in a chat, and in which words it is said when not.
import type { ChatItem } from "../api/types";
import type { Key } from "../words/words";

export function mayWrite(chat: ChatItem): boolean {
  return chat.standing === "open" && chat.may_post;
}

/** Why there is no text box. */
export function whyNot(chat: ChatItem): Key {
  switch (chat.standing) {
    case "asked":
      return "conversation.standing.asked";
    case "left":
      return "conversation.standing.left";
    case "removed":
      return "conversation.standing.removed";
    case "lost":
      return "conversation.standing.lost";
    case "move-offered":
      return "conversation.standing.move_offered";
    case "blocked":
      return "conversation.standing.blocked";
    default:
      return "conversation.standing.admins_only";
  }
}
