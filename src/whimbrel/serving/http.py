"""How a relay or a bridge looks from outside: an ordinary web server. One object for each connection, until it becomes a stream.

A secret path takes a single letter by POST, or becomes a WebSocket; asked in any other way, or with a letter that is none,
it answers to the byte what every unknown path answers. Requests of one connection are answered one after the other. When and
how connections end is as with nginx, too: who sends what is not read gets the answer and no reset.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from enum import Enum, auto
from http import HTTPStatus
from typing import Protocol, cast

from whimbrel.wire.letters import LETTER_MAX

from .handshake import accept_of
from .requests import HTTP_10, HTTP_11, BodyReader, Head, HeadReader, Refused, Wrong
from .site import SERVER, Answer, Reached, Site, date, error, head_of, plain_to_tls, refusal

REQUESTS_MAX = 1000
"""Requests of one connection (keepalive_requests)."""
LINGER = 5
LINGER_MAX = 30
"""Seconds for which more is awaited of what will not be read: since the last of it, and in all (lingering_timeout, lingering_time)."""
TOGETHER = 64 * 1024
"""Content up to this size goes out together with its head."""

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

    @property
    def secure(self) -> bool:
        """Whether it is a port for TLS."""

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

    def take_letter(self, way: int, connection: Connection, head: Head, letter: bytes, reply: Reply) -> None:
        """Answer a letter, now or later."""

    def open_stream(self, way: int, opening: Opening) -> None:
        """A WebSocket is asked for: accept, refuse or overlook it, now or later."""


class Stage(Enum):
    """What a connection is doing."""

    HEAD = auto()
    LETTER = auto()
    """Reading one."""
    WAITING = auto()
    """For the answer to a letter, or for what is said to a WebSocket; nothing is read meanwhile."""
    PASSING_OVER = auto()
    """A body that nobody wants, of a request that was answered."""
    LINGERING = auto()
    """It has ended for us; what still comes is not looked at."""
    OVER = auto()


class Connection(asyncio.Protocol):
    """One connection, as long as it speaks HTTP."""

    __slots__ = (
        "_answers", "_body", "_busy", "_deadline", "_ended", "_head", "_keep_after", "_last_reader", "_letter", "_linger_end", "_opening", "_paused_until", "_plain",
        "_reader", "_rest", "_server", "_stage", "_transport", "_way", "_when_written", "peer",
    )  # fmt: skip

    def __init__(self, server: Server) -> None:
        self._server = server
        self._plain = False
        """On a port for TLS, but not speaking it."""
        self._busy = False
        self._transport: asyncio.Transport | None = None
        self._stage = Stage.HEAD
        self._reader = HeadReader()
        self._head = self._reader.head
        self._body: BodyReader | None = None
        self._letter = bytearray()
        self._way = 0
        self._rest = b""
        """What came while something was waited for."""
        self._answers = 0
        self._ended = False
        """Whether the client has ended its side."""
        self._deadline = 0.0
        self._linger_end = 0.0
        self._keep_after = False
        self._last_reader = self._reader
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

    def is_plain(self) -> None:
        """What listens for TLS found that this client does not speak it."""
        self._plain = True

    def is_inside(self, transport: asyncio.Transport) -> None:
        """The handshake of TLS is over; this is the transport from here on."""
        self._transport = transport
        transport.set_write_buffer_limits(self._server.limits.write_high)
        self._deadline = self._server.time() + self._server.limits.head_timeout

    def data_received(self, data: bytes) -> None:
        if self._transport is None:
            return
        if self._stage in (Stage.LINGERING, Stage.OVER):
            self._deadline = min(self._server.time() + LINGER, self._linger_end)
        else:
            self._rest += data
            self._read()

    def eof_received(self) -> bool:
        # Whoever has sent all still gets the answer to it.
        self._ended = True
        return self._stage is Stage.WAITING

    def connection_lost(self, exc: Exception | None) -> None:
        self._stage = Stage.OVER
        self._transport = None
        if self._opening is not None:
            self._opening.lost()
            self._opening = None
        self._say_written()
        self._forget_letter()
        self._server.connection_ended(self)

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
        return self._stage is not Stage.WAITING and now > self._deadline

    def abort(self) -> None:
        """End it: without a word in the middle of something, else in order."""
        if self._transport is None:
            return
        if self._stage is Stage.HEAD and not self._reader.begun and self._paused_until is None:
            self._transport.close()
        else:
            self._transport.abort()

    def idle(self) -> bool:
        """Whether the connection may be closed without cutting an answer off."""
        return self._stage is not Stage.WAITING

    def close(self) -> None:
        self._stage = Stage.OVER
        if self._transport is not None:
            self._transport.close()

    # ---------------------------------------------------------------------------------------- reading

    def _read(self) -> None:
        """Go through what came, as far as it can be gone through now. What is answered at once comes back here while it is
        gone through: that is no reason to go deeper."""
        if self._busy:
            return
        self._busy = True
        try:
            while self._rest and self._transport is not None:
                if self._stage is Stage.HEAD:
                    read = self._read_head
                elif self._stage is Stage.LETTER:
                    read = self._read_letter
                elif self._stage is Stage.PASSING_OVER:
                    read = self._pass_over
                else:
                    return
                data, self._rest = self._rest, b""
                self._rest = read(data) + self._rest
        finally:
            self._busy = False

    def _read_head(self, data: bytes) -> bytes:
        if self._answers and not self._reader.begun:
            self._deadline = self._server.time() + self._server.limits.head_timeout
        try:
            rest = self._reader.feed(data)
        except Refused as refused:
            head = self._reader.head
            self._body = BodyReader(head) if head.length else None
            # Over TLS nginx thinks that it has read all of a line that is too long.
            unread = refused.unread and not (refused.why is Wrong.LINE_TOO_LONG and self._is_tls)
            return self._send(
                refusal(refused.why, head),
                head,
                unread=unread or (self._reader.filled and not self._is_tls),
                rest=refused.rest,
                taken=False,
            )
        if rest is None:
            return b""
        self._head = head = self._reader.head
        self._body = BodyReader(head)
        self._last_reader = self._reader
        self._reader = HeadReader()
        return self._take(head, rest)

    def _take(self, head: Head, rest: bytes) -> bytes:
        """A request is there, but for its body."""
        if self._plain:
            unread = bool(rest) or self._last_reader.filled
            return self._send(plain_to_tls(head), head, unread=unread, rest=rest, taken=False)
        way = self._server.way_of(head.target)
        if way is not None and head.method == "POST" and head.version >= HTTP_10:
            return self._begin_letter(way, head, rest)
        if way is not None and not head.has_body and self._take_upgrade(way, head, rest):
            return b""
        return self._show(head, rest)

    def _show(self, head: Head, rest: bytes) -> bytes:
        answer = self._page(head)
        if answer.asks_on:
            self._ask_on(head)
        return self._send(answer, head, unread=bool(rest), rest=rest)

    def _page(self, head: Head) -> Answer:
        self._server.page_shown()
        scheme = "https" if self._server.secure else "http"
        name = self._transport.get_extra_info("sockname") if self._transport is not None else None
        address, port = (str(name[0]), int(name[1])) if name else ("localhost", 0)
        reached = Reached(scheme, f"[{address}]" if ":" in address else address, port)
        return self._server.site.answer(head, reached)

    def _ask_on(self, head: Head) -> None:
        expects = head.headers.get(b"expect", b"").lower() == b"100-continue"
        if expects and head.version >= HTTP_11 and self._transport is not None:
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    # ---------------------------------------------------------------------------------------- letters

    def _begin_letter(self, way: int, head: Head, rest: bytes) -> bytes:
        if head.length > LETTER_MAX:
            return self._send(
                error(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, head), head, unread=bool(rest), rest=rest
            )
        self._way, self._stage = way, Stage.LETTER
        self._deadline = self._server.time() + self._server.limits.body_timeout
        if not head.has_body:
            self._post_letter()
        return rest

    def _read_letter(self, data: bytes) -> bytes:
        assert self._body is not None
        self._deadline = self._server.time() + self._server.limits.body_timeout
        try:
            piece, rest = self._body.feed(data)
        except Refused:
            self._forget_letter()
            self._body = None
            self._send(replace(self._page(self._head), close=True), self._head, unread=True)
            return b""
        status = None
        if len(self._letter) + len(piece) > LETTER_MAX:
            status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE
        elif not self._server.take_body(len(piece)):
            status = HTTPStatus.SERVICE_UNAVAILABLE
        if status is not None:
            self._forget_letter()
            return self._send(error(status, self._head), self._head, unread=bool(rest), rest=rest)
        self._letter += piece
        if self._body.done:
            self._post_letter()
        return rest

    def _forget_letter(self) -> None:
        """What is not complete, or has been handed on, counts no more."""
        self._server.take_body(-len(self._letter))
        self._letter = bytearray()

    def _post_letter(self) -> None:
        letter = bytes(self._letter)
        self._forget_letter()
        self._stage = Stage.WAITING
        assert self._transport is not None
        self._transport.pause_reading()
        self._server.take_letter(self._way, self, self._head, letter, self._answer_letter)

    def _answer_letter(self, letter: bytes | HTTPStatus | None) -> None:
        """What is said to a letter; None: it was none, and this is a path like any other."""
        if self._transport is None or self._stage is not Stage.WAITING:
            return
        if letter is None:
            answer = self._page(self._head)
        elif isinstance(letter, HTTPStatus):
            answer = error(letter, self._head)
        else:
            headers = (("Content-Type", "application/octet-stream"), ("Cache-Control", "no-store"))
            answer = Answer(HTTPStatus.OK, headers, letter)
        self._go_on_with(answer)

    def _go_on_with(self, answer: Answer) -> None:
        """Answer what was waited for, and read on."""
        rest, self._rest = self._rest, b""
        if self._transport is None or self._transport.is_closing():
            return
        self._transport.resume_reading()
        self._rest = self._send(answer, self._head, unread=bool(rest), rest=rest)
        self._read()

    # -------------------------------------------------------------------------------------- answering

    @property
    def _is_tls(self) -> bool:
        return self._server.secure and not self._plain

    def _send(
        self, answer: Answer, head: Head, *, unread: bool, rest: bytes = b"", taken: bool = True
    ) -> bytes:
        """Send an answer, and then read on or end; `unread`: the client has said more; `taken`: the request was one that is
        handled. What of `rest` is still to be read."""
        transport = self._transport
        if transport is None:
            return b""
        self._answers += 1
        body, is_wrong = self._body, False
        if body is not None and not body.done:
            # What of the body came with the head is gone through before anything is said.
            try:
                _, rest = body.feed(rest)
            except Refused:
                answer = error(HTTPStatus.BAD_REQUEST, head) if answer.asks_on else answer
                rest, is_wrong = b"", True
            unread = is_wrong or bool(rest)
        keep = (
            head.keep_alive
            and not answer.close
            and not is_wrong
            and self._answers < REQUESTS_MAX
            and not self._server.draining
            and not (self._ended and not rest)
        )
        start = head_of(answer, date(), keep_alive=keep) if head.version >= HTTP_10 else b""
        content = b"" if head.method == "HEAD" and start else answer.content
        if len(content) <= TOGETHER:
            transport.write(start + content)
        else:
            transport.write(start)
            transport.write(content)
        self._deadline = self._server.time() + self._server.limits.keep_alive
        keep = keep and not answer.breaks_off
        if body is not None and not body.done and not is_wrong:
            self._stage = Stage.PASSING_OVER
            self._deadline = self._server.time() + LINGER
            self._linger_end = self._server.time() + LINGER_MAX
            self._keep_after = keep
            return rest
        return self._after_answer(keep, unread or (taken and head.has_body), rest)

    def _after_answer(self, keep: bool, unread: bool, rest: bytes) -> bytes:
        self._body = None
        if not keep:
            self._end(unread)
            return b""
        self._stage = Stage.HEAD
        if rest:
            self._reader = HeadReader(self._last_reader)
        return rest

    def _pass_over(self, data: bytes) -> bytes:
        assert self._body is not None
        self._deadline = min(self._server.time() + LINGER, self._linger_end)
        try:
            _, rest = self._body.feed(data)
        except Refused:
            self._end(False)
            return b""
        if not self._body.done:
            return b""
        self._deadline = self._server.time() + self._server.limits.keep_alive
        return self._after_answer(self._keep_after, True, rest)

    def _end(self, unread: bool) -> None:
        """The last answer is on its way. Somebody who is still talking is heard out, so that no reset takes it away."""
        transport = self._transport
        if transport is None:
            return
        if unread and not self._ended and not self._server.draining:
            self._stage = Stage.LINGERING
            self._linger_end = self._server.time() + LINGER_MAX
            self._deadline = self._server.time() + LINGER
            transport.write_eof()
        else:
            self._stage = Stage.OVER
            transport.close()

    # ------------------------------------------------------------------------------------------- way in

    def _take_upgrade(self, way: int, head: Head, rest: bytes) -> bool:
        """Ask for a stream, if this is a WebSocket handshake as it should be, to a path that is a way."""
        if self._transport is None:
            return False
        version = "1.1" if head.version >= HTTP_11 else "1.0"
        accept = accept_of(head.method, head.target, version, head.headers, head.pairs)
        if accept is None:
            return False
        self._stage = Stage.WAITING
        self._rest = rest
        self._transport.pause_reading()
        self._opening = Opening(self, head, accept)
        self._server.open_stream(way, self._opening)
        return True

    def _become_stream(self, accept: str) -> tuple[asyncio.Transport, bytes]:
        transport = self._transport
        assert transport is not None
        transport.write(
            (
                f"HTTP/1.1 101 Switching Protocols\r\nServer: {SERVER}\r\nDate: {date()}\r\n"
                "Connection: upgrade\r\nUpgrade: websocket\r\n"
                f"Sec-WebSocket-Accept: {accept}\r\n\r\n"
            ).encode("ascii")
        )
        self._stage = Stage.OVER
        self._transport = self._opening = None
        return transport, self._rest

    def _stay(self, answer: Answer) -> None:
        """The upgrade is overlooked or refused: this is a request like any other, and the connection goes on."""
        self._opening = None
        if self._transport is not None:
            self._go_on_with(answer)


class Opening:
    """A WebSocket that is asked for, until something is said to it."""

    __slots__ = ("_accept", "connection", "head", "lost")

    def __init__(self, connection: Connection, head: Head, accept: str) -> None:
        self.connection = connection
        self.head = head
        self._accept = accept
        self.lost: Callable[[], object] = _nothing
        """Called when the client goes away before anything was said."""

    def accept(self) -> tuple[asyncio.Transport, bytes]:
        """It is a stream from here on: its transport, which does not read yet, and what came already."""
        return self.connection._become_stream(self._accept)

    def refuse(self, status: HTTPStatus) -> None:
        """What stands behind us fails."""
        self.connection._stay(error(status, self.head))

    def overlook(self) -> None:
        """A path like any other."""
        self.connection._stay(self.connection._page(self.head))


def _nothing() -> None:
    pass
