/// <reference types="svelte" />
/// <reference types="vite/client" />

declare module "virtual:words/*" {
  const words: Record<string, string | Record<string, string>>;
  export default words;
}

/** Each emoji as [it, name, words, group, version, in five skin tones]. */
declare module "virtual:emoji/*" {
  const emoji: [string, string, string, number, number, string[]][];
  export default emoji;
}
