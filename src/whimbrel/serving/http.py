"""How a relay or a bridge looks from outside: an ordinary web server. One object for each connection, until it becomes a stream.

`httptools` parses. A secret path takes a single letter by POST, or becomes a WebSocket; asked in any other way, or with
a letter that is none, it answers to the byte what every unknown path answers. Requests of one connection are answered
one after the other, and bodies are read to their end before anything is answered, whatever their path.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Protocol, cast

import httptools

from whimbrel.wire.letters import LETTER_MAX

from .handshake import accept_of
from .site import SERVER, Answer, Site, error, head_of

LINE_MAX = 8 * 1024
HEAD_MAX = 4 * LINE_MAX
"""Bytes of a line and of a whole request's head: as nginx takes by default."""
WAITING_MAX = 100
"""Requests that came before the answer to an earlier one; beyond, the connection ends."""
KNOWN_METHODS = frozenset(("GET", "HEAD", "POST"))


@dataclass(slots=True)
class Request:
    """A request as it comes in. `failure` when it is answered without being looked at."""

    target: bytes = b""
    headers: dict[bytes, bytes] = field(default_factory=dict)
    pairs: list[tuple[bytes, bytes]] = field(default_factory=list)
    method: str = ""
    version: str = "1.1"
    head_size: int = 0
    body: bytearray = field(default_factory=bytearray)
    size: int = 0
    keep_alive: bool = True
    upgrade: bool = False
    failure: HTTPStatus | None = None


Reply = Callable[[bytes | HTTPStatus | None], None]
"""Gets the answer to a letter; a status, as a server shows it when what stands behind it fails; or None when what came was
no letter."""


class Patience(Protocol):
    """How long a client may take, in seconds, and how much may wait for it, in bytes."""

    @property
    def head_timeout(self) -> int: ...
    @property
    def body_timeout(self) -> int: ...
    @property
    def keep_alive(self) -> int: ...
    @property
    def write_high(self) -> int: ...
    @property
    def write_timeout(self) -> int: ...


class Server(Protocol):
    """The program that connections belong to."""

    draining: bool
    site: Site

    @property
    def limits(self) -> Patience: ...

    def time(self) -> float:
        """Monotonic seconds in which the program was awake."""

    def date(self) -> str:
        """For the header of that name."""

    def page_shown(self) -> None:
        """A stranger was answered."""

    def admit_connection(self, connection: Connection) -> bool:
        """Whether there is room for one more. Every connection that is taken is told of again when it ends, or when it
        becomes a stream."""

    def connection_ended(self, connection: Connection) -> None: ...

    def take_body(self, size: int) -> bool:
        """Count bytes of letters that are not complete (negative: they are). False: too many in all."""

    def way_of(self, target: bytes) -> int | None:
        """The number of the way that a path leads to; None: it is a path like any other. Takes the same time for all."""

    def take_letter(self, way: int, connection: Connection, request: Request, reply: Reply) -> None:
        """Answer a letter, now or later."""

    def open_stream(self, way: int, opening: Opening) -> None:
        """A WebSocket is asked for: accept, refuse or overlook it, now or later."""


