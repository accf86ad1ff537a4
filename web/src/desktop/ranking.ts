/** Which of many names one means by a few letters. Pure. */

export interface Candidate {
  /** What is typed is looked for here; the first is the name, the others are other words for it. */
  names: readonly string[];
}

/** Best first; those that do not fit are left out. With nothing typed all stay as they are. */
export function ranked<T extends Candidate>(query: string, candidates: readonly T[], most = 50): T[] {
  const words = folded(query).split(/\s+/).filter(Boolean);
  if (words.length === 0) return candidates.slice(0, most);
  return candidates
    .map((candidate, place) => ({ candidate, place, score: score(words, candidate.names) }))
    .filter(({ score }) => score > 0)
    .sort((a, b) => b.score - a.score || a.place - b.place)
    .slice(0, most)
    .map(({ candidate }) => candidate);
}

/** Without case and accents: "Zoë" is found by "zoe". */
export function folded(text: string): string {
  return text.normalize("NFKD").replace(/\p{M}/gu, "").toLocaleLowerCase().trim();
}

function score(words: string[], names: readonly string[]): number {
  let best = 0;
  names.forEach((name, i) => {
    const own = folded(name);
    let sum = 0;
    for (const word of words) {
      const fit = fits(word, own);
      if (fit === 0) return;
      sum += fit;
    }
    best = Math.max(best, i === 0 ? sum + 1 : sum);
  });
  return best;
}

/** The whole, its beginning, the beginning of a word, inside, the letters one after the other. */
function fits(word: string, name: string): number {
  if (name === word) return 100;
  if (name.startsWith(word)) return 80;
  const at = name.indexOf(word);
  if (at > 0) return /[\p{L}\p{N}]/u.test(name[at - 1] ?? "") ? 30 : 60;
  if (word.length < 2) return 0;
  let from = 0;
  for (const letter of word) {
    const next = name.indexOf(letter, from);
    if (next < 0 || next - from > 12) return 0;
    from = next + letter.length;
  }
  return 10;
}
