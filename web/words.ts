// The catalogue as the page loads it: one module for each language (`virtual:words/ru`), all areas in one, without the
// notes for translators. The files are src/words/LANGUAGE/AREA.json; which keys exist is what English has.
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Plugin } from "vite";

const PREFIX = "virtual:words/";

type Source = string | ({ text?: string; note?: string } & Partial<Record<Intl.LDMLPluralRule, string>>);

export function words(folder: string): Plugin {
  return {
    name: "whimbrel-words",
    resolveId: (id) => (id.startsWith(PREFIX) ? `\0${id}` : undefined),
    load(id) {
      if (!id.startsWith(`\0${PREFIX}`)) return undefined;
      const language = join(folder, id.slice(PREFIX.length + 1));
      const all: Record<string, string | Record<string, string>> = {};
      for (const file of existsSync(language) ? readdirSync(language).sort() : []) {
        if (!file.endsWith(".json")) continue;
        this.addWatchFile(join(language, file));
        const read = JSON.parse(readFileSync(join(language, file), "utf8")) as Record<string, Source>;
        for (const [key, source] of Object.entries(read)) all[key] = withoutNote(source);
      }
      // JSON.parse of a string is read faster than an object literal of that size.
      return `export default JSON.parse(${JSON.stringify(JSON.stringify(all))})`;
    },
  };
}

function withoutNote(source: Source): string | Record<string, string> {
  if (typeof source === "string") return source;
  if (source.text !== undefined) return source.text;
  const { note: _note, ...forms } = source;
  return forms as Record<string, string>;
}
