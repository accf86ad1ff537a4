"""Letters by HTTP/1.1: one POST for each, over connections that are kept for the next."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import h11

from whimbrel.link.trouble import Reason, Stage
from whimbrel.transports.errors import TransportError
from whimbrel.transports.stream import ByteStream
from whimbrel.transports.ws import BUSY_STATUSES
from whimbrel.wire.letters import LETTER_MAX

IDLE_MAX = 15.0
"""Seconds for which a connection is kept: below what servers allow (nginx 75 s, some 20 s), because a letter that goes
to a connection just closed is lost, and must be sealed anew."""
KEPT_MAX = 3


@dataclass(slots=True, eq=False)
class _Connection:
    stream: ByteStream
    http: h11.Connection
    idle_since: float = 0.0


class HttpExchange:
    """An Exchange. `open_stream` opens a ByteStream to the server, TLS included."""

    def __init__(self, open_stream: Callable[[], Awaitable[ByteStream]], host: str, path: str) -> None:
        """`host`: as in the Host header, with the port where it is not the usual one."""
        self._open_stream = open_stream
        self._host = host
        self._path = path
        self._idle: list[_Connection] = []
        self._busy: set[_Connection] = set()
        self._closed = False

    async def exchange(self, letter: bytes) -> bytes:
        if self._closed:
            raise TransportError(Stage.SEND, Reason.ENDED)
        connection = await self._take()
        self._busy.add(connection)
        keep = False
        try:
            answer, keep = await self._post(connection, letter)
        finally:
            self._busy.discard(connection)
            if keep and not self._closed and len(self._idle) < KEPT_MAX:
                connection.idle_since = asyncio.get_running_loop().time()
                self._idle.append(connection)
            else:
                await connection.stream.close()
        return answer

    async def close(self) -> None:
        self._closed = True
        for connection in (*self._idle, *self._busy):
            await connection.stream.close()
        self._idle.clear()

    async def _take(self) -> _Connection:
        """A kept connection that is young enough, or a new one."""
        oldest = asyncio.get_running_loop().time() - IDLE_MAX
        while self._idle:
            connection = self._idle.pop()
            if connection.idle_since >= oldest:
                return connection
            await connection.stream.close()
        stream = await self._open_stream()
        if self._closed:
            await stream.close()
            raise TransportError(Stage.CONNECT, Reason.ENDED)
        return _Connection(stream, h11.Connection(h11.CLIENT))

    async def _post(self, connection: _Connection, letter: bytes) -> tuple[bytes, bool]:
        """The answer, and whether the connection may be kept."""
        http = connection.http
        request = h11.Request(
            method="POST",
            target=self._path,
            headers=[
                ("Host", self._host),
                ("Content-Type", "application/octet-stream"),
                ("Content-Length", str(len(letter))),
            ],
        )
        parts = (http.send(request), http.send(h11.Data(data=letter)), http.send(h11.EndOfMessage()))
        await connection.stream.send(b"".join(part for part in parts if part))
        try:
            response = await self._response(connection)
            answer = await self._body(connection)
        except h11.RemoteProtocolError:
            raise TransportError(Stage.RECEIVE, Reason.NOT_A_RELAY) from None
        if response.status_code in BUSY_STATUSES:
            raise TransportError(Stage.RECEIVE, Reason.BUSY)
        if response.status_code != 200:
            raise TransportError(Stage.RECEIVE, Reason.NOT_A_RELAY)
        keep = http.our_state is h11.DONE and http.their_state is h11.DONE
        if keep:
            http.start_next_cycle()
        return answer, keep

    async def _response(self, connection: _Connection) -> h11.Response:
        while True:
            event = await self._event(connection)
            if isinstance(event, h11.Response):
                return event

    async def _body(self, connection: _Connection) -> bytes:
        parts: list[bytes] = []
        size = 0
        while True:
            event = await self._event(connection)
            if isinstance(event, h11.EndOfMessage):
                return b"".join(parts)
            if isinstance(event, h11.Data):
                size += len(event.data)
                if size > LETTER_MAX:
                    raise TransportError(Stage.RECEIVE, Reason.TOO_LARGE)
                parts.append(bytes(event.data))

    async def _event(self, connection: _Connection) -> object:
        while True:
            event = connection.http.next_event()
            if isinstance(event, h11.ConnectionClosed):
                raise TransportError(Stage.RECEIVE, Reason.ENDED)
            if event is not h11.NEED_DATA and event is not h11.PAUSED:
                return event
            data = await connection.stream.receive()
            if not data and connection.http.their_state is h11.SEND_RESPONSE:
                raise TransportError(Stage.RECEIVE, Reason.ENDED)
            connection.http.receive_data(data)
