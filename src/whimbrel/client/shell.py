"""The shell of an account: takes what comes in, lets the engine decide, saves, and then does what was decided.

It decides nothing about the protocol. One batch of events is one turn: the engine (`chat.person`) takes them, all
that it wants remembered is written in one transaction with the MLS changes, and only then anything leaves.
"""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import AsyncIterator, Callable, Hashable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any, TypeVar

from whimbrel.chat.attachments import is_unwanted
from whimbrel.chat.effects import Ask, Effects, Tag
from whimbrel.chat.line import Line
from whimbrel.chat.person import Person
from whimbrel.chat.records import PutFact, PutFile, Save
from whimbrel.chat.relays import Relay
from whimbrel.client.changes import Changes
from whimbrel.client.coming_back import coming_back
from whimbrel.client.desk import StoreDesk
from whimbrel.client.home_errors import STORE_CODES, code_of
from whimbrel.client.link_runner import LinkState, RelayConnection
from whimbrel.client.network import network
from whimbrel.client.setbacks import Setbacks
from whimbrel.client.transfers import Transfers
from whimbrel.link.memory import Memory
from whimbrel.link.subnets import Subnets
from whimbrel.store.errors import HomeGone, StoreError
from whimbrel.store.home import Home
from whimbrel.transports.names import Names
from whimbrel.transports.proxies import proxied
from whimbrel.transports.registry import Opener, opener_of
from whimbrel.wire import cbor
from whimbrel.wire.answers import Answer, Failure, Fetched
from whimbrel.wire.errors import WireError
from whimbrel.wire.operations import WatchItem
from whimbrel.wire.routes import Route, parse_route

logger = logging.getLogger(__name__)

T = TypeVar("T")
Deed = Callable[[Person, int, Effects], T]
"""Something that happens to the account: gets the engine, the time in milliseconds and where effects go."""

TURN = 64
"""Events taken into one turn at most: a transaction should not grow without end."""
COMPANY_LEAST = 0.1
"""Seconds for which it is worth waiting so that texts go together."""
LOOK_EVERY, LOOK_AT_LEAST_EVERY = 60.0, 3600.0
"""Seconds until the next turn at the latest, with something waiting for its time and without: timers of this machine never
jump, its clock does, and what was to happen at a time is looked at again."""
GUARD_EVERY = 5.0
"""Seconds between two looks whether the home is still there, and the network still the same."""
SLEPT = 30.0
"""Seconds by which the clock may run ahead of the timers between two looks, unless this computer slept or was set."""


@dataclass(slots=True)
class _Event:
    deed: Deed[Any]
    place: Hashable = None
    """What it is about, so that this alone can be put aside."""
    slot: int | None = None
    """Records of a watched log: they can be asked for again."""
    done: asyncio.Future[Any] | None = None
    """Somebody wishes it, and waits."""


