"""A relay in memory, for tests of the link's shell: real letters and streams, logs as lists, no disk, no rules.

`Sea` is the network before it: ways with a delay, which can be cut, stopped and closed for a while, on whatever loop
runs (also one whose time is virtual). What passes is sealed by the real wire package.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from dataclasses import dataclass, field

from whimbrel.link.trouble import Reason, Stage
from whimbrel.link.ways import Candidate, Carries
from whimbrel.transports.errors import TransportError
from whimbrel.wire import keydoc, letters, purpose, streams
from whimbrel.wire.answers import (
    Answer,
    Appended,
    Chunk,
    Done,
    Failure,
    Fetched,
    Head,
    Pushed,
    Record,
    Signalled,
    Status,
    Watched,
)
from whimbrel.wire.codec import decode_entry, decode_operations, encode_answers, encode_entry, entry_id
from whimbrel.wire.operations import (
    Append,
    Entry,
    EntryKind,
    Fetch,
    Get,
    Operation,
    Put,
    Signal,
    Stat,
    Watch,
    WatchItem,
)
from whimbrel.wire.routes import Route

H = bytes(32)
BUFFER = 128 * 1024
"""Bytes that the network takes before it slows the sender."""


def entry(text: str) -> bytes:
    """A stored entry that holds a text."""
    return encode_entry(Entry(EntryKind.MLS, bytes(16), text.encode().ljust(32, b".")))


def text_of(record: Record) -> str:
    """The text of an entry that `entry` made."""
    assert record.entry is not None
    return decode_entry(record.entry).body.decode().rstrip(".")


@dataclass
class Session:
    """Somebody connected: how to tell them things."""

    push: Callable[[Pushed | Signalled], None]
    items: dict[int, WatchItem] = field(default_factory=dict)


class Relay:
    """Logs, blobs and watch sets."""

    def __init__(self) -> None:
        self.private = os.urandom(32)
        self.identity = purpose.public_of(self.private)
        self.number = 0
        self.kem: dict[int, bytes] = {}
        self.new_key()
        self.logs: dict[bytes, list[bytes]] = {}
        self.blobs: dict[bytes, dict[int, bytes]] = {}
        self.sets: dict[bytes, dict[int, WatchItem]] = {}
        self.sessions: list[Session] = []
        self.busy = 0
        self.puts: list[int] = []
        self.asked: list[Operation] = []

    def new_key(self, forget: bool = False) -> None:
        """The next key document; with `forget` the keys before it are gone."""
        self.number += 1
        if forget:
            self.kem.clear()
        self.kem[self.number] = os.urandom(32)
        document = keydoc.make(
            self.private, self.number, 0, 2**40, keydoc.public_kem_key(self.kem[self.number])
        )
        self.keys = letters.RelayKeys(document, self.kem)

    def head(self, log: bytes) -> Head:
        return Head(len(self.logs.get(log, [])), 0, H, 0)

    def fetch(self, log: bytes, after: int, limit: int = 500) -> Fetched:
        found = self.logs.get(log, [])
        part = found[after : after + limit]
        records = tuple(Record(after + 1 + i, 0, False, entry_id(e), e, None, H) for i, e in enumerate(part))
        return Fetched(records, self.head(log), after + len(part) < len(found), False)

    def add(self, log: bytes, *entries: bytes) -> Appended:
        """Append, known entries once, and tell who watches."""
        found = self.logs.setdefault(log, [])
        before = len(found)
        for one in entries:
            if one not in found:
                found.append(one)
        for session in self.sessions:
            for slot, item in session.items.items():
                if item.log == log and len(found) > before:
                    session.push(Pushed(slot, self.fetch(log, before)))
        places = [found.index(one) + 1 for one in entries]
        return Appended(places[0], places[-1], 0, H)

    def answer(self, operation: Operation | Failure, session: Session | None) -> Answer:
        if self.busy and not isinstance(operation, Failure):
            self.busy -= 1
            return Failure(Status.BUSY, retry_after=1)
        match operation:
            case Append():
                return self.add(operation.log, *operation.entries)
            case Fetch():
                return self.fetch(operation.log, operation.after, operation.limit)
            case Put():
                self.puts.append(operation.n)
                self.blobs.setdefault(operation.blob, {})[operation.n] = operation.chunk
                return Done()
            case Get():
                chunk = self.blobs.get(operation.blob, {}).get(operation.n)
                return Chunk(chunk, 1 << 20) if chunk is not None else Failure(Status.DENIED)
            case Signal():
                for other in self.sessions:
                    for slot, item in other.items.items():
                        if item.log == operation.log and other is not session:
                            other.push(Signalled(slot, operation.body))
                return Done()
            case Stat():
                return Failure(Status.DENIED)
            case Watch():
                return self.watch(operation, session)
            case Failure():
                return operation
            case _:
                return Failure(Status.UNKNOWN)

    def watch(self, watch: Watch, session: Session | None) -> Answer:
        if watch.handle is not None and watch.handle not in self.sets:
            return Failure(Status.UNKNOWN)
        handle = watch.handle if watch.handle is not None else os.urandom(16)
        items = self.sets.setdefault(handle, {})
        for slot in watch.drop:
            items.pop(slot, None)
        items.update({item.slot: item for item in watch.items})
        for other in self.sessions:
            if other.items is items:
                other.items = {}
        if session is not None:
            session.items = items
        named = {item.slot for item in watch.items}
        return Watched(handle, self.news(items, named))

    def news(self, items: dict[int, WatchItem], named: set[int]) -> tuple[tuple[int, Fetched], ...]:
        found = ((slot, self.fetch(item.log, item.after)) for slot, item in items.items())
        return tuple((slot, what) for slot, what in found if slot in named or what.records)

    def all_answers(self, operations: list[Operation | Failure], session: Session | None) -> list[Answer]:
        self.asked += [o for o in operations if not isinstance(o, Failure)]
        return [self.answer(o, session) for o in operations]


class Pipe:
    """One end of a stream of messages; `peer` is the other end's function that takes them, after the delay."""

    def __init__(self, sea: Sea, way: str) -> None:
        self.sea, self.way = sea, way
        self.inbox: asyncio.Queue[bytes | TransportError] = asyncio.Queue()
        self.relay_side = streams.RelayStream(sea.relay.keys, os.urandom(64))
        self.session = Session(self._tell)
        self.dead = False
        self.free_at = 0.0
        sea.relay.sessions.append(self.session)

    async def send(self, message: bytes) -> None:
        if self.dead:
            raise TransportError(Stage.SEND, Reason.RESET)
        self.sea.carried += len(message)
        loop = asyncio.get_running_loop()
        self.free_at = max(self.free_at, loop.time()) + len(message) / self.sea.bytes_a_second
        loop.call_at(self.free_at + self.sea.delay, self._arrive, message)
        await asyncio.sleep(max(0.0, self.free_at - loop.time() - BUFFER / self.sea.bytes_a_second))

    def _arrive(self, message: bytes) -> None:
        if self.dead or self.way in self.sea.silent:
            return
        request = self.relay_side.receive(message)
        if isinstance(request, streams.KeysAsked):
            self._back(request.document)
            return
        answers = self.sea.relay.all_answers(list(request.operations), self.session)
        self._back(self.relay_side.answer(request.n, answers))

    def _tell(self, what: Pushed | Signalled) -> None:
        if self.relay_side.ready and not self.dead:
            side = self.relay_side
            self._back(side.push(what) if isinstance(what, Pushed) else side.signal(what))

    def _back(self, message: bytes) -> None:
        def come() -> None:
            if not self.dead and self.way not in self.sea.silent:
                self.inbox.put_nowait(message)

        asyncio.get_running_loop().call_later(self.sea.delay, come)

    async def receive(self) -> bytes:
        if self.dead and self.inbox.empty():
            raise TransportError(Stage.RECEIVE, Reason.ENDED)
        got = await self.inbox.get()
        if isinstance(got, TransportError):
            raise got
        return got

    async def ping(self) -> None:
        if self.dead:
            raise TransportError(Stage.SEND, Reason.RESET)

    async def close(self) -> None:
        self.cut()

    def cut(self) -> None:
        """The connection is reset."""
        if not self.dead:
            self.dead = True
            self.sea.pipes.discard(self)
            if self.session in self.sea.relay.sessions:
                self.sea.relay.sessions.remove(self.session)
            self.inbox.put_nowait(TransportError(Stage.RECEIVE, Reason.RESET))


