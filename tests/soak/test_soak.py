"""The soak at small numbers: the same programs as `make soak`, for a minute each."""

import subprocess
import sys
from pathlib import Path

import pytest

from support.homes import environment

pytestmark = pytest.mark.processes

ROOT = Path(__file__).parent.parent.parent
PATIENCE_S = 300


@pytest.mark.parametrize(
    ("name", "times"), [("relay_killed", 20), ("client_killed", 30), ("group_changed", 5)]
)
def test_nothing_is_lost_doubled_or_forked(name: str, times: int, tmp_path: Path) -> None:
    """At 20 kills of the relay, 30 of clients, and when ten clients change one group at the same moment five times."""
    ran = subprocess.run(
        [
            sys.executable,
            "soak/run.py",
            name,
            "--times",
            str(times),
            "--seed",
            "4",
            "--folder",
            str(tmp_path),
        ],
        cwd=ROOT,
        env=environment(None),
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
