"""A process that outlives the demo for a moment: when the demo is killed, it ends the programs that this leaves, and their folder.

python -m demo.guardian FOLDER      reads numbers of processes, `+N` to watch and `-N` to forget; at the end of its stdin it does so
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Final

GRACE: Final = 1.0
"""Seconds in which those that were told to end may do so."""


class Guardian:
    """The demo's end of the pipe."""

    def __init__(self, folder: Path) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "demo.guardian", str(folder)],
            stdin=subprocess.PIPE,
            cwd=Path(__file__).parent.parent,
            start_new_session=True,
        )

    def watch(self, process: int) -> None:
        self._say(f"+{process}")

    def forget(self, process: int) -> None:
        """It has ended; its number may be another's by now."""
        self._say(f"-{process}")

    def _say(self, line: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{line}\n".encode())
        self._process.stdin.flush()

    def dismiss(self) -> None:
        """All has ended in order."""
        assert self._process.stdin is not None
        with suppress(OSError):
            self._process.stdin.write(b"done\n")
            self._process.stdin.close()
        self._process.wait()


def main() -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    watched: set[int] = set()
    for line in sys.stdin:
        if line == "done\n":
            return
        (watched.add if line.startswith("+") else watched.discard)(int(line[1:]))
    for sign in (signal.SIGTERM, signal.SIGKILL):
        for process in watched:
            with suppress(OSError):
                os.kill(process, sign)
        time.sleep(GRACE)
    shutil.rmtree(sys.argv[1], ignore_errors=True)


if __name__ == "__main__":
    main()
