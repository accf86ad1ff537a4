"""Two people who can reach a bridge alone, with real programs: nothing is lost or doubled, and the bridge knows nothing of them."""

import json
import os
import time
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from relay.test_relay_disguise import certificate
from support.bridges import only_through
from support.homes import BridgeProcess, Home, RelayProcess
from support.homes import befriend as homes_befriend
from support.nginx import free_port
from support.residents import Meanwhile, befriend, eventually, residents
from whimbrel.wire.texts import parse_address

pytestmark = pytest.mark.processes

MESSAGES = 60


@dataclass
class Through:
    """A relay as people have it whose only way is a bridge."""

    address: str


def words(name: str) -> list[str]:
    return [f"{name} says {i}" for i in range(MESSAGES)]


def test_people_talk_through_a_bridge_that_is_killed_in_between(tmp_path: Path) -> None:
    with (
        RelayProcess(tmp_path / "relay") as relay,
        BridgeProcess(tmp_path / "bridge", relay.address) as bridge,
    ):
        there = Through(only_through(bridge.address, relay.address))
        with residents(tmp_path, there, "Ada", "Bo") as (ada, bo):
            befriend(ada, bo)
            text = bridge.address
            said = ""

            def talk(one, other) -> None:
                for line in words(one.name):
                    one.say(other.name, line)
                    time.sleep(0.1)

            with Meanwhile() as meanwhile:
                talking = [meanwhile.do(lambda: talk(ada, bo)), meanwhile.do(lambda: talk(bo, ada))]
                for _ in range(3):
                    time.sleep(1.5)
                    assert bridge.program is not None
                    said += bridge.program.out + bridge.kill()[1]
                    bridge.start()
                    assert bridge.address == text
                assert_only(bridge, relay)
                meanwhile.wait(*talking)
                for one, other in ((ada, bo), (bo, ada)):
                    eventually(lambda: words(other.name)[-1] in one.texts(other.name))  # noqa: B023

            for one, other in ((ada, bo), (bo, ada)):
                assert one.own_texts(other.name) == words(one.name)
                assert one.texts_from(other.name, other.name) == words(other.name)
            for person in (ada, bo):
                eventually(lambda: not person.patiently("status")[0]["waiting"])  # noqa: B023
                person.end()
            assert ada.log_order("Bo") == bo.log_order("Ada")

        assert sorted(path.name for path in bridge.data.iterdir()) == ["port", "seed"]
        assert (bridge.data / "seed").stat().st_size == 32
        assert bridge.program is not None
        assert bridge.end() == 0
        said += bridge.program.out + bridge.program.errors()
        for line in said.splitlines():
            told = json.loads(line)
            if told["event"] == "ready":
                assert told == {"event": "ready", "address": text, "addresses": [text], "port": bridge.port}
            else:
                assert told.keys() <= {"at", "event", "relay"}
                assert told["event"] in {"started", "stopping", "stopped", "relay-away", "relay-back"}
        assert "127.0.0.1" not in said


def assert_only(bridge: BridgeProcess, relay: RelayProcess) -> None:
    """All who are connected to the relay are the bridge: their sockets are its own."""
    port = parse_address(relay.address).routes[0].port
    assert bridge.program is not None

    def connected() -> set[str]:
        rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
        return {row[9] for row in rows if row[2].endswith(f":{port:04X}") and row[3] == "01"}

    eventually(connected)
    folder = Path(f"/proc/{bridge.program.process.pid}/fd")
    for inode in connected():
        own = {os.readlink(entry) for entry in folder.iterdir()}
        assert f"socket:[{inode}]" in own


@pytest.mark.parametrize("carrier", ["wss", "https"])
def test_people_talk_through_tls_on_both_sides_of_a_bridge(tmp_path: Path, carrier: str) -> None:
    """As outside: the app's TLS is a browser's, the bridge's and the relay's that of an ordinary server."""
    cert, key = certificate(tmp_path)
    tls = ["--cert", str(cert), "--key", str(key)]
    ports = free_port(), free_port()
    public = [f"{carrier}://localhost:{port}/?ip=127.0.0.1" for port in ports]
    with (
        RelayProcess(
            tmp_path / "relay", f"127.0.0.1:{ports[0]}", words=[*tls, "--public", public[0]]
        ) as relay,
        BridgeProcess(
            tmp_path / "bridge",
            relay.address,
            listen=f"127.0.0.1:{ports[1]}",
            words=[*tls, "--public", public[1], "--authority", str(cert)],
        ) as bridge,
    ):
        here = parse_address(only_through(bridge.address, relay.address))
        only = tuple(route for route in here.routes if route.transport == carrier)
        address = replace(here, routes=only).text
        ada, bo = (Home(tmp_path / name, {"SSL_CERT_FILE": str(cert)}) for name in ("ada", "bo"))
        ada.make_account("Ada", address)
        bo.make_account("Bo", address)
        with ada.app("--no-relay"), bo.app("--no-relay"):
            homes_befriend(ada, bo)
            for n in range(5):
                ada.run("send", "Bo", f"to Bo {n}").ok()
                bo.run("send", "Ada", f"to Ada {n}").ok()
            (tmp_path / "picture").write_bytes(os.urandom(300_000))
            ada.run("send", "Bo", "look", "--file", str(tmp_path / "picture")).ok()
            bo.wait_for_text("Ada", "look")
            up = [item["route"] for item in ada.run("ways").all if item["up"]]
            assert up
            assert "".join(up).count(f":{ports[1]}/") == 1
            for home, chat, wanted in ((ada, "Bo", "to Ada"), (bo, "Ada", "to Bo")):
                home.wait_for(
                    lambda home=home, chat=chat, wanted=wanted: [
                        text for text in home.texts(chat) if text.startswith(wanted)
                    ],
                    lambda texts, wanted=wanted: texts == [f"{wanted} {n}" for n in range(5)],
                )
