// Which of the three layouts there is room for.

export type Layout = "wide" | "medium" | "narrow";

class Widths {
  current = $state<Layout>("wide");
  #wide = matchMedia("(min-width: 1100px)");
  #narrow = matchMedia("(max-width: 719px)");

  constructor() {
    const look = () =>
      (this.current = this.#wide.matches ? "wide" : this.#narrow.matches ? "narrow" : "medium");
    this.#wide.addEventListener("change", look);
    this.#narrow.addEventListener("change", look);
    look();
  }
}

export const layout = new Widths();
