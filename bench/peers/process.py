"""Processes of a server that is measured: pinned, found with all their children, weighed, stopped."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterable
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")


class Failed(Exception):
    """A server did not start or broke off; says what it last said."""


class Server:
    """One program, pinned to one core, with its children. Its output goes to a file in `folder`."""

    def __init__(
        self,
        folder: Path,
        command: Iterable[str | Path],
        core: int | None,
        env: dict[str, str] | None = None,
        user: str | None = None,
    ) -> None:
        self.log = folder / "output.log"
        with self.log.open("wb") as output:
            self.process = subprocess.Popen(
                [str(word) for word in command],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=folder,
                env=os.environ | (env or {}),
                user=user,
                start_new_session=True,
                preexec_fn=None if core is None else lambda: os.sched_setaffinity(0, {core}),
            )

    def pids(self) -> list[int]:
        """The process and all that come from it."""
        return family(self.process.pid)

    def wait_for(self, port: int, seconds: float = 60) -> None:
        """Until it listens there. Raises Failed."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            if self.process.poll() is not None:
                break
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                return
            except OSError:
                time.sleep(0.05)
        raise Failed(f"does not listen on its port; it says: {self.last_words()}")

    def last_words(self) -> str:
        return " / ".join(self.log.read_text("utf-8", "replace").strip().splitlines()[-3:]) or "nothing"

    def stop(self, how: int = signal.SIGTERM) -> None:
        everybody = self.pids()
        if self.process.poll() is None:
            self.process.send_signal(how)
            try:
                self.process.wait(15)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        for pid in everybody:
            # What a runtime started beside itself (Erlang's helpers) ends with its pipes, else here.
            if pid != self.process.pid and _started_by_us(pid, self.process.pid):
                os.kill(pid, signal.SIGKILL)


def family(pid: int) -> list[int]:
    """A process and its descendants, of those that live now."""
    parents: dict[int, list[int]] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(") ")[2].split()
        except OSError:
            continue
        parents.setdefault(int(fields[1]), []).append(int(path.parent.name))
    found, rest = [], [pid]
    while rest:
        one = rest.pop()
        found.append(one)
        rest += parents.get(one, [])
    return found


def cpu(pids: Iterable[int]) -> float:
    """Seconds of processor time of these so far, of their children that ended included."""
    total = 0
    for pid in pids:
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
        except OSError:
            continue
        total += sum(int(field) for field in fields[11:15])
    return total / TICKS


def resident(pids: Iterable[int]) -> tuple[int, int]:
    """Bytes in memory: the sum of what is resident (RSS), and with shared pages counted in parts (PSS)."""
    rss = pss = 0
    for pid in pids:
        try:
            lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
        except OSError:
            continue
        for line in lines:
            if line.startswith("Rss:"):
                rss += int(line.split()[1]) * 1024
            elif line.startswith("Pss:"):
                pss += int(line.split()[1]) * 1024
    return rss, pss


def free_port() -> int:
    """A port on loopback that nobody has now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _started_by_us(pid: int, session: int) -> bool:
    """Whether this process is still there and in the session that was made for the server."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
    except OSError:
        return False
    return int(fields[3]) == session and fields[0] != "Z"
