"""Which transport a route names, and how wrappers are put around it: one line for each.

A route reads from outside in: `socks5://…|frag|wss://…` is a connection to the proxy, inside it one to the relay, inside that
a split hello, inside that TLS, inside that a WebSocket. A wrapper is a function from an opened stream to another, a proxy
(which decides where the connection goes), or a manner (`system`, `short`: how what is inside behaves).
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from whimbrel.link.trouble import Reason, Stage
from whimbrel.link.ways import Candidate, Carries, neighbourhood
from whimbrel.transports import browser, tcp
from whimbrel.transports.browser import BrowserPost, BrowserTls
from whimbrel.transports.errors import TransportError, in_handshake
from whimbrel.transports.frag import frag
from whimbrel.transports.http import Connection, Http1Connection, HttpExchange, letters_to
from whimbrel.transports.names import Names
from whimbrel.transports.pluggable import NAME as DISGUISE
from whimbrel.transports.pluggable import Disguise, Disguises, parse_disguise, program_for
from whimbrel.transports.policy import Where, is_private
from whimbrel.transports.proxies import USUAL_PORTS as PROXIES
from whimbrel.transports.proxies import Proxy, Target, ask_socks, go_through, parse_proxy
from whimbrel.transports.resolving import SERVERS, Resolving, Server, servers_of
from whimbrel.transports.stream import ByteStream, Exchange, MessageStream
from whimbrel.transports.tls import TlsStream, trusting, trusting_nobody
from whimbrel.transports.ws import BUSY_STATUSES, WsStream
from whimbrel.wire.errors import Malformed
from whimbrel.wire.routes import KEY, PUBLIC, USUAL_PORTS, Route, key_of

Wrapper = Callable[[ByteStream, str], Awaitable[ByteStream]]
"""Takes the opened stream around which it works, and what stands after the wrapper's name in the route."""


@dataclass(frozen=True, slots=True)
class Carrier:
    """What a transport's name stands for. `cost`: the order in which ways are preferred."""

    carries: Carries
    secure: bool
    cost: int


CARRIERS: Mapping[str, Carrier] = {
    "wss": Carrier(Carries.STREAM, secure=True, cost=0),
    "ws": Carrier(Carries.STREAM, secure=False, cost=0),
    "https": Carrier(Carries.EXCHANGE, secure=True, cost=10),
    "http": Carrier(Carries.EXCHANGE, secure=False, cost=10),
}

WRAPPERS: Mapping[str, Wrapper] = {"frag": frag}
"""By name."""
SYSTEM: Final = "system"
"""TLS by the system's own library, which looks like a program and not like a browser."""
SHORT: Final = "short"
"""A fresh connection for each letter, in few packets, never kept and cut without a farewell."""
MANNERS: Final = (SYSTEM, SHORT, PUBLIC)
WRAPPER_COST, PUBLIC_COST = 1, 5


@dataclass(frozen=True, slots=True)
class Plan:
    """A route taken apart. `proxies`: from outside in. `wrappers`: those before the first proxy, those between it and the
    next, and so on; one list more than there are proxies. `key`: the hash of the server's public key, where no authority has to vouch
    for it."""

    carrier: Carrier
    proxies: tuple[Proxy | Disguise, ...]
    wrappers: tuple[tuple[tuple[str, str], ...], ...]
    manners: frozenset[str]
    key: bytes | None = None


_SOMETHING_ELSE: Final = (Reason.CERTIFICATE, Reason.NOT_TLS, Reason.NOT_A_RELAY)
"""What is told of a server that is not the one that was looked for."""
GIVEN_UP_AFTER: Final = 3.0
"""Seconds after which a handshake that is given up counts against the address: less, and another way was only quicker."""


def _nobody_asks(stage: Stage) -> None: ...


