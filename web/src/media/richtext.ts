/**
 * A message's text as people type it (*bold*, _italic_, ~struck~, `code`, ```blocks```, links, mentions), taken apart into a
 * tree. Pure: nothing is drawn here. Every character of the text is somewhere in the tree (`written` puts it together again).
 */

import type { MentionItem } from "../api/types";

export type Piece =
  | { kind: "text"; text: string }
  | { kind: "found"; text: string }
  /** A character that would turn the order of what follows; it is shown, not obeyed. */
  | { kind: "override"; text: string; code: string }
  | { kind: "bold"; open: string; close: string; pieces: Piece[] }
  | { kind: "italic"; open: string; close: string; pieces: Piece[] }
  | { kind: "struck"; open: string; close: string; pieces: Piece[] }
  | { kind: "code"; open: string; close: string; text: string }
  | { kind: "block"; open: string; close: string; text: string }
  | { kind: "link"; text: string; href: string }
  | { kind: "mention"; text: string; person: string };

type Atom = { start: number; end: number; piece: Piece };
type Mark = "*" | "_" | "~";

const MARKS: Record<Mark, "bold" | "italic" | "struck"> = { "*": "bold", _: "italic", "~": "struck" };
const IN_A_WORD = /[\p{L}\p{N}\p{M}]/u;
// Control characters, invisible ones and those that turn the direction end an address: what is not seen is not in a link.
const ADDRESS = /https?:\/\/[^\s<>"`\p{Cc}\p{Cf}\u2800\u3164]+/iuy;
const ENDS_A_SENTENCE = new Set(Array.from(".,;:!?'’”»…"));
const BRACKETS: Record<string, string> = { ")": "(", "]": "[", "}": "{" };
const OVERRIDES = /[\u202a-\u202e]/;
/** What a text has that is more than letters: marks, code, an address, a character that turns the order. */
const ANYTHING = /[*_~`\u202a-\u202e]|https?:/i;
const LETTERS_FIRST = /^(?:\p{L}|[\p{N}\p{P}](?![\ufe0f\u20e3]))/u;
const graphemes = new Intl.Segmenter(undefined, { granularity: "grapheme" });

export function read(
  text: string,
  mentions: readonly MentionItem[] = [],
  found: readonly string[] = [],
): Piece[] {
  // Most texts have nothing of all this, and hundreds of them come while one scrolls.
  if (mentions.length === 0 && found.length === 0 && !ANYTHING.test(text))
    return text ? [{ kind: "text", text }] : [];
  const atoms = atomsOf(text, placed(text, mentions));
  const pieces = new Emphasis(text, atoms).pieces(0, text.length, 0);
  return withFound(pieces, wordsPattern(found));
}

/** The text that a tree was read from, to the last character. */
export function written(pieces: readonly Piece[]): string {
  return pieces
    .map((p) =>
      "pieces" in p ? p.open + written(p.pieces) + p.close : "open" in p ? p.open + p.text + p.close : p.text,
    )
    .join("");
}

/** What a tree says, without its marks: for notifications and screen readers. */
export function plain(pieces: readonly Piece[]): string {
  return pieces
    .map((p) => ("pieces" in p ? plain(p.pieces) : p.text.replace(/[\u202a-\u202e]/g, "")))
    .join("");
}

/** How many emoji a text has that is nothing else; 0 for every other text. */
export function onlyEmoji(text: string): number {
  const shown = text.trim();
  if (shown === "" || shown.length > 64 || LETTERS_FIRST.test(shown)) return 0;
  let count = 0;
  for (const { segment } of graphemes.segment(shown)) {
    if (/^\s+$/.test(segment)) continue;
    if (!isEmoji(segment)) return 0;
    count += 1;
  }
  return count;
}

export function isEmoji(grapheme: string): boolean {
  return (
    /^\p{Emoji_Presentation}/u.test(grapheme) ||
    /^\p{Extended_Pictographic}\ufe0f/u.test(grapheme) ||
    /^[0-9#*]\ufe0f?\u20e3$/u.test(grapheme)
  );
}

type Placed = { start: number; end: number; person: string };

/** Mentions in UTF-16 positions, in order; those that lie outside the text or over one another are left out. */
function placed(text: string, mentions: readonly MentionItem[]): Placed[] {
  if (mentions.length === 0) return [];
  const at: number[] = [];
  let position = 0;
  for (const character of text) {
    at.push(position);
    position += character.length;
  }
  at.push(position);
  const all = mentions
    .filter(
      (m) =>
        Number.isInteger(m.start) &&
        Number.isInteger(m.length) &&
        m.start >= 0 &&
        m.length > 0 &&
        m.start + m.length < at.length,
    )
    .map((m) => ({ start: at[m.start] ?? 0, end: at[m.start + m.length] ?? 0, person: m.person }))
    .sort((a, b) => a.start - b.start);
  const apart: Placed[] = [];
  for (const mention of all) if (mention.start >= (apart.at(-1)?.end ?? 0)) apart.push(mention);
  return apart;
}

/** What marks have no power over: code, mentions, links. In the order of the text, never one over the other. */
function atomsOf(text: string, mentions: Placed[]): Atom[] {
  const atoms: Atom[] = [];
  let noBlockFrom = Infinity;
  let noCodeBefore = 0;
  let next = 0;
  let i = 0;
  while (i < text.length) {
    while (next < mentions.length && (mentions[next] as Placed).start < i) next += 1;
    const mention = mentions[next];
    let atom: Atom | null = null;
    const character = text[i];
    if (mention?.start === i) {
      atom = {
        start: i,
        end: mention.end,
        piece: { kind: "mention", text: text.slice(i, mention.end), person: mention.person },
      };
    } else if (character === "`") {
      if (i < noBlockFrom && text.startsWith("```", i)) {
        atom = blockAt(text, i);
        if (!atom && text.indexOf("```", i + 3) < 0) noBlockFrom = i;
      }
      if (!atom && i >= noCodeBefore) {
        atom = codeAt(text, i);
        if (!atom) noCodeBefore = skipTicks(text, i);
      }
    } else if ((character === "h" || character === "H") && !inAWord(before(text, i))) {
      atom = linkAt(text, i, mention?.start ?? text.length);
    }
    if (atom) {
      atoms.push(atom);
      i = atom.end;
    } else i += 1;
  }
  return atoms;
}

