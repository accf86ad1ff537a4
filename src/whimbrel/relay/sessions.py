"""A stream: one WebSocket whose messages are a sealed conversation. One object for each, small, because most are idle.

The Sans-I/O protocol of `websockets` makes frames of bytes and bytes of frames; `wire.streams` opens and seals; the desk
decides. What is here moves bytes, keeps the client to its limits, and lets go of clients that are too slow.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from websockets.frames import CloseCode, Frame, Opcode
from websockets.protocol import OPEN
from websockets.server import ServerProtocol

from whimbrel.wire.answers import Answer, Failure, Fetched, Pushed, Signalled
from whimbrel.wire.codec import encode_answer
from whimbrel.wire.errors import WireError
from whimbrel.wire.keydoc import KeyDocument
from whimbrel.wire.streams import FRAME_MAX, KeysAsked, RelayStream

from .watching import Encoded, WatchSet

if TYPE_CHECKING:
    from .server import Relay


SILENT = logging.getLogger("whimbrel.relay.websocket")
"""What `websockets` would say of a connection is not for anybody's eyes."""
SILENT.disabled = True


class Session(asyncio.Protocol):
    """One stream, and the listener for the watch set that it has."""

    __slots__ = (
        "_backlog",
        "_fragments",
        "_heard",
        "_opened",
        "_partial_since",
        "_paused_until",
        "_relay",
        "_stream",
        "_transport",
        "_unanswered",
        "_ws",
        "attached",
    )

    def __init__(self, relay: Relay, transport: asyncio.Transport, stream: RelayStream) -> None:
        self._relay = relay
        self._transport: asyncio.Transport | None = transport
        self._stream = stream
        self._ws = ServerProtocol(state=OPEN, max_size=FRAME_MAX, logger=SILENT)
        self._fragments: list[bytes] | None = None
        self._backlog: list[bytes] | None = None
        self._unanswered = 0
        self._opened = self._heard = relay.time()
        self._paused_until: float | None = None
        self._partial_since: float | None = None
        self.attached: WatchSet | None = None

    # ------------------------------------------------------------------------------ what the loop calls

    def data_received(self, data: bytes) -> None:
        if self._transport is None:
            return
        self._heard = self._relay.time()
        self._ws.receive_data(data)
        for frame in self._ws.events_received():
            if isinstance(frame, Frame):
                self._take_frame(frame)
        self._write_out()
        self._go_on()

    def eof_received(self) -> None:
        self._ws.receive_eof()

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._backlog = self._fragments = None
        if self.attached is not None:
            self._relay.watching.detach(self.attached)
        self._relay.session_ended(self)

    def pause_writing(self) -> None:
        self._paused_until = self._relay.time() + self._relay.limits.write_timeout
        if self._transport is not None:
            self._transport.pause_reading()

    def resume_writing(self) -> None:
        self._paused_until = None
        self._go_on()
        self._relay.watching.catch_up(self)

    # ---------------------------------------------------------------------------------------- incoming

    def _take_frame(self, frame: Frame) -> None:
        """A data frame, or one of several that are one message; control frames were answered already."""
        if frame.opcode is Opcode.BINARY or (frame.opcode is Opcode.CONT and self._fragments is not None):
            if frame.fin and self._fragments is None:
                message = bytes(frame.data)
            else:
                if self._fragments is None:
                    self._fragments = []
                self._fragments.append(bytes(frame.data))
                if not frame.fin:
                    return
                message = b"".join(self._fragments)
                self._fragments = None
            if self._backlog is None:
                self._backlog = [message]
            else:
                self._backlog.append(message)
        elif frame.opcode is Opcode.TEXT:
            self._close(CloseCode.UNSUPPORTED_DATA)

    def _go_on(self) -> None:
        """Take messages, as long as this client takes its answers."""
        while self._backlog and self._transport is not None:
            if not self._may_ask():
                self._transport.pause_reading()
                if self._paused_until is None and self._unanswered == 0:
                    self._relay.soon(self._go_on)
                return
            message = self._backlog.pop(0)
            self._take_message(message)
        self._backlog = None
        if self._transport is not None and self._may_ask():
            self._transport.resume_reading()

    def _may_ask(self) -> bool:
        return self._unanswered < self._relay.limits.unanswered and self._has_room()

    def _take_message(self, message: bytes) -> None:
        try:
            said = self._stream.receive(message)
        except WireError:
            self._close(CloseCode.PROTOCOL_ERROR)
            return
        if isinstance(said, KeysAsked):
            self._send(said.document)
            return
        self._unanswered += 1
        n = said.n
        self._relay.desk.take(said.operations, lambda answers: self._answer(n, answers), self, self)

    # ---------------------------------------------------------------------------------------- outgoing

    def _answer(self, n: int, answers: list[Answer]) -> None:
        self._unanswered -= 1
        if self._transport is None:
            return
        try:
            self._send(self._stream.answer(n, answers))
        except (WireError, ValueError):
            self._close(CloseCode.INTERNAL_ERROR)
            return
        if self.attached is not None and self.attached.missed:
            self._relay.watching.catch_up(self)
        if self._backlog:
            self._relay.soon(self._go_on)

    def can_take(self) -> bool:
        return self._stream.ready and self._has_room()

    def _has_room(self) -> bool:
        return (
            self._transport is not None
            and self._paused_until is None
            and self._transport.get_write_buffer_size() < self._relay.limits.write_high
        )

    def push(self, slot: int, what: Fetched | Failure, shared: Encoded | None) -> None:
        if shared is None:
            self._send(self._stream.push(Pushed(slot, what)))
            return
        if shared.data is None:
            shared.data = encode_answer(shared.what)
        self._send(self._stream.push_encoded(slot, shared.data))

    def signal(self, slot: int, body: bytes) -> None:
        self._send(self._stream.signal(Signalled(slot, body)))

    def show_keys(self, document: KeyDocument) -> None:
        """The relay has new keys for letters."""
        if self.can_take():
            self._send(self._stream.new_keys(document))

    def _send(self, message: bytes) -> None:
        if self._ws.state is OPEN:
            self._ws.send_binary(message)
            self._write_out()

    def _write_out(self) -> None:
        transport = self._transport
        if transport is None:
            return
        for data in self._ws.data_to_send():
            if data:
                transport.write(data)
            else:
                transport.close()

    # --------------------------------------------------------------------------------------------- end

    def _close(self, code: CloseCode) -> None:
        self._backlog = None
        if self._transport is not None and self._ws.state is OPEN:
            self._ws.fail(code)
            self._write_out()

    def go_away(self) -> None:
        """The relay stops: say so, and let the client close."""
        if self._transport is not None and self._ws.state is OPEN:
            self._ws.send_close(CloseCode.GOING_AWAY)
            self._write_out()

    def tend(self, now: float) -> bool:
        """Now and then: ping a silent client. False: it is too slow or gone, cut it off."""
        if self._paused_until is not None and now > self._paused_until:
            return False
        if not self._partial():
            self._partial_since = None
        elif self._partial_since is None:
            self._partial_since = now
        elif now - self._partial_since > self._relay.limits.body_timeout:
            return False
        if not self._stream.ready and self._unanswered == 0:
            return now - self._opened < self._relay.limits.head_timeout
        silence = now - self._heard
        if silence > self._relay.limits.silence:
            return False
        if silence > self._relay.limits.ping_every and self._ws.state is OPEN:
            self._ws.send_ping(b"")
            self._write_out()
        return True

    def waiting(self) -> int:
        """Bytes kept for this client: what it has not taken yet, and a message that it has not ended."""
        return self._partial() + (0 if self._transport is None else self._transport.get_write_buffer_size())

    def _partial(self) -> int:
        fragments = self._fragments
        return len(self._ws.reader.buffer) + (0 if fragments is None else sum(map(len, fragments)))

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()
