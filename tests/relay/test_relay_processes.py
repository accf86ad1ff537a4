"""The command `whimbrel relay` as operators and crashes meet it: real processes."""

from __future__ import annotations

import asyncio
import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from relay_paper import entry, status
from websockets.exceptions import ConnectionClosed

from support.relay_client import Place
from whimbrel.wire import admission, codec, parts
from whimbrel.wire.answers import Appended, Created, Done, Fetched, Pushed, Status
from whimbrel.wire.keydoc import Feature
from whimbrel.wire.operations import (
    SEALED_CHUNK,
    Append,
    Create,
    Fetch,
    Get,
    LogBody,
    LogKind,
    Put,
    Signal,
    Stat,
    Watch,
    WatchItem,
)
from whimbrel.wire.purpose import public_of, token_hash

pytestmark = pytest.mark.processes

COMMAND = (sys.executable, "-c", "import sys; from whimbrel.cli.main import main; sys.exit(main(['relay', *sys.argv[1:]]))")  # fmt: skip
READ, WRITE = b"R" * 32, b"W" * 32
BODY = LogBody(LogKind.CONVERSATION, token_hash(READ), token_hash(WRITE), (public_of(b"a" * 32),), b"n" * 32)
LOG = codec.log_id(codec.encode_log_body(BODY))


class Running:
    """A relay process on a folder; what it says on stderr is collected."""

    def __init__(self, data: Path, *arguments: str) -> None:
        self.data = data
        self.arguments = arguments
        self.said: list[str] = []
        self.start()

    def start(self) -> None:
        self.process = subprocess.Popen(
            [*COMMAND, "--data", str(self.data), *self.arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        )
        assert self.process.stdout is not None
        assert self.process.stderr is not None
        self._reader = threading.Thread(target=self.said.extend, args=(self.process.stderr,))
        self._reader.start()
        self.ready: dict[str, Any] = json.loads(self.process.stdout.readline() or "{}")

    def kill(self) -> None:
        self.process.kill()
        self.wait()

    def wait(self, timeout: float = 20) -> int:
        code = self.process.wait(timeout)
        self._reader.join(5)
        assert self.process.stdout is not None
        self.process.stdout.close()
        assert self.process.stderr is not None
        self.process.stderr.close()
        return code

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.wait()

    def place(self) -> Place:
        return Place(self.ready["address"])


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Running]:
    one = Running(tmp_path / "data")
    yield one
    if one.process.poll() is None:
        one.kill()


def create(place: Place) -> Create:
    assert place.address.admission is not None
    return Create(BODY, admission.encode_admission(place.address.admission))


def test_the_first_line_says_ready_and_the_address_leads_there(running: Running) -> None:
    assert running.ready["event"] == "ready"
    place = running.place()
    assert place.address.relay.hex() == running.ready["identity"]
    [made] = place.exchange(create(place))
    assert isinstance(made, Created)


def test_port_identity_and_path_stay_over_restarts(running: Running) -> None:
    first = dict(running.ready)
    place = running.place()
    place.exchange(create(place), Append(LOG, WRITE, 0, (entry("before"),)))
    assert running.stop() == 0
    running.start()
    assert running.ready == first
    # The key document is known from before, and still good.
    [fetched] = place.exchange(Fetch(LOG, READ, 0))
    assert len(fetched.records) == 1


def test_sigterm_answers_what_is_queued_says_going_away_and_exits_with_zero(running: Running) -> None:
    place = running.place()
    place.exchange(create(place))

    async def talk() -> int | None:
        async with place.stream(Watch(items=(WatchItem(1, LOG, READ, 0),))) as stream:
            sent = [await stream.send(Append(LOG, WRITE, 0, (entry(f"{i}"),))) for i in range(50)]
            # What has reached the relay is answered: the first answer says that the rest of the flight is there too.
            await stream.answer(sent[0])
            running.process.send_signal(signal.SIGTERM)
            try:
                for n in sent[1:]:
                    await stream.answer(n)
                while True:
                    await stream.receive()
            except ConnectionClosed as closed:
                return closed.rcvd.code if closed.rcvd else None

    began = time.monotonic()
    assert asyncio.run(talk()) == 1001
    assert running.wait() == 0
    assert time.monotonic() - began < 5, "a client that closes as it should is not waited for"
    running.start()
    [fetched] = place.exchange(Fetch(LOG, READ, 0))
    assert len(fetched.records) == 50


