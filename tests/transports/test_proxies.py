"""Proxies: their words against servers that are cut anywhere, whole ways through them, and what is picked up from the system."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from transport_peers import TcpPeer, listening, make_certificate
from websockets.asyncio.server import ServerConnection, serve

from support.check_transport import BytePair, ByteStreamSuite, fails
from whimbrel.link.trouble import Reason, Stage
from whimbrel.transports import tcp
from whimbrel.transports.proxies import Proxy, Target, go_through, of_system, parse_proxy, proxied
from whimbrel.transports.registry import Opener
from whimbrel.wire.errors import Malformed
from whimbrel.wire.routes import parse_route

NAME = "relay.example"


class ProxyServer:
    """A SOCKS5 and CONNECT proxy: it leads every name to loopback, and says what it was asked for."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, int]] = []
        self.user: tuple[str, str] | None = None
        self.code = 0
        self.drip = False
        self.came: asyncio.Future[TcpPeer] | None = None

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            first = await reader.readexactly(1)
            port = await (self.socks if first == b"\x05" else self.connect)(reader, writer)
        except (OSError, asyncio.IncompleteReadError):
            writer.close()
            return
        if port is None:
            writer.close()
        elif self.came is not None:
            self.came.set_result(TcpPeer(reader, writer))
        else:
            await pass_on(reader, writer, port)

    async def say(self, writer: asyncio.StreamWriter, data: bytes) -> None:
        if not self.drip:
            writer.write(data)
            return
        for byte in data:
            writer.write(bytes([byte]))
            await writer.drain()
            await asyncio.sleep(0.001)

    async def socks(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> int | None:
        methods = await reader.readexactly((await reader.readexactly(1))[0])
        wanted = 0 if self.user is None else 2
        if wanted not in methods:
            await self.say(writer, b"\x05\xff")
            return None
        await self.say(writer, bytes([5, wanted]))
        if self.user is not None:
            assert await reader.readexactly(1) == b"\x01"
            given = [(await reader.readexactly((await reader.readexactly(1))[0])).decode() for _ in range(2)]
            good = tuple(given) == self.user
            await self.say(writer, bytes([1, not good]))
            if not good:
                return None
        head = await reader.readexactly(4)
        assert head[:3] == b"\x05\x01\x00"
        if head[3] == 3:
            host = (await reader.readexactly((await reader.readexactly(1))[0])).decode()
        else:
            packed = await reader.readexactly({1: 4, 4: 16}[head[3]])
            host = ".".join(map(str, packed)) if len(packed) == 4 else packed.hex()
        port = int.from_bytes(await reader.readexactly(2), "big")
        self.asked.append((host, port))
        bound = (b"\x03\x05bound" if self.drip else b"\x01\0\0\0\0") + b"\0\0"
        await self.say(writer, bytes([5, self.code, 0]) + bound)
        return None if self.code else port

    async def connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> int | None:
        head = (b"C" + await reader.readuntil(b"\r\n\r\n")).decode()
        host, _, port = head.split()[1].rpartition(":")
        self.asked.append((host, int(port)))
        if self.user is not None:
            basic = base64.b64encode(":".join(self.user).encode()).decode()
            if f"Basic {basic}" not in head:
                await self.say(writer, b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n")
                return None
        if self.code:
            await self.say(writer, b"HTTP/1.1 %d No\r\nContent-Length: 0\r\n\r\n" % self.code)
            return None
        await self.say(writer, b"HTTP/1.1 200 Connection established\r\nVia: something\r\n\r\n")
        return int(port)


async def pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, port: int) -> None:
    there, back = await asyncio.open_connection("127.0.0.1", port)

    async def move(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        try:
            while data := await source.read(65536):
                target.write(data)
                await target.drain()
        except OSError:
            pass
        target.close()

    async with asyncio.TaskGroup() as group:
        group.create_task(move(reader, back))
        group.create_task(move(there, writer))


class TestSocks(ByteStreamSuite):
    kind = "socks5"

    @asynccontextmanager
    async def pair(self) -> AsyncIterator[BytePair]:
        server = ProxyServer()
        server.came = asyncio.get_running_loop().create_future()
        async with listening(server.serve) as port:
            stream = await tcp.connect("127.0.0.1", port)
            ours = await go_through(Proxy(self.kind, "127.0.0.1", port), stream, Target(NAME, 443))
            assert server.asked == [(NAME, 443)]
            yield BytePair(ours, await server.came)


class TestConnect(TestSocks):
    kind = "connect"


@pytest.mark.parametrize("kind", ["socks5", "connect"])
@pytest.mark.parametrize("drip", [False, True])
@pytest.mark.parametrize("user", [None, ("ada", "stone key")])
async def test_a_whole_way_through_a_proxy_and_who_resolves(
    tmp_path: Path, kind: str, drip: bool, user: tuple[str, str] | None
) -> None:
    authority, context = make_certificate(tmp_path, NAME)
    server = ProxyServer()
    server.drip, server.user = drip, user

    async def echo(connection: ServerConnection) -> None:
        async for message in connection:
            await connection.send(message)

    async with (
        serve(echo, "127.0.0.1", 0, ssl=context) as relay,
        listening(server.serve) as port,
        asyncio.timeout(10),
    ):
        relay_port = relay.sockets[0].getsockname()[1]
        named = f"{user[0]}:{user[1].replace(' ', '%20')}@" if user else ""
        for after, asked in (("", NAME), ("?ip=127.0.0.1", "127.0.0.1")):
            way = parse_route(f"{kind}://{named}127.0.0.1:{port}|frag|wss://{NAME}:{relay_port}/x{after}")
            stream, subnets = await Opener(authority).open_stream(way)
            await stream.send(b"through it")
            assert await stream.receive() == b"through it"
            await stream.close()
            assert server.asked.pop() == (asked, relay_port)
            assert subnets == ("127.0.0.0/24",)
        chain = parse_route(
            f"{kind}://{named}127.0.0.1:{port}|socks5://{named}127.0.0.1:{port}|wss://{NAME}:{relay_port}/x"
        )
        stream, _ = await Opener(authority).open_stream(chain)
        await stream.send(b"through both")
        assert await stream.receive() == b"through both"
        await stream.close()
        assert server.asked == [("127.0.0.1", port), (NAME, relay_port)]


@pytest.mark.parametrize(
    ("kind", "code", "reason"),
    [
        ("socks5", 2, Reason.REFUSED),
        ("socks5", 4, Reason.UNREACHABLE),
        ("socks5", 5, Reason.REFUSED),
        ("socks5", 6, Reason.TIMED_OUT),
        ("socks5", 99, Reason.FAILED),
        ("connect", 403, Reason.REFUSED),
        ("connect", 504, Reason.TIMED_OUT),
    ],
)
async def test_a_refusal_says_what_it_is(kind: str, code: int, reason: Reason) -> None:
    server = ProxyServer()
    server.code = code
    async with listening(server.serve) as port, asyncio.timeout(10):
        way = parse_route(f"{kind}://127.0.0.1:{port}|wss://{NAME}/x")
        assert (await fails(lambda: Opener().open_stream(way))).trouble.reason is reason


@pytest.mark.parametrize("kind", ["socks5", "connect"])
@pytest.mark.parametrize(
    "answer", [b"", b"SSH-2.0-OpenSSH\r\n\r\n", b"\x05", b"\x05\x07", b"\x05\x00\x05\x00\x00\x09"]
)
async def test_what_is_no_proxy_is_a_failure_of_ours(kind: str, answer: bytes) -> None:
    async def other(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(answer)
        writer.close()

    async with listening(other) as port, asyncio.timeout(10):
        way = parse_route(f"{kind}://127.0.0.1:{port}|wss://{NAME}/x")
        await fails(lambda: Opener().open_stream(way))


async def test_plain_carriers_go_through_a_proxy_only_to_private_addresses() -> None:
    way = parse_route("socks5://127.0.0.1:1|ws://203.0.113.7/x")
    error = await fails(lambda: Opener().open_stream(way))
    assert (error.trouble.stage, error.trouble.reason) == (Stage.CONNECT, Reason.PLAIN_FORBIDDEN)


def test_a_proxy_near_leads_far_and_the_network_sees_only_the_proxy() -> None:
    near = Opener().candidate(parse_route("socks5://127.0.0.1:9050|wss://relay.example/x"))
    assert near is not None
    assert (near.near, near.subnet, near.cost) == (False, "127.0.0.0/24 relay.example", 1)
    assert Opener().candidate(parse_route("socks5:nonsense|wss://relay.example/x")) is None
    assert Opener().candidate(parse_route("short|wss://relay.example/x")) is None, "nothing to be short about"
    assert Opener().candidate(parse_route("short|https://relay.example/x")) is not None


def test_proxies_as_texts() -> None:
    assert parse_proxy("socks5://127.0.0.1:9050") == Proxy("socks5", "127.0.0.1", 9050)
    assert parse_proxy("connect://a%40b:c@[::1]") == Proxy("connect", "::1", 8080, "a@b", "c")
    for text in (
        "socks5:",
        "socks5://",
        "socks5://h:x",
        "socks5://h/path",
        "ftp://h",
        f"socks5://{'x' * 256}:1",
    ):
        with pytest.raises(Malformed):
            parse_proxy(text)


def test_the_systems_proxies_are_further_candidates() -> None:
    settings = {
        "http": "http://other:1",
        "https": "http://box:3128",
        "all": "socks5h://127.0.0.1:9050",
        "no": "*",
    }
    assert of_system(settings) == ("connect://box:3128", "socks5://127.0.0.1:9050")
    assert of_system({"https": "box:3128"}) == ("connect://box:3128",)
    assert of_system({"https": "ftp://box", "socks": "nonsense:port", "all": ""}) == ()
    assert of_system({"socks": "socks://127.0.0.1:1080"}) == ("socks5://127.0.0.1:1080",)
    routes = [
        parse_route(text)
        for text in ("wss://relay.example/x", "ws://192.168.1.5/x", "socks5://h:1|wss://relay.example/x")
    ]
    assert [r.text for r in proxied(routes, ["socks5://127.0.0.1:9050"])] == [
        "socks5://127.0.0.1:9050|wss://relay.example/x"
    ]
    assert proxied(routes, []) == ()


def test_what_the_environment_says_counts_and_what_it_excepts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", "http://box.example:3128")
    monkeypatch.setenv("no_proxy", "near.example")
    for name in ("all_proxy", "ALL_PROXY", "HTTPS_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    routes = [parse_route(f"wss://{name}/x") for name in ("near.example", "relay.example")]
    assert [r.text for r in proxied(routes)] == ["connect://box.example:3128|wss://relay.example/x"]
