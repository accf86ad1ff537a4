"""Letters by HTTP: the suite against aiohttp's server, plain and inside TLS."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web
from transport_peers import listening, make_certificate

from support.check_transport import ExchangePair, ExchangeSuite, fails, some_bytes
from whimbrel.link.trouble import Reason
from whimbrel.transports import browser, http, tcp
from whimbrel.transports.browser import BrowserPost
from whimbrel.transports.http import Connection, Http1Connection, HttpExchange, letters_to
from whimbrel.transports.tls import TlsStream, trusting
from whimbrel.wire.letters import LETTER_MAX

NAME = "relay.example"


class Server:
    """Answers letters, as it is told to."""

    def __init__(self) -> None:
        self.connections = 0
        self.held, self.release = asyncio.Event(), asyncio.Event()
        self.status = 200
        self.in_parts = False
        self.cut_after: int | None = None
        self.answer_size: int | None = None

    async def answer(self, request: web.Request) -> web.StreamResponse:
        assert request.method == "POST"
        assert request.path == "/secret"
        assert request.headers["Host"].startswith(NAME)
        letter = await request.read()
        if letter.startswith(b"held"):
            self.held.set()
            await self.release.wait()
        body = b"echo:" + letter if self.answer_size is None else bytes(self.answer_size)
        if self.cut_after is not None:
            response = web.StreamResponse(headers={"Content-Length": str(len(body))})
            await response.prepare(request)
            await response.write(body[: self.cut_after])
            assert request.transport is not None
            request.transport.abort()
            return response
        if self.in_parts:
            parts = web.StreamResponse()
            parts.enable_chunked_encoding()
            await parts.prepare(request)
            for at in range(0, len(body), 30_000):
                await parts.write(body[at : at + 30_000])
            await parts.write_eof()
            return parts
        return web.Response(status=self.status, body=body if self.status == 200 else None)


@asynccontextmanager
async def serving(
    context: ssl.SSLContext | None, authority: Path | None, *, as_browser: bool = False, fresh: bool = False
) -> AsyncIterator[ExchangePair]:
    peer = Server()
    application = web.Application(client_max_size=2 * LETTER_MAX)
    application.router.add_route("*", "/secret", peer.answer)
    runner = web.AppRunner(application, shutdown_timeout=0.1, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context)
    await site.start()
    port = runner.addresses[0][1]

    asked = letters_to(f"{NAME}:{port}", "/secret")

    async def connect() -> Connection:
        peer.connections += 1
        stream = await tcp.connect("127.0.0.1", port)
        if authority is None:
            return Http1Connection(stream, asked)
        if as_browser:
            return BrowserPost(stream, NAME, asked, authority, sparing=fresh)
        tls = TlsStream(stream, trusting(authority), NAME)
        await tls.shake_hands()
        return Http1Connection(tls, asked)

    try:
        yield ExchangePair(HttpExchange(connect, fresh=fresh), peer)
    finally:
        peer.release.set()
        await runner.cleanup()


class TestHttp(ExchangeSuite):
    letter_max = LETTER_MAX

    @asynccontextmanager
    async def pair(self) -> AsyncIterator[ExchangePair]:
        async with serving(None, None) as pair:
            yield pair


class TestHttps(ExchangeSuite):
    letter_max = LETTER_MAX

    @pytest.fixture(autouse=True)
    def certificate(self, tmp_path: Path) -> None:
        self.authority, self.context = make_certificate(tmp_path, NAME)

    @asynccontextmanager
    async def pair(self) -> AsyncIterator[ExchangePair]:
        async with serving(self.context, self.authority) as pair:
            yield pair


@pytest.mark.skipif(not browser.available(), reason="no curl_cffi for this platform")
class TestHttpsAsABrowser(TestHttps):
    @asynccontextmanager
    async def pair(self) -> AsyncIterator[ExchangePair]:
        async with serving(self.context, self.authority, as_browser=True) as pair:
            yield pair


class TestShort(TestHttpsAsABrowser):
    @asynccontextmanager
    async def pair(self) -> AsyncIterator[ExchangePair]:
        async with serving(self.context, self.authority, as_browser=True, fresh=True) as pair:
            yield pair

    async def test_letters_of_every_size_are_answered_over_one_connection(self) -> None:
        """Not here: over one each."""
        async with self.opened() as pair:
            for size in (0, 1, 2048, 70_000, self.letter_max - 5):
                letter = some_bytes(size, size)
                assert await pair.ours.exchange(letter) == b"echo:" + letter
            assert pair.theirs.connections == 5


async def test_a_connection_that_was_idle_for_long_is_not_used_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "IDLE_MAX", 0.05)
    async with serving(None, None) as pair, asyncio.timeout(10):
        await pair.ours.exchange(b"one")
        await pair.ours.exchange(b"two")
        assert pair.theirs.connections == 1
        await asyncio.sleep(0.1)
        await pair.ours.exchange(b"three")
        assert pair.theirs.connections == 2
        await pair.ours.close()


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (b"SSH-2.0-OpenSSH_9.2\r\n\r\n", Reason.NOT_A_RELAY),
        (b"HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n", Reason.NOT_A_RELAY),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", Reason.NOT_A_RELAY),
        (b"HTTP/1.1 200 OK\r\n" + b"X: " + b"y" * 200_000 + b"\r\n\r\n", Reason.NOT_A_RELAY),
        (b"", Reason.ENDED),
    ],
)
async def test_what_is_no_http_is_told_apart(answer: bytes, reason: Reason) -> None:
    async def server(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        writer.write_eof()

    async with listening(server) as port, asyncio.timeout(10):

        async def connect() -> Connection:
            return Http1Connection(await tcp.connect("127.0.0.1", port), letters_to(NAME, "/secret"))

        exchange = HttpExchange(connect)
        assert (await fails(lambda: exchange.exchange(b"letter"))).trouble.reason is reason
        await exchange.close()