class Connection(asyncio.Protocol):
    """One connection, as long as it speaks HTTP."""

    __slots__ = (
        "_answering",
        "_closing",
        "_deadline",
        "_head_size",
        "_heads_done",
        "_opening",
        "_parser",
        "_paused_until",
        "_request",
        "_server",
        "_transport",
        "_upgraded",
        "_waiting",
        "_when_written",
        "peer",
    )

    def __init__(self, server: Server) -> None:
        self._server = server
        self._transport: asyncio.Transport | None = None
        self._parser: Any = httptools.HttpRequestParser(self)
        self._request = Request()
        self._waiting: deque[Request] = deque()
        self._answering = False
        self._closing = False
        self._upgraded = False
        self._head_size = 0
        self._heads_done = False
        self._deadline = 0.0
        self._paused_until: float | None = None
        self._opening: Opening | None = None
        self._when_written: list[Callable[[], None]] = []
        self.peer = ""
        """The address at the other end, for limits. Never for logs."""

    # ------------------------------------------------------------------------------ what the loop calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are no subclass, only alike.
        self._transport = cast(asyncio.Transport, transport)
        name = transport.get_extra_info("peername")
        self.peer = str(name[0]) if name else ""
        if not self._server.admit_connection(self):
            self._transport.abort()
            return
        self._transport.set_write_buffer_limits(self._server.limits.write_high)
        self._deadline = self._server.time() + self._server.limits.head_timeout

    def data_received(self, data: bytes) -> None:
        if self._closing or self._transport is None:
            return
        if not self._heads_done:
            if self._head_size == 0:
                self._deadline = self._server.time() + self._server.limits.head_timeout
            self._head_size += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as found:
            self._after_upgrade(bytes(data[found.args[0] :]))
        except (httptools.HttpParserError, _TooLong):
            self._refuse_rest()
        if not self._heads_done and self._head_size > HEAD_MAX:
            self._refuse_rest()
        self._answer_next()

    def eof_received(self) -> bool:
        # Whoever has sent all still gets the answers: the transport is closed when they have been written.
        if not self._waiting and not self._answering:
            return False
        self._closing = True
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        self._closing = True
        self._waiting.clear()
        self._transport = None
        if self._opening is not None:
            self._opening.lost()
            self._opening = None
        self._say_written()
        self._forget_body()
        self._drop_parser()
        self._server.connection_ended(self)

    def _drop_parser(self) -> None:
        # It holds our methods and we hold it: without this both stay until the collector comes.
        self._parser = None

    def pause_writing(self) -> None:
        self._paused_until = self._server.time() + self._server.limits.write_timeout

    def resume_writing(self) -> None:
        self._paused_until = None
        self._say_written()

    def when_written(self, call: Callable[[], None]) -> None:
        """Call when the client has taken all but a little of what waits for it, or is gone."""
        self._when_written.append(call)
        if self._paused_until is None or self._transport is None:
            self._say_written()

    def _say_written(self) -> None:
        calls, self._when_written = self._when_written, []
        for call in calls:
            call()

    def overdue(self, now: float) -> bool:
        """Whether the client has been too slow: in sending a request, in taking an answer, or in saying anything."""
        if self._paused_until is not None:
            return now > self._paused_until
        return not self._answering and now > self._deadline

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def idle(self) -> bool:
        """Whether the connection may be closed without cutting an answer off."""
        return not self._answering and not self._waiting

    def close(self) -> None:
        self._closing = True
        if self._transport is not None:
            self._transport.close()

    # ---------------------------------------------------------------------------- what the parser calls

    def on_message_begin(self) -> None:
        self._forget_body()
        self._request = Request()
        self._heads_done = False

    def on_url(self, url: bytes) -> None:
        self._request.target += url
        if len(self._request.target) > LINE_MAX:
            raise _TooLong

    def on_header(self, name: bytes, value: bytes) -> None:
        request = self._request
        request.pairs.append((name, value))
        request.headers[name.lower()] = value
        request.head_size += len(name) + len(value) + 4
        if len(name) + len(value) > LINE_MAX or request.head_size > HEAD_MAX:
            raise _TooLong

    def on_headers_complete(self) -> None:
        request = self._request
        request.method = self._parser.get_method().decode("ascii")
        request.keep_alive = self._parser.should_keep_alive()
        request.upgrade = self._parser.should_upgrade()
        version = request.version = self._parser.get_http_version()
        self._heads_done = True
        self._head_size = 0
        self._deadline = self._server.time() + self._server.limits.body_timeout
        if version not in ("1.0", "1.1"):
            request.failure = HTTPStatus.HTTP_VERSION_NOT_SUPPORTED
        elif b"host" not in request.headers and version == "1.1":
            request.failure = HTTPStatus.BAD_REQUEST
        elif _length(request.headers) > LETTER_MAX:
            request.failure = HTTPStatus.REQUEST_ENTITY_TOO_LARGE
        elif request.headers.get(b"expect", b"").lower() == b"100-continue" and self._transport:
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        if request.failure is not None:
            raise _TooLong

    def on_body(self, body: bytes) -> None:
        request = self._request
        request.size += len(body)
        if request.size > LETTER_MAX:
            request.failure = HTTPStatus.REQUEST_ENTITY_TOO_LARGE
            raise _TooLong
        if self._server.way_of(request.target) is None:
            return  # read to its end all the same, so that no path answers sooner than another
        if not self._server.take_body(len(body)):
            request.failure = HTTPStatus.SERVICE_UNAVAILABLE
            raise _TooLong
        request.body += body

    def on_message_complete(self) -> None:
        self._heads_done = False
        self._waiting.append(self._request)
        self._server.take_body(-len(self._request.body))
        self._request = Request()
        if len(self._waiting) > WAITING_MAX:
            raise _TooLong

    def _forget_body(self) -> None:
        """The body of a request that is not complete counts no more."""
        self._server.take_body(-len(self._request.body))
        self._request.body.clear()

    # -------------------------------------------------------------------------------------- answering

    def _refuse_rest(self) -> None:
        """What comes cannot be parsed or is too much: what came before is answered, then this, then the end."""
        failed = Request(failure=self._request.failure or HTTPStatus.BAD_REQUEST)
        self._waiting.append(failed)
        self._closing = True

    def _after_upgrade(self, rest: bytes) -> None:
        """The parser stops at every request that asks for an upgrade. Ours is taken up; others are overlooked."""
        request = self._waiting[-1] if self._waiting else None
        alone = len(self._waiting) == 1 and not self._answering
        if request is not None and alone and self._take_upgrade(request, rest):
            return
        self._parser = httptools.HttpRequestParser(self)
        if rest:
            self.data_received(rest)

    def _answer_next(self) -> None:
        while self._waiting and not self._answering and self._transport is not None:
            request = self._waiting.popleft()
            self._answering = True
            if request.failure is not None:
                self._send(error(request.failure, close=True), request)
            elif request.method == "POST" and (way := self._server.way_of(request.target)) is not None:
                self._transport.pause_reading()
                self._server.take_letter(way, self, request, _Reply(self, request))
            else:
                self._send(self._page(request), request)

    def _page(self, request: Request) -> Answer:
        self._server.page_shown()
        return self._server.site.answer(request.method, request.target, request.headers)

    def answer_letter(self, request: Request, letter: bytes | HTTPStatus | None) -> None:
        """What is said to a letter; None: it was none, and this is a path like any other."""
        if self._transport is None:
            return
        self._transport.resume_reading()
        if letter is None:
            self._send(self._page(request), request)
        elif isinstance(letter, HTTPStatus):
            self._send(error(letter), request)
        else:
            headers = (("Content-Type", "application/octet-stream"), ("Cache-Control", "no-store"))
            self._send(Answer(HTTPStatus.OK, headers, letter), request)
        self._answer_next()

    def _send(self, answer: Answer, request: Request) -> None:
        transport = self._transport
        self._answering = False
        if transport is None:
            return
        last = answer.close or not request.keep_alive or (self._closing and not self._waiting)
        head = head_of(answer, self._server.date(), keep_alive=not last)
        transport.write(head if request.method == "HEAD" else head + answer.content)
        self._deadline = self._server.time() + self._server.limits.keep_alive
        if last or self._server.draining:
            self._closing = True
            self._waiting.clear()
            transport.close()

    # ------------------------------------------------------------------------------------------- way in

    def _take_upgrade(self, request: Request, rest: bytes) -> bool:
        """Ask for a stream, if this is a WebSocket handshake as it should be, to a path that is a way."""
        way = self._server.way_of(request.target)
        if self._transport is None or way is None:
            return False
        accept = accept_of(request.method, request.target, request.version, request.headers, request.pairs)
        if accept is None:
            return False
        self._waiting.clear()
        self._answering = True
        self._transport.pause_reading()
        self._opening = Opening(self, request, accept, rest)
        self._server.open_stream(way, self._opening)
        return True

    def _become_stream(self, accept: str) -> asyncio.Transport:
        transport = self._transport
        assert transport is not None
        transport.write(
            (
                f"HTTP/1.1 101 Switching Protocols\r\nServer: {SERVER}\r\nDate: {self._server.date()}\r\n"
                "Connection: upgrade\r\nUpgrade: websocket\r\n"
                f"Sec-WebSocket-Accept: {accept}\r\n\r\n"
            ).encode("ascii")
        )
        self._drop_parser()
        self._transport = self._opening = None
        return transport

    def _stay(self, request: Request, answer: Answer, rest: bytes) -> None:
        """The upgrade is overlooked or refused: this is a request like any other, and the connection goes on."""
        if self._transport is None:
            return
        self._opening = None
        self._transport.resume_reading()
        self._parser = httptools.HttpRequestParser(self)
        self._send(answer, request)
        if rest:
            self.data_received(rest)


