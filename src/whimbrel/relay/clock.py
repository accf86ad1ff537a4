"""The relay's own time, by which entries, ids, blobs and grants of pace grow old: it does not jump when the machine's clock does.

A clock that is wrong by a year for an hour would otherwise make a relay forget everything in that hour; one that was
wrong when something was stored would make it forget that when the clock is right again. So what counts is how long
the relay has been running, and between two runs the difference of the machine's clock, but never more than a week: a
relay that was off for longer keeps things longer. While it runs it follows the machine's clock by one part in a hundred.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from whimbrel.serving.folder import DataFolderDamaged, write_whole

from .settings import DAY

RUN_APART = 7 * DAY
"""Seconds that may be believed to lie between two runs."""
FOLLOW = 0.01
"""By how much faster or slower than time it may go to come nearer to the machine's clock."""


def running() -> float:
    """Seconds that go on whatever is done to the machine's clock, and while it is suspended, where the system tells."""
    boottime = getattr(time, "CLOCK_BOOTTIME", None)
    return time.monotonic() if boottime is None else time.clock_gettime(boottime)


@dataclass(frozen=True, slots=True)
class Clocks:
    """What the machine says. `wall`: Unix seconds, perhaps wrong; `running`: seconds that never jump."""

    wall: Callable[[], float] = time.time
    running: Callable[[], float] = running


class SteadyClock:
    """Unix seconds as this relay counts them. `doubted`: by how many seconds the machine's clock was not believed at the
    start."""

    def __init__(self, path: Path, clocks: Clocks) -> None:
        """`path`: where it is kept between two runs. Raises DataFolderDamaged."""
        self._path = path
        self._clocks = clocks
        self._ran = clocks.running()
        wall = clocks.wall()
        kept = _read(path)
        if kept is None:
            self._now = wall
            self.doubted = 0
        else:
            now, wall_then = kept
            apart = min(max(wall - wall_then, 0.0), RUN_APART)
            self._now = now + apart
            self.doubted = round(wall - wall_then - apart)

    def now(self) -> float:
        """The relay's time; never less than before."""
        ran = self._clocks.running()
        passed, self._ran = max(0.0, ran - self._ran), ran
        ahead = self._clocks.wall() - self._now - passed
        most = FOLLOW * passed
        self._now += passed + min(max(ahead, -most), most)
        return self._now

    def keep(self) -> None:
        """Write it down, now and then: after a crash the time since is missing. Raises OSError."""
        write_whole(self._path, f"{self.now():.0f} {self._clocks.wall():.0f}".encode("ascii"))


def _read(path: Path) -> tuple[float, float] | None:
    try:
        text = path.read_text("ascii")
    except FileNotFoundError:
        return None
    except ValueError:
        text = ""
    now, _, wall = text.partition(" ")
    try:
        return float(int(now)), float(int(wall))
    except ValueError:
        raise DataFolderDamaged(f"{path.name} in the data folder holds no time") from None
