"""The desk: takes the operations of a letter or frame, has each decided, and gives the answers out when they are true.

Operations are decided in the order in which they come, from whomever; what they change gathers in the storage's group.
The group is committed at the end of the loop's turn, so that everything that had arrived by then shares one sync, and
only then do answers and news leave. Answers that nothing waits for leave at once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from whimbrel.wire.answers import Answer, Done, Failure, Status
from whimbrel.wire.operations import (
    Alter,
    Append,
    Create,
    Drop,
    Fetch,
    Get,
    Keep,
    Operation,
    Put,
    Routes,
    Signal,
    Stat,
    Unknown,
    Watch,
)

from .counts import Counts
from .engine import Budget, Engine, News, Signalling
from .pace import Pace
from .places import DENIED, Places
from .settings import Limits
from .storage import Storage, StorageError
from .uploads import Uploads
from .watching import Listener, Watching

ANSWERS_COST = 16
"""Bytes of the frame around the answers, and of the shortest answers."""


class Asked:
    """One letter or frame: its answers so far, and whom to give them to."""

    __slots__ = ("answers", "budget", "listener", "now", "open", "respond")

    def __init__(
        self,
        count: int,
        respond: Callable[[list[Answer]], None],
        listener: Listener | None,
        budget: Budget,
        now: int,
    ) -> None:
        self.answers: list[Any] = [None] * count
        self.respond = respond
        self.listener = listener
        self.budget = budget
        self.now = now
        self.open = 0
        """Answers that are still to come."""


class Desk:
    """One for each relay; everything that changes anything passes here, one after the other."""

    def __init__(
        self,
        storage: Storage,
        engine: Engine,
        places: Places,
        uploads: Uploads,
        watching: Watching,
        limits: Limits,
        counts: Counts,
        clock: Callable[[], float],
        soon: Callable[[Callable[[], None]], object],
        complain: Callable[[Exception], None],
    ) -> None:
        """`clock`: Unix seconds. `soon`: calls at the end of the loop's turn. `complain`: the disk has failed."""
        self._storage = storage
        self._engine = engine
        self._places = places
        self._uploads = uploads
        self._watching = watching
        self._limits = limits
        self._counts = counts
        self._clock = clock
        self._soon = soon
        self._complain = complain
        self._signals = Pace(limits.signal_burst, limits.signal_every)
        self._scheduled = False
        self._outbox: list[Asked] = []
        self._news: list[tuple[News | Signalling, Listener | None]] = []
        uploads.changed = self.changed
        uploads.failed = self.fail

    def take(
        self,
        operations: Sequence[Operation | Failure],
        respond: Callable[[list[Answer]], None],
        listener: Listener | None,
        signaller: object,
    ) -> Asked:
        """Decide these operations; `respond` gets the answers, now or later. `listener`: whom a watch attaches;
        `signaller`: by whom signals are counted."""
        now = int(self._clock())
        budget = Budget(self._limits.answer_bytes - ANSWERS_COST * len(operations))
        asked = Asked(len(operations), respond, listener, budget, now)
        self._counts.operations += len(operations)
        try:
            for i, operation in enumerate(operations):
                asked.answers[i] = self._decide(operation, asked, i, signaller)
        except Exception as error:
            # A disk that fails, or a fault of ours half-way through a change: the group is rolled back, and all who
            # share it are told to come again. One client's request must not end everybody's service.
            self._outbox.append(asked)
            self.fail(error)
            return asked
        if asked.open == 0:
            self._ready(asked)
        elif self._storage.pending or self._news:
            self._schedule()
        return asked

    def _decide(self, operation: Operation | Failure, asked: Asked, i: int, signaller: object) -> Any:
        engine, now = self._engine, asked.now
        kind = type(operation)
        if kind is Append:
            answer: Answer | None = engine.append(operation, now)  # type: ignore[arg-type]
        elif isinstance(operation, Fetch):
            answer = engine.fetch(operation, asked.budget)
        elif isinstance(operation, Watch):
            answer = self._watching.watch(operation, now, asked.budget, asked.listener)
        elif isinstance(operation, Signal):
            answer = self._signal(operation, signaller)
        elif isinstance(operation, Alter):
            answer = engine.alter(operation)
        elif isinstance(operation, Create):
            answer = engine.create(operation, now)
        elif isinstance(operation, Put):
            answer = self._uploads.put(operation, now, self._reply_to(asked, i))
            if answer is None:
                asked.open += 1
        elif isinstance(operation, Get):
            answer = self._uploads.get(operation, asked.budget)
        elif isinstance(operation, Stat):
            answer = self._uploads.stat(operation, asked.budget)
        elif isinstance(operation, Keep):
            answer = self._uploads.keep(operation, now)
        elif isinstance(operation, Drop):
            answer = self._drop(operation)
        elif isinstance(operation, Routes):
            answer = engine.routes(operation, now)
        elif isinstance(operation, Unknown):
            answer = Failure(Status.UNKNOWN)
        else:
            answer = operation  # type: ignore[assignment]
        if engine.news:
            for news in engine.news:
                self._news.append((news, asked.listener))
            engine.news.clear()
        return answer

    def _reply_to(self, asked: Asked, i: int) -> Callable[[Answer], None]:
        def reply(answer: Answer) -> None:
            if asked.open == 0:
                return  # its group failed, and it was told so
            asked.answers[i] = answer
            asked.open -= 1
            if asked.open == 0:
                self._ready(asked)

        return reply

    def _signal(self, signal: Signal, signaller: object) -> Answer:
        now = self._clock()
        wait = self._signals.wait(id(signaller), now)
        if wait:
            return Failure(Status.BUSY, retry_after=wait)
        self._signals.take(id(signaller), now)
        return self._engine.signal(signal)

    def _drop(self, drop: Drop) -> Answer:
        log = self._storage.log(drop.log)
        if log is None:
            return Done() if self._storage.was_dropped(drop.log) else DENIED
        if not self._engine.may_drop(log, drop.blob, drop.admin):
            return DENIED
        if drop.blob is None:
            self._drop_log(drop.log)
            return Done()
        blob = self._storage.blob(drop.blob)
        if blob is None or blob.place != log.number:
            return Done() if self._storage.was_dropped(drop.blob) else DENIED
        self._storage.mark_dropped(drop.blob)
        self._uploads.delete(blob)
        return Done()

    def _drop_log(self, log_id: bytes) -> None:
        log = self._storage.log(log_id)
        if log is None:
            return
        blobs = self._storage.blobs_at(log)
        links = self._storage.links(log)
        head = log.head
        self._storage.mark_dropped(log_id)
        self._storage.delete_log(log)
        for blob in blobs:
            self._uploads.delete(blob)
        self._storage.forget_space(log.number)
        self._places.give_log(links, log.kind)
        self._engine.news.append(News(log.number, head, dropped=True))

    # ------------------------------------------------------------------------------------------ groups

    def _ready(self, asked: Asked) -> None:
        if not self._storage.pending and not self._outbox and not self._news:
            asked.respond(asked.answers)
            return
        self._outbox.append(asked)
        self._schedule()

    def changed(self) -> None:
        """Something outside of a request has changed the group."""
        self._schedule()

    def _schedule(self) -> None:
        if not self._scheduled:
            self._scheduled = True
            self._soon(self.flush)

    def flush(self) -> None:
        """Commit the group, then give out answers, then news."""
        self._scheduled = False
        if self._storage.pending:
            try:
                self._storage.commit()
            except Exception as error:
                self.fail(error)
                return
            self._counts.commits += 1
        self._uploads.committed()
        self._watching.committed()
        outbox, self._outbox = self._outbox, []
        news, self._news = self._news, []
        for asked in outbox:
            self._respond(asked, asked.answers)
        for one, by in news:
            try:
                if isinstance(one, News):
                    self._counts.records += len(one.records)
                    self._watching.tell(one)
                else:
                    self._watching.pass_on(one, by)
            except Exception as error:
                self._complain(error)

    def _respond(self, asked: Asked, answers: list[Answer]) -> None:
        """Answer one client. What goes wrong with that is not the others' concern."""
        try:
            asked.respond(answers)
        except Exception as error:
            self._complain(error)

    def fail(self, error: Exception) -> None:
        """The disk refused: nothing of the group has happened, and whoever had a part in it may come again."""
        self._engine.news.clear()
        self._news.clear()
        self._uploads.rolled_back()
        self._watching.rolled_back()
        outbox, self._outbox = self._outbox, []
        self._counts.failures += 1
        self._complain(error)
        try:
            self._storage.rollback()
        except StorageError as worse:
            # Nothing can be read any more: every operation fails from here on, until the operator sees to it.
            self._complain(worse)
        full = isinstance(error, StorageError) and error.full
        answer = Failure(Status.FULL) if full else Failure(Status.BUSY, retry_after=10)
        for asked in outbox:
            asked.open = 0
            self._respond(asked, [answer] * len(asked.answers))
