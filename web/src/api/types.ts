// What the client's methods take and answer. Written by web/types.py from src/whimbrel/client; not to be changed by hand.
//
// `web/types.py` writes the page's TypeScript types from these and from the signatures in `client/methods`; a test fails when
// they are stale. All ids are hexadecimal. Times are RFC 3339 in UTC to the millisecond. Durations are whole seconds unless a
// name ends in `_ms`. A key that may be missing is NotRequired; whatever a newer version adds, older readers pass over.

export type MessageState = "queued" | "sent" | "delivered" | "read" | "failed";

export type FileState = "here" | "offered" | "coming" | "going" | "failed";

export type Right = "everybody" | "admins";

/** What is known of a picture or a recording before its file is here. */
export interface MediaItem {
  width?: number;
  height?: number;
  duration_ms?: number;
  /** Loudness from 0 to 255, at most 64 of them. */
  waveform?: number[];
  /** Base64 of a ThumbHash, at most 32 bytes of it. */
  thumbhash?: string;
  /** Recorded to be heard at once. */
  voice?: boolean;
}

export interface FileItem {
  id: string;
  name: string;
  size: number;
  type: string;
  state: FileState;
  /** Bytes that went up or came down by now. */
  done: number;
  description: string;
  media?: MediaItem;
}

/** One emoji under a message, and who chose it, in the order of the log. */
export interface ReactionItem {
  emoji: string;
  people: string[];
  mine: boolean;
}

/** Characters (code points) `start` to `start + length` of a text name this person. */
export interface MentionItem {
  start: number;
  length: number;
  person: string;
}

/** The message that is answered, as much as its quote shows. */
export interface QuoteItem {
  id: string;
  sender: string;
  mine: boolean;
  text: string;
  what: "text" | "picture" | "video" | "voice" | "file" | "deleted" | "gone";
}

/** A message. `n` is its place in this home: greater is later; it never changes. */
export interface MessageItem {
  id: string;
  chat: string;
  n: number;
  /** The name; `from` is the same, for commands. */
  sender: string;
  /** The account. */
  person: string;
  mine: boolean;
  at: string;
  text: string;
  files: FileItem[];
  reply_to: string | null;
  quote: QuoteItem | null;
  state: MessageState;
  edited: boolean;
  deleted: boolean;
  forwarded: boolean;
  /** There is something in it that only a newer version shows. */
  newer: boolean;
  reactions: ReactionItem[];
  mentions: MentionItem[];
  /** Seconds after reading until it vanishes. */
  expires: number | null;
  /** When it vanishes, once that is known. */
  vanishes: string | null;
}

/** Something that happened between the messages (`code` and `text`: what is wrong, if something is). */
export interface EventItem {
  event: string;
  id: string;
  chat: string;
  n: number;
  sender: string;
  person_id: string;
  mine: boolean;
  at: string;
  people?: string[];
  name?: string;
  code?: string;
  text?: string;
  seconds?: number;
}

/** The last line of a chat, as the list shows it. */
export interface PreviewItem {
  id: string;
  n: number;
  at: string;
  sender: string;
  mine: boolean;
  text: string;
  what: "text" | "picture" | "video" | "voice" | "file" | "deleted" | "event";
  event?: EventItem;
  state: MessageState;
}

export interface ChatItem {
  id: string;
  name: string;
  kind: "pair" | "group" | "self";
  unread: number;
  last: string | null;
  preview: PreviewItem | null;
  /** In a chat of two: the other account. */
  person: string | null;
  verified: boolean;
  standing: "open" | "asked" | "left" | "removed" | "lost" | "move-offered" | "blocked";
  pinned: boolean;
  archived: boolean;
  muted: boolean;
  /** None while `muted`: for good. */
  muted_until: string | null;
  unread_mark: boolean;
  /** Somebody named this account in a message that is not read yet. */
  mentioned: boolean;
  draft: string;
  first_unread: string | null;
  /** Seconds after reading until new messages vanish; 0: they stay. */
  timer: number;
  /** Id of the group's picture: changes whenever the picture does. */
  picture: string | null;
  members: number;
  may_post: boolean;
  may_add: boolean;
  may_change: boolean;
  admin: boolean;
}

export interface MemberItem {
  id: string;
  name: string;
  role: "admin" | "member";
  present: boolean;
  me: boolean;
  verified: boolean;
  contact: boolean;
  blocked: boolean;
}

export interface GroupItem {
  id: string;
  name: string;
  members: MemberItem[];
  post: Right;
  add: Right;
  change: Right;
  timer: number;
  picture: string | null;
}

export interface ContactItem {
  id: string;
  name: string;
  kind: "pair";
  unread: number;
  last: string | null;
  chat: string | null;
  standing: string;
  verified: boolean;
  came: string;
  /** Ids of the groups that one has together. */
  groups: string[];
}

export interface RequestItem {
  id: string;
  name: string;
  text: string;
  came: string;
}

export interface WayItem {
  relay: string;
  embedded: boolean;
  up: boolean;
  way: string | null;
  since: string | null;
  trouble: string | null;
}

export interface WrongItem {
  code: string;
  text: string;
  chat: string | null;
  at: string | null;
}

export interface StatusItem {
  name: string | null;
  account: string | null;
  ways: WayItem[];
  waiting: number;
  wrong: WrongItem[];
  key: string;
  key_place: "passphrase" | "keyring" | "file";
  home: string;
  locked: boolean;
  version: string;
  /** Contacts that ask and were not answered. */
  requests: number;
  /** From where invites can be opened: the relay of one's inbox. */
  relay: "none" | "this-computer" | "this-network" | "elsewhere";
}

