"""The link to one relay: decides what is sent by which way, and when. It touches nothing.

Every submitted operation is answered exactly once, whatever happens to the ways: what has no answer is sent again, in
its old order, on the next way that comes up. That is free, because operations are idempotent.

A way is *dialled* with operations in its first flight; it *is up* when the first sealed answer has come, never before.
One way is the one that counts (`_main`); a better one that comes up takes its place, and the lesser one is left to end
what it carries (*leaving*).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from whimbrel.link.dialer import Dialer
from whimbrel.link.events import (
    Abandon,
    Action,
    Answered,
    Cancelled,
    Close,
    Deliver,
    Dial,
    Event,
    Heard,
    NetworkChanged,
    RecordsCame,
    Report,
    Repositioned,
    RoutesChanged,
    Send,
    SignalCame,
    Submitted,
    WatchSet,
    WayLost,
)
from whimbrel.link.memory import Memory
from whimbrel.link.pace import Pace
from whimbrel.link.queue import CatchUp, Pending, Queue, Ticket, answer_size_of, size_of
from whimbrel.link.trouble import Reason, Stage, Trouble
from whimbrel.link.watching import HOLD, Leg, Watching
from whimbrel.link.ways import Candidate, Carries
from whimbrel.wire.answers import Answer, Failure, Status
from whimbrel.wire.cbor import MESSAGE_MAX
from whimbrel.wire.operations import Append, Fetch, Operation, Watch

FRAME_MAX = 512 * 1024
"""Bytes of operations in one request, unless one alone is larger."""
OPERATION_MAX = MESSAGE_MAX - 1024
"""Bytes of one operation; a larger one is answered `too-large` here, because no way would carry it."""
FIRST_FLIGHT_MAX = 32 * 1024
"""Bytes of operations sent before anybody has answered: they may travel on several ways at once."""
BATCH_MAX = 64
"""Operations in one request, so that the answers stay small enough too."""
MESSAGES_ASKED = 8
"""Requests with messages under way on a stream; what comes meanwhile goes together in the next."""
MESSAGES_BYTES = 1024 * 1024
MESSAGE_LANES, BULK_LANES = 1, 2
"""Exchanges under way at once, beside the held one."""

ANSWER_WITHIN = 10.0
"""Seconds of silence with something unanswered, after which a way counts as gone; and what its bytes may take."""
ANSWER_MAX = 60.0
"""Seconds for one request while others are answered."""
LEAVING_MAX = 30.0
"""Seconds that a lesser way has to end what it carries."""
BUSY_LEAST, BUSY_PAUSE, BUSY_MAX = 0.05, 1.0, 60.0
"""Seconds until an operation is tried again after `busy`: at least, without a time, and at most."""


@dataclass(slots=True)
class _Request:
    """A request under way: what it carries, in the order of its answers."""

    carried: list[Pending]
    watch_at: int | None
    """Where among the answers the watch's is; it comes last."""
    sent_at: float
    size: int
    bulk: bool


@dataclass(slots=True)
class _Way:
    """One attempt or connection."""

    number: int
    candidate: Candidate
    leg: Leg
    dialled_at: float
    heard_at: float
    up_since: float | None = None
    leaving_since: float | None = None
    last_n: int = 0
    pace: Pace = field(default_factory=Pace)
    requests: dict[int, _Request] = field(default_factory=dict)

    @property
    def is_stream(self) -> bool:
        return self.candidate.carries is Carries.STREAM

    def under_way(self, bulk: bool) -> tuple[int, int]:
        """Requests and bytes of one kind without an answer; a held watch does not count."""
        count = size = 0
        for n, request in self.requests.items():
            if request.bulk is bulk and not self._is_held(n):
                count += 1
                size += request.size
        return count, size

    def silent_until(self) -> float | None:
        """When this way has been silent for too long with something unanswered."""
        if not self.requests:
            return None
        bytes_take = self.pace.seconds_for(sum(r.size for r in self.requests.values()))
        ends = []
        for n, request in self.requests.items():
            held = HOLD if self._is_held(n) else 0
            silent = max(self.heard_at, request.sent_at) + ANSWER_WITHIN
            ends.append(min(silent, request.sent_at + ANSWER_MAX) + bytes_take + held)
        return min(ends)

    def _is_held(self, n: int) -> bool:
        return n == self.leg.asking and self.leg.waits


