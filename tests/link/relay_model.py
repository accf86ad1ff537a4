"""A relay in a few lines, for tests without loop or clock: logs, watch sets under handles, letters that are held."""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass, field

from link_table import H

from whimbrel.link.events import Answered, Event, RecordsCame
from whimbrel.wire.answers import (
    Answer,
    Appended,
    Chunk,
    Done,
    Failure,
    Fetched,
    Head,
    Part,
    Record,
    Status,
    Watched,
)
from whimbrel.wire.operations import OWN, SEALED_CHUNK, Append, Fetch, Get, Operation, Put, Watch, WatchItem
from whimbrel.wire.stored import entry_id

CHUNKS = 1000
"""Of the one blob that can be fetched."""
PAGE = 3
"""Records in one answer, so that there is often more."""


@dataclass
class RelaySet:
    """A watch set: what the app said, who listens, and up to where each slot was told to the listener."""

    items: dict[int, WatchItem] = field(default_factory=dict)
    own: tuple[bytes, ...] = ()
    listener: ModelWay | None = None
    told: dict[int, int] = field(default_factory=dict)


@dataclass(eq=False)
class ModelWay:
    """A way between the link and the model. `down` is in order; requests may be answered in any."""

    number: int
    stream: bool
    up: list[tuple[int, tuple[Operation, ...]]] = field(default_factory=list)
    down: deque[Event] = field(default_factory=deque)
    held: dict[int, tuple[bytes, list[Answer], int]] = field(default_factory=dict)
    gone: bool = False


class Model:
    """The relay."""

    def __init__(self, page: int = PAGE) -> None:
        self.page = page
        self.blobs: dict[int, bytes] = {}
        self.logs: dict[bytes, list[bytes]] = {}
        self.chunks: Counter[int] = Counter()
        self.sets: dict[bytes, RelaySet] = {}
        self.handles = 0
        self.busy = 0

    def head(self, log: bytes) -> Head:
        return Head(len(self.logs.get(log, ())), 0, H, 0)

    def fetch(self, log: bytes, after: int, limit: int = 500, own: tuple[bytes, ...] = ()) -> Fetched:
        found = self.logs.get(log, [])
        part = found[after : after + min(self.page, limit)]
        ids = [entry_id(entry) for entry in part]
        records = tuple(
            Record(after + 1 + i, 0, False, id, None if id[:OWN] in own else entry, None, H)
            for i, (id, entry) in enumerate(zip(ids, part, strict=True))
        )
        return Fetched(records, self.head(log), after + len(part) < len(found), False)

    def run(self, way: ModelWay, n: int, operations: tuple[Operation, ...]) -> None:
        """Answer a request; an exchange's watch with `wait` is held if there is nothing."""
        answers: list[Answer] = []
        for i, operation in enumerate(operations):
            answers.append(self.answer(way, operation))
            answer = answers[-1]
            holds = isinstance(operation, Watch) and operation.wait and isinstance(answer, Watched)
            if holds and not any(isinstance(what, Fetched) and what.records for _, what in answer.results):
                way.held[n] = (answer.handle, answers, i)
        if n not in way.held:
            way.down.append(Answered(way.number, n, tuple(answers)))

    def answer(self, way: ModelWay, operation: Operation) -> Answer:
        if self.busy:
            self.busy -= 1
            return Failure(Status.BUSY, retry_after=1)
        match operation:
            case Append(log=log, entries=entries):
                found = self.logs.setdefault(log, [])
                for entry in entries:
                    if entry not in found:
                        found.append(entry)
                        self.tell(log)
                return Appended(found.index(entries[0]) + 1, found.index(entries[-1]) + 1, 0, H)
            case Fetch(log=log, after=after, limit=limit, own=own):
                return self.fetch(log, after, limit, own)
            case Put(n=n):
                self.chunks[n] += 1
                return Done()
            case Get(n=n, at=at, length=None):
                return Chunk(self.blobs[n], CHUNKS * SEALED_CHUNK)
            case Get(n=n, at=at, length=length):
                return Part(self.blobs[n][at : at + length], CHUNKS * SEALED_CHUNK, at)
            case Watch():
                return self.watch(way, operation)
        raise AssertionError(operation)

    def watch(self, way: ModelWay, watch: Watch) -> Answer:
        handle = watch.handle
        if handle is None:
            self.handles += 1
            handle = self.handles.to_bytes(16, "big")
            self.sets[handle] = RelaySet()
        if handle not in self.sets:
            return Failure(Status.UNKNOWN)
        mine = self.sets[handle]
        for slot in watch.drop:
            mine.items.pop(slot, None)
        mine.items.update({i.slot: i for i in watch.items})
        for other in self.sets.values():
            if other.listener is way:
                other.listener = None
        mine.listener, mine.own = way, watch.own
        mine.told = {slot: len(self.logs.get(item.log, ())) for slot, item in mine.items.items()}
        named = {i.slot for i in watch.items}
        return Watched(handle, self.news(mine, named))

    def news(self, mine: RelaySet, named: set[int]) -> tuple[tuple[int, Fetched | Failure], ...]:
        results = [
            (slot, self.fetch(item.log, item.after, own=mine.own)) for slot, item in mine.items.items()
        ]
        return tuple((slot, what) for slot, what in results if slot in named or what.records)

    def tell(self, log: bytes) -> None:
        for mine in self.sets.values():
            way = mine.listener
            if way is None:
                continue
            for slot, item in mine.items.items():
                if item.log == log and way.stream:
                    told = mine.told[slot]
                    mine.told[slot] = len(self.logs[log])
                    way.down.append(RecordsCame(way.number, slot, self.fetch(log, told)))

    def has_news(self, way: ModelWay, n: int) -> bool:
        """Whether a held letter could be answered with something."""
        mine = self.sets.get(way.held[n][0])
        news = self.news(mine, set()) if mine is not None and mine.listener is way else ()
        return any(isinstance(what, Fetched) and what.records for _, what in news)

    def release(self, way: ModelWay, n: int) -> None:
        """The answer of a held letter, with what there is."""
        handle, answers, i = way.held.pop(n)
        known = self.sets.get(handle)
        answers[i] = Watched(handle, self.news(known, set())) if known else Failure(Status.UNKNOWN)
        way.down.append(Answered(way.number, n, tuple(answers)))