def test_sigterm_answers_an_exchange_that_is_held(running: Running) -> None:
    place = running.place()
    place.exchange(create(place))
    answers: list[Any] = []
    watch = Watch(items=(WatchItem(1, LOG, READ, 0),))
    [watched] = place.exchange(watch)
    held = threading.Thread(
        target=lambda: answers.extend(place.exchange(Watch(handle=watched.handle, wait=25)))
    )
    held.start()
    time.sleep(0.5)
    began = time.monotonic()
    assert running.stop() == 0
    held.join(5)
    assert time.monotonic() - began < 5
    assert [status(answer) for answer in answers] == [Status.OK]


def test_kill_9_at_any_moment_loses_nothing_that_was_answered(running: Running) -> None:
    """Six rounds of streams and letters that append as fast as they can, a relay killed in the middle of each."""
    place = running.place()
    place.exchange(create(place))
    answered: dict[int, bytes] = {}
    sent: set[bytes] = set()
    count = iter(range(10**9))

    def note(text: bytes, answer: Any) -> None:
        assert isinstance(answer, Appended)
        for seq in range(answer.first, answer.last + 1):
            assert answered.setdefault(seq, text) == text, "a seq was given twice"

    async def by_stream() -> None:
        async with place.stream() as stream:
            while True:
                text = entry(f"stream {next(count)}")
                sent.add(text)
                [answer] = await stream.ask(Append(LOG, WRITE, 0, (text,)))
                note(text, answer)

    def by_post() -> None:
        while True:
            text = entry(f"letter {next(count)}")
            sent.add(text)
            [answer] = place.exchange(Append(LOG, WRITE, 0, (text,)))
            note(text, answer)

    async def until_killed(after: float) -> None:
        async def outlive(work: Any) -> None:
            try:
                await work
            except (ConnectionClosed, OSError, http.client.HTTPException, TimeoutError):
                pass

        async with asyncio.TaskGroup() as group:
            for _ in range(4):
                group.create_task(outlive(by_stream()))
            for _ in range(2):
                group.create_task(outlive(asyncio.to_thread(by_post)))
            await asyncio.sleep(after)
            running.process.kill()

    for round_number in range(6):
        asyncio.run(until_killed(0.4 + 0.13 * round_number))
        running.wait()
        running.start()

    records: list[Any] = []
    while True:
        [fetched] = place.exchange(Fetch(LOG, READ, records[-1].seq if records else 0))
        assert isinstance(fetched, Fetched)
        records += fetched.records
        if not fetched.more:
            break
    there = {record.seq: record.entry for record in records}
    assert len(answered) > 100
    assert {seq: there.get(seq) for seq in answered} == answered
    assert [record.seq for record in records] == list(range(1, len(records) + 1))
    assert set(there.values()) <= sent
    assert len(set(there.values())) == len(records)
    # And what was in the air is known again, whether it had been written or not.
    for text in sorted(sent - set(answered.values())):
        [answer] = place.exchange(Append(LOG, WRITE, 0, (text,)))
        assert isinstance(answer, Appended)
    [end] = place.exchange(Fetch(LOG, READ, 2**40))
    assert end.head.seq == len(sent)


