"""A bridge passes letters and sessions on to a relay, bounds what everybody takes, and keeps nothing."""

import asyncio
import os
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from support.bridges import bridging
from support.nginx import free_port
from support.relay_client import Place
from whimbrel.bridge.pace import Clients
from whimbrel.bridge.server import Bridge
from whimbrel.bridge.settings import MEBIBYTE, BridgeSettings, Limits
from whimbrel.relay.server import Relay
from whimbrel.relay.settings import Limits as RelayLimits
from whimbrel.relay.settings import RelaySettings
from whimbrel.serving.listening import WrongUse
from whimbrel.wire.operations import Stat
from whimbrel.wire.texts import parse_address

UPGRADE = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"


def settings(tmp_path: Path, *to: str, **limits: int) -> BridgeSettings:
    return BridgeSettings(tmp_path / "bridge", to, host="127.0.0.1", limits=Limits(drain=1, **limits))


async def test_a_letter_goes_to_the_relay_and_its_answer_comes_back(relay: Relay, tmp_path: Path) -> None:
    async with bridging(settings(tmp_path, relay.address)) as (_, info):
        place = Place(info.addresses[0])
        for _ in range(3):
            [answer] = await asyncio.to_thread(place.exchange, Stat(os.urandom(32)))
            assert answer is not None


async def test_a_session_goes_through_whole(relay: Relay, tmp_path: Path) -> None:
    async with bridging(settings(tmp_path, relay.address)) as (_, info):
        place = Place(info.addresses[0])
        await asyncio.to_thread(place.keys)
        async with place.stream(Stat(os.urandom(32))) as stream:
            for _ in range(20):
                [answer] = await stream.ask(Stat(os.urandom(32)))
                assert answer is not None


async def test_the_text_has_the_relays_identity_the_bridges_ways_and_no_admission(
    relay: Relay, tmp_path: Path
) -> None:
    async with bridging(settings(tmp_path, relay.address)) as (bridge, info):
        address = parse_address(info.addresses[0])
        assert address.relay == relay.identity
        assert address.admission is None
        assert {route.transport for route in address.routes} == {"ws", "http"}
        assert {route.port for route in address.routes} == {bridge.port} != {relay.port}
        assert address.routes[0].path.encode() != relay.way_in


async def test_texts_are_the_same_after_a_restart_and_with_more_relays(relay: Relay, tmp_path: Path) -> None:
    other = Relay(RelaySettings(tmp_path / "other", limits=RelayLimits(drain=1)))
    await other.start()
    try:
        async with bridging(settings(tmp_path, relay.address)) as (_, first):
            pass
        async with bridging(settings(tmp_path, other.address, relay.address)) as (_, second):
            assert second.addresses[1] == first.addresses[0]
            assert second.addresses[0] != second.addresses[1]
            for text, wanted in zip(second.addresses, (other, relay), strict=True):
                assert (await asyncio.to_thread(Place(text).keys)).identity == wanted.identity
    finally:
        await other.close()


