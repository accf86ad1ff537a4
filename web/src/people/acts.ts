// What the panels about people and settings have the app do, each with the item that it answers.
import { ask, call } from "../api/calls";
import type {
  ChatItem,
  ContactItem,
  CutOffItem,
  ErasedItem,
  GroupItem,
  InviteItem,
  KeptItem,
  Method,
  NetworkItem,
  Right,
  StatusItem,
} from "../api/types";

export interface Accepted {
  chat: string | null;
  name: string;
  state?: "asked" | "queued";
}
export interface Verified {
  name: string;
  safety_number: string;
  verified: boolean;
  /** What a QR code for the other side's camera holds. */
  code?: string;
}
/** A contact, with what a newer app says of why it cannot be added to a group now. */
export type Contact = ContactItem & { cannot_be_added?: "asked" | "no-key-package" | "blocked" | null };

const one = <Item>(method: string, params: object = {}) =>
  ask(method as Method, params as never) as Promise<unknown> as Promise<Item>;
const all = <Item>(method: string, params: object = {}) =>
  call(method as Method, params as never) as Promise<unknown> as Promise<Item[]>;

export const init = (name: string, relay: string | null) => one("init", { name, relay });
export const rename = (name: string) => one("rename", { name });

export const invite = (open: boolean) => one<InviteItem>("invite", { open });
export const accept = (text: string, words: string) => one<Accepted>("accept", { invite: text, text: words });
export const openToNetwork = () => one<NetworkItem>("open_to_network");
export const setRelay = (address: string) => one<StatusItem>("set_relay", { address });

export const answerRequest = (action: "accept" | "refuse", person: string) =>
  one<Accepted>("requests", { action, name: person });
export const block = (person: string) => one("block", { person });
export const unblock = (person: string) => one("unblock", { person });
export const contacts = () => all<Contact>("contacts");

export const safetyNumber = (person: string) => one<Verified>("verify", { name: person });
export const markCompared = (person: string) => one<Verified>("verify", { name: person, confirm: true });
/** Refused by the app when the code is not theirs. */
export const compareCode = (person: string, code: string) => one<Verified>("verify", { name: person, code });

export const showGroup = (group: string) => one<GroupItem>("group_show", { group });
export const newGroup = (name: string, persons: string[], picture?: string) =>
  one<GroupItem>("group_new", { name, persons, picture });
export const setGroup = (
  group: string,
  what: { name?: string; picture?: string; post?: Right; add?: Right; change?: Right },
) => one<GroupItem>("group_set", { group, ...what });
export const addMember = (group: string, person: string) => one<GroupItem>("group_add", { group, person });
export const removeMember = (group: string, person: string) =>
  one<GroupItem>("group_remove", { group, person });
export const promote = (group: string, person: string) => one<GroupItem>("group_promote", { group, person });
export const demote = (group: string, person: string) => one<GroupItem>("group_demote", { group, person });
export const leaveGroup = (group: string) => one<GroupItem>("group_leave", { group });
export const setTimer = (chat: string, seconds: number) =>
  one<GroupItem | ChatItem>("timer", { chat, seconds });
export const eraseChat = (chat: string) => one("erase_chat", { chat });

export const lock = () => one("lock");
export const unlock = (passphrase: string) => one("unlock", { passphrase });
export const setPassphrase = (old: string | null, fresh: string) =>
  one("set_passphrase", { old, new: fresh });
export const kept = () => all<KeptItem>("kept");
export const cutOff = () => one<CutOffItem>("cut_off");
export const eraseEverything = (name: string) => one<ErasedItem>("erase_everything", { confirm: name });
