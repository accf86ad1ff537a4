"""Looking at the network: a few connections to the relay and its bridges, in an order that is drawn, each with a control.

Each is an ordinary way of this relay, with an ordinary session by which nothing is written or changed: it says what no log takes, and asks
for records that are here already. Those to the relay go with its name and without it; those that do not get through are made
again, and so are the others at the same machine. All count in the dialer's budgets, so a look at the network can take minutes
where it must not be hurried.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from random import SystemRandom
from typing import Final

from whimbrel.chat.relays import bridges_path
from whimbrel.client.link_runner import RelayConnection
from whimbrel.link.outcomes import NameSaid, Outcome, Said
from whimbrel.link.session import Came, StreamSession
from whimbrel.link.trouble import Reason, Stage, Trouble
from whimbrel.link.variants import PLAIN, SYSTEM, UNNAMED
from whimbrel.link.ways import Candidate, Carries
from whimbrel.transports import dns
from whimbrel.transports.errors import TransportError
from whimbrel.transports.names import is_public, sift
from whimbrel.transports.registry import Opener
from whimbrel.transports.resolving import Server
from whimbrel.transports.stream import MessageStream
from whimbrel.wire.errors import WireError
from whimbrel.wire.operations import Fetch, Operation, Signal
from whimbrel.wire.routes import KEY, Route

ANSWER_WITHIN: Final = 8.0
"""Seconds for a connection until the first sealed answer: three tries of the system's to open it."""
SAYS_WITHIN: Final = 6.0
"""Seconds for each answer after it: a queue of two seconds in a slowed network, and two packets that are lost."""
LITTLE, TIMES = 2048, 40
"""Bytes said at a time, and how often: more than any network lets through that freezes connections by volume."""
READ_MOST = 40 * 1024
"""Bytes that are read meanwhile: of these, too."""
MUCH, ALL_OF = 12 * 1024, 4
"""Bytes said at once to see how fast the line is, and how many such things."""
OWN_MACHINES, BRIDGES, RESOLVERS = 3, 3, 3
"""So many are looked at."""
AT_ONCE: Final = 3
ROUNDS: Final = 2
LONGEST: Final = 200.0
"""Seconds after which nothing new is begun."""
RESOLVER_WITHIN: Final = 6.0
TOKEN: Final = 32


@dataclass(frozen=True, slots=True)
class Probe:
    """One connection to make."""

    route: Route
    candidate: Candidate


