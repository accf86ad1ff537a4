"""The one async shell over link and transports: it moves bytes and timers, and decides nothing.

What happens (a submitted operation, an answer, a way that is gone) becomes an event; `Link.next` says what is to be
done; this module does it. Each way has a task of its own with one reader and one sender.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Protocol

from whimbrel.chat.relays import bridges_path
from whimbrel.link.events import (
    Abandon,
    Action,
    Answered,
    Cancelled,
    Close,
    Deliver,
    DeliverRecords,
    DeliverSignal,
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
from whimbrel.link.keys import Keys
from whimbrel.link.letters import MORE
from whimbrel.link.link import Link
from whimbrel.link.memory import Memory
from whimbrel.link.outcomes import FOR, Outcome
from whimbrel.link.pattern import Pattern
from whimbrel.link.session import Came, LetterSession, StreamSession
from whimbrel.link.subnets import Subnets
from whimbrel.link.trouble import Reason, Stage, Trouble
from whimbrel.link.variants import variants
from whimbrel.link.ways import Candidate, Carries
from whimbrel.transports.errors import TransportError
from whimbrel.transports.registry import Opener
from whimbrel.transports.stream import Exchange, MessageStream
from whimbrel.wire import streams
from whimbrel.wire.answers import Answer, Failure, Fetched, Pushed, Signalled
from whimbrel.wire.codec import encode_operation
from whimbrel.wire.errors import BadSignature, WireError
from whimbrel.wire.keydoc import Feature
from whimbrel.wire.operations import Fetch, Operation, WatchItem
from whimbrel.wire.pieces import LETTER_ID, Later, Outgoing, Sending
from whimbrel.wire.routes import Route

PING_EVERY = 25.0
"""Seconds of silence after which a stream says something: many forget a connection after 30 s or more."""
PONG_WITHIN = 5.0
"""Seconds until it asks again, and is gone if nothing has come back."""
SEED = 16
LETTERS_KEPT = 16
"""Letters in pieces of which what is known is kept: more are never under way, and of one given up nothing is needed."""


class Opening(Protocol):
    """What opens ways: `transports.registry.Opener`, or one in memory."""

    def candidate(self, route: Route) -> Candidate | None:
        """The route as the dialer sees it; None when it cannot be used."""

    async def open_stream(
        self, route: Route, reached: Callable[[Stage], None]
    ) -> tuple[MessageStream, tuple[str, ...]]:
        """A stream of messages, and one subnet for each connection tried. `reached` is told how far it has come. Raises TransportError."""

    def open_exchange(self, route: Route, reached: Callable[[Stage], None]) -> Exchange:
        """An exchange; it connects with the first letter."""


@dataclass(frozen=True, slots=True)
class LinkState:
    """How the connection stands, for a person: `route` is the way that is up (None: none is), `since` Unix seconds,
    `trouble` a sentence about why none is, as far as it is known, and `code` a word for it. `slow`: what one writes
    waits for seconds. `pattern`: what the network seems to do to connections, in a word (`link.pattern.Pattern`)."""

    up: bool
    route: str | None
    since: float
    trouble: str | None
    code: str | None = None
    slow: bool = False
    pattern: str | None = None


@dataclass(slots=True, eq=False)
class _Way:
    """What runs for one way: its task, and what waits to be sent by it."""

    number: int
    route: Route
    task: asyncio.Task[None] | None = None
    session: StreamSession | None = None
    outgoing: asyncio.Queue[bytes] = field(default_factory=asyncio.Queue)
    letters: asyncio.Queue[tuple[int, tuple[Operation, ...]]] | None = None
    lanes: dict[int, asyncio.Task[None]] = field(default_factory=dict)


@dataclass(slots=True, eq=False)
class _Letter:
    """A letter that goes in pieces, each by a way of its own."""

    session: LetterSession
    sending: Sending
    room: tuple[int, int]
    under_way: list[Outgoing] = field(default_factory=list)


class RelayConnection:
    """A connection to one relay over any of its ways. `submit` and the rest may be used before `run` has begun."""

    def __init__(
        self,
        identity: bytes,
        routes: Iterable[Route],
        *,
        load_document: Callable[[bytes], bytes | None] = lambda identity: None,
        save_document: Callable[[bytes, bytes], None] = lambda identity, document: None,
        on_records: Callable[[int, Fetched | Failure], None] = lambda slot, what: None,
        on_signal: Callable[[int, bytes], None] = lambda slot, body: None,
        on_state: Callable[[LinkState], None] = lambda state: None,
        opening: Opening | None = None,
        memory: object = None,
        network: str = "",
        subnets: Subnets | None = None,
        draw: Callable[[int], bytes] = os.urandom,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        """`identity`: the relay's, 32 bytes. Documents are kept by identity, through the callbacks. `memory`: what
        `memory_value` gave when this network was last used; `network`: a name for it. `subnets`: where this program counts connections."""
        self.identity = identity
        self._opening: Opening = opening if opening is not None else Opener()
        self._routes: dict[str, Route] = {}
        self._keys = Keys(
            identity, load_document(identity), lambda document: save_document(identity, document)
        )
        self._on_records = on_records
        self._on_signal = on_signal
        self._on_state = on_state
        self._draw = draw
        self._wall_clock = wall_clock
        self._memory = Memory.from_value(memory)
        self._link = Link(
            self._candidates(routes), memory=self._memory, network=network, seed=draw(SEED), subnets=subnets
        )
        self._ways: dict[int, _Way] = {}
        self._letters: dict[int, _Letter] = {}
        self._events: list[Event] = []
        self._awake = asyncio.Event()
        self._tickets = 0
        self._futures: dict[int, asyncio.Future[Answer]] = {}
        self._settling: set[asyncio.Future[bool]] = set()
        self._over = False
        self.state = LinkState(False, None, wall_clock(), None)

    # ------------------------------------------------------------------------------- for its owner

    async def run(self) -> None:
        """Keep a way up and do what is asked, until cancelled. Futures without an answer are cancelled then."""
        loop = asyncio.get_running_loop()
        woken_for = loop.time()
        try:
            async with asyncio.TaskGroup() as group:
                while True:
                    events, self._events = self._events, []
                    self._link.takes_parts = self._relay_has(Feature.PARTS)
                    # A loop may call a little before the time (its clock has a resolution): then it counts as come.
                    actions, wake_at = self._link.next(max(loop.time(), woken_for), events)
                    for action in actions:
                        self._perform(action, group)
                    if not self._events and self._link.is_settled:
                        self._tell(True)
                    if await self._sleep(wake_at):
                        woken_for = wake_at if wake_at is not None else woken_for
        finally:
            self._over = True
            for future in list(self._futures.values()):
                future.cancel()
            self._futures.clear()
            self._tell(False)

    def submit(self, operation: Operation, *, urgent: bool = False) -> asyncio.Future[Answer]:
        """Run an operation: the future gets its one answer, however long that takes and over however many ways.

        Cancel the future to give it up. What cannot be encoded raises here, where its fault is, and not in `run`.
        """
        if self._over:
            raise RuntimeError("this connection has ended")
        encode_operation(operation)
        self._tickets += 1
        ticket = self._tickets
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._futures[ticket] = future
        future.add_done_callback(lambda done: self._given_up(ticket) if done.cancelled() else None)
        self._happened(Submitted(ticket, operation, urgent))
        return future

    def watch(self, items: Mapping[int, WatchItem]) -> None:
        """Watch these logs, by slot, and nothing else. A slot that was watched for the same log goes on where the link
        is, or from `after` where that is further on: `on_records` never brings a record twice. See `reposition`."""
        self._happened(WatchSet(dict(items)))

    def reposition(self, slot: int, after: int) -> None:
        """Watch a slot from `after` on, whatever was delivered before. Also wakes a slot that ended with a failure."""
        self._happened(Repositioned(slot, after))

    async def settle(self, timeout: float) -> bool:
        """Wait until a way is up, nothing is unanswered and every watched log was answered on it. False: not in time."""
        settled: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._settling.add(settled)
        self._awake.set()
        try:
            async with asyncio.timeout(timeout):
                return await settled
        except TimeoutError:
            return False
        finally:
            self._settling.discard(settled)

    def set_routes(self, routes: Iterable[Route]) -> None:
        """The ways to this relay that are known now. One that is up stays up."""
        self._happened(RoutesChanged(self._candidates(routes)))

    def network_changed(self, network: str = "") -> None:
        """This computer is on another network, or online again: try at once."""
        self._happened(NetworkChanged(network))

    def cursor(self, slot: int) -> int | None:
        """Up to where a slot's records were delivered; None when it is not watched."""
        return self._link.watching.cursor(slot)

    @property
    def leaves_in(self) -> float:
        """Seconds until a message would leave, where letters are spread over the minute: until then it had better wait for company."""
        if any(isinstance(event, Submitted) for event in self._events):
            return 0.0  # there is company
        now = asyncio.get_running_loop().time()
        at = self._link.leaves_at(now)
        return at - now if at is not None else 0.0

    @property
    def unanswered(self) -> int:
        """How many submitted operations wait for their answer."""
        return len(self._futures)

    @property
    def memory_value(self) -> list[list[object]]:
        """What worked on which network, to be kept and given again: arrays, texts and small numbers."""
        return self._memory.value()

    # ------------------------------------------------------------------------------- for who looks at the network

    @property
    def outcomes(self) -> tuple[Outcome, ...]:
        """How connections went lately on this network, the oldest first."""
        since = asyncio.get_running_loop().time() - FOR
        return tuple(
            replace(one, bridge=self._leads_to_a_bridge(one.way)) for one in self._link.outcomes.since(since)
        )

    def noted(self, outcome: Outcome) -> None:
        """One more connection, made to find out about the network."""
        self._link.outcomes.add(outcome)

    @property
    def seen(self) -> tuple[bool, bool]:
        """Whether the link takes connections here to freeze by volume, and to be policed."""
        seen = self._link.dialer.seen
        word = seen.word(asyncio.get_running_loop().time())
        return seen.frozen, word is Pattern.POLICED

    def ways(self) -> tuple[tuple[Route, Candidate], ...]:
        """All that can be dialled: routes and what is made of them."""
        return tuple((self._routes[one.text], one) for one in self._link.dialer.candidates)

    def room_in(self, candidate: Candidate, spare: int = 0) -> float:
        """Seconds until one more connection may be made there, with so many left for what is needed."""
        now = asyncio.get_running_loop().time()
        return self._link.dialer.room_at(candidate, now, spare) - now

    def opened(self, candidate: Candidate) -> None:
        """Such a connection is being made."""
        self._link.dialer.opened(asyncio.get_running_loop().time(), candidate.text)

    def session(self) -> StreamSession:
        """The sealed side of a stream of its own, which says nothing at first."""
        return StreamSession(self._keys, (), self._draw)

    def readable(self) -> tuple[Fetch, ...]:
        """How to ask anew for what is watched: answers that are known already, and may be long."""
        return self._link.watching.all_again()

    def _leads_to_a_bridge(self, way: str) -> bool:
        route = self._routes.get(way)
        return route is not None and bridges_path(route) is not None

    # ------------------------------------------------------------------------------- events in

    def _happened(self, event: Event) -> None:
        self._events.append(event)
        self._awake.set()

    def _given_up(self, ticket: int) -> None:
        if self._futures.pop(ticket, None) is not None:
            self._happened(Cancelled(ticket))

    async def _sleep(self, wake_at: float | None) -> bool:
        """Until something happens or `wake_at`; at least one round of the loop, so that what comes together goes together.
        True: the time has come."""
        await asyncio.sleep(0)
        timed_out = False
        if not self._events:
            try:
                async with asyncio.timeout_at(wake_at):
                    await self._awake.wait()
            except TimeoutError:
                timed_out = True
        self._awake.clear()
        return timed_out

    def _candidates(self, routes: Iterable[Route]) -> tuple[Candidate, ...]:
        found = variants(routes, self._opening.candidate)
        self._routes.update((text, route) for text, (route, _) in found.items())
        return tuple(candidate for _, candidate in found.values())

    def _relay_has(self, feature: Feature) -> bool:
        return self._keys.document is not None and self._keys.document.can(feature)

    # ------------------------------------------------------------------------------- actions out

    def _perform(self, action: Action, group: asyncio.TaskGroup) -> None:
        match action:
            case Dial(number, candidate, operations, continues, room):
                way = _Way(number, self._routes[candidate.text])
                self._ways[number] = way
                if room is not None:
                    life = self._live_for_a_letter(way, operations, continues, room)
                elif candidate.carries is Carries.STREAM:
                    life = self._live_as_stream(way, operations)
                else:
                    life = self._live_as_exchange(way, operations)
                way.task = group.create_task(life)
            case Send(number, n, operations):
                self._send(self._ways[number], n, operations)
            case Abandon(number, n):
                lane = self._ways[number].lanes.get(n) if number in self._ways else None
                if lane is not None:
                    lane.cancel()
            case Close(number):
                closed = self._ways.pop(number, None)
                if closed is not None and closed.task is not None:
                    closed.task.cancel()
            case Deliver(ticket, answer):
                future = self._futures.pop(ticket, None)
                if future is not None and not future.done():
                    future.set_result(answer)
            case DeliverRecords(slot, what):
                self._on_records(slot, what)
            case DeliverSignal(slot, body):
                self._on_signal(slot, body)
            case Report():
                self._report(action)

    def clock_is_off(self) -> bool:
        """Whether this computer's clock and the relay's are a day or more apart; asked while a way is up."""
        return self.state.up and self._keys.disagree_with(self._wall_clock())

    def _send(self, way: _Way, n: int, operations: tuple[Operation, ...]) -> None:
        if way.letters is not None:
            way.letters.put_nowait((n, operations))
        elif way.session is not None:
            try:
                way.outgoing.put_nowait(way.session.request(n, operations))
            except WireError:
                pass  # the stream has just failed; its own task says so

    def _report(self, report: Report) -> None:
        route = report.up.text if report.up is not None else None
        trouble = report.trouble
        if route is None and not self._routes:
            trouble = Trouble(Stage.CONNECT, Reason.UNKNOWN_WAY)
        words, code = (trouble.in_words(), trouble.reason.value) if trouble is not None else (None, None)
        since = self.state.since if self.state.route == route else self._wall_clock()
        self.state = LinkState(route is not None, route, since, words, code, report.slow, report.pattern)
        self._on_state(self.state)

    def _tell(self, is_settled: bool) -> None:
        for settled in self._settling:
            if not settled.done():
                settled.set_result(is_settled)

    # ------------------------------------------------------------------------------- the life of a way

    async def _live_as_stream(self, way: _Way, operations: tuple[Operation, ...]) -> None:
        """Open, say the first words, then carry until it ends; whatever ends it becomes one event."""
        session = way.session = StreamSession(self._keys, operations, self._draw)
        subnets: tuple[str, ...] = ()
        try:
            stream, subnets = await self._opening.open_stream(way.route, self._reached(way))
            try:
                way.outgoing.put_nowait(session.start())
                async with asyncio.TaskGroup() as group:
                    group.create_task(self._send_all(stream, way.outgoing))
                    await self._receive_all(stream, session, way, subnets)
            finally:
                await stream.close()
        except* (TransportError, WireError) as errors:
            self._lost(way, errors, subnets)

    async def _send_all(self, stream: MessageStream, outgoing: asyncio.Queue[bytes]) -> None:
        asked = False
        while True:
            try:
                async with asyncio.timeout(PONG_WITHIN if asked else PING_EVERY):
                    message = await outgoing.get()
            except TimeoutError:
                await stream.ping()
                asked = not asked
                continue
            await stream.send(message)

    async def _receive_all(
        self, stream: MessageStream, session: StreamSession, way: _Way, subnets: tuple[str, ...]
    ) -> None:
        while True:
            came = session.receive(await stream.receive())
            if came.send is not None:
                way.outgoing.put_nowait(came.send)
            self._came(way, came, subnets)

    async def _live_as_exchange(self, way: _Way, operations: tuple[Operation, ...]) -> None:
        """Each request is a letter with a task of its own; the first that fails ends the way."""
        exchange = self._opening.open_exchange(way.route, self._reached(way))
        way.letters = asyncio.Queue()
        way.letters.put_nowait((0, operations))
        try:
            try:
                async with asyncio.TaskGroup() as group:
                    while True:
                        n, asked = await way.letters.get()
                        way.lanes[n] = group.create_task(self._exchange_one(exchange, way, n, asked))
            finally:
                await exchange.close()
        except* (TransportError, WireError) as errors:
            self._lost(way, errors, ())

    async def _exchange_one(
        self, exchange: Exchange, way: _Way, n: int, operations: tuple[Operation, ...]
    ) -> None:
        try:
            session = LetterSession(self._keys, n, operations, self._draw)
            came = Came(send=session.start())
            while came.send is not None:
                came = session.receive(await exchange.exchange(came.send))
                self._came(way, came, ())
        finally:
            way.lanes.pop(n, None)

    async def _live_for_a_letter(
        self, way: _Way, operations: tuple[Operation, ...], continues: int | None, room: tuple[int, int]
    ) -> None:
        """One message there and one back: a letter and its answer, or a piece of one; then it is over."""
        exchange = self._opening.open_exchange(way.route, self._reached(way))
        try:
            try:
                if continues is not None:
                    await self._exchange_piece(exchange, way, continues)
                elif self._relay_has(Feature.PIECES):
                    session = LetterSession(self._keys, 0, operations, self._draw)
                    sending = Sending(session.start(), self._draw(LETTER_ID), *room, MORE[room[1]])
                    self._letters[way.number] = _Letter(session, sending, room)
                    while len(self._letters) > LETTERS_KEPT:
                        del self._letters[next(iter(self._letters))]
                    await self._exchange_piece(exchange, way, way.number)
                else:
                    await self._exchange_one(exchange, way, 0, operations)
            finally:
                await exchange.close()
        except (TransportError, WireError) as error:
            self._lost(way, ExceptionGroup("", [error]), ())

    async def _exchange_piece(self, exchange: Exchange, way: _Way, number: int) -> None:
        letter = self._letters.get(number)
        if letter is None:
            raise TransportError(Stage.SEND, Reason.FAILED)
        sending, out = letter.sending, letter.sending.next()
        if out is None and letter.under_way:  # all that it takes is under way by others: one of them is late
            sending.lost(letter.under_way.pop(0))
            out = sending.next()
        if out is None:
            self._happened(PieceCame(way.number, sending.left))
            return
        letter.under_way.append(out)
        try:
            data = await exchange.exchange(out.message)
        except BaseException:
            sending.lost(out)
            raise
        finally:
            if out in letter.under_way:
                letter.under_way.remove(out)
        if letter.sending is not sending:  # it was sealed anew meanwhile
            self._happened(PieceCame(way.number, letter.sending.left))
            return
        answer = sending.receive(out, data)
        if isinstance(answer, Later):
            raise TransportError(Stage.RECEIVE, Reason.BUSY)
        if answer is not None:
            came = letter.session.receive(answer)
            if came.send is None:
                self._letters.pop(number, None)
                self._came(way, came, ())
                return
            letter.sending = Sending(came.send, self._draw(LETTER_ID), *letter.room, MORE[letter.room[1]])
            letter.under_way.clear()
        self._happened(PieceCame(way.number, letter.sending.left))

    def _reached(self, way: _Way) -> Callable[[Stage], None]:
        return lambda stage: self._happened(Reached(way.number, stage))

    def _came(self, way: _Way, came: Came, subnets: tuple[str, ...]) -> None:
        if not came.values:
            self._happened(Heard(way.number))
        for value in came.values:
            match value:
                case streams.Answered(n, answers):
                    self._happened(Answered(way.number, n, answers, subnets))
                case Pushed(slot, what):
                    self._happened(RecordsCame(way.number, slot, what))
                case Signalled(slot, body):
                    self._happened(SignalCame(way.number, slot, body))

    def _lost(
        self, way: _Way, errors: BaseExceptionGroup[TransportError | WireError], subnets: tuple[str, ...]
    ) -> None:
        if self._ways.pop(way.number, None) is None:
            return
        first = _leaf(errors)
        if isinstance(first, TransportError):
            trouble, subnets = first.trouble, first.subnets or subnets
        elif isinstance(first, BadSignature):
            trouble = Trouble(Stage.HANDSHAKE, Reason.WRONG_RELAY)
        else:
            trouble = Trouble(Stage.RECEIVE, Reason.BAD_DATA)
        self._happened(WayLost(way.number, trouble, subnets))


def _leaf(errors: BaseExceptionGroup[TransportError | WireError]) -> TransportError | WireError:
    """The first error in a group of groups."""
    first = errors.exceptions[0]
    return _leaf(first) if isinstance(first, BaseExceptionGroup) else first
