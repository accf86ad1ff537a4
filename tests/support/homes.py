"""Real programs for tests: homes with their commands and apps, and relays, each a process of its own.

What a test sees is what a person or a script sees: lines on stdout, words on stderr, an exit code.
"""

from __future__ import annotations

import json
import os
import re
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

T = TypeVar("T")

COMMAND = Path(sys.executable).parent / "whimbrel"
Start = Sequence[str]
"""How the program is started: the command, or a program of a test's own that does the same and more."""
USUAL: Start = (str(COMMAND),)

# A shared machine has slow moments; what hangs is still noticed.
PATIENCE_S = 60.0


@dataclass(frozen=True)
class Ran:
    """A command that ended."""

    words: tuple[str, ...]
    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[dict[str, Any]]:
        """The JSON lines on stdout."""
        return [json.loads(line) for line in self.out.splitlines()]

    @property
    def one(self) -> dict[str, Any]:
        """The only line of a command that did what was asked."""
        assert self.code == 0, self
        [line] = self.lines
        return line

    @property
    def all(self) -> list[dict[str, Any]]:
        """The lines of a command that did what was asked."""
        assert self.code == 0, self
        return self.lines

    def ok(self) -> None:
        """It did what was asked."""
        assert self.code == 0, self

    def failed(self, code: int) -> dict[str, Any]:
        """The error of a command that ended with this exit code."""
        assert self.code == code, self
        error = self.lines[-1]
        assert {"error", "message", "do"} <= error.keys(), self
        return error


def environment(extra: Mapping[str, str] | None) -> dict[str, str]:
    """Nothing of the person who runs the tests: no home, no passphrase, no keyring, no colours of theirs; and no
    resolver of the world and no router is asked."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("WHIMBREL_", "DBUS_", "FORCE_"))
    }
    fixed = {
        "PYTHON_KEYRING_BACKEND": "keyring.backends.null.Keyring",
        "TZ": "UTC",
        "WHIMBREL_RESOLVERS": "",
        "WHIMBREL_ROUTER": "",
    }
    return {**kept, **fixed, **(extra or {})}


class Program:
    """A process that stays: it printed its ready line, and is ended in order, or killed."""

    def __init__(
        self, words: list[str], extra: Mapping[str, str] | None = None, start: Start = USUAL
    ) -> None:
        self.words = words
        self.out = ""
        """What it has said on stdout, as far as it was read."""
        # A file, not a pipe: a pipe that nobody empties would stop the program.
        self._stderr = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the program
        self.process = subprocess.Popen(
            [*start, *words],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=self._stderr,
            env=environment(extra),
        )

    def next_line(self, patience: float = PATIENCE_S) -> dict[str, Any]:
        """The next JSON line on stdout; fails when there is none in time."""
        assert self.process.stdout is not None
        readable, _, _ = select.select([self.process.stdout], [], [], patience)
        line = self.process.stdout.readline() if readable else b""
        if not line:
            code, err = self.kill()
            raise AssertionError(f"{self.words} said nothing (exit code {code}): {err}")
        self.out += line.decode()
        answer: dict[str, Any] = json.loads(line)
        return answer

    def end(self) -> int:
        """SIGTERM, as an operator or a service manager ends it; its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self._wait()[0]

    def interrupt(self) -> tuple[int, str]:
        """SIGINT, as Ctrl-C; exit code and stderr."""
        self.process.send_signal(signal.SIGINT)
        return self._wait()

    def kill(self) -> tuple[int, str]:
        self.process.kill()
        return self._wait()

    def _wait(self) -> tuple[int, str]:
        try:
            self.out += (self.process.communicate(timeout=PATIENCE_S)[0] or b"").decode()
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.communicate()
            raise AssertionError(f"{self.words} did not end: {self.errors()}") from None
        assert "Traceback" not in self.errors(), self.errors()
        return self.process.returncode, self.errors()

    def errors(self) -> str:
        """What it has said on stderr so far."""
        self._stderr.seek(0)
        return self._stderr.read().decode()

    def __enter__(self) -> Program:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.process.poll() is None:
            if kind is None:
                assert self.end() == 0, self.words
            else:
                self.kill()


class App(Program):
    """The app on a home, ready; `url` opens its page once."""

    def __init__(
        self, words: list[str], extra: Mapping[str, str] | None = None, start: Start = USUAL
    ) -> None:
        super().__init__(words, extra, start)
        ready = self.next_line()
        assert ready["event"] == "ready", ready
        self.url: str = ready["url"]

    def __enter__(self) -> App:
        return self


