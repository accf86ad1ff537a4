"""The operations that have no answer yet: which wait, which are on their way, which were put off.

An operation leaves the queue when its answer is taken, and never otherwise (except that its owner cancels it). What was
on a way that is gone waits again, in its old place.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from dataclasses import dataclass, field

from whimbrel.link.cut import Cut
from whimbrel.wire.answers import Answer, Chunk, Fetched, Part, Watched
from whimbrel.wire.operations import (
    OWN,
    Alter,
    Append,
    Create,
    Fetch,
    Get,
    Keep,
    Operation,
    Put,
    Signal,
    SignedChange,
    Watch,
)


@dataclass(frozen=True, slots=True)
class Ticket:
    """Somebody outside waits for it."""

    number: int


@dataclass(frozen=True, slots=True)
class CatchUp:
    """The link's own fetch for a watched slot."""

    slot: int


Purpose = Ticket | CatchUp


@dataclass(slots=True, eq=False)
class Pending:
    """One operation without an answer. `place` orders it; `on` names the ways that carry it now."""

    purpose: Purpose
    operation: Operation
    place: tuple[int, int]
    size: int
    bulk: bool
    on: set[int] = field(default_factory=set)
    waiting: bool = False
    """It wants to be sent."""
    put_off: bool = False
    """The relay was busy; it waits for a time."""
    done: bool = False
    in_line: bool = False
    """It stands in the line, even if it does not wait any more."""
    cut: Cut | None = None
    """The chunk is carried in parts."""

    def __lt__(self, other: Pending) -> bool:
        return self.place < other.place


def size_of(operation: Operation) -> int:
    """Bytes that an operation takes on its way there, a little too high rather than too low."""
    match operation:
        case Append():
            size = 256 + sum(len(e) + 8 for e in operation.entries) + 36 * len(operation.needs)
            return size + (160 if operation.admin is not None else 0) + _size_of_change(operation.change)
        case Alter():
            return 64 + _size_of_change(operation.change)
        case Put():
            return 192 + len(operation.token) + len(operation.chunk)
        case Watch():
            return 64 + 96 * len(operation.items) + 8 * len(operation.drop) + OWN * len(operation.own)
        case Create():
            return 256 + 36 * len(operation.body.admins) + len(operation.admission)
        case Keep():
            return 128 + len(operation.token) + 36 * len(operation.blobs)
        case Signal():
            return 128 + len(operation.body)
        case Fetch():
            return 128 + OWN * len(operation.own)
        case _:
            return 512


def _size_of_change(signed: SignedChange | None) -> int:
    if signed is None:
        return 0
    change = signed.change
    return 256 + 36 * (len(change.admins or ()) + len(change.revokes)) + 64 * len(change.grants)


def answer_size_of(operation: Operation) -> int:
    """Bytes that its answer may well take on the way back."""
    match operation:
        case Get(length=length):
            return 65 * 1024 if length is None else length + 128
        case Fetch(limit=limit):
            return min(16 * 1024, limit * 700)
        case _:
            return 64


def size_of_answer(answer: Answer) -> int:
    """Bytes that an answer takes, about."""
    match answer:
        case Fetched(records=records):
            return 96 + sum(112 + len(r.entry or b"") for r in records)
        case Watched(results=results):
            return 64 + sum(16 + size_of_answer(what) for _, what in results)
        case Chunk(chunk=data) | Part(part=data):
            return 48 + len(data)
        case _:
            return 64


class Queue:
    """Pending operations by place: urgent ones first, then in the order in which they came."""

    def __init__(self) -> None:
        self._tickets: dict[int, Pending] = {}
        self._open: dict[tuple[int, int], Pending] = {}
        self._messages: list[Pending] = []
        self._bulk: list[Pending] = []
        self._later: list[tuple[float, Pending]] = []
        self._count = 0

    @property
    def unanswered(self) -> int:
        """How many operations have no answer yet."""
        return len(self._open)

    def add(self, purpose: Purpose, operation: Operation, urgent: bool = False) -> None:
        """Let an operation wait for its turn."""
        self._count += 1
        bulk = isinstance(operation, Put | Get)
        size = max(size_of(operation), answer_size_of(operation)) if bulk else size_of(operation)
        pending = Pending(purpose, operation, (0 if urgent else 1, self._count), size, bulk)
        if isinstance(purpose, Ticket):
            self._tickets[purpose.number] = pending
        self._open[pending.place] = pending
        self.again(pending)

    def ticket(self, number: int) -> Pending | None:
        """The operation behind a ticket, if it has no answer yet."""
        return self._tickets.get(number)

    def finish(self, pending: Pending) -> None:
        """It has its answer, or nobody wants it."""
        pending.done, pending.waiting = True, False
        del self._open[pending.place]
        if isinstance(pending.purpose, Ticket):
            del self._tickets[pending.purpose.number]

    def again(self, pending: Pending) -> None:
        """Let it wait (again), in its old place."""
        if pending.done or pending.put_off or pending.waiting:
            return
        pending.waiting = True
        if not pending.in_line:
            pending.in_line = True
            heapq.heappush(self._bulk if pending.bulk else self._messages, pending)

    def put_off(self, pending: Pending, until: float) -> None:
        """The relay was busy: it waits until then, and after that in its old place."""
        if not pending.put_off:
            pending.put_off, pending.waiting = True, False
            heapq.heappush(self._later, (until, pending))

    def wake(self, now: float) -> float | None:
        """Let those wait again whose time has come; when the next one's comes."""
        while self._later and (self._later[0][0] <= now or self._later[0][1].done):
            pending = heapq.heappop(self._later)[1]
            pending.put_off = False
            if not pending.on:
                self.again(pending)
        return self._later[0][0] if self._later else None

    def next_message(self) -> Pending | None:
        """The first waiting operation that is no bulk; it stays where it is."""
        return _first(self._messages)

    @property
    def says_something(self) -> bool:
        """Whether entries for a log wait."""
        return any(p.waiting and isinstance(p.operation, Append) for p in self.open_messages())

    def next_bulk(self) -> Pending | None:
        """The first waiting chunk; it stays where it is."""
        return _first(self._bulk)

    def take(self, pending: Pending) -> None:
        """It is being sent: it does not wait any more."""
        pending.waiting = False

    def open_messages(self) -> Iterator[Pending]:
        """Every operation that is no bulk and was not put off, waiting or not, in order."""
        return (p for _, p in sorted(self._open.items()) if not p.bulk and not p.put_off)


def _first(line: list[Pending]) -> Pending | None:
    while line and not line[0].waiting:
        heapq.heappop(line).in_line = False
    return line[0] if line else None
