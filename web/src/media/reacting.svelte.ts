/** Over which message all emoji, or the details of its reactions, are open; one place for the window. */
import type { Message } from "../conversation/items";

class Reacting {
  picker = $state.raw<{ message: Message; at: { x: number; y: number } } | null>(null);
  details = $state.raw<Message | null>(null);

  open(message: Message, at: { x: number; y: number }): void {
    this.picker = { message, at };
  }
}

export const reacting = new Reacting();
