"""WebSocket: the suite against the server of the `websockets` package, plain and inside TLS, and handshakes that fail."""

from __future__ import annotations

import asyncio
import ssl
import tracemalloc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from transport_peers import listening, make_certificate, reset
from websockets.asyncio.server import ServerConnection, serve
from websockets.frames import Frame, Opcode
from websockets.utils import accept_key

from support.check_transport import MessagePair, MessageStreamSuite, fails
from whimbrel.link.trouble import Reason, Stage
from whimbrel.transports import browser, tcp
from whimbrel.transports.browser import BrowserTls
from whimbrel.transports.tls import TlsStream, trusting
from whimbrel.transports.ws import WsStream
from whimbrel.wire.streams import FRAME_MAX

NAME = "relay.example"


class Peer:
    """The server's end."""

    def __init__(self, connection: ServerConnection) -> None:
        self._connection = connection

    async def send(self, message: bytes) -> None:
        await self._connection.send(message)

    async def send_in_parts(self, parts: list[bytes]) -> None:
        await self._connection.send(parts)

    async def receive(self) -> bytes:
        message = await self._connection.recv()
        assert isinstance(message, bytes)
        return message

    def pause(self) -> None:
        self._connection.transport.pause_reading()  # type: ignore[attr-defined]

    def resume(self) -> None:
        self._connection.transport.resume_reading()  # type: ignore[attr-defined]

    async def close(self) -> None:
        await self._connection.close()

    def reset(self) -> None:
        self._connection.transport.abort()


@asynccontextmanager
async def connected(
    context: ssl.SSLContext | None, authority: Path | None, *, as_browser: bool = False, compress: bool = True
) -> AsyncIterator[MessagePair]:
    came: asyncio.Future[ServerConnection] = asyncio.get_running_loop().create_future()

    async def handler(connection: ServerConnection) -> None:
        came.set_result(connection)
        await connection.wait_closed()

    async with serve(
        handler,
        "127.0.0.1",
        0,
        ssl=context,
        max_size=FRAME_MAX + 8192,
        max_queue=4,
        ping_interval=None,
        compression="deflate" if compress else None,
    ) as server:
        port = server.sockets[0].getsockname()[1]
        stream: tcp.TcpStream | TlsStream | BrowserTls = await tcp.connect("127.0.0.1", port)
        if authority is not None:
            if as_browser:
                stream = BrowserTls(stream, NAME, authority)
            else:
                stream = TlsStream(stream, trusting(authority), NAME)
            await stream.shake_hands()
        ours = WsStream(stream, NAME, port, "/secret", authority is not None, as_browser=as_browser)
        await ours.shake_hands()
        connection = await came
        assert connection.request is not None
        assert connection.request.path == "/secret"
        assert connection.request.headers["Host"] == f"{NAME}:{port}"
        yield MessagePair(ours, Peer(connection))
        connection.transport.abort()


class TestWs(MessageStreamSuite):
    message_max = FRAME_MAX

    @asynccontextmanager
    async def pair(self) -> AsyncIterator[MessagePair]:
        async with connected(None, None) as pair:
            yield pair


class TestWss(MessageStreamSuite):
    message_max = FRAME_MAX

    @pytest.fixture(autouse=True)
    def certificate(self, tmp_path: Path) -> None:
        self.authority, self.context = make_certificate(tmp_path, NAME)

    @asynccontextmanager
    async def pair(self) -> AsyncIterator[MessagePair]:
        async with connected(self.context, self.authority) as pair:
            yield pair


@pytest.mark.skipif(not browser.available(), reason="no curl_cffi for this platform")
class TestWssAsABrowser(TestWss):
    compress = False

    @asynccontextmanager
    async def pair(self) -> AsyncIterator[MessagePair]:
        async with connected(self.context, self.authority, as_browser=True, compress=self.compress) as pair:
            yield pair


class TestWssAsABrowserWithAServerThatCompresses(TestWssAsABrowser):
    """A browser offers it; no relay takes it up, but something before one may."""

    compress = True


