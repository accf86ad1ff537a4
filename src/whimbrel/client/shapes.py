"""What the client's methods answer, as types: the one source for commands, the page and bots.

`web/types.py` writes the page's TypeScript types from these and from the signatures in `client/methods`; a test fails when
they are stale. All ids are hexadecimal. Times are RFC 3339 in UTC to the millisecond. Durations are whole seconds unless a
name ends in `_ms`. A key that may be missing is NotRequired; whatever a newer version adds, older readers pass over.
"""

from __future__ import annotations

from typing import Literal, NotRequired, TypedDict

MessageState = Literal["queued", "sent", "delivered", "read", "failed"]
FileState = Literal["here", "offered", "coming", "going", "failed"]
Right = Literal["everybody", "admins"]
RelayPlace = Literal["none", "this-computer", "this-network", "elsewhere"]
WhyNotAdded = Literal["asked", "blocked", "no-key-package"]
Theme = Literal["system", "light", "dark"]
Notify = Literal["off", "that", "who", "what"]
HowWell = Literal["at-once", "slowly", "hardly", "not-now"]
Stage = Literal["resolve", "connect", "handshake", "send", "receive"]
Looks = Literal["plain", "unnamed", "frag", "system"]
Finding = Literal[
    "names-removed",
    "names-false",
    "resolver-silent",
    "resolvers-blocked",
    "name-reset",
    "name-dropped",
    "slowed",
    "address-blocked",
    "handshakes-lost",
    "frozen-by-volume",
    "policed",
    "programs-blocked",
    "slow",
    "bad-line",
    "sign-in",
    "relay-down",
    "bridge-silent",
    "unreached",
    "offline",
    "unclear",
    "clear",
]
HelpState = Literal[
    "off",
    "no-app",
    "elsewhere",
    "no-relay",
    "starting",
    "no-router",
    "refused",
    "not-public",
    "open",
    "trouble",
]


class MediaItem(TypedDict):
    """What is known of a picture or a recording before its file is here."""

    width: NotRequired[int]
    height: NotRequired[int]
    duration_ms: NotRequired[int]
    waveform: NotRequired[list[int]]
    """Loudness from 0 to 255, at most 64 of them."""
    thumbhash: NotRequired[str]
    """Base64 of a ThumbHash, at most 32 bytes of it."""
    voice: NotRequired[bool]
    """Recorded to be heard at once."""


class FileItem(TypedDict):
    id: str
    name: str
    size: int
    type: str
    state: FileState
    done: int
    """Bytes that went up or came down by now."""
    description: str
    media: NotRequired[MediaItem]
    paused: NotRequired[bool]
    """Somebody stopped it here; it goes on when it is told to."""


class ReactionItem(TypedDict):
    """One emoji under a message, and who chose it, in the order of the log."""

    emoji: str
    people: list[str]
    mine: bool


class MentionItem(TypedDict):
    """Characters (code points) `start` to `start + length` of a text name this person."""

    start: int
    length: int
    person: str


class QuoteItem(TypedDict):
    """The message that is answered, as much as its quote shows."""

    id: str
    sender: str
    mine: bool
    text: str
    what: Literal["text", "picture", "video", "voice", "file", "deleted", "gone"]


_From = TypedDict("_From", {"from": str})
"""The sender's name, as commands have it: a word that Python keeps for itself."""


class MessageItem(_From):
    """A message. `n` is its place in this home: greater is later; it never changes."""

    id: str
    chat: str
    n: int
    sender: str
    """The name; `from` is the same, for commands."""
    person: str
    """The account."""
    mine: bool
    at: str
    text: str
    files: list[FileItem]
    reply_to: str | None
    quote: QuoteItem | None
    state: MessageState
    edited: bool
    deleted: bool
    forwarded: bool
    newer: bool
    """There is something in it that only a newer version shows."""
    reactions: list[ReactionItem]
    mentions: list[MentionItem]
    expires: int | None
    """Seconds after reading until it vanishes."""
    vanishes: str | None
    """When it vanishes, once that is known."""