function blockAt(text: string, start: number): Atom | null {
  const close = text.indexOf("```", start + 3);
  if (close < 0 || text.slice(start + 3, close).trim() === "") return null;
  const from = text[start + 3] === "\n" ? start + 4 : start + 3;
  const to = text[close - 1] === "\n" && close - 1 > from ? close - 1 : close;
  const end = text[close + 3] === "\n" ? close + 4 : close + 3;
  return {
    start,
    end,
    piece: {
      kind: "block",
      open: text.slice(start, from),
      text: text.slice(from, to),
      close: text.slice(to, end),
    },
  };
}

function codeAt(text: string, start: number): Atom | null {
  const close = text.indexOf("`", start + 1);
  if (close < 0) return null;
  const inside = text.slice(start + 1, close);
  if (inside.trim() === "" || inside.includes("\n")) return null;
  return { start, end: close + 1, piece: { kind: "code", open: "`", text: inside, close: "`" } };
}

/** After the run of ticks at `i`: they open nothing. */
function skipTicks(text: string, i: number): number {
  let end = i;
  while (text[end] === "`") end += 1;
  return end;
}

function linkAt(text: string, start: number, until: number): Atom | null {
  ADDRESS.lastIndex = start;
  const match = ADDRESS.exec(text);
  if (!match) return null;
  const address = trimmed(text, start, Math.min(start + match[0].length, until));
  const href = addressOf(address);
  return href === null
    ? null
    : { start, end: start + address.length, piece: { kind: "link", text: address, href } };
}

/** Without what ends the sentence around it, or closes a bracket or a mark that was opened before it. */
function trimmed(text: string, start: number, end: number): string {
  const line = text.lastIndexOf("\n", start - 1) + 1;
  while (end > start) {
    const last = text[end - 1] as string;
    const address = text.slice(start, end);
    const opened = BRACKETS[last];
    if (ENDS_A_SENTENCE.has(last)) end -= 1;
    else if (opened !== undefined && count(address, last) > count(address, opened)) end -= 1;
    else if (last in MARKS && opensBefore(text, line, start, last as Mark)) end -= 1;
    else break;
  }
  return text.slice(start, end);
}

function count(text: string, character: string): number {
  return text.split(character).length - 1;
}

function opensBefore(text: string, from: number, to: number, mark: Mark): boolean {
  // A line of a megabyte is not read again and again for each of its links.
  for (let i = Math.max(from, to - 1000); i < to; i++)
    if (text[i] === mark && canOpen(text, i, mark)) return true;
  return false;
}

/** Where a link leads; null when it is none, or has a name before its host that could pass for another host. */
function addressOf(address: string): string | null {
  try {
    const url = new URL(address);
    const plainWeb = url.protocol === "https:" || url.protocol === "http:";
    return plainWeb && url.username === "" && url.password === "" && url.hostname !== "" ? url.href : null;
  } catch {
    return null;
  }
}

function before(text: string, i: number): string {
  const last = text[i - 1] ?? "";
  return /[\udc00-\udfff]/.test(last) ? text.slice(i - 2, i) : last;
}

function after(text: string, i: number): string {
  const point = text.codePointAt(i);
  return point === undefined ? "" : String.fromCodePoint(point);
}

