"""A network that is simulated: two people, a relay at two addresses, three bridges, and a border that does what borders do.

No loop, no clock, no socket: the time is a number, what is under way stands in a heap. It knows what matters for the link: round
trips, packets and bytes of each connection, names in hellos, connections a minute, rates. It does not know TCP.
"""

from __future__ import annotations

import heapq
import itertools
import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from link_table import H
from relay_model import Model, ModelWay

from whimbrel.link.events import (
    Abandon,
    Answered,
    Close,
    Deliver,
    DeliverRecords,
    Dial,
    Event,
    PieceCame,
    RecordsCame,
    Report,
    Send,
    Submitted,
    WatchSet,
    WayLost,
)
from whimbrel.link.link import Link
from whimbrel.link.memory import Memory
from whimbrel.link.queue import size_of, size_of_answer
from whimbrel.link.trouble import Reason, Stage, Trouble
from whimbrel.link.variants import variants
from whimbrel.link.ways import Candidate, Carries, neighbourhood
from whimbrel.wire.answers import Appended, Chunk, Done, Fetched
from whimbrel.wire.operations import Append, Get, Operation, Put, WatchItem
from whimbrel.wire.routes import Route, parse_route
from whimbrel.wire.stored import entry_id

LOG = b"L" * 32
ONE_WAY = 0.03
JITTER = 0.004
PACKET = 1400
TEXT = 500
"""Bytes of an entry with a short text."""
LETTERS = (512, 2048, 4096, 8192, 16384, 32768, 73728, 147456, 278528, 557056, 1114112)

RELAY = "wss://relay.example/x?ip=203.0.113.7&ip=198.51.100.7"
BRIDGES = tuple(f"wss://b{n}.example/y{n}?ip=192.0.{n}.9" for n in (20, 30, 40))


def known(route: Route) -> Candidate | None:
    """The route as an Opener sees it that has all wrappers."""
    carries = Carries.STREAM if route.transport in ("wss", "ws") else Carries.EXCHANGE
    near, subnet = neighbourhood(route.host, route.addresses)
    cost = (0 if carries is Carries.STREAM else 10) + len(route.wrappers)
    return Candidate(route.text, carries, cost, near, subnet)


def letter(size: int) -> int:
    return next(s for s in LETTERS if s >= size + 1200)


@dataclass
class Measures:
    """What the border does from the strike on."""

    cut: bool = True
    """Every flow that is open at the strike is dropped, both ways, silently."""
    reset: frozenset[str] = frozenset()
    swallow: frozenset[str] = frozenset()
    """Names whose hellos are answered by a reset, or not at all."""
    reassembles: bool = True
    """A hello in pieces is read all the same."""
    packets: int | None = None
    """The curtain: so many packets of a connection pass, both ways together."""
    police: int | None = None
    """So many new connections a minute to one address; the next ones hang."""
    rate: float | None = None
    """Bytes a second of each connection."""
    dead: frozenset[str] = frozenset()
    """Subnets to which nothing goes any more."""
    loss: float = 0.0
    lossy: frozenset[str] = frozenset()


@dataclass(eq=False)
class Pieces:
    """A letter in pieces, as the relay has it."""

    operations: tuple[Operation, ...]
    up: int
    count: int
    down: int
    there: int = 0
    answer: Event | None = None
    left: int = 0


@dataclass(eq=False)
class Flow:
    """A connection, as the border sees it."""

    person: Person
    number: int
    candidate: Candidate
    model: ModelWay
    opened: float
    packets: int = 0
    dead: bool = False
    letter: Pieces | None = None
    free: dict[bool, float] = field(default_factory=lambda: {True: 0.0, False: 0.0})
    arrives: dict[bool, float] = field(default_factory=lambda: {True: 0.0, False: 0.0})
    given_up: set[int] = field(default_factory=set)


