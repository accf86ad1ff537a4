"""The registry: what a route stands for, wrappers from outside in, plain carriers, the certificates to trust."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from transport_peers import listening, make_certificate
from websockets.asyncio.server import ServerConnection, serve

from support.check_transport import fails
from whimbrel.link.trouble import Reason, Stage
from whimbrel.link.ways import Candidate, Carries
from whimbrel.transports import browser
from whimbrel.transports.registry import CARRIERS, Opener, opener_of
from whimbrel.transports.resolving import SERVERS
from whimbrel.transports.stream import ByteStream
from whimbrel.wire.routes import TRANSPORTS, parse_route


class Xor:
    """A wrapper of the simplest kind: every byte with a number, both ways."""

    def __init__(self, inner: ByteStream, key: int) -> None:
        self._inner, self._table = inner, bytes(b ^ key for b in range(256))

    async def send(self, data: bytes) -> None:
        await self._inner.send(data.translate(self._table))

    async def receive(self) -> bytes:
        return (await self._inner.receive()).translate(self._table)

    async def end(self) -> None:
        await self._inner.end()

    async def close(self) -> None:
        await self._inner.close()


async def xor(inner: ByteStream, rest: str) -> ByteStream:
    return Xor(inner, int(rest))


def test_every_transport_that_a_route_can_name_has_its_line() -> None:
    assert set(CARRIERS) == set(TRANSPORTS)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (
            "wss://relay.example/x",
            Candidate("wss://relay.example/x", Carries.STREAM, 0, False, "relay.example"),
        ),
        (
            "http://127.0.0.1:8000/x",
            Candidate("http://127.0.0.1:8000/x", Carries.EXCHANGE, 10, True, "127.0.0.0/24"),
        ),
        (
            "xor:1|xor:2|https://relay.example/x?ip=203.0.113.7",
            Candidate(
                "xor:1|xor:2|https://relay.example/x?ip=203.0.113.7",
                Carries.EXCHANGE,
                12,
                False,
                "203.0.113.0/24",
            ),
        ),
        ("else|wss://relay.example/x", None),
    ],
)
def test_a_route_as_the_dialer_sees_it(text: str, found: Candidate | None) -> None:
    assert Opener(wrappers={"xor": xor}).candidate(parse_route(text)) == found


async def test_wrappers_are_put_on_from_outside_in(tmp_path: Path) -> None:
    """The server takes off the outer one first; what is inside both is TLS, and inside that a WebSocket."""
    authority, context = make_certificate(tmp_path, "localhost")

    async def echo(connection: ServerConnection) -> None:
        async for message in connection:
            await connection.send(message)

    async with serve(echo, "127.0.0.1", 0, ssl=context) as server:
        inner_port = server.sockets[0].getsockname()[1]
        seen = bytearray()

        async def unwrap(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            there, back = await asyncio.open_connection("127.0.0.1", inner_port)

            async def pass_on(source: asyncio.StreamReader, target: asyncio.StreamWriter, note: bool) -> None:
                while data := await source.read(65536):
                    data = bytes(b ^ 3 for b in data)
                    if note:
                        seen.extend(data)
                    target.write(data)
                target.close()

            async with asyncio.TaskGroup() as group:
                group.create_task(pass_on(reader, back, True))
                group.create_task(pass_on(there, writer, False))

        async with listening(unwrap) as port, asyncio.timeout(10):
            opener = Opener(authority=authority, wrappers={"xor": xor})
            route = parse_route(f"XOR:1|xor:2|wss://localhost:{port}/x?ip=127.0.0.1")
            stream, subnets = await opener.open_stream(route)
            await stream.send(b"through all of it")
            assert await stream.receive() == b"through all of it"
            assert subnets == ("127.0.0.0/24",)
            await stream.close()
    assert seen[0] == 0x16, "a TLS handshake is what the wrappers carried"
    assert b"localhost" in seen


async def test_an_unknown_wrapper_is_refused_and_not_left_out() -> None:
    error = await fails(lambda: Opener().open_stream(parse_route("else|ws://127.0.0.1:1/x")))
    assert error.trouble.reason is Reason.UNKNOWN_WAY


@pytest.mark.parametrize("transport", ["ws", "http"])
async def test_plain_carriers_to_public_addresses_are_refused_with_a_reason(transport: str) -> None:
    route = parse_route(f"{transport}://203.0.113.7/x")
    if transport == "ws":
        error = await fails(lambda: Opener().open_stream(route))
    else:
        error = await fails(lambda: Opener().open_exchange(route).exchange(b"letter"))
    assert (error.trouble.stage, error.trouble.reason) == (Stage.CONNECT, Reason.PLAIN_FORBIDDEN)


@pytest.mark.parametrize("inner", ["wss", "frag|wss", "system|wss", "https", "short|https"])
async def test_a_way_of_others_never_knocks_at_a_private_network(inner: str) -> None:
    """Whatever is made of it, and whether it is an address, a name, or a name with an address."""
    knocks = 0

    async def house(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal knocks
        knocks += 1
        writer.transport.abort()

    async with listening(house) as port, asyncio.timeout(10):
        for host, more in (("127.0.0.1", ""), ("localhost", ""), ("site.example", "?ip=127.0.0.1")):
            route = parse_route(f"public|{inner}://{host}:{port}/x{more}")
            if route.transport == "wss":
                error = await fails(lambda r=route: Opener().open_stream(r))  # type: ignore[misc]
            else:
                error = await fails(lambda r=route: Opener().open_exchange(r).exchange(b"letter"))  # type: ignore[misc]
            assert error.trouble.reason is Reason.PRIVATE_FORBIDDEN
            assert "private network" in error.trouble.in_words()
    assert knocks == 0


def test_a_way_of_others_comes_after_ones_own_and_before_tricks() -> None:
    opener = Opener()
    own, letters, theirs, cut = (
        opener.candidate(parse_route(f"{text}://site.example/x"))
        for text in ("wss", "https", "public|wss", "public|frag|wss")
    )
    assert own is not None
    assert letters is not None
    assert theirs is not None
    assert cut is not None
    assert own.cost < theirs.cost < letters.cost
    assert theirs.cost < cut.cost
    assert theirs.of_others
    assert cut.of_others
    assert not own.of_others
    for text in ("public|ws://site.example/x", "public|socks5://192.0.2.1:9050|wss://site.example/x"):
        assert opener.candidate(parse_route(text)) is None, (
            "where it leads cannot be kept from private networks"
        )


async def test_a_cut_in_the_handshake_is_told_as_one() -> None:
    async def cuts(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(10)
        writer.transport.abort()

    async with listening(cuts) as port, asyncio.timeout(10):
        for transport in ("ws", "wss"):
            route = parse_route(f"{transport}://127.0.0.1:{port}/x")
            error = await fails(lambda r=route: Opener().open_stream(r))  # type: ignore[misc]
            assert error.trouble.stage is Stage.HANDSHAKE
            assert error.subnets == ("127.0.0.0/24",)
        for transport in ("https", "system|https", "short|https", "http"):
            route = parse_route(f"{transport}://127.0.0.1:{port}/x")
            error = await fails(lambda r=route: Opener().open_exchange(r).exchange(b"letter"))  # type: ignore[misc]
            assert error.trouble.stage is (Stage.RECEIVE if transport == "http" else Stage.HANDSHAKE)
            assert error.subnets == ("127.0.0.0/24",), transport


@pytest.mark.parametrize("transport", ["wss", "https"])
async def test_where_nothing_can_look_like_a_browser_the_systems_tls_is_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, transport: str
) -> None:
    monkeypatch.setattr(browser, "_library", lambda: None)
    assert not browser.available()
    authority, context = make_certificate(tmp_path, "localhost")

    async def web_server(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n")

    async with listening(web_server, context) as port, asyncio.timeout(10):
        route = parse_route(f"{transport}://localhost:{port}/x?ip=127.0.0.1")
        opener = Opener(authority)
        if transport == "wss":
            error = await fails(lambda: opener.open_stream(route))
        else:
            error = await fails(lambda: opener.open_exchange(route).exchange(b"letter"))
        assert error.trouble.reason is Reason.BUSY


def test_what_the_environment_wishes(tmp_path: Path) -> None:
    plain = opener_of({})
    assert plain.authority is None
    assert plain.resolving.servers == SERVERS
    wished = opener_of({"WHIMBREL_AUTHORITY": str(tmp_path), "WHIMBREL_RESOLVERS": "https://203.0.113.53"})
    assert wished.authority == wished.resolving.authority == tmp_path
    assert [server.address for server in wished.resolving.servers] == ["203.0.113.53"]