function inAWord(character: string): boolean {
  return character !== "" && IN_A_WORD.test(character);
}

function isSpace(character: string): boolean {
  return character === "" || /\s/.test(character);
}

function canOpen(text: string, i: number, mark: Mark): boolean {
  const last = before(text, i);
  const next = after(text, i + 1);
  return !inAWord(last) && last !== mark && next !== mark && !isSpace(next);
}

function canClose(text: string, i: number, mark: Mark): boolean {
  const last = before(text, i);
  const next = after(text, i + 1);
  return !inAWord(next) && next !== mark && last !== mark && !isSpace(last);
}

class Emphasis {
  readonly #text: string;
  readonly #atoms: Atom[];
  readonly #closers: Record<Mark, number[]> = { "*": [], _: [], "~": [] };
  readonly #lines: number[] = [];

  constructor(text: string, atoms: Atom[]) {
    this.#text = text;
    this.#atoms = atoms;
    let atom = 0;
    for (let i = 0; i < text.length; i++) {
      const here = atoms[atom];
      if (here && i >= here.start) {
        i = here.end - 1;
        atom += 1;
        continue;
      }
      const character = text[i] as string;
      if (character === "\n") this.#lines.push(i);
      else if (character in MARKS && canClose(text, i, character as Mark))
        this.#closers[character as Mark].push(i);
    }
  }

  /** Depth ends by itself: within a mark there is no closing one of its kind. The count is for those who read this. */
  pieces(from: number, to: number, depth: number): Piece[] {
    const text = this.#text;
    const out: Piece[] = [];
    let plainFrom = from;
    let atom = firstFrom(this.#atoms, from);
    let i = from;
    const flush = (end: number) => out.push(...leaves(text.slice(plainFrom, end)));
    while (i < to) {
      const here = this.#atoms[atom];
      if (here && here.start === i) {
        flush(i);
        out.push(here.piece);
        i = plainFrom = here.end;
        atom += 1;
        continue;
      }
      const mark = text[i] as string;
      const close =
        mark in MARKS && depth < 3 && canOpen(text, i, mark as Mark)
          ? this.#closing(mark as Mark, i, to)
          : -1;
      if (close < 0) {
        i += 1;
        continue;
      }
      flush(i);
      out.push({
        kind: MARKS[mark as Mark],
        open: mark,
        close: mark,
        pieces: this.pieces(i + 1, close, depth + 1),
      });
      i = plainFrom = close + 1;
      atom = firstFrom(this.#atoms, i);
    }
    flush(to);
    return out;
  }

  #closing(mark: Mark, open: number, to: number): number {
    const closers = this.#closers[mark];
    const close = closers[firstAbove(closers, open + 1)] ?? -1;
    const lineEnd = this.#lines[firstAbove(this.#lines, open)] ?? Infinity;
    return close < to && close < lineEnd ? close : -1;
  }
}

function firstFrom(atoms: Atom[], start: number): number {
  let low = 0;
  let high = atoms.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((atoms[middle] as Atom).start < start) low = middle + 1;
    else high = middle;
  }
  return low;
}

function firstAbove(sorted: number[], value: number): number {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((sorted[middle] as number) <= value) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Plain text, with the characters that turn its order taken out to be shown. */
export function leaves(text: string): Piece[] {
  if (text === "") return [];
  if (!OVERRIDES.test(text)) return [{ kind: "text", text }];
  return text
    .split(/([\u202a-\u202e])/)
    .filter((part) => part !== "")
    .map((part) =>
      OVERRIDES.test(part)
        ? { kind: "override", text: part, code: `U+${part.charCodeAt(0).toString(16).toUpperCase()}` }
        : { kind: "text", text: part },
    );
}

/** Words are found at the start of words, in whatever case. */
export function wordsPattern(found: readonly string[]): RegExp | null {
  const words = found
    .flatMap((words) => words.split(/[^\p{L}\p{N}\p{M}]+/u))
    .filter((word) => word !== "")
    .sort((a, b) => b.length - a.length)
    .slice(0, 20);
  return words.length === 0 ? null : new RegExp(`(?<![\\p{L}\\p{N}\\p{M}])(${words.join("|")})`, "giu");
}

function withFound(pieces: Piece[], pattern: RegExp | null): Piece[] {
  if (!pattern) return pieces;
  return pieces.flatMap((piece): Piece[] => {
    if ("pieces" in piece) return [{ ...piece, pieces: withFound(piece.pieces, pattern) }];
    if (piece.kind !== "text") return [piece];
    return piece.text
      .split(pattern)
      .map((text, i): Piece => ({ kind: i % 2 === 1 ? "found" : "text", text }))
      .filter((part) => "text" in part && part.text !== "");
  });
}
