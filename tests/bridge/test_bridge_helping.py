"""A bridge at home: a certificate of its own, so many people, so many bytes a day, and never into a private network."""

from __future__ import annotations

import asyncio
import io
import json
import os
import subprocess
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from bridge.test_handed_on import BO, CLEO, handed_on
from support.bridges import bridging, gets_through
from support.homes import COMMAND, Program, RelayProcess, environment
from support.relay_client import Place
from whimbrel.bridge.cuts import Cuts
from whimbrel.bridge.day import OPENING
from whimbrel.bridge.server import Bridge
from whimbrel.bridge.settings import BridgeSettings, Limits
from whimbrel.relay.server import Relay
from whimbrel.serving.journal import Journal
from whimbrel.transports.registry import Opener
from whimbrel.wire.operations import Stat
from whimbrel.wire.paths import NAME
from whimbrel.wire.texts import parse_address


def settings(tmp_path: Path, relay: Relay, **limits: int | None) -> BridgeSettings:
    return BridgeSettings(
        tmp_path / "bridge", (relay.address,), host="127.0.0.1", limits=Limits(drain=1, **limits)
    )


async def ready(*texts: str) -> list[Place]:
    """Clients that have the relay's keys already."""
    places = [Place(text) for text in texts]
    for place in places:
        await asyncio.to_thread(place.keys)
    return places


def greeting(path: str) -> bytes:
    return (
        f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n".encode()
    )


async def until(true: object) -> None:
    for _ in range(600):
        if true():  # type: ignore[operator]
            return
        await asyncio.sleep(0.05)
    raise AssertionError("not in time")


async def test_nobody_new_is_let_in_while_it_is_full_and_who_is_there_goes_on(
    relay: Relay, tmp_path: Path
) -> None:
    log = io.StringIO()
    async with bridging(settings(tmp_path, relay, people=1)) as (bridge, info):
        bridge.journal = Journal(log)
        to_bo, to_cleo = (handed_on(info.addresses[0], name) for name in (BO, CLEO))
        bo, _ = await ready(to_bo, to_cleo)
        async with bo.stream(Stat(os.urandom(32))) as stream:
            await until(lambda: bridge.helping().there == 1)
            for _ in range(3):
                assert not await gets_through(to_cleo)
            assert await gets_through(to_bo)  # once more the same
            assert await stream.ask(Stat(os.urandom(32)))
            assert bridge.helping().full
        await until(lambda: bridge.helping().there == 0)
        await until(lambda: "room-again" in log.getvalue())
        assert await gets_through(to_cleo)
        assert bridge.helping().numbers.people == 2
    events = [json.loads(line) for line in log.getvalue().splitlines()]
    assert [one["event"] for one in events].count("full") == 1
    assert next(one for one in events if one["event"] == "full").keys() == {"at", "event", "people"}


async def test_one_path_does_not_take_all_places(relay: Relay, tmp_path: Path) -> None:
    """Each of 127.0.0.x is another network to the bridge."""
    own = settings(tmp_path, relay, people=4, networks_each=2)
    async with bridging(own) as (bridge, info):
        path = parse_address(handed_on(info.addresses[0], BO)).routes[0].path
        other = parse_address(handed_on(info.addresses[0], CLEO)).routes[0].path

        async def greeted(path: str, last: int) -> bytes:
            reader, writer = await asyncio.open_connection(
                "127.0.0.1", bridge.port, local_addr=(f"127.0.0.{last}", 0)
            )
            opened.append(writer)
            writer.write(greeting(path))
            return (await reader.readline())[:12]

        opened: list[asyncio.StreamWriter] = []
        try:
            assert await greeted(path, 2) == b"HTTP/1.1 101"
            assert await greeted(path, 3) == b"HTTP/1.1 101"
            assert await greeted(path, 4) == b"HTTP/1.1 503"
            assert await greeted(path, 3) == b"HTTP/1.1 101", "who is there already"
            assert await greeted(other, 4) == b"HTTP/1.1 101"
            assert not bridge.helping().full
        finally:
            for writer in opened:
                writer.close()


async def test_who_makes_more_paths_of_theirs_is_one_person_still(relay: Relay, tmp_path: Path) -> None:
    own = settings(tmp_path, relay, people=4, networks_each=2)
    async with bridging(own) as (bridge, info):
        theirs = handed_on(info.addresses[0], BO)
        texts = [handed_on(theirs, bytes([n]) * NAME) for n in range(4)]
        places = [Place(text) for text in texts]
        for place in places:
            await asyncio.to_thread(place.keys)
        assert bridge.helping().numbers.people == 1
        async with AsyncExitStack() as stack:
            for place in places:
                await stack.enter_async_context(place.stream(Stat(os.urandom(32))))
            await until(lambda: bridge.helping().there == 1)
            assert await gets_through(handed_on(info.addresses[0], CLEO))
        assert bridge.helping().numbers.people == 2


async def test_what_opens_sessions_and_says_nothing_uses_up_the_day_too(relay: Relay, tmp_path: Path) -> None:
    async with bridging(settings(tmp_path, relay, day_bytes=1024 * 1024)) as (bridge, info):
        path = parse_address(handed_on(info.addresses[0], BO)).routes[0].path
        for _ in range(3):
            reader, writer = await asyncio.open_connection("127.0.0.1", bridge.port)
            writer.write(greeting(path))
            assert (await reader.readline())[:12] == b"HTTP/1.1 101"
            writer.close()
        assert bridge.helping().numbers.size >= 3 * 2 * OPENING


