"""Letters by HTTP: one POST for each, over connections that are kept for the next, or over a fresh one for each.

What posts is a Connection: `Http1Connection` here, over any stream of bytes, or `browser.BrowserPost`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

import h11

from whimbrel.link.trouble import Reason, Stage
from whimbrel.transports.browser_words import Asked
from whimbrel.transports.errors import TransportError
from whimbrel.transports.stream import ByteStream
from whimbrel.transports.ws import BUSY_STATUSES
from whimbrel.wire.letters import LETTER_MAX

IDLE_MAX = 15.0
"""Seconds for which a connection is kept: below what servers allow (nginx 75 s, some 20 s), because a letter that goes
to a connection just closed is lost, and must be sealed anew."""
KEPT_MAX = 3
LETTER_KIND = "application/octet-stream"


def letters_to(host: str, path: str) -> Asked:
    """What is asked where letters go. `host`: as in the Host header."""
    return Asked(host, path, LETTER_KIND, "*/*", LETTER_MAX)


class Connection(Protocol):
    """One connection on which one POST goes after the other."""

    @property
    def reusable(self) -> bool:
        """Whether the last answer left it good for another."""

    async def post(self, body: bytes) -> tuple[int, bytes]:
        """The status and the body of the answer. Raises TransportError."""

    async def close(self) -> None:
        """End it now."""


@dataclass(slots=True, eq=False)
class _Kept:
    connection: Connection
    idle_since: float


class HttpExchange:
    """An Exchange. `connect` opens a connection to the server, TLS included."""

    def __init__(self, connect: Callable[[], Awaitable[Connection]], *, fresh: bool = False) -> None:
        """`fresh`: each letter has a connection of its own, which is cut when the answer is there."""
        self._connect = connect
        self._fresh = fresh
        self._idle: list[_Kept] = []
        self._busy: set[Connection] = set()
        self._closed = False

    async def exchange(self, letter: bytes) -> bytes:
        if self._closed:
            raise TransportError(Stage.SEND, Reason.ENDED)
        connection = await self._take()
        self._busy.add(connection)
        answered = False
        try:
            status, answer = await connection.post(letter)
            answered = True
        finally:
            self._busy.discard(connection)
            keep = answered and connection.reusable and not self._fresh
            if keep and not self._closed and len(self._idle) < KEPT_MAX:
                self._idle.append(_Kept(connection, asyncio.get_running_loop().time()))
            else:
                await connection.close()
        if status in BUSY_STATUSES:
            raise TransportError(Stage.RECEIVE, Reason.BUSY)
        if status != 200:
            raise TransportError(Stage.RECEIVE, Reason.NOT_A_RELAY)
        return answer

    async def close(self) -> None:
        self._closed = True
        for connection in (*(kept.connection for kept in self._idle), *self._busy):
            await connection.close()
        self._idle.clear()

    async def _take(self) -> Connection:
        """A kept connection that is young enough, or a new one."""
        oldest = asyncio.get_running_loop().time() - IDLE_MAX
        while self._idle:
            kept = self._idle.pop()
            if kept.idle_since >= oldest:
                return kept.connection
            await kept.connection.close()
        connection = await self._connect()
        if self._closed:
            await connection.close()
            raise TransportError(Stage.CONNECT, Reason.ENDED)
        return connection


class Http1Connection:
    """A Connection by HTTP/1.1, over any ByteStream."""

    def __init__(self, stream: ByteStream, asked: Asked) -> None:
        self.reusable = True
        self._stream = stream
        self._asked = asked
        self._http = h11.Connection(h11.CLIENT)

    async def close(self) -> None:
        await self._stream.close()

    async def post(self, body: bytes) -> tuple[int, bytes]:
        http = self._http
        self.reusable = False
        request = h11.Request(
            method="POST",
            target=self._asked.path,
            headers=[
                ("Host", self._asked.host),
                ("Content-Type", self._asked.kind),
                ("Content-Length", str(len(body))),
            ],
        )
        parts = (http.send(request), http.send(h11.Data(data=body)), http.send(h11.EndOfMessage()))
        await self._stream.send(b"".join(part for part in parts if part))
        try:
            response = await self._response()
            answer = await self._body()
        except h11.RemoteProtocolError:
            raise TransportError(Stage.RECEIVE, Reason.NOT_A_RELAY) from None
        if http.our_state is h11.DONE and http.their_state is h11.DONE:
            http.start_next_cycle()
            self.reusable = True
        return response.status_code, answer

    async def _response(self) -> h11.Response:
        while True:
            event = await self._event()
            if isinstance(event, h11.Response):
                return event

    async def _body(self) -> bytes:
        parts: list[bytes] = []
        size = 0
        while True:
            event = await self._event()
            if isinstance(event, h11.EndOfMessage):
                return b"".join(parts)
            if isinstance(event, h11.Data):
                size += len(event.data)
                if size > self._asked.answer_max:
                    raise TransportError(Stage.RECEIVE, Reason.TOO_LARGE)
                parts.append(bytes(event.data))

    async def _event(self) -> object:
        while True:
            event = self._http.next_event()
            if isinstance(event, h11.ConnectionClosed):
                raise TransportError(Stage.RECEIVE, Reason.ENDED)
            if event is not h11.NEED_DATA and event is not h11.PAUSED:
                return event
            data = await self._stream.receive()
            if not data and self._http.their_state is h11.SEND_RESPONSE:
                raise TransportError(Stage.RECEIVE, Reason.ENDED)
            self._http.receive_data(data)
