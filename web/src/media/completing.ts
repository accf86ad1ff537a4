/** What is being completed while somebody types: a name after an @, an emoji after a colon. Pure. */
import { folded } from "../desktop/ranking";
import type { MemberItem } from "../api/types";

export interface Begun {
  what: "person" | "emoji";
  query: string;
  /** From the sign to the cursor. */
  start: number;
  end: number;
}

const LONGEST_NAME = 40;

/** At the cursor, if something was begun there: at the start of a word, and only as long as it could be one. */
export function begunAt(text: string, cursor: number): Begun | null {
  const before = text.slice(Math.max(0, cursor - LONGEST_NAME - 1), cursor);
  const person = /(?:^|[\s([{«"'])@([\p{L}\p{N}\p{M}_.'’-]*(?: [\p{L}\p{N}\p{M}_.'’-]*)?)$/u.exec(before);
  if (person)
    return {
      what: "person",
      query: person[1] ?? "",
      start: cursor - (person[1] ?? "").length - 1,
      end: cursor,
    };
  const emoji = /(?:^|\s):([\p{L}\p{N}_-]{2,})$/u.exec(before);
  if (emoji?.[1]) return { what: "emoji", query: emoji[1], start: cursor - emoji[1].length - 1, end: cursor };
  return null;
}

/** Those whose name, or a word of it, begins so; oneself and who left are not named. */
export function fitting(members: readonly MemberItem[], query: string, most = 8): MemberItem[] {
  const begun = folded(query);
  const fit = (name: string) => {
    const own = folded(name);
    return own.startsWith(begun) ? 2 : own.split(/\s+/).some((word) => word.startsWith(begun)) ? 1 : 0;
  };
  return members
    .filter((member) => !member.me && member.present)
    .map((member) => ({ member, fit: fit(member.name) }))
    .filter(({ fit }) => fit > 0)
    .sort((a, b) => b.fit - a.fit || a.member.name.localeCompare(b.member.name))
    .slice(0, most)
    .map(({ member }) => member);
}
