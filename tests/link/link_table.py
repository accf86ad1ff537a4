"""A link on a table: events go in by hand, actions come out to be looked at; no loop, no relay, no clock."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from whimbrel.link.events import (
    Action,
    Answered,
    Deliver,
    DeliverRecords,
    Dial,
    Event,
    Send,
    Submitted,
    WayLost,
)
from whimbrel.link.link import Link
from whimbrel.link.trouble import Reason, Stage, Trouble
from whimbrel.link.ways import Candidate, Carries
from whimbrel.wire.answers import Answer, Appended, Fetched, Head, Record
from whimbrel.wire.operations import Append, Operation, Put, WatchItem

STREAM = Candidate("wss://a.example/x", Carries.STREAM, 0, False, "a.example")
OTHER = Candidate("wss://b.example/x", Carries.STREAM, 1, False, "b.example")
LETTERS = Candidate("https://a.example/x", Carries.EXCHANGE, 10, False, "a.example")
NEAR = Candidate("ws://127.0.0.1:7/x", Carries.STREAM, 0, True, "127.0.0.0/24")

RESET = Trouble(Stage.RECEIVE, Reason.RESET)
H = bytes(32)
A = TypeVar("A", bound=Action)


def append(name: str, size: int = 100) -> Append:
    return Append(b"L" * 32, b"W" * 32, 0, (name.encode().ljust(size, b"."),))


def put(n: int) -> Put:
    return Put(b"B" * 32, b"P" * 32, b"T" * 32, 1 << 30, n, bytes(65552))


def done(seq: int = 1) -> Appended:
    return Appended(seq, seq, 0, H)


def record(seq: int) -> Record:
    return Record(seq, 0, False, bytes(32), b"entry", None, H)


def fetched(*seqs: int, head: int | None = None, more: bool = False, ended: bool = False) -> Fetched:
    last = head if head is not None else (seqs[-1] if seqs else 0)
    return Fetched(tuple(record(s) for s in seqs), Head(last, 0, H, 0), more, ended)


def item(slot: int, after: int = 0, log: bytes = b"L", read: bytes = b"R") -> WatchItem:
    return WatchItem(slot, log * 32, read * 32, after)


class Table:
    """The link, the time, and all that it wanted so far."""

    def __init__(self, *candidates: Candidate) -> None:
        self.link = Link(candidates or (STREAM,), seed=b"seed")
        self.now = 0.0
        self.wake_at: float | None = None
        self.actions: list[Action] = []
        self.tickets = 0

    def tell(self, *events: Event) -> list[Action]:
        """Events at the present moment; the actions because of them."""
        actions, self.wake_at = self.link.next(self.now, events)
        self.actions += actions
        return actions

    def wait(self, seconds: float) -> list[Action]:
        """Let time pass, waking the link whenever it wants to be."""
        end, found = self.now + seconds, self.tell()
        while self.wake_at is not None and self.wake_at <= end:
            assert self.wake_at >= self.now
            before = (self.now, self.wake_at)
            self.now = self.wake_at
            found += self.tell()
            assert (self.now, self.wake_at) != before, "it wakes for nothing"
        self.now = end
        return found + self.tell()

    def submit(self, *operations: Operation, urgent: bool = False) -> list[Action]:
        events = []
        for operation in operations:
            self.tickets += 1
            events.append(Submitted(self.tickets, operation, urgent))
        return self.tell(*events)

    def answer(self, way: int, n: int, *answers: Answer) -> list[Action]:
        return self.tell(Answered(way, n, answers))

    def lose(self, way: int, trouble: Trouble = RESET) -> list[Action]:
        return self.tell(WayLost(way, trouble))

    def up(self, *candidates: Candidate) -> int:
        """Bring the first way up with whatever its first flight carries answered as done."""
        dials = of(self.tell(), Dial) or of(self.actions, Dial)
        dial = dials[-1]
        self.answer(dial.way, 0, *(done() for _ in dial.operations))
        return dial.way


def of(actions: Sequence[Action], kind: type[A]) -> list[A]:
    """The actions of one kind."""
    return [a for a in actions if isinstance(a, kind)]


def sent(actions: Sequence[Action]) -> list[list[Operation]]:
    """The operations of each request that was sent."""
    return [list(a.operations) for a in of(actions, Send)]


def delivered(actions: Sequence[Action]) -> list[int]:
    """The tickets that got their answer, in order."""
    return [a.ticket for a in of(actions, Deliver)]


def seqs(actions: Sequence[Action]) -> list[int]:
    """The records that were brought, by seq."""
    found = []
    for action in of(actions, DeliverRecords):
        if isinstance(action.what, Fetched):
            found += [r.seq for r in action.what.records]
    return found
