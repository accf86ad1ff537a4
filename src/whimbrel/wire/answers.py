"""What a relay answers: one answer for each operation, in the same order, and what it pushes on a stream."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum


class Status(IntEnum):
    """The first element of every answer. Everything but OK changed nothing."""

    OK = 0
    MALFORMED = 1
    UNKNOWN = 2
    TOO_LARGE = 3
    DENIED = 4
    WRONG_TURN = 5
    EXPIRED = 6
    MISSING = 7
    EXISTS = 8
    FULL = 9
    BUSY = 10


@dataclass(frozen=True, slots=True)
class Head:
    """Where a log stands: last seq, turn, chain value, number of the last change."""

    seq: int
    turn: int
    h: bytes
    n: int


@dataclass(frozen=True, slots=True)
class Record:
    """One entry as fetched. `entry` is None when it has expired: then only its id is left."""

    seq: int
    turn: int
    advance: bool
    id: bytes
    entry: bytes | None
    change: bytes | None
    h: bytes


@dataclass(frozen=True, slots=True)
class Failure:
    """A typed error. `head` comes with wrong-turn, `first` (first seq left) with expired, `missing` (blob ids) with
    missing, `retry_after` (seconds) with busy."""

    status: Status
    head: Head | None = None
    first: int | None = None
    missing: tuple[bytes, ...] = ()
    retry_after: int | None = None


@dataclass(frozen=True, slots=True)
class Done:
    """It is done (or had been done before)."""


@dataclass(frozen=True, slots=True)
class Created:
    """The log exists; where it stands."""

    head: Head


@dataclass(frozen=True, slots=True)
class Appended:
    """The entries are on disk, with these first and last seqs; `h` and `turn` are those after the last one."""

    first: int
    last: int
    turn: int
    h: bytes


@dataclass(frozen=True, slots=True)
class Fetched:
    """Records after the cursor. `more`: there are more now. `ended`: the read token opens nothing after these.
    `head` is where the log stands as far as this token may see."""

    records: tuple[Record, ...]
    head: Head
    more: bool
    ended: bool


@dataclass(frozen=True, slots=True)
class Watched:
    """The handle of the set, and for each slot of the request what a fetch would have said."""

    handle: bytes
    results: tuple[tuple[int, Fetched | Failure], ...]


@dataclass(frozen=True, slots=True)
class Altered:
    """The change holds; where the log stands."""

    head: Head


@dataclass(frozen=True, slots=True)
class Chunk:
    """A sealed chunk of a blob, and the blob's whole size."""

    chunk: bytes
    size: int


@dataclass(frozen=True, slots=True)
class Part:
    """Bytes of a sealed chunk from `at` on, and the size of the whole blob."""

    part: bytes
    size: int
    at: int


@dataclass(frozen=True, slots=True)
class Extent:
    """What of a blob is there: size, half-open ranges of chunk numbers, until when (Unix seconds) it is kept.

    `started`: chunks that have come in part, by number, each with a bit (the lowest first) for each `PART` bytes that
    are there; `parts` reads them.
    """

    size: int
    ranges: tuple[tuple[int, int], ...]
    until: int
    started: tuple[tuple[int, bytes], ...] = ()


@dataclass(frozen=True, slots=True)
class RouteList:
    """The relay's ways (texts), signed with its identity."""

    routes: tuple[str, ...]
    made_at: int
    signature: bytes


Answer = Failure | Done | Created | Appended | Fetched | Watched | Altered | Chunk | Extent | RouteList | Part


# --------------------------------------------------------------------------------------- pushed on streams


@dataclass(frozen=True, slots=True)
class Pushed:
    """New records of a watched log, or (Failure) the end of watching it."""

    slot: int
    what: Fetched | Failure


@dataclass(frozen=True, slots=True)
class Signalled:
    """Sealed bytes from somebody who watches the same log; never stored."""

    slot: int
    body: bytes
