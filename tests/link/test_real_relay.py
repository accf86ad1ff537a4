"""The link against real relay processes that are killed in the middle: everything is answered, once."""

from __future__ import annotations

import asyncio
import dataclasses
import hashlib
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from support.homes import Program, RelayProcess
from transports.transport_peers import make_certificate
from whimbrel.client.link_runner import RelayConnection
from whimbrel.transports.registry import Opener
from whimbrel.wire.admission import encode_admission
from whimbrel.wire.answers import Answer, Appended, Chunk, Created, Done, Extent, Failure, Fetched, Record
from whimbrel.wire.codec import decode_entry, encode_entry, encode_log_body, log_id
from whimbrel.wire.operations import (
    SEALED_CHUNK,
    Append,
    Create,
    Entry,
    EntryKind,
    Get,
    LogBody,
    LogKind,
    Put,
    Signal,
    Stat,
    WatchItem,
)
from whimbrel.wire.purpose import token_hash
from whimbrel.wire.routes import Route
from whimbrel.wire.stored import entry_id
from whimbrel.wire.texts import parse_address

pytestmark = [pytest.mark.processes]

READ, WRITE = b"r" * 32, b"w" * 32
MESSAGES = 60
CHUNKS = 160


class Log:
    """A conversation's log without turns of its own, and how to write to it."""

    def __init__(self, name: str) -> None:
        nonce = hashlib.sha256(name.encode()).digest()
        self.body = LogBody(
            LogKind.CONVERSATION, token_hash(READ), token_hash(WRITE), (os.urandom(32),), nonce
        )
        self.id = log_id(encode_log_body(self.body))

    def append(self, text: str) -> Append:
        body = text.encode().ljust(64, b".")
        entry = encode_entry(Entry(EntryKind.MLS, bytes(16), body))
        WRITTEN[entry_id(entry)] = entry
        return Append(self.id, WRITE, 0, (entry,))

    def item(self, slot: int) -> WatchItem:
        return WatchItem(slot, self.id, READ, 0)


WRITTEN: dict[bytes, bytes] = {}
"""What was written, by its id: own entries come back as their ids."""


def text_of(record: Record) -> str:
    entry = record.entry if record.entry is not None else WRITTEN[record.id]
    return decode_entry(entry).body.rstrip(b".").decode()


async def until(holds: Callable[[], object]) -> None:
    """Wait until something is so; 30 s at most."""
    for _ in range(6000):
        if holds():
            return
        await asyncio.sleep(0.005)
    raise AssertionError("it never came to be")


@dataclasses.dataclass
class Came:
    """What a connection brought."""

    texts: list[str] = dataclasses.field(default_factory=list)
    seqs: list[int] = dataclasses.field(default_factory=list)
    signals: list[bytes] = dataclasses.field(default_factory=list)

    def records(self, slot: int, what: Fetched | Failure) -> None:
        assert isinstance(what, Fetched)
        self.texts += [text_of(r) for r in what.records]
        self.seqs += [r.seq for r in what.records]


@asynccontextmanager
async def connected(relay: RelayProcess, transport: str, came: Came) -> AsyncIterator[RelayConnection]:
    address = parse_address(relay.address)
    (ws,) = [r for r in address.routes if r.transport == "ws"]
    route = Route(transport, ws.host, ws.port, ws.path)
    link = RelayConnection(
        address.relay,
        [route],
        on_records=came.records,
        on_signal=lambda slot, body: came.signals.append(body),
    )
    async with asyncio.TaskGroup() as group:
        running = group.create_task(link.run())
        try:
            yield link
        finally:
            running.cancel()


async def create(link: RelayConnection, relay: RelayProcess, log: Log) -> Answer:
    place = parse_address(relay.address).admission
    assert place is not None
    return await link.submit(Create(log.body, encode_admission(place)))


@pytest.fixture
def relay(tmp_path: Path) -> RelayProcess:
    with RelayProcess(tmp_path / "relay") as process:
        yield process  # type: ignore[misc]


@pytest.mark.parametrize(("writing", "reading"), [("ws", "ws"), ("ws", "http"), ("http", "ws")])
async def test_messages_both_ways_while_the_relay_is_killed_every_second(
    relay: RelayProcess, writing: str, reading: str
) -> None:
    """One append under way for each log; the relay is killed without warning, and starts again on the same folder."""
    there, back = Log("there"), Log("back")
    ada, bo = Came(), Came()
    async with asyncio.timeout(120), connected(relay, writing, ada) as a, connected(relay, reading, bo) as b:
        assert isinstance(await create(a, relay, there), Created)
        assert isinstance(await create(b, relay, back), Created)
        a.watch({1: back.item(1)})
        b.watch({1: there.item(1)})
        kills = 0
        talking = True

        async def kill() -> None:
            nonlocal kills
            while talking:
                await asyncio.sleep(1)
                await asyncio.to_thread(relay.restart)
                kills += 1

        async def talk(link: RelayConnection, log: Log) -> None:
            answers = []
            for n in range(MESSAGES):
                answers.append(await link.submit(log.append(str(n))))
                await asyncio.sleep(0.05)
            assert [answer.first for answer in answers if isinstance(answer, Appended)] == list(
                range(1, MESSAGES + 1)
            )

        async with asyncio.TaskGroup() as group:
            group.create_task(kill())
            async with asyncio.TaskGroup() as talks:
                talks.create_task(talk(a, there))
                talks.create_task(talk(b, back))
            talking = False
        assert await a.settle(20)
        assert await b.settle(20)
    assert kills >= 2
    assert ada.texts == bo.texts == [str(n) for n in range(MESSAGES)]
    assert ada.seqs == bo.seqs == list(range(1, MESSAGES + 1))


