"""What a home remembers, as values: the rows of the store and the changes to them.

The engine of conversations says what to remember by returning these values; the store writes each batch of them in
one transaction. Nothing here reads or writes anything.

Times are milliseconds since 1970 in UTC. Numbers fit 64 bits with a sign. Ids are bytes: a message's is its MIMI id (32 bytes), the others are
whatever the chat layer made them. A number `n` is given by the store when a row is added; 0 means "not given yet".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

ChatKind = Literal["pair", "group"]

# contact: accepted by both. asking: they ask, we have not answered. asked: we asked, they have not answered.
# known: met in a group, never accepted.
Standing = Literal["contact", "asking", "asked", "refused", "blocked", "known"]

# An own message is queued, sent (on the relay's disk), delivered, read (by somebody), or failed.
# One of somebody else's is delivered when it is stored here and read when it was shown here.
MessageState = Literal["queued", "sent", "delivered", "read", "failed"]

ReceiptState = Literal["delivered", "read"]

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

    `text` is what is shown and searched. `content` is the message's MIMI content; for an event, details as JSON.
    `seq` is the number of the entry in the conversation's log, 0 while an own message is not there yet.
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


@dataclass(frozen=True, slots=True)
class FileRow:
    """A file of a message: part `part` of its content. `size` is in bytes of the file itself, not as sealed.

    `state_blob` is the state of the transfer under way, the chat layer's own (CBOR).
    """

    id: bytes
    message: bytes
    part: int
    name: str
    size: int
    type: str
    state: FileState
    state_blob: bytes = b""


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
    """Forget a chat with its messages, their files' rows and receipts, and what waits to leave for it."""

    id: bytes


@dataclass(frozen=True, slots=True)
class PutContact:
    row: ContactRow


@dataclass(frozen=True, slots=True)
class AddMessage:
    """Add a message at the end. One whose id is known already changes nothing: doubles vanish here."""

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
    """Replace what a message says. Its place, its id and (with None) its state stay."""

    id: bytes
    text: str
    content: bytes
    state: MessageState | None = None


@dataclass(frozen=True, slots=True)
class PutFile:
    row: FileRow


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
    """Other people's messages in this chat, up to and including number `up_to_n`, were shown."""

    chat: bytes
    up_to_n: int


Save = (
    PutFact
    | PutChat
    | DropChat
    | PutContact
    | AddMessage
    | SetMessageState
    | SetMessageSeq
    | EditMessage
    | PutFile
    | AddOutbox
    | DropOutbox
    | DropOutboxFor
    | SetOutboxTime
    | PutReceipt
    | MarkRead
)
