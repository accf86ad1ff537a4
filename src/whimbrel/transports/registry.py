"""Which transport a route names, and how wrappers are put around it: one line for each.

A route reads from outside in: `frag|wss://…` is a TCP connection, inside it what `frag` makes of it, inside that TLS,
inside that a WebSocket. A wrapper here is a function from an opened stream to another stream.
"""

from __future__ import annotations

import ssl
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from whimbrel.link.trouble import Reason, Stage
from whimbrel.link.ways import Candidate, Carries, neighbourhood
from whimbrel.transports import tcp
from whimbrel.transports.errors import TransportError, in_handshake
from whimbrel.transports.http import HttpExchange
from whimbrel.transports.stream import ByteStream, Exchange, MessageStream
from whimbrel.transports.tls import TlsStream, trusting
from whimbrel.transports.ws import WsStream
from whimbrel.wire.routes import USUAL_PORTS, Route

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

WRAPPERS: Mapping[str, Wrapper] = {}
"""By name. There is none yet: they come with the networks that need them."""
WRAPPER_COST = 1


@dataclass(slots=True)
class Opener:
    """Opens ways. `authority`: a PEM file with the only certificates to trust, in place of the system's."""

    authority: Path | None = None
    wrappers: Mapping[str, Wrapper] = field(default_factory=lambda: WRAPPERS)
    _contexts: dict[bool, ssl.SSLContext] = field(default_factory=dict)

    def candidate(self, route: Route) -> Candidate | None:
        """The route as the dialer sees it; None when this version cannot use it."""
        carrier = CARRIERS.get(route.transport)
        if carrier is None or any(_split(w)[0] not in self.wrappers for w in route.wrappers):
            return None
        near, subnet = neighbourhood(route.host, route.addresses)
        cost = carrier.cost + WRAPPER_COST * len(route.wrappers)
        return Candidate(route.text, carrier.carries, cost, near, subnet)

    async def open_stream(self, route: Route) -> tuple[MessageStream, tuple[str, ...]]:
        """A stream of messages, and the subnets that were connected to. Raises TransportError."""
        base, stream = await self._open_bytes(route)
        ws = WsStream(stream, route.host, route.port, route.path, CARRIERS[route.transport].secure)
        try:
            await ws.shake_hands()
        except BaseException as error:
            await stream.close()
            raise _with_subnets(error, base) from None
        return ws, base.subnets

    def open_exchange(self, route: Route) -> Exchange:
        """An exchange; it connects when the first letter goes."""

        async def open_bytes() -> ByteStream:
            return (await self._open_bytes(route))[1]

        host = f"[{route.host}]" if ":" in route.host else route.host
        if route.port != USUAL_PORTS[route.transport]:
            host = f"{host}:{route.port}"
        return HttpExchange(open_bytes, host, route.path)

    async def _open_bytes(self, route: Route) -> tuple[tcp.TcpStream, ByteStream]:
        """The connection itself, and the stream inside wrappers and TLS."""
        carrier = CARRIERS.get(route.transport)
        if carrier is None or any(_split(w)[0] not in self.wrappers for w in route.wrappers):
            raise TransportError(Stage.CONNECT, Reason.UNKNOWN_WAY)
        base = await tcp.connect(
            route.host, route.port, known=route.addresses, private_only=not carrier.secure
        )
        stream: ByteStream = base
        try:
            for wrapper in route.wrappers:
                name, rest = _split(wrapper)
                stream = await self.wrappers[name](stream, rest)
            if carrier.secure:
                named = route.sni != ""
                tls = TlsStream(stream, self._context(named), (route.sni or route.host) if named else None)
                await tls.shake_hands()
                stream = tls
        except BaseException as error:
            await stream.close()
            raise _with_subnets(error, base) from None
        return base, stream

    def _context(self, names: bool) -> ssl.SSLContext:
        if names not in self._contexts:
            self._contexts[names] = trusting(self.authority, names=names)
        return self._contexts[names]


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
