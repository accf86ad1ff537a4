"""A network that records, plays again, alters, cuts and repeats what passes between real apps and a real relay."""

from __future__ import annotations

import random
import socket
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from support.homes import RelayProcess
from support.middle import Meddle, Middle
from support.residents import Resident, befriend, eventually, residents
from whimbrel.wire.letters import ask_keys
from whimbrel.wire.texts import parse_address

pytestmark = pytest.mark.processes

TABLES = {
    "logs": "id, kind, admins, n, change, read, read_start, write, freed, links",
    "tokens": "log, hash, role, start, end, turn, h, n, entries, size",
    "records": "k, turn, advance, id, entry, change, h",
    "needs": "k, blob",
    "blobs": "id, place, links, size, whole, have",  # not until when: to keep a blob again prolongs its life
    "space": "place, bytes",
    "usage": "link, inboxes, logs, bytes, most",
    "dropped": "id",
}


def kept(relay: RelayProcess) -> dict[str, list[tuple[Any, ...]]]:
    """What a relay that has ended has on its disk."""
    with closing(sqlite3.connect(relay.data / "relay.db")) as database:
        assert database.execute("SELECT count(*) FROM journal").fetchone() == (0,)
        return {
            table: database.execute(f"SELECT {columns} FROM {table} ORDER BY {columns}").fetchall()
            for table, columns in TABLES.items()
        }


def play(relay: tuple[str, int], recorded: bytes) -> bytes:
    """Send what an app sent, as it was sent; what the relay says to that."""
    heard = b""
    with socket.create_connection(relay, 5) as connection:
        connection.settimeout(0.3)
        try:
            connection.sendall(recorded)
            while piece := connection.recv(1 << 16):
                heard += piece
        except OSError:
            pass
    return heard


def asking_for_keys(address: str) -> bytes:
    """The request that a relay answers with its key document, unsealed."""
    path = parse_address(address).routes[0].path
    return b"POST %s HTTP/1.1\r\nHost: relay\r\nContent-Length: 1\r\n\r\n" % path.encode() + ask_keys()


def live(ada: Resident, bo: Resident, folder: Path) -> None:
    """Some of each: an invite, messages, a file, a group, a promotion, a removal."""
    befriend(ada, bo)
    (folder / "file").write_bytes(b"a file " * 30_000)
    ada.ask("send", chat="Bo", text="hello", files=[str(folder / "file")])
    eventually(lambda: bo.texts("Ada") == ["hello"])
    ada.ask("group_new", name="birds", persons=["Bo"])
    eventually(lambda: set(bo.members("birds")) == {"Ada", "Bo"})
    bo.ask("send", chat="birds", text="in the group")
    ada.ask("group_promote", group="birds", person="Bo")
    eventually(lambda: bo.members("birds")["Bo"] == "admin")
    eventually(lambda: ada.texts("birds") == ["in the group"])
    bo.ask("group_remove", group="birds", person="Ada")
    eventually(lambda: set(bo.members("birds")) == {"Bo"})
    for person in (ada, bo):
        eventually(lambda: not person.ask("status")[0]["waiting"])  # noqa: B023


def test_what_was_recorded_and_is_played_again_changes_nothing(tmp_path: Path) -> None:
    """Whole connections, cut ones, and their pieces, while the relay still has the key that they were sealed to."""
    chance = random.Random(5)
    with RelayProcess(tmp_path / "relay") as relay, Middle(relay.address) as middle:
        relay.address = middle.address
        with residents(tmp_path, relay, "Ada", "Bo") as (ada, bo):
            live(ada, bo, tmp_path)
            ada.end()
            bo.end()
            relay.end()
            before = kept(relay)
            relay.start()
            recorded = [bytes(passage.up) for passage in middle.passages if passage.up]
            assert sum(map(len, recorded)) > 100_000
            answers = [play(middle.relay, one) for one in [*recorded, *reversed(recorded)]]
            assert any(len(answer) > 1000 for answer in answers), "the relay did answer"
            document = play(middle.relay, asking_for_keys(relay.address))[-300:]
            for one in recorded:
                play(middle.relay, one[: chance.randrange(len(one))])
            relay.end()
            assert kept(relay) == before
            # What it told whoever played them again is sealed anew each time: nothing in it stood in what was told then.
            # Only its key document is the same for all: a connection that ended right after that brings nothing else.
            told = b"".join(bytes(passage.down) for passage in middle.passages)
            sealed = [answer[-300:] for answer in answers if len(answer) > 500 and answer[-300:] != document]
            assert document in told
            assert len(sealed) >= len(recorded)
            assert not [one for one in sealed if one in told]

            relay.start()
            ada.start()
            bo.start()
            ada.ask("send", chat="Bo", text="after it all")
            eventually(lambda: bo.texts("Ada") == ["hello", "after it all"])
            assert bo.texts("birds") == ["in the group"]
            assert not [
                person.ask("status")[0]["wrong"] for person in (ada, bo) if person.ask("status")[0]["wrong"]
            ]


class Trouble:
    """At some place of nearly half of the connections a byte is altered, left out, or put in, or a piece comes twice."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.done = 0

    def __call__(self) -> tuple[Meddle, Meddle]:
        return self.one_way(), self.one_way()

    def one_way(self) -> Meddle:
        place = self.chance.randrange(20_000) if self.chance.random() < 0.45 else None
        kind = self.chance.choice(("alter", "leave out", "put in", "twice", "swap"))

        def meddle(piece: bytes) -> bytes:
            nonlocal place
            if place is None or not piece:
                return piece
            if place >= len(piece):
                place -= len(piece)
                return piece
            at, place = place, None
            self.done += 1
            if kind == "alter":
                return piece[:at] + bytes([piece[at] ^ (1 << self.chance.randrange(8))]) + piece[at + 1 :]
            if kind == "leave out":
                return piece[:at] + piece[at + 1 :]
            if kind == "put in":
                return piece[:at] + self.chance.randbytes(3) + piece[at:]
            if kind == "twice":
                return piece + piece
            return piece[at:] + piece[:at]

        return meddle


def test_messages_arrive_once_and_in_order_through_a_network_that_alters_repeats_and_cuts(
    tmp_path: Path,
) -> None:
    trouble = Trouble(7)
    with RelayProcess(tmp_path / "relay") as relay, Middle(relay.address) as middle:
        relay.address = middle.address
        with residents(tmp_path, relay, "Ada", "Bo") as (ada, bo):
            befriend(ada, bo)
            middle.meddle = trouble
            said: dict[str, list[str]] = {"Ada": [], "Bo": []}
            for n in range(24):
                for one, other in ((ada, bo), (bo, ada)):
                    text = f"{one.name} {n} " + "x" * (n * 150)
                    one.say(other.name, text)
                    said[one.name].append(text)
                if n % 4 == 3:
                    middle.cut()
                    eventually(lambda: len(bo.texts_from("Ada", "Ada")) >= n - 3)  # noqa: B023
            eventually(lambda: len(bo.texts("Ada")) == len(ada.texts("Bo")) == 48)
            assert trouble.done >= 5, "there was no trouble"
            for one, other in ((ada, bo), (bo, ada)):
                assert one.texts_from(other.name, other.name) == said[other.name]
                assert one.own_texts(other.name) == said[one.name]
                assert not one.ask("status")[0]["wrong"]
