// TypeScript in components is erased by Svelte itself; nothing else is preprocessed.
export default {};
