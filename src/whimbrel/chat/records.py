"""What a home remembers, as values: the rows of the store and the changes to them.

The engine of conversations says what to remember by returning these values; the store writes each batch of them in
one transaction. Nothing here reads or writes anything.

Times are milliseconds since 1970 in UTC. Numbers fit 64 bits with a sign. Ids are bytes: a message's is its MIMI id (32 bytes), the others are
whatever the chat layer made them. A number `n` is given by the store when a row is added; 0 means "not given yet".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

ChatKind = Literal["pair", "group", "self"]

# contact: accepted by both. asking: they ask, we have not answered. asked: we asked, they have not answered.
# known: met in a group, never accepted.
Standing = Literal["contact", "asking", "asked", "refused", "blocked", "known"]

# An own message is queued, sent (on the relay's disk), delivered, read (by somebody), or failed.
# One of somebody else's is delivered when it is stored here and read when it was shown here.
MessageState = Literal["queued", "sent", "delivered", "read", "failed"]

ReceiptState = Literal["delivered", "read"]

# Of what people do with messages (`deeds`): own ones are queued, then sent, then known to have come; others' are sent.
DeedKind = Literal["edit", "delete", "reaction"]
DeedState = Literal["queued", "sent", "delivered"]

# here: whole on this disk. offered: named in a message, not fetched. coming, going: under way. failed: given up.
FileState = Literal["here", "offered", "coming", "going", "failed"]

# A message's state only moves to the right, except that it may fail, and be tried again after that.
MESSAGE_STATES_IN_ORDER: Final[tuple[MessageState, ...]] = ("queued", "sent", "delivered", "read")


@dataclass(frozen=True, slots=True)
class ChatRow:
    """A conversation. `state` is the chat layer's own (CBOR).

    The store keeps up `last_at` (the newest message's time) and counts `unread` itself; a chat that is put brings
    `last_at` only for as long as it has no messages.
    """

    id: bytes
    kind: ChatKind
    name: str
    state: bytes
    last_at: int = 0
    unread: int = 0
    hidden: bool = False


@dataclass(frozen=True, slots=True)
class ContactRow:
    """A person, by the account's public key. `state` is the chat layer's own (CBOR)."""

    account: bytes
    name: str
    state: bytes
    standing: Standing


@dataclass(frozen=True, slots=True)
class MessageRow:
    """A message, or with `event` set something that happened in the conversation.

    `text` is what is shown and searched. `content` is the message's MIMI content as it came first, and `edit` that of the edit
    that counts; for an event, `content` has the details as CBOR. `seq` is the number of the entry in the conversation's log, 0
    while an own message is not there yet. `mentions` are as in `composing.pack_mentions`. `expires`: seconds after reading;
    `vanishes`: when it goes, once that is known.
    """

    id: bytes
    chat: bytes
    sender: bytes
    mine: bool
    at: int
    text: str
    content: bytes
    state: MessageState
    event: str | None = None
    reply_to: bytes | None = None
    seq: int = 0
    n: int = 0
    edit: bytes | None = None
    deleted: bool = False
    forwarded: bool = False
    newer: bool = False
    mentions: bytes = b""
    mentions_me: bool = False
    expires: int | None = None
    vanishes: int | None = None


@dataclass(frozen=True, slots=True)
class DeedRow:
    """An edit, a deletion or a reaction: of whom, to which message. `at` is its sender's time, `came` ours.

    `text` is the emoji of a reaction (none: it was taken back) and the new text of an edit; `content` is its own MIMI content,
    which `id` covers.
    """

    id: bytes
    chat: bytes
    target: bytes
    sender: bytes
    mine: bool
    kind: DeedKind
    at: int
    text: str
    content: bytes
    state: DeedState
    seq: int = 0
    came: int = 0


@dataclass(frozen=True, slots=True)
class ChatSettingsRow:
    """How a person keeps a chat on this computer. `muted_until` in milliseconds; 0 while `muted`: for good."""

    chat: bytes
    pinned: bool = False
    archived: bool = False
    muted: bool = False
    muted_until: int = 0
    unread_mark: bool = False
    draft: str = ""


@dataclass(frozen=True, slots=True)
class FileRow:
    """A file of a message: part `part` of its content. `size` is in bytes of the file itself, not as sealed.

    `state_blob` is the state of the transfer under way, the chat layer's own (CBOR); `blob` is the id of the file's blob, under
    which its sealed copy lies. `media` is what is known of a picture or a recording (`media.py`).
    """

    id: bytes
    message: bytes
    part: int
    name: str
    size: int
    type: str
    state: FileState
    state_blob: bytes = b""
    blob: bytes = b""
    description: str = ""
    media: bytes = b""


@dataclass(frozen=True, slots=True)
class OutboxRow:
    """Something that waits to leave, in the order of `n`; not before the time `not_before`."""

    chat: bytes
    kind: str
    body: bytes
    message: bytes | None = None
    not_before: int = 0
    n: int = 0


@dataclass(frozen=True, slots=True)
class ReceiptRow:
    """How far an own message got with one account."""

    message: bytes
    account: bytes
    state: ReceiptState
    at: int


@dataclass(frozen=True, slots=True)
class PutFact:
    """Remember a small thing of the account under a name; None forgets it."""

    name: str
    value: bytes | None


@dataclass(frozen=True, slots=True)
class PutChat:
    """Add a chat, or change kind, name, state and hidden of one that exists."""

    row: ChatRow


@dataclass(frozen=True, slots=True)
class DropChat:
    """Forget a chat with its messages, their files' rows, receipts and deeds, and what waits to leave for it."""

    id: bytes


@dataclass(frozen=True, slots=True)
class PutContact:
    row: ContactRow


@dataclass(frozen=True, slots=True)
class AddMessage:
    """Add a message at the end. One whose id is known already, or is of one that is gone, changes nothing."""

    row: MessageRow


@dataclass(frozen=True, slots=True)
class SetMessageState:
    """Move a message's state forward; a step back is ignored. `failed` is taken at any time, and left for any other."""

    id: bytes
    state: MessageState


@dataclass(frozen=True, slots=True)
class SetMessageSeq:
    """Note where in the conversation's log an own message stands, once it is known."""

    id: bytes
    seq: int


@dataclass(frozen=True, slots=True)
class EditMessage:
    """What a message says by now: by the content of an edit, or with None by its own. Its place and id stay."""

    id: bytes
    text: str
    edit: bytes | None
    mentions: bytes = b""
    mentions_me: bool = False
    newer: bool = False


@dataclass(frozen=True, slots=True)
class HideMessage:
    """Show an own message as deleted. What it said is kept until the deletion is on the relay's disk."""

    id: bytes


@dataclass(frozen=True, slots=True)
class EmptyMessage:
    """A message was deleted for everyone: its place stays, with nothing in it, and it counts as read."""

    id: bytes


@dataclass(frozen=True, slots=True)
class ForgetMessage:
    """Remove a message with all that belongs to it, for good: it does not come back when it is offered once more.

    `at`: when (milliseconds).
    """

    id: bytes
    chat: bytes
    at: int


@dataclass(frozen=True, slots=True)
class EmptyChat:
    """Remove all messages of a chat with all that belongs to them. `at`: when (milliseconds)."""

    chat: bytes
    at: int


@dataclass(frozen=True, slots=True)
class ForgetOld:
    """Forget which messages were gone before this time (milliseconds), and what was done before it to messages that never
    came."""

    before: int


@dataclass(frozen=True, slots=True)
class BeginVanishing:
    """From this time (milliseconds) a message's own time runs, if it has one and that does not run yet."""

    id: bytes
    at: int


@dataclass(frozen=True, slots=True)
class ShortenVanishing:
    """No message stays longer from now (milliseconds) than it was given: a clock was set back."""

    now: int


@dataclass(frozen=True, slots=True)
class PutDeed:
    """Add a deed, or change one that is known."""

    row: DeedRow


@dataclass(frozen=True, slots=True)
class DropDeed:
    """Forget a deed to the message `target`."""

    id: bytes
    target: bytes


@dataclass(frozen=True, slots=True)
class PutChatSettings:
    row: ChatSettingsRow


@dataclass(frozen=True, slots=True)
class PutFile:
    row: FileRow


@dataclass(frozen=True, slots=True)
class PutPicture:
    """A picture of a group, by its SHA-256."""

    chat: bytes
    id: bytes
    data: bytes


@dataclass(frozen=True, slots=True)
class KeepPicture:
    """Forget all pictures of a group but this one."""

    chat: bytes
    id: bytes | None


@dataclass(frozen=True, slots=True)
class AddOutbox:
    """Put something at the end of what waits; with a number given, replace what waits under it."""

    row: OutboxRow


@dataclass(frozen=True, slots=True)
class DropOutbox:
    n: int


@dataclass(frozen=True, slots=True)
class DropOutboxFor:
    """Drop whatever waits on behalf of this message."""

    message: bytes


@dataclass(frozen=True, slots=True)
class SetOutboxTime:
    n: int
    not_before: int


@dataclass(frozen=True, slots=True)
class PutReceipt:
    """Note a receipt; one that says less than what is known already changes nothing."""

    row: ReceiptRow


@dataclass(frozen=True, slots=True)
class MarkRead:
    """Other people's messages in this chat, up to and including number `up_to_n`, were shown, `at` this time (milliseconds)."""

    chat: bytes
    up_to_n: int
    at: int


Save = (
    PutFact
    | PutChat
    | DropChat
    | PutContact
    | AddMessage
    | SetMessageState
    | SetMessageSeq
    | EditMessage
    | HideMessage
    | EmptyMessage
    | ForgetMessage
    | EmptyChat
    | ForgetOld
    | BeginVanishing
    | ShortenVanishing
    | PutDeed
    | DropDeed
    | PutChatSettings
    | PutFile
    | PutPicture
    | KeepPicture
    | AddOutbox
    | DropOutbox
    | DropOutboxFor
    | SetOutboxTime
    | PutReceipt
    | MarkRead
)
