"""Bo's provider blocks the relay; Ada's app is a bridge at her home. Real programs, in networks of their own with addresses of the internet."""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from support.homes import COMMAND, Home, RelayProcess, Start, befriend
from transports.transport_peers import make_certificate

pytestmark = [
    pytest.mark.processes,
    pytest.mark.skipif(
        not sys.platform.startswith("linux") or os.geteuid() != 0 or shutil.which("ip") is None,
        reason="networks of their own want root and ip",
    ),
]

RELAY, ADA, BO = "198.51.100.9", "198.51.100.1", "198.51.100.200"
LONG = 180.0
"""Contacts are told half a minute after a change; a way that fails is left after some seconds."""


@dataclass
class Internet:
    """Two places with a wire between them: Ada and the relay, and Bo's."""

    here: str
    there: str

    def start(self, place: str) -> Start:
        return ("ip", "netns", "exec", place, str(COMMAND))

    def block_the_relay(self) -> None:
        _ip("-n", self.there, "route", "add", "blackhole", f"{RELAY}/32")

    def lift(self) -> None:
        _ip("-n", self.there, "route", "del", "blackhole", f"{RELAY}/32")

    def listens(self, port: int) -> bool:
        words = ["ip", "netns", "exec", self.here, "cat", "/proc/net/tcp", "/proc/net/tcp6"]
        rows = subprocess.run(words, capture_output=True, text=True, check=True).stdout.splitlines()
        return any(f":{port:04X} " in row and " 0A " in row for row in rows)


