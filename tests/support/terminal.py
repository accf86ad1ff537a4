"""A terminal for tests: a command that believes a person sits there, what it shows, and what is typed."""

from __future__ import annotations

import os
import pty
import select
import signal
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path

from support.homes import COMMAND, PATIENCE_S, environment

AGAIN_S = 10.0
"""How long somebody waits before pressing Ctrl-C again."""


class Terminal:
    """A command on a pseudo-terminal."""

    def __init__(self, home: Path, *words: str, extra: Mapping[str, str] | None = None) -> None:
        self._ours, theirs = pty.openpty()
        self.shown = ""
        self.process = subprocess.Popen(
            [str(COMMAND), "--home", str(home), *words],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            env=environment({"TERM": "xterm", "NO_COLOR": "", **(extra or {})}),
            start_new_session=True,
        )
        os.close(theirs)

    def wait_for(self, text: str, patience: float = PATIENCE_S) -> str:
        """All that was shown, once this text is among it."""
        end = time.monotonic() + patience
        while text not in self.shown:
            if not self._read(end - time.monotonic()):
                raise AssertionError(f"{text!r} was not shown, but: {self.shown}")
        return self.shown

    def type(self, text: str) -> None:
        os.write(self._ours, text.encode())

    def interrupt(self) -> int:
        """Ctrl-C, pressed again every ten seconds as a person would; the exit code.

        Between a question and the reading of its answer a signal is seen only after the answer: Python's `input` is C there.
        """
        for _ in range(int(PATIENCE_S // AGAIN_S)):
            self.process.send_signal(signal.SIGINT)
            if self._is_over(AGAIN_S):
                break
        return self.end()

    def end(self) -> int:
        """Wait for its end; the exit code."""
        end = time.monotonic() + PATIENCE_S
        while self._read(end - time.monotonic()):
            pass
        code = self.process.wait(PATIENCE_S)
        assert "Traceback" not in self.shown, self.shown
        return code

    def _is_over(self, patience: float) -> bool:
        end = time.monotonic() + patience
        while self._read(end - time.monotonic()):
            pass
        return time.monotonic() < end

    def _read(self, patience: float) -> bool:
        """More of what is shown; False when nothing came in time, or the command is gone."""
        readable, _, _ = select.select([self._ours], [], [], max(0.0, patience))
        try:
            came = os.read(self._ours, 65536) if readable else b""
        except OSError:  # Linux says EIO when the other side of a terminal is closed
            came = b""
        self.shown += came.decode(errors="replace").replace("\r\n", "\n")
        return bool(came)

    def __enter__(self) -> Terminal:
        return self

    def __exit__(self, *exception: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        os.close(self._ours)
