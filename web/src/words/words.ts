export {
  chosenLanguage,
  direction,
  language,
  LANGUAGES,
  locale,
  maybe,
  rememberedLanguage,
  speak,
  t,
  type Catalogue,
  type Key,
} from "./words.svelte";
export * from "./moments";
