"""What is remembered of a line: one MLS group and the log under it. Plain data with one encoding."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any


class Standing(IntEnum):
    """How a line stands."""

    FOUNDING = 0
    """The log is not ours yet: its creation or its claim is not answered."""
    OPEN = 1
    CLOSED = 2
    """We left, were removed, or another line took over; it may still be read to its end."""
    LOST = 3
    """The relay or this device lost what it takes to go on; said in `trouble`."""


class FlightKind(IntEnum):
    """What an append under way carries."""

    POSTS = 0
    COMMIT = 1
    CLAIM = 2


@dataclass(frozen=True, slots=True)
class Joiner:
    """Somebody to be let in: which key package, and where their Welcome goes, sealed for whom."""

    account: bytes
    key_package: bytes
    relay: bytes
    routes: tuple[str, ...]
    inbox: bytes
    token: bytes
    inbox_key: bytes

    def pack(self) -> list[Any]:
        return [
            self.account,
            self.key_package,
            self.relay,
            list(self.routes),
            self.inbox,
            self.token,
            self.inbox_key,
        ]

    @staticmethod
    def unpack(value: Any) -> Joiner:
        account, key_package, relay, routes, inbox, token, inbox_key = value
        return Joiner(account, key_package, relay, tuple(routes), inbox, token, inbox_key)


@dataclass(slots=True)
class Flight:
    """The one append under way: its bytes, so that it is repeated to the letter, and what it carries."""

    kind: FlightKind
    operation: bytes
    ids: tuple[bytes, ...]
    rows: tuple[int, ...]
    messages: tuple[bytes, ...] = ()
    welcome: bytes | None = None
    joiners: tuple[Joiner, ...] = ()
    blobs: tuple[tuple[bytes, bytes], ...] = ()
    """Blobs that must be whole before: (id, sealed bytes), for entries too large for a log."""

    def pack(self) -> list[Any]:
        return [
            int(self.kind),
            self.operation,
            list(self.ids),
            list(self.rows),
            list(self.messages),
            self.welcome,
            [joiner.pack() for joiner in self.joiners],
            [list(blob) for blob in self.blobs],
        ]

    @staticmethod
    def unpack(value: Any) -> Flight:
        kind, operation, ids, rows, messages, welcome, joiners, blobs = value
        return Flight(
            FlightKind(kind),
            operation,
            tuple(ids),
            tuple(rows),
            tuple(messages),
            welcome,
            tuple(Joiner.unpack(joiner) for joiner in joiners),
            tuple((blob, data) for blob, data in blobs),
        )


@dataclass(slots=True)
class LineState:
    """A line: where its log is, how far it was read, what is under way."""

    log: bytes
    relay: bytes
    group: bytes
    generation: int
    standing: Standing
    read: bytes
    write: bytes
    log_key: bytes
    """This device's log key (Ed25519 seed), the one in its leaf."""
    seq: int
    turn: int
    h: bytes
    n: int
    sent: int = 0
    """Own entries known to be in the log: the count in the next own tag."""
    landed: list[tuple[bytes, int]] = field(default_factory=list)
    """Own entries that are in the log and were not read back yet: id and seq."""
    flight: Flight | None = None
    trouble: str = ""
    seen: list[tuple[int, bytes]] = field(default_factory=list)
    """The chain values of the last records read, to compare with what members say they saw."""

    def pack(self) -> list[Any]:
        return [
            self.log,
            self.relay,
            self.group,
            self.generation,
            int(self.standing),
            self.read,
            self.write,
            self.log_key,
            self.seq,
            self.turn,
            self.h,
            self.n,
            self.sent,
            [list(landed) for landed in self.landed],
            self.flight.pack() if self.flight else None,
            self.trouble,
            [list(pair) for pair in self.seen],
        ]

    @staticmethod
    def unpack(value: Any) -> LineState:
        (log, relay, group, generation, standing, read, write, log_key, seq, turn, h, n, sent, landed) = (
            value[:14]
        )
        flight, trouble, seen = value[14:]
        return LineState(
            log,
            relay,
            group,
            generation,
            Standing(standing),
            read,
            write,
            log_key,
            seq,
            turn,
            h,
            n,
            sent,
            [(id, at) for id, at in landed],
            Flight.unpack(flight) if flight is not None else None,
            trouble,
            [(s, value) for s, value in seen],
        )