class Examination:
    """One look at the network, by one relay."""

    def __init__(self, connection: RelayConnection, opener: Opener) -> None:
        self._connection = connection
        self._opener = opener
        self.names: list[NameSaid] = []
        self.outcomes: list[Outcome] = []
        self.planned = 0

    async def run(self) -> None:
        """Look. What comes of each connection is told the connection (`RelayConnection.noted`) at once, too."""
        loop = asyncio.get_running_loop()
        until = loop.time() + LONGEST
        first = plan(self._connection.ways())
        self.planned = len(first)
        async with asyncio.TaskGroup() as group:
            group.create_task(self._ask_for_names(first))
            group.create_task(self._rounds(first, until))

    async def _rounds(self, first: Sequence[Probe], until: float) -> None:
        probes = list(first)
        for _ in range(ROUNDS):
            before = len(self.outcomes)
            await self._round(probes, until)
            probes = again(first, self.outcomes[before:])
            self.planned += len(probes)

    # ------------------------------------------------------------------------------- connections

    async def _round(self, probes: Sequence[Probe], until: float) -> None:
        """All of them, a few at a time, never two to one machine at once."""
        waiting = list(probes)
        SystemRandom().shuffle(waiting)
        busy: set[str] = set()
        loop = asyncio.get_running_loop()
        ended = asyncio.Event()

        async def one(probe: Probe) -> None:
            outcome = await self._probe(probe)
            self.outcomes.append(outcome)
            self._connection.noted(outcome)
            busy.discard(probe.candidate.subnet)
            ended.set()

        async with asyncio.TaskGroup() as group:
            while waiting and loop.time() < until:
                ready = [
                    probe
                    for probe in waiting
                    if probe.candidate.subnet not in busy
                    and self._connection.room_in(probe.candidate, 1) <= 0
                ]
                if ready and len(busy) < AT_ONCE:
                    waiting.remove(ready[0])
                    busy.add(ready[0].candidate.subnet)
                    self._connection.opened(ready[0].candidate)
                    group.create_task(one(ready[0]))
                    continue
                pause = min(self._connection.room_in(probe.candidate, 1) for probe in waiting)
                ended.clear()
                try:
                    async with asyncio.timeout(min(max(pause, 0.2), max(until - loop.time(), 0.0))):
                        await ended.wait()
                except TimeoutError:
                    pass

    async def _probe(self, probe: Probe) -> Outcome:
        loop = asyncio.get_running_loop()
        to = probe.candidate
        begun = loop.time()
        stage, connected_in = Stage.CONNECT, None

        def reached(at: Stage) -> None:
            nonlocal stage, connected_in
            stage = at
            connected_in = connected_in if connected_in is not None else loop.time() - begun

        trouble: Trouble | None = None
        carried, rate = 0, None
        load: _Load | None = None
        try:
            async with asyncio.timeout(ANSWER_WITHIN):
                stream, _ = await self._opener.open_stream(probe.route, reached)
        except TimeoutError:
            trouble = Trouble(stage, Reason.TIMED_OUT)
        except TransportError as error:
            trouble = error.trouble
        else:
            load = _Load(stream, self._connection.session(), self._connection.readable())
            try:
                trouble = await load.carry(begun + ANSWER_WITHIN)
            finally:
                carried, rate = load.carried, load.rate
                await stream.close()
        return Outcome(
            loop.time(),
            to.text,
            to.place,
            to.subnet,
            to.kind,
            trouble,
            carried,
            connected_in,
            rate,
            _to_bridge(probe),
            asked=True,
        )

    # ------------------------------------------------------------------------------- names

    async def _ask_for_names(self, probes: Sequence[Probe]) -> None:
        """What the network's resolver says of the names that connections to the relay show in any case; and where that is no true
        answer, what our own say."""
        hosts = dict.fromkeys(names_shown(probe.route for probe in probes))
        servers = self._opener.resolving.servers[:RESOLVERS]
        async with asyncio.TaskGroup() as group:
            for host in hosts:
                known = {
                    address
                    for probe in probes
                    if probe.route.host == host
                    for address in probe.route.addresses
                }
                group.create_task(self._ask_for(host, known, probes, servers))

    async def _ask_for(
        self, host: str, known: set[str], probes: Sequence[Probe], servers: Sequence[Server]
    ) -> None:
        if await self._ask_system(host, known, probes) is not Said.ADDRESS:
            async with asyncio.TaskGroup() as group:
                for server in servers:
                    group.create_task(self._ask_abroad(host, server))

    async def _ask_system(self, host: str, known: set[str], probes: Sequence[Probe]) -> Said:
        said = Said.NOTHING
        try:
            async with asyncio.timeout(RESOLVER_WITHIN):
                answer = await self._opener.resolving.ask_system(host)
        except TimeoutError:
            pass
        except TransportError as error:
            if error.trouble.reason is Reason.NO_SUCH_NAME:
                said = Said.NO_SUCH_NAME
        else:
            good, _ = sift(host, answer)
            said = Said.ADDRESS if good else Said.FALSE
            if good and known and not known & set(good) and await self._is_false(host, good[0], probes):
                said = Said.FALSE
        self.names.append(NameSaid(host, True, said))
        return said

    async def _is_false(self, host: str, address: str, probes: Sequence[Probe]) -> bool:
        """Whether something else answers at an address that nobody here knew: the name is shown there, and what is inside tells."""
        probe = next((p for p in probes if p.route.host == host and p.candidate.kind == PLAIN), None)
        if probe is None:
            return False
        self._connection.opened(probe.candidate)
        found = await self._probe(replace(probe, route=replace(probe.route, addresses=(address,))))
        return found.reason in (Reason.CERTIFICATE, Reason.NOT_TLS, Reason.NOT_A_RELAY, Reason.WRONG_RELAY)

    async def _ask_abroad(self, host: str, server: Server) -> None:
        said = Said.NOTHING
        try:
            async with asyncio.timeout(RESOLVER_WITHIN):
                async for found in self._opener.resolving.ask_server(server, host):
                    if said is not Said.ADDRESS:
                        said = Said.ADDRESS if found.addresses else Said.NO_SUCH_NAME
        except (TransportError, TimeoutError, dns.BadMessage):
            pass
        self.names.append(NameSaid(host, False, said))


# ------------------------------------------------------------------------------- which connections