class Shell:
    """One home, open: the engine, its store, and a connection to each relay."""

    def __init__(
        self,
        home: Home,
        clock: Callable[[], float] = time.time,
        look_at_network: Callable[[], str] = network,
        opener: Opener | None = None,
    ) -> None:
        """`opener`: what opens ways, in place of one as the environment wishes it."""
        self.home = home
        self.desk = StoreDesk(home)
        self.person: Person | None = None
        self.connections: dict[bytes, RelayConnection] = {}
        self._subnets = Subnets()
        self._ways_told: dict[bytes, tuple[str, ...]] = {}
        self.changes = Changes()
        self.transfers = Transfers(self)
        self.transfers.watchers.append(lambda message, file: self.changes.progressed(message))
        self.trouble: list[dict[str, Any]] = []
        self.hurry = False
        self.fetch_up_to = -1
        self._clock = clock
        self.opener = opener if opener is not None else opener_of(os.environ)
        self._names_kept = cbor.encode(self.opener.names.value())
        self._look_at_network = look_at_network
        self.network = look_at_network()
        self._events: list[_Event] = []
        self._wake = asyncio.Event()
        self._changed = asyncio.Event()
        self._slots: dict[tuple[bytes, bytes], int] = {}
        self._logs: dict[int, tuple[bytes, bytes]] = {}
        self._connected: list[asyncio.Task[None]] = []
        self._tasks: asyncio.TaskGroup | None = None
        self._setbacks = Setbacks()
        self._over = False

    # ----------------------------------------------------------------------------------------- running

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Shell]:
        """Keep everything going until the block is left."""
        self._restore()
        self.transfers.sweep()
        async with asyncio.TaskGroup() as tasks:
            self._tasks = tasks
            turns = tasks.create_task(self._turns())
            guard = tasks.create_task(self._guard())
            self.transfers.look()
            try:
                yield self
            finally:
                turns.cancel()
                guard.cancel()
                self.transfers.stop()
                self.changes.end()
                for task in self._connected:
                    task.cancel()
                self.opener.close()

    def start(self, coroutine: Any) -> asyncio.Task[Any]:
        """Run something for as long as the shell runs."""
        assert self._tasks is not None
        return self._tasks.create_task(coroutine)

    def keep_going(self, coroutine: Any) -> None:
        """Run something until it ends, or the shell does."""
        self._connected.append(self.start(coroutine))

    def now(self) -> int:
        """Milliseconds of Unix time."""
        return int(self._clock() * 1000)

    def _restore(self) -> None:
        """The engine as it was last saved."""
        store = self.home.database
        facts = store.facts()
        if "names" in facts and not self.opener.names.value():
            self.opener.names = Names.from_value(cbor.decode(facts["names"]))
        if "identity" in facts:
            self.person = Person.restore(
                facts, store.chats(), store.contacts(), store.outbox(), self.desk, os.urandom
            )
            self.person.fetch_up_to = self.fetch_up_to
            self.person.aside = self._setbacks.aside

    async def _guard(self) -> None:
        """Look about now and then: a home that was deleted takes nothing any more, although the disk says it does; and on
        another network, or after sleep, what was up may be gone without a word."""
        loop = asyncio.get_running_loop()
        awake = self._clock() - loop.time()
        while True:
            await asyncio.sleep(GUARD_EVERY)
            self.home.check()
            seen, before = self._look_at_network(), self.network
            asleep, awake = self._clock() - loop.time() - awake, self._clock() - loop.time()
            self.network = seen
            if seen and (seen != before or abs(asleep) > SLEPT):
                self.opener.names.network_changed()
                for connection in self.connections.values():
                    connection.network_changed(seen)
            if abs(asleep) > SLEPT:
                self._wake.set()

    # -------------------------------------------------------------------------------------------- turns

    async def do(self, deed: Deed[T]) -> T:
        """Have something done to the account; what it says, once it is on disk. Raises what the deed or the store raises."""
        if self._over:
            raise RuntimeError("the shell has ended")
        done: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._events.append(_Event(deed, done=done))
        self._wake.set()
        return await done

    def _happen(self, deed: Deed[Any], place: Hashable = None, slot: int | None = None) -> None:
        self._events.append(_Event(deed, place, slot))
        self._wake.set()

    async def _turns(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            while True:
                timer = loop.call_later(self._rest(), self._wake.set)
                await self._wake.wait()
                timer.cancel()
                self._wake.clear()
                if loop.time() >= self._setbacks.not_before or self._wish() is not None:
                    await self._turn()
        finally:
            self._over = True
            for event in self._events:
                _fail(event, RuntimeError("the shell has ended"))

    def _company(self) -> dict[bytes, int]:
        """For each relay to which nothing leaves just now: when something does (milliseconds)."""
        waits = {identity: connection.leaves_in for identity, connection in self.connections.items()}
        now = self.now()
        return {identity: now + int(1000 * s) for identity, s in waits.items() if s > COMPANY_LEAST}

    def _rest(self) -> float:
        """Seconds until the next turn, if nothing happens before."""
        held = self._setbacks.not_before - asyncio.get_running_loop().time()
        if held > 0:
            return held
        due = self.person.next_time() if self.person is not None else None
        if due is None:
            return LOOK_AT_LEAST_EVERY
        return min(max(0.0, (due - self.now()) / 1000), LOOK_EVERY)

    async def _turn(self) -> None:
        """One batch of events: applied, saved, and then carried out; or nothing of it has happened."""
        events = self._next_events()
        fx = Effects()
        results: list[Any] = []
        try:
            for event in events:
                results.append(self._apply(event, fx))
            if self.person is not None:
                self.person.company = self._company()
                self.person.pump(self.now(), fx, self.hurry)
            self._save(fx)
        except Exception as error:
            self._fall_back(events, len(results), error)
        else:
            for event, result in zip(events, results, strict=True):
                if event.done is not None and not event.done.done():
                    event.done.set_result(result)
            self._carry_out(fx)
        if self._events:
            self._wake.set()
        self._changed.set()
        self._changed = asyncio.Event()
        await asyncio.sleep(0)

    def _wish(self) -> _Event | None:
        return next((event for event in self._events if event.done is not None), None)

    def _next_events(self) -> list[_Event]:
        """What comes next: a person's wish alone, so that its failure takes nothing else along; else a batch. While the
        store refuses, wishes go first: who wishes is told at once."""
        held = asyncio.get_running_loop().time() < self._setbacks.not_before
        first = self._wish() if held else (self._events[0] if self._events else None)
        if first is not None and first.done is not None:
            self._events.remove(first)
            return [first]
        if held:
            return []
        count = 0
        while count < min(TURN, len(self._events)) and self._events[count].done is None:
            count += 1
        batch, self._events = self._events[:count], self._events[count:]
        return [event for event in batch if event.place not in self._setbacks.aside]

    def _apply(self, event: _Event, fx: Effects) -> Any:
        assert self.person is not None
        self.person.doing = None
        return event.deed(self.person, self.now(), fx)

    def _save(self, fx: Effects) -> None:
        changes = self.person.engine.take_changes() if self.person is not None else []
        if fx.saves or changes:
            self.home.check()
            fx.save(*coming_back(self.home.database, fx.saves, self.now()))
            self.home.database.commit(fx.saves, changes)
            self.changes.saved(fx.saves)
            self._setbacks.store_took()
            self.well_again(*STORE_CODES.values())

    # ---------------------------------------------------------------------------------- turns that fail

    def _fall_back(self, events: list[_Event], at: int, error: Exception) -> None:
        """A turn failed, at its event number `at` or after all of them: nothing of it happened.

        The engine is as it was last saved. A wish is told why; what came in is tried again, unless it was what failed.
        """
        now = asyncio.get_running_loop().time()
        failing = events[at] if at < len(events) else None
        again: list[_Event] = events
        if isinstance(error, StoreError):
            if not any(event.done is not None for event in events):
                self._setbacks.store_refused(now)
            # What logs have is asked for again: else it would pile up here for as long as the store takes nothing.
            again = [event for event in events if event.done is None and event.slot is None]
            self._events = [event for event in self._events if event.slot is None]
            for event in events:
                _fail(event, error)
            self.note(code_of(error), f"{error.message} {error.do}")
        elif failing is not None and failing.done is not None:
            _fail(failing, error)
            again = []
        else:
            place = self._place_of(failing)
            if self._setbacks.failed(place, now):
                self._put_aside(place, error)
            if place is None:
                self.note(
                    "internal", f"Something unexpected came up ({type(error).__name__}). It is tried again."
                )
                again = [event for event in events if event.done is None]
                for event in events:
                    _fail(event, error)
            again = [event for event in again if event is not failing]
            logger.error("a turn failed", exc_info=error)
        self._events = again + self._events
        self._begin_again()
        if isinstance(error, HomeGone):
            raise error

    def _place_of(self, failing: _Event | None) -> Hashable:
        """What was in hand when a turn failed: what is asked about, or whose turn it was to send something."""
        person = self.person
        assert person is not None, "only an account has turns that can fail"
        if failing is None or isinstance(person.doing, tuple):
            return person.doing
        log = failing.place
        if failing.slot is None or not isinstance(log, bytes):
            return log
        return next((chat.id for chat in person.chats.values() if chat.line_on(log) is not None), log)

    def _put_aside(self, place: Hashable, error: Exception) -> None:
        """It failed again and again: from now on it is left alone, and the rest goes on."""
        what = type(error).__name__
        chat = self.person.chats.get(place) if self.person is not None and isinstance(place, bytes) else None
        if chat is not None:
            text = f"Something unexpected came up in {chat.name}, again and again ({what})."
            text += (
                " The chat is left alone until Whimbrel is started again; a newer version may get on with it."
            )
            id = chat.id
            self._happen(lambda person, now, fx: fx.tell("trouble", code="internal", text=text, chat=id))
        elif isinstance(place, tuple) and isinstance(place[-1], int):
            self.note("internal", f"A letter to you could not be taken in and was put aside ({what}).")
        else:
            text = (
                f"Something that was to be done at a relay failed again and again ({what}) and is put aside."
            )
            self.note("internal", text)

    def _begin_again(self) -> None:
        """The engine as it was last saved; what came in since is asked for again, and what was read to its end stays so."""
        read = {line.state.log: line.state.seq for line in self._lines() if line.caught_up}
        self.person = None
        self._restore()
        for line in self._lines():
            line.caught_up = read.get(line.state.log) == line.state.seq
        behind = {line.state.log for line in self._lines() if not line.caught_up}
        for connection in self.connections.values():
            for item in self._items(connection.identity):
                if connection.cursor(item.slot) != item.after or item.log in behind:
                    connection.reposition(item.slot, item.after)
        self._follow_watches()

    def _lines(self) -> list[Line]:
        return [line for chat in self.person.chats.values() for line in chat.lines] if self.person else []

    def note(self, code: str, text: str, chat: bytes | None = None) -> None:
        """Something is wrong; `status` says it."""
        entry = {"code": code, "text": text, "chat": chat, "at": self.now()}
        self.trouble = [t for t in self.trouble if (t["code"], t["chat"]) != (code, chat)][-49:]
        self.trouble.append(entry)
        self.changes.status()

    def well_again(self, *codes: str) -> None:
        """What was wrong is not any more."""
        before = len(self.trouble)
        self.trouble = [t for t in self.trouble if t["code"] not in codes]
        if len(self.trouble) != before:
            self.changes.status()

    # ----------------------------------------------------------------------------- doing what was decided

    def begin(self, name: str, relay: Relay) -> None:
        """A new account in an empty home."""
        fx = Effects()
        person = Person.make(name, relay, self.desk, os.urandom, self.now(), fx)
        self.home.database.commit(fx.saves, person.engine.take_changes())
        self.changes.saved(fx.saves)
        person.fetch_up_to = self.fetch_up_to
        person.aside = self._setbacks.aside
        self.person = person
        self._wake.set()
        self._follow_watches()

    def _carry_out(self, fx: Effects) -> None:
        if fx.watch_changed:
            self._follow_watches()
            self._follow_ways()
        for ask in fx.asks:
            self._ask(ask)
        if fx.asks and self.person is not None and self.person.company:
            self._wake.set()  # what waits for company has it now
        for news in fx.news:
            if news["event"] == "trouble":
                self.note(news["code"], news["text"], news.get("chat"))
        if any(isinstance(save, PutFile) for save in fx.saves):
            self.transfers.look()
        unwanted = [save.name for save in fx.saves if isinstance(save, PutFact) and is_unwanted(save)]
        if unwanted:
            with suppress(StoreError):  # it is done at the next start
                self.transfers.remove(unwanted)

    def _ask(self, ask: Ask) -> None:
        connection = self._connection(ask.relay)
        if connection is None:
            return
        future = connection.submit(ask.operation)

        def answered(done: asyncio.Future[Answer]) -> None:
            if not done.cancelled() and done.exception() is None:
                answer = done.result()
                self._happen(
                    lambda person, now, fx: person.answer(ask.tag, answer, now, fx), _place_of_tag(ask.tag)
                )

        future.add_done_callback(answered)

    def connection(self, relay: bytes) -> RelayConnection | None:
        return self._connection(relay)

    def _connection(self, identity: bytes) -> RelayConnection | None:
        """The connection to a relay, made when it is needed first."""
        person = self.person
        known = self.connections.get(identity)
        if known is not None or person is None or self._tasks is None or identity not in person.relays:
            return known
        if identity in self._setbacks.aside:
            return None
        if not self.connections:
            self._subnets.changed_to(self.network)
        connection = RelayConnection(
            identity,
            self._routes_to(identity, person.ways_to(identity)),
            load_document=lambda relay: self.home.database.facts().get("keys:" + relay.hex()),
            save_document=lambda relay, data: self._happen(
                lambda person, now, fx: person.keep_document(relay, data, fx)
            ),
            on_records=self._records,
            on_state=lambda state: self._state(identity, state),
            opening=self.opener,
            memory=self._ways_known(identity),
            network=self.network,
            subnets=self._subnets,
        )
        self.connections[identity] = connection
        self._connected.append(self._tasks.create_task(self._run(identity, connection)))
        return connection

    def _routes_to(self, relay: bytes, ways: tuple[str, ...]) -> list[Route]:
        self._ways_told[relay] = ways
        routes = []
        for text in ways:
            try:
                routes.append(parse_route(text))
            except WireError:
                self.note("route", "A way to a relay cannot be understood; a newer version may know it.")
        return [*routes, *proxied(routes)]

    def _follow_ways(self) -> None:
        """Ways that came or went are for connections that are there already, too."""
        for identity, connection in self.connections.items():
            if self.person is None or identity not in self.person.relays:
                continue
            ways = self.person.ways_to(identity)
            if ways != self._ways_told.get(identity):
                connection.set_routes(self._routes_to(identity, ways))

    def how_ways_did(self, identity: bytes) -> dict[str, tuple[int, int]]:
        """How often each way to a relay came up, and how often it failed since, on all networks that are remembered."""
        known = self.connections.get(identity)
        value = known.memory_value if known is not None else self._ways_known(identity)
        did: dict[str, tuple[int, int]] = {}
        for _, pasts, *_ in Memory.from_value(value).value():
            assert isinstance(pasts, list)
            for way, came_up, failed_since, *_ in pasts:
                before = did.get(way, (0, 0))
                did[way] = (before[0] + came_up, before[1] + failed_since)
        return did

    async def _run(self, identity: bytes, connection: RelayConnection) -> None:
        """Keep a connection going. If what its relay says makes it fail, it is made anew, and put aside when that goes on."""
        try:
            await connection.run()
        except* Exception as errors:
            logger.error("a connection failed", exc_info=errors)
            del self.connections[identity]
            if self._setbacks.failed(identity, asyncio.get_running_loop().time()):
                self.note(
                    "internal",
                    "What a relay says makes Whimbrel stumble; this relay is left alone until the next start.",
                )
            self._begin_again()

    def _ways_known(self, identity: bytes) -> object:
        """What worked before, to be tried first."""
        known = self.home.database.facts().get("ways:" + identity.hex())
        return cbor.decode(known) if known is not None else None

    def _state(self, identity: bytes, state: LinkState) -> None:
        if state.up and identity in self.connections:
            ways = cbor.encode(self.connections[identity].memory_value)
            self._happen(lambda person, now, fx: person.keep_ways(identity, ways, fx))
            names = cbor.encode(self.opener.names.value())
            if names != self._names_kept:
                self._names_kept = names
                self._happen(lambda person, now, fx: fx.save(PutFact("names", names)))
        self.changes.status()
        self._changed.set()
        self._changed = asyncio.Event()

    def connect(self) -> None:
        """Begin to reach the relays that are needed."""
        self._follow_watches()
        self._wake.set()

    async def keep(self, save: Save) -> None:
        """Have something written that is no matter of the account, so that it can be kept before there is one."""
        if self.person is not None:
            await self.do(lambda person, now, fx: fx.save(save))
        else:
            self.home.database.commit([save])
            self.changes.saved([save])

    async def nudge(self) -> None:
        """Have a turn now, whatever is due."""
        await self.do(lambda person, now, fx: None)

    # --------------------------------------------------------------------------------------- watching

    def _items(self, relay: bytes) -> list[WatchItem]:
        person = self.person
        if person is None:
            return []
        items = []
        for w in person.watching():
            if w.relay == relay:
                slot = self._slots.setdefault((w.relay, w.log), len(self._slots) + 1)
                self._logs[slot] = (w.relay, w.log)
                items.append(WatchItem(slot, w.log, w.read, w.after))
        return items

    def _follow_watches(self) -> None:
        """Tell each connection which logs are to be watched."""
        if self.person is None or self._tasks is None:
            return
        wanted = {w.relay for w in self.person.watching()}
        for relay in wanted | set(self.connections):
            connection = self._connection(relay)
            if connection is not None:
                connection.watch({item.slot: item for item in self._items(relay)})

    def _records(self, slot: int, what: Fetched | Failure) -> None:
        relay, log = self._logs[slot]
        self._happen(lambda person, now, fx: person.records(relay, log, what, now, fx), log, slot)

    # ---------------------------------------------------------------------------------------- waiting

    def say_changed(self) -> None:
        """Something is other than before that was not a turn's doing."""
        self._changed.set()
        self._changed = asyncio.Event()

    def next_change(self) -> asyncio.Event:
        """Set when anything has changed after this was called."""
        return self._changed

    async def until(self, condition: Callable[[], bool], timeout: float | None) -> bool:
        """Wait until something holds; False when it does not in time (seconds)."""
        try:
            async with asyncio.timeout(timeout):
                while not condition():
                    await self._changed.wait()
        except TimeoutError:
            return condition()
        return True

    async def settle(self, timeout: float) -> bool:
        """Catch up with every relay and let leave what can; False when that took longer."""
        end = asyncio.get_running_loop().time() + timeout
        while (left := end - asyncio.get_running_loop().time()) > 0:
            connections = list(self.connections.values())
            settled = [
                await connection.settle(max(0.0, end - asyncio.get_running_loop().time()))
                for connection in connections
            ]
            if not all(settled):
                return False
            person = self.person
            quiet = not self._events and (person is None or not person.busy(self.now(), self.hurry))
            if quiet and not self.transfers.busy() and len(connections) == len(self.connections):
                return True
            changed = self._changed
            try:
                async with asyncio.timeout(min(left, 0.05)):
                    await changed.wait()
            except TimeoutError:
                pass
        return False


def _place_of_tag(tag: Tag) -> Hashable:
    """What an answer is about: a chat, a lane of errands, or what was asked for."""
    match tag:
        case ("errand" | "append" | "flight-blob" | "pointer" | "look", bytes(place), *_):
            return place
        case _:
            return tuple(part for part in tag if isinstance(part, bytes | str))


def _fail(event: _Event, error: Exception) -> None:
    if event.done is not None and not event.done.done():
        event.done.set_exception(error)