def test_an_upload_goes_on_after_kill_9_and_no_answered_chunk_is_missing(running: Running) -> None:
    place = running.place()
    place.exchange(create(place))
    blob, chunks = b"B" * 32, 60
    size = chunks * SEALED_CHUNK
    sealed = [bytes([n]) * SEALED_CHUNK for n in range(chunks)]
    done: set[int] = set()

    def upload(killed_after: float | None) -> None:
        if killed_after is not None:
            threading.Timer(killed_after, running.process.kill).start()
        try:
            for n in range(chunks):
                if n not in done:
                    [answer] = place.exchange(Put(blob, LOG, WRITE, size, n, sealed[n]))
                    assert status(answer) is Status.OK
                    done.add(n)
        except (OSError, http.client.HTTPException):
            pass

    for after in (0.12, 0.2, 0.3, None):
        upload(after)
        if after is not None:
            running.wait()
            running.start()
            [extent] = place.exchange(Stat(blob))
            if status(extent) is Status.OK:
                there = {n for start, end in extent.ranges for n in range(start, end)}
                assert done <= there
                done |= there
    assert done == set(range(chunks))
    for n in range(0, chunks, 7):
        [got] = place.exchange(Get(blob, n))
        assert got.chunk == sealed[n]


def test_an_upload_in_parts_goes_on_after_kill_9_and_no_answered_part_is_missing(running: Running) -> None:
    place = running.place()
    assert place.keys().can(Feature.PARTS)
    place.exchange(create(place))
    blob, size = b"P" * 32, 2 * SEALED_CHUNK + 30_000
    whole = os.urandom(size)
    sent: set[tuple[int, int]] = set()
    there: dict[int, int] = {}

    def upload() -> None:
        for n in range(3):
            known = there.get(n, 0).to_bytes(9, "little")
            for at, length in parts.missing(size, n, known, 4096):
                start = n * SEALED_CHUNK + at
                [answer] = place.exchange(Put(blob, LOG, WRITE, size, n, whole[start : start + length], at))
                assert answer == Done()
                assert (n, at) not in sent, "what was answered was asked for again"
                sent.add((n, at))
                there[n] = there.get(n, 0) | parts.bits_of(at, at + length)

    for after in (0.15, 0.2, 0.25, None):
        try:
            if after is not None:
                threading.Timer(after, running.process.kill).start()
            upload()
        except (OSError, http.client.HTTPException):
            pass
        if after is None:
            break
        running.wait()
        running.start()
        [extent] = place.exchange(Stat(blob))
        if status(extent) is Status.OK:
            found = {n: int.from_bytes(bits, "little") for n, bits in extent.started}
            for start, end in extent.ranges:
                found |= {n: (1 << parts.marks_of(size, n)) - 1 for n in range(start, end)}
            assert all(found.get(n, 0) & bits == bits for n, bits in there.items())
            there.update(found)
    got = b""
    for n in range(3):
        for at, _ in parts.missing(size, n, b"", 7168):
            [answer] = place.exchange(Get(blob, n, at, 7168))
            assert (answer.at, answer.size) == (at, size)
            got += answer.part
    assert got == whole


def test_nothing_of_anybody_is_in_what_the_relay_says_or_keeps(running: Running) -> None:
    place = running.place()
    place.exchange(create(place))

    async def scenario() -> None:
        watch = Watch(items=(WatchItem(1, LOG, READ, 0),))
        async with place.stream(watch) as ada, place.stream(watch) as bo:
            await ada.ask(Append(LOG, WRITE, 0, (entry("sealed"),)), Signal(LOG, WRITE, b"secret signal"))
            assert isinstance(await bo.next_push(), Pushed)
            await ada.ask(Fetch(LOG, b"a guessed token!".ljust(32, b"!"), 0), Get(b"?" * 32, 0))
            await ada.socket.send(b"nonsense on a stream")
            with pytest.raises(ConnectionClosed):
                await ada.receive()

    asyncio.run(scenario())
    place.post(b"\x01" + os.urandom(3000))
    assert running.stop() == 0
    assert place.address.admission is not None
    kept = b"".join(path.read_bytes() for path in running.data.rglob("*") if path.is_file())
    said = "".join(running.said).encode() + json.dumps(running.ready).encode()
    tokens = (READ, WRITE, b"secret signal", b"a guessed token!", admission.encode_admission(place.address.admission))  # fmt: skip
    for secret in tokens:
        assert secret not in kept
        assert secret.hex().encode() not in kept
    for line in running.said:
        fields = json.loads(line)
        assert set(fields) <= {"at", "event", "error", "where", "files"}
        assert not re.search(r"[0-9a-f]{16}|127\.0\.0\.1|[a-z2-7]{16}", line.replace(fields["at"], ""))
    for secret in (*tokens, LOG, place.address.relay):
        assert secret.hex().encode() not in "".join(running.said).encode()
        assert secret not in said


