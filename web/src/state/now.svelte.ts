// The time as what is shown needs it: to the minute, and anew when the computer wakes.

class Now {
  current = $state.raw(new Date());

  constructor() {
    const next = () => 60_000 - (Date.now() % 60_000) + 20;
    const tick = () => {
      this.current = new Date();
      setTimeout(tick, next());
    };
    setTimeout(tick, next());
    document.addEventListener("visibilitychange", () => {
      if (!document.hidden) this.current = new Date();
    });
  }
}

export const now = new Now();
