// The texts of the page. `t()` gives one; which keys exist is what English has, so a missing text is a type error.
//
// A language is fetched when it is chosen. What is shown follows a change of language by itself: `t()` reads state.
import type conversation from "./en/conversation.json";
import type desktop from "./en/desktop.json";
import type errors from "./en/errors.json";
import type keys from "./en/keys.json";
import type media from "./en/media.json";
import type network from "./en/network.json";
import type people from "./en/people.json";
import type search from "./en/search.json";
import type settings from "./en/settings.json";
import type shell from "./en/shell.json";
import { formatted, type Forms, type Values } from "./forms";

export type Key =
  | keyof typeof shell
  | keyof typeof conversation
  | keyof typeof media
  | keyof typeof desktop
  | keyof typeof keys
  | keyof typeof people
  | keyof typeof settings
  | keyof typeof network
  | keyof typeof search
  | keyof typeof errors;

export type Catalogue = Record<string, Forms>;

/** Languages that one can choose, by the name they have for themselves. */
export const LANGUAGES: Record<string, string> = { en: "English", ru: "Русский", fa: "فارسی" };

const catalogues: Record<string, () => Promise<{ default: Catalogue }>> = {
  en: () => import("virtual:words/en"),
  ru: () => import("virtual:words/ru"),
  fa: () => import("virtual:words/fa"),
};
const RIGHT_TO_LEFT = new Set(["fa", "ar", "he", "ur", "x-rtl"]);

let catalogue = $state.raw<Catalogue>({});
let english: Catalogue = {};
let current = $state("en");

/** The text with this key. `count` chooses the plural form; other values are put in for `{name}`. */
export function t(key: Key, values: Values = {}): string {
  const form = catalogue[key] ?? english[key];
  return form === undefined ? key : formatted(form, values, language());
}

/** The text if there is one: for keys that are put together from a code that a newer app may have. */
export function maybe(key: string, values: Values = {}): string | undefined {
  return key in catalogue || key in english ? t(key as Key, values) : undefined;
}

/** As `Intl` wants it. The pseudo-locales of tests are written as English and (from the right) as Hebrew are. */
export function language(): string {
  return current === "x-long" ? "en" : current === "x-rtl" ? "he" : current;
}

/** The language as this browser writes times and numbers in it: British English has 24 hours. */
export function locale(): string {
  const spoken = language();
  return navigator.languages.find((tag) => tag.toLowerCase().split("-")[0] === spoken) ?? spoken;
}

export function chosenLanguage(): string {
  return current;
}

export function direction(): "ltr" | "rtl" {
  return RIGHT_TO_LEFT.has(current) ? "rtl" : "ltr";
}

/** Shows everything in this language from now on; an empty one means as the browser says. */
export async function speak(wanted: string): Promise<void> {
  const name = resolved(wanted);
  if (name === current && Object.keys(catalogue).length > 0) return;
  if (Object.keys(english).length === 0) english = (await import("virtual:words/en")).default;
  let next = english;
  if (name.startsWith("x-")) {
    next = (await import("./pseudo")).pseudo(english, name);
  } else if (name !== "en") {
    next = (await catalogues[name]!()).default;
  }
  catalogue = next;
  current = name;
  document.documentElement.lang = language();
  document.documentElement.dir = direction();
  localStorage.setItem("whimbrel-language", wanted);
}

/** What was spoken in this browser the last time: before the settings have come. */
export function rememberedLanguage(): string {
  return localStorage.getItem("whimbrel-language") ?? "";
}

function resolved(wanted: string): string {
  if (wanted === "x-long" || wanted === "x-rtl") return wanted;
  for (const tag of wanted ? [wanted] : navigator.languages) {
    const known = tag.toLowerCase().split("-")[0]!;
    if (known in catalogues) return known;
  }
  return "en";
}
