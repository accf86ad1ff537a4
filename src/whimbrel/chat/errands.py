"""Errands: operations that must be done once, whatever happens in between.

Each is remembered before it is asked and forgotten when it was answered. Errands of one lane (a log, a blob) go
one after the other; lanes do not wait for each other.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any

from whimbrel.chat.effects import Effects, Tag
from whimbrel.chat.outbox import has_come
from whimbrel.chat.records import AddOutbox, DropOutbox, OutboxRow, SetOutboxTime
from whimbrel.wire import cbor, codec
from whimbrel.wire.answers import Altered, Answer, Appended, Created, Done
from whimbrel.wire.operations import Alter, Append, Create, Operation

KIND = "errand"
RETRY = (2_000, 10_000, 60_000, 600_000, 3_600_000)
"""Milliseconds after which a refused errand is tried again: a grant, say, may be on its way by another lane."""


PATIENCE_ENDS = len(RETRY)
"""Tries after which a refusal is told, and most errands are given up."""
KEPT_UP = frozenset(("inbox", "grant", "founded", "ready", "card-put"))
"""Errands at our own relay that others follow on: an inbox's changes are numbered, and a group without its log is none."""
DONE: dict[type, type] = {Create: Created, Append: Appended, Alter: Altered}
"""What says that an operation was done; for the others it is `Done`."""


@dataclass(frozen=True, slots=True)
class Errand:
    """One operation, and the tag by which its owner knows what it was for."""

    n: int
    lane: bytes
    relay: bytes
    operation: bytes
    tag: Tag
    not_before: int = 0
    tries: int = 0

    def row(self) -> OutboxRow:
        body = cbor.encode([self.relay, self.operation, list(self.tag), self.tries])
        return OutboxRow(self.lane, KIND, body, None, self.not_before, self.n)

    @property
    def mark(self) -> bytes:
        """What an answer must bear to count for this one: numbers are given again when what was saved last is restored."""
        return sha256(self.operation).digest()[:16]

    def is_due(self, now: int) -> bool:
        return has_come(self.not_before, now, RETRY[-1])

    def is_done_by(self, answer: Answer) -> bool:
        """Whether this is the answer that such an operation has when it was done."""
        return isinstance(answer, DONE.get(type(codec.decode_operation(self.operation)), Done))

    @staticmethod
    def from_row(row: OutboxRow) -> Errand:
        relay, operation, tag, tries = cbor.decode(row.body)
        return Errand(row.n, row.chat, relay, operation, tuple(tag), row.not_before, tries)


class Errands:
    """All errands, by lane."""

    def __init__(self) -> None:
        self._lanes: dict[bytes, deque[Errand]] = {}
        self._asked: set[int] = set()

    def __len__(self) -> int:
        return sum(len(lane) for lane in self._lanes.values())

    def __iter__(self) -> Iterator[Errand]:
        for lane in self._lanes.values():
            yield from lane

    def restore(self, row: OutboxRow) -> None:
        self._lanes.setdefault(row.chat, deque()).append(Errand.from_row(row))

    def add(self, fx: Effects, n: int, lane: bytes, relay: bytes, operation: Operation, *tag: Any) -> None:
        errand = Errand(n, lane, relay, codec.encode_operation(operation), tag)
        self._lanes.setdefault(lane, deque()).append(errand)
        fx.save(AddOutbox(errand.row()))

    def lanes(self) -> list[bytes]:
        """The lanes in which something waits."""
        return list(self._lanes)

    def pump(self, lane: bytes, now: int, fx: Effects) -> None:
        """Ask what is first in a lane, when it is due."""
        first = self._lanes[lane][0]
        if first.n not in self._asked and first.is_due(now):
            self._asked.add(first.n)
            operation = codec.decode_operation(first.operation)
            fx.ask(first.relay, operation, "errand", first.lane, first.n, first.mark)

    def next_time(self, aside: Collection[Any] = ()) -> int | None:
        """When the next one that waits is due (milliseconds); without the lanes that are put aside."""
        waiting = (first for first in self._firsts(aside) if first.n not in self._asked)
        return min((first.not_before for first in waiting), default=None)

    def busy(self, now: int, aside: Collection[Any] = ()) -> bool:
        """Whether one is asked or due; without the lanes that are put aside."""
        return any(first.n in self._asked or first.is_due(now) for first in self._firsts(aside))

    def _firsts(self, aside: Collection[Any]) -> Iterator[Errand]:
        return (waiting[0] for lane, waiting in self._lanes.items() if lane not in aside)

    def find(self, lane: bytes, n: int, mark: bytes) -> Errand | None:
        """The errand that an answer belongs to, if it is still the one that was asked."""
        waiting = self._lanes.get(lane)
        return waiting[0] if waiting and (waiting[0].n, waiting[0].mark) == (n, mark) else None

    def in_lane(self, lane: bytes) -> list[Errand]:
        """What waits in a lane, in order."""
        return list(self._lanes.get(lane, ()))

    def rewrite(self, errand: Errand, operation: Operation, fx: Effects) -> None:
        """Put another operation into an errand's place. An answer to the one before is not its answer."""
        again = replace(errand, operation=codec.encode_operation(operation), not_before=0)
        lane = self._lanes[errand.lane]
        lane[lane.index(errand)] = again
        self._asked.discard(errand.n)
        fx.save(AddOutbox(again.row()), SetOutboxTime(again.n, again.not_before))

    def drop(self, errand: Errand, fx: Effects) -> None:
        """It is not to be done any more."""
        lane = self._lanes[errand.lane]
        lane.remove(errand)
        if not lane:
            del self._lanes[errand.lane]
        self._asked.discard(errand.n)
        fx.save(DropOutbox(errand.n))

    def done(self, errand: Errand, fx: Effects) -> None:
        lane = self._lanes[errand.lane]
        lane.popleft()
        if not lane:
            del self._lanes[errand.lane]
        self._asked.discard(errand.n)
        fx.save(DropOutbox(errand.n))

    def later(self, errand: Errand, now: int, fx: Effects) -> bool:
        """Try again later. False: it was tried often enough. What our own place stands on is never given up."""
        self._asked.discard(errand.n)
        if errand.tries >= PATIENCE_ENDS and errand.tag[0] not in KEPT_UP:
            return False
        wait = RETRY[min(errand.tries, len(RETRY) - 1)]
        again = replace(errand, not_before=now + wait, tries=errand.tries + 1)
        self._lanes[errand.lane][0] = again
        fx.save(AddOutbox(again.row()), SetOutboxTime(again.n, again.not_before))
        return True
