"""A stream: one WebSocket whose messages are a sealed conversation. One object for each, small, because most are idle.

The Sans-I/O protocol of `websockets` makes frames of bytes and bytes of frames, but for the most usual ones, a whole
message in one frame, which `frames` reads and writes beside it; `wire.streams` opens and seals; the desk decides. What is
here moves bytes, keeps the client to its limits, and lets go of clients that are too slow.
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

from .frames import HEAD, PING, frame_of, frame_size, whole_message
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
        "_closing",
        "_fragments",
        "_heard",
        "_opened",
        "_partial",
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
        self._ws: ServerProtocol | None = None
        self._closing = False
        self._fragments: bytearray | None = None
        self._partial: bytearray | None = None
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
        taken: bytes | bytearray = data
        if self._partial is not None:
            self._partial += data
            taken, self._partial = self._partial, None
        at = 0
        while self._transport is not None:
            size = frame_size(taken, at)
            if size is None or at + size > len(taken):
                if size is not None and size > FRAME_MAX + HEAD:
                    self._close(CloseCode.MESSAGE_TOO_BIG)
                elif at < len(taken):
                    # What grows piece by piece is not copied for each of them.
                    if at == 0 and isinstance(taken, bytearray):
                        self._partial = taken
                    else:
                        self._partial = bytearray(taken[at:])
                break
            self._take_frame(bytes(taken[at : at + size]))
            at += size
        self._let_go()
        if self._backlog is not None:
            self._go_on()

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._backlog = self._fragments = self._partial = None
        self._closing = False
        self._drop_ws()
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

    # ------------------------------------------------------------------------------ the WebSocket's state

    def _take_up(self) -> ServerProtocol:
        self._ws = ServerProtocol(state=OPEN, max_size=FRAME_MAX, logger=SILENT)
        return self._ws

    def _let_go(self) -> None:
        """Between two messages its protocol object knows nothing that a new one does not, and costs 4 KB."""
        if self._ws is not None and not self._closing and self._fragments is None:
            self._drop_ws()

    def _drop_ws(self) -> None:
        if self._ws is not None:
            # The generator and its object hold each other: without this they stay until the collector comes.
            self._ws.parser = None  # type: ignore[assignment]
            self._ws = None

    # ---------------------------------------------------------------------------------------- incoming

    def _take_frame(self, data: bytes) -> None:
        """One frame, head and all: most are a whole message, the others are for the protocol object."""
        # When the end has begun, frames are only for the closing handshake.
        message = whole_message(data) if self._fragments is None and not self._closing else None
        if message is not None:
            if self._backlog is None and self._may_ask():
                self._take_message(message)
            else:
                self._wait_with(message)
            return
        ws = self._ws or self._take_up()
        ws.receive_data(data)
        for frame in ws.events_received():
            if isinstance(frame, Frame):
                self._take_part(frame)
        self._write_out(ws)

    def _take_part(self, frame: Frame) -> None:
        """A part of a message; control frames were answered already."""
        if self._closing:
            return
        if frame.opcode is Opcode.TEXT:
            self._close(CloseCode.UNSUPPORTED_DATA)
        elif frame.opcode in (Opcode.BINARY, Opcode.CONT):
            if self._fragments is None:
                self._fragments = bytearray()
            self._fragments += frame.data
            if frame.fin:
                message, self._fragments = bytes(self._fragments), None
                self._wait_with(message)

    def _wait_with(self, message: bytes) -> None:
        if self._backlog is None:
            self._backlog = [message]
        else:
            self._backlog.append(message)

    def _go_on(self) -> None:
        """Take messages, as long as this client takes its answers."""
        while self._backlog and self._transport is not None and not self._closing:
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
        """Whether this client takes its answers, so that it may ask for more."""
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
            and self._transport.get_write_buffer_size() <= self._relay.limits.write_high
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
        if not self._closing:
            self._write(frame_of(message))

    def _write(self, data: bytes) -> None:
        if self._transport is not None:
            self._transport.write(data)

    def _write_out(self, ws: ServerProtocol) -> None:
        transport = self._transport
        if transport is None:
            return
        for data in ws.data_to_send():
            if data:
                transport.write(data)
            else:
                transport.close()
        if ws.state is not OPEN:
            self._closing = True

    # --------------------------------------------------------------------------------------------- end

    def _close(self, code: CloseCode) -> None:
        self._backlog = None
        ws = self._ws or self._take_up()
        if self._transport is not None and ws.state is OPEN:
            self._closing = True
            ws.fail(code)
            self._write_out(ws)

    def go_away(self) -> None:
        """The relay stops: say so, and let the client close."""
        ws = self._ws or self._take_up()
        if self._transport is not None and ws.state is OPEN:
            self._closing = True
            ws.send_close(CloseCode.GOING_AWAY)
            self._write_out(ws)

    def tend(self, now: float) -> bool:
        """Now and then: ping a silent client. False: it is too slow or gone, cut it off."""
        if self._paused_until is not None and now > self._paused_until:
            return False
        if not self._unfinished():
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
        if silence > self._relay.limits.ping_every and not self._closing:
            self._write(PING)
        return True

    def waiting(self) -> int:
        """Bytes kept for this client: what it has not taken yet, and a message that it has not ended."""
        return self._unfinished() + (
            0 if self._transport is None else self._transport.get_write_buffer_size()
        )

    def _unfinished(self) -> int:
        """Bytes of a message that has begun; at least one, also when its parts so far are empty."""
        partial, fragments = self._partial, self._fragments
        return (0 if partial is None else len(partial)) + (0 if fragments is None else len(fragments) + 1)

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()
