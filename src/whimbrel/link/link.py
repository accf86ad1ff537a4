"""The link to one relay: decides what is sent by which way, and when. It touches nothing.

Every submitted operation is answered exactly once, whatever happens to the ways: what has no answer is sent again, in
its old order, on the next way that comes up. That is free, because operations are idempotent.

A way is *dialled* with operations in its first flight; it *is up* when the first sealed answer has come, never before.
One way is the one that counts (`_main`); a better one that comes up takes its place, and the lesser one is left to end
what it carries (*leaving*). When an answer by the main way is later than is usual, the way is *doubted*: others are dialled
beside it with what was not answered, and whoever answers first counts from then on.

Where connections freeze by volume there is no main way: each letter has a way of its own (*short*), which is closed with its
answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from whimbrel.link.cut import Cut
from whimbrel.link.dialer import Dialer
from whimbrel.link.events import (
    Abandon,
    Action,
    Answered,
    Cancelled,
    Close,
    Deliver,
    DeliverRecords,
    Dial,
    Event,
    Heard,
    NetworkChanged,
    PieceCame,
    Reached,
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
from whimbrel.link.letters import TEXTS, Kind, Letter, Letters, Room
from whimbrel.link.memory import Memory
from whimbrel.link.outcomes import Outcome, Outcomes
from whimbrel.link.pattern import Pattern
from whimbrel.link.queue import CatchUp, Pending, Queue, Ticket, answer_size_of, size_of, size_of_answer
from whimbrel.link.subnets import Subnets
from whimbrel.link.trouble import Reason, Stage, Trouble
from whimbrel.link.watching import Leg, Watching
from whimbrel.link.way import PROOF, SUSPECT, TURNS, Request, Way
from whimbrel.link.ways import Candidate, Carries
from whimbrel.wire.answers import Answer, Failure, Status
from whimbrel.wire.cbor import MESSAGE_MAX
from whimbrel.wire.operations import SEALED_CHUNK, Append, Fetch, Get, Operation, Put, Watch

FRAME_MAX = 512 * 1024
"""Bytes of operations in one request, unless one alone is larger."""
OPERATION_MAX = MESSAGE_MAX - 1024
"""Bytes of one operation; a larger one is answered `too-large` here, because no way would carry it."""
FIRST_FLIGHT_MAX = 32 * 1024
"""Bytes of operations sent before anybody has answered: they may travel on several ways at once."""
FIRST_FLIGHT_AGAIN = 4 * 1024
"""And when another way is silent or tried already: what is too much for the network may be what does not get through."""
BATCH_MAX = 64
"""Operations in one request, so that the answers stay small enough too."""
MESSAGES_ASKED = 8
"""Requests with messages under way on a stream; what comes meanwhile goes together in the next."""
MESSAGES_BYTES = 1024 * 1024
MESSAGE_LANES, BULK_LANES = 1, 2
"""Exchanges under way at once, beside the held one."""

LEAVING_MAX = 30.0
"""Seconds that a lesser way has to end what it carries."""
LEAVING_DOUBTED = 1.5
"""And one that owed an answer when another took its place: after that it was frozen."""
DIED = 0.5
"""Seconds without a word after which one of several that are silent at the same time counts as frozen already."""
BUSY_LEAST, BUSY_PAUSE, BUSY_MAX = 0.05, 1.0, 60.0
"""Seconds until an operation is tried again after `busy`: at least, without a time, and at most."""

LOCAL = (Reason.UNREACHABLE, Reason.NAME_FAILED)
"""What went wrong before anything left this network."""

PAGE_BESIDE, PAGE_SHORT = 8, 16
"""Records that are asked for at a time beside a way that is doubted, and where connections freeze."""
LOOK = 2
"""Logs that are looked at beside a way that is doubted: those where something came last."""


class Link:
    """All decisions for one relay. `next` takes what happened and gives what is to be done."""

    def __init__(
        self,
        candidates: Sequence[Candidate],
        *,
        memory: Memory | None = None,
        network: str = "",
        seed: bytes = b"",
        subnets: Subnets | None = None,
    ) -> None:
        """`seed`: random bytes for the spread of waits. `subnets`: counts connections together with other links."""
        known = memory if memory is not None else Memory()
        self.dialer = Dialer(candidates, known, network=network, seed=seed, subnets=subnets)
        self.watching = Watching()
        self.takes_parts = False
        """Whether the relay takes chunks in parts, as its key document says."""
        self._queue = Queue()
        self._ways: dict[int, Way] = {}
        self._main: Way | None = None
        self._last_way = 0
        self._letters = Letters(self._queue, self.watching, self.dialer)
        self.outcomes = Outcomes()
        """How connections went on this network."""
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
        leg = self._main.leg if self._main is not None else self._letters.leg
        return (
            self._up is not None
            and leg is not None
            and self._queue.unanswered == 0
            and self.watching.is_settled(leg)
        )

    @property
    def _up(self) -> Candidate | None:
        if self._main is not None:
            return self._main.candidate
        return self._letters.up if self.dialer.only_short else None

    @property
    def _doubted(self) -> bool:
        return self._main is not None and self._main.doubted_at is not None

    def leaves_at(self, now: float) -> float | None:
        """From when on a message leaves at once, where connections freeze and letters are spread; None: now. What is written until then
        had better go together. Where something waits for that moment already, a message has to wait there with it: whoever comes when it
        is there finds the letter gone."""
        if self._queue.next_message() is not None:
            return None
        if not self.dialer.only_short or (self._main is not None and not self._doubted):
            return None
        if not self.dialer.writes_steadily(now):
            return None  # it goes with the very next letter, whenever that can go
        at = self._letters.opens_at(now)
        return at if at is not None and at > now else None

    # ------------------------------------------------------------------------------- the one entry

    def next(self, now: float, events: Sequence[Event] = ()) -> tuple[list[Action], float | None]:
        """What is to be done now, and when to ask again if nothing happens before (None: only when something does)."""
        actions: list[Action] = []
        for event in events:
            self._take(now, event, actions)
        self._end_the_silent(now, actions)
        self._doubt_the_late(now)
        shortly = self.dialer.only_short and (self._main is None or self._doubted)
        self.watching.page = PAGE_SHORT if self.dialer.only_short else None
        self._fetch_what_is_missing()
        woken = self._queue.wake(now)
        if self._main is not None and not shortly:
            self._serve(now, self._main, actions)
        dial_at = self._dial(
            now, actions
        )  # before letters: an attempt to climb needs its place in the budget
        letters_at = self._serve_shortly(now, shortly, actions)
        self._report(now, actions)
        times = [woken, letters_at, dial_at, *(self._way_wakes(w, now) for w in self._ways.values())]
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
                self.outcomes.forget()
                self.watching.ask_again()  # what was up may hang in the last network
            case Answered():
                self._answered(now, event, actions)
            case PieceCame():
                self._piece_came(now, event, actions)
            case RecordsCame(number, slot, what):
                way = self._heard(now, number, actions, size_of_answer(what))
                if way is not None and way is self._main:
                    self._brought(now, self.watching.pushed(way.leg, now, slot, what), actions)
            case SignalCame(number, slot, body):
                way = self._heard(now, number, actions, len(body))
                if way is not None and way is self._main:
                    actions += self.watching.signalled(way.leg, slot, body)
            case Reached(number, stage):
                reaching = self._ways.get(number)
                if reaching is not None:
                    reaching.has_come_to(now, stage)
            case Heard(number):
                self._heard(now, number, actions, 0)
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
        self.dialer.is_used(now)
        if isinstance(operation, Append):
            self.watching.writes(operation)
            if not operation.advance:
                self.dialer.is_written(now, len(operation.entries))
        if self._main is None:
            self.dialer.nudge(now)

    def _serve(self, now: float, way: Way, actions: list[Action]) -> None:
        """Send by the way that counts whatever it has room for: messages and the watch first, then bulk."""
        if way.leg.asking is not None and self.watching.outdated(way.leg, now):
            actions.append(Abandon(way.number, way.leg.asking))
            del way.requests[way.leg.asking]
            way.lanes -= 1
            self.watching.not_asked(way.leg)
        if way.leg.asking is None and self.watching.is_overtaken(way.leg):
            way.leg = self.watching.leg(held=not way.is_stream)
        while self._has_room(way, bulk=False):
            watch = self.watching.request(way.leg, now) if way.leg.asking is None else None
            if way.suspect and way.is_stream and (watch is not None or way.leg.asking is not None):
                # What is new is to be had before much is said: the same may happen to this way, and soon.
                batch = self._little(again=False) if not way.requests else []
            else:
                batch = self._batch(TEXTS if self.dialer.seen.frozen else FRAME_MAX)
            if watch is not None and (watch.wait > 0 or sum(p.size for p in batch) > FIRST_FLIGHT_MAX):
                self._send(now, way, [], watch, actions)
                watch = None
            if not batch and watch is None:
                break
            self._send(now, way, batch, watch, actions)
        listen_at = way.listen_at()
        if listen_at is not None and listen_at <= now and self.dialer.is_active(now):
            way.suspect = max(0, way.suspect - 1)
            self._send(now, way, [], None, actions)  # whoever lives answers nothing with nothing
        if way.doubted_at is None:
            self._serve_bulk(now, way, actions)

    def _serve_bulk(self, now: float, way: Way, actions: list[Action]) -> None:
        while (chunk := self._queue.next_bulk()) is not None:
            requests, size = way.under_way(bulk=True)
            most = way.pace.part if not way.candidate.near else SEALED_CHUNK
            more = chunk.size if not self._in_parts(chunk, most) else most
            if requests and (size + more > way.pace.window if way.is_stream else requests >= BULK_LANES):
                return
            self._send_bulk(now, way, chunk, most, actions)

    def _in_parts(self, chunk: Pending, most: int) -> bool:
        return chunk.cut is not None or (self.takes_parts and most < chunk.size - 512 and most < SEALED_CHUNK)

    def _send_bulk(self, now: float, way: Way, chunk: Pending, most: int, actions: list[Action]) -> None:
        if not self._in_parts(chunk, most):
            self._queue.take(chunk)
            self._send(now, way, [chunk], None, actions)
            return
        part = self._next_part(chunk, most)
        if part is None:
            return
        way.last_n += 1
        request, operation = part
        request.sent_at = now
        way.requests[way.last_n] = request
        self._count_lanes(now, way)
        actions.append(Send(way.number, way.last_n, (operation,)))

    def _next_part(self, chunk: Pending, most: int) -> tuple[Request, Operation] | None:
        """The next part of a chunk, as a request; the chunk waits no more when all of it is under way."""
        assert isinstance(chunk.operation, Put | Get)
        if chunk.cut is None:
            chunk.cut = Cut(chunk.operation)
        taken = chunk.cut.take(most)
        if not chunk.cut.left:
            self._queue.take(chunk)
        if taken is None:
            return None
        piece, operation = taken
        size = max(size_of(operation), answer_size_of(operation))
        return Request([chunk], None, 0.0, size, True, piece), operation

    def _little(self, again: bool) -> list[Pending]:
        """What waits until there is much of it, in order, and all that the link itself wants to have: nothing has to come before that.
        `again`: also what other ways carry already, but for what an attempt asked for in vain so far: the answer to it may be what does not
        get through, and no attempt with it would ever come up."""
        batch: list[Pending] = []
        size = 0
        for pending in self._queue.open_messages():
            if not (pending.waiting or again):
                continue
            catches_up = isinstance(pending.purpose, CatchUp)
            if catches_up and any(n in self._ways and self._ways[n].up_since is None for n in pending.on):
                continue
            size += 0 if catches_up else pending.size
            if (size <= FIRST_FLIGHT_AGAIN or catches_up) and len(batch) < BATCH_MAX:
                self._queue.take(pending)
                batch.append(pending)
        return batch

    def _has_room(self, way: Way, bulk: bool) -> bool:
        requests, size = way.under_way(bulk)
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
        self, now: float, way: Way, batch: list[Pending], watch: Watch | None, actions: list[Action]
    ) -> None:
        way.last_n += 1
        operations = self._carry(now, way, way.last_n, batch, watch)
        self._count_lanes(now, way)
        actions.append(Send(way.number, way.last_n, operations))

    def _count_lanes(self, now: float, way: Way) -> None:
        """Exchanges under way at the same time have a connection each."""
        if not way.is_stream and len(way.requests) > way.lanes:
            way.lanes += 1
            self.dialer.opened(now, way.candidate.text)

    def _carry(
        self, now: float, way: Way, n: int, batch: list[Pending], watch: Watch | None
    ) -> tuple[Operation, ...]:
        """Note down what request `n` carries."""
        operations: list[Operation] = [p.operation for p in batch]
        size = sum(p.size for p in batch)
        if watch is not None:
            operations.append(watch)
            size += size_of(watch)
            way.ask(n)
        for pending in batch:
            pending.on.add(way.number)
        bulk = any(p.bulk for p in batch)
        at = len(batch) if watch is not None else None
        way.requests[n] = Request(list(batch), at, now, size, bulk)
        return tuple(operations)

    def _fetch_what_is_missing(self) -> None:
        for slot, fetch in self.watching.to_fetch():
            self._queue.add(CatchUp(slot), fetch)

    # ------------------------------------------------------------------------------- answers

    def _answered(self, now: float, event: Answered, actions: list[Action]) -> None:
        size = sum(size_of_answer(answer) for answer in event.answers)
        way = self._heard(now, event.way, actions, size)
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
        letter = self._letter_of(way)
        if letter is not None:
            way.requests[event.n] = request
            self._short_came_up(now, way, letter, event.subnets, actions)
            way.requests.clear()
        elif way.up_since is None:
            self._came_up(now, way, event.subnets, actions)
        else:
            way.pace.answered(now, request.sent_at, request.size, request.bulk)
            if not request.bulk and request.watch_at is None:
                way.pace.small_answered(now - request.sent_at)
        way.carried += request.size
        self.dialer.works(now)
        if not way.is_short and not way.candidate.near:
            self.dialer.seen.carried(way.carried, way.messages)
        if way.proving is not None:
            self._prove(now, way, actions)
        for pending, answer in zip(request.carried, event.answers, strict=False):
            pending.on.discard(letter.number if letter is not None else way.number)
            self._settle(now, pending, answer, request, actions)
        if request.watch_at is not None and way.asking == event.n:
            way.leg.asking = None
            answer = event.answers[request.watch_at]
            first = way is self._main or way.leg is self._letters.leg
            self._brought(now, self.watching.answered(way.leg, now, answer, first=first), actions)
        if letter is not None:
            request.carried.clear()
            self._give_up(letter, actions)
            self._close_the_needless(actions)
        if letter is not None or way.leaving_since is not None:
            self._close_if_done(way, actions)

    def _settle(
        self, now: float, pending: Pending, answer: Answer, request: Request, actions: list[Action]
    ) -> None:
        """Deliver the answer, unless it was delivered before or the relay was only busy. That there are too many advances
        by members is told: nothing can be written as long as such a commit waits, and it can be made again later."""
        if pending.done:
            return
        nowhere_else = not pending.on and not pending.waiting
        is_told = is_members_advance(pending.operation) and nowhere_else
        if not is_told and isinstance(answer, Failure) and answer.status is Status.BUSY:
            pause = float(answer.retry_after) if answer.retry_after is not None else BUSY_PAUSE
            if request.piece is not None and pending.cut is not None:
                pending.cut.lost(request.piece)
                nowhere_else = True
            if nowhere_else:
                self._queue.put_off(pending, now + min(max(pause, BUSY_LEAST), BUSY_MAX))
            return
        if request.piece is not None and pending.cut is not None:
            whole = pending.cut.answered(request.piece, answer)
            if whole is None:
                if pending.cut.left:
                    self._queue.again(pending)
                return
            answer = whole
        self._queue.finish(pending)
        if isinstance(pending.operation, Append) and isinstance(answer, Failure):
            self.watching.has_not_written(pending.operation)
        match pending.purpose:
            case Ticket(number):
                actions.append(Deliver(number, answer))
            case CatchUp(slot):
                assert isinstance(pending.operation, Fetch)
                self._brought(now, self.watching.fetched(slot, pending.operation, answer), actions)

    def _brought(self, now: float, news: Sequence[DeliverRecords], actions: list[Action]) -> None:
        """Records for the owner. Somebody who is written to is there."""
        if any(not isinstance(n.what, Failure) and n.what.records for n in news):
            self.dialer.is_used(now)
        actions += news

    # ------------------------------------------------------------------------------- doubt

    def _doubt_the_late(self, now: float) -> None:
        """The main way owes an answer for longer than is usual: what it carries goes by others, too."""
        way = self._main
        if way is None or way.doubted_at is not None:
            return
        late_at = way.late_at()
        if late_at is not None and late_at <= now:
            way.doubted_at = now
            if self.dialer.only_short:
                self._carry_again(way)

    def _trust_again(self, way: Way, actions: list[Action]) -> None:
        """It only was slow. What was dialled beside it is not needed, unless it is better."""
        way.doubted_at = None
        for other in list(self._ways.values()):
            if other.up_since is None and not other.is_short and other.candidate.cost >= way.candidate.cost:
                self._withdraw(other, actions)

    def _withdraw(self, way: Way, actions: list[Action]) -> None:
        self.dialer.withdrawn(way.heard_at, way.candidate.text)
        actions.append(Close(way.number))
        self._forget(way)

    def _carry_again(self, way: Way) -> None:
        """What a way carries waits again, to go by another one, too."""
        for request in way.requests.values():
            for pending in request.carried:
                if request.left_to_others:
                    continue
                if request.piece is not None and pending.cut is not None and not pending.done:
                    pending.cut.lost(request.piece)
                    request.left_to_others = True
                if not pending.on & self._letters.under_way.keys():
                    self._queue.again(pending)

    # ------------------------------------------------------------------------------- short letters

    def _serve_shortly(self, now: float, shortly: bool, actions: list[Action]) -> float | None:
        """Where connections freeze: letters, each by a way of its own; when to look again."""
        if not shortly:
            if self._letters.leg is not None:
                self._letters.leave()
            return None
        if self._letters.leg is None:
            for way in self._ways.values():
                if not way.is_short:
                    self._carry_again(way)  # what streams carry that have not answered goes by letters, too

        def begin(
            kind: Kind, candidate: Candidate, batch: list[Pending], watch: Watch | None, room: tuple[int, int]
        ) -> None:
            held = next((x for x in self._letters.under_way.values() if x.kind is Kind.HELD), None)
            if held is not None and watch is not None:
                self._give_up(held, actions)
            for pending in batch:
                self._queue.take(pending)
            leg = self._letters.leg
            assert leg is not None
            way = self._new_way(now, candidate, leg)
            page = self._letters.page(batch, room)
            operations = [
                replace(o, limit=min(o.limit, page)) if isinstance(o, Fetch) else o
                for o in self._carry(now, way, 0, batch, watch)
            ]
            letter = Letter(way.number, kind, way.requests[0], room)
            self._post(now, way, letter, tuple(operations), actions)

        def go_on(letter: Letter, candidate: Candidate) -> None:
            leg = self._letters.leg
            assert leg is not None
            way = self._new_way(now, candidate, leg)
            way.requests[0] = letter.request
            self._post(now, way, letter, (), actions)

        def part(candidate: Candidate, put: Room, get: Room) -> None:
            chunk = self._queue.next_bulk()
            assert chunk is not None
            there, back, most = put if isinstance(chunk.operation, Put) else get
            found = self._next_part(chunk, most)
            if found is None:
                return
            way = self._new_way(now, candidate, self.watching.leg(held=True))
            way.requests[0], operation = found
            way.requests[0].sent_at = now
            letter = Letter(way.number, Kind.BULK, way.requests[0], (there, back))
            self._post(now, way, letter, (operation,), actions)

        return self._letters.serve(now, self._doubted, begin, go_on, part)

    def _new_way(self, now: float, candidate: Candidate, leg: Leg) -> Way:
        self._last_way += 1
        way = Way.to(self._last_way, candidate, leg, now)
        self._ways[way.number] = way
        return way

    def _post(
        self, now: float, way: Way, letter: Letter, operations: tuple[Operation, ...], actions: list[Action]
    ) -> None:
        way.letter = letter.number
        self._letters.carried(letter, way.number, way.candidate, now)
        continues = letter.number if letter.number != way.number else None
        actions.append(Dial(way.number, way.candidate, operations, continues, letter.room))

    def _letter_of(self, way: Way) -> Letter | None:
        return self._letters.under_way.get(way.letter) if way.letter is not None else None

    def _piece_came(self, now: float, event: PieceCame, actions: list[Action]) -> None:
        """A connection has done its part of a letter; it takes so many more."""
        way = self._heard(now, event.way, actions, 0)
        letter = self._letter_of(way) if way is not None else None
        if way is None or letter is None:
            return
        self._short_came_up(now, way, letter, event.subnets, actions)
        letter.left = event.left
        way.requests.clear()
        self._close_if_done(way, actions)
        if self._letters.leg is None and not letter.ways:
            self._give_up(letter, actions)

    def _short_came_up(
        self, now: float, way: Way, letter: Letter, subnets: tuple[str, ...], actions: list[Action]
    ) -> None:
        way.up_since = now
        self.dialer.came_up(now, way.candidate.text, subnets)
        self._noted(now, way)
        self._letters.came_back(now, letter, way.number, way.only_holds)
        late = self._letters.late_after(letter.room)
        for other in self._ways.values():
            if other.is_short and not other.only_holds and other.dialled_at < way.dialled_at - late:
                self.dialer.beaten(now, other.candidate.text)
        main = self._main
        if main is not None and self._doubted:
            self._main = None
            self._leave(now, main, actions)

    def _give_up(self, letter: Letter, actions: list[Action]) -> None:
        """Nothing of a letter is waited for any more; what it carried waits again, unless it was answered."""
        self._letters.gone(letter)
        for number in letter.ways:
            way = self._ways.pop(number)
            self.dialer.withdrawn(way.heard_at, way.candidate.text)
            actions.append(Close(number))
        self._unsay(letter)

    def _unsay(self, letter: Letter) -> None:
        leg = self._letters.leg
        if leg is not None and leg.asking == letter.number:
            self.watching.dropped(leg)
            self.watching.not_asked(leg)
        self._wait_again(letter.number, letter.request)

    def _close_the_needless(self, actions: list[Action]) -> None:
        """Letters with what has been answered by another one. One that asks for what is new, too, is let be, unless it takes more pieces."""
        leg = self._letters.leg
        for letter in list(self._letters.under_way.values()):
            asks = (
                leg is not None
                and leg.asking == letter.number
                and not (letter.begun and letter.request.carried)
            )
            if letter.kind is Kind.TEXT and not asks and all(p.done for p in letter.request.carried):
                self._give_up(letter, actions)

    # ------------------------------------------------------------------------------- ways

    def _dial(self, now: float, actions: list[Action]) -> float | None:
        if self.dialer.only_short and self._letters.get_through and (self._up is None or self._doubted):
            return None  # letters go instead
        bulk = self._queue.next_bulk() is not None
        chosen, wake_at = self.dialer.choose(now, self._up, self._doubted, bulk)
        if chosen and self._doubted:
            self.watching.page = PAGE_BESIDE
            for slot, fetch in self.watching.look(LOOK):  # what it would have brought comes by the other
                self._queue.add(CatchUp(slot), fetch)
        for candidate in chosen:
            leg = self.watching.leg(held=candidate.carries is Carries.EXCHANGE)
            way = self._new_way(now, candidate, leg)
            # The watch goes with one attempt at a time: the relay tells whoever used a set's handle last.
            alone = self._up is None and all(w.leg.asking is None for w in self._ways.values())
            watch = self.watching.request(leg, now) if alone else None
            hoped_for = self._up is None or self._doubted
            batch: list[Pending] = []
            if hoped_for and (self._doubted or len(self._ways) > 1):
                batch = self._little(again=True)
            elif hoped_for:
                batch = self._open_batch(TEXTS if self.dialer.seen.frozen else FIRST_FLIGHT_MAX)
            operations = self._carry(now, way, 0, batch, watch)
            actions.append(Dial(way.number, candidate, operations))
        return wake_at

    def _open_batch(self, room: int) -> list[Pending]:
        """What an attempt carries already: messages that wait, also those that other attempts carry in vain so far."""
        batch: list[Pending] = []
        size = 0
        for pending in self._queue.open_messages():
            size += pending.size + answer_size_of(pending.operation)
            full = (batch and size > room) or size > FIRST_FLIGHT_MAX or len(batch) == BATCH_MAX
            if full:
                break
            self._queue.take(pending)
            batch.append(pending)
        return batch

    def _came_up(self, now: float, way: Way, subnets: tuple[str, ...], actions: list[Action]) -> None:
        """The first sealed answer: from now on this way counts, unless a better one does already."""
        way.up_since = now
        self._noted(now, way)
        sluggish = self._main is not None and not self._doubted and self.dialer.is_late(now, way.dialled_at)
        self.dialer.came_up(now, way.candidate.text, subnets)
        if sluggish:  # a way that is fine is not left for one that took so long
            self.dialer.went_silent(now, way.candidate.text, 0.0)
            self._leave(now, way, actions)
            return
        way.pace.opened(now - way.dialled_at, TURNS[way.candidate.carries])
        silent = [
            w.carried for w in self._ways.values() if w.doubted_at is not None and now - w.heard_at > DIED
        ]
        froze = not self.dialer.only_short and self.dialer.seen.died_young(now, silent)
        if self.dialer.only_short and (froze or self._letters.up is not None):
            way.proving = PROOF
        else:
            self._takes_over(now, way, actions)

    def _prove(self, now: float, way: Way, actions: list[Action]) -> None:
        """Where connections freeze, one that is tried is asked small things until more packets have passed than would. Whether
        more bytes do, too, shows with what it carries then: until it has carried much, letters stand by."""
        assert way.proving is not None
        if way.proving > 0:
            way.proving -= 1
            self._send(now, way, [], None, actions)
            return
        way.proving = None
        self.dialer.held(now)
        self._takes_over(now, way, actions)

    def _takes_over(self, now: float, way: Way, actions: list[Action]) -> None:
        old, self._main = self._main, way
        if old is not None:
            if old.doubted_at is not None:
                way.suspect = SUSPECT
            self._leave(now, old, actions)
        for other in list(self._ways.values()):
            if other.up_since is None and not other.is_short and other.candidate.cost >= way.candidate.cost:
                self._withdraw(other, actions)
        asking = self._letters.leg.asking if self._letters.leg is not None else None
        for letter in list(self._letters.under_way.values()):
            # One with the watch could come after this way's, and the relay tells whoever asked last.
            if letter.kind is Kind.HELD or not letter.ways or letter.number == asking:
                self._give_up(letter, actions)
        if way.leg.asking is None:
            way.leg = self.watching.leg(held=not way.is_stream)
        hoping = [r for w in self._ways.values() if w.up_since is None for r in w.requests.values()]
        for pending in (p for r in hoping if r.piece is None for p in r.carried if way.number not in p.on):
            self._queue.again(pending)

    def _leave(self, now: float, way: Way, actions: list[Action]) -> None:
        """Another way takes its place: end what this one carries, then close it. What one that is doubted carries is carried
        by the other, too."""
        self.watching.dropped(way.leg)
        asking = way.asking
        if asking in way.requests and not way.requests[asking].carried:
            actions.append(Abandon(way.number, asking))
            del way.requests[asking]
            way.leg.asking = None
        way.leaving_since = now
        if way.doubted_at is not None:
            self._carry_again(way)
        self._close_if_done(way, actions)

    def _close_if_done(self, way: Way, actions: list[Action]) -> None:
        if way.requests or way.number not in self._ways:
            return
        if way.doubted_at is not None and way.leaving_since is not None and way.is_stream:
            return  # whether it says something yet tells one that is slow from one that froze
        actions.append(Close(way.number))
        del self._ways[way.number]

    def _returns(self, now: float, way: Way, actions: list[Action]) -> None:
        """A way that was doubted and left answers after all, and is the better one: it counts again."""
        way.leaving_since = way.doubted_at = None
        way.leg = self.watching.leg(held=not way.is_stream)
        old, self._main = self._main, way
        if old is not None:
            self._leave(now, old, actions)

    def _lost(self, now: float, way: Way, trouble: Trouble, subnets: tuple[str, ...] = ()) -> None:
        """A way is gone, or never came up: what it carried waits again."""
        self._noted(now, way, trouble)
        hung = trouble.reason is Reason.TIMED_OUT
        text = way.candidate.text
        letter = self._letter_of(way)
        if letter is not None:
            del self._ways[way.number]
            self.dialer.failed(now, text, subnets, hung=hung, local=trouble.reason in LOCAL)
            gone = self._letters.lost(letter, way.number, hung)
            if not gone and self._letters.leg is None and not letter.ways:
                self._letters.gone(letter)  # nobody goes on with letters any more
                gone = True
            if gone:
                self._unsay(letter)
            if self._up is None:
                self._trouble = trouble
            return
        self._forget(way)
        if way.is_short or way.up_since is None:
            self.dialer.failed(now, text, subnets, hung=hung, local=trouble.reason in LOCAL)
        elif way.proving is not None:
            self.dialer.went_silent(now, text, 0.0)
        elif way.leaving_since is None:
            self.dialer.lost(now, text, now - way.up_since)
        elif way.doubted_at is not None and trouble.reason is Reason.SILENT:
            self.dialer.seen.went_silent(now, way.carried)
            self.dialer.went_silent(now, text, way.doubted_at - way.up_since)
        if self._up is None:
            self._trouble = trouble

    def _noted(self, now: float, way: Way, trouble: Trouble | None = None) -> None:
        """For the diagnosis: it came up, or is over."""
        to = way.candidate
        if not to.near:
            self.outcomes.add(
                Outcome(now, to.text, to.place, to.subnet, to.kind, trouble, way.carried, way.connected_in)
            )

    def _forget(self, way: Way) -> None:
        del self._ways[way.number]
        self.watching.dropped(way.leg)
        if self._main is way:
            self._main = None
        for request in way.requests.values():
            self._wait_again(way.number, request)

    def _wait_again(self, number: int, request: Request) -> None:
        """What a way or a letter carried waits again, if nothing else carries it."""
        for pending in request.carried:
            pending.on.discard(number)
            if request.left_to_others:
                continue
            if request.piece is not None and pending.cut is not None and not pending.done:
                pending.cut.lost(request.piece)
                self._queue.again(pending)
            elif not pending.on:
                self._queue.again(pending)

    def _end_the_silent(self, now: float, actions: list[Action]) -> None:
        for way in list(self._ways.values()):
            until, reason = self._ends_at(way)
            if until is not None and until <= now:
                actions.append(Close(way.number))
                stage = Stage.RECEIVE if way.up_since is not None else way.stage
                self._lost(now, way, Trouble(stage, reason))

    def _ends_at(self, way: Way) -> tuple[float | None, Reason]:
        if way.is_short:
            return way.silent_until(), Reason.TIMED_OUT
        if way.up_since is None:
            return way.dialled_at + self.dialer.patience(way.candidate), Reason.TIMED_OUT
        if way.proving is not None:
            return way.fails_proof_at(), Reason.SILENT
        if way.leaving_since is not None:
            most = LEAVING_DOUBTED if way.doubted_at is not None else LEAVING_MAX
            return way.leaving_since + most, Reason.SILENT
        return way.silent_until(), Reason.SILENT

    def _way_wakes(self, way: Way, now: float) -> float | None:
        ends, _ = self._ends_at(way)
        times = [ends]
        if way is self._main:
            if way.leg.asking is None:
                times.append(self.watching.wake_at(way.leg, now))
            if way.doubted_at is None:
                times.append(way.late_at())
            if self.dialer.is_active(now):
                times.append(way.listen_at())
        return min((t for t in times if t is not None), default=None)

    def _heard(self, now: float, number: int, actions: list[Action], size: int) -> Way | None:
        way = self._ways.get(number)
        if way is None:
            return None
        way.came(now, size)
        way.heard_at = now
        if way.doubted_at is not None:
            if way is self._main:
                self._trust_again(way, actions)
            elif self._main is None or way.candidate.cost < self._main.candidate.cost:
                self._returns(now, way, actions)
            else:
                way.doubted_at = None
                self._close_if_done(way, actions)
        return way

    def _report(self, now: float, actions: list[Action]) -> None:
        up = self._up
        slow = self._main is not None and self._main.pace.slow
        seen = self.dialer.seen.word(now)
        if seen is None and slow:
            seen = Pattern.SLOW
        pattern = seen.value if seen is not None else None
        report = Report(up, self._trouble if up is None else None, slow, pattern)
        if report != self._reported:
            self._reported = report
            actions.append(report)


def is_members_advance(operation: Operation) -> bool:
    """A commit without an admin's proof: a relay takes only one a minute of them (docs/protocol/operations.md)."""
    return isinstance(operation, Append) and operation.advance and operation.admin is None
