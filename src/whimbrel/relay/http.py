"""How the relay looks from outside: an ordinary web server. One object for each connection, until it becomes a stream.

`httptools` parses. The secret path takes a single letter by POST, or becomes a WebSocket; asked in any other way, or with
a letter that is none, it answers to the byte what every unknown path answers. Requests of one connection are answered
one after the other, and bodies are read to their end before anything is answered, whatever their path.
"""

from __future__ import annotations

import asyncio
import hmac
from collections import deque
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, cast

import httptools

from whimbrel.wire.letters import LETTER_MAX

from .handshake import accept_of
from .site import SERVER, Answer, error, head_of

if TYPE_CHECKING:
    from .server import Relay

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


class Connection(asyncio.Protocol):
    """One connection, as long as it speaks HTTP."""

    __slots__ = (
        "_answering",
        "_closing",
        "_deadline",
        "_head_size",
        "_heads_done",
        "_parser",
        "_paused_until",
        "_relay",
        "_request",
        "_transport",
        "_upgraded",
        "_waiting",
    )

    def __init__(self, relay: Relay) -> None:
        self._relay = relay
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

    # ------------------------------------------------------------------------------ what the loop calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are no subclass, only alike.
        self._transport = cast(asyncio.Transport, transport)
        if not self._relay.admit_connection(self):
            self._transport.abort()
            return
        self._transport.set_write_buffer_limits(self._relay.limits.write_high)
        self._deadline = self._relay.time() + self._relay.limits.head_timeout

    def data_received(self, data: bytes) -> None:
        if self._closing or self._transport is None:
            return
        if not self._heads_done:
            if self._head_size == 0:
                self._deadline = self._relay.time() + self._relay.limits.head_timeout
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
        self._forget_body()
        self._drop_parser()
        self._relay.connection_ended(self)

    def _drop_parser(self) -> None:
        # It holds our methods and we hold it: without this both stay until the collector comes.
        self._parser = None

    def pause_writing(self) -> None:
        self._paused_until = self._relay.time() + self._relay.limits.write_timeout

    def resume_writing(self) -> None:
        self._paused_until = None

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
        self._deadline = self._relay.time() + self._relay.limits.body_timeout
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
        if not self._is_way_in(request):
            return  # read to its end all the same, so that no path answers sooner than another
        if not self._relay.take_body(len(body)):
            request.failure = HTTPStatus.SERVICE_UNAVAILABLE
            raise _TooLong
        request.body += body

    def on_message_complete(self) -> None:
        self._heads_done = False
        self._waiting.append(self._request)
        self._relay.take_body(-len(self._request.body))
        self._request = Request()
        if len(self._waiting) > WAITING_MAX:
            raise _TooLong

    def _forget_body(self) -> None:
        """The body of a request that is not complete counts no more."""
        self._relay.take_body(-len(self._request.body))
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
        if request is not None and alone and self._is_way_in(request) and self._take_upgrade(request, rest):
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
            elif request.method == "POST" and self._is_way_in(request):
                self._transport.pause_reading()
                self._relay.take_letter(bytes(request.body), _Reply(self, request))
            else:
                self._send(self._page(request), request)

    def _page(self, request: Request) -> Answer:
        self._relay.counts.pages += 1
        return self._relay.site.answer(request.method, request.target, request.headers)

    def answer_letter(self, request: Request, letter: bytes | None) -> None:
        """What the relay says to a letter; None: it was none, and this is a path like any other."""
        if self._transport is None:
            return
        self._transport.resume_reading()
        if letter is None:
            self._send(self._page(request), request)
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
        head = head_of(answer, self._relay.date(), keep_alive=not last)
        transport.write(head if request.method == "HEAD" else head + answer.content)
        self._deadline = self._relay.time() + self._relay.limits.keep_alive
        if last or self._relay.draining:
            self._closing = True
            self._waiting.clear()
            transport.close()

    # ------------------------------------------------------------------------------------------- way in

    def _is_way_in(self, request: Request) -> bool:
        return hmac.compare_digest(request.target, self._relay.way_in)

    def _take_upgrade(self, request: Request, rest: bytes) -> bool:
        """Become a stream, if this is a WebSocket handshake as it should be."""
        if self._transport is None or self._relay.draining:
            return False
        accept = accept_of(request.method, request.target, request.version, request.headers, request.pairs)
        if accept is None:
            return False
        self._transport.write(
            (
                f"HTTP/1.1 101 Switching Protocols\r\nServer: {SERVER}\r\nDate: {self._relay.date()}\r\n"
                "Connection: upgrade\r\nUpgrade: websocket\r\n"
                f"Sec-WebSocket-Accept: {accept}\r\n\r\n"
            ).encode("ascii")
        )
        self._waiting.clear()
        self._drop_parser()
        transport, self._transport = self._transport, None
        self._relay.become_stream(self, transport, rest)
        return True


class _Reply:
    """Where the answer to a letter goes."""

    __slots__ = ("_connection", "_request")

    def __init__(self, connection: Connection, request: Request) -> None:
        self._connection = connection
        self._request = request

    def __call__(self, letter: bytes | None) -> None:
        self._connection.answer_letter(self._request, letter)


class _TooLong(Exception):
    """Stops the parser: the request is refused."""


def _length(headers: dict[bytes, bytes]) -> int:
    value = headers.get(b"content-length", b"0")
    return int(value) if value.isdigit() and len(value) < 18 else 0
