export {
  chosenLanguage,
  direction,
  language,
  LANGUAGES,
  maybe,
  rememberedLanguage,
  speak,
  t,
  type Catalogue,
  type Key,
} from "./words.svelte";
export * from "./moments";