class Opener:
    """Opens ways."""

    def __init__(
        self,
        authority: Path | None = None,
        wrappers: Mapping[str, Wrapper] = WRAPPERS,
        servers: Sequence[Server] = SERVERS,
        net: tcp.Net | None = None,
    ) -> None:
        """`authority`: a PEM file with the only certificates to trust, in place of the system's. `servers`: the resolvers to
        ask beside the system's. `net`: what connections are made by and names asked of, in place of the system."""
        self.authority = authority
        self.wrappers = wrappers
        self.net = net
        self.resolving = Resolving(Names(), servers, authority, net)
        self.disguises = Disguises()
        self._contexts: dict[bool | None, ssl.SSLContext] = {}

    def close(self) -> None:
        """End the programs that were started for ways."""
        self.disguises.close()

    @property
    def names(self) -> Names:
        """What is known of names; what worked can be kept."""
        return self.resolving.names

    @names.setter
    def names(self, names: Names) -> None:
        self.resolving.names = names

    def candidate(self, route: Route) -> Candidate | None:
        """The route as the dialer sees it; None when this version cannot use it."""
        plan = self._plan(route)
        if plan is None:
            return None
        others = PUBLIC in plan.manners
        around = len(route.wrappers) - others - (plan.key is not None)  # those two take no way round
        cost = plan.carrier.cost + WRAPPER_COST * around + PUBLIC_COST * others
        near, subnet = neighbourhood(route.host, route.addresses)
        if plan.proxies:
            # What the network sees is a connection to the proxy; and even one on this machine leads far away.
            near, subnet = False, _seen(route, plan)
        return Candidate(route.text, plan.carrier.carries, cost, near, subnet, of_others=others)

    async def open_stream(
        self, route: Route, reached: Callable[[Stage], None] = _nobody_asks
    ) -> tuple[MessageStream, tuple[str, ...]]:
        """A stream of messages, and the subnets that were connected to. `reached` is told how far it has come: connected (then it shakes
        hands), and secure inside (then it asks). Raises TransportError."""
        plan = self._plan(route)
        if plan is None or plan.carrier.carries is not Carries.STREAM:
            raise TransportError(Stage.CONNECT, Reason.UNKNOWN_WAY)
        base, stream = await self._open_bytes(route, plan, reached)
        reached(Stage.RECEIVE)
        as_browser = isinstance(stream, BrowserTls)
        ws = WsStream(stream, route.host, route.port, route.path, plan.carrier.secure, as_browser=as_browser)
        with self._judging(route, plan, base):
            try:
                await ws.shake_hands()
            except BaseException as error:
                await stream.close()
                raise _with_subnets(error, base) from None
        return ws, base.subnets

    def open_exchange(self, route: Route, reached: Callable[[Stage], None] = _nobody_asks) -> Exchange:
        """An exchange; it connects when the first letter goes."""
        plan = self._plan(route)
        host = f"[{route.host}]" if ":" in route.host else route.host
        if route.port != USUAL_PORTS[route.transport]:
            host = f"{host}:{route.port}"
        asked = letters_to(host, route.path)

        async def connect() -> Connection:
            if plan is None or plan.carrier.carries is not Carries.EXCHANGE:
                raise TransportError(Stage.CONNECT, Reason.UNKNOWN_WAY)
            alike = plan.carrier.secure and self._looks_like_a_browser(plan)
            base, stream = await self._open_bytes(route, plan, reached, inside_tls=not alike)
            connection: Connection = Http1Connection(stream, asked)
            if alike:
                sparing = SHORT in plan.manners
                connection = BrowserPost(
                    stream, _name_of(route), asked, self.authority, sparing=sparing, key=plan.key
                )
            return _Judged(connection, base, lambda: self._judging(route, plan, base))

        return HttpExchange(connect, fresh=plan is not None and SHORT in plan.manners)

    @contextmanager
    def _judging(self, route: Route, plan: Plan, base: tcp.TcpStream) -> Iterator[None]:
        """What happens in the block says whether a relay is where the name led."""
        loop = asyncio.get_running_loop()
        begun = loop.time()
        resolved = plan.carrier.secure and not (plan.proxies or route.addresses or route.host_is_address)
        try:
            yield
        except BaseException as error:
            given_up = not isinstance(error, TransportError) and loop.time() - begun < GIVEN_UP_AFTER
            if resolved and not given_up and not _is_busy(error):
                wrong = isinstance(error, TransportError) and error.trouble.reason in _SOMETHING_ELSE
                self.names.failed(route.host, base.peer_at_first, loop.time(), wrong=wrong)
            raise
        if resolved:
            self.names.worked(route.host, base.peer_at_first)

    def _looks_like_a_browser(self, plan: Plan) -> bool:
        return SYSTEM not in plan.manners and browser.available()

    def _plan(self, route: Route) -> Plan | None:
        """The route taken apart; None when this version cannot use it."""
        carrier = CARRIERS.get(route.transport)
        if carrier is None:
            return None
        proxies: list[Proxy | Disguise] = []
        wrappers: list[list[tuple[str, str]]] = [[]]
        manners = set()
        key: bytes | None = None
        for text in route.wrappers:
            name, rest = _split(text)
            if name in self.wrappers:
                wrappers[-1].append((name, rest))
            elif name in PROXIES:
                try:
                    proxies.append(parse_proxy(text))
                except Malformed:
                    return None
                wrappers.append([])
            elif name == DISGUISE and not proxies and (route.addresses or route.host_is_address):
                try:
                    disguise = parse_disguise(text)
                except Malformed:
                    return None
                if program_for(disguise.name) is None:
                    return None
                proxies.append(disguise)
                wrappers.append([])
            elif text.lower() in MANNERS:
                manners.add(name)
            elif name == KEY and key is None and carrier.secure:
                try:
                    key = key_of(text)
                except Malformed:
                    return None
            else:
                return None
        if SHORT in manners and carrier.carries is not Carries.EXCHANGE:
            return None
        if PUBLIC in manners and (proxies or not carrier.secure):
            return None  # where a proxy leads cannot be seen from here
        return Plan(carrier, tuple(proxies), tuple(map(tuple, wrappers)), frozenset(manners), key)

    async def _open_bytes(
        self, route: Route, plan: Plan, reached: Callable[[Stage], None], *, inside_tls: bool = True
    ) -> tuple[tcp.TcpStream, ByteStream]:
        """The connection itself, and the stream inside wrappers and TLS."""
        if plan.carrier.secure:
            self._looks_like_a_browser(plan)  # before it connects: the first time takes a tenth of a second
        base = await self._connect(route, plan)
        reached(Stage.HANDSHAKE)
        stream: ByteStream = base
        # A proxy is told an address where the route has one: its name server may be the one that lies.
        relay = Target(route.addresses[0] if route.addresses else route.host, route.port)
        further = [proxy for proxy in plan.proxies[1:] if isinstance(proxy, Proxy)]
        targets = [*(Target(proxy.host, proxy.port) for proxy in further), relay]
        try:
            for number, wrappers in enumerate(plan.wrappers):
                for name, rest in wrappers:
                    stream = await self.wrappers[name](stream, rest)
                if number < len(plan.proxies):
                    proxy = plan.proxies[number]
                    if isinstance(proxy, Disguise):
                        await ask_socks(stream, targets[number], *proxy.credentials)
                    else:
                        stream = await go_through(proxy, stream, targets[number])
            if plan.carrier.secure and inside_tls:
                with self._judging(route, plan, base):
                    stream = await self._inside_tls(route, plan, stream)
        except BaseException as error:
            await stream.close()
            raise _with_subnets(error, base) from None
        return base, stream

    async def _connect(self, route: Route, plan: Plan) -> tcp.TcpStream:
        if not plan.proxies:
            return await tcp.connect(
                route.host,
                route.port,
                known=route.addresses,
                where=_where(plan),
                search=self.resolving.search(route.host),
                sparing=SHORT in plan.manners,
                net=self.net,
            )
        if not plan.carrier.secure and not is_private(route.host):
            raise TransportError(Stage.CONNECT, Reason.PLAIN_FORBIDDEN)
        first = plan.proxies[0]
        if isinstance(first, Proxy):
            return await tcp.connect(first.host, first.port, net=self.net)
        base = await tcp.connect(*await self.disguises.address(first.name))
        base.subnets = (_seen(route, plan),)
        return base

    async def _inside_tls(self, route: Route, plan: Plan, stream: ByteStream) -> ByteStream:
        name = _name_of(route)
        if self._looks_like_a_browser(plan):
            tls: BrowserTls | TlsStream = BrowserTls(stream, name, self.authority, plan.key)
        else:
            tls = TlsStream(stream, self._context(name is not None, plan.key), name, plan.key)
        try:
            await tls.shake_hands()
        except BaseException:
            await tls.close()
            raise
        return tls

    def _context(self, names: bool, key: bytes | None) -> ssl.SSLContext:
        kind = names if key is None else None
        if kind not in self._contexts:
            self._contexts[kind] = trusting_nobody() if kind is None else trusting(self.authority, names=kind)
        return self._contexts[kind]


