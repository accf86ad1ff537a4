// The name of a control, shown to who waits over it or comes to it by keyboard. One for the page; it takes no presses.
import type { Attachment } from "svelte/attachments";

const WAIT_MS = 500;
let shown: HTMLElement | undefined;
let waiting: ReturnType<typeof setTimeout> | undefined;

export function tooltip(text: () => string): Attachment<HTMLElement> {
  return (element) => {
    const soon = (event: Event) => {
      if (event instanceof PointerEvent && event.pointerType !== "mouse") return;
      if (event.type === "focus" && !element.matches(":focus-visible")) return;
      clearTimeout(waiting);
      waiting = setTimeout(() => show(element, text()), WAIT_MS);
    };
    const opens = ["pointerenter", "focus"];
    const closes = ["pointerleave", "blur", "pointerdown", "keydown"];
    for (const name of opens) element.addEventListener(name, soon);
    for (const name of closes) element.addEventListener(name, hide);
    return () => {
      hide();
      for (const name of opens) element.removeEventListener(name, soon);
      for (const name of closes) element.removeEventListener(name, hide);
    };
  };
}

function show(element: HTMLElement, text: string): void {
  hide();
  if (!element.isConnected || !text) return;
  shown = document.createElement("div");
  shown.className = "tooltip";
  shown.setAttribute("aria-hidden", "true");
  shown.textContent = text;
  // Inside a modal dialog: what is outside lies under it.
  (element.closest("dialog") ?? document.body).append(shown);
  const at = element.getBoundingClientRect();
  const own = shown.getBoundingClientRect();
  const left = Math.min(Math.max(8, at.left + at.width / 2 - own.width / 2), innerWidth - own.width - 8);
  const below = at.bottom + 6 + own.height < innerHeight;
  shown.style.left = `${left}px`;
  shown.style.top = `${below ? at.bottom + 6 : at.top - own.height - 6}px`;
}

function hide(): void {
  clearTimeout(waiting);
  shown?.remove();
  shown = undefined;
}
