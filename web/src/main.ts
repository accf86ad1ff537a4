// Where the page begins: the secret out of the address bar, the language, and the app over the skeleton.
import { mount } from "svelte";
import { takeSecret } from "./api/calls";
import App from "./App.svelte";
import { rememberedLanguage, speak } from "./words/words";

takeSecret();
const theme = localStorage.getItem("whimbrel-theme");
if (theme === "light" || theme === "dark") document.documentElement.dataset["theme"] = theme;

await speak(rememberedLanguage());
const place = document.getElementById("app")!;
place.replaceChildren();
mount(App, { target: place });