SITE = b"HTTP/1.1 404 Not Found\r\nContent-Length: 9\r\n\r\nnot found"


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (SITE, Reason.NOT_A_RELAY),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", Reason.NOT_A_RELAY),
        (b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n", Reason.BUSY),
        (b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
         b"Sec-WebSocket-Accept: bm90IG91cnM=\r\n\r\n", Reason.NOT_A_RELAY),
        (b"SSH-2.0-OpenSSH_9.2\r\n", Reason.NOT_A_RELAY),
        (b"\x15\x03\x03\x00\x02\x02\x46\r\n\r\n", Reason.NOT_A_RELAY),
        (b"HTTP/1.1 101 " + b"x" * 100_000 + b"\r\n", Reason.NOT_A_RELAY),
        (b"HTTP/1.1 101 Switching", Reason.RESET),
        (b"", Reason.RESET),
    ],
)  # fmt: skip
async def test_a_handshake_that_fails_says_how(answer: bytes, reason: Reason) -> None:
    async def site(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        await writer.drain()
        writer.write_eof()

    async with listening(site) as port, asyncio.timeout(10):
        stream = WsStream(await tcp.connect("127.0.0.1", port), NAME, port, "/x", False)
        error = await fails(stream.shake_hands)
        assert error.trouble.reason is reason
        assert error.trouble.stage is Stage.HANDSHAKE
        await stream.close()


@pytest.mark.parametrize(
    "garbage",
    [b"\xff\xff\xff\xff", b"\x81\x05hello", b"\x82\x85\x00\x00\x00\x00hello", b"\xc2\x01x", b"\x00\x01x"],
    ids=["nonsense", "text", "masked", "reserved bit", "continuation of nothing"],
)
async def test_what_is_no_websocket_any_more_ends_the_stream(garbage: bytes) -> None:
    async def server(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        import base64
        import hashlib

        head = await reader.readuntil(b"\r\n\r\n")
        key = next(line[19:] for line in head.split(b"\r\n") if line.lower().startswith(b"sec-websocket-key"))
        accept = base64.b64encode(hashlib.sha1(key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest())
        writer.write(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n\x82\x02ok" + garbage
        )
        await reader.read()
        reset(writer)

    async with listening(server) as port, asyncio.timeout(10):
        stream = WsStream(await tcp.connect("127.0.0.1", port), NAME, port, "/x", False)
        await stream.shake_hands()
        assert await stream.receive() == b"ok", "what came in the same packet as the handshake is kept"
        assert (await fails(stream.receive)).trouble.reason is Reason.BAD_DATA
        await stream.close()


class Heard:
    """A ByteStream on which these bytes come, and then the end."""

    def __init__(self, *parts: bytes) -> None:
        self.parts = list(parts)
        self.kept = 0

    async def send(self, data: bytes) -> None:
        """Nobody listens."""

    async def receive(self) -> bytes:
        if tracemalloc.is_tracing():
            self.kept = tracemalloc.get_traced_memory()[0]
        return self.parts.pop(0) if self.parts else b""

    async def end(self) -> None:
        """Nothing more is sent."""

    async def close(self) -> None:
        """It is over."""


async def test_parts_of_a_message_that_are_empty_take_no_room() -> None:
    inner = Heard()
    ws = WsStream(inner, NAME, 443, "/", True)
    empty = Frame(Opcode.CONT, b"", fin=False).serialize(mask=False)
    inner.parts += [
        b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n"
        b"Sec-WebSocket-Accept: " + accept_key(ws._protocol.key).encode() + b"\r\n\r\n",
        Frame(Opcode.BINARY, b"be", fin=False).serialize(mask=False),
        *[empty * 5_000] * 20,
        Frame(Opcode.CONT, b"gun").serialize(mask=False),
    ]
    await ws.shake_hands()
    tracemalloc.start()
    try:
        assert await ws.receive() == b"begun"
        assert inner.kept < 400_000
    finally:
        tracemalloc.stop()