def _ip(*words: str) -> None:
    done = subprocess.run(["ip", *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, (words, done.stderr)


@pytest.fixture
def internet() -> Iterator[Internet]:
    name = secrets.token_hex(3)
    net = Internet(f"wh{name}", f"wb{name}")
    try:
        for place in (net.here, net.there):
            _ip("netns", "add", place)
            _ip("-n", place, "link", "set", "lo", "up")
        _ip("link", "add", "w", "netns", net.here, "type", "veth", "peer", "name", "w", "netns", net.there)
        for place, addresses in ((net.here, (ADA, RELAY)), (net.there, (BO,))):
            for address in addresses:
                _ip("-n", place, "address", "add", f"{address}/24", "dev", "w")
            _ip("-n", place, "link", "set", "w", "up")
            _ip("-n", place, "route", "add", "default", "dev", "w")
        yield net
    finally:
        for place in (net.here, net.there):
            subprocess.run(["ip", "netns", "delete", place], check=False, capture_output=True)


@dataclass
class People:
    internet: Internet
    ada: Home
    bo: Home

    def helping(self) -> dict[str, Any]:
        return self.ada.run("help-contacts").one

    def until(self, wanted: Any) -> dict[str, Any]:
        return self.ada.wait_for(self.helping, wanted, LONG)

    def ways_told(self) -> list[str]:
        """Ways of Bo's that came from Ada."""
        return [way["route"] for way in self.bo.run("ways").all if way["told_by"] == "Ada"]

    def up(self) -> list[str]:
        return [way["route"] for way in self.bo.run("ways").all if way["up"]]


@pytest.fixture
def people(internet: Internet, tmp_path: Path) -> Iterator[People]:
    (tmp_path / "tls").mkdir()
    authority, _ = make_certificate(tmp_path / "tls", RELAY)
    tls = ["--cert", str(authority), "--key", str(tmp_path / "tls" / "key.pem")]
    public = f"wss://{RELAY}:7443"
    with RelayProcess(
        tmp_path / "relay",
        f"{RELAY}:7443",
        start=internet.start(internet.here),
        words=[*tls, "--public", public],
    ) as relay:
        homes = [
            Home(
                tmp_path / name,
                {"WHIMBREL_AUTHORITY": str(authority), "WHIMBREL_ROUTER": "127.0.0.1:9"},
                internet.start(place),
            )
            for name, place in (("ada", internet.here), ("bo", internet.there))
        ]
        for home, name in zip(homes, ("Ada", "Bo"), strict=True):
            home.make_account(name, relay.address)
        yield People(internet, *homes)


def test_where_the_relay_is_blocked_people_talk_by_the_bridge_in_a_contacts_app(people: People) -> None:
    ada, bo = people.ada, people.bo
    with ada.app("--no-relay") as app, bo.app("--no-relay"):
        befriend(ada, bo)
        assert people.helping()["state"] == "off"
        ada.run("help-contacts", "on", "--people", "5").ok()
        told = people.until(lambda item: item["told_at"])
        assert told["told_at"] == f"{ADA}:{told['port']}"
        assert told["told"] == 1
        [way] = bo.wait_for(people.ways_told, bool, LONG)
        assert way.startswith("public|key:")
        assert f"|wss://{ADA}:{told['port']}/" in way
        assert people.helping()["today"] == 0
        people.internet.block_the_relay()
        bo.run("send", "Ada", "by your bridge").ok()
        ada.wait_for_text("Bo", "by your bridge", LONG)
        ada.run("send", "Bo", "I hear you").ok()
        bo.wait_for_text("Ada", "I hear you", LONG)
        by_ada = f"://{ADA}:{told['port']}/"
        bo.wait_for(people.up, lambda up: up and all(by_ada in route for route in up), LONG)
        helped = people.until(lambda item: item["there"] == 1 and item["today"] == 1)
        assert helped["bytes_today"] > 0
        assert_nothing_of_bo(ada, helped)
        # When Ada's day is spent, nobody is helped any more today; what was written waits, and is not lost.
        (ada.path.parent / "large").write_bytes(os.urandom(8 * 1024 * 1024))
        ada.run("help-contacts", "--megabytes", "10").ok()
        people.until(lambda item: item["state"] == "open" and item["megabytes"] == 10)
        bo.run("send", "Ada", "this takes much", "--file", str(ada.path.parent / "large"), "--wait", "0")
        people.until(lambda item: item["spent"])
        bo.run("send", "Ada", "after the limit", "--wait", "0")
        assert "after the limit" not in ada.texts("Bo")
        ada.run("help-contacts", "--megabytes", "1000").ok()
        ada.wait_for_text("Bo", "after the limit", LONG)
        ada.wait_for_text(
            "Bo", "this takes much", LONG
        )  # a file takes its time, and texts do not wait for it
        said = ["after the limit", "by your bridge", "I hear you", "this takes much"]
        assert sorted(ada.texts("Bo"), key=str.lower) == said
        # Off again: Bo's app knows it no more.
        people.internet.lift()
        ada.run("help-contacts", "off").ok()
        bo.wait_for(people.ways_told, lambda ways: ways == [], LONG)
        ada.wait_for(lambda: people.internet.listens(told["port"]), lambda listens: not listens, LONG)
        # However the app ends, its bridge does, too.
        ada.run("help-contacts", "on").ok()
        port = people.until(lambda item: item["state"] == "open")["port"]
        assert port == told["port"], "its port and its paths stay, so that what was told is true again"
        app.kill()
        ada.wait_for(lambda: people.internet.listens(port), lambda listens: not listens, LONG)
        assert people.helping()["state"] == "no-app"
        with ada.app("--no-relay"):
            assert people.until(lambda item: item["state"] == "open")["port"] == port


def assert_nothing_of_bo(ada: Home, item: dict[str, Any]) -> None:
    """Neither in what is shown nor in what the bridge keeps."""
    folder = ada.path / "bridge"
    ada.wait_for((folder / "day").exists, bool)
    for said in (repr(item), (folder / "day").read_text(), (folder / "refused").read_text()):
        assert BO not in said
        assert "Bo" not in said
    assert (folder / "refused").read_text() == ""
    assert sorted(path.name for path in folder.iterdir()) == [
        "cert.pem",
        "day",
        "key.pem",
        "port",
        "refused",
        "seed",
    ]