class EventItem(_From):
    """Something that happened between the messages (`code` and `text`: what is wrong, if something is)."""

    event: str
    id: str
    chat: str
    n: int
    sender: str
    person_id: str
    mine: bool
    at: str
    person: NotRequired[str]
    """The names in `people`, as one text."""
    people: NotRequired[list[str]]
    name: NotRequired[str]
    code: NotRequired[str]
    text: NotRequired[str]
    seconds: NotRequired[int]
    before: NotRequired[str]
    """What a person or a group was called before; `name` is what they are called since."""
    picture: NotRequired[str | None]
    """Id of the group's new picture; None: it was taken away."""
    post: NotRequired[Right]
    add: NotRequired[Right]
    change: NotRequired[Right]
    """The rights that are others now."""


class ReceiptItem(TypedDict):
    """How far an own message got with one person."""

    person: str
    name: str
    state: Literal["delivered", "read"]
    at: str | None


class PreviewItem(TypedDict):
    """The last line of a chat, as the list shows it."""

    id: str
    n: int
    at: str
    sender: str
    mine: bool
    text: str
    what: Literal["text", "picture", "video", "voice", "file", "deleted", "event"]
    event: NotRequired[EventItem]
    state: MessageState


class ChatItem(TypedDict):
    id: str
    name: str
    kind: Literal["pair", "group", "self"]
    unread: int
    last: str | None
    preview: PreviewItem | None
    person: str | None
    """In a chat of two: the other account."""
    verified: bool
    standing: Literal["open", "asked", "left", "removed", "lost", "move-offered", "blocked"]
    pinned: bool
    archived: bool
    muted: bool
    muted_until: str | None
    """None while `muted`: for good."""
    unread_mark: bool
    mentioned: bool
    """Somebody named this account in a message that is not read yet."""
    draft: str
    first_unread: str | None
    timer: int
    """Seconds after reading until new messages vanish; 0: they stay."""
    picture: str | None
    """Id of the group's picture: changes whenever the picture does."""
    members: int
    may_post: bool
    may_add: bool
    may_change: bool
    admin: bool


class MemberItem(TypedDict):
    id: str
    name: str
    role: Literal["admin", "member"]
    present: bool
    me: bool
    verified: bool
    contact: bool
    blocked: bool


class GroupItem(TypedDict):
    """A group, or (after `timer`) a chat of two, as far as it is one."""

    id: str
    name: str
    members: list[MemberItem]
    post: Right
    add: Right
    change: Right
    timer: int
    picture: str | None


class LeftItem(GroupItem):
    """A group that one leaves: at once, or as soon as there is a way."""

    state: Literal["left", "queued"]


class BlockItem(TypedDict):
    """A person who was blocked, or is not any more."""

    id: str
    name: str
    standing: str
    blocked: bool


class NameItem(TypedDict):
    """What this account is called."""

    name: str
    account: str


class ContactItem(TypedDict):
    id: str
    name: str
    kind: Literal["pair"]
    unread: int
    last: str | None
    chat: str | None
    standing: str
    verified: bool
    came: str
    groups: list[str]
    """Ids of the groups that one has together."""
    cannot_be_added: WhyNotAdded | None
    """Why this person cannot be brought into a group now."""


class RequestItem(TypedDict):
    id: str
    name: str
    text: str
    came: str


class AcceptedItem(TypedDict):
    """What came of an invite that was opened: a chat, or what it waits for."""

    chat: str | None
    name: str
    state: NotRequired[Literal["asked", "queued"]]
    """They have to answer; or there is no way to their relay yet."""


class MovedItem(TypedDict):
    chat: str
    name: str
    relay: str | None
    state: Literal["moved", "waiting"]


class SavedItem(TypedDict):
    path: str
    id: str
    """Of the file."""


class RequestAnswerItem(TypedDict):
    """What came of a request that was accepted (its chat) or refused."""

    name: str
    chat: NotRequired[str]
    state: NotRequired[Literal["refused"]]


class WayItem(TypedDict):
    relay: str
    embedded: bool
    own: bool
    """Where this account's inbox is."""
    up: bool
    way: str | None
    since: str | None
    trouble: str | None
    trouble_code: str | None
    """A word for `trouble`, of a fixed set."""
    slow: bool
    """What one writes waits for seconds on this way."""
    pattern: str | None
    """What the network seems to do to connections: `frozen-by-volume`, `policed` or `slow`."""


