"""A way that names the server's key: whoever holds that key is right, whatever the certificate says, and nobody else is."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest

from whimbrel.bridge.certificate import key_of_chain, self_signed
from whimbrel.link.trouble import Reason, Stage
from whimbrel.transports.errors import TransportError
from whimbrel.transports.registry import Opener
from whimbrel.wire.errors import Malformed
from whimbrel.wire.routes import Route, key_of, parse_route, with_key

ACCEPTED = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n"


@asynccontextmanager
async def at_home(folder: Path) -> AsyncIterator[tuple[Route, list[bytes]]]:
    """A server with a certificate that it signed itself: the way to it, and what it heard inside TLS."""
    folder.mkdir(exist_ok=True)
    cert, key = self_signed(folder)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    heard: list[bytes] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            heard.append(head)
            if head.startswith(b"POST"):
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
            else:
                writer.write(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
            await writer.drain()
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=context)
    async with server:
        port = server.sockets[0].getsockname()[1]
        yield with_key(Route("https", "127.0.0.1", port, "/x"), key_of_chain(cert)), heard


@pytest.mark.parametrize("manner", [(), ("system",)], ids=["a browser's TLS", "the system's TLS"])
async def test_a_letter_goes_to_whoever_holds_the_key(tmp_path: Path, manner: tuple[str, ...]) -> None:
    opener = Opener()
    async with at_home(tmp_path) as (route, heard), asyncio.timeout(60):
        way = replace(route, wrappers=(*route.wrappers, *manner))
        letters = opener.open_exchange(way)
        assert await letters.exchange(b"a letter") == b"ok"
        await letters.close()
        with pytest.raises(TransportError) as raised:
            await opener.open_stream(replace(way, transport="wss"))
        assert raised.value.trouble.reason is Reason.NOT_A_RELAY  # it said so itself: the handshake was over
        assert len(heard) == 2


@pytest.mark.parametrize("manner", [(), ("system",)], ids=["a browser's TLS", "the system's TLS"])
async def test_somebody_with_another_key_hears_nothing(tmp_path: Path, manner: tuple[str, ...]) -> None:
    opener = Opener()
    async with at_home(tmp_path) as (route, heard), asyncio.timeout(60):
        other = with_key(replace(route, wrappers=manner), sha256(b"another key").digest())
        letters = opener.open_exchange(other)
        with pytest.raises(TransportError) as raised:
            await letters.exchange(b"a letter")
        assert raised.value.trouble.reason is Reason.CERTIFICATE
        with pytest.raises(TransportError) as raised:
            await opener.open_stream(replace(other, transport="wss"))
        assert (raised.value.trouble.stage, raised.value.trouble.reason) == (
            Stage.HANDSHAKE,
            Reason.CERTIFICATE,
        )
        unnamed = opener.open_exchange(replace(route, wrappers=manner))
        with pytest.raises(TransportError) as raised:
            await unnamed.exchange(b"a letter")
        assert raised.value.trouble.reason is Reason.CERTIFICATE
        assert heard == []


def test_a_key_stands_in_a_way_and_costs_nothing() -> None:
    key = sha256(b"a key").digest()
    way = with_key(parse_route("wss://192.0.2.1:8443/x"), key)
    assert parse_route(way.text) == way
    assert key_of(way.wrappers[0]) == key
    opener = Opener()
    candidate, plain = opener.candidate(way), opener.candidate(parse_route("wss://192.0.2.1:8443/x"))
    assert candidate is not None
    assert plain is not None
    assert candidate.cost == plain.cost


def test_what_is_no_key_is_no_way() -> None:
    opener = Opener()
    good = with_key(parse_route("wss://192.0.2.1/x"), bytes(32)).wrappers[0]
    for wrappers in (
        ("key",),
        ("key:",),
        (good[:-1],),
        (good[:-1] + "b",),  # bits behind the end
        (good + "a",),
        (good.upper(),),
        (good, good),
    ):
        assert opener.candidate(Route("wss", "192.0.2.1", 443, "/x", wrappers=wrappers)) is None
    assert opener.candidate(Route("ws", "192.0.2.1", 80, "/x", wrappers=(good,))) is None
    with pytest.raises(Malformed):
        key_of("frag")
