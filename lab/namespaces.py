"""Network namespaces of one lab: made under a prefix of their own, and gone afterwards, whatever happens.

Who holds a lab holds a lock on a file that says what belongs to it. The system lets go of a lock with the process that had it, so
whoever finds a lab that is not locked may clear it away: a guardian at once, started with each lab and waiting for the end of a
pipe, and every later lab before it begins. Nothing outside a prefix is ever touched.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")

NETNS = Path("/run/netns")
ETC = Path("/etc/netns")
LABS = Path("/run/whimbrel-lab")
CLONE_NEWNET = 0x40000000


def search_path() -> str:
    """Where programs are looked for: those of an administrator, too, which are not on everybody's path."""
    return f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin"


_LIBC = ctypes.CDLL(None, use_errno=True)


class LabError(Exception):
    """The lab cannot be built, or something in it failed that has nothing to do with what is measured."""


class Ground:
    """A prefix, its namespaces and its folder, held by this process."""

    def __init__(self) -> None:
        if os.geteuid() != 0:
            raise LabError("the lab makes network namespaces: run it as root")
        sweep()
        LABS.mkdir(parents=True, exist_ok=True)
        self.prefix = f"wl{secrets.token_hex(3)}"
        self.folder = Path(tempfile.mkdtemp(prefix="whimbrel-lab-"))
        self._file = LABS / self.prefix
        # Locked before it has its name: nobody can find it without an owner.
        begun = self._file.with_suffix(".new")
        self._lock = os.open(begun, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600)
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        os.write(self._lock, json.dumps({"folder": str(self.folder)}).encode())
        begun.rename(self._file)
        self._guardian = subprocess.Popen(
            [sys.executable, "-m", "lab.namespaces", self.prefix],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=Path(__file__).parent.parent,
            start_new_session=True,  # Ctrl-C in a terminal ends the lab, not what clears it away
        )

    @property
    def guardian(self) -> int:
        """The process that clears away after this one, should it be killed."""
        return self._guardian.pid

    def name(self, place: str) -> str:
        """The full name of a namespace."""
        return f"{self.prefix}-{place}"

    def add(self, places: Sequence[str]) -> None:
        with _first_of_all():
            batch([f"netns add {self.name(place)}" for place in places])
        for place in places:
            inside(self.name(place), _quieten)
        for place in places:
            batch(["link set lo up"], self.name(place))

    def close(self) -> None:
        """Clear everything away."""
        if self._lock < 0:
            return
        clear(self.prefix, self.folder)
        self._file.unlink(missing_ok=True)
        os.close(self._lock)
        self._lock = -1
        assert self._guardian.stdin is not None
        self._guardian.stdin.close()
        self._guardian.wait()

    def __enter__(self) -> Ground:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


