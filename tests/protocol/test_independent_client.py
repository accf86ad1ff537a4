"""A client that was written from docs/protocol alone talks with a real relay, with a second one of its kind, and with ours."""

from __future__ import annotations

import ast
import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import independent_client
import pytest

from support.homes import PATIENCE_S, RelayProcess
from whimbrel.client.link_runner import RelayConnection
from whimbrel.crypto import sealing
from whimbrel.wire.admission import encode_admission
from whimbrel.wire.answers import Appended, Created, Failure, Fetched, Status
from whimbrel.wire.cbor import decode, encode
from whimbrel.wire.codec import decode_entry, encode_entry, encode_log_body, log_id
from whimbrel.wire.keydoc import public_kem_key
from whimbrel.wire.operations import Append, Create, Entry, EntryKind, LogBody, LogKind, WatchItem
from whimbrel.wire.purpose import token_hash
from whimbrel.wire.texts import Address, parse_address

pytestmark = [pytest.mark.processes]

CLIENT = Path(__file__).with_name("independent_client.py")
LIBRARIES = {"cbor2", "cryptography", "websockets"}


@pytest.fixture
def relay(tmp_path: Path) -> Iterator[RelayProcess]:
    with RelayProcess(tmp_path / "relay") as process:
        yield process


def client(*words: str, code: int = 0) -> list[Any]:
    """A run of the client to its end; its lines."""
    ran = subprocess.run(
        [sys.executable, str(CLIENT), *words],
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert ran.returncode == code, ran.stderr
    return [json.loads(line) for line in ran.stdout.splitlines()] if code == 0 else ran.stderr.splitlines()


@pytest.fixture
def room(relay: RelayProcess, tmp_path: Path) -> Path:
    """A room that the client has made, as a file."""
    [secrets] = client(relay.address, "new")
    path = tmp_path / "room.json"
    path.write_text(json.dumps(secrets))
    return path


def texts(lines: list[dict[str, Any]]) -> list[tuple[int, str]]:
    return [(line["seq"], line["text"]) for line in lines]


# --------------------------------------------------------------------------------------- what it is made of


def imported(path: Path) -> set[str]:
    """The top-level names of all that a file imports, wherever it does so."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0
            assert node.module is not None
            names.add(node.module.split(".")[0])
    return names


def test_it_has_at_most_200_lines_and_imports_nothing_of_ours() -> None:
    assert len(CLIENT.read_text().splitlines()) <= 200
    assert imported(CLIENT) - sys.stdlib_module_names == LIBRARIES
    assert not imported(CLIENT) & {"importlib", "runpy", "subprocess", "ctypes"}
    loaded = subprocess.run(
        [sys.executable, "-c", "import sys, independent_client; print(*sys.modules)"],
        cwd=CLIENT.parent,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    assert "independent_client" in loaded
    assert not [name for name in loaded if name.split(".")[0] == "whimbrel"]


# ------------------------------------------------------------------------------------- with one of its kind


def test_two_of_them_talk_in_a_log(relay: RelayProcess, room: Path) -> None:
    """One watches by a stream from the beginning, another appends by streams, a third reads by letters over HTTP."""
    with subprocess.Popen(
        [sys.executable, str(CLIENT), relay.address, "watch", str(room), "4"],
        stdout=subprocess.PIPE,
        text=True,
    ) as watching:
        try:
            first = [(1, "one"), (2, "zwölf Boxkämpfer")]
            assert texts(client(relay.address, "send", str(room), "one", "zwölf Boxkämpfer")) == first
            everything = [*first, (3, "three"), (4, "four")]
            assert texts(client(relay.address, "send", str(room), "three", "four")) == everything
            out, _ = watching.communicate(timeout=PATIENCE_S)
        finally:
            watching.kill()
    assert texts([json.loads(line) for line in out.splitlines()]) == everything
    assert texts(client(relay.address, "fetch", str(room))) == everything


def test_what_it_reads_is_still_there_after_the_relay_was_killed(relay: RelayProcess, room: Path) -> None:
    client(relay.address, "send", str(room), "kept")
    relay.restart()
    assert texts(client(relay.address, "fetch", str(room))) == [(1, "kept")]


def test_more_than_one_answer_holds_is_read_to_its_end(relay: RelayProcess, room: Path) -> None:
    """A fetch answers 500 records at most."""
    many = [str(n) for n in range(600)]
    for start in range(0, 600, 120):
        client(relay.address, "send", str(room), *many[start : start + 120])
    assert texts(client(relay.address, "fetch", str(room))) == [(n + 1, text) for n, text in enumerate(many)]


# ----------------------------------------------------------------------------------------------- with ours


class OurRoom:
    """The same room for our own client."""

    def __init__(self, path: Path) -> None:
        self.read, self.write, nonce, self.seed = map(bytes.fromhex, json.loads(path.read_text()))
        body = LogBody(LogKind.CONVERSATION, token_hash(self.read), token_hash(self.write), (), nonce)
        self.body = body
        self.log = log_id(encode_log_body(body))

    def append(self, text: str) -> Append:
        letter = encode([independent_client.TAG, text])
        body = sealing.seal(public_kem_key(self.seed), "letter", letter, self.log)
        return Append(self.log, self.write, 0, (encode_entry(Entry(EntryKind.SEALED, bytes(16), body)),))

    def text_of(self, entry: bytes | None) -> str:
        assert entry is not None
        found = decode_entry(entry)
        assert found.kind == EntryKind.SEALED
        tag, text = decode(sealing.open_sealed(self.seed, "letter", found.body, self.log))  # type: ignore[misc]
        assert tag == independent_client.TAG
        return text  # type: ignore[no-any-return]


@asynccontextmanager
async def ours(
    relay: RelayProcess,
) -> AsyncIterator[tuple[RelayConnection, asyncio.Queue[tuple[int, bytes]]]]:
    """A connection of our own client, and what its watches bring."""
    address = parse_address(relay.address)
    came: asyncio.Queue[tuple[int, bytes]] = asyncio.Queue()

    def take(slot: int, what: Fetched | Failure) -> None:
        assert isinstance(what, Fetched)
        for record in what.records:
            assert record.entry is not None
            came.put_nowait((record.seq, record.entry))

    link = RelayConnection(address.relay, list(address.routes), on_records=take)
    async with asyncio.timeout(PATIENCE_S), asyncio.TaskGroup() as group:
        running = group.create_task(link.run())
        try:
            yield link, came
        finally:
            running.cancel()


async def test_each_reads_what_the_other_appends(relay: RelayProcess, room: Path) -> None:
    our = OurRoom(room)
    async with ours(relay) as (link, came):
        link.watch({5: WatchItem(5, our.log, our.read, 0)})
        await asyncio.to_thread(client, relay.address, "send", str(room), "from a stranger")
        seq, entry = await came.get()
        assert (seq, our.text_of(entry)) == (1, "from a stranger")
        answer = await link.submit(our.append("from us"))
        assert isinstance(answer, Appended)
        assert answer.first == 2
        both = [(1, "from a stranger"), (2, "from us")]
        assert texts(await asyncio.to_thread(client, relay.address, "fetch", str(room))) == both
        assert texts(await asyncio.to_thread(client, relay.address, "watch", str(room), "2")) == both


async def test_it_reads_a_log_that_our_client_has_made(relay: RelayProcess, tmp_path: Path) -> None:
    path = tmp_path / "ours.json"
    path.write_text(json.dumps([bytes([n] * 32).hex() for n in range(1, 5)]))
    our = OurRoom(path)
    place = parse_address(relay.address).admission
    assert place is not None
    async with ours(relay) as (link, _):
        made = await link.submit(Create(our.body, encode_admission(place)))
        assert isinstance(made, Created)
        await link.submit(our.append("hello"))
    assert texts(client(relay.address, "send", str(path), "hello back")) == [(1, "hello"), (2, "hello back")]


# ------------------------------------------------------------------------------------------ what it refuses


def test_a_relay_with_another_identity_is_refused(relay: RelayProcess) -> None:
    """The key document has to be signed by whom the address names."""
    address = parse_address(relay.address)
    other = bytes.fromhex("782e7222d29ecb4ef99603160f85389af3a8e607b579f21aaef0eddadca08b64")
    said = client(Address(other, address.routes, address.admission).text, "new", code=1)
    assert "InvalidSignature" in said[-1]


def test_without_a_place_no_log_is_made(relay: RelayProcess) -> None:
    address = parse_address(relay.address)
    said = client(Address(address.relay, address.routes, None).text, "new", code=1)
    assert said == [f"refused: the relay answers {int(Status.MALFORMED)}"]


def test_a_damaged_address_is_refused(relay: RelayProcess) -> None:
    at = 30
    other = "b" if relay.address[at] != "b" else "c"
    [said] = client(relay.address[:at] + other + relay.address[at + 1 :], "new", code=1)
    assert "checksum" in said


@pytest.mark.parametrize("what", ["seq", "turn", "h", "head"])
def test_records_that_do_not_follow_are_refused(what: str) -> None:
    """A relay that leaves out, reorders, or tells of another head."""
    room = independent_client.Room(*(bytes([n] * 32) for n in range(4)))
    teller = independent_client.Room(*(bytes([n] * 32) for n in range(4)))
    entry = room.entry("hello")

    def record(seq: int, turn: int) -> list[Any]:
        said = ["whimbrel/1 chain", teller.h, seq, turn, False, independent_client.h(entry), None]
        return [seq, turn, False, entry, None, independent_client.h(independent_client.cbor(said))]

    good = record(1, 0)
    wrong = {"seq": record(2, 0), "turn": record(1, 1), "h": [*good[:5], bytes(32)], "head": good}[what]
    head = [2, 0, bytes(32), 0] if what == "head" else 0
    with pytest.raises(SystemExit, match="refused"):
        room.take([18, {0: [wrong], 2: head}], None)
    fresh = independent_client.Room(*(bytes([n] * 32) for n in range(4)))
    fresh.take([18, {0: [good], 2: 0}], None)
    assert fresh.seq == 1
