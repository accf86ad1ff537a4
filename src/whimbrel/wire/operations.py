"""What an app asks of a relay: the operations, as values.

Each is small, idempotent and complete in itself (docs/protocol/operations.md). This module only says what they
are; `codec` turns them into bytes and back.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

ID = 32
"""Bytes in an id, a hash or a token."""
ENTRY_MAX = 64 * 1024
"""Bytes of one encoded entry at most."""
ENTRY_BODY_MIN = 32
"""Bytes of an entry's body at least, so that an entry is never as short as the id that takes its place."""
ENTRIES_MAX = 128
"""Entries in one append at most."""
OWN, OWN_MAX = 16, 64
"""Bytes of the beginning of an entry's id by which its writer says that it need not come back; and how many in one operation."""
CHUNK = 64 * 1024
"""Plaintext bytes of a blob's chunk; a sealed chunk has 16 more; only the last may be shorter."""
SEALED_CHUNK = CHUNK + 16
PART = 1024
"""Parts of a sealed chunk begin at multiples of so many bytes, and end there or where the chunk does."""


class LogKind(IntEnum):
    """What a log is for; only conversation and self logs have turns."""

    INBOX = 0
    CONVERSATION = 1
    SELF = 2


class EntryKind(IntEnum):
    """What the body of an entry is."""

    MLS = 1
    POINTER = 2
    SEALED = 3


@dataclass(frozen=True, slots=True)
class Entry:
    """What is stored: kind, the sender's own tag (16 bytes) and a sealed body. Its id is over its encoded bytes."""

    kind: int
    own_tag: bytes
    body: bytes


@dataclass(frozen=True, slots=True)
class Pointer:
    """The body of an entry of kind POINTER: a blob that holds what is too large for an entry."""

    blob: bytes
    size: int
    hash: bytes


@dataclass(frozen=True, slots=True)
class LogBody:
    """What a log is made of; the log's id is SHA-256 of its bytes."""

    kind: int
    read_hash: bytes
    write_hash: bytes
    admins: tuple[bytes, ...]
    nonce: bytes
    version: int = 1


@dataclass(frozen=True, slots=True)
class Grant:
    """A write token granted to somebody (its hash), with its own quota. In an inbox it can only append."""

    token_hash: bytes
    entries: int
    size: int


@dataclass(frozen=True, slots=True)
class Change:
    """What an admin changes in a log; `None` leaves a thing as it is. Numbered from 1 without gaps."""

    n: int
    read_hash: bytes | None = None
    write_hash: bytes | None = None
    admins: tuple[bytes, ...] | None = None
    grants: tuple[Grant, ...] = ()
    revokes: tuple[bytes, ...] = ()


@dataclass(frozen=True, slots=True)
class SignedChange:
    """A change with the admin's key and signature over relay, log and the change's bytes."""

    change: Change
    key: bytes
    signature: bytes


@dataclass(frozen=True, slots=True)
class Proof:
    """An admin's signature over what it goes with (`purposes` in docs/protocol/operations.md)."""

    key: bytes
    signature: bytes


# ------------------------------------------------------------------------------------------- operations


@dataclass(frozen=True, slots=True)
class Create:
    """Make the log that `body` describes; `admission` is an encoded chain (`admission`). → Created"""

    body: LogBody
    admission: bytes


@dataclass(frozen=True, slots=True)
class Append:
    """Add encoded entries in a turn, all or none. → Appended"""

    log: bytes
    write: bytes
    turn: int
    entries: tuple[bytes, ...]
    advance: bool = False
    change: SignedChange | None = None
    admin: Proof | None = None
    needs: tuple[bytes, ...] = ()


@dataclass(frozen=True, slots=True)
class Fetch:
    """Records after a cursor (0: from the first readable one). → Fetched

    `own`: beginnings (`OWN` bytes) of ids of entries that need not come back: their ids do, as of those that have expired.
    """

    log: bytes
    read: bytes
    after: int
    limit: int = 500
    own: tuple[bytes, ...] = ()


@dataclass(frozen=True, slots=True)
class WatchItem:
    """One log in a watch set, under a small number of the app's own choice that pushes name it by."""

    slot: int
    log: bytes
    read: bytes
    after: int


@dataclass(frozen=True, slots=True)
class Watch:
    """Fetch from many logs and go on pushing. With a handle: only what changed in the set. → Watched

    `wait` is for exchanges: hold the answer up to that many seconds until there is something; 0 on streams. `own`: as in
    Fetch, for all logs of the set and until the next Watch; what is pushed comes whole. `count`: grows with each Watch of an app; one
    of a set that comes with no higher number than the set has seen came late, and is answered busy without having changed anything. 0: none.
    """

    handle: bytes | None = None
    items: tuple[WatchItem, ...] = ()
    drop: tuple[int, ...] = ()
    wait: int = 0
    own: tuple[bytes, ...] = ()
    count: int = 0


@dataclass(frozen=True, slots=True)
class Signal:
    """Pass sealed bytes on to whoever watches now; never stored. → Done"""

    log: bytes
    write: bytes
    body: bytes


@dataclass(frozen=True, slots=True)
class Alter:
    """An admin's change on its own. → Altered"""

    log: bytes
    change: SignedChange


@dataclass(frozen=True, slots=True)
class Put:
    """Write chunk `n` of a blob of `size` sealed bytes; its space counts against `place`, a log whose write token
    `token` is, or (place of zero bytes) an admission. → Done

    With `at` a part of the chunk: `chunk` has the bytes from there on, less than all (for relays with `Feature.PARTS`).
    """

    blob: bytes
    place: bytes
    token: bytes
    size: int
    n: int
    chunk: bytes
    at: int | None = None


@dataclass(frozen=True, slots=True)
class Keep:
    """Let blobs live on from now for another lifetime; `place` and `token` as they were put with. → Done"""

    place: bytes
    token: bytes
    blobs: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Get:
    """Chunk `n` of a blob; who knows the id may read. → Chunk

    With a `length` only so many of its bytes, from `at` on (for relays with `Feature.PARTS`). → Part
    """

    blob: bytes
    n: int
    at: int = 0
    length: int | None = None


@dataclass(frozen=True, slots=True)
class Stat:
    """How much of a blob is there. → Extent"""

    blob: bytes


@dataclass(frozen=True, slots=True)
class Drop:
    """Delete a log (log = its id, blob = None) or a blob put to the place `log`; signed by an admin of the log. → Done"""

    log: bytes
    blob: bytes | None
    admin: Proof


@dataclass(frozen=True, slots=True)
class Routes:
    """Ways to reach this relay, for the admin of an inbox. → RouteList"""

    inbox: bytes
    admin: Proof


@dataclass(frozen=True, slots=True)
class Unknown:
    """An operation of a later version: answered `unknown`, alone."""

    code: int


Operation = (
    Create | Append | Fetch | Watch | Signal | Alter | Put | Keep | Get | Stat | Drop | Routes | Unknown
)
