/** The emoji: their names and words in the language that is spoken and in English, fetched when they are first asked for. */
import { folded } from "../desktop/ranking";
import { language } from "../words/words";

export interface Emoji {
  unicode: string;
  name: string;
  /** Everything that it is found by, without case and accents. */
  words: string[];
  group: number;
  tones: string[];
}

type Table = [string, string, string, number, number, string[]][];

const TABLES: Record<string, () => Promise<{ default: Table }>> = {
  en: () => import("virtual:emoji/en"),
  ru: () => import("virtual:emoji/ru"),
};

const RECENT_AS = "whimbrel-emoji";
const TONE_AS = "whimbrel-emoji-tone";
const RECENT_MOST = 24;
/** Until one has chosen others: what people answer with. */
export const COMMON = ["👍", "❤️", "😂", "😮", "😢", "🙏"];

const known = new Map<string, Promise<Emoji[]>>();

export function allEmoji(): Promise<Emoji[]> {
  const wanted = language();
  let found = known.get(wanted);
  if (!found) known.set(wanted, (found = read(wanted)));
  return found;
}

async function read(wanted: string): Promise<Emoji[]> {
  const [english, own] = await Promise.all([TABLES["en"]!(), TABLES[wanted]?.() ?? null]);
  const names = new Map(own?.default.map((row) => [row[0], row]));
  const newest = newestDrawn(english.default);
  return english.default
    .filter(([, , , , version]) => version <= newest)
    .map(([unicode, name, words, group, , tones]) => {
      const translated = names.get(unicode);
      const said = [translated?.[1], translated?.[2], name, words].filter(Boolean).join(" ");
      return {
        unicode,
        name: translated?.[1] ?? name,
        words: folded(said).split(/[^\p{L}\p{N}]+/u),
        group,
        tones,
      };
    });
}

/** What this computer's letters have no picture of is not offered: the newest version of which one can be drawn. */
function newestDrawn(table: Table): number {
  const context = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  if (!context) return Infinity;
  context.canvas.width = context.canvas.height = 20;
  context.font = '16px "Apple Color Emoji", "Segoe UI Emoji", "Noto Color Emoji", sans-serif';
  context.textBaseline = "top";
  const samples = new Map<number, string>();
  // Of one code point: what is put together of several falls apart into ones that can be drawn.
  for (const [unicode, , , , version] of table)
    if (!samples.has(version) && [...unicode].length === 1) samples.set(version, unicode);
  const versions = [...samples.keys()].sort((a, b) => b - a);
  return (
    versions.find((version) => version < 13 || coloured(context, samples.get(version) ?? "")) ?? Infinity
  );
}

function coloured(context: CanvasRenderingContext2D, emoji: string): boolean {
  context.clearRect(0, 0, 20, 20);
  context.fillText(emoji, 0, 0);
  const { data } = context.getImageData(0, 0, 20, 20);
  for (let i = 0; i < data.length; i += 4)
    if (data[i] !== data[i + 1] || data[i] !== data[i + 2]) return true;
  return false;
}

/** Those whose words begin with all that is typed; the usual ones and those whose name itself does come first. */
export function searched(all: readonly Emoji[], query: string, most = 200): Emoji[] {
  const words = folded(query)
    .split(/[^\p{L}\p{N}]+/u)
    .filter(Boolean);
  if (words.length === 0) return [];
  const fits = all.filter((emoji) => words.every((word) => emoji.words.some((own) => own.startsWith(word))));
  const whole = (emoji: Emoji) =>
    Number(COMMON.includes(emoji.unicode)) * 4 +
    Number(emoji.words[0] === words[0]) * 2 +
    Number(folded(emoji.name).startsWith(words.join(" ")));
  return fits
    .map((emoji, place) => ({ emoji, place, weight: whole(emoji) }))
    .sort((a, b) => b.weight - a.weight || a.place - b.place)
    .slice(0, most)
    .map(({ emoji }) => emoji);
}

class Recent {
  list = $state.raw<string[]>(stored(RECENT_AS));
  /** 0: as it is; 1 to 5: a skin tone. */
  tone = $state(Number(stored(TONE_AS)[0] ?? 0));

  used(emoji: string): void {
    this.list = [emoji, ...this.list.filter((other) => other !== emoji)].slice(0, RECENT_MOST);
    localStorage.setItem(RECENT_AS, JSON.stringify(this.list));
  }

  setTone(tone: number): void {
    this.tone = tone;
    localStorage.setItem(TONE_AS, JSON.stringify([String(tone)]));
  }
}

function stored(name: string): string[] {
  try {
    const kept: unknown = JSON.parse(localStorage.getItem(name) ?? "[]");
    return Array.isArray(kept) ? kept.filter((one) => typeof one === "string" && one.length <= 40) : [];
  } catch {
    return [];
  }
}

export const recent = new Recent();

/** In the tone that was chosen, where there is one. */
export function toned(emoji: Emoji, tone: number): string {
  return (tone > 0 ? emoji.tones[tone - 1] : undefined) ?? emoji.unicode;
}