class Opening:
    """A WebSocket that is asked for, until something is said to it. `rest`: what the client has said already."""

    __slots__ = ("_accept", "_rest", "connection", "lost", "request")

    def __init__(self, connection: Connection, request: Request, accept: str, rest: bytes) -> None:
        self.connection = connection
        self.request = request
        self._accept = accept
        self._rest = rest
        self.lost: Callable[[], object] = _nothing
        """Called when the client goes away before anything was said."""

    def accept(self) -> tuple[asyncio.Transport, bytes]:
        """It is a stream from here on: its transport, which does not read yet, and what came already."""
        return self.connection._become_stream(self._accept), self._rest

    def refuse(self, status: HTTPStatus) -> None:
        """What stands behind us fails."""
        self.connection._stay(self.request, error(status), self._rest)

    def overlook(self) -> None:
        """A path like any other."""
        self.connection._stay(self.request, self.connection._page(self.request), self._rest)


def _nothing() -> None:
    pass


class _Reply:
    """Where the answer to a letter goes."""

    __slots__ = ("_connection", "_request")

    def __init__(self, connection: Connection, request: Request) -> None:
        self._connection = connection
        self._request = request

    def __call__(self, letter: bytes | HTTPStatus | None) -> None:
        self._connection.answer_letter(self._request, letter)


class _TooLong(Exception):
    """Stops the parser: the request is refused."""


def _length(headers: dict[bytes, bytes]) -> int:
    value = headers.get(b"content-length", b"0")
    return int(value) if value.isdigit() and len(value) < 18 else 0
