// What the client's methods take and answer. Written by web/types.py from src/whimbrel/client; not to be changed by hand.
//
// `web/types.py` writes the page's TypeScript types from these and from the signatures in `client/methods`; a test fails when
// they are stale. All ids are hexadecimal. Times are RFC 3339 in UTC to the millisecond. Durations are whole seconds unless a
// name ends in `_ms`. A key that may be missing is NotRequired; whatever a newer version adds, older readers pass over.

export type MessageState = "queued" | "sent" | "delivered" | "read" | "failed";

export type FileState = "here" | "offered" | "coming" | "going" | "failed";

export type Right = "everybody" | "admins";

export type RelayPlace = "none" | "this-computer" | "this-network" | "elsewhere";

export type WhyNotAdded = "asked" | "blocked" | "no-key-package";

export type Theme = "system" | "light" | "dark";

export type Notify = "off" | "that" | "who" | "what";

export type HowWell = "at-once" | "slowly" | "hardly" | "not-now";

export type Stage = "resolve" | "connect" | "handshake" | "send" | "receive";

export type Looks = "plain" | "unnamed" | "frag" | "system";

export type Finding = "names-removed" | "names-false" | "resolver-silent" | "resolvers-blocked" | "name-reset" | "name-dropped" | "slowed" | "address-blocked" | "handshakes-lost" | "frozen-by-volume" | "policed" | "programs-blocked" | "slow" | "bad-line" | "sign-in" | "relay-down" | "bridge-silent" | "unreached" | "offline" | "unclear" | "clear";

export type HelpState = "off" | "no-app" | "elsewhere" | "no-relay" | "starting" | "no-router" | "refused" | "not-public" | "open" | "trouble";

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
  /** Somebody stopped it here; it goes on when it is told to. */
  paused?: boolean;
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
  from: string;
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
  from: string;
  event: string;
  id: string;
  chat: string;
  n: number;
  sender: string;
  person_id: string;
  mine: boolean;
  at: string;
  /** The names in `people`, as one text. */
  person?: string;
  people?: string[];
  name?: string;
  code?: string;
  text?: string;
  seconds?: number;
  /** What a person or a group was called before; `name` is what they are called since. */
  before?: string;
  /** Id of the group's new picture; None: it was taken away. */
  picture?: string | null;
  post?: Right;
  add?: Right;
  /** The rights that are others now. */
  change?: Right;
}