class GivenTo(TypedDict):
    """Whom a bridge's path was given to."""

    account: str
    name: str
    cut: str
    """The text by which whoever runs the bridge cuts that path: `whimbrel bridge --cut`."""


class RouteItem(TypedDict):
    """A way to a relay, and how it did."""

    relay: str
    embedded: bool
    own: bool
    """To the relay where this account's inbox is."""
    route: str
    up: bool
    """It is the way by which things go now."""
    came_up: int
    """How often, as far as this home remembers: on all networks together, at most 255 on each."""
    failed_since: int
    """Failures since it last came up."""
    derived: bool
    """Found from another way of this relay, not told by anybody."""
    told_by: str
    """The name of the contact who handed it on; empty: this person knows it."""


class FindingItem(TypedDict):
    """One thing that the network does, or that is so with it (`link.diagnosis.What`)."""

    what: Finding
    blame: Literal["network", "line", "relay", "nobody", "unknown"]
    """Whose doing it is, as far as it can be told."""
    kbit: NotRequired[int]
    """Kilobits a second that pass."""
    bytes: NotRequired[int]
    """After so many a connection freezes."""


class TriedItem(TypedDict):
    """How connections to one machine went lately that look alike."""

    host: str
    bridge: bool
    looks: Looks
    """What a filter sees of the handshake: the name in a browser's, none, the name in two pieces, another program's."""
    worked: int
    failed: int
    stage: Stage | None
    """How far the last one came that failed; None: none did."""
    reason: str | None
    """Why, in a word of a fixed set."""
    bytes: int
    """So many had passed when it went silent."""


class WorksItem(TypedDict):
    """How well things of each kind go by the way that is up."""

    text: HowWell
    picture: HowWell
    voice: HowWell
    video: HowWell


class ObserverItem(TypedDict):
    """What somebody on the line can see now."""

    sees: Literal["nothing", "name", "address", "program"]
    """Nothing leaves this computer; a browser's connection to this name; one to this address; one of a program that is no browser."""
    host: str


class LookItem(TypedDict):
    """The network as this account's relay is reached through it."""

    findings: list[FindingItem]
    """The most important first; empty: nothing was tried yet."""
    tried: list[TriedItem]
    works: WorksItem
    observer: ObserverItem
    looking: bool
    """Connections are being made to find out."""
    done: int
    planned: int
    """Of these: how many are over, and how many there are, as far as is known."""
    looked: str | None
    """When that last came to an end."""


class ReportItem(TypedDict):
    text: str
    """To be saved or shown: no name, no address, no token."""


class WrongItem(TypedDict):
    code: str
    text: str
    chat: str | None
    at: str | None


class StatusItem(TypedDict):
    name: str | None
    account: str | None
    ways: list[WayItem]
    waiting: int
    wrong: list[WrongItem]
    key: str
    key_place: Literal["passphrase", "keyring", "file"]
    home: str
    locked: bool
    version: str
    requests: int
    """Contacts that ask and were not answered."""
    relay: RelayPlace
    """From where invites can be opened: the relay of one's inbox."""
    network: LookItem


class ChangeItem(TypedDict):
    """One item of `follow`: exactly one of the keys is there."""

    ready: NotRequired[bool]
    """All that follows happened after this. It comes first, and again when more changed than was kept for a slow reader, or
    after the home was locked: then whatever is shown has to be loaded anew."""
    status: NotRequired[StatusItem]
    chat: NotRequired[ChatItem]
    """New, or other than before."""
    no_chat: NotRequired[str]
    """Id of a chat that is not there any more."""
    message: NotRequired[MessageItem]
    """New, or other than before (state, text, reactions, files)."""
    event: NotRequired[EventItem]
    no_message: NotRequired[str]
    """Id of a message that vanished."""
    settings: NotRequired[SettingsItem]
    request: NotRequired[RequestItem]
    no_request: NotRequired[str]
    """Id of somebody whose request was answered."""
    locked: NotRequired[bool]


