"""After people have done everything, all that the relay keeps and says is searched for anything of theirs.

They reach it through a party in the middle that comes from an address of its own, so that the address of an app is told
from the relay's and from everything else on this machine.
"""

from __future__ import annotations

import base64
import ipaddress
import os
import re
import shutil
import socket
import sqlite3
import struct
import urllib.request
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from support.homes import RelayProcess
from support.middle import Middle
from support.residents import Resident, befriend, eventually, residents
from support.searching import Kept, encodings
from support.secrets_of_homes import Secrets
from whimbrel.wire.codec import decode_entry
from whimbrel.wire.texts import parse_address

pytestmark = pytest.mark.processes

NAMES = ("Adalberta Quillfeather", "Bonifatius Okonkwo", "Cleomenes Straczynski")
GROUP = "Society of the Midnight Regatta"
TEXTS = [
    "meet me under the clock at a quarter to nine",
    "the password of the boathouse is tangerine-umbrella",
    "she has never trusted the harbour master",
]
FILE_NAME = "confidential minutes of the regatta.txt"
FILE_TEXT = "Present: nobody whom you would expect. Decided: everything. "
PICTURE_TEXT = "a gull that sits on the bowsprit"
OTHER_NAME = "Adelheid Featherstonehaugh"
"""What the first of them is called later."""
HOST = "127.83.157.211"
"""Where the apps come from, as the relay sees it."""


def words() -> Iterator[bytes]:
    """Everything that was said, as it could be written."""
    whole = [*NAMES, OTHER_NAME, GROUP, *TEXTS, FILE_NAME, FILE_TEXT, PICTURE_TEXT]
    parts = [
        part for text in (*NAMES, OTHER_NAME, GROUP, FILE_NAME) for part in text.split() if len(part) > 5
    ]
    parts += ["tangerine", "harbour", "boathouse", "clock at", HOST]
    for word in [*whole, *parts]:
        for text in (word, word.lower(), word.upper()):
            yield text.encode()
            yield text.encode("utf-16-le")


def packed_addresses() -> Iterator[bytes]:
    """The address of the apps as programs write it: packed both ways round, as a number, mapped to IPv6."""
    v4 = ipaddress.IPv4Address(HOST)
    mapped = ipaddress.IPv6Address(f"::ffff:{HOST}")
    yield v4.packed
    yield v4.packed[::-1]
    yield str(int(v4)).encode()
    yield mapped.packed
    yield str(mapped).encode()
    yield mapped.exploded.encode()
    yield b"7f53:9dd3"


def events_of(person: Resident) -> list[str]:
    return [line.get("event") for line in person.read(GROUP, events=True)]