class _Judged:
    """A Connection whose first answer says whether a relay is there. What fails before that was a connection in vain."""

    def __init__(
        self, connection: Connection, base: tcp.TcpStream, judging: Callable[[], AbstractContextManager[None]]
    ) -> None:
        self._connection = connection
        self._base = base
        self._judging: Callable[[], AbstractContextManager[None]] | None = judging

    @property
    def reusable(self) -> bool:
        return self._connection.reusable

    async def post(self, body: bytes) -> tuple[int, bytes]:
        if self._judging is None:
            return await self._connection.post(body)
        judging, self._judging = self._judging, None
        try:
            with judging():
                status, answer = await self._connection.post(body)
                if status in BUSY_STATUSES:
                    raise TransportError(Stage.RECEIVE, Reason.BUSY)
                if status != 200:
                    raise TransportError(Stage.RECEIVE, Reason.NOT_A_RELAY)
                return status, answer
        except TransportError as error:
            error.subnets = self._base.subnets
            raise

    async def close(self) -> None:
        await self._connection.close()


def _is_busy(error: BaseException) -> bool:
    return isinstance(error, TransportError) and error.trouble.reason is Reason.BUSY


def opener_of(environment: Mapping[str, str]) -> Opener:
    """An opener as the environment wishes it: WHIMBREL_AUTHORITY is a PEM file with the only certificates to trust,
    WHIMBREL_RESOLVERS the resolvers to ask beside the system's (`resolving.parse_servers`)."""
    authority = environment.get("WHIMBREL_AUTHORITY")
    return Opener(Path(authority) if authority else None, servers=servers_of(environment))