/** How far an own message got with one person. */
export interface ReceiptItem {
  person: string;
  name: string;
  state: "delivered" | "read";
  at: string | null;
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

/** A group, or (after `timer`) a chat of two, as far as it is one. */
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

/** A group that one leaves: at once, or as soon as there is a way. */
export interface LeftItem extends GroupItem {
  state: "left" | "queued";
}

/** A person who was blocked, or is not any more. */
export interface BlockItem {
  id: string;
  name: string;
  standing: string;
  blocked: boolean;
}

/** What this account is called. */
export interface NameItem {
  name: string;
  account: string;
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
  /** Why this person cannot be brought into a group now. */
  cannot_be_added: WhyNotAdded | null;
}

export interface RequestItem {
  id: string;
  name: string;
  text: string;
  came: string;
}

/** What came of an invite that was opened: a chat, or what it waits for. */
export interface AcceptedItem {
  chat: string | null;
  name: string;
  /** They have to answer; or there is no way to their relay yet. */
  state?: "asked" | "queued";
}

export interface MovedItem {
  chat: string;
  name: string;
  relay: string | null;
  state: "moved" | "waiting";
}

export interface SavedItem {
  path: string;
  /** Of the file. */
  id: string;
}

/** What came of a request that was accepted (its chat) or refused. */
export interface RequestAnswerItem {
  name: string;
  chat?: string;
  state?: "refused";
}

export interface WayItem {
  relay: string;
  embedded: boolean;
  /** Where this account's inbox is. */
  own: boolean;
  up: boolean;
  way: string | null;
  since: string | null;
  trouble: string | null;
  /** A word for `trouble`, of a fixed set. */
  trouble_code: string | null;
  /** What one writes waits for seconds on this way. */
  slow: boolean;
  /** What the network seems to do to connections: `frozen-by-volume`, `policed` or `slow`. */
  pattern: string | null;
}

/** Whom a bridge's path was given to. */
export interface GivenTo {
  account: string;
  name: string;
  /** The text by which whoever runs the bridge cuts that path: `whimbrel bridge --cut`. */
  cut: string;
}

/** A way to a relay, and how it did. */
export interface RouteItem {
  relay: string;
  embedded: boolean;
  /** To the relay where this account's inbox is. */
  own: boolean;
  route: string;
  /** It is the way by which things go now. */
  up: boolean;
  /** How often, as far as this home remembers: on all networks together, at most 255 on each. */
  came_up: number;
  /** Failures since it last came up. */
  failed_since: number;
  /** Found from another way of this relay, not told by anybody. */
  derived: boolean;
  /** The name of the contact who handed it on; empty: this person knows it. */
  told_by: string;
}

/** One thing that the network does, or that is so with it (`link.diagnosis.What`). */
export interface FindingItem {
  what: Finding;
  /** Whose doing it is, as far as it can be told. */
  blame: "network" | "line" | "relay" | "nobody" | "unknown";
  /** Kilobits a second that pass. */
  kbit?: number;
  /** After so many a connection freezes. */
  bytes?: number;
}

/** How connections to one machine went lately that look alike. */
export interface TriedItem {
  host: string;
  bridge: boolean;
  /** What a filter sees of the handshake: the name in a browser's, none, the name in two pieces, another program's. */
  looks: Looks;
  worked: number;
  failed: number;
  /** How far the last one came that failed; None: none did. */
  stage: Stage | null;
  /** Why, in a word of a fixed set. */
  reason: string | null;
  /** So many had passed when it went silent. */
  bytes: number;
}

/** How well things of each kind go by the way that is up. */
export interface WorksItem {
  text: HowWell;
  picture: HowWell;
  voice: HowWell;
  video: HowWell;
}

/** What somebody on the line can see now. */
export interface ObserverItem {
  /** Nothing leaves this computer; a browser's connection to this name; one to this address; one of a program that is no browser. */
  sees: "nothing" | "name" | "address" | "program";
  host: string;
}

/** The network as this account's relay is reached through it. */
export interface LookItem {
  /** The most important first; empty: nothing was tried yet. */
  findings: FindingItem[];
  tried: TriedItem[];
  works: WorksItem;
  observer: ObserverItem;
  /** Connections are being made to find out. */
  looking: boolean;
  done: number;
  /** Of these: how many are over, and how many there are, as far as is known. */
  planned: number;
  /** When that last came to an end. */
  looked: string | null;
}

export interface ReportItem {
  /** To be saved or shown: no name, no address, no token. */
  text: string;
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
  relay: RelayPlace;
  network: LookItem;
}

/** One item of `follow`: exactly one of the keys is there. */
export interface ChangeItem {
  /**
   * All that follows happened after this. It comes first, and again when more changed than was kept for a slow reader, or
   * after the home was locked: then whatever is shown has to be loaded anew.
   */
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
  /** Id of somebody whose request was answered. */
  no_request?: string;
  locked?: boolean;
}

/** How this home's page behaves; kept in the home, so that all its windows agree. */
export interface SettingsItem {
  theme: Theme;
  /** BCP 47; empty: as the browser says. */
  language: string;
  enter_sends: boolean;
  /** Nothing; that something came; who wrote; who and what. */
  notify: Notify;
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

/** The bridge in this app that helps contacts: how it stands and how many it helped, never whom. */
export interface HelpItem {
  on: boolean;
  /**
   * *no-app*: it runs with the app alone; *elsewhere*: this is another network than the one for which it was switched on; *no-relay*: no relay
   * is known to which it could lead; *no-router*, *refused*: `port` must be let in by hand; *not-public*: nobody can come in from outside.
   */
  state: HelpState;
  /** The host:port that contacts are told; empty while they are told none. */
  told_at: string;
  /** How many contacts are told it. */
  told: number;
  /** On this computer; 0 while it is not known. */
  port: number;
  /** The router opened it. */
  by_router: boolean;
  /** Where people come in, as it was given by hand. */
  at: string;
  /** The file of a certificate that was given; empty: the bridge makes one, and what contacts are told names its key. */
  cert: string;
  /** A day at most, in and out together. */
  megabytes: number;
  /** At once at most. */
  people: number;
  there: number;
  full: boolean;
  /** Nothing more is passed on today. */
  spent: boolean;
  /** It does not reach a relay itself. */
  away: boolean;
  /** People helped today; counted by what each was told, anew after a start, and never more than there were. */
  today: number;
  bytes_today: number;
  /** People on the day that had the most. */
  most: number;
  bytes_all: number;
  since: string | null;
  trouble: string;
}

/** One kind of thing that is on this computer. It stays until it is deleted; messages with a time go by themselves. */
export interface KeptItem {
  what: "messages" | "files" | "contacts" | "keys" | "relay" | "drafts";
  count: number;
  /** On the disk, encrypted as it lies there. */
  bytes: number;
  oldest: string | null;
  /** Of messages: how many go by themselves. */
  vanishing?: number;
}

export interface InitItem {
  name: string;
  account: string;
  /** Its id, or `embedded`. */
  relay: string;
}

export interface CaughtUpItem {
  caught_up: boolean;
}

export interface InviteItem {
  invite: string;
  reach: "this-computer" | "this-network" | "anywhere";
  note?: string;
}

export interface LockItem {
  locked: boolean;
}

export interface PassphraseItem {
  key_place: "passphrase" | "keyring" | "file";
  note?: string;
}

export interface CutOffItem {
  /** Where this window gets in again: the path of a new one-time link. */
  path: string;
}

export interface ErasedItem {
  /** The folder that this home was. */
  erased: string;
  /** What lies in it and was not made by Whimbrel. */
  stays: string[];
}

/** How far a file is. */
export interface FileStandItem {
  id: string;
  state: FileState;
  done: number;
  paused: boolean;
}

export interface TicketItem {
  ticket: string;
  /** Good for this file alone, until a quarter of an hour after its last use, and not while locked. */
  url: string;
}

export interface DroppedItem {
  upload: string;
}

export interface NetworkItem {
  reach: "this-computer" | "this-network" | "anywhere";
  addresses: string[];
}

export interface VerifyItem {
  name: string;
  safety_number: string;
  verified: boolean;
  /** Text for a QR code: what the other side scans and gives as `code`. */
  code: string;
}

/** A message that was taken: sent when it is on the relay's disk. */
export interface SentItem {
  id: string;
  state: "queued" | "sent";
}

/** What was done to a message; *same*: it was so already, *gone*: it left this home before it left for others. */
export interface DoneItem {
  message: string;
  state: "queued" | "sent" | "same" | "gone";
}

export interface ForwardedItem {
  chat: string;
  name: string;
  id: string;
  state: "queued" | "sent";
}

/** A chat whose messages are gone from this home; `dropped`: the chat, too. */
export interface ErasedChatItem {
  chat: string;
  name: string;
  dropped: boolean;
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
    item: InitItem;
  };
  /** Which way is up, what waits, what was found wrong, and where this home is kept. */
  status: {
    params: Record<string, never>;
    item: StatusItem;
  };
  /** Catch up with the relays. */
  catch_up: {
    params: { wait?: number };
    item: CaughtUpItem;
  };
  /**
   * An invite to give to somebody: for one person, or open to whoever has it. `where` "network": for somebody on this network;
   * the relay in this home is opened to it first, if that is where one's inbox is.
   */
  invite: {
    params: { open?: boolean; where?: "network" | null };
    item: InviteItem;
  };
  /** Open somebody's invite. */
  accept: {
    params: { invite: string; text?: string };
    item: AcceptedItem;
  };
  /** Contacts that ask; accept or refuse one. */
  requests: {
    params: { action?: string | null; name?: string | null };
    item: RequestItem | RequestAnswerItem;
  };
  /** All chats, also archived ones: pinned ones first, then the newest. */
  chats: {
    params: Record<string, never>;
    item: ChatItem;
  };
  /** How a chat is kept on this computer: nobody else learns of it. What is not given stays. `muted` without a time is for good. */
  chat_set: {
    params: { chat: string; pinned?: boolean | null; archived?: boolean | null; muted?: boolean | null; muted_until?: string | null; unread_mark?: boolean | null; draft?: string | null };
    item: ChatItem;
  };
  /** The people whom this account has accepted, has asked, or has blocked. */
  contacts: {
    params: Record<string, never>;
    item: ContactItem;
  };
  /** The safety number that both see; with `confirm` it was compared; `code`: what was scanned from their screen is compared. */
  verify: {
    params: { name: string; confirm?: boolean; code?: string | null };
    item: VerifyItem;
  };
  /** A new group of these people and oneself. `picture`: the id of an upload. */
  group_new: {
    params: { name: string; persons?: string[] | null; picture?: string | null };
    item: GroupItem;
  };
  /** Let a contact in. */
  group_add: {
    params: { group: string; person: string };
    item: GroupItem;
  };
  /** Remove a member. */
  group_remove: {
    params: { group: string; person: string };
    item: GroupItem;
  };
  /** Make a member an admin. */
  group_promote: {
    params: { group: string; person: string };
    item: GroupItem;
  };
  /** Make an admin a member like the others. */
  group_demote: {
    params: { group: string; person: string };
    item: GroupItem;
  };
  /** Leave a group. */
  group_leave: {
    params: { group: string };
    item: LeftItem;
  };
  /** Who is in a group. */
  group_show: {
    params: { group: string };
    item: GroupItem;
  };
  /**
   * What a group is called and looks like, and who may write, let people in, and change that. What is not given stays.
   *
   * `picture`: the id of an upload, empty for none; `picture_file`: a file on this computer instead.
   */
  group_set: {
    params: { group: string; name?: string | null; post?: Right | null; add?: Right | null; change?: Right | null; picture?: string | null; picture_file?: string | null };
    item: GroupItem;
  };
  /** After how many seconds from being read new messages vanish, for all in a chat: 5 minutes to 90 days, or 0 for never. */
  timer: {
    params: { chat: string; seconds: number };
    item: GroupItem;
  };
  /** Hear nothing more from somebody: no messages in the chat of two, no requests, no groups. In common groups they are heard. */
  block: {
    params: { person: string };
    item: BlockItem;
  };
  /** Hear from somebody again who was blocked. */
  unblock: {
    params: { person: string };
    item: BlockItem;
  };
  /** Be called otherwise: all who have a chat with this account are told. */
  rename: {
    params: { name: string };
    item: NameItem;
  };
  /** Move a conversation, as one of its admins; or agree to where another admin moved it, with other people in it. */
  move: {
    params: { chat: string; relay?: string | null; agree?: boolean };
    item: MovedItem;
  };
  /**
   * Send a message; it is told when it is on the relay's disk, or that it waits.
   *
   * `descriptions` belong to the files and then the uploads, `media` (each a MediaItem as JSON, or nothing) to the uploads.
   * `mentions` are `start:length:person`, counted in code points; a person is an account, or the name of a member.
   */
  send: {
    params: { chat: string; text?: string | null; files?: string[] | null; uploads?: string[] | null; descriptions?: string[] | null; media?: string[] | null; reply_to?: string | null; mentions?: string[] | null; wait?: number | null };
    item: SentItem;
  };
  /** Send something to oneself: it stays in the home's own notes. */
  note: {
    params: { text?: string | null; files?: string[] | null; descriptions?: string[] | null; reply_to?: string | null; wait?: number | null };
    item: SentItem;
  };
  /** Hand a message on to other chats: its text and its files, each sealed anew under another key for each chat. */
  forward: {
    params: { message: string; chats: string[]; wait?: number | null };
    item: ForwardedItem;
  };
  /** The chat with oneself, made at the first time. */
  note_to_self: {
    params: Record<string, never>;
    item: ChatItem;
  };
  /** Have an own message say something else. Its files stay. `wait`: seconds for it to leave. */
  edit: {
    params: { message: string; text: string; mentions?: string[] | null; wait?: number | null };
    item: DoneItem;
  };
  /** Remove a message from this home; with `everyone` an own one from everybody's. */
  delete: {
    params: { message: string; everyone?: boolean; wait?: number | null };
    item: DoneItem;
  };
  /** React to a message with an emoji, in place of what one's reaction was; without one it is taken back. */
  react: {
    params: { message: string; emoji?: string; wait?: number | null };
    item: DoneItem;
  };
  /** Forget the messages of a chat here; a group that one is not in any more goes as a whole. Others keep theirs. */
  erase_chat: {
    params: { chat: string };
    item: ErasedChatItem;
  };
  /**
   * A window of a chat, oldest first: the newest, or those before or after a number `n`, or around a message. At most 500.
   *
   * Marks nothing as read.
   */
  messages: {
    params: { chat: string; before?: number | null; after?: number | null; around?: string | null; limit?: number };
    item: MessageItem | EventItem;
  };
  /** One message, by its id. */
  message: {
    params: { id: string };
    item: MessageItem | EventItem;
  };
  /** Who has got an own message, and who has read it; in the order in which that was told. */
  receipts: {
    params: { message: string };
    item: ReceiptItem;
  };
  /** A chat was looked at up to message number `n`: those are read, and the mark of the chat goes. */
  seen: {
    params: { chat: string; n: number };
    item: ChatItem;
  };
  /** Messages, oldest first; with `follow` also those that come, until `timeout` seconds have passed. They count as read. */
  read: {
    params: { chat?: string | null; follow?: boolean; since?: string | null; limit?: number | null; timeout?: number | null; events?: boolean };
    item: MessageItem | EventItem;
  };
  /** The newest messages with these words, oldest first; with `before` those before a number `n`. At most 500. */
  search: {
    params: { words: string | string[]; chat?: string | null; limit?: number; before?: number | null };
    item: MessageItem | EventItem;
  };
  /** Write the files of a message into a folder. */
  save: {
    params: { message: string; dir?: string };
    item: SavedItem;
  };
  /**
   * What changes from now on, until the asker goes away: first `ready`, then each new or changed item, the newest of each.
   *
   * Whoever is slow is given fewer items, never old ones. After the first `ready` load what is to be shown: nothing falls
   * between. While the home is locked only `locked` and `status` come.
   */
  follow: {
    params: Record<string, never>;
    item: ChangeItem;
  };
  /** How this home's page behaves. */
  settings: {
    params: Record<string, never>;
    item: SettingsItem;
  };
  /** Change what is given; what is not given stays. */
  set_settings: {
    params: { theme?: Theme | null; language?: string | null; enter_sends?: boolean | null; notify?: Notify | null; sounds?: boolean | null; receipts?: boolean | null; full_quality?: boolean | null; fetch_up_to?: number | null; lock_after?: number | null; list_width?: number | null };
    item: SettingsItem;
  };
  /** What is on this computer: kinds of things, how many, how large, since when. */
  kept: {
    params: Record<string, never>;
    item: KeptItem;
  };
  /** Show and do nothing more until the passphrase was given; messages go on arriving. */
  lock: {
    params: Record<string, never>;
    item: LockItem;
  };
  /** Go on where it was locked. */
  unlock: {
    params: { passphrase: string };
    item: LockItem;
  };
  /** Somebody is there: the time after which the app locks by itself begins anew. */
  touch: {
    params: Record<string, never>;
    item: LockItem;
  };
  /** From now on the home opens with this passphrase and nothing else. `old`: the one until now, if there was one. */
  set_passphrase: {
    params: { new: string; old?: string | null };
    item: PassphraseItem;
  };
  /** Throw out all windows of the page, this one too: only a new link lets one in. The answer has such a link's path. */
  cut_off: {
    params: Record<string, never>;
    item: CutOffItem;
  };
  /** Take this home off the disk, whole, and end the program. `confirm`: the name of the account. */
  erase_everything: {
    params: { confirm: string };
    item: ErasedItem;
  };
  /** Begin to fetch a file, or try again; it goes on by itself. */
  fetch_file: {
    params: { file: string };
    item: FileStandItem;
  };
  /** Stop a file where it stands, on its way here or to the relay. */
  pause_file: {
    params: { file: string };
    item: FileStandItem;
  };
  /** Go on with a file where it stands. */
  resume_file: {
    params: { file: string };
    item: FileStandItem;
  };
  /** An address under which a browser gets this one file for a while, beside the cookie: for a film, or to save it. */
  ticket: {
    params: { file: string };
    item: TicketItem;
  };
  /** A file that was given to the app is not to be sent: nothing of it stays. */
  drop_upload: {
    params: { upload: string };
    item: DroppedItem;
  };
  /** Let people on this network reach the relay in this home, now and in later runs. */
  open_to_network: {
    params: Record<string, never>;
    item: NetworkItem;
  };
  /**
   * What the network does, as far as is known. `check`: make connections to find out, which can take some minutes; an item each time
   * that another one is over, the last with all of it.
   */
  network: {
    params: { check?: boolean };
    item: LookItem;
  };
  /** What is known of the network, for others: it holds no name, no address and no token. */
  network_report: {
    params: Record<string, never>;
    item: ReportItem;
  };
  /** Live on another relay from now on: the inbox moves there, and new chats are made there. */
  set_relay: {
    params: { address: string };
    item: StatusItem;
  };
  /** All ways to the relays that this account knows, its own first. */
  ways: {
    params: Record<string, never>;
    item: RouteItem;
  };
  /** Take the ways in an address (a bridge's, or the relay's own) to a relay that is known already. */
  ways_add: {
    params: { text: string };
    item: RouteItem;
  };
  /** Take away a way, and the one for single letters or streams at the same place. */
  ways_remove: {
    params: { route: string };
    item: RouteItem;
  };
  /** To which contact this account gave a path that was found where it does not belong. */
  ways_whose: {
    params: { text: string };
    item: GivenTo;
  };
  /** How the bridge in this app stands, and how many it helped. */
  help_status: {
    params: Record<string, never>;
    item: HelpItem;
  };
  /** Help contacts from this network, or do so no more; and what it may cost. What is not given stays. */
  set_help: {
    params: { on?: boolean | null; megabytes?: number | null; people?: number | null; port?: number | null; at?: string | null; cert?: string | null; key?: string | null };
    item: HelpItem;
  };
}

export type Method = keyof Methods;
export type Params<M extends Method> = Methods[M]["params"];
export type Answer<M extends Method> = Methods[M]["item"];