async def test_a_letter_that_was_begun_before_its_path_was_cut_is_a_page_like_any_other(
    relay: Relay, tmp_path: Path
) -> None:
    own = settings(tmp_path, relay)
    async with bridging(own) as (bridge, info):
        path = parse_address(handed_on(info.addresses[0], BO)).routes[0].path
        reader, writer = await asyncio.open_connection("127.0.0.1", bridge.port)
        writer.write(
            f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/octet-stream\r\nContent-Length: 64\r\n\r\n".encode()
        )
        writer.write(os.urandom(32))
        await writer.drain()
        await until(lambda: bridge.way_of(path.encode()) is not None)
        Cuts(own.data).add((BO,))
        await until(lambda: bridge.way_of(path.encode()) is None)
        carried = bridge.helping().numbers
        writer.write(os.urandom(32))
        assert (await reader.readline())[:12] == b"HTTP/1.1 404"
        writer.close()
        assert bridge.helping().numbers == carried


async def test_when_the_day_is_spent_sessions_end_and_the_site_stays(relay: Relay, tmp_path: Path) -> None:
    log = io.StringIO()
    async with bridging(settings(tmp_path, relay, day_bytes=64 * 1024)) as (bridge, info):
        bridge.journal = Journal(log)
        [bo] = await ready(handed_on(info.addresses[0], BO))
        async with bo.stream(Stat(os.urandom(32))) as stream:
            with pytest.raises(Exception):  # noqa: B017, PT012 - at some time, and however a stream tells that it was ended
                for _ in range(1000):
                    await stream.ask(Stat(os.urandom(32)))
        assert bridge.helping().spent
        assert not await gets_through(info.addresses[0])
        reader, writer = await asyncio.open_connection("127.0.0.1", bridge.port)
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert (await reader.read()).startswith(b"HTTP/1.1 200")
        writer.close()
    assert log.getvalue().count("day-spent") == 1
    async with bridging(settings(tmp_path, relay, day_bytes=64 * 1024)) as (bridge, info):
        assert not await gets_through(info.addresses[0])
    async with bridging(settings(tmp_path, relay, day_bytes=1024 * 1024)) as (bridge, info):
        assert await gets_through(info.addresses[0])


async def test_a_certificate_of_its_own_making_is_reached_by_its_key(relay: Relay, tmp_path: Path) -> None:
    own = replace(settings(tmp_path, relay), self_signed=True)
    async with bridging(own) as (_, info), asyncio.timeout(60):
        first = parse_address(info.addresses[0])
        assert all(route.wrappers[0].startswith("key:") for route in first.routes)
        stream, _ = await Opener().open_stream(first.routes[0])
        await stream.close()
    async with bridging(own) as (_, info):
        assert parse_address(info.addresses[0]) == first


async def test_outside_leads_to_no_private_network(relay: Relay, tmp_path: Path) -> None:
    async with bridging(replace(settings(tmp_path, relay), outside=True)) as (bridge, info):
        assert not await gets_through(info.addresses[0])
        assert bridge.helping().away == 1
        assert bridge.helping().numbers.people == 0


async def test_a_way_that_names_a_key_or_goes_through_something_is_not_led_to(
    relay: Relay, tmp_path: Path
) -> None:
    """Such are ways of other bridges, and of no relay that stands for itself."""
    there = parse_address(relay.address)
    for wrapper in ("key:" + "a" * 52, "public", "socks5://127.0.0.1:9"):
        text = replace(
            there, routes=tuple(replace(route, wrappers=(wrapper,)) for route in there.routes)
        ).text
        bridge = Bridge(replace(settings(tmp_path, relay), to=(text,)))
        with pytest.raises(Exception, match="no way that a bridge can go"):
            await bridge.run(lambda info: None, asyncio.Event())


@pytest.mark.processes
def test_it_ends_with_the_app_that_runs_it_and_no_address_is_on_its_command_line(tmp_path: Path) -> None:
    with RelayProcess(tmp_path / "relay") as relay:
        words = [str(COMMAND), "bridge", "--data", str(tmp_path / "bridge"), "--for-app", "--people", "2"]
        process = subprocess.Popen(
            words,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment(None),
        )
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(relay.address.encode() + b"\n\n")
        process.stdin.flush()
        said = json.loads(process.stdout.readline())
        assert said["event"] == "ready"
        assert asyncio.run(gets_through(said["address"]))
        while (told := json.loads(process.stdout.readline()))["numbers"]["people"] == 0:
            assert told["event"] == "helping"
        assert told["numbers"]["people"] == 1
        process.stdin.close()  # as the system does when an app is killed
        assert process.wait(60) == 0
        process.stdout.close()


@pytest.mark.processes
@pytest.mark.parametrize("words", [("--people", "0"), ("--megabytes", "-1")])
def test_a_limit_is_a_number_from_one(tmp_path: Path, words: tuple[str, str]) -> None:
    program = Program(["bridge", "--data", str(tmp_path), "--to", "whimbrel:x", *words])
    assert program.next_line()["error"] == "wrong-use"
    assert program.process.wait(60) == 2
    program.kill()
