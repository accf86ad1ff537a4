"""The peers for real: each delivers both ways on the open network, and the one that goes by its name does not where names are blocked."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from lab import peers, trial, world
from lab.city import City
from lab.crew import spec_of
from lab.peers.peer import Correspondent
from lab.peers.programs import Programs
from lab.trial import Record, Task

pytestmark = [pytest.mark.lab, pytest.mark.processes]

_FILE = 100_000
_NAP = f"1000.{os.getpid()}"
"""Nobody else sleeps for so long."""


def _here(name: str) -> peers.Peer:
    peer = peers.load(name)
    lacking = peer.missing()
    if lacking is not None:
        pytest.skip(f"this machine has not {lacking}")
    return peer


def _hears(person: Correspondent, text: str, patience: float = 20.0) -> bool:
    end = time.monotonic() + patience
    while not any(one.text == text for one in person.arrived):
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True


@pytest.mark.parametrize("name", peers.names())
def test_a_peer_carries_messages_and_a_file_on_the_open_network(city: City, name: str) -> None:
    peer = _here(name)
    since = time.monotonic()
    with peer.people(city, "1") as (ada, bo):
        for one, other in ((ada, bo), (bo, ada)):
            one.say(other.name, f"{one.name} says so")
            assert _hears(other, f"{one.name} says so")
        assert ada.way() == bo.way() == name
        assert ada.send_file(bo, _FILE, 30.0) is not None
        flows = [flow for flow in city.border.ask("flows", since=since)["flows"] if flow["first"] >= since]
    far = {str(flow["to"]).rpartition(":")[0] for flow in flows}
    servers = set(
        world.CHAT.addresses
        if name == "xmpp"
        else world.MAIL.addresses
        if name == "deltachat"
        else world.TUNNEL.addresses
    )
    assert far, "everything passes the border"
    assert far <= servers, "and nothing goes past the peer's own server"


def test_nothing_of_a_run_is_left_for_the_next_one(city: City) -> None:
    """Two in a row have the same ports."""
    for mark in ("2", "3"):
        with _here("deltachat").people(city, mark) as (ada, bo):
            ada.say(bo.name, f"run {mark}")
            assert _hears(bo, f"run {mark}")
    assert not list((city.folder / "peers").iterdir())


def _run(city: City, measure: str, peer: str, patience: float) -> Record:
    _here(peer)
    task = Task(
        measure,
        peer,
        "cut",
        seed=1,
        repeat=0,
        scale=0.02,
        messages=6,
        every=0.5,
        patience=patience,
        files=False,
    )
    return trial.run(city, task, spec_of(task))


def test_where_names_are_blocked_what_goes_by_name_stops_and_what_goes_through_a_tunnel_does_not(
    city: City,
) -> None:
    plain = _run(city, "S4", "xmpp", 8.0)
    assert (plain.failed, plain.void) == ("", "")
    assert plain.next_message is None
    assert plain.lost > 0
    assert plain.late == plain.lost, "it comes when the network is open again, and once"
    assert plain.doubled == 0
    assert plain.recovered is not None
    through = _run(city, "S4", "xmpp-trojan", 40.0)
    assert (through.failed, through.void) == ("", "")
    assert through.next_message is not None
    assert (through.lost, through.doubled) == (0, 0)


def test_whimbrel_with_its_first_way_only_does_not_get_past_a_block_by_name() -> None:
    with City(bridges=False) as without_bridges:
        task = Task(
            "S4",
            "first",
            "cut",
            seed=1,
            repeat=0,
            scale=0.02,
            messages=6,
            every=0.5,
            patience=10,
            files=False,
        )
        record = trial.run(without_bridges, task, spec_of(task))
    assert (record.failed, record.void) == ("", "")
    assert record.before_p50 is not None
    assert record.next_message is None


def test_programs_of_a_run_end_with_it_though_they_change_their_user(city: City) -> None:
    """The system does not end such a one with its parent."""
    with Programs(city) as programs:
        programs.start(
            "sleeper", world.MAIL.name, ["setpriv", "--reuid=65534", "--clear-groups", "sleep", _NAP]
        )
        end = time.monotonic() + 10
        while not _sleepers() and time.monotonic() < end:
            time.sleep(0.01)
        assert _sleepers()
    assert not _sleepers()


def _sleepers() -> list[Path]:
    return [
        entry for entry in Path("/proc").glob("[0-9]*/cmdline") if _read(entry) == f"sleep\0{_NAP}\0".encode()
    ]


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""
