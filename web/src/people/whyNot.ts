// Why a contact cannot be let into a group now, as a text of the catalogue; undefined when they can.
import type { Key } from "../words/words";
import type { Contact } from "./acts";

export function whyNot(contact: Contact, within: readonly string[] = []): Key | undefined {
  if (within.includes(contact.id)) return "people.cannot.already";
  if (contact.standing === "blocked" || contact.cannot_be_added === "blocked") return "people.cannot.blocked";
  if (contact.standing === "asked" || contact.cannot_be_added === "asked") return "people.cannot.asked";
  return contact.cannot_be_added === "no-key-package" ? "people.cannot.no_keys" : undefined;
}