def test_metrics_are_on_loopback_and_name_nobody(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    running = Running(tmp_path / "data", "--metrics", str(port))
    try:
        place = running.place()
        place.exchange(create(place), Append(LOG, WRITE, 0, (entry("one"), entry("two"))))
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        connection.request("GET", "/metrics")
        text = connection.getresponse().read().decode()
        connection.close()
        numbers = dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
        assert float(numbers["whimbrel_relay_records_total"]) == 2
        assert float(numbers["whimbrel_relay_letters_total"]) == 1
        assert "{" not in text, "no labels: nothing in it belongs to anybody"
    finally:
        assert running.stop() == 0


@pytest.mark.parametrize(
    ("arguments", "code", "error"),
    [
        (("--listen", "nowhere"), 2, "wrong-use"),
        (("--listen", "::1:80"), 2, "wrong-use"),
        (("--listen", "127.0.0.1:99999"), 2, "wrong-use"),
        (("--listen", "127.0.0.1:" + "9" * 5000), 2, "wrong-use"),
        (("--cert", "/nonexistent.pem"), 2, "wrong-use"),
        (("--cert", "/nonexistent.pem", "--key", "/nonexistent.pem"), 1, "cannot-start"),
        (("--site", "/nonexistent"), 1, "site"),
        (("--public", "ftp://example.org"), 2, "wrong-use"),
        (("--listen", "192.0.2.77:0"), 1, "cannot-start"),
    ],
)
def test_what_cannot_be_is_said_in_words(
    tmp_path: Path, arguments: tuple[str, ...], code: int, error: str
) -> None:
    ended = subprocess.run(
        [*COMMAND, "--data", str(tmp_path / "data"), *arguments],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert ended.returncode == code
    line = json.loads(ended.stdout.splitlines()[-1])
    assert line["error"] == error
    assert line["message"]
    assert line["do"]


def test_two_relays_do_not_share_a_folder_nor_a_port(running: Running, tmp_path: Path) -> None:
    second = Running(running.data)
    assert second.ready["error"] == "in-use"
    assert second.wait() == 6
    port = running.ready["port"]
    third = Running(tmp_path / "other", "--listen", f"127.0.0.1:{port}")
    assert third.ready["error"] == "cannot-start"
    assert third.wait() == 1
    fourth = Running(tmp_path / "other", "--metrics", str(port))
    assert fourth.ready["error"] == "cannot-start"
    assert fourth.wait() == 1
    # The first one has noticed nothing.
    place = running.place()
    assert isinstance(place.exchange(create(place))[0], Created)


def test_public_ways_stand_in_the_address_instead_of_where_it_listens(tmp_path: Path) -> None:
    running = Running(
        tmp_path / "data", "--public", "wss://relay.example", "--public", "wss://[2001:db8::7]:8443"
    )
    try:
        texts = [route.text for route in running.place().address.routes]
        path = (tmp_path / "data" / "path").read_text()
        assert texts == [
            f"wss://relay.example/{path}",
            f"https://relay.example/{path}",
            f"wss://[2001:db8::7]:8443/{path}",
            f"https://[2001:db8::7]:8443/{path}",
        ]
    finally:
        assert running.stop() == 0


def test_the_data_folder_is_its_owners_only(running: Running) -> None:
    assert running.data.stat().st_mode & 0o777 == 0o700
    for path in running.data.rglob("*"):
        assert path.stat().st_mode & 0o077 == 0, path.name
