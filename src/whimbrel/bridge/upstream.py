"""The ways from a bridge to one relay: connections for sessions, each its own, and kept ones for letters.

Of the ways in the relay's address those without wrappers are used, in their order, beginning with the one that worked last.
Plain ones lead to this machine and private networks only; with `outside` all lead to the internet only, so that nobody reaches
by this bridge what stands beside it. The relay's certificate is checked; what is passed on is sealed to
the relay's identity in any case.
"""

from __future__ import annotations

import asyncio
import base64
import os
import socket
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import replace
from http import HTTPStatus
from pathlib import Path
from typing import Any, TypeVar, cast

import httptools
from websockets.utils import accept_key

from whimbrel.transports.policy import is_private, is_public
from whimbrel.wire.letters import LETTER_MAX
from whimbrel.wire.routes import USUAL_PORTS, Route

from .settings import Limits

BUSY = frozenset((429, 502, 503, 504))
"""What a relay, or a front before it, answers when it is away for now."""
HEAD_MAX = 16 * 1024
ADDRESSES_MAX = 4
"""Addresses of one name that are tried."""

P = TypeVar("P", bound=asyncio.BaseProtocol)
T = TypeVar("T")


class RelayAway(Exception):
    """No way leads to the relay now."""


class Upstream:
    """One relay. `identity` names it; nothing here can check that: the apps do."""

    def __init__(
        self,
        identity: bytes,
        routes: tuple[Route, ...],
        authority: Path | None,
        limits: Limits,
        *,
        outside: bool = False,
    ) -> None:
        self.identity = identity
        self._outside = outside
        self.away = False
        self._limits = limits
        self._authority = authority
        self._contexts: dict[bool, ssl.SSLContext] = {}
        self._streams = _usable(routes, "wss", "ws")
        self._letters = _usable(routes, "https", "http")
        self._kept: list[tuple[float, _LetterLine]] = []

    @property
    def reachable(self) -> bool:
        """Whether its address has a way that a bridge can go at all."""
        return bool(self._streams)

    # ------------------------------------------------------------------------------------------- sessions

    async def open_session(self) -> tuple[asyncio.Transport, _Handshake, bytes]:
        """A WebSocket to the relay: its transport, which does not read yet, and what came behind the handshake.
        Raises RelayAway."""

        async def attempt(route: Route) -> tuple[asyncio.Transport, _Handshake, bytes]:
            transport, handshake = await self._connect(route, _Handshake)
            try:
                key = base64.b64encode(os.urandom(16)).decode("ascii")
                transport.write(
                    f"GET {route.path} HTTP/1.1\r\nHost: {_host(route)}\r\nConnection: Upgrade\r\n"
                    f"Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n\r\n".encode()
                )
                rest = await handshake.accepted(accept_key(key))
            except BaseException:
                transport.abort()
                raise
            return transport, handshake, rest

        return await self._first(self._streams, attempt)

    # -------------------------------------------------------------------------------------------- letters

    async def exchange(self, letter: bytes, room: Callable[[int], bool]) -> bytes | None:
        """The answer to a letter; None when it was none. `room` is asked for the bytes of the answer as they come. Raises
        RelayAway; a letter is never sent twice."""
        line = self._take_kept()
        if line is None:

            async def attempt(route: Route) -> _LetterLine:
                transport, made = await self._connect(route, _LetterLine)
                made.begin(transport, route.path, _host(route))
                return made

            line = await self._first(self._letters, attempt)
        try:
            async with asyncio.timeout(self._limits.letter_timeout):
                status, body = await line.ask(letter, room)
        except (OSError, TimeoutError):
            line.abort()
            raise RelayAway from None
        except BaseException:
            line.abort()
            raise
        if line.reusable and len(self._kept) < self._limits.kept_connections:
            self._kept.append((asyncio.get_running_loop().time(), line))
        else:
            line.abort()
        if status in BUSY:
            raise RelayAway
        self.away = False
        return body if status == HTTPStatus.OK else None

    def _take_kept(self) -> _LetterLine | None:
        while self._kept:
            since, line = self._kept.pop()
            if line.reusable and asyncio.get_running_loop().time() - since < self._limits.kept:
                return line
            line.abort()
        return None

    def tidy(self, now: float) -> None:
        """Let go of connections that were kept too long."""
        old = [line for since, line in self._kept if now - since >= self._limits.kept]
        self._kept = [(since, line) for since, line in self._kept if now - since < self._limits.kept]
        for line in old:
            line.abort()

    def close(self) -> None:
        for _, line in self._kept:
            line.abort()
        self._kept.clear()

    # --------------------------------------------------------------------------------------------- routes

    async def _first(self, routes: list[Route], attempt: Callable[[Route], Awaitable[T]]) -> T:
        """What the first way gives that works; it is the first of the next time."""
        for route in list(routes):
            try:
                async with asyncio.timeout(self._limits.connect_timeout):
                    found = await attempt(route)
            except (OSError, TimeoutError):
                continue
            if routes[0] is not route:
                routes.remove(route)
                routes.insert(0, route)
            self.away = False
            return found
        self.away = True
        raise RelayAway

    async def _connect(self, route: Route, protocol: Callable[[], P]) -> tuple[asyncio.Transport, P]:
        """A connection by a way. Raises OSError."""
        loop = asyncio.get_running_loop()
        secure = route.transport in ("wss", "https")
        addresses = list(route.addresses)
        if not addresses:
            found = await loop.getaddrinfo(route.host, route.port, type=socket.SOCK_STREAM)
            addresses = list(dict.fromkeys(str(info[4][0]) for info in found))
        if not secure:
            addresses = [address for address in addresses if is_private(address)]
        if self._outside:
            addresses = [address for address in addresses if is_public(address)]
        named = route.sni != ""
        failure = OSError("no address")
        for address in addresses[:ADDRESSES_MAX]:
            try:
                transport, made = await loop.create_connection(
                    protocol,
                    address,
                    route.port,
                    ssl=self._context(named) if secure else None,
                    server_hostname=((route.sni or route.host) if named else "") if secure else None,
                )
            except OSError as error:
                failure = error
                continue
            return transport, made
        raise failure

    def _context(self, names: bool) -> ssl.SSLContext:
        if names not in self._contexts:
            cafile = None if self._authority is None else str(self._authority)
            context = ssl.create_default_context(cafile=cafile)
            context.check_hostname = names
            context.set_alpn_protocols(["http/1.1"])
            self._contexts[names] = context
        return self._contexts[names]