def plan(ways: Iterable[tuple[Route, Candidate]]) -> list[Probe]:
    """To each of the relay's machines with its name and without; to one of them also as a program that is no browser; to bridges with
    their names."""
    streams = [
        Probe(route, candidate)
        for route, candidate in ways
        if candidate.carries is Carries.STREAM and not candidate.near and not candidate.short
    ]
    own = list(_by_machine([p for p in streams if not _to_bridge(p)]))[:OWN_MACHINES]
    bridges = list(_by_machine([p for p in streams if _to_bridge(p)]))[:BRIDGES]
    chosen: list[Probe] = []
    for number, here in enumerate([*own, *bridges]):
        kinds = [PLAIN, UNNAMED] if number < len(own) else [PLAIN]
        if number == max(0, min(len(own), 2) - 1):
            kinds.append(SYSTEM)
        for kind in kinds:
            chosen += [probe for probe in here if probe.candidate.kind == kind][:1]
    return chosen


def names_shown(routes: Iterable[Route]) -> Iterator[str]:
    """The names that whoever watches reads in the hellos of these ways. Bridges' are not among them: nobody asks for one who has its
    addresses. Nor are those behind a proxy, a disguise or another name: an ordinary connection does not show them, and no question may."""
    for route in routes:
        disguised = route.sni is not None or any(not one.startswith(f"{KEY}:") for one in route.wrappers)
        if not disguised and not route.host_is_address and is_public(route.host) and not bridges_path(route):
            yield route.host


def _to_bridge(probe: Probe) -> bool:
    return bridges_path(probe.route) is not None


def _by_machine(probes: Sequence[Probe]) -> Iterator[list[Probe]]:
    for subnet in dict.fromkeys(probe.candidate.subnet for probe in probes):
        yield [probe for probe in probes if probe.candidate.subnet == subnet]


def again(first: Sequence[Probe], outcomes: Sequence[Outcome]) -> list[Probe]:
    """After a round: all at machines where something failed, for one failure says nothing, and one that worked elsewhere."""
    failed = {one.machine for one in outcomes if one.trouble is not None}
    if not failed:
        return []
    worked = {one.way for one in outcomes if one.trouble is None and one.machine not in failed}
    controls = [probe for probe in first if probe.candidate.text in worked]
    return [probe for probe in first if probe.candidate.subnet in failed] + controls[:1]


# ------------------------------------------------------------------------------- what one connection carries


class _Load:
    """Small things both ways, one after the other, until more has passed than would where connections freeze; then something large."""

    def __init__(self, stream: MessageStream, session: StreamSession, readable: Sequence[Fetch]) -> None:
        self._stream = stream
        self._session = session
        self._readable = readable
        self._number = 0
        self._read = 0
        self.carried = 0
        self.rate: float | None = None

    async def carry(self, until: float) -> Trouble | None:
        """None: all of it passed."""
        loop = asyncio.get_running_loop()
        quickest = ANSWER_WITHIN
        try:
            async with asyncio.timeout_at(until):
                await self._say(self._session.start())
                await self._answers(1)
            self.carried = 1
            for _ in range(TIMES):
                begun = loop.time()
                async with asyncio.timeout(SAYS_WITHIN):
                    operations = [_nobodys(LITTLE), *self._one_to_read()]
                    await self._ask(operations)
                    self.carried += LITTLE + await self._answers(1)
                quickest = min(quickest, loop.time() - begun)
            begun = loop.time()
            for _ in range(ALL_OF):
                await self._ask([_nobodys(MUCH)])
            for _ in range(ALL_OF):
                async with asyncio.timeout(SAYS_WITHIN):
                    await self._answers(1)
                self.carried += MUCH
            self.rate = ALL_OF * MUCH / max(loop.time() - begun - quickest, 0.001)
        except TimeoutError:
            return Trouble(Stage.RECEIVE, Reason.SILENT if self.carried else Reason.TIMED_OUT)
        except TransportError as error:
            return error.trouble
        except WireError:
            return Trouble(Stage.RECEIVE, Reason.BAD_DATA)
        return None

    def _one_to_read(self) -> tuple[Operation, ...]:
        if not self._readable or self._read > READ_MOST:
            return ()
        return (self._readable[self._number % len(self._readable)],)

    async def _ask(self, operations: Sequence[Operation]) -> None:
        self._number += 1
        await self._say(self._session.request(self._number, operations))

    async def _say(self, message: bytes) -> None:
        await self._stream.send(message)

    async def _answers(self, count: int) -> int:
        """Wait for so many answers; how long they were, about."""
        size = 0
        while count:
            data = await self._stream.receive()
            came: Came = self._session.receive(data)
            if came.send is not None:
                await self._say(came.send)
            size += len(data)
            self._read += len(data)
            count -= len(came.values)
        return size


def _nobodys(size: int) -> Signal:
    """Bytes for a log that does not exist: a relay answers that there is none, and nothing is changed."""
    return Signal(os.urandom(TOKEN), os.urandom(TOKEN), os.urandom(size))
