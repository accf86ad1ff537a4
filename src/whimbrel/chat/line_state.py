"""What is remembered of a line: one MLS group and the log under it. Plain data with one encoding."""

from __future__ import annotations

from dataclasses import astuple, dataclass, field
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
    """The relay or this device lost what it takes to go on; said in `trouble`. `ways_back` tends it."""
    OFFERED = 4
    """The conversation moved here with other people in it than before: the person must agree first."""


class FlightKind(IntEnum):
    """What an append under way carries."""

    POSTS = 0
    COMMIT = 1
    CLAIM = 2
    CLOSE = 3
    """The last entry of a log: where the conversation moved."""


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
class Healing:
    """When this device's own keys in the group were made anew. Times in milliseconds; what is due says `healing`."""

    posts: int = 0
    """Own posts since."""
    at: int = 0
    """When; 0: not since we came in by a key package that others may have used, or with many at once."""
    planned: int = 0
    """When it is to be done though nothing is written; 0: not planned."""


@dataclass(slots=True)
class Lost:
    """How a line came to be lost, and what was done about it. Times in milliseconds; `ways_back` decides."""

    at: int = 0
    asked_at: int = 0
    asked: int = 0
    """How often we asked to be let in again."""
    deaf: bool = False
    """A commit could not be opened here. Others may have followed it."""
    foreign: int = 0
    """Entries of another epoch since then, or in a row."""


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
    confirmed: int = 0
    """How far somebody else saw the same history, by what they say inside MLS: what stands there, they have."""
    move: bytes = b""
    """The move (an encoded letter) that led here, when the conversation had another log before."""
    closing: bytes = b""
    """The move that led away from here, while this log must still be closed with it."""
    healing: Healing = field(default_factory=Healing)
    lost: Lost = field(default_factory=Lost)

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
            self.confirmed,
            self.move,
            self.closing,
            astuple(self.healing),
            astuple(self.lost),
        ]

    @staticmethod
    def unpack(value: Any) -> LineState:
        (log, relay, group, generation, standing, read, write, log_key, seq, turn, h, n, sent, landed) = (
            value[:14]
        )
        flight, trouble, seen, *later = value[14:]
        # What the first homes did not have yet.
        confirmed, move, closing, healing, lost = later or (0, b"", b"", (), ())
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
            confirmed,
            move,
            closing,
            Healing(*healing),
            Lost(*lost),
        )
