"""What the program wrote itself and reads again: state in the store, files of homes and of relays' folders.

The store is encrypted and authenticated, so what is read from it was written by this program, perhaps an older one: a row
that is of no use may raise `ValueError`, `TypeError` or `Malformed`, which a start of the app reports as damage. What must
not happen is that it is read as something else. Files that lie in clear have typed errors of their own.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

from fuzz.target import Shape, target
from fuzz.targets._memory import folder
from support.people import ADA, secret
from whimbrel.chat.attachments import Transfer
from whimbrel.chat.contacts import Contact
from whimbrel.chat.errands import KIND, Errand
from whimbrel.chat.identity import Identity
from whimbrel.chat.line_state import Flight, FlightKind, Joiner, LineState, Standing
from whimbrel.chat.records import ContactRow, OutboxRow
from whimbrel.link.memory import NETWORKS, ROUTES, Memory
from whimbrel.relay import keys as relay_keys
from whimbrel.relay.engine import Identity as RelayIdentity
from whimbrel.relay.settings import Limits
from whimbrel.serving import folder as folders
from whimbrel.store import home, keys
from whimbrel.store.errors import StoreError
from whimbrel.wire import cbor, codec
from whimbrel.wire.errors import Malformed
from whimbrel.wire.operations import Stat
from whimbrel.wire.purpose import public_of

USELESS = (Malformed, ValueError, TypeError)


# --------------------------------------------------------------------------------------------- in the store


def _line() -> LineState:
    joiner = Joiner(secret("a"), b"package", secret("r"), ("wss://r/x",), secret("i"), secret("t"), b"key")
    flight = Flight(FlightKind.COMMIT, b"operation", (secret("e"),), (1, 2), (secret("m"),), b"welcome", (joiner,), ((secret("b"), b"sealed"),))  # fmt: skip
    return LineState(
        log=secret("log"), relay=secret("relay"), group=secret("group"), generation=5, standing=Standing.OPEN,
        read=secret("read"), write=secret("write"), log_key=secret("key"), seq=9, turn=2, h=secret("h"), n=1,
        sent=4, landed=[(secret("e"), 8)], flight=flight, seen=[(7, secret("h7"))],
    )  # fmt: skip


def _states() -> Iterator[bytes]:
    made = Identity.make("Ada", lambda size: bytes(size), 1_790_000_000_000)
    yield b"\x00" + cbor.encode(_line().pack())
    yield b"\x01" + made.encode()
    yield b"\x02" + Transfer(secret("c"), secret("r"), secret("b"), secret("k"), 77, secret("h")).encode()
    yield (
        b"\x03"
        + Contact(secret("a"), "Bo", "contact", ADA.signed_card, (b"package",), "by invite").save().row.state
    )
    operation = codec.encode_operation(Stat(secret("b")))
    yield b"\x04" + Errand(1, b"lane", secret("r"), operation, ("grant", 1)).row().body


def _read_line(data: bytes) -> bytes:
    return cbor.encode(LineState.unpack(cbor.decode(data)).pack())


def _read_contact(data: bytes) -> bytes:
    return Contact.from_row(ContactRow(b"a", "Bo", data, "contact")).save().row.state


def _read_errand(data: bytes) -> bytes:
    return Errand.from_row(OutboxRow(b"lane", KIND, data, None, 0, 1)).row().body


_STATES: tuple[Callable[[bytes], bytes], ...] = (
    _read_line,
    lambda data: Identity.decode(data).encode(),
    lambda data: Transfer.decode(data).encode(),
    _read_contact,
    _read_errand,
)


@target("chat-state", "chat.line_state.LineState.unpack", "chat.identity.Identity.decode", "chat.attachments.Transfer.decode", "chat.contacts.Contact.from_row", "chat.errands.Errand.from_row", seeds=_states, shape=Shape.CBOR, skip=1, longest=20_000)  # fmt: skip
def state(data: bytes) -> bool:
    """State of chats, contacts, transfers and errands: once written it comes back as the same bytes, or it is of no use."""
    which, row = (data[0] if data else 0) % len(_STATES), data[1:]
    try:
        again = _STATES[which](row)
    except USELESS:
        return False
    assert _STATES[which](again) == again
    return True


def _memories() -> Iterator[bytes]:
    memory = Memory()
    memory.came_up("wifi", "wss://a/")
    memory.failed("wifi", "https://b/")
    memory.failed("", "wss://a/")
    yield cbor.encode(memory.value())


@target("link-memory", "link.memory.Memory.from_value", seeds=_memories, shape=Shape.CBOR, longest=70_000)
def memory(data: bytes) -> bool:
    """What worked on which network: anything gives a memory within its limits, the same again from its own value."""
    try:
        value = cbor.decode(data)
    except Malformed:
        return False
    found = Memory.from_value(value)
    kept = found.value()
    assert len(kept) <= NETWORKS
    assert all(len(ways) <= ROUTES for _, ways in kept)  # type: ignore[arg-type]
    assert Memory.from_value(kept).value() == kept
    return True


# ------------------------------------------------------------------------------------------------- in clear


def _descriptions() -> Iterator[bytes]:
    key: dict[str, Any] = {"place": "file", "check": "00" * 16}
    yield json.dumps({"version": 1, "id": "ab" * 16, "key": key, "ready": True}).encode()
    sealed = {"argon2id": {"passes": 1, "memory_kib": 8, "lanes": 1}, "salt": "00" * 16, "sealed": "00" * 48}
    yield json.dumps(
        {"version": 1, "id": "a", "key": key | {"place": "passphrase"} | sealed, "ready": False}
    ).encode()


_JSON = (
    b'"version"',
    b'"key"',
    b'"argon2id"',
    b"1e400",
    b"NaN",
    b"-0",
    b"[" * 50,
    b"\\ud800",
    b"null",
    b"true",
    b"{}",
    b"9" * 50,
)


@target(
    "store-home-json",
    "store.home._read_description",
    seeds=_descriptions,
    shape=Shape.TEXT,
    words=_JSON,
    longest=20_000,
)
def description(data: bytes) -> bool:
    """home.json: a home that says what it is, or a StoreError; never a cost of Argon2 that takes the machine down."""
    place = folder()
    (place / "home.json").write_bytes(data)
    try:
        found = home._read_description(place)
    except StoreError:
        return False
    assert found is not None
    assert found.place in ("passphrase", "keyring", "file")
    assert type(found.id) is str
    assert found.ready in (True, False)
    highest = keys.HIGHEST_COST
    assert type(found.cost.passes) is type(found.cost.lanes) is type(found.cost.memory_kib) is int
    assert found.cost.passes <= highest.passes
    assert found.cost.memory_kib <= highest.memory_kib
    assert found.cost.lanes <= highest.lanes
    home._write_description(place, found)
    assert home._read_description(place) == found
    if found.place == "passphrase" and found.cost.memory_kib <= 64 and found.cost.passes == 1:
        try:
            keys.open_with_passphrase(found.sealed, "words", found.id, found.salt, found.cost)
        except StoreError:
            pass
    return True


@target(
    "store-key-file",
    "store.keys.read_key_file",
    seeds=lambda: [b"ab" * 32 + b"\n", b"AB" * 32],
    shape=Shape.TEXT,
    longest=20_000,
)
def key_file(data: bytes) -> bool:
    """The file `key` of a home."""
    path = folder() / "key"
    path.write_bytes(data)
    path.chmod(0o600)
    try:
        key = keys.read_key_file(path)
    except StoreError:
        return False
    assert len(key) == keys.KEY_BYTES
    return True


RELAY = RelayIdentity(b"i" * 32, public_of(b"i" * 32))


def _relay_files() -> Iterator[bytes]:
    yield b"\x00" + b"8440\n"
    yield b"\x01" + b"abcdefghij234567"
    made = folder() / "made"
    relay_keys.LetterKeys(made, RELAY, Limits(), 1_790_000_000)
    for path in made.glob("*.key"):
        yield b"\x02" + path.read_bytes()


@target("relay-data-folder", "serving.folder.kept_port", "relay.keys.open_secrets", "relay.keys.LetterKeys", seeds=_relay_files, shape=Shape.CBOR, skip=1)  # fmt: skip
def relay_folder(data: bytes) -> bool:
    """Small files of a relay's folder: port, path, keys of letters. What is damaged is said to be."""
    which, content = data[:1], data[1:]
    place = folder() / "data"
    place.mkdir(exist_ok=True)
    try:
        if which == b"\x00":
            (place / "port").write_bytes(content)
            port = folders.kept_port(place)
            assert port is not None
            assert 0 < port < 65536
        elif which == b"\x01":
            (place / "path").write_bytes(content)
            assert len(relay_keys.open_secrets(place).path) == 17
        else:
            kept = place / "keys"
            kept.mkdir(exist_ok=True)
            for path in kept.iterdir():
                path.unlink()
            (kept / "1.key").write_bytes(content)
            held = relay_keys.LetterKeys(kept, RELAY, Limits(), 1_790_000_000)
            assert held.current.document.identity == RELAY.public
    except folders.DataFolderDamaged:
        return False
    return True
