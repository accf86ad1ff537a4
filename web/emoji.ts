// The emoji as the page loads them (`virtual:emoji/ru`): name, words to find them by, group and skin tones, without what
// nobody asks for. A quarter of what the package has, and fetched only when somebody opens the picker.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Plugin } from "vite";

const PREFIX = "virtual:emoji/";

interface Source {
  unicode: string;
  hexcode: string;
  label: string;
  group?: number;
  order?: number;
  tags?: string[];
  skins?: { unicode: string; hexcode: string }[];
}

export function emoji(folder: string): Plugin {
  const read = (path: string) => JSON.parse(readFileSync(join(folder, path), "utf8")) as unknown;
  return {
    name: "whimbrel-emoji",
    resolveId: (id) => (id.startsWith(PREFIX) ? `\0${id}` : undefined),
    load(id) {
      if (!id.startsWith(`\0${PREFIX}`)) return undefined;
      const all = read(`${id.slice(PREFIX.length + 1)}/compact.json`) as Source[];
      const since = versions(read("versions/emoji.json") as Record<string, string[]>);
      const shown = all
        .filter((one) => one.group !== undefined && one.group !== COMPONENTS)
        .sort((a, b) => (a.order ?? 0) - (b.order ?? 0))
        .map((one) => [
          one.unicode,
          one.label,
          (one.tags ?? []).join(" "),
          one.group,
          since.get(one.hexcode) ?? 0,
          tones(one),
        ]);
      return `export default JSON.parse(${JSON.stringify(JSON.stringify(shown))})`;
    },
  };
}

const COMPONENTS = 2;
const TONES = ["1F3FB", "1F3FC", "1F3FD", "1F3FE", "1F3FF"];

/** One for each tone; of pairs those in which both have the same. */
function tones({ skins = [] }: Source): string[] {
  return TONES.map(
    (tone) =>
      skins.find(({ hexcode }) => TONES.every((other) => hexcode.includes(other) === (other === tone)))
        ?.unicode,
  ).filter((unicode) => unicode !== undefined);
}

function versions(byVersion: Record<string, string[]>): Map<string, number> {
  return new Map(
    Object.entries(byVersion).flatMap(([version, codes]) =>
      codes.map((code) => [code, Number(version)] as const),
    ),
  );
}