class _Handshake(asyncio.Protocol):
    """The client's side of a WebSocket handshake; afterwards somebody else takes the transport."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._heard = bytearray()
        self._done: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._wanted = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    async def accepted(self, accept: str) -> bytes:
        """Wait for the relay's yes; what came behind it. Raises OSError."""
        self._wanted = accept.encode("ascii")
        self._look()
        return await self._done

    def data_received(self, data: bytes) -> None:
        self._heard += data
        self._look()

    def _look(self) -> None:
        end = self._heard.find(b"\r\n\r\n")
        if not self._wanted or self._done.done():
            return
        if end < 0:
            if len(self._heard) > HEAD_MAX:
                self._done.set_exception(OSError("no WebSocket"))
            return
        lines = bytes(self._heard[:end]).split(b"\r\n")
        headers = dict(line.lower().split(b":", 1) for line in lines[1:] if b":" in line)
        said = headers.get(b"sec-websocket-accept", b"").strip()
        if not lines[0].startswith(b"HTTP/1.1 101 ") or said != self._wanted.lower():
            self._done.set_exception(OSError("no WebSocket"))
            return
        if self._transport is not None:
            self._transport.pause_reading()
        self._done.set_result(bytes(self._heard[end + 4 :]))

    def connection_lost(self, exc: Exception | None) -> None:
        if not self._done.done():
            self._done.set_exception(OSError("ended"))
            # Nobody may be waiting any more.
            self._done.exception()


class _TooMuch(Exception):
    """Stops the parser."""


class _LetterLine(asyncio.Protocol):
    """A connection to a relay that carries one letter after the other."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._head = b""
        self._parser: Any = None
        self._answer: asyncio.Future[tuple[int, bytes]] | None = None
        self._body = bytearray()
        self._keep = True
        self._room: Callable[[int], bool] = bool

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def begin(self, transport: asyncio.Transport, path: str, host: str) -> None:
        self._head = (
            f"POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/octet-stream\r\nContent-Length: "
        ).encode("ascii")

    @property
    def reusable(self) -> bool:
        return self._keep and self._transport is not None and self._answer is None

    async def ask(self, letter: bytes, room: Callable[[int], bool]) -> tuple[int, bytes]:
        """Status and body. Raises OSError when the connection ends before."""
        if self._transport is None:
            raise OSError("ended")
        self._body.clear()
        self._room = room
        self._parser = httptools.HttpResponseParser(self)
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(self._head + b"%d\r\n\r\n" % len(letter) + letter)
        try:
            return await self._answer
        finally:
            self._answer = None

    def abort(self) -> None:
        transport, self._transport, self._parser = self._transport, None, None
        if transport is not None:
            transport.abort()

    def data_received(self, data: bytes) -> None:
        if self._answer is None or self._parser is None:
            self.abort()  # nobody had asked
            return
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade, _TooMuch):
            self._fail()

    def on_body(self, body: bytes) -> None:
        if len(self._body) + len(body) > LETTER_MAX or not self._room(len(body)):
            raise _TooMuch
        self._body += body

    def on_message_complete(self) -> None:
        parser = self._parser
        if 100 <= parser.get_status_code() < 200:
            return
        self._keep = parser.should_keep_alive()
        if self._answer is not None and not self._answer.done():
            self._answer.set_result((parser.get_status_code(), bytes(self._body)))

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._fail()
        self._parser = None

    def _fail(self) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(OSError("ended"))


def _usable(routes: tuple[Route, ...], secure: str, plain: str) -> list[Route]:
    """The ways that a bridge can go, each once, in the kind that is wanted: streams and letters share a path."""
    found: list[Route] = []
    for route in routes:
        if route.wrappers:
            continue
        wanted = secure if route.transport in ("wss", "https") else plain
        one = replace(route, transport=wanted)
        if one not in found:
            found.append(one)
    return found


def _host(route: Route) -> str:
    name = f"[{route.host}]" if ":" in route.host else route.host
    return name if route.port == USUAL_PORTS[route.transport] else f"{name}:{route.port}"