async def test_a_file_arrives_over_restarts_and_no_answered_chunk_is_sent_again(relay: RelayProcess) -> None:
    log, blob, size = Log("files"), os.urandom(32), CHUNKS * SEALED_CHUNK
    content = [os.urandom(SEALED_CHUNK) for _ in range(CHUNKS)]
    sent: list[int] = []
    answered: set[int] = set()
    async with asyncio.timeout(120), connected(relay, "ws", Came()) as link:
        assert isinstance(await create(link, relay, log), Created)
        perform = link._perform

        def watched(action: object, group: asyncio.TaskGroup) -> None:
            for operation in getattr(action, "operations", ()):
                if isinstance(operation, Put):
                    assert operation.n not in answered, "it was answered before"
                    sent.append(operation.n)
            perform(action, group)  # type: ignore[arg-type]

        link._perform = watched  # type: ignore[method-assign]

        async def put(n: int) -> None:
            answer = await link.submit(Put(blob, log.id, WRITE, size, n, content[n]))
            assert isinstance(answer, Done)
            answered.add(n)

        async with asyncio.TaskGroup() as group:
            puts = [group.create_task(put(n)) for n in range(CHUNKS)]
            for part in (0.2, 0.5, 0.8):
                await until(lambda part=part: len(answered) >= part * CHUNKS)  # type: ignore[misc]
                await asyncio.to_thread(relay.restart)
            await asyncio.wait(puts)
        extent = await link.submit(Stat(blob))
        assert isinstance(extent, Extent)
        assert extent.ranges == ((0, CHUNKS),)
        await asyncio.to_thread(relay.restart)
        chunks = await asyncio.gather(*(link.submit(Get(blob, n)) for n in range(CHUNKS)))
    assert [c.chunk for c in chunks if isinstance(c, Chunk)] == content
    assert len(sent) < CHUNKS + 3 * 33


@pytest.mark.parametrize("transport", ["ws", "http"])
async def test_a_relay_that_is_back_is_found_within_half_a_second(
    relay: RelayProcess, transport: str
) -> None:
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(60), connected(relay, transport, Came()) as link:
        assert await link.settle(10)
        took = []
        for _ in range(5):
            await asyncio.to_thread(relay.kill)
            asked = link.submit(Stat(bytes(32)))
            await asyncio.sleep(0.3)
            await asyncio.to_thread(relay.start)
            back = loop.time()
            await asked
            took.append(loop.time() - back)
    # The longest wait is 0.3 s; the rest is for a busy machine.
    assert sorted(took)[2] < 0.5, took


async def test_signals_and_the_watch_of_many_logs(relay: RelayProcess) -> None:
    """More logs than one operation names, watched by both kinds of ways."""
    logs = [Log(f"log {n}") for n in range(600)]
    ada, bo = Came(), Came()
    async with asyncio.timeout(120), connected(relay, "ws", ada) as a, connected(relay, "http", bo) as b:
        for log in logs:
            assert isinstance(await create(a, relay, log), Created)
        for link in (a, b):
            link.watch({n: log.item(n) for n, log in enumerate(logs)})
        assert await a.settle(20)
        assert await b.settle(20)
        for n in (0, 300, 599):
            await b.submit(logs[n].append(str(n)))
        await b.submit(Signal(logs[599].id, WRITE, b"typing"))
        await until(lambda: len(bo.texts) == len(ada.texts) == 3 and ada.signals)
    assert ada.texts == bo.texts == ["0", "300", "599"]
    assert ada.signals == [b"typing"]


@pytest.mark.parametrize("transport", ["wss", "https"])
async def test_a_relay_with_a_certificate_of_its_own_is_reached_by_whoever_pins_it(
    tmp_path: Path, transport: str
) -> None:
    authority, _ = make_certificate(tmp_path, "127.0.0.1")
    words = ["relay", "--data", str(tmp_path / "relay"), "--listen", "127.0.0.1:0"]
    with Program([*words, "--cert", str(authority), "--key", str(tmp_path / "key.pem")]) as program:
        address = parse_address(program.next_line()["address"])
        wss = next(r for r in address.routes if r.transport == "wss")
        route = Route(transport, "127.0.0.1", wss.port, wss.path)
        pinning = RelayConnection(address.relay, [route], opening=Opener(authority=authority))
        strict = RelayConnection(address.relay, [route])
        async with asyncio.timeout(30), asyncio.TaskGroup() as group:
            running = [group.create_task(link.run()) for link in (pinning, strict)]
            assert await pinning.settle(20)
            assert isinstance(await pinning.submit(Stat(bytes(32))), Failure)
            await until(lambda: strict.state.trouble)
            assert not strict.state.up
            assert "certificate" in (strict.state.trouble or "")
            for task in running:
                task.cancel()