class Link:
    """All decisions for one relay. `next` takes what happened and gives what is to be done."""

    def __init__(
        self,
        candidates: Sequence[Candidate],
        *,
        memory: Memory | None = None,
        network: str = "",
        seed: bytes = b"",
    ) -> None:
        """`seed`: random bytes for the spread of waits."""
        self.dialer = Dialer(
            candidates, memory if memory is not None else Memory(), network=network, seed=seed
        )
        self.watching = Watching()
        self._queue = Queue()
        self._ways: dict[int, _Way] = {}
        self._main: _Way | None = None
        self._last_way = 0
        self._trouble: Trouble | None = None
        self._reported: Report | None = None

    # ------------------------------------------------------------------------------- what can be seen

    @property
    def unanswered(self) -> int:
        """Operations without an answer, the link's own included."""
        return self._queue.unanswered

    @property
    def is_settled(self) -> bool:
        """A way is up, nothing is unanswered, and every watched log was answered on this way."""
        return (
            self._main is not None
            and self._queue.unanswered == 0
            and self.watching.is_settled(self._main.leg)
        )

    # ------------------------------------------------------------------------------- the one entry

    def next(self, now: float, events: Sequence[Event] = ()) -> tuple[list[Action], float | None]:
        """What is to be done now, and when to ask again if nothing happens before (None: only when something does)."""
        actions: list[Action] = []
        for event in events:
            self._take(now, event, actions)
        self._end_the_silent(now, actions)
        self._fetch_what_is_missing()
        woken = self._queue.wake(now)
        if self._main is not None:
            self._serve(now, self._main, actions)
        dial_at = self._dial(now, actions)
        self._report(actions)
        times = [woken, dial_at, *(self._way_wakes(w, now) for w in self._ways.values())]
        return actions, min((t for t in times if t is not None), default=None)

    def _take(self, now: float, event: Event, actions: list[Action]) -> None:
        match event:
            case Submitted(ticket, operation, urgent):
                self._submit(now, ticket, operation, urgent, actions)
            case Cancelled(ticket):
                pending = self._queue.ticket(ticket)
                if pending is not None:
                    self._queue.finish(pending)
            case WatchSet(items):
                self.watching.set(items)
            case Repositioned(slot, after):
                self.watching.reposition(slot, after)
            case RoutesChanged(candidates):
                self.dialer.set_candidates(candidates)
            case NetworkChanged(network):
                self.dialer.network_changed(now, network)
                self.watching.ask_again()  # what was up may hang in the last network
            case Answered():
                self._answered(now, event, actions)
            case RecordsCame(number, slot, what):
                way = self._heard(now, number)
                if way is not None and way is self._main:
                    actions += self.watching.pushed(way.leg, now, slot, what)
            case SignalCame(number, slot, body):
                way = self._heard(now, number)
                if way is not None and way is self._main:
                    actions += self.watching.signalled(way.leg, slot, body)
            case Heard(number):
                self._heard(now, number)
            case WayLost(number, trouble, subnets):
                way = self._ways.get(number)
                if way is not None:
                    self._lost(now, way, trouble, subnets)

    # ------------------------------------------------------------------------------- operations

    def _submit(
        self, now: float, ticket: int, operation: Operation, urgent: bool, actions: list[Action]
    ) -> None:
        if size_of(operation) > OPERATION_MAX:
            actions.append(Deliver(ticket, Failure(Status.TOO_LARGE)))
            return
        self._queue.add(Ticket(ticket), operation, urgent)
        if self._main is None:
            self.dialer.nudge(now)

    def _serve(self, now: float, way: _Way, actions: list[Action]) -> None:
        """Send by the way that counts whatever it has room for: messages and the watch first, then bulk."""
        if way.leg.asking is not None and self.watching.outdated(way.leg, now):
            actions.append(Abandon(way.number, way.leg.asking))
            del way.requests[way.leg.asking]
            self.watching.not_asked(way.leg)
        while self._has_room(way, bulk=False):
            batch = self._batch(FRAME_MAX)
            watch = self.watching.request(way.leg, now) if way.leg.asking is None else None
            if watch is not None and (watch.wait > 0 or sum(p.size for p in batch) > FIRST_FLIGHT_MAX):
                self._send(now, way, [], watch, actions)
                watch = None
            if not batch and watch is None:
                break
            self._send(now, way, batch, watch, actions)
        while (chunk := self._queue.next_bulk()) is not None and self._has_room(
            way, bulk=True, more=chunk.size
        ):
            self._queue.take(chunk)
            self._send(now, way, [chunk], None, actions)

    def _has_room(self, way: _Way, bulk: bool, more: int = 0) -> bool:
        requests, size = way.under_way(bulk)
        if bulk:
            return size + more <= way.pace.window if way.is_stream else requests < BULK_LANES
        if way.is_stream:
            return requests < MESSAGES_ASKED and size < MESSAGES_BYTES
        return requests < MESSAGE_LANES

    def _batch(self, room: int) -> list[Pending]:
        """What waits, as much as goes together; one that is larger than the room goes alone."""
        batch: list[Pending] = []
        size = 0
        while len(batch) < BATCH_MAX:
            pending = self._queue.next_message()
            if pending is None or (batch and size + pending.size > room):
                break
            self._queue.take(pending)
            batch.append(pending)
            size += pending.size
        return batch

    def _send(
        self, now: float, way: _Way, batch: list[Pending], watch: Watch | None, actions: list[Action]
    ) -> None:
        way.last_n += 1
        operations = self._carry(now, way, way.last_n, batch, watch)
        actions.append(Send(way.number, way.last_n, operations))

    def _carry(
        self, now: float, way: _Way, n: int, batch: list[Pending], watch: Watch | None
    ) -> tuple[Operation, ...]:
        """Note down what request `n` carries."""
        operations: list[Operation] = [p.operation for p in batch]
        size = sum(p.size for p in batch)
        if watch is not None:
            operations.append(watch)
            size += size_of(watch)
            way.leg.asking = n
        for pending in batch:
            pending.on.add(way.number)
        bulk = any(p.bulk for p in batch)
        at = len(batch) if watch is not None else None
        way.requests[n] = _Request(list(batch), at, now, size, bulk)
        return tuple(operations)

    def _fetch_what_is_missing(self) -> None:
        for slot, fetch in self.watching.to_fetch():
            self._queue.add(CatchUp(slot), fetch)

    # ------------------------------------------------------------------------------- answers

    def _answered(self, now: float, event: Answered, actions: list[Action]) -> None:
        way = self._heard(now, event.way)
        if way is None:
            return
        request = way.requests.pop(event.n, None)
        if request is None:
            return
        expected = len(request.carried) + (1 if request.watch_at is not None else 0)
        if len(event.answers) != expected:
            way.requests[event.n] = request
            actions.append(Close(way.number))
            self._lost(now, way, Trouble(Stage.RECEIVE, Reason.BAD_DATA), event.subnets)
            return
        if way.up_since is None:
            self._came_up(now, way, event.subnets, actions)
        way.pace.answered(now, request.sent_at, request.size, request.bulk)
        if not request.bulk and request.watch_at is None:
            way.pace.small_answered(now - request.sent_at)
        for pending, answer in zip(request.carried, event.answers, strict=False):
            pending.on.discard(way.number)
            self._settle(now, pending, answer, actions)
        if request.watch_at is not None and way.leg.asking == event.n:
            way.leg.asking = None
            answer = event.answers[request.watch_at]
            actions += self.watching.answered(way.leg, now, answer, first=way is self._main)
        if way.leaving_since is not None and not way.requests:
            actions.append(Close(way.number))
            del self._ways[way.number]

    def _settle(self, now: float, pending: Pending, answer: Answer, actions: list[Action]) -> None:
        """Deliver the answer, unless it was delivered before or the relay was only busy. That there are too many advances
        by members is told: nothing can be written as long as such a commit waits, and it can be made again later."""
        if pending.done:
            return
        nowhere_else = not pending.on and not pending.waiting
        is_told = is_members_advance(pending.operation) and nowhere_else
        if not is_told and isinstance(answer, Failure) and answer.status is Status.BUSY:
            pause = float(answer.retry_after) if answer.retry_after is not None else BUSY_PAUSE
            if nowhere_else:
                self._queue.put_off(pending, now + min(max(pause, BUSY_LEAST), BUSY_MAX))
            return
        self._queue.finish(pending)
        match pending.purpose:
            case Ticket(number):
                actions.append(Deliver(number, answer))
            case CatchUp(slot):
                assert isinstance(pending.operation, Fetch)
                actions += self.watching.fetched(slot, pending.operation, answer)

    # ------------------------------------------------------------------------------- ways

    def _dial(self, now: float, actions: list[Action]) -> float | None:
        up = self._main.candidate if self._main is not None else None
        chosen, wake_at = self.dialer.choose(now, up)
        for candidate in chosen:
            self._last_way += 1
            leg = self.watching.leg(held=candidate.carries is Carries.EXCHANGE)
            way = _Way(self._last_way, candidate, leg, now, now)
            self._ways[way.number] = way
            # The watch goes with one attempt at a time: the relay tells whoever used a set's handle last.
            alone = self._main is None and all(w.leg.asking is None for w in self._ways.values())
            watch = self.watching.request(leg, now) if alone else None
            batch = self._first_flight()
            operations = self._carry(now, way, 0, batch, watch)
            actions.append(Dial(way.number, candidate, operations))
        return wake_at

    def _first_flight(self) -> list[Pending]:
        """What an attempt carries already: messages that wait, also those that other attempts carry in vain so far."""
        if self._main is not None:
            return []
        batch: list[Pending] = []
        size = 0
        for pending in self._queue.open_messages():
            size += pending.size + answer_size_of(pending.operation)
            if size > FIRST_FLIGHT_MAX or len(batch) == BATCH_MAX:
                break
            self._queue.take(pending)
            batch.append(pending)
        return batch

    def _came_up(self, now: float, way: _Way, subnets: tuple[str, ...], actions: list[Action]) -> None:
        """The first sealed answer: from now on this way counts, unless a better one does already."""
        way.up_since = now
        self.dialer.came_up(now, way.candidate.text, subnets)
        old, self._main = self._main, way
        if old is not None:
            self._leave(now, old, actions)
        for other in list(self._ways.values()):
            if other.up_since is None and other.candidate.cost >= way.candidate.cost:
                self.dialer.withdrawn(now, other.candidate.text)
                actions.append(Close(other.number))
                self._forget(other)
        if way.leg.asking is None:
            way.leg = self.watching.leg(held=not way.is_stream)
        hoping = [r for w in self._ways.values() if w.up_since is None for r in w.requests.values()]
        for pending in (p for r in hoping for p in r.carried if way.number not in p.on):
            self._queue.again(pending)

    def _leave(self, now: float, way: _Way, actions: list[Action]) -> None:
        """A better way is up: end what this one carries, then close it."""
        self.watching.dropped(way.leg)
        asking = way.leg.asking
        if asking is not None and not way.requests[asking].carried:
            actions.append(Abandon(way.number, asking))
            del way.requests[asking]
        way.leaving_since = now
        if not way.requests:
            actions.append(Close(way.number))
            del self._ways[way.number]

    def _lost(self, now: float, way: _Way, trouble: Trouble, subnets: tuple[str, ...] = ()) -> None:
        """A way is gone, or never came up: what it carried waits again."""
        self._forget(way)
        text = way.candidate.text
        if way.up_since is None:
            self.dialer.failed(now, text, subnets)
        elif way.leaving_since is None:
            self.dialer.lost(now, text, now - way.up_since)
        if self._main is None:
            self._trouble = trouble

    def _forget(self, way: _Way) -> None:
        del self._ways[way.number]
        self.watching.dropped(way.leg)
        if self._main is way:
            self._main = None
        for request in way.requests.values():
            for pending in request.carried:
                pending.on.discard(way.number)
                if not pending.on:
                    self._queue.again(pending)

    def _end_the_silent(self, now: float, actions: list[Action]) -> None:
        for way in list(self._ways.values()):
            until, reason = self._ends_at(way)
            if until is not None and until <= now:
                actions.append(Close(way.number))
                self._lost(
                    now, way, Trouble(Stage.RECEIVE if way.up_since is not None else Stage.CONNECT, reason)
                )

    def _ends_at(self, way: _Way) -> tuple[float | None, Reason]:
        if way.up_since is None:
            return way.dialled_at + self.dialer.patience(way.candidate), Reason.TIMED_OUT
        if way.leaving_since is not None:
            return way.leaving_since + LEAVING_MAX, Reason.SILENT
        return way.silent_until(), Reason.SILENT

    def _way_wakes(self, way: _Way, now: float) -> float | None:
        ends, _ = self._ends_at(way)
        asks = self.watching.wake_at(way.leg, now) if way is self._main and way.leg.asking is None else None
        times = [t for t in (ends, asks) if t is not None]
        return min(times, default=None)

    def _heard(self, now: float, number: int) -> _Way | None:
        way = self._ways.get(number)
        if way is not None:
            way.heard_at = now
        return way

    def _report(self, actions: list[Action]) -> None:
        up = self._main.candidate if self._main is not None else None
        slow = self._main is not None and self._main.pace.slow
        report = Report(up, self._trouble if up is None else None, slow)
        if report != self._reported:
            self._reported = report
            actions.append(report)


def is_members_advance(operation: Operation) -> bool:
    """A commit without an admin's proof: a relay takes only one a minute of them (docs/protocol/operations.md)."""
    return isinstance(operation, Append) and operation.advance and operation.admin is None
