// Languages that nobody speaks, for tests: `x-long` is English with 40 % more letters, `x-rtl` is English from the right.
import type { Forms } from "./forms";
import type { Catalogue } from "./words.svelte";

const ACCENTS: Record<string, string> = {
  a: "á",
  e: "ë",
  i: "î",
  o: "ö",
  u: "ü",
  c: "ç",
  n: "ñ",
  s: "š",
  y: "ý",
  z: "ž",
};

export function pseudo(english: Catalogue, name: string): Catalogue {
  const change = name === "x-rtl" ? fromTheRight : longer;
  const changed = (form: Forms): Forms =>
    typeof form === "string"
      ? change(form)
      : Object.fromEntries(Object.entries(form).map(([rule, text]) => [rule, change(text)]));
  return Object.fromEntries(Object.entries(english).map(([key, form]) => [key, changed(form)]));
}

/** Every letter with something above it, and as many more as the longest translations have. */
function longer(text: string): string {
  const marked = text.replace(/\{\w+\}|[a-z]/g, (part) => (part.length > 1 ? part : (ACCENTS[part] ?? part)));
  const more = Math.ceil(text.replace(/\{\w+\}/g, "").length * 0.4);
  return `[${marked}${more > 1 ? ` ${"lorem ipsum dolor ".repeat(Math.ceil(more / 18)).slice(0, more - 1)}` : "·"}]`;
}

/** RIGHT-TO-LEFT OVERRIDE around the words, not around the values. */
function fromTheRight(text: string): string {
  return text
    .split(/(\{\w+\})/)
    .map((part) => (part.startsWith("{") || part === "" ? part : `\u202e${part}\u202c`))
    .join("");
}
