// What holds for the whole window: whether the app is there, who one is, how the page behaves, and what changes.
//
// All that the app says by itself comes in here, once, and goes to the stores that asked for it.
import { ask, call, ApiError, STRANGER } from "../api/calls";
import { follow } from "../api/follow";
import type { ChangeItem, SettingsItem, StatusItem } from "../api/types";
import { speak } from "../words/words";

export interface Part {
  /** The stream stands (anew): read what is shown. */
  load?(): Promise<void> | void;
  change(change: ChangeItem): void;
}

const BEFORE_THEY_COME: SettingsItem = {
  theme: "system",
  language: "",
  enter_sends: true,
  notify: "that",
  sounds: true,
  receipts: true,
  full_quality: false,
  fetch_up_to: 0,
  lock_after: 0,
  list_width: 340,
};

class Session {
  status = $state.raw<StatusItem>();
  settings = $state.raw<SettingsItem>(BEFORE_THEY_COME);
  /** "away": the app does not answer for now; "stranger": it does not know this window. */
  app = $state<"there" | "away" | "stranger">("there");
  /** The chats and all else that the first look needs have come. */
  loaded = $state(false);
  locked = $state(false);

  readonly account = $derived(this.status?.account ?? null);
  readonly name = $derived(this.status?.name ?? "");

  #parts: Part[] = [];

  /** Stores say here what they want to hear of. */
  join(part: Part): void {
    this.#parts.push(part);
  }

  start(): void {
    follow({
      ready: () => void this.load(),
      change: (change) => this.#take(change),
      lost: (error) => this.#lost(error),
    });
  }

  /** Everything that is shown, read anew: at the start, after a gap, when the page is unlocked. */
  async load(): Promise<void> {
    try {
      const status = (await ask("status", {})) as StatusItem;
      this.app = "there";
      this.#setStatus(status);
      if (!status.locked && status.account !== null) {
        const settings = ask("settings", {}).then((item) => this.#setSettings(item as SettingsItem));
        await Promise.all([settings, ...this.#parts.map((part) => part.load?.())]);
      }
      this.loaded = true;
    } catch (error) {
      if (error instanceof ApiError) this.#lost(error);
      else throw error;
    }
  }

  /** Shown at once; what the app then says holds. */
  async set(changes: Partial<SettingsItem>): Promise<void> {
    const before = this.settings;
    this.#setSettings({ ...before, ...changes });
    try {
      this.#setSettings((await ask("set_settings", changes)) as SettingsItem);
    } catch (error) {
      this.#setSettings(before);
      throw error;
    }
  }

  /** Reads the status again: after something was done that changes it. */
  async refresh(): Promise<void> {
    const [status] = await call("status", {});
    if (status) this.#setStatus(status as StatusItem);
  }

  #take(change: ChangeItem): void {
    if (change.status) this.#setStatus(change.status);
    if (change.settings) this.#setSettings(change.settings);
    if (change.locked !== undefined) {
      this.locked = change.locked;
      if (!change.locked) void this.load();
    }
    for (const part of this.#parts) part.change(change);
  }

  #setStatus(status: StatusItem): void {
    const arrived = this.status?.account === null && status.account !== null;
    this.status = status;
    this.locked = status.locked;
    // A name was chosen in this or another window: from now on there is something to read.
    if (arrived) void this.load();
  }

  #setSettings(settings: SettingsItem): void {
    this.settings = settings;
    const { theme } = settings;
    if (theme === "system") delete document.documentElement.dataset["theme"];
    else document.documentElement.dataset["theme"] = theme;
    localStorage.setItem("whimbrel-theme", theme);
    void speak(settings.language);
  }

  #lost(error: ApiError): void {
    if (error.code === "locked") this.locked = this.loaded = true;
    else this.app = error.code === STRANGER ? "stranger" : "away";
  }
}

export const session = new Session();
