"""Resolving: who is asked when, with a resolver by HTTPS that is real, and a system's resolver that lies, fails or is slow."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import dnslib
import pytest
from aiohttp import web
from transport_peers import listening, make_certificate
from websockets.asyncio.server import ServerConnection, serve

from support.check_transport import fails
from whimbrel.link.trouble import Reason, Stage
from whimbrel.transports import names as names_module
from whimbrel.transports import resolving
from whimbrel.transports.registry import Opener
from whimbrel.transports.resolving import Server
from whimbrel.wire.routes import Route, parse_route

NAME = "relay.example"


class Resolver:
    """A resolver by HTTPS: what it answers, and what it was asked."""

    def __init__(self) -> None:
        self.addresses = ["127.0.0.1"]
        self.asked: list[str] = []

    async def answer(self, request: web.Request) -> web.Response:
        assert request.headers["Content-Type"] == "application/dns-message"
        asked = dnslib.DNSRecord.parse(await request.read())
        self.asked.append(f"{asked.q.qname} {dnslib.QTYPE[asked.q.qtype]}")
        reply = asked.reply()
        if asked.q.qtype == dnslib.QTYPE.A:
            for address in self.addresses:
                reply.add_answer(dnslib.RR(asked.q.qname, rdata=dnslib.A(address), ttl=60))
        return web.Response(body=reply.pack(), content_type="application/dns-message")


class World:
    """A relay on loopback, a resolver, and what the system's resolver says."""

    def __init__(self, resolver: Resolver, opener: Opener, route: Route) -> None:
        self.resolver, self.opener, self.route = resolver, opener, route
        self.system: Callable[[], list[str]] = list
        self.system_asked = 0

    async def reach(self) -> str:
        stream, _ = await self.opener.open_stream(self.route)
        await stream.send(b"hello")
        answer = await stream.receive()
        await stream.close()
        return answer.decode()


@pytest.fixture
async def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[World]:
    """Loopback counts as an address of the world here."""
    monkeypatch.setattr(names_module, "_NEVER", names_module._NEVER[0:1] + names_module._NEVER[3:4])
    monkeypatch.setattr(names_module, "is_private", lambda text: text.startswith("192.168."))
    authority, context = make_certificate(tmp_path, NAME, "127.0.0.1", "dns.example")
    resolver = Resolver()
    async with resolving_at(resolver, context) as port, relay(context) as relay_port:
        servers = [Server("127.0.0.1", "/dns-query", None, port)]
        world = World(
            resolver, Opener(authority, servers=servers), parse_route(f"wss://{NAME}:{relay_port}/x")
        )

        def getaddrinfo(name: str, *rest: object, **more: object) -> list[object]:
            assert name == NAME
            world.system_asked += 1
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (a, 0)) for a in world.system()]

        monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
        async with asyncio.timeout(20):
            yield world


@asynccontextmanager
async def resolving_at(resolver: Resolver, context: object) -> AsyncIterator[int]:
    application = web.Application()
    application.router.add_post("/dns-query", resolver.answer)
    runner = web.AppRunner(application, shutdown_timeout=0.1, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()  # type: ignore[arg-type]
    try:
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


@asynccontextmanager
async def relay(context: object) -> AsyncIterator[int]:
    async def echo(connection: ServerConnection) -> None:
        async for message in connection:
            await connection.send(message)

    async with serve(echo, "127.0.0.1", 0, ssl=context) as server:  # type: ignore[arg-type]
        yield server.sockets[0].getsockname()[1]


async def test_an_answer_of_the_system_that_leads_there_is_enough(world: World) -> None:
    world.system = lambda: ["127.0.0.1"]
    assert await world.reach() == "hello"
    assert world.resolver.asked == []
    assert world.opener.names.value() == [[NAME, ["127.0.0.1"]]]


def no_such_name() -> list[str]:
    raise socket.gaierror(socket.EAI_NONAME, "")


@pytest.mark.parametrize("system", [no_such_name, lambda: ["10.10.34.34"], list])
async def test_a_missing_or_false_answer_has_others_asked(
    world: World, system: Callable[[], list[str]]
) -> None:
    world.system = system
    begun = asyncio.get_running_loop().time()
    assert await world.reach() == "hello"
    assert asyncio.get_running_loop().time() - begun < 0.9
    assert world.resolver.asked[0] == f"{NAME}. A"


async def test_a_slow_system_has_others_asked_beside_it(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resolving, "SYSTEM_PATIENCE", 0.1)
    release = asyncio.Event()
    loop = asyncio.get_running_loop()

    def slow() -> list[str]:
        asyncio.run_coroutine_threadsafe(release.wait(), loop).result(10)
        return []

    world.system = slow
    assert await world.reach() == "hello"
    release.set()


async def test_an_answer_that_leads_to_something_else_is_doubted_the_next_time(world: World) -> None:
    """A forged address where something answers, with a certificate of its own: the name is not in it."""

    async def other(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(100)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    world.system = lambda: ["127.0.0.2"]
    server = await asyncio.start_server(other, "127.0.0.2", world.route.port)
    error = await fails(world.reach)
    assert error.trouble.stage is Stage.HANDSHAKE
    assert world.resolver.asked == []
    assert await world.reach() == "hello"
    assert world.resolver.asked[0] == f"{NAME}. A"
    server.close()


async def test_addresses_where_nobody_listens_have_others_looked_for_at_once(world: World) -> None:
    world.system = lambda: ["127.0.0.3"]
    assert await world.reach() == "hello"
    assert world.resolver.asked


async def test_what_worked_is_used_before_any_answer(world: World) -> None:
    world.opener.names.worked(NAME, "127.0.0.1")
    world.system = no_such_name
    assert await world.reach() == "hello"
    assert world.resolver.asked == []


async def test_nobody_is_asked_when_the_way_has_its_addresses(world: World) -> None:
    world.route = parse_route(f"{world.route.text}?ip=127.0.0.1")
    assert await world.reach() == "hello"
    assert world.resolver.asked == []
    assert world.system_asked == 0
    assert world.opener.names.value() == []


async def test_without_any_answer_it_says_so_and_resolvers_are_left_alone_for_a_while(world: World) -> None:
    world.system = no_such_name
    world.opener.resolving.servers = ()
    error = await fails(world.reach)
    assert (error.trouble.stage, error.trouble.reason) == (Stage.RESOLVE, Reason.NO_SUCH_NAME)

    async def refuses(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.append(1)
        writer.transport.abort()

    connections: list[int] = []
    async with listening(refuses) as port:
        world.opener.resolving.servers = (Server("127.0.0.1", "/dns-query", None, port),) * 2
        await fails(world.reach)
        assert len(connections) == 2
        await fails(world.reach)
        assert len(connections) == 2
