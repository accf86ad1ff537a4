// Contacts, and who asks to become one.
import { call } from "../api/calls";
import type { ChangeItem, ContactItem, RequestItem } from "../api/types";
import { chats } from "./chats.svelte";
import { session } from "./session.svelte";

class People {
  contacts = $state.raw<ContactItem[]>([]);
  requests = $state.raw<RequestItem[]>([]);
  readonly #byId = $derived(new Map(this.contacts.map((contact) => [contact.id, contact])));

  contact(account: string): ContactItem | undefined {
    return this.#byId.get(account);
  }

  /** The name of somebody whom one knows; undefined for a stranger (in a group, say). */
  name(account: string): string | undefined {
    return this.#byId.get(account)?.name ?? chats.byPerson(account)?.name;
  }

  async load(): Promise<void> {
    const [contacts, requests] = await Promise.all([call("contacts", {}), call("requests", {})]);
    this.contacts = contacts as ContactItem[];
    this.requests = requests as RequestItem[];
  }

  /** What the app cannot say just now is read when its stream stands again. */
  #again(): void {
    this.load().catch(() => undefined);
  }

  change(change: ChangeItem): void {
    if (change.request) {
      const { id } = change.request;
      this.requests = [...this.requests.filter((request) => request.id !== id), change.request];
    }
    const gone = change.no_request;
    if (gone) {
      this.requests = this.requests.filter((request) => request.id !== gone);
      this.#again();
    }
    // A chat of two that is new or stands otherwise: the contact does, too.
    const chat = change.chat;
    if (chat?.person) {
      const known = this.#byId.get(chat.person);
      if (
        !known ||
        known.standing !== chat.standing ||
        known.verified !== chat.verified ||
        known.name !== chat.name
      ) {
        this.#again();
      }
    }
  }
}

export const people = new People();
session.join(people);