class RelayProcess:
    """A relay with a folder of its own. Killed and started again it is the same one, on the same port."""

    def __init__(
        self, data: Path, listen: str = "127.0.0.1:0", start: Start = USUAL, words: Sequence[str] = ()
    ) -> None:
        self.data = data
        self._start = start
        self._words = ["--listen", listen, *words]
        self.address = ""
        self.program: Program | None = None
        self.start()

    def start(self) -> None:
        self.program = Program(["relay", "--data", str(self.data), *self._words], start=self._start)
        ready = self.program.next_line()
        assert ready["event"] == "ready"
        self.address = ready["address"]

    def kill(self) -> None:
        assert self.program is not None
        self.program.kill()

    def end(self) -> int:
        assert self.program is not None
        return self.program.end()

    def restart(self) -> None:
        """As after a power cut."""
        self.kill()
        self.start()

    def __enter__(self) -> RelayProcess:
        return self

    def __exit__(self, *exception: object) -> None:
        assert self.program is not None
        if self.program.process.poll() is None:
            self.program.kill()


class BridgeProcess:
    """A bridge to some relays, with a folder of its own. Killed and started again it has the same texts."""

    def __init__(self, data: Path, *to: str, listen: str = "127.0.0.1:0", words: Sequence[str] = ()) -> None:
        self.data = data
        self._words = ["--listen", listen, *(word for text in to for word in ("--to", text)), *words]
        self.address = ""
        """The text to paste, for the first relay."""
        self.addresses: list[str] = []
        self.port = 0
        self.program: Program | None = None
        self.start()

    def start(self) -> None:
        self.program = Program(["bridge", "--data", str(self.data), *self._words])
        ready = self.program.next_line()
        assert ready["event"] == "ready", ready
        self.address, self.addresses, self.port = ready["address"], ready["addresses"], ready["port"]

    def kill(self) -> tuple[int, str]:
        assert self.program is not None
        return self.program.kill()

    def end(self) -> int:
        assert self.program is not None
        return self.program.end()

    def restart(self) -> None:
        """As after a power cut."""
        self.kill()
        self.start()

    def __enter__(self) -> BridgeProcess:
        return self

    def __exit__(self, *exception: object) -> None:
        assert self.program is not None
        if self.program.process.poll() is None:
            self.program.kill()


class Home:
    """A person's folder, and the commands on it."""

    def __init__(self, path: Path, extra: Mapping[str, str] | None = None, start: Start = USUAL) -> None:
        self.path = path
        self.extra = dict(extra or {})
        self._start = start

    def run(
        self,
        *words: str,
        as_json: bool = True,
        stdin: str | bytes | None = None,
        patience: float = PATIENCE_S,
    ) -> Ran:
        """A command, to its end, with `--json` unless told otherwise."""
        line = ["--home", str(self.path), *(["--json"] if as_json else []), *words]
        given = stdin.encode() if isinstance(stdin, str) else stdin
        ran = subprocess.run(
            [*self._start, *line],
            input=given,
            stdin=subprocess.DEVNULL if given is None else None,
            capture_output=True,
            env=environment(self.extra),
            timeout=patience,
            check=False,
        )
        out, err = ran.stdout.decode(), ran.stderr.decode()
        assert "Traceback" not in out + err, out + err
        return Ran(tuple(words), ran.returncode, out, err)

    def say(self, *words: str, stdin: str | None = None) -> str:
        """A command as a person types it; what it says."""
        ran = self.run(*words, as_json=False, stdin=stdin)
        assert ran.code == 0, ran
        return ran.out

    def start(self, *words: str) -> Program:
        """A command that stays, e.g. `read --follow`."""
        return Program(["--home", str(self.path), "--json", *words], self.extra, self._start)

    def app(self, *words: str) -> App:
        """The app on this home, ready."""
        return App(["--home", str(self.path), "--json", "app", *words], self.extra, self._start)

    # -- what tests do again and again --------------------------------------------------------------------

    def make_account(self, name: str, relay: str | None = None) -> None:
        line = self.run("init", "--name", name, *(["--relay", relay] if relay else [])).one
        assert line["name"] == name

    def texts(self, chat: str, *words: str) -> list[str]:
        return [line["text"] for line in self.run("read", chat, *words).all]

    def wait_for(
        self, look: Callable[[], T], wanted: Callable[[T], object], patience: float = PATIENCE_S
    ) -> T:
        """Look again and again until it is as wanted."""
        end = time.monotonic() + patience
        while not wanted(found := look()):
            assert time.monotonic() < end, found
            time.sleep(0.2)
        return found

    def wait_for_text(self, chat: str, text: str, patience: float = PATIENCE_S) -> dict[str, Any]:
        """The message with this text in a chat, once it is there."""

        def look() -> list[dict[str, Any]]:
            ran = self.run("read", chat)
            return [line for line in ran.lines if line.get("text") == text]

        return self.wait_for(look, bool, patience)[0]


def befriend(one: Home, other: Home) -> None:
    """Two people with accounts become contacts by a one-use invite."""
    accepted = other.run("accept", one.run("invite").one["invite"]).one
    assert accepted["chat"], accepted
    assert one.run("contacts").all


def plain(text: str) -> str:
    """Without the sequences that colour it."""
    return re.sub(r"\x1b\[[0-9;]*m", "", text)
