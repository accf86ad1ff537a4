"""Somebody whose program is told over a pipe what to do, and says over another what happens: lines of JSON, as in `clients/`."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lab.city import ROOT, City
from lab.namespaces import LabError
from lab.peers.peer import Correspondent
from lab.talk import Arrived, Sent

UP_S = 40.0


class PipedPerson:
    """`way`: what their messages go by, in a word. `addresses`: how the program knows others, by name; without one, it has one chat."""

    def __init__(
        self, city: City, place: str, name: str, way: str, client: Sequence[str], folder: Path, at: str = ""
    ) -> None:
        """`client`: a module and its words; `at`: what stands behind a name in an address, where there are addresses."""
        self.place, self.name = place, name
        self.arrived: list[Arrived] = []
        self.came: list[dict[str, Any]] = []
        """All that the program said about itself."""
        self._way, self._at, self._folder = way, at, folder
        self._said = 0
        self._acknowledged = 0
        self._up = threading.Event()
        self._files: dict[str, Path] = {}
        self._log = city.folder / "log" / f"peer-{name}"
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                ["ip", "netns", "exec", city.ground.name(place), sys.executable, "-m", *client],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                env=city.environment({"PYTHONPATH": str(ROOT)}),
                cwd=folder,
                text=True,
                bufsize=1,
                process_group=0,
            )
        self._listening = threading.Thread(target=self._listen, daemon=True)
        self._listening.start()

    def _listen(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            told = json.loads(line)
            if "arrived" in told:
                self.arrived.append(Arrived(told["arrived"], told["at"]))
            elif "acknowledged" in told:
                self._acknowledged += 1
            elif "file" in told:
                self._files[told["file"]] = Path(told["path"])
            else:
                self.came.append(told)
                if "up" in told:
                    (self._up.set if told["up"] else self._up.clear)()

    def wait_until_up(self) -> None:
        if not self._up.wait(UP_S):
            raise LabError(f"{self.name}'s client does not come up: {self._log.read_text()[-2000:]}")

    def tell(self, **what: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(what) + "\n")

    def say(self, chat: str, text: str) -> Sent:
        sent = Sent(text, time.monotonic())
        self._said += 1
        self.tell(to=chat.lower() + self._at, say=text)
        return sent

    def waiting(self) -> int:
        return max(0, self._said - self._acknowledged)  # a file is acknowledged, too

    def way(self) -> str | None:
        return self._way if self._up.is_set() else None

    def send_file(self, other: Correspondent, size: int, patience: float) -> float | None:
        assert isinstance(other, PipedPerson)
        path = self._folder / f"file-{os.urandom(4).hex()}.bin"
        path.write_bytes(os.urandom(size))
        begun = time.monotonic()
        self.tell(to=other.name.lower() + self._at, file=str(path))
        while time.monotonic() < begun + patience:
            if path.name in other._files:
                took = time.monotonic() - begun
                if other._files[path.name].read_bytes() != path.read_bytes():
                    raise LabError("a file came out other than it went in")
                return took
            time.sleep(0.05)
        return None

    def stop(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._listening.join(5.0)
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                with contextlib.suppress(BrokenPipeError):
                    stream.close()
