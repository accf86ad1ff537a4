// Tells the app that somebody is there, so that it does not lock by itself. The app counts the time: all windows agree.
import { call } from "../api/calls";
import { session } from "../state/session.svelte";

const AT_MOST_EVERY_MS = 15_000;

/** Until the function that it gives is called. */
export function watchTouches(): () => void {
  let last = 0;
  const touched = () => {
    const now = Date.now();
    const { lock_after } = session.settings;
    if (!lock_after || session.locked || now - last < Math.min(AT_MOST_EVERY_MS, lock_after * 250)) return;
    last = now;
    void call("touch", {}).catch(() => {});
  };
  const events = ["pointerdown", "pointermove", "keydown", "wheel", "focus"] as const;
  for (const name of events) window.addEventListener(name, touched, { passive: true });
  return () => {
    for (const name of events) window.removeEventListener(name, touched);
  };
}
