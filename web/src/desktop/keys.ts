/**
 * All keys of the page, in one place: which they are, what they are called, who does what they say. Whatever answers a key
 * registers here (`keys.on`); what is registered last is asked first. The list under `?` is made from the same table.
 */

/** Modifiers in this order; `Mod` is Ctrl, and ⌘ on Apple's computers. */
export const KEYS = {
  palette: { keys: ["Mod+K"], area: "anywhere" },
  chat_up: { keys: ["Alt+ArrowUp"], area: "anywhere" },
  chat_down: { keys: ["Alt+ArrowDown"], area: "anywhere" },
  close: { keys: ["Escape"], area: "anywhere" },
  all_keys: { keys: ["?"], area: "anywhere" },
  search: { keys: ["Mod+F"], area: "chat" },
  attach: { keys: ["Mod+U"], area: "chat" },
  edit_last: { keys: ["ArrowUp"], area: "chat", elsewhere: true },
  send: { keys: ["Enter"], area: "chat", elsewhere: true },
  new_line: { keys: ["Shift+Enter"], area: "chat", elsewhere: true },
  mention: { keys: ["@"], area: "chat", elsewhere: true },
  emoji_name: { keys: [":"], area: "chat", elsewhere: true },
  next_message: { keys: ["ArrowUp", "ArrowDown"], area: "message", elsewhere: true },
  message_menu: { keys: ["ContextMenu", "Shift+F10"], area: "message", elsewhere: true },
  look_next: { keys: ["ArrowLeft", "ArrowRight"], area: "picture", elsewhere: true },
  look_larger: { keys: ["+", "-"], area: "picture", elsewhere: true },
} as const satisfies Record<string, { keys: readonly string[]; area: Area; elsewhere?: true }>;

export type Area = "anywhere" | "chat" | "message" | "picture";
export type KeyName = keyof typeof KEYS;

/** Does what the key says; `false` when this is not the moment, so that the next one is asked. */
export type Answer = () => unknown;

export const APPLE = typeof navigator !== "undefined" && /Mac|iP(hone|ad|od)/.test(navigator.platform);

type Pressed = Pick<KeyboardEvent, "key" | "code" | "ctrlKey" | "metaKey" | "altKey" | "shiftKey">;

/** "Mod+K", "?", "Alt+ArrowUp": as the table writes it. Letters are those of the key's place, so that Ctrl K is Ctrl Л, too. */
export function written(event: Pressed, apple = APPLE): string {
  const mod = apple ? event.metaKey : event.ctrlKey;
  const other = apple ? event.ctrlKey : event.metaKey;
  const letter = /^Key([A-Z])$/.exec(event.code)?.[1];
  const latin = /^[a-z]$/i.test(event.key);
  const key =
    (mod || event.altKey) && letter && !latin
      ? letter
      : event.key.length === 1
        ? event.key.toUpperCase()
        : event.key;
  // What a character needs to be typed is not part of its name: ? is ?, with whatever Shift.
  const shift = event.shiftKey && (key.length > 1 || mod || event.altKey);
  return [mod && "Mod", other && "Other", event.altKey && "Alt", shift && "Shift", key]
    .filter(Boolean)
    .join("+");
}

/** As it is printed on the keys of this computer. */
export function printed(key: string, apple = APPLE): string {
  const names: Record<string, string> = apple
    ? { Mod: "⌘", Alt: "⌥", Shift: "⇧", Escape: "esc", Enter: "↵" }
    : { Mod: "Ctrl", Escape: "Esc" };
  const arrows: Record<string, string> = {
    ArrowUp: "↑",
    ArrowDown: "↓",
    ArrowLeft: "←",
    ArrowRight: "→",
    ContextMenu: "☰",
    "-": "−",
  };
  const parts = key === "+" ? ["+"] : key.split("+");
  return parts.map((part) => names[part] ?? arrows[part] ?? part).join(apple ? "" : "+");
}

class Keys {
  #answers = new Map<KeyName, Answer[]>();

  /** Answers the key until the function that it gives is called. */
  on(name: KeyName, answer: Answer): () => void {
    const all = this.#answers.get(name) ?? [];
    this.#answers.set(name, all);
    all.push(answer);
    return () => {
      const at = all.indexOf(answer);
      if (at >= 0) all.splice(at, 1);
    };
  }

  shown(name: KeyName): string {
    return KEYS[name].keys.map((key) => printed(key)).join(" ");
  }

  /** Does it, as the key would; false when nobody answers. */
  press(name: KeyName): boolean {
    const all = this.#answers.get(name) ?? [];
    return [...all].reverse().some((answer) => answer() !== false);
  }

  /** For the window. What was answered already (`preventDefault`) is left alone. */
  readonly onkeydown = (event: KeyboardEvent): void => {
    if (event.defaultPrevented || event.isComposing) return;
    const pressed = written(event);
    const typing = isTyping(event.target);
    for (const [name, { keys: own, ...about }] of Object.entries(KEYS) as [
      KeyName,
      (typeof KEYS)[KeyName],
    ][]) {
      if ("elsewhere" in about || !(own as readonly string[]).includes(pressed)) continue;
      if (typing && pressed.length === 1) return;
      // Over a dialog only what belongs to it: its own keys, and those of the browser.
      if (document.querySelector("dialog:modal") && name !== "palette") return;
      if (this.press(name)) event.preventDefault();
      return;
    }
  };
}

function isTyping(target: EventTarget | null): boolean {
  return (
    target instanceof HTMLElement && (target.isContentEditable || target.matches("input, textarea, select"))
  );
}

export const keys = new Keys();
