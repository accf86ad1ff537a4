// Texts that stand in components themselves, not in the catalogue: text between tags, and in the attributes that people hear or see.
// Prints one JSON line for each: {file, line, what}. Parsed by Svelte's own parser, so that nothing is guessed.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";

const [web, ...files] = process.argv.slice(2);
const require = createRequire(join(web, "package.json"));
const { parse } = require("svelte/compiler");

const HEARD = new Set(["title", "alt", "placeholder", "label", "aria-label", "aria-description", "aria-roledescription", "aria-valuetext", "aria-placeholder"]);
const LETTERS = /\p{L}/u;
const WORDS = /\p{L}{2,}[^\S\n]+\p{L}/u;

for (const file of files) {
  const source = readFileSync(file, "utf8");
  const tell = (node, what) => {
    const line = source.slice(0, node.start).split("\n").length;
    console.log(JSON.stringify({ file, line, what: what.trim() }));
  };
  visit(parse(source, { modern: true }).fragment, tell);
}

function visit(node, tell) {
  if (Array.isArray(node)) return node.forEach((one) => visit(one, tell));
  if (node === null || typeof node !== "object") return;
  switch (node.type) {
    case "Text":
      if (LETTERS.test(node.data)) tell(node, node.data);
      return;
    case "Comment":
    case "StyleDirective":
      return;
    case "Attribute": {
      const parts = Array.isArray(node.value) ? node.value : [node.value];
      if (node.name === "style") return;
      for (const part of parts) {
        if (part?.type === "Text") {
          if (HEARD.has(node.name) && LETTERS.test(part.data)) tell(part, `${node.name}="${part.data}"`);
        } else if (part?.type === "ExpressionTag") expression(part.expression, tell, HEARD.has(node.name));
      }
      return;
    }
    case "ExpressionTag":
      return expression(node.expression, tell, true);
  }
  for (const [key, value] of Object.entries(node)) if (key !== "metadata") visit(value, tell);
}

/** Strings inside an expression: words that would be shown. Keys, class names and the like are one word. */
function expression(node, tell, shown) {
  if (Array.isArray(node)) return node.forEach((one) => expression(one, tell, shown));
  if (node === null || typeof node !== "object") return;
  if (node.type === "CallExpression" && shown) return; // what a function is given is not what is shown
  if (node.type === "BinaryExpression" && node.operator !== "+") return;
  if (node.type === "Literal" && typeof node.value === "string" && shown && WORDS.test(node.value)) return tell(node, node.value);
  if (node.type === "TemplateElement" && shown && WORDS.test(node.value.cooked ?? "")) return tell(node, node.value.cooked);
  for (const [key, value] of Object.entries(node)) if (key !== "metadata") expression(value, tell, shown);
}
