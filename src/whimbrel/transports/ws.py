"""WebSocket (RFC 6455) over any ByteStream: one binary message of it is one message of ours."""

from __future__ import annotations

import asyncio
import logging
from collections import deque

from websockets.client import ClientProtocol
from websockets.datastructures import Headers
from websockets.exceptions import InvalidHandshake, InvalidState, InvalidStatus
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory
from websockets.frames import CloseCode, Frame, Opcode
from websockets.http11 import Request, Response
from websockets.protocol import State
from websockets.uri import WebSocketURI

from whimbrel.link.trouble import Reason, Stage
from whimbrel.transports.browser_words import upgrade_headers
from whimbrel.transports.errors import TransportError
from whimbrel.transports.stream import ByteStream
from whimbrel.wire.streams import FRAME_MAX

BUSY_STATUSES = (429, 502, 503, 504)
"""Answers of a server, or of a proxy before it, that has too much to do or is starting."""
GOODBYE = 0.2
"""Seconds for the closing frame to leave."""

_quiet = logging.getLogger("whimbrel.transports.ws")
_quiet.disabled = True  # the library would log what it receives


class WsStream:
    """A MessageStream. `shake_hands` comes first."""

    def __init__(
        self, inner: ByteStream, host: str, port: int, path: str, secure: bool, *, as_browser: bool = False
    ) -> None:
        """`host`, `port`, `path`: for the request; `secure`: TLS is around it, which decides what port is usual.
        `as_browser`: ask as a browser does, which also offers to compress (a relay does not take that up)."""
        self._inner = inner
        uri = WebSocketURI(secure, host, port, path, "")
        offers = [ClientPerMessageDeflateFactory(client_max_window_bits=True)] if as_browser else None
        # What is compressed may be a little larger than what it stands for; whole messages are measured again.
        size_max = FRAME_MAX + (FRAME_MAX // 256 if as_browser else 0)
        self._protocol = ClientProtocol(uri, extensions=offers, max_size=size_max, logger=_quiet)
        self._as_browser = as_browser
        self._messages: deque[bytes] = deque()
        self._begun: bytearray | None = None
        self._heard = True
        self._closed = False

    async def shake_hands(self) -> None:
        """Ask for the upgrade. Raises TransportError (handshake)."""
        request = self._protocol.connect()
        if self._as_browser:
            named = upgrade_headers(request.headers["Host"], request.headers["Sec-WebSocket-Key"])
            request = Request(request.path, Headers(named))
        self._protocol.send_request(request)
        await self._flush()
        while self._protocol.state is State.CONNECTING:
            data = await self._inner.receive()
            if not data:
                raise TransportError(Stage.HANDSHAKE, Reason.RESET)
            self._protocol.receive_data(data)
            for event in self._protocol.events_received():
                if not isinstance(event, Response):
                    self._take(event)
            refusal = self._protocol.handshake_exc
            if refusal is not None:
                raise _of_handshake(refusal)

    async def send(self, message: bytes) -> None:
        try:
            self._protocol.send_binary(message)
        except InvalidState:
            raise TransportError(Stage.SEND, Reason.ENDED) from None
        await self._flush()

    async def receive(self) -> bytes:
        while not self._messages:
            if self._closed or self._protocol.state is not State.OPEN:
                raise self._why_it_ended()
            data = await self._inner.receive()
            if not data:
                self._protocol.receive_eof()
                raise TransportError(Stage.RECEIVE, Reason.ENDED)
            self._heard = True
            self._protocol.receive_data(data)
            for event in self._protocol.events_received():
                self._take(event)
            await self._flush()
        return self._messages.popleft()

    async def ping(self) -> None:
        if not self._heard:
            raise TransportError(Stage.RECEIVE, Reason.SILENT)
        self._heard = False
        try:
            self._protocol.send_ping(b"")
        except InvalidState:
            raise TransportError(Stage.SEND, Reason.ENDED) from None
        await self._flush()

    async def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        try:
            if self._protocol.state is State.OPEN:
                self._protocol.send_close(CloseCode.NORMAL_CLOSURE)
                async with asyncio.timeout(GOODBYE):
                    await self._flush()
        except (TransportError, TimeoutError):
            pass
        finally:
            await self._inner.close()

    def _take(self, event: object) -> None:
        """Messages whole; pings are answered by the protocol itself; texts are not ours."""
        if not isinstance(event, Frame):
            return
        if event.opcode is Opcode.BINARY or (event.opcode is Opcode.CONT and self._begun is not None):
            # In one piece: a list of parts would grow with parts that are empty, which no limit of size counts.
            begun = bytearray() if self._begun is None else self._begun
            begun += event.data
            self._begun = None if event.fin else begun
            if len(begun) > FRAME_MAX:
                self._protocol.fail(CloseCode.MESSAGE_TOO_BIG)
            elif event.fin:
                self._messages.append(bytes(begun))
        elif event.opcode is Opcode.TEXT:
            self._protocol.fail(CloseCode.UNSUPPORTED_DATA)

    async def _flush(self) -> None:
        data = b"".join(self._protocol.data_to_send())
        if data:
            await self._inner.send(data)

    def _why_it_ended(self) -> TransportError:
        cause = self._protocol.close_sent
        if cause is not None and cause.code == CloseCode.MESSAGE_TOO_BIG:
            return TransportError(Stage.RECEIVE, Reason.TOO_LARGE)
        if cause is not None and cause.code in (CloseCode.PROTOCOL_ERROR, CloseCode.UNSUPPORTED_DATA):
            return TransportError(Stage.RECEIVE, Reason.BAD_DATA)
        return TransportError(Stage.RECEIVE, Reason.ENDED)


def _of_handshake(refusal: Exception) -> TransportError:
    if isinstance(refusal, InvalidStatus):
        busy = refusal.response.status_code in BUSY_STATUSES
        return TransportError(Stage.HANDSHAKE, Reason.BUSY if busy else Reason.NOT_A_RELAY)
    if isinstance(refusal, InvalidHandshake | ValueError | EOFError):
        return TransportError(Stage.HANDSHAKE, Reason.NOT_A_RELAY)
    return TransportError(Stage.HANDSHAKE, Reason.FAILED)
