"""A network in place of the system's: connections and questions go by it alone, and what is learnt names the addresses of that network."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from transport_peers import listening, make_certificate
from websockets.asyncio.server import ServerConnection, serve

from support.check_transport import fails
from whimbrel.link.trouble import Reason, Stage
from whimbrel.transports import tcp
from whimbrel.transports.registry import Opener
from whimbrel.wire.routes import parse_route

NAME = "relay.example"
ADDRESS, OTHER = "203.0.113.10", "198.51.100.10"
"""For documentation (RFC 5737): nobody answers there but in a network of ours."""


class Small:
    """A network with one server, which has two addresses; the second one is down. Its port here is another than there."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.opened: list[tuple[str, int]] = []
        self.asked: list[str] = []

    async def open(self, address: str, port: int, *, sparing: bool = False) -> tcp.TcpStream:
        self.opened.append((address, port))
        if address != ADDRESS:
            raise tcp.TransportError(Stage.CONNECT, Reason.REFUSED)
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        return tcp.TcpStream(reader, writer, peer=address)

    async def look_up(self, name: str) -> list[str]:
        self.asked.append(name)
        if name != NAME:
            raise socket.gaierror(socket.EAI_NONAME, "")
        return [OTHER, ADDRESS]


async def echo(connection: ServerConnection) -> None:
    async for message in connection:
        await connection.send(message)


async def in_a_small_network(folder: Path, see: Callable[[Small, Opener], Awaitable[None]]) -> None:
    authority, context = make_certificate(folder, NAME)
    async with serve(echo, "127.0.0.1", 0, ssl=context) as server, asyncio.timeout(20):
        net = Small(next(iter(server.sockets)).getsockname()[1])
        await see(net, Opener(authority, servers=(), net=net))


async def test_a_name_is_asked_of_it_and_what_worked_is_kept_by_its_address(tmp_path: Path) -> None:
    async def see(net: Small, opener: Opener) -> None:
        stream, subnets = await opener.open_stream(parse_route(f"wss://{NAME}/x"))
        await stream.send(b"hello")
        assert await stream.receive() == b"hello"
        await stream.close()
        assert net.asked == [NAME]
        assert net.opened == [(OTHER, 443), (ADDRESS, 443)]
        assert subnets == ("198.51.100.0/24", "203.0.113.0/24")
        assert opener.names.value() == [[NAME, [ADDRESS]]]

    await in_a_small_network(tmp_path, see)


async def test_a_way_that_somebody_told_counts_as_one_of_the_internet(tmp_path: Path) -> None:
    async def see(net: Small, opener: Opener) -> None:
        stream, _ = await opener.open_stream(parse_route(f"public|wss://{NAME}/x?ip={ADDRESS}"))
        await stream.close()
        assert net.asked == []

    await in_a_small_network(tmp_path, see)


@pytest.mark.parametrize("host", ["elsewhere.example", OTHER])
async def test_what_it_does_not_have_is_not_looked_for_elsewhere(tmp_path: Path, host: str) -> None:
    async def see(net: Small, opener: Opener) -> None:
        error = await fails(lambda: opener.open_stream(parse_route(f"wss://{host}/x")))
        assert error.trouble.stage is (Stage.CONNECT if host == OTHER else Stage.RESOLVE)

    await in_a_small_network(tmp_path, see)


async def test_a_proxy_is_reached_by_it_too() -> None:
    async with listening(lambda reader, writer: asyncio.sleep(0)) as port:
        net = Small(port)
        route = parse_route(f"socks5://proxy.example:1080|wss://{NAME}/x")
        error = await fails(lambda: Opener(net=net).open_stream(route))
        assert error.trouble.stage is Stage.RESOLVE
        assert net.asked == ["proxy.example"]