class Letters:
    """An exchange of letters; a `Watch` with `wait` is held until there is something."""

    def __init__(self, sea: Sea, route: Route) -> None:
        self.sea, self.way, self.host = sea, route.text, route.host

    async def exchange(self, letter: bytes) -> bytes:
        self.sea.carried += len(letter)
        await asyncio.sleep(self.sea.delay)
        await self._must_be_open()
        relay = self.sea.relay
        if letters.is_asking_keys(letter):
            return relay.keys.document_answer()
        try:
            opened = letters.open_request(relay.keys, letter)
        except (letters.GoneKey, letters.NotForUs):
            return relay.keys.document_answer()
        operations = decode_operations(opened.operations)
        answers = relay.all_answers(operations, None)
        for i, operation in enumerate(operations):
            answer = answers[i]
            if isinstance(operation, Watch) and operation.wait and isinstance(answer, Watched):
                answers[i] = await self._hold(operation.wait, answer)
        await asyncio.sleep(self.sea.delay)
        await self._must_be_open()
        news = relay.keys.news_for(opened.number)
        return letters.seal_response(opened, os.urandom(32), encode_answers(answers), document=news)

    async def _hold(self, wait: int, answer: Watched) -> Watched:
        end = asyncio.get_running_loop().time() + wait
        while asyncio.get_running_loop().time() < end:
            await self._must_be_open()
            results = self.sea.relay.news(self.sea.relay.sets[answer.handle], set())
            if results:
                return Watched(answer.handle, results)
            await asyncio.sleep(0.05)
        return answer

    async def _must_be_open(self) -> None:
        if {self.way, self.host} & self.sea.closed:
            raise TransportError(Stage.RECEIVE, Reason.RESET)
        if self.way in self.sea.silent:
            await asyncio.Event().wait()

    async def close(self) -> None:
        return None


