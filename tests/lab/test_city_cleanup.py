"""Labs leave nothing, however they end; two stand side by side; nothing gets out of them."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import ifaddr
import pytest

from lab import namespaces, people, world
from lab.border import TUN
from lab.city import ROOT, City
from lab.namespaces import inside

pytestmark = [pytest.mark.lab, pytest.mark.processes]

A_LAB = """
import sys, time
from lab import people
from lab.city import City
with City(bridges=False) as city:
    people.Person(city, "ada").start()
    print(city.ground.prefix, city.folder, city.ground.guardian, flush=True)
    time.sleep(600)
"""


def start_a_lab() -> tuple[subprocess.Popen[str], str, Path, int]:
    """A lab in a process of its own: that, and its prefix, folder and guardian."""
    process = subprocess.Popen(
        [sys.executable, "-c", A_LAB], stdout=subprocess.PIPE, text=True, cwd=ROOT, env={**os.environ}
    )
    assert process.stdout is not None
    prefix, folder, guardian = process.stdout.readline().split()
    return process, prefix, Path(folder), int(guardian)


def left_of(prefix: str, folder: Path) -> list[str]:
    """What there is of a lab."""
    found = [str(path) for place in (namespaces.NETNS, namespaces.ETC) for path in place.glob(f"{prefix}-*")]
    found += [str(path) for path in (namespaces.LABS / prefix, folder) if path.exists()]
    found += [line for line in Path("/proc/mounts").read_text().splitlines() if prefix in line]
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = entry.read_bytes()
        except OSError:
            continue
        if prefix.encode() in words or os.fsencode(folder) in words:
            found.append(words.decode().replace("\0", " "))
    return found


def nothing_is_left_of(prefix: str, folder: Path, within: float) -> bool:
    end = time.monotonic() + within
    while left := left_of(prefix, folder):
        assert time.monotonic() < end, left
        time.sleep(0.1)
    return True


def test_a_lab_that_is_killed_is_cleared_away_by_its_guardian() -> None:
    process, prefix, folder, _ = start_a_lab()
    assert left_of(prefix, folder)
    process.kill()
    process.wait()
    assert nothing_is_left_of(prefix, folder, within=20.0)


def test_a_lab_that_is_killed_together_with_its_guardian_is_cleared_away_by_the_next_one() -> None:
    process, prefix, folder, guardian = start_a_lab()
    os.kill(guardian, signal.SIGKILL)
    process.kill()
    process.wait()
    assert left_of(prefix, folder)
    namespaces.sweep()
    assert left_of(prefix, folder) == []


def test_a_lab_that_is_killed_while_it_is_built_leaves_nothing() -> None:
    process = subprocess.Popen([sys.executable, "-c", A_LAB], stdout=subprocess.DEVNULL, cwd=ROOT)
    before = set(namespaces.LABS.glob("wl??????")) if namespaces.LABS.exists() else set()
    end = time.monotonic() + 20
    while not (new := set(namespaces.LABS.glob("wl??????")) - before):
        assert time.monotonic() < end
        time.sleep(0.01)
    time.sleep(0.3)
    [file] = new
    process.kill()
    process.wait()
    assert nothing_is_left_of(file.name, Path("/nonexistent"), within=20.0)


def test_two_labs_stand_side_by_side_and_the_end_of_one_is_no_matter_to_the_other(city: City) -> None:
    pair = people.friends(city)
    with City(bridges=False) as other:
        assert other.ground.prefix != city.ground.prefix
        theirs = people.friends(other)
        sent, arrived = people.converse(theirs, 3, 0.2)
        assert all(len(arrived[name]) == len(sent[name]) for name in sent)
        assert not {flow["from"] for flow in other.border.ask("flows")["flows"]} & {
            flow["from"] for flow in city.border.ask("flows")["flows"]
        }, "no packet of one is at the border of the other"
        for person in theirs:
            person.close()
    assert left_of(other.ground.prefix, other.folder) == []
    sent, arrived = people.converse(pair, 3, 0.2)
    assert all(len(arrived[name]) == len(sent[name]) for name in sent)
    for person in pair:
        person.kill()


def test_nothing_gets_out_of_a_lab(city: City) -> None:
    listening = socket.create_server(("0.0.0.0", 0), backlog=16)
    port = listening.getsockname()[1]
    listening.settimeout(0.0)
    own = [ip.ip for adapter in ifaddr.get_adapters() for ip in adapter.ips if ip.is_IPv4]
    targets = [address for address in map(str, own) if not address.startswith("127.")]
    failures: list[str] = []

    def try_all(place: str) -> None:
        for target in targets:
            with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as one:
                one.settimeout(0.5)
                if one.connect_ex((target, port)) == 0:
                    failures.append(f"{place} reached {target}")

    places = sorted(path.name for path in namespaces.NETNS.glob(f"{city.ground.prefix}-*"))
    threads = [
        threading.Thread(target=inside, args=(place, lambda place=place: try_all(place))) for place in places
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(places) > 10
    assert failures == []
    outside = {name for _, name in socket.if_nameindex()}
    assert not outside & {*world.PEOPLE, *(host.name for host in world.HOSTS), TUN}, "a wire that ends here"
    with pytest.raises(BlockingIOError):
        listening.accept()
    listening.close()


def test_a_run_that_is_broken_off_ends_soon_and_goes_on_with_what_is_missing(tmp_path: Path) -> None:
    run = [sys.executable, "-m", "lab", "run", "--measure", "S0", "--mode", "kept", "--repeat", "4"]
    run += ["--messages", "4", "--every", "0.2", "--no-files", "--jobs", "1", "--out", str(tmp_path)]
    process = subprocess.Popen(run, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline().startswith("[1/4")
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert process.returncode != 0
    before = json.loads((tmp_path / "results.json").read_text())["records"]
    assert 1 <= len(before) < 4, "one more may have ended before the signal came"
    assert subprocess.run([*run, "--go-on"], cwd=ROOT, capture_output=True, check=False).returncode == 0
    records = json.loads((tmp_path / "results.json").read_text())["records"]
    assert [(one["seed"], one["failed"]) for one in records] == [(seed, "") for seed in (1, 2, 3, 4)]
    assert records[: len(before)] == before