@contextlib.contextmanager
def _first_of_all() -> Iterator[None]:
    """One lab at a time: the first `ip netns add` of a machine also makes the place where all of them are."""
    handle = os.open(LABS / "lock", os.O_CREAT | os.O_RDWR, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _quieten() -> None:
    """Nothing but what programs send: no IPv6 of its own accord, and each connection begins without memory of earlier ones."""
    for setting, value in {
        "ipv6/conf/all/disable_ipv6": "1",
        "ipv6/conf/default/disable_ipv6": "1",
        "ipv4/conf/all/rp_filter": "0",
        "ipv4/conf/default/rp_filter": "0",
        "ipv4/tcp_no_metrics_save": "1",
        "ipv4/ip_forward": "0",
    }.items():
        with contextlib.suppress(FileNotFoundError):
            set_sysctl(setting, value)


def set_sysctl(setting: str, value: str) -> None:
    """One of this thread's network namespace."""
    Path("/proc/sys/net", setting).write_text(value)


# -- being in a namespace ------------------------------------------------------------------------------------------


def inside(name: str, deed: Callable[[], T]) -> T:
    """Have something done in a namespace, by a thread that goes there. What it opens stays there; a program that it starts, too."""
    found: list[T] = []
    failed: list[BaseException] = []

    def go() -> None:
        try:
            enter(name)
            found.append(deed())
        except BaseException as error:
            failed.append(error)

    thread = threading.Thread(target=go, name=f"in {name}")
    thread.start()
    thread.join()
    if failed:
        raise failed[0]
    return found[0]


def enter(name: str) -> None:
    """Take this thread into a namespace, for good."""
    handle = os.open(NETNS / name, os.O_RDONLY | os.O_CLOEXEC)
    try:
        if _LIBC.setns(handle, CLONE_NEWNET) != 0:
            raise LabError(f"cannot enter {name}: {os.strerror(ctypes.get_errno())}")
    finally:
        os.close(handle)


def batch(lines: Sequence[str], name: str | None = None) -> None:
    """Lines for `ip`, all in one process; in a namespace, or beside them all."""
    if not lines:
        return
    words = ["ip", *(["-n", name] if name else []), "-batch", "-"]
    run = subprocess.run(
        words,
        input="\n".join(lines),
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": search_path(), "LANG": "C"},
    )
    if run.returncode != 0:
        raise LabError(f"ip said: {run.stderr.strip()}")


def batch_quietly(line: str) -> None:
    """The same for a line that may fail."""
    with contextlib.suppress(LabError):
        batch([line])


# -- clearing away -------------------------------------------------------------------------------------------------


def sweep() -> None:
    """Clear away what labs left whose process is gone."""
    for file in sorted(LABS.glob("wl??????")) if LABS.is_dir() else ():
        with contextlib.suppress(FileNotFoundError):
            _clear_if_left(file, wait=False)


def _clear_if_left(file: Path, *, wait: bool) -> None:
    handle = os.open(file, os.O_RDWR)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            return  # somebody is at home
        if not file.exists():
            return  # cleared away by another one while we waited
        with contextlib.suppress(ValueError, KeyError):
            told = json.loads(os.pread(handle, 4096, 0))
            clear(file.name, Path(told["folder"]))
        file.unlink(missing_ok=True)
    finally:
        os.close(handle)


def clear(prefix: str, folder: Path) -> None:
    """End the processes in the namespaces of a prefix, and remove these and the folder. Twice, should one have just been coming."""
    for _ in range(2):
        places = _places(prefix)
        _end_processes(places)
        for place in places:
            batch_quietly(f"netns del {place}")
        for etc in ETC.glob(f"{prefix}-*") if ETC.is_dir() else ():
            shutil.rmtree(etc, ignore_errors=True)
        if not places:
            break
    with contextlib.suppress(OSError):
        ETC.rmdir()  # only when it is empty: then we made it
    if folder.name.startswith("whimbrel-lab-"):
        shutil.rmtree(folder, ignore_errors=True)


def _places(prefix: str) -> list[str]:
    return sorted(path.name for path in NETNS.glob(f"{prefix}-*")) if NETNS.is_dir() else []


def _end_processes(places: Sequence[str]) -> None:
    """Kill what runs in these namespaces, until nothing does."""
    end = time.monotonic() + 10
    homes = set()
    for place in places:
        with contextlib.suppress(OSError):
            stat = os.stat(NETNS / place)
            homes.add((stat.st_dev, stat.st_ino))
    while (found := _processes_in(homes)) and time.monotonic() < end:
        for pid in found:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.02)


def _processes_in(homes: set[tuple[int, int]]) -> list[int]:
    """Processes whose first thread is in one of these namespaces (a thread of ours that is there for a moment is none)."""
    found = []
    for entry in os.listdir("/proc"):
        if not entry.isdigit() or int(entry) == os.getpid():
            continue
        with contextlib.suppress(OSError):
            stat = os.stat(f"/proc/{entry}/ns/net")
            if (stat.st_dev, stat.st_ino) in homes and lives(entry):
                found.append(int(entry))
    return found


def lives(pid: str) -> bool:
    """Whether it is more than a dead process that nobody has looked after yet."""
    state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    return state not in ("Z", "X")


def _guard(prefix: str) -> None:
    """Wait for the end of the pipe from the lab, however it ends, and see that nothing of it is left."""
    with contextlib.suppress(OSError):
        while os.read(0, 1):
            pass
    with contextlib.suppress(FileNotFoundError):
        _clear_if_left(LABS / prefix, wait=True)


if __name__ == "__main__":
    _guard(sys.argv[1])
