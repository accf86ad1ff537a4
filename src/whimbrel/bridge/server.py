"""The bridge put together: the port, the ways to the relays, and who is connected. It keeps no state but a seed and a port."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from hashlib import sha256
from http import HTTPStatus
from typing import Any

from whimbrel.serving.folder import DataFolderDamaged, keep, keep_port, kept_port, make_folder
from whimbrel.serving.http import Connection, Opening, Reply
from whimbrel.serving.journal import Event, Journal
from whimbrel.serving.listening import (
    CannotStart,
    WrongUse,
    bound_socket,
    certificate_of,
    listen,
    public_routes,
    with_path,
)
from whimbrel.serving.requests import Head
from whimbrel.serving.site import own_site, read_site
from whimbrel.transports.policy import is_private
from whimbrel.wire.errors import TextError
from whimbrel.wire.paths import PLACE, TAG, Names, SecretPath, names_of
from whimbrel.wire.purpose import prf
from whimbrel.wire.routes import Route, with_key
from whimbrel.wire.texts import Address, parse_address

from .certificate import key_of_chain, self_signed
from .cuts import Cuts
from .day import FRAMING, OPENING, Day, Numbers
from .pace import Client, Clients
from .session import Session
from .settings import BridgeSettings
from .upstream import RelayAway, Upstream

SEED = "seed"
"""The file with what all secret paths come from."""
TICK = 1.0
TEND_EVERY = 10
"""Ticks between two looks at a session."""
CERTIFICATE_EVERY = 60
NAP = 1.0
"""Seconds that a tick may come late; what is beyond counts as time in which the bridge itself was away."""


@dataclass(frozen=True, slots=True)
class BridgeInfo:
    """What a bridge that is ready says of itself: a text to paste for each relay."""

    addresses: tuple[str, ...]
    port: int


@dataclass(frozen=True, slots=True)
class Helping:
    """How many, and never who: `there` now, and the numbers of the day. `full`: nobody more is let in now. `away`: relays that are not reached."""

    there: int
    full: bool
    spent: bool
    away: int
    numbers: Numbers


Person = tuple[Names, bytes]
"""By what a path was handed on (`_whose`), and the network from which it is used: who has an app behind each of two addresses is two."""


class Bridge:
    """One bridge in the running event loop."""

    def __init__(self, settings: BridgeSettings, journal: Journal | None = None) -> None:
        self.settings = settings
        self.limits = settings.limits
        self.journal = journal or Journal()
        self.draining = False
        self.clients = Clients(settings.limits)
        self.cut_off = 0
        self._connections: dict[Connection, Client | None] = {}
        self._sessions: set[Session] = set()
        self._with_letters: set[Connection] = set()
        self._letters = 0
        self._bytes = 0
        self._ticks = 0
        self._ticked = 0.0
        self._away = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._server: asyncio.Server | None = None
        self._said_away: set[int] = set()
        self._people: dict[Person, int] = {}
        self._full = False
        self._said_spent = False

    # ----------------------------------------------------------------------------------------------- life

    async def run(self, on_ready: Callable[[BridgeInfo], None], stop: asyncio.Event) -> None:
        """Run until `stop` is set. Raises CannotStart, SiteUnfit, DataFolderDamaged."""
        self.loop = asyncio.get_running_loop()
        await self._start()
        try:
            async with asyncio.TaskGroup() as self._tasks:
                self._tick()
                self.journal.say(Event.STARTED)
                on_ready(self.info())
                await stop.wait()
                await self._drain()
                self._tasks.create_task(_end())
        except* _Ended:
            pass
        finally:
            for upstream in self._upstreams:
                upstream.close()
            self._keep_day()
            self.journal.say(Event.STOPPED)

    async def _start(self) -> None:
        settings = self.settings
        make_folder(settings.data)
        seed = keep(settings.data / SEED, lambda: secrets.token_bytes(32), 32)
        self._upstreams = self._relays()
        self._paths = [path_of(seed, upstream.identity) for upstream in self._upstreams]
        self._cuts = Cuts(settings.data)
        counts = self.limits.people is not None or self.limits.day_bytes is not None
        self.day = Day(settings.data if counts else None, self.limits.day_bytes)
        cert, key = settings.cert, settings.key
        if settings.self_signed and cert is None and key is None:
            cert, key = self_signed(settings.data)
        certificate = self._certificate = certificate_of(cert, key)
        if settings.site is None:
            self.site = own_site(sha256(b"whimbrel/1 bridge site\x00" + seed).digest(), _made_at(settings))
        else:
            self.site = read_site(settings.site)
        kept = kept_port(settings.data) if settings.port == 0 else None
        bound = bound_socket(settings.host, kept or settings.port)
        self.port = int(bound.getsockname()[1])
        given = public_routes(settings.public, settings.host, self.port, tls=certificate is not None)
        if settings.self_signed and cert is not None:
            given = tuple(with_key(route, key_of_chain(cert)) for route in given)
        self._routes = given
        reached = given[0].host if given[0].host_is_address else str(bound.getsockname()[0])
        if certificate is None and not settings.public and not is_private(reached):
            bound.close()
            raise WrongUse(
                "apps go to a public address by TLS alone: give --cert and --key, or with --public the way to the proxy before it"
            )
        self._server = await listen(bound, self, certificate)
        if settings.port == 0 and kept is None:
            keep_port(settings.data, self.port)

    def _relays(self) -> list[Upstream]:
        found: dict[bytes, list[Route]] = {}
        for text in self.settings.to:
            try:
                address = parse_address(text)
            except TextError as error:
                raise WrongUse(f"--to: {error}") from error
            found.setdefault(address.relay, []).extend(address.routes)
        if not found:
            raise WrongUse("--to: give the address of the relay that this bridge leads to")
        made = [
            Upstream(
                identity, tuple(routes), self.settings.authority, self.limits, outside=self.settings.outside
            )
            for identity, routes in found.items()
        ]
        if not all(upstream.reachable for upstream in made):
            raise CannotStart("an address after --to has no way that a bridge can go")
        return made

    def info(self) -> BridgeInfo:
        addresses = tuple(
            Address(upstream.identity, with_path(self._routes, path.text)).text
            for upstream, path in zip(self._upstreams, self._paths, strict=True)
        )
        return BridgeInfo(addresses, self.port)

    async def _drain(self) -> None:
        """No new connections; what is being answered is, sessions end as when a front loses what is behind it."""
        self.draining = True
        self.journal.say(Event.STOPPING)
        if self._timer is not None:
            self._timer.cancel()
        if self._server is not None:
            self._server.close()
        for session in list(self._sessions):
            session.close()
        end = self.loop.time() + self.limits.drain
        while (self._connections or self._sessions) and self.loop.time() < end:
            for connection in list(self._connections):
                if connection.idle():
                    connection.close()
            await asyncio.sleep(0.02)
        for connection in list(self._connections):
            connection.abort()
        for session in list(self._sessions):
            session.abort()
        await asyncio.sleep(0)

    def _tick(self) -> None:
        self._timer = self.loop.call_later(TICK, self._tick)
        self._ticks += 1
        late_by = self.loop.time() - self._ticked - TICK
        self._ticked = self.loop.time()
        if self._ticks > 1 and late_by > NAP:
            self._away += late_by
        now = self.time()
        late: list[Connection | Session] = [one for one in self._connections if one.overdue(now)]
        if self._ticks % TEND_EVERY == 0:
            late += [session for session in self._sessions if not session.tend(now)]
            for upstream in self._upstreams:
                upstream.tidy(self.loop.time())
        for one in late:
            one.abort()
        self.cut_off += len(late)
        self._look_at_cuts()
        self._look_at_day()
        for n, upstream in enumerate(self._upstreams):
            if upstream.away != (n in self._said_away):
                self._said_away ^= {n}
                self.journal.say(Event.RELAY_AWAY if upstream.away else Event.RELAY_BACK, relay=n + 1)
        if self._ticks % CERTIFICATE_EVERY == 0 and self._certificate is not None:
            taken = self._certificate.look()
            if taken is not None:
                self.journal.say(Event.CERTIFICATE_RENEWED if taken else Event.CERTIFICATE_UNREADABLE)

    def _look_at_cuts(self) -> None:
        """End what goes by paths that were cut since; letters are asked for one by one."""
        try:
            if not self._cuts.look():
                return
        except (DataFolderDamaged, OSError):
            self.journal.say(Event.CUTS_UNREADABLE)
            return
        gone = [session for session in self._sessions if session.names in self._cuts]
        for session in gone:
            session.abort()
        self.journal.say(Event.CUT, sessions=len(gone))

    # ------------------------------------------------------------------------------------------- the day

    def _look_at_day(self) -> None:
        self.day.look()
        if self._ticks % self.limits.keep_every == 0:
            self._keep_day()
        if self.day.spent != self._said_spent:
            self._said_spent = self.day.spent
            self.journal.say(Event.DAY_SPENT if self._said_spent else Event.DAY_BEGUN)
        if self.day.spent:
            for session in list(self._sessions):
                session.close()
        if self._full and not self._is_full():
            self._full = False
            self.journal.say(Event.ROOM_AGAIN)

    def _keep_day(self) -> None:
        try:
            self.day.keep()
        except OSError as error:
            self.journal.fault(error)  # it is counted on, and written down when it can be

    def carried(self, size: int) -> None:
        """Bytes that were passed on. With the last of the day sessions end, and apps go on by other ways."""
        before = self.day.spent
        self.day.carried(size)
        if self.day.spent and not before:
            self.loop.call_soon(self._look_at_day)

    def helping(self) -> Helping:
        """How it is going, in numbers."""
        away = sum(upstream.away for upstream in self._upstreams)
        return Helping(len(self._people), self._full, self.day.spent, away, self.day.numbers)

    def _is_full(self) -> bool:
        return self.limits.people is not None and len(self._people) >= self.limits.people

    def _whose(self, names: Names) -> Names:
        """To whom a path counts. Where each may come from so many networks it is the first to whom it was handed on: they can make as many
        paths of theirs as they like, and would be as many people."""
        return names if self.limits.networks_each is None else names[:1]

    def _is_spread(self, names: Names) -> bool:
        """Whether a path that was handed on is used from as many networks as it may."""
        most = self.limits.networks_each
        return most is not None and names != () and sum(there == names for there, _ in self._people) >= most

    def _let_in(self, person: Person) -> bool:
        """Somebody is there, once more. False: no more people are taken, or nothing more today. Who is there already is not in the way of themselves."""
        if self.day.spent:
            return False
        if person not in self._people and self._is_spread(person[0]):
            return False
        if person not in self._people and self._is_full():
            if not self._full:
                self._full = True
                self.journal.say(Event.FULL, people=len(self._people))
            return False
        self._people[person] = self._people.get(person, 0) + 1
        return True

    def _let_out(self, person: Person) -> None:
        left = self._people[person] - 1
        if left:
            self._people[person] = left
        else:
            del self._people[person]

    # ------------------------------------------------------------------------------ what connections ask

    def time(self) -> float:
        return self.loop.time() - self._away

    @property
    def secure(self) -> bool:
        return self._certificate is not None

    def page_shown(self) -> None:
        """Not counted."""

    def admit_connection(self, connection: Connection) -> bool:
        if self.draining or len(self._connections) + len(self._sessions) >= self.limits.connections:
            return False
        client = None if self.settings.behind else self._client(connection.peer)
        if client is not None:
            if client.connections >= self.limits.client_connections:
                return False
            client.connections += 1
        self._connections[connection] = client
        return True

    def connection_ended(self, connection: Connection) -> None:
        self._with_letters.discard(connection)
        client = self._connections.pop(connection, None)
        if client is not None:
            client.connections -= 1
            self.clients.leave(client)

    def take_body(self, size: int) -> bool:
        if size > 0 and self._bytes + size > self.limits.letter_bytes:
            return False
        self._bytes += size
        return True

    def way_of(self, target: bytes) -> int | None:
        found = self._found(target)
        return found[0] if found is not None else None

    def _found(self, target: bytes) -> tuple[int, Names] | None:
        """Where a path leads, and by which names it was handed on; None: nowhere, or it was cut."""
        ways = [(n, names_of(target, path)) for n, path in enumerate(self._paths)]
        return next(((n, names) for n, names in ways if names is not None and names not in self._cuts), None)

    def _client(self, address: str) -> Client:
        return self.clients.of(address, self.time())

    def _client_of(self, connection: Connection, head: Head) -> Client:
        """Who asks: the connection's own client or, behind a front, the one whom that names last."""
        if not self.settings.behind:
            return self._client(connection.peer)
        named = head.headers.get(b"x-forwarded-for", b"").rpartition(b",")[2]
        return self._client(named.decode("latin-1").strip())

    # ------------------------------------------------------------------------------------------- letters

    def take_letter(self, way: int, connection: Connection, head: Head, letter: bytes, reply: Reply) -> None:
        client = self._client_of(connection, head)
        found = self._found(head.target)
        if found is None:  # it was cut while the letter came
            self.clients.leave(client)
            reply(None)
            return
        if connection not in self._with_letters:
            self._with_letters.add(connection)
            self.carried(OPENING // 2)  # its handshake; those to the relay are used again and again
        person = self._whose(found[1]), client.key
        if (
            self.draining
            or client.letters >= self.limits.client_letters
            or self._letters >= self.limits.letters
            or not self._let_in(person)
        ):
            self.clients.leave(client)
            self.carried(len(letter))
            reply(HTTPStatus.SERVICE_UNAVAILABLE)
            return
        if not self.take_body(len(letter)):
            self._let_out(person)
            self.clients.leave(client)
            reply(HTTPStatus.SERVICE_UNAVAILABLE)
            return
        client.letters += 1
        self._letters += 1
        self._spawn(self._carry(self._upstreams[way], connection, client, person, letter, reply))

    async def _carry(
        self,
        upstream: Upstream,
        connection: Connection,
        client: Client,
        person: Person,
        letter: bytes,
        reply: Reply,
    ) -> None:
        counted = len(letter)

        def room(size: int) -> bool:
            nonlocal counted
            taken = self.take_body(size)
            counted += size if taken else 0
            return taken

        def over() -> None:
            self.take_body(-counted)
            client.letters -= 1
            self._letters -= 1
            self._let_out(person)
            self.clients.leave(client)

        try:
            await self._wait_turn(client, len(letter))
            answer = await upstream.exchange(letter, room)
            if answer is not None:
                self.day.helped(person[0])
                await self._wait_turn(client, len(answer))
        except RelayAway:
            reply(HTTPStatus.BAD_GATEWAY)
        else:
            reply(answer)
        finally:
            # What a slow reader has not taken yet counts on.
            connection.when_written(over)

    async def _wait_turn(self, client: Client, size: int) -> None:
        self.carried(size + FRAMING)
        pause = self.clients.spend(client, size, self.time())
        if pause > 0:
            await asyncio.sleep(pause)

    # ------------------------------------------------------------------------------------------ sessions

    def open_stream(self, way: int, opening: Opening) -> None:
        client = self._client_of(opening.connection, opening.head)
        found = self._found(opening.head.target)
        if found is None:  # it was cut meanwhile
            self.clients.leave(client)
            opening.overlook()
            return
        names = found[1]
        if (
            self.draining
            or (self.settings.behind and client.connections >= self.limits.client_connections)
            or not self._let_in((self._whose(names), client.key))
        ):
            self.clients.leave(client)
            opening.refuse(HTTPStatus.SERVICE_UNAVAILABLE)
            return
        client.connections += 1
        task = self._spawn(self._open(self._upstreams[way], names, client, opening))
        opening.lost = task.cancel

    async def _open(self, upstream: Upstream, names: Names, client: Client, opening: Opening) -> None:
        begun = False
        self.carried(OPENING)
        try:
            try:
                relay, _, from_relay = await upstream.open_session()
            except RelayAway:
                opening.refuse(HTTPStatus.BAD_GATEWAY)
                return
            # It may have been cut meanwhile: what is being opened is not among the sessions that were ended.
            if names in self._cuts:
                relay.abort()
                opening.overlook()
                return
            app, from_app = opening.accept()
            self.connection_ended(opening.connection)
            session = Session(self, client, names, app, relay)
            self._sessions.add(session)
            begun = True
            self.day.helped(self._whose(names))
            session.begin(from_app, from_relay)
        finally:
            if not begun:
                self._let_go(client, names)

    def session_ended(self, session: Session) -> None:
        if session in self._sessions:
            self._sessions.discard(session)
            self._let_go(session.client, session.names)

    def _let_go(self, client: Client, names: Names) -> None:
        client.connections -= 1
        self._let_out((self._whose(names), client.key))
        self.clients.leave(client)

    def keep_going(self, work: Coroutine[Any, Any, None]) -> None:
        """Run something beside, for as long as the bridge runs."""
        self._spawn(work)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        return self._tasks.create_task(self._guarded(work))

    async def _guarded(self, work: Coroutine[Any, Any, None]) -> None:
        """One letter or session that fails by a fault of ours takes no other with it."""
        try:
            await work
        except Exception as error:
            self.journal.fault(error)


class _Ended(Exception):
    """Ends the group of tasks."""


async def _end() -> None:
    raise _Ended


def path_of(seed: bytes, identity: bytes) -> SecretPath:
    """The secret path that leads to a relay, the same for as long as the seed is kept."""
    return SecretPath(prf(seed, "bridge place")[:PLACE], (), prf(seed, "bridge path", identity)[:TAG])


def _made_at(settings: BridgeSettings) -> int:
    return int((settings.data / "seed").stat().st_mtime)
