"""Which network this computer is on: real interfaces in a network namespace, and what the shell does when it changes."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from whimbrel.client import shell as shells
from whimbrel.client.link_runner import RelayConnection
from whimbrel.client.network import network
from whimbrel.client.shell import Shell
from whimbrel.store.home import open_home

STORY = """
set -e
say() { "$PYTHON" -c 'from whimbrel.client.network import network; print(network())'; }
say
ip tuntap add home mode tun; ip addr add 10.1.2.3/24 dev home; ip link set home up; ip route add default dev home
say
ip addr flush dev home; ip addr add 10.1.2.77/24 dev home; ip route add default dev home
say
ip tuntap add train mode tun; ip addr add 172.20.9.9/16 dev train; ip link set train up
ip route replace default dev train src 172.20.9.9
say
ip -6 addr add fd12:3456::5/64 dev train nodad; ip -6 route add default dev train
say
"""


def test_a_network_is_known_by_the_way_out_and_nobody_is_asked() -> None:
    if shutil.which("ip") is None or shutil.which("unshare") is None:
        pytest.skip("there is no `ip` and `unshare` here (packages iproute2 and util-linux)")
    made = subprocess.run(["unshare", "--net", "true"], capture_output=True, text=True, check=False)
    if made.returncode:
        pytest.skip(f"only root of a machine may make a network for a test: {made.stderr.strip()}")
    ran = subprocess.run(
        ["unshare", "--net", "bash", "-c", STORY],
        capture_output=True,
        text=True,
        check=False,
        env={
            "PYTHON": sys.executable,
            "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
            "PYTHONPATH": ":".join(sys.path),
        },
    )
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.split("\n")[:5] == [
        "",  # no way out
        "10.1.2.0/24",
        "10.1.2.0/24",  # another address of the same network
        "172.20.9.0/24",
        "172.20.9.0/24 fd12:3456::/64",
    ]


def test_the_name_of_a_network_is_the_same_each_time() -> None:
    assert network() == network()


async def test_links_are_told_of_another_network_and_of_the_end_of_a_sleep(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shells, "GUARD_EVERY", 0.01)
    seen, slept = "home", 0.0
    loop = asyncio.get_running_loop()
    told: list[str] = []
    with open_home(tmp_path / "ada", create=True, find_keyring=lambda interactive: None) as home:
        shell = Shell(home, clock=lambda: 1_800_000_000 + loop.time() + slept, look_at_network=lambda: seen)
        connection = RelayConnection(b"r" * 32, ())
        monkeypatch.setattr(connection, "network_changed", told.append)
        shell.connections[b"r" * 32] = connection

        async def looks() -> list[str]:
            told.clear()
            await asyncio.sleep(0.1)
            return list(told)

        async with shell.running():
            assert await looks() == [], "nothing has changed"
            seen = "train"
            assert await looks() == ["train"]
            seen = ""
            assert await looks() == [], "there is no way out that could be tried"
            seen = "train"
            assert await looks() == ["train"], "online again"
            slept = 3600.0
            assert await looks() == ["train"]
            slept = -3600.0
            assert await looks() == ["train"], "or the clock was set: nobody can tell the two apart"
