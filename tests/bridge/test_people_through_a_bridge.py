"""Two people who can reach a bridge alone, with real programs: nothing is lost or doubled, and the bridge knows nothing of them."""

import json
import os
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from support.bridges import only_through
from support.homes import BridgeProcess, RelayProcess
from support.residents import Meanwhile, befriend, eventually, residents

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
    from whimbrel.wire.texts import parse_address

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