/** One item of `follow`: exactly one of the keys is there. */
export interface ChangeItem {
  /** All that follows happened after the call. */
  ready?: boolean;
  status?: StatusItem;
  /** New, or other than before. */
  chat?: ChatItem;
  /** Id of a chat that is not there any more. */
  no_chat?: string;
  /** New, or other than before (state, text, reactions, files). */
  message?: MessageItem;
  event?: EventItem;
  /** Id of a message that vanished. */
  no_message?: string;
  settings?: SettingsItem;
  request?: RequestItem;
  locked?: boolean;
}

/** How this home's page behaves; kept in the home, so that all its windows agree. */
export interface SettingsItem {
  theme: "system" | "light" | "dark";
  /** BCP 47; empty: as the browser says. */
  language: string;
  enter_sends: boolean;
  /** Nothing; that something came; who wrote; who and what. */
  notify: "off" | "that" | "who" | "what";
  sounds: boolean;
  /** Tell others that their messages were read. */
  receipts: boolean;
  full_quality: boolean;
  /** Bytes up to which files are fetched without being asked for. */
  fetch_up_to: number;
  /** Seconds without a touch until the page locks; 0: never. Needs a passphrase. */
  lock_after: number;
  list_width: number;
}

/** One kind of thing that is on this computer. */
export interface KeptItem {
  what: "messages" | "files" | "contacts" | "keys" | "relay" | "drafts";
  count: number;
  bytes: number;
  oldest: string | null;
}

export interface InviteItem {
  invite: string;
  reach: "this-computer" | "this-network" | "anywhere";
  note?: string;
}

/** A file that was given to the app and waits for its message. */
export interface UploadItem {
  upload: string;
  name: string;
  size: number;
  type: string;
}

/** Each method of the API, POST /api/METHOD: what it takes, and the items that it answers. */
export interface Methods {
  /** A new account, on a relay elsewhere or on the home's own. */
  init: {
    params: { name: string; relay?: string | null };
    item: Record<string, unknown>;
  };
  /** Which way is up, what waits, and what was found wrong. */
  status: {
    params: Record<string, never>;
    item: Record<string, unknown>;
  };
  /** Catch up with the relays. */
  catch_up: {
    params: { wait?: number };
    item: Record<string, unknown>;
  };
  /** An invite to give to somebody: for one person, or open to whoever has it. */
  invite: {
    params: { open?: boolean };
    item: Record<string, unknown>;
  };
  /** Open somebody's invite. */
  accept: {
    params: { invite: string; text?: string };
    item: Record<string, unknown>;
  };
  /** Contacts that ask; accept or refuse one. */
  requests: {
    params: { action?: string | null; name?: string | null };
    item: Record<string, unknown>;
  };
  /** All chats, the newest first. */
  chats: {
    params: Record<string, never>;
    item: Record<string, unknown>;
  };
  /** The people whom this account has accepted, or has asked. */
  contacts: {
    params: Record<string, never>;
    item: Record<string, unknown>;
  };
  /** The safety number that both see; with `confirm` it was compared. */
  verify: {
    params: { name: string; confirm?: boolean };
    item: Record<string, unknown>;
  };
  /** A new group of these people and oneself. */
  group_new: {
    params: { name: string; persons?: string[] | null };
    item: Record<string, unknown>;
  };
  /** Let a contact in. */
  group_add: {
    params: { group: string; person: string };
    item: Record<string, unknown>;
  };
  /** Remove a member. */
  group_remove: {
    params: { group: string; person: string };
    item: Record<string, unknown>;
  };
  /** Make a member an admin. */
  group_promote: {
    params: { group: string; person: string };
    item: Record<string, unknown>;
  };
  /** Make an admin a member like the others. */
  group_demote: {
    params: { group: string; person: string };
    item: Record<string, unknown>;
  };
  /** Leave a group. */
  group_leave: {
    params: { group: string };
    item: Record<string, unknown>;
  };
  /** Who is in a group. */
  group_show: {
    params: { group: string };
    item: Record<string, unknown>;
  };
  /** Move a conversation, as one of its admins; or agree to where another admin moved it, with other people in it. */
  move: {
    params: { chat: string; relay?: string | null; agree?: boolean };
    item: Record<string, unknown>;
  };
  /** Send a message; it is told when it is on the relay's disk, or that it waits. */
  send: {
    params: { chat: string; text?: string | null; files?: string[] | null; reply_to?: string | null; wait?: number | null };
    item: Record<string, unknown>;
  };
  /** Messages, oldest first; with `follow` also those that come, until `timeout` seconds have passed. */
  read: {
    params: { chat?: string | null; follow?: boolean; since?: string | null; limit?: number | null; timeout?: number | null; events?: boolean };
    item: Record<string, unknown>;
  };
  /** Write the files of a message into a folder. */
  save: {
    params: { message: string; dir?: string };
    item: Record<string, unknown>;
  };
  /** The newest messages with these words, oldest first. */
  search: {
    params: { words: string | string[]; chat?: string | null; limit?: number };
    item: Record<string, unknown>;
  };
}

export type Method = keyof Methods;
export type Params<M extends Method> = Methods[M]["params"];
export type Answer<M extends Method> = Methods[M]["item"];
