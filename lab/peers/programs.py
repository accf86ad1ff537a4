"""Programs that a peer starts in the city, and ends when its run is over."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

from lab.city import City, Running
from lab.namespaces import LabError, inside, lives, search_path

PATIENCE_S = 30.0
_GONE_S = 5.0
_ALL_TOGETHER = ("unshare", "--pid", "--fork", "--kill-child=KILL")
"""A program is the first process of a space of its own: when that ends, everything in it does."""


def lacking(*programs: str) -> str | None:
    """The first of these programs that is not here, in a word for people."""
    for program in programs:
        if shutil.which(program, path=search_path()) is None:
            return f"the program {program} (`.ci/tools peers` installs it)"
    return None


class Programs:
    """Those of one run. Closing it ends them all, the last one first."""

    def __init__(self, city: City) -> None:
        self.city = city
        self.until_the_end = ExitStack()

    def __enter__(self) -> Programs:
        return self

    def __exit__(self, *exception: object) -> None:
        self.until_the_end.close()

    def folder(self, name: str) -> Path:
        """An empty one, which goes with the run."""
        path = self.city.folder / "peers" / name
        shutil.rmtree(path, ignore_errors=True)
        path.mkdir(parents=True)
        self.until_the_end.callback(shutil.rmtree, path, ignore_errors=True)
        return path

    def start(
        self, label: str, place: str, words: Sequence[str | Path], extra: Mapping[str, str] | None = None
    ) -> Running:
        (self.city.folder / "log" / label).unlink(missing_ok=True)  # of the run before
        running = self.city.start(label, place, [*_ALL_TOGETHER, *map(str, words)], extra)
        self.until_the_end.callback(self._end, running)
        return running

    def _end(self, running: Running) -> None:
        """With all that it started: workers, transports, whatever made itself a daemon."""
        first = _child_of(running.process.pid)
        if first is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(first, signal.SIGKILL)  # one that has changed its user does not end with its parent
        self.city.end(running)
        end = time.monotonic() + _GONE_S
        while first is not None and _is_there(first) and time.monotonic() < end:
            time.sleep(0.01)

    def run(self, place: str, words: Sequence[str | Path], extra: Mapping[str, str] | None = None) -> None:
        """One that ends by itself, soon."""
        done = subprocess.run(
            ["ip", "netns", "exec", self.city.ground.name(place), *map(str, words)],
            capture_output=True,
            text=True,
            env=self.city.environment(extra),
            check=False,
            timeout=PATIENCE_S,
        )
        if done.returncode != 0:
            raise LabError(f"{words[0]}: {(done.stderr or done.stdout).strip()[-2000:]}")

    def until_listening(self, running: Running, place: str, port: int, address: str = "127.0.0.1") -> None:
        """Until TCP connections to a port of a namespace are taken. Raises LabError with the last words of a program that does not."""
        end = time.monotonic() + PATIENCE_S

        def taken() -> bool:
            with socket.socket() as knock:
                knock.settimeout(1.0)
                return knock.connect_ex((address, port)) == 0

        while not inside(self.city.ground.name(place), taken):
            if running.process.poll() is not None or time.monotonic() > end:
                raise LabError(
                    f"{running.log.name} does not listen on {port}: {running.log.read_text(errors='replace')[-2000:]}"
                )
            time.sleep(0.05)

    def until_said(self, running: Running, words: str) -> None:
        """Until these words are in its log."""
        end = time.monotonic() + PATIENCE_S
        while words not in (said := running.log.read_text(errors="replace")):
            if running.process.poll() is not None or time.monotonic() > end:
                raise LabError(f"{running.log.name} does not say {words!r}: {said[-2000:]}")
            time.sleep(0.05)


def _child_of(pid: int) -> int | None:
    try:
        found = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return None
    return int(found[0]) if found else None


def _is_there(pid: int) -> bool:
    try:
        return lives(str(pid))
    except OSError:
        return False