class Sea:
    """The network between the connection and the relay. Satisfies `link_runner.Opening`."""

    def __init__(self, relay: Relay, delay: float = 0.02) -> None:
        self.relay = relay
        self.delay = delay
        self.closed: set[str] = set()
        self.silent: set[str] = set()
        self.pipes: set[Pipe] = set()
        self.dials: list[tuple[float, str]] = []
        self.carried = 0
        self.bytes_a_second = 1e9
        self.near = False

    def candidate(self, route: Route) -> Candidate | None:
        if route.wrappers or route.sni is not None:
            return None  # there is no filter here that a trick would help against
        if route.transport in ("ws", "wss"):
            return Candidate(route.text, Carries.STREAM, 0, self.near, route.host)
        return Candidate(route.text, Carries.EXCHANGE, 10, self.near, route.host)

    async def open_stream(
        self, route: Route, reached: Callable[[Stage], None]
    ) -> tuple[Pipe, tuple[str, ...]]:
        await self._connect(route)
        pipe = Pipe(self, route.text)
        self.pipes.add(pipe)
        return pipe, (route.host,)

    def open_exchange(self, route: Route, reached: Callable[[Stage], None]) -> Letters:
        self.dials.append((asyncio.get_running_loop().time(), route.text))
        return Letters(self, route)

    async def _connect(self, route: Route) -> None:
        self.dials.append((asyncio.get_running_loop().time(), route.text))
        await asyncio.sleep(self.delay)
        if {route.text, route.host} & self.closed:
            raise TransportError(Stage.CONNECT, Reason.REFUSED)
        if route.text in self.silent:
            await asyncio.Event().wait()

    def cut(self) -> None:
        """Every stream is reset."""
        for pipe in list(self.pipes):
            pipe.cut()