class SettingsItem(TypedDict):
    """How this home's page behaves; kept in the home, so that all its windows agree."""

    theme: Theme
    language: str
    """BCP 47; empty: as the browser says."""
    enter_sends: bool
    notify: Notify
    """Nothing; that something came; who wrote; who and what."""
    sounds: bool
    receipts: bool
    """Tell others that their messages were read."""
    full_quality: bool
    fetch_up_to: int
    """Bytes up to which files are fetched without being asked for."""
    lock_after: int
    """Seconds without a touch until the page locks; 0: never. Needs a passphrase."""
    list_width: int


class HelpItem(TypedDict):
    """The bridge in this app that helps contacts: how it stands and how many it helped, never whom."""

    on: bool
    state: HelpState
    """*no-app*: it runs with the app alone; *elsewhere*: this is another network than the one for which it was switched on; *no-relay*: no relay
    is known to which it could lead; *no-router*, *refused*: `port` must be let in by hand; *not-public*: nobody can come in from outside."""
    told_at: str
    """The host:port that contacts are told; empty while they are told none."""
    told: int
    """How many contacts are told it."""
    port: int
    """On this computer; 0 while it is not known."""
    by_router: bool
    """The router opened it."""
    at: str
    """Where people come in, as it was given by hand."""
    cert: str
    """The file of a certificate that was given; empty: the bridge makes one, and what contacts are told names its key."""
    megabytes: int
    """A day at most, in and out together."""
    people: int
    """At once at most."""
    there: int
    full: bool
    spent: bool
    """Nothing more is passed on today."""
    away: bool
    """It does not reach a relay itself."""
    today: int
    """People helped today; counted by what each was told, anew after a start, and never more than there were."""
    bytes_today: int
    most: int
    """People on the day that had the most."""
    bytes_all: int
    since: str | None
    trouble: str


class KeptItem(TypedDict):
    """One kind of thing that is on this computer. It stays until it is deleted; messages with a time go by themselves."""

    what: Literal["messages", "files", "contacts", "keys", "relay", "drafts"]
    count: int
    bytes: int
    """On the disk, encrypted as it lies there."""
    oldest: str | None
    vanishing: NotRequired[int]
    """Of messages: how many go by themselves."""


class InitItem(TypedDict):
    name: str
    account: str
    relay: str
    """Its id, or `embedded`."""


class CaughtUpItem(TypedDict):
    caught_up: bool


class InviteItem(TypedDict):
    invite: str
    reach: Literal["this-computer", "this-network", "anywhere"]
    note: NotRequired[str]


class LockItem(TypedDict):
    locked: bool


class PassphraseItem(TypedDict):
    key_place: Literal["passphrase", "keyring", "file"]
    note: NotRequired[str]


class CutOffItem(TypedDict):
    path: str
    """Where this window gets in again: the path of a new one-time link."""


class ErasedItem(TypedDict):
    erased: str
    """The folder that this home was."""
    stays: list[str]
    """What lies in it and was not made by Whimbrel."""


class FileStandItem(TypedDict):
    """How far a file is."""

    id: str
    state: FileState
    done: int
    paused: bool


class TicketItem(TypedDict):
    ticket: str
    url: str
    """Good for this file alone, until a quarter of an hour after its last use, and not while locked."""


class DroppedItem(TypedDict):
    upload: str


class NetworkItem(TypedDict):
    reach: Literal["this-computer", "this-network", "anywhere"]
    addresses: list[str]


class VerifyItem(TypedDict):
    name: str
    safety_number: str
    verified: bool
    code: str
    """Text for a QR code: what the other side scans and gives as `code`."""


class SentItem(TypedDict):
    """A message that was taken: sent when it is on the relay's disk."""

    id: str
    state: Literal["queued", "sent"]


class DoneItem(TypedDict):
    """What was done to a message; *same*: it was so already, *gone*: it left this home before it left for others."""

    message: str
    state: Literal["queued", "sent", "same", "gone"]


class ForwardedItem(TypedDict):
    chat: str
    name: str
    id: str
    state: Literal["queued", "sent"]


class ErasedChatItem(TypedDict):
    """A chat whose messages are gone from this home; `dropped`: the chat, too."""

    chat: str
    name: str
    dropped: bool


class UploadItem(TypedDict):
    """A file that was given to the app and waits for its message."""

    upload: str
    name: str
    size: int
    type: str