async def say(port: int, data: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(data)
    heard = b""
    try:
        while True:
            async with asyncio.timeout(5 if not heard else 0.3):
                more = await reader.read(65536)
            if not more:
                break
            heard += more
    except (TimeoutError, ConnectionResetError):
        pass
    writer.close()
    return heard


async def test_when_the_relay_is_away_users_get_a_502_and_strangers_the_same_site(
    relay: Relay, tmp_path: Path
) -> None:
    async with bridging(settings(tmp_path, relay.address)) as (bridge, info):
        path = parse_address(info.addresses[0]).routes[0].path
        site = await say(bridge.port, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        await relay.close()
        letter = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc".encode()
        assert (await say(bridge.port, letter)).startswith(b"HTTP/1.1 502 Bad Gateway\r\n")
        upgrade = f"GET {path} HTTP/1.1\r\nHost: x\r\n{UPGRADE}\r\n".encode()
        assert (await say(bridge.port, upgrade)).startswith(b"HTTP/1.1 502 Bad Gateway\r\n")
        again = await say(bridge.port, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert again.partition(b"\r\n\r\n")[2] == site.partition(b"\r\n\r\n")[2] != b""
        assert again.startswith(b"HTTP/1.1 200 OK\r\n")
        await asyncio.sleep(1.1)
        assert len(bridge.clients) == 0


async def test_what_is_no_letter_is_answered_by_the_bridges_own_site(relay: Relay, tmp_path: Path) -> None:
    async with bridging(settings(tmp_path, relay.address)) as (bridge, info):
        path = parse_address(info.addresses[0]).routes[0].path
        secret, other = [
            await say(bridge.port, f"POST {p} HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc".encode())
            for p in (path, "/" + "q" * 16)
        ]
        assert secret.partition(b"\r\n\r\n")[2] == other.partition(b"\r\n\r\n")[2]
        assert secret.startswith(b"HTTP/1.1 404 ")


async def test_a_session_ends_when_the_relay_ends_it(relay: Relay, tmp_path: Path) -> None:
    async with bridging(settings(tmp_path, relay.address)) as (bridge, info):
        reader, writer = await open_session(bridge.port, info.addresses[0])
        await relay.close()
        async with asyncio.timeout(5):
            await reader.read()
        writer.close()
        await asyncio.sleep(0.1)
        assert len(bridge.clients) == 0
        assert not bridge._sessions


async def open_session(port: int, address: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    path = parse_address(address).routes[0].path
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"GET {path} HTTP/1.1\r\nHost: x\r\n{UPGRADE}\r\n".encode())
    head = await reader.readuntil(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 101 ")
    return reader, writer


class Flood(asyncio.Protocol):
    """A relay that accepts every WebSocket and then sends without end, or takes nothing."""

    made: "list[Flood]" = []  # noqa: RUF012
    sent = 0
    pouring = True

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self.room = True
        Flood.made.append(self)

    def data_received(self, data: bytes) -> None:
        from websockets.utils import accept_key

        key = data.partition(b"Sec-WebSocket-Key: ")[2].partition(b"\r\n")[0].decode()
        assert isinstance(self.transport, asyncio.Transport)
        self.transport.write(
            f"HTTP/1.1 101 Switching Protocols\r\nSec-WebSocket-Accept: {accept_key(key)}\r\n\r\n".encode()
        )
        if Flood.pouring:
            self.pour()
        else:
            self.transport.pause_reading()

    def pour(self) -> None:
        assert isinstance(self.transport, asyncio.Transport)
        while self.room:
            self.transport.write(bytes(16384))
            Flood.sent += 16384

    def pause_writing(self) -> None:
        self.room = False

    def resume_writing(self) -> None:
        self.room = True
        self.pour()


@pytest.fixture
async def flood(relay: Relay) -> AsyncIterator[str]:
    Flood.made, Flood.sent, Flood.pouring = [], 0, True
    server = await asyncio.get_running_loop().create_server(Flood, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    address = parse_address(relay.address)
    yield replace(address, routes=tuple(replace(r, port=port) for r in address.routes)).text
    server.close()
    for one in Flood.made:
        assert isinstance(one.transport, asyncio.Transport)
        one.transport.abort()


async def test_a_slow_reader_stops_the_relay_and_not_the_bridges_memory(flood: str, tmp_path: Path) -> None:
    fast = settings(tmp_path, flood, client_rate=1 << 40, client_burst=1 << 40)
    async with bridging(fast) as (bridge, info):
        _reader, writer = await open_session(bridge.port, info.addresses[0])
        await asyncio.sleep(0.5)
        before = Flood.sent
        await asyncio.sleep(0.5)
        # What the kernel holds for two sockets, and no more: nothing flows.
        assert Flood.sent == before
        [session] = bridge._sessions
        assert session.app.transport.get_write_buffer_size() < MEBIBYTE
        writer.close()


async def test_a_relay_that_takes_nothing_stops_the_client(flood: str, tmp_path: Path) -> None:
    Flood.pouring = False
    fast = settings(tmp_path, flood, client_rate=1 << 40, client_burst=1 << 40)
    async with bridging(fast) as (bridge, info):
        _, writer = await open_session(bridge.port, info.addresses[0])
        stopped = False
        while not stopped:
            writer.write(bytes(65536))
            try:
                async with asyncio.timeout(2):
                    await writer.drain()
            except TimeoutError:
                stopped = True
        [session] = bridge._sessions
        assert session.relay.transport.get_write_buffer_size() < MEBIBYTE
        writer.transport.abort()


async def test_a_client_goes_no_faster_than_it_may(flood: str, tmp_path: Path) -> None:
    slow = settings(tmp_path, flood, client_rate=MEBIBYTE, client_burst=MEBIBYTE)
    async with bridging(slow) as (bridge, info):
        reader, writer = await open_session(bridge.port, info.addresses[0])
        heard, end = 0, asyncio.get_running_loop().time() + 2
        while asyncio.get_running_loop().time() < end:
            heard += len(await reader.read(1 << 20))
        assert MEBIBYTE < heard < 4 * MEBIBYTE
        writer.transport.abort()


async def test_one_client_has_so_many_connections_and_letters_and_others_have_theirs(
    relay: Relay, tmp_path: Path
) -> None:
    few = settings(tmp_path, relay.address, client_connections=3)
    async with bridging(few) as (bridge, info):
        held = [await open_session(bridge.port, info.addresses[0]) for _ in range(3)]
        assert await say(bridge.port, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n") == b""
        held.pop()[1].transport.abort()
        await asyncio.sleep(0.1)
        assert (await say(bridge.port, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")).startswith(b"HTTP/1.1 200")
        for _, writer in held:
            writer.transport.abort()


async def test_behind_a_front_limits_go_by_whom_it_names(relay: Relay, tmp_path: Path) -> None:
    few = replace(settings(tmp_path, relay.address, client_connections=1), behind=True)
    async with bridging(few) as (bridge, info):
        path = parse_address(info.addresses[0]).routes[0].path

        async def ask(who: str) -> tuple[bytes, asyncio.StreamWriter]:
            reader, writer = await asyncio.open_connection("127.0.0.1", bridge.port)
            writer.write(
                f"GET {path} HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: 9.9.9.9, {who}\r\n{UPGRADE}\r\n".encode()
            )
            return await reader.readuntil(b"\r\n"), writer

        answers = [await ask(who) for who in ("192.0.2.1", "192.0.2.1", "192.0.2.2")]
        assert [first.split()[1] for first, _ in answers] == [b"101", b"503", b"101"]
        for _, writer in answers:
            writer.transport.abort()


async def test_letters_beyond_the_memory_for_them_are_told_to_come_again(
    relay: Relay, tmp_path: Path
) -> None:
    async with bridging(settings(tmp_path, relay.address, letter_bytes=50_000)) as (bridge, info):
        place = Place(info.addresses[0])
        status, _ = await asyncio.to_thread(place.post, bytes(60_000))
        assert status == 503
        assert (await asyncio.to_thread(place.keys)).identity == relay.identity
        assert bridge._bytes == 0


async def test_a_plain_way_to_a_relay_outside_is_not_gone(tmp_path: Path) -> None:
    from whimbrel.bridge.upstream import Upstream
    from whimbrel.wire.routes import parse_route

    outside = Upstream(
        bytes(32), (parse_route("ws://example.org/x?ip=192.0.2.1"),), None, Limits(connect_timeout=1)
    )
    from whimbrel.bridge.upstream import RelayAway

    with pytest.raises(RelayAway):
        await outside.open_session()


def test_who_has_left_is_forgotten() -> None:
    clients = Clients(Limits(client_rate=1000, client_burst=1000))
    ada = clients.of("192.0.2.1", 0.0)
    assert clients.of("::ffff:192.0.2.1", 0.0) is ada
    assert clients.of("2001:db8::1", 0.0) is clients.of("2001:db8::ffff", 0.0)
    ada.connections = 1
    clients.leave(ada)
    assert clients.of("192.0.2.1", 0.0) is ada
    ada.connections = 0
    clients.leave(ada)
    assert clients.of("192.0.2.1", 0.0) is not ada


def test_the_pace_of_a_client_is_a_burst_and_then_a_rate() -> None:
    clients = Clients(Limits(client_rate=1000, client_burst=5000))
    ada = clients.of("192.0.2.1", 0.0)
    assert clients.spend(ada, 5000, 0.0) == 0
    assert clients.spend(ada, 1000, 0.0) == 1
    assert clients.spend(ada, 1000, 1.0) == 1
    assert clients.spend(ada, 0, 100.0) == 0
    assert ada.credit == 5000


async def test_a_relay_is_reached_by_tls_and_its_certificate_is_checked(tmp_path: Path) -> None:
    from relay.test_relay_disguise import certificate

    cert, key = certificate(tmp_path)
    port = free_port()
    relay = Relay(
        RelaySettings(
            tmp_path / "relay",
            port=port,
            cert=cert,
            key=key,
            public=(f"wss://localhost:{port}/?ip=127.0.0.1",),
            limits=RelayLimits(drain=1),
        )
    )
    await relay.start()
    try:
        trusting = replace(settings(tmp_path, relay.address), authority=cert)
        async with bridging(trusting) as (_, info):
            place = Place(info.addresses[0])
            assert (await asyncio.to_thread(place.keys)).identity == relay.identity
            async with place.stream(Stat(os.urandom(32))) as stream:
                assert await stream.ask(Stat(os.urandom(32)))
        async with bridging(settings(tmp_path, relay.address)) as (_, info):
            status, _ = await asyncio.to_thread(Place(info.addresses[0]).post, bytes(100))
            assert status == 502
    finally:
        await relay.close()


async def test_a_thousand_handshakes_at_once_are_refused_one_after_the_other(
    relay: Relay, tmp_path: Path
) -> None:
    none = replace(settings(tmp_path, relay.address, client_connections=0), behind=True)
    async with bridging(none) as (bridge, info):
        path = parse_address(info.addresses[0]).routes[0].path
        asked = f"GET {path} HTTP/1.1\r\nHost: x\r\n{UPGRADE}\r\n".encode()
        heard = await say(bridge.port, asked * 900)
        assert heard.count(b"HTTP/1.1 503 ") == 900


async def test_who_does_not_shake_hands_counts_all_the_same(relay: Relay, tmp_path: Path) -> None:
    from relay.test_relay_disguise import certificate

    cert, key = certificate(tmp_path)
    few = replace(settings(tmp_path, relay.address, client_connections=3), cert=cert, key=key)
    async with bridging(few) as (bridge, _):
        held = [await asyncio.open_connection("127.0.0.1", bridge.port) for _ in range(3)]
        held[0][1].write(b"\x16\x03\x01\x02\x00\x01")
        await asyncio.sleep(0.1)
        reader, writer = await asyncio.open_connection("127.0.0.1", bridge.port)
        assert await reader.read() == b""
        writer.close()
        for _, writer in held:
            writer.transport.abort()
        await asyncio.sleep(0.1)
        assert len(bridge.clients) == 0


async def test_a_bridge_that_no_app_would_go_to_does_not_start(relay: Relay, tmp_path: Path) -> None:
    """Plain, on an address of the whole world."""
    everywhere = replace(settings(tmp_path, relay.address), host="0.0.0.0")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("whimbrel.serving.listening._reachable", lambda host: "192.0.2.7")
        bridge = Bridge(everywhere)
        with pytest.raises(WrongUse, match="--public"):
            await bridge.run(lambda info: None, asyncio.Event())
    fronted = replace(everywhere, public=("wss://site.example",))
    async with bridging(fronted) as (_, info):
        assert [route.host for route in parse_address(info.addresses[0]).routes] == ["site.example"] * 2