@dataclass
class Story:
    """What three people do in a week, and all that the relay said meanwhile."""

    relay: RelayProcess
    middle: Middle
    other: RelayProcess
    """The relay that the group moves to."""
    beside: Middle
    folder: Path
    people: list[Resident]
    metrics: int
    said: list[str] = field(default_factory=list)
    secrets: Secrets = field(default_factory=Secrets)

    def first_days(self) -> None:
        ada, bo, cleo = self.people
        befriend(ada, bo)
        [made] = ada.ask("invite", open=True)
        cleo.ask("accept", invite=made["invite"], text=TEXTS[2])
        eventually(lambda: ada.ask("requests"))
        ada.ask("requests", action="accept", name=cleo.name)
        eventually(lambda: {chat["name"] for chat in cleo.ask("chats")} == {ada.name})
        [sent] = ada.ask("send", chat=bo.name, text=TEXTS[0])
        [first] = eventually(lambda: bo.read(ada.name))
        assert first["id"] == sent["id"]
        bo.ask("send", chat=ada.name, text=TEXTS[1], reply_to=first["id"], files=[self.file()])
        answer = eventually(lambda: ada.read(bo.name)[1:])[0]
        assert ada.ask("save", message=answer["id"], dir=str(self.folder))
        assert ada.ask("verify", name=bo.name, confirm=True)
        ada.ask("group_new", name=GROUP, persons=[bo.name, cleo.name])
        for person in (bo, cleo):
            eventually(lambda: set(person.members(GROUP)) == set(NAMES))  # noqa: B023

    def second_days(self) -> None:
        ada, bo, cleo = self.people
        for text in TEXTS:
            cleo.ask("send", chat=GROUP, text=text)
        eventually(lambda: bo.texts(GROUP) == TEXTS)
        ada.ask("group_promote", group=GROUP, person=bo.name)
        eventually(lambda: bo.members(GROUP)[bo.name] == "admin")
        ada.ask("group_set", group=GROUP, add="everybody", change="everybody", picture_file=self.picture())
        for person in (bo, cleo):
            eventually(lambda: person.ask("group_show", group=GROUP)[0]["picture"])  # noqa: B023
        cleo.ask("timer", chat=GROUP, seconds=90 * 24 * 3600)
        eventually(lambda: ada.ask("group_show", group=GROUP)[0]["timer"])
        ada.ask("move", chat=bo.name)
        bo.ask("send", chat=ada.name, text=TEXTS[2])
        eventually(lambda: TEXTS[2] in ada.texts_from(bo.name, bo.name))
        [moved] = ada.ask("move", chat=GROUP, relay=self.beside.address)
        assert moved["relay"] == parse_address(self.other.address).relay.hex()
        for person in (bo, cleo):
            eventually(lambda: "moved" in events_of(person))  # noqa: B023
            person.ask("send", chat=GROUP, text=f"{TEXTS[1]}, says {person.name}")
            eventually(lambda: f"{TEXTS[1]}, says {person.name}" in ada.texts(GROUP))  # noqa: B023
        ada.ask("group_remove", group=GROUP, person=cleo.name)
        eventually(lambda: set(bo.members(GROUP)) == {ada.name, bo.name})
        bo.ask("send", chat=GROUP, text=TEXTS[0], files=[self.file()])
        eventually(lambda: TEXTS[0] in ada.texts_from(GROUP, bo.name))
        bo.ask("group_leave", group=GROUP)
        eventually(lambda: set(ada.members(GROUP)) == {ada.name})
        ada.ask("rename", name=OTHER_NAME)
        eventually(lambda: OTHER_NAME in {contact["name"] for contact in bo.ask("contacts")})

    def picture(self) -> str:
        path = self.folder / "gull.png"
        path.write_bytes(b"\x89PNG\r\n\x1a\n" + PICTURE_TEXT.encode() * 3000)
        return str(path)

    def file(self) -> str:
        return str(self.folder / FILE_NAME)

    def nonsense(self) -> None:
        """What does not come from apps, from the same address: if the relay complains, it must not say of whom."""
        path = parse_address(self.relay.address).routes[0].path.encode()
        for sent in (
            os.urandom(500),
            b"GET / HTTP/1.1\r\nHost: " + os.urandom(20).hex().encode() + b"\r\n\r\n",
            b"POST " + path + b" HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\nX-Forwarded-For: " + HOST.encode() + b"\r\n\r\nnonsense!",
            b"GET " + path + b" HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        ):  # fmt: skip
            with socket.create_connection(("127.0.0.1", self.middle.port), 5) as connection:
                connection.sendall(sent)
                connection.settimeout(1)
                try:
                    connection.recv(10_000)
                except OSError:
                    pass

    def rest(self) -> None:
        """Everybody has come to rest and goes; then all that they know is learnt, since it changes as they go on."""
        for person in self.people:
            eventually(lambda: not person.ask("status")[0]["waiting"])  # noqa: B023
        with urllib.request.urlopen(f"http://127.0.0.1:{self.metrics}/metrics") as page:
            self.said.append(page.read().decode())
        for person in self.people:
            person.end()
            self.secrets.learn(person.home.path)

    def relay_ends(self) -> None:
        for relay in (self.relay, self.other):
            relay.end()
            assert relay.program is not None
            self.said += [relay.program.out, relay.program.errors()]

    def kept(self) -> Kept:
        places = {}
        for relay in (self.relay, self.other):
            name = relay.data.name
            for path in relay.data.rglob("*"):
                if path.is_file():
                    places[f"{name}/{path.relative_to(relay.data)}"] = path.read_bytes()
            places[f"{name}: values of the database"] = values_of(relay.data / "relay.db")
        places |= {f"output {i}": text.encode() for i, text in enumerate(self.said)}
        places["names of files"] = "\n".join(places).encode()
        return Kept(places)


def values_of(database_file: Path) -> bytes:
    """All values in a database, each in one piece: in the file a long one is cut at the borders of pages."""
    with closing(sqlite3.connect(database_file)) as database:
        tables = [name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        rows = [row for table in tables for row in database.execute(f"SELECT * FROM {table}")]
    return b"\x00\xff\x00\xff".join(
        value if isinstance(value, bytes) else str(value).encode() for row in rows for value in row
    )


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Story:
    folder = tmp_path_factory.mktemp("story")
    (folder / FILE_NAME).write_text(FILE_TEXT * 3000)
    with socket.create_server(("127.0.0.1", 0)) as free:
        metrics = free.getsockname()[1]
    with (
        RelayProcess(folder / "relay", "127.0.0.2:0", words=("--metrics", str(metrics))) as relay,
        Middle(relay.address, source=HOST) as middle,
        RelayProcess(folder / "other", "127.0.0.3:0") as other,
        Middle(other.address, source=HOST) as beside,
    ):
        relay.address = middle.address
        with residents(folder, relay, *NAMES) as people:
            story = Story(relay, middle, other, beside, folder, people, metrics)
            story.first_days()
            story.nonsense()
            story.rest()
            story.relay_ends()
            relay.start()
            other.start()
            for person in people:
                person.start()
            story.second_days()
            story.nonsense()
            story.rest()
        story.relay_ends()
    assert len(middle.passages) > 5
    return story


@pytest.fixture(scope="module")
def kept(story: Story) -> Kept:
    return story.kept()


def test_no_word_of_theirs_is_in_its_folder_or_its_output(kept: Kept) -> None:
    for word in words():
        assert not kept.where(word), word


def test_no_key_token_or_id_of_a_person_or_device_is_there(story: Story, kept: Kept) -> None:
    """Accounts, devices, inboxes, cards, tokens, log keys, files, messages, and all that MLS keeps at two moments."""
    values = story.secrets.values
    assert len([what for what in values if what.startswith("mls_")]) > 100
    assert len(values) > 250
    for what, value in values.items():
        assert not kept.where(value), what


def known_to_a_relay(story: Story) -> set[bytes]:
    """Ids, hashes and admins' public keys, the columns that a relay's rules are made of; and of entries their own tags and the
    id of the MLS group, which stands in the head of every MLS message and is drawn for this one log."""
    known: set[bytes] = {parse_address(relay.address).relay for relay in (story.relay, story.other)}
    for relay in (story.relay, story.other):
        known |= columns_of(relay.data / "relay.db")
    return known | story.secrets.public_log_keys() | story.secrets.groups


def columns_of(database_file: Path) -> set[bytes]:
    known: set[bytes] = set()
    with closing(sqlite3.connect(database_file)) as database:
        for columns in (
            "id FROM logs",
            "read FROM logs",
            "write FROM logs",
            "hash FROM tokens",
            "h FROM tokens",
            "id FROM records",
            "h FROM records",
            "id FROM blobs",
            "id FROM dropped",
        ):
            known |= {value for (value,) in database.execute(f"SELECT {columns}") if value}
        entries = database.execute("SELECT entry FROM records WHERE entry IS NOT NULL")
        known |= {decode_entry(entry).own_tag for (entry,) in entries}
    return known


def test_nothing_else_out_of_their_homes_is_there_but_what_a_relay_works_with(
    story: Story, kept: Kept
) -> None:
    """Whatever a home remembers in 16 bytes or more, wherever it stands in it, named above or not; but what the relay
    told of itself, its address and its key document."""
    known = known_to_a_relay(story)
    told = ("fact keys:", "fact relays ")
    unnamed = {
        value: origin
        for value, origin in story.secrets.unnamed.items()
        if value not in known and not origin.startswith(told)
    }
    assert len(unnamed) > 50
    found = [
        (value.hex(), origin, kept.where(value)) for value, origin in unnamed.items() if kept.where(value)
    ]
    assert not found


def numbers_in(texts: Iterable[str]) -> set[int]:
    """Those that could be ports: what is counted is none, nor are digits within a longer word such as a secret path."""
    counted = re.compile(r"^(whimbrel_relay_\w+(?:\{.*\})?) \S+$", re.MULTILINE)
    return {
        int(number)
        for text in texts
        for number in re.findall(r"(?<![\w.])\d{4,5}(?![\w.])", counted.sub(r"\1", text))
    }


def test_no_address_or_port_of_an_app_is_there(story: Story, kept: Kept) -> None:
    for address in packed_addresses():
        assert not kept.where(address), address
    ports = {passage.port for middle in (story.middle, story.beside) for passage in middle.passages}
    own = {middle.relay[1] for middle in (story.middle, story.beside)}
    assert own <= numbers_in(story.said), "a relay does say at which port it is itself"
    assert not (ports - own) & numbers_in(story.said)
    for port in ports - own:
        for form in (f"closed [{port}]", f"port={port}", f"('{HOST}', {port})", f'app{{port="{port}"}} 1'):
            assert port in numbers_in([form])
    for port in ports:
        for form in (f"{HOST}:{port}".encode(), struct.pack("!H", port) + socket.inet_aton(HOST)):
            assert not kept.where(form)


def test_who_carries_the_bytes_reads_less_than_the_relay(story: Story) -> None:
    """The way here is plain: no TLS. What passes, as a bridge or whoever ends the TLS sees it, has none of what the relay
    must not have, and nothing of what the relay has: no log, inbox, blob or hash."""
    passed = Kept(
        {
            way: b"".join(
                bytes(getattr(passage, way))
                for middle in (story.middle, story.beside)
                for passage in middle.passages
            )
            for way in ("up", "down")
        }
    )
    assert len(passed.places["up"]) > 100_000
    for word in words():
        assert word in (HOST.encode(), HOST.encode("utf-16-le")) or not passed.where(word), word
    for what, value in story.secrets.values.items():
        assert not passed.where(value), what
    identities = {parse_address(relay.address).relay for relay in (story.relay, story.other)}
    for value in known_to_a_relay(story) - identities:
        assert not passed.where(value), value.hex()
    assert passed.where(parse_address(story.relay.address).routes[0].path.encode()), "but the secret path"


def test_what_a_relay_must_know_is_there_so_the_search_does_find(story: Story, kept: Kept) -> None:
    databases = {"relay/relay.db", "other/relay.db"}
    for log in (*story.secrets.inboxes, *story.secrets.logs):
        [database] = databases & set(kept.where(log))
        assert database.replace("/relay.db", ": values of the database") in kept.where(log)
    for relay, times in (("relay/relay.db", 3), ("other/relay.db", 1)):
        assert sum(relay in kept.where(value) for value in set(story.secrets.hashes)) >= times
    own = parse_address(story.relay.address).relay
    assert [place for place in kept.where(own) if place.startswith("output")], "in base32, inside its address"
    assert len([place for place in kept.places if "/blobs/" in place]) >= 5


def test_words_that_are_planted_are_found_in_every_encoding(story: Story, tmp_path: Path) -> None:
    """In the database, in a blob, in the output: each in each encoding, at each alignment, by the same search."""
    planted = [NAMES[0].encode(), TEXTS[1].encode("utf-16-le"), socket.inet_aton(HOST)]
    planted += [next(value for what, value in story.secrets.values.items() if what.startswith(kind)) for kind in (
        "account of", "device_private of", "log_key of", "read of", "file_key of", "mls_")]  # fmt: skip
    folder = tmp_path / "relay"
    shutil.copytree(story.relay.data, folder)
    blob = next(path for path in (folder / "blobs").rglob("*") if path.is_file())
    whole = blob.read_bytes()
    for secret in planted:
        for name, form in encodings(secret):
            with closing(sqlite3.connect(folder / "relay.db")) as database:
                database.execute("INSERT OR REPLACE INTO dropped VALUES (?)", (b"id" + form,))
                database.commit()
                data = values_of(folder / "relay.db")
                database.execute("DELETE FROM dropped WHERE id = ?", (b"id" + form,))
                database.commit()
            blob.write_bytes(whole[:5000] + form + whole[5000:])
            say = form.hex() if name == "raw" else form.decode()
            output = f"{story.said[0]} an error of {say} happened".encode()
            kept = Kept({"database": data, "blob": blob.read_bytes(), "output": output})
            assert kept.where(secret) == ["database", "blob", "output"], (name, secret)


@pytest.mark.parametrize("before", range(8))
def test_the_search_sees_through_every_encoding(before: int) -> None:
    secret = os.urandom(16)
    around = os.urandom(before) + secret + os.urandom(7)
    for encode in (bytes, bytes.hex, base64.b64encode, base64.urlsafe_b64encode, base64.b32encode):
        data = encode(around)
        data = data.encode() if isinstance(data, str) else data
        assert Kept({"there": b"!" + data + b"!", "not there": os.urandom(100)}).where(secret) == ["there"]
    assert Kept({"there": base64.b32encode(around).lower()}).where(secret) == ["there"]
