"""One log as the relay keeps it in memory: where it stands, who may change it, what opens it. Values only."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from whimbrel.wire.answers import Head, Record
from whimbrel.wire.operations import LogKind

SEQ_BITS = 32
"""A record's key in storage is the log's number and the seq in one integer: clustered by log, in order."""
SEQ_MAX = (1 << SEQ_BITS) - 1

Row = tuple[int, int, int, bytes, bytes | None, bytes | None, bytes, int, int]
"""A record as stored: key, turn, advance, id, entry, change, h, at (Unix s), total.

`total` is the cost of all entries of the log up to and including this one, ever: what is used now is `total` less
what expiry has freed. So no row but the record itself is written when something is appended.
"""

RECORD_COST = 200
"""Bytes that a record costs beside its entry and change: id, chain, index, counted roundly."""


def row_key(log: int, seq: int) -> int:
    """The storage key of a record."""
    return log << SEQ_BITS | seq


def record_of(row: Row) -> Record:
    """A stored row as the record that is fetched."""
    return Record(row[0] & SEQ_MAX, row[1], bool(row[2]), row[3], row[4], row[5], row[6])


def cost_of(entry: bytes, change: bytes | None) -> int:
    """What a record counts against the space of its log."""
    return RECORD_COST + len(entry) + (len(change) if change else 0)


class Role(IntEnum):
    """What a token that is not the current one of its log was or is for."""

    OLD_READ = 0
    OLD_WRITE = 1
    GRANT = 2
    REVOKED = 3


@dataclass(frozen=True, slots=True)
class Window:
    """An old read token: it opens what follows `start`, up to and including `end.seq`."""

    start: int
    end: Head


@dataclass(slots=True)
class Granted:
    """A granted write token: how many entries and bytes it may still append."""

    token_hash: bytes
    entries: int
    size: int


@dataclass(slots=True)
class Log:
    """Where a log stands. The storage owns these; the engine changes them only together with what is stored."""

    number: int
    id: bytes
    kind: int
    admins: tuple[bytes, ...]
    n: int
    read: bytes
    read_start: int
    write: bytes
    seq: int
    turn: int
    h: bytes
    total: int
    freed: int
    change: bytes | None
    """The bytes of the last change, by which its repetition is known."""

    @property
    def head(self) -> Head:
        return Head(self.seq, self.turn, self.h, self.n)

    @property
    def has_turns(self) -> bool:
        return self.kind != LogKind.INBOX

    @property
    def used(self) -> int:
        return self.total - self.freed
