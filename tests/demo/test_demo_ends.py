"""The demo begins and ends: on loopback alone, with nothing left, also when it is killed."""

from __future__ import annotations

import ctypes
import os
import re
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from support.demo import Demo, start
from support.residents import Told

pytestmark = [
    pytest.mark.processes,
    pytest.mark.skipif(sys.platform != "linux", reason="what runs and listens is read in /proc"),
]

LOOPBACK = "0100007F"
LISTENS = "0A"


def programs_of(temporary: Path) -> dict[int, str]:
    """Everything that runs for a demo: its folder stands in the environment of each."""
    mark = str(temporary).encode()
    found = {}
    for place in Path("/proc").iterdir():
        if place.name.isdecimal():
            try:
                if mark in (place / "environ").read_bytes():
                    found[int(place.name)] = (place / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            except OSError:
                continue
    return found


def sockets_of(process: int) -> Iterator[str]:
    for file in Path(f"/proc/{process}/fd").iterdir():
        try:
            target = os.readlink(file)
        except OSError:
            continue
        if found := re.fullmatch(r"socket:\[(\d+)\]", target):
            yield found[1]


def until(holds: Callable[[], bool], otherwise: str) -> None:
    end = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < end, otherwise
        time.sleep(0.1)


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[Demo]:
    demo = Demo(tmp_path)
    yield demo
    if demo.process.poll() is None:
        demo.end(signal.SIGTERM)


@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_nothing_is_left(demo: Demo, sign: signal.Signals) -> None:
    running = programs_of(demo.temporary)
    assert len(running) >= 8, "itself, its guardian, a relay, three bridges, two apps"
    folder = demo.folder
    assert folder.stat().st_mode & 0o077 == 0, "nobody else reads in it"
    assert demo.end(sign) == (-9 if sign is signal.SIGKILL else 0)
    assert "Traceback" not in demo.errors()
    until(lambda: not programs_of(demo.temporary), "something still runs")
    until(lambda: not folder.exists(), "its folder is still there")


@pytest.mark.parametrize("after", [0.2, 0.6, 1.0, 1.4, 1.8])
def test_nothing_is_left_by_who_changes_their_mind_while_it_starts(tmp_path: Path, after: float) -> None:
    starting = start(tmp_path)
    time.sleep(after)
    starting.send_signal(signal.SIGINT)
    assert starting.wait(60) in (0, -signal.SIGINT, 130), (
        "the interpreter itself may be interrupted while it loads"
    )
    until(lambda: not programs_of(tmp_path), "something still runs")
    until(lambda: not list(tmp_path.glob("whimbrel-demo-*")), "its folder is still there")


def test_it_needs_no_right_of_root(tmp_path: Path) -> None:
    """Who is root has none of its rights in there, and so can do what every user can."""
    demo = Demo(tmp_path, without_rights)
    for process in programs_of(tmp_path):
        rights = re.search(r"CapEff:\s*(\w+)", Path(f"/proc/{process}/status").read_text())
        assert rights is not None
        assert int(rights[1], 16) == 0
    assert demo.ask("Ada", "contacts")
    assert (demo.end(), demo.errors()) == (0, "")


def without_rights() -> None:
    """Of a process that is about to become another program: whoever it is then, it has no capability (capabilities(7))."""
    drop, right = 24, 0  # PR_CAPBSET_DROP
    libc = ctypes.CDLL(None)
    while libc.prctl(drop, right, 0, 0, 0) == 0:
        right += 1


def test_it_ends_when_one_of_the_apps_does(demo: Demo) -> None:
    """A visitor may erase everything in one of the pages."""
    app, *_ = [number for number, words in programs_of(demo.temporary).items() if "demo.app" in words]
    os.kill(app, signal.SIGTERM)
    assert demo.process.wait(60) == 1
    assert demo.errors() == "One of the two apps has ended, and so does the demo.\n"
    until(lambda: not programs_of(demo.temporary), "something still runs")


def test_it_listens_and_is_connected_on_loopback_alone(demo: Demo) -> None:
    with pytest.raises(Told) as told:
        demo.ask(
            "Ada", "set_help", on=True
        )  # a switch in the settings of the page, which opens a port to the world elsewhere
    assert told.value.code == "no-relay"
    list(demo.ask("Ada", "network"))
    time.sleep(2)
    theirs = {socket for process in programs_of(demo.temporary) for socket in sockets_of(process)}
    listening = 0
    for table in ("tcp", "udp"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            _, here, there, state, *rest = line.split()
            if rest[5] in theirs:
                assert here.startswith(LOOPBACK), line
                assert state == LISTENS or there.startswith(LOOPBACK), line
                listening += state == LISTENS
    assert listening >= 9, "page, censor, resolvers, relay, three bridges, two apps"
    for table in filter(lambda name: Path(f"/proc/net/{name}").exists(), ("tcp6", "udp6")):
        assert not any(
            line.split()[9] in theirs for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]
        )
