/// <reference types="vitest/config" />
import { svelte } from "@sveltejs/vite-plugin-svelte";
import { fileURLToPath } from "node:url";
import { defineConfig } from "vite";
import { emoji } from "./emoji.ts";
import { words } from "./words.ts";

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));

/** For `npm run dev`: where an app answers (`whimbrel app --port 8000`). The browser then talks to Vite alone. */
const app = process.env["WHIMBREL_APP"] ?? "http://127.0.0.1:8000";
const proxied = {
  target: app,
  changeOrigin: true,
  configure: (proxy: {
    on(event: "proxyReq", hook: (request: { setHeader(k: string, v: string): void }) => void): void;
  }) => proxy.on("proxyReq", (request) => request.setHeader("Origin", app)),
};

export default defineConfig({
  plugins: [words(here("src/words")), emoji(here("node_modules/emojibase-data")), svelte()],
  build: {
    outDir: here("../src/whimbrel/app/page"),
    emptyOutDir: true,
    target: ["chrome123", "firefox120", "safari17.5"],
    // The policy of the page forbids inline scripts and data: urls, so nothing is put into another file.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: true,
  },
  server: { host: "127.0.0.1", proxy: { "/api": proxied, "/files": proxied } },
  test: { include: ["src/**/*.test.ts"], environment: "node" },
});