def _seen(route: Route, plan: Plan) -> str:
    """The subnet to which the network sees a connection, of a way through something."""
    first, *others = plan.proxies
    if isinstance(first, Proxy):
        here, subnet = neighbourhood(first.host)
        return f"{subnet} {route.host}" if here else subnet  # where it leads from here nobody knows
    if others and isinstance(others[0], Proxy):
        return neighbourhood(others[0].host)[1]
    return neighbourhood(route.host, route.addresses)[1]


def _where(plan: Plan) -> Where:
    if PUBLIC in plan.manners:
        return Where.PUBLIC
    return Where.ANYWHERE if plan.carrier.secure else Where.PRIVATE


def _name_of(route: Route) -> str | None:
    """The name to show and to look for in the certificate; None: none."""
    return None if route.sni == "" else route.sni or route.host


def _with_subnets(error: BaseException, base: tcp.TcpStream) -> BaseException:
    """A failure after the connection stood: a handshake's, and it says what was connected to."""
    if isinstance(error, TransportError):
        error = in_handshake(error)
        error.subnets = base.subnets
    return error


def _split(wrapper: str) -> tuple[str, str]:
    """The name of a wrapper, and what it is told: `socks5://127.0.0.1:9050` → `socks5`, `//127.0.0.1:9050`."""
    name, _, rest = wrapper.partition(":")
    return name.lower(), rest
