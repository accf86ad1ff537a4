"""What a relay, or whoever stands before it, answers to our transports: HTTP responses, WebSocket handshakes and frames."""

from __future__ import annotations

from collections.abc import Iterator

from websockets.frames import Frame, Opcode
from websockets.utils import accept_key

from fuzz.target import target
from fuzz.targets._memory import loop, pieces
from whimbrel.transports.errors import TransportError
from whimbrel.transports.http import Http1Connection, HttpExchange, letters_to
from whimbrel.transports.ws import WsStream
from whimbrel.wire.letters import LETTER_MAX
from whimbrel.wire.streams import FRAME_MAX


class Heard:
    """A ByteStream on which these bytes come, and then the end."""

    def __init__(self, parts: list[bytes]) -> None:
        self._parts = parts
        self.sent = 0
        self.closed = False

    async def send(self, data: bytes) -> None:
        self.sent += len(data)

    async def receive(self) -> bytes:
        return self._parts.pop(0) if self._parts else b""

    async def end(self) -> None:
        """Nothing more will be sent."""

    async def close(self) -> None:
        self.closed = True


def _responses() -> Iterator[bytes]:
    yield b"\x00HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
    yield b"\x01HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;x=y\r\nhello\r\n0\r\nA: b\r\n\r\n"
    yield b"\x02HTTP/1.0 200 OK\r\n\r\nhello until the end"


_WORDS = (
    b"HTTP/1.1 ",
    b"200",
    b"101",
    b"503",
    b"\r\n",
    b"\r\n\r\n",
    b"Content-Length: ",
    b"Transfer-Encoding: chunked",
    b"0\r\n\r\n",
    b"ffffffff\r\n",
    b"Connection: close",
    b"\x00",
    b"Upgrade: websocket",
)


@target(
    "transport-http",
    "transports.http.Http1Connection.post",
    seeds=_responses,
    skip=1,
    longest=70_000,
    words=_WORDS,
)
def http(data: bytes) -> bool:
    """Answers to a letter by HTTP: bytes that may be an answer, or a TransportError; the connection is kept or closed."""
    stream = Heard(pieces(data[1:], data[0] if data else 0))

    async def opened() -> Http1Connection:
        return Http1Connection(stream, letters_to("relay.example", "/way"))

    async def ask() -> bool:
        exchange = HttpExchange(opened)
        try:
            answer = await exchange.exchange(b"a letter")
        except TransportError:
            # Whoever only has too much to do may be asked again on the same connection.
            assert stream.closed or len(exchange._idle) == 1
            await exchange.close()
            assert stream.closed
            return False
        assert len(answer) <= LETTER_MAX
        assert stream.closed or len(exchange._idle) == 1
        await exchange.close()
        assert stream.closed
        return True

    return loop().run_until_complete(ask())


_HANDSHAKE = b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: ACCEPT\r\n\r\n"


def _conversations() -> Iterator[bytes]:
    yield b"\x00" + _HANDSHAKE + Frame(Opcode.BINARY, b"first").serialize(mask=False)
    yield b"\x01" + _HANDSHAKE.replace(b"101 Switching Protocols", b"503 No")
    for opcode in (Opcode.BINARY, Opcode.TEXT, Opcode.PING, Opcode.CLOSE):
        yield b"\x04" + Frame(opcode, b"\x03\xe8" if opcode is Opcode.CLOSE else b"words").serialize(
            mask=False
        )
    parts = (Frame(Opcode.BINARY, b"one", False), Frame(Opcode.PING, b"?"), Frame(Opcode.CONT, b"two"))
    yield b"\x05" + b"".join(part.serialize(mask=False) for part in parts)


@target("transport-ws", "transports.ws.WsStream.shake_hands", "transports.ws.WsStream.receive", seeds=_conversations, starts=[b"\x04\x88\x02\x03\xe8"], skip=1, longest=40_000, words=(*_WORDS, b"ACCEPT", b"\x82\x7e", b"\x82\x7f\0\0\0\0", b"\x02\x00", b"\x80\x00", b"\x89\x00"))  # fmt: skip
def websocket(data: bytes) -> bool:
    """A server's side of a WebSocket, from the handshake on (ACCEPT stands for the right answer to our key), or from
    the first frame on: whole messages within their limit, or a TransportError."""
    how, sent = (data[0] if data else 0), data[1:]
    stream = Heard([])
    ws = WsStream(stream, "relay.example", 443, "/way", True)
    genuine = accept_key(ws._protocol.key).encode()
    if how & 4:
        sent = _HANDSHAKE + sent
    stream._parts += pieces(sent.replace(b"ACCEPT", genuine), how)

    async def talk() -> bool:
        found = 0
        try:
            await ws.shake_hands()
            while True:
                assert len(await ws.receive()) <= FRAME_MAX
                found += 1
        except TransportError:
            await ws.close()
        assert stream.closed
        return found > 0 or how & 5 != 0

    return loop().run_until_complete(talk())
