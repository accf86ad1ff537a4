"""The link against a real relay process behind real connections that go silent after some bytes, as some borders make them."""

from __future__ import annotations

import asyncio
import dataclasses
import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest
from test_real_relay import WRITE, Came, Log, create, until

from support.homes import RelayProcess
from whimbrel.client.link_runner import LinkState, RelayConnection
from whimbrel.link.ways import Candidate
from whimbrel.transports.registry import Opener
from whimbrel.wire.answers import Appended, Chunk, Created, Done
from whimbrel.wire.operations import SEALED_CHUNK, Get, Put
from whimbrel.wire.routes import Route
from whimbrel.wire.texts import parse_address

pytestmark = [pytest.mark.processes]

CURTAIN = 12_000
"""Bytes of a connection, both ways together, after which nothing more passes; there is no TLS here, which takes 6,000 more."""


class Border:
    """Passes connections on to a port, and each only so far."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.limit: int | None = None
        self.opened = 0

    @asynccontextmanager
    async def open(self) -> AsyncIterator[int]:
        tasks: list[asyncio.Task[None]] = []
        async with asyncio.TaskGroup() as group:
            server = await asyncio.start_server(
                lambda come, go: tasks.append(group.create_task(self._pass(come, go))), "127.0.0.1", 0
            )
            try:
                yield server.sockets[0].getsockname()[1]
            finally:
                server.close()
                for task in tasks:
                    task.cancel()

    async def _pass(self, come: asyncio.StreamReader, go: asyncio.StreamWriter) -> None:
        self.opened += 1
        there, back = await asyncio.open_connection("127.0.0.1", self.port)
        carried = [0]
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._carry(come, back, carried))
                group.create_task(self._carry(there, go, carried))
        except* OSError:
            pass
        finally:
            go.close()
            back.close()

    async def _carry(self, come: asyncio.StreamReader, go: asyncio.StreamWriter, carried: list[int]) -> None:
        while data := await come.read(4096):
            carried[0] += len(data)
            if self.limit is not None and carried[0] > self.limit:
                continue  # swallowed, and never answered
            go.write(data)
            await go.drain()
        go.close()


class Far(Opener):
    """Ways on this machine that count as far away; `short|http` is the short one."""

    def candidate(self, route: Route) -> Candidate | None:
        found = super().candidate(route)
        if found is None:
            return None
        return dataclasses.replace(
            found, near=False, subnet=f"port {route.port}", short="short" in route.wrappers
        )


@asynccontextmanager
async def far_away(
    relay: RelayProcess, came: Came, borders: list[Border], states: list[LinkState]
) -> AsyncIterator[RelayConnection]:
    address = parse_address(relay.address)
    (ws,) = [r for r in address.routes if r.transport == "ws"]
    routes: list[Route] = []
    async with AsyncExitStack() as stack:
        for border in borders:
            port = await stack.enter_async_context(border.open())
            routes += [
                Route("ws", "127.0.0.1", port, ws.path),
                Route("http", "127.0.0.1", port, ws.path, wrappers=("short",)),
            ]
        link = RelayConnection(
            address.relay, routes, opening=Far(), on_records=came.records, on_state=states.append
        )
        group = await stack.enter_async_context(asyncio.TaskGroup())
        running = group.create_task(link.run())
        try:
            yield link
        finally:
            running.cancel()


@pytest.fixture
def relay(tmp_path: Path) -> RelayProcess:
    with RelayProcess(tmp_path / "relay") as process:
        yield process  # type: ignore[misc]


def borders_of(relay: RelayProcess, count: int) -> list[Border]:
    (ws,) = [r for r in parse_address(relay.address).routes if r.transport == "ws"]
    return [Border(ws.port) for _ in range(count)]


async def test_texts_and_chunks_get_through_connections_that_freeze(relay: RelayProcess) -> None:
    log, ada, states = Log("frozen"), Came(), list[LinkState]()
    borders = borders_of(relay, 5)
    async with asyncio.timeout(150), far_away(relay, ada, borders, states) as link:
        assert isinstance(await create(link, relay, log), Created)
        link.watch({1: log.item(1)})
        assert await link.settle(10)
        for border in borders:
            border.limit = CURTAIN
        for n in range(12):
            assert isinstance(await link.submit(log.append(f"{n}".ljust(600))), Appended)
            await asyncio.sleep(0.2)
        await until(lambda: len(ada.texts) == 12)
        long = log.append("long".ljust(9_000))
        assert isinstance(await link.submit(long), Appended), "it goes in pieces"
        blob, content = os.urandom(32), os.urandom(9_000)
        assert isinstance(await link.submit(Put(blob, log.id, WRITE, 9_000, 0, content)), Done)
        assert await link.submit(Get(blob, 0)) == Chunk(content, 9_000)
        await until(lambda: len(ada.texts) == 13)
    assert ada.seqs == list(range(1, 14))
    assert any(s.route is not None and s.route.startswith("short|") for s in states)
    assert states[-1].pattern == "frozen-by-volume"
    assert sum(b.opened for b in borders) <= 60


async def test_chunks_go_in_parts_and_come_so_by_a_stream(relay: RelayProcess) -> None:
    log, borders = Log("parts"), borders_of(relay, 1)
    async with asyncio.timeout(60), far_away(relay, Came(), borders, []) as link:
        assert isinstance(await create(link, relay, log), Created)
        for size in (1, 700, 5_000, SEALED_CHUNK, SEALED_CHUNK + 3_000):
            blob, content = os.urandom(32), os.urandom(size)
            pieces = [content[i : i + SEALED_CHUNK] for i in range(0, size, SEALED_CHUNK)]
            for n, piece in enumerate(pieces):
                assert isinstance(await link.submit(Put(blob, log.id, WRITE, size, n, piece)), Done)
            for n, piece in enumerate(pieces):
                assert await link.submit(Get(blob, n)) == Chunk(piece, size)