class City:
    """Everything, and the time."""

    def __init__(self, seed: int, routes: tuple[str, ...] = (RELAY, *BRIDGES)) -> None:
        self.random = random.Random(seed)
        self.now = 0.0
        self.relay = Model(page=500)
        self.measures = Measures(cut=False)
        self.flows: list[Flow] = []
        self.opened: list[tuple[float, Person, Candidate]] = []
        self._heap: list[tuple[float, int, Callable[[], None]]] = []
        self._count = itertools.count()
        found = variants([parse_route(text) for text in routes], known)
        self.candidates = tuple(candidate for _, candidate in found.values())
        self.ada = Person(self, "ada", seed)
        self.bo = Person(self, "bo", seed + 1)
        self.people = (self.ada, self.bo)

    def at(self, time: float, what: Callable[[], None]) -> None:
        heapq.heappush(self._heap, (max(time, self.now), next(self._count), what))

    def run(self, until: float) -> None:
        while self._heap and self._heap[0][0] <= until:
            time, _, what = heapq.heappop(self._heap)
            self.now = time
            what()
        self.now = until

    def strike(self, measures: Measures) -> None:
        self.measures = measures
        if measures.cut:
            for flow in self.flows:
                flow.dead = True

    def lift(self) -> None:
        self.measures = Measures(cut=False)

    # ------------------------------------------------------------------------- connections

    def dial(self, flow: Flow, n: int, operations: tuple[Operation, ...]) -> None:
        self.flows = [f for f in self.flows if not f.model.gone]
        self.flows.append(flow)
        self.opened.append((self.now, flow.person, flow.candidate))
        stream = flow.candidate.carries is Carries.STREAM
        self._carry(flow, True, 60, lambda: None)
        self._carry(flow, False, 60, lambda: self._carry(flow, True, 60, lambda: None))
        self.at(self.now + 2 * ONE_WAY, lambda: self._hello(flow, stream, n, operations))

    def _hello(self, flow: Flow, stream: bool, n: int, operations: tuple[Operation, ...]) -> None:
        measures, candidate = self.measures, flow.candidate
        since = self.now - 60
        made = sum(
            t > since and who is flow.person and c.subnet == candidate.subnet for t, who, c in self.opened
        )
        if measures.police is not None and made > measures.police:
            flow.dead = True
        read = candidate.kind == "plain" or candidate.kind == "system"
        if candidate.kind == "frag":
            read = measures.reassembles
        if read and candidate.host in measures.reset and not flow.dead:
            flow.dead = True
            lost = WayLost(flow.number, Trouble(Stage.HANDSHAKE, Reason.RESET))
            self.at(self.now + ONE_WAY, lambda: flow.person.told(flow, lost))
        if read and candidate.host in measures.swallow:
            flow.dead = True

        def greeted() -> None:
            self._carry(flow, True, 200, lambda: None)
            if stream:
                self._carry(flow, True, 300, lambda: self._carry(flow, False, 200, first))
            else:
                first()

        def first() -> None:
            if flow.letter is None:
                self.ask(flow, n, operations)
            else:
                self._piece(flow, flow.letter)

        self._carry(flow, True, 1900, lambda: self._carry(flow, False, 4500, greeted))

    def ask(self, flow: Flow, n: int, operations: tuple[Operation, ...]) -> None:
        size = sum(min(size_of(o), 90) if size_of(o) == 512 else size_of(o) for o in operations)
        sealed = letter(size) if n == 0 or not flow.model.stream else size + 60
        self._carry(flow, True, sealed, lambda: self._arrives(flow, n, operations))

    def _piece(self, flow: Flow, pieces: Pieces) -> None:
        asks = pieces.answer is not None
        self._carry(flow, True, 576 if asks else pieces.up, lambda: self._piece_arrives(flow, pieces))

    def _piece_arrives(self, flow: Flow, pieces: Pieces) -> None:
        if pieces.answer is not None:
            self._piece_back(flow, pieces)
            return
        pieces.there += 1
        if pieces.there < pieces.count:
            came = PieceCame(flow.number, pieces.count - pieces.there)
            self._carry(flow, False, 576, lambda: flow.person.told(flow, came))
        else:
            self._arrives(flow, 0, pieces.operations)

    def _piece_back(self, flow: Flow, pieces: Pieces) -> None:
        """One message of the answer; what is lost is asked for again."""

        def arrives() -> None:
            pieces.left -= 1
            answer = pieces.answer
            assert isinstance(answer, Answered)
            if pieces.left <= 0:
                flow.person.told(flow, Answered(flow.number, 0, answer.answers))
            else:
                flow.person.told(flow, PieceCame(flow.number, pieces.left))

        self._carry(flow, False, pieces.down, arrives)

    def _arrives(self, flow: Flow, n: int, operations: tuple[Operation, ...]) -> None:
        if n in flow.given_up:
            return
        self.relay.run(flow.model, n, operations)
        if n in flow.model.held:
            wait = next(o.wait for o in operations if hasattr(o, "wait"))
            self.at(self.now + wait, lambda: self._release(flow, n))
        self._flush()

    def _release(self, flow: Flow, n: int) -> None:
        if n in flow.model.held:
            self.relay.release(flow.model, n)
            self._flush()

    def _flush(self) -> None:
        """What the relay has to say, to whomever."""
        for flow in self.flows:
            for n in list(flow.model.held):
                if self.relay.has_news(flow.model, n):
                    self.relay.release(flow.model, n)
            while flow.model.down:
                self._say(flow, flow.model.down.popleft())

    def _say(self, flow: Flow, event: Event) -> None:
        if isinstance(event, Answered):
            size = sum(size_of_answer(a) for a in event.answers)
            if flow.letter is not None:
                flow.letter.answer = event
                sealed = letter(size - 1100)
                flow.letter.left = -(-sealed // (flow.letter.down - 64))
                flow.letter.down = min(flow.letter.down, sealed + 64)
                self._piece_back(flow, flow.letter)
                return
            size = letter(size - 1100) if event.n == 0 or not flow.model.stream else size + 40
        else:
            assert isinstance(event, RecordsCame)
            size = size_of_answer(event.what) + 40
        self._carry(flow, False, size, lambda: flow.person.told(flow, event))

    def _carry(self, flow: Flow, up: bool, size: int, then: Callable[[], None]) -> None:
        """Bytes of one connection: through the border, as far as it lets them."""
        measures = self.measures
        packets = -(-size // PACKET)
        flow.packets += packets + packets // 2
        if measures.packets is not None and flow.packets > measures.packets:
            flow.dead = True
        if flow.candidate.subnet in measures.dead:
            flow.dead = True
        if flow.dead or flow.model.gone:
            return
        start = max(self.now, flow.free[up])
        if measures.rate is not None:
            flow.free[up] = start = start + size * 1.06 / measures.rate
        if flow.candidate.subnet in measures.lossy:
            again, wait = 0.0, 0.3
            while self.random.random() < measures.loss:
                again, wait = again + wait, wait * 2
            start += again
        arrives = max(start + ONE_WAY + self.random.random() * JITTER, flow.arrives[up])
        flow.arrives[up] = arrives

        def arrive() -> None:
            if not flow.dead and not flow.model.gone:
                then()

        self.at(arrives, arrive)


class Person:
    """A link, a conversation, and what came."""

    def __init__(self, city: City, name: str, seed: int, memory: Memory | None = None) -> None:
        self.city = city
        self.name = name
        self.memory = memory if memory is not None else Memory()
        self.link = Link(city.candidates, memory=self.memory, network="home", seed=str(seed).encode())
        self.link.takes_parts = True
        self.flows: dict[int, Flow] = {}
        self.reports: list[tuple[float, Report]] = []
        self.cursor = 0
        self.written: dict[bytes, float] = {}
        self.outbox: deque[bytes] = deque()
        self.came: list[tuple[float, bytes]] = []
        self.answers: dict[int, object] = {}
        self.answered_at: dict[int, float] = {}
        self._tickets = 0
        self._appending: int | None = None
        self._woken = 0
        self._letters: dict[int, Pieces] = {}
        self.file_bytes: list[tuple[float, int]] = []
        self._sizes: dict[int, int] = {}

    def start(self) -> None:
        self.tell(WatchSet({1: WatchItem(1, LOG, H, self.cursor)}))

    # ------------------------------------------------------------------------- what a person does

    def write(self) -> None:
        text = f"{self.name} {len(self.written)} ".encode().ljust(TEXT, b".")
        self.written[text] = self.city.now
        self.outbox.append(text)
        self._append()

    def talk(self, start: float, end: float, every: float) -> None:
        time = start + self.city.random.random() * every
        while time < end:
            self.city.at(time, self.write)
            time += every * (0.8 + 0.4 * self.city.random.random())

    def put(self, n: int) -> int:
        return self.submit(Put(H, H, H, 1 << 30, n, bytes(65552)))

    def get(self, n: int) -> int:
        self.city.relay.blobs.setdefault(n, bytes(65552))
        return self.submit(Get(H, n))

    def submit(self, operation: Operation) -> int:
        self._tickets += 1
        ticket = self._tickets
        self.tell(Submitted(ticket, operation))
        return ticket

    def _append(self) -> None:
        if self._appending is None and self.outbox:
            entries = tuple(itertools.islice(self.outbox, 32))
            self._appending = self._tickets + 1
            self.submit(Append(LOG, H, 0, entries))

    # ------------------------------------------------------------------------- the shell

    def told(self, flow: Flow, event: Event) -> None:
        if not flow.model.gone:
            if isinstance(event, WayLost):
                self._gone(flow)
            self.tell(event)

    def tell(self, *events: Event) -> None:
        actions, wake_at = self.link.next(self.city.now, events)
        self._woken += 1
        mine = self._woken
        if wake_at is not None:
            assert wake_at > self.city.now - 1e-9
            self.city.at(wake_at, lambda: self.tell() if self._woken == mine else None)
        for action in actions:
            match action:
                case Dial(number, candidate, operations, continues, room):
                    stream = candidate.carries is Carries.STREAM
                    flow = Flow(self, number, candidate, ModelWay(number, stream), self.city.now)
                    self.flows[number] = flow
                    if room is not None:
                        flow.letter = self._letter(number, operations, continues, room)
                    self.city.dial(flow, 0, operations)
                case Send(number, n, operations):
                    self.city.ask(self.flows[number], n, operations)
                case Close(number):
                    self._gone(self.flows[number])
                case Abandon(number, n):
                    flow = self.flows[number]
                    flow.given_up.add(n)
                    flow.model.held.pop(n, None)
                case Deliver(ticket, answer):
                    assert ticket not in self.answers, "answered twice"
                    self.answers[ticket] = answer
                    self.answered_at[ticket] = self.city.now
                    if isinstance(answer, Appended) and ticket == self._appending:
                        for _ in range(answer.last - answer.first + 1):
                            self.outbox.popleft()
                        self._appending = None
                        self.city.at(self.city.now, self._append)
                    assert isinstance(answer, Appended | Done | Chunk), answer
                case DeliverRecords(_, what):
                    assert isinstance(what, Fetched)
                    for record in what.records:
                        assert record.seq == self.cursor + 1, "dropped or doubled"
                        self.cursor = record.seq
                        own = {entry_id(entry): entry for entry in self.written}
                        assert record.entry is not None or record.id in own, (
                            "only what is one's own may stay away"
                        )
                        self.came.append((self.city.now, record.entry or own[record.id]))
                case Report():
                    self.reports.append((self.city.now, action))
                case _:
                    pass

    def _letter(
        self, number: int, operations: tuple[Operation, ...], continues: int | None, room: tuple[int, int]
    ) -> Pieces:
        if continues is not None:
            return self._letters[continues]
        sealed = letter(sum(size_of(o) for o in operations))
        up = min(room[0], sealed + 64)
        self._letters[number] = Pieces(operations, up, -(-sealed // (up - 64)), room[1])
        return self._letters[number]

    def _gone(self, flow: Flow) -> None:
        flow.model.gone = True
        flow.model.down.clear()
        flow.model.held.clear()
        self.flows.pop(flow.number, None)

    # ------------------------------------------------------------------------- what is measured

    def came_from(self, other: Person) -> list[tuple[float, float]]:
        """(when it came, how long it took) of the other's texts."""
        return [(at, at - other.written[e]) for at, e in self.came if e in other.written]

    def connections(self) -> list[tuple[float, Candidate]]:
        return [(at, c) for at, who, c in self.city.opened if who is self]


def check(city: City) -> None:
    """Nothing lost, nothing doubled, order kept, budgets never broken."""
    for person, other in ((city.ada, city.bo), (city.bo, city.ada)):
        got = [e for _, e in person.came if e in other.written]
        assert got == list(other.written), (person.name, len(got), len(other.written))
        assert not person.outbox
        assert person.link.unanswered == 0
        dialled = person.connections()
        for subnet in {c.subnet for _, c in dialled}:
            times = [at for at, c in dialled if c.subnet == subnet]
            assert most_within(times, 60) <= 4, (person.name, subnet)
        assert most_within([at for at, _ in dialled], 60) <= 20


def most_within(times: list[float], seconds: float) -> int:
    """The most that fall into any such stretch of time."""
    return max((sum(t <= x < t + seconds for x in times) for t in times), default=0)
