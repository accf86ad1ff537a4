"""Pluggable transports (the PT specification, version 1): programs that disguise a connection, such as obfs4, where one is installed.

    pt:obfs4;cert=…;iat-mode=0|wss://host/path?ip=203.0.113.7

Such a program is started once and offers a SOCKS5 server on this machine; what stands in the route is told it as user name and
password, for each connection. It connects by itself, so the route needs an address: it must not ask a name server beside us.
"""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from whimbrel.link.trouble import Reason, Stage
from whimbrel.transports.errors import TransportError
from whimbrel.transports.proxies import TEXT_MAX
from whimbrel.wire.errors import Malformed

NAME: Final = "pt"
PROGRAMS: Final[Mapping[str, tuple[str, ...]]] = {
    "obfs4": ("lyrebird", "obfs4proxy"),
    "meek_lite": ("lyrebird", "obfs4proxy"),
    "webtunnel": ("lyrebird", "webtunnel-client"),
    "snowflake": ("snowflake-client", "lyrebird"),
}
"""Who can do it, the better one first."""
STARTING_MAX: Final = 10.0
"""Seconds that such a program has to say where it listens."""
_ARGUMENT = re.compile(r"[A-Za-z0-9_-]+=.*\Z")
_METHOD = re.compile(r"CMETHOD (?P<name>\S+) socks5 (?P<host>127\.0\.0\.1|\[::1\]):(?P<port>\d{1,5})\Z")


@dataclass(frozen=True, slots=True)
class Disguise:
    """A pluggable transport as a wrapper names it; `arguments` as the specification writes them."""

    name: str
    arguments: str

    @property
    def credentials(self) -> tuple[str, str]:
        """The arguments as user name and password: what does not fit into one goes into the other; neither may be empty."""
        return self.arguments[:TEXT_MAX] or "\0", self.arguments[TEXT_MAX:] or "\0"


def parse_disguise(wrapper: str) -> Disguise:
    """The disguise of a wrapper's text. Raises Malformed."""
    kind, _, rest = wrapper.partition(":")
    name, _, arguments = rest.partition(";")
    if kind.lower() != NAME or name not in PROGRAMS:
        raise Malformed("This version does not know such a disguise.")
    if arguments and not all(_ARGUMENT.match(part) for part in arguments.split(";")):
        raise Malformed("What is told to a disguise in this way is none.")
    return Disguise(name, arguments)


def program_for(name: str) -> str | None:
    """The program that is installed for it."""
    return next(filter(None, map(shutil.which, PROGRAMS.get(name, ()))), None)


class Disguises:
    """The programs that run, each started when it is needed first. They end with this, and with this program."""

    def __init__(self) -> None:
        self._running: dict[str, _Running] = {}

    async def address(self, name: str) -> tuple[str, int]:
        """Where the program for a transport listens. Raises TransportError (connect)."""
        running = self._running.get(name)
        if running is None or running.has_ended:
            program = program_for(name)
            if program is None:
                raise TransportError(Stage.CONNECT, Reason.UNKNOWN_WAY)
            running = self._running[name] = _Running(name, program)
        try:
            async with asyncio.timeout(STARTING_MAX):
                return await running.address()
        except TimeoutError:
            running.close()
            raise TransportError(Stage.CONNECT, Reason.FAILED) from None

    def close(self) -> None:
        """End all of them."""
        for running in self._running.values():
            running.close()
        self._running.clear()


class _Running:
    """One such program. A thread reads what it says, so that it is never held up by words that nobody wants."""

    def __init__(self, name: str, program: str) -> None:
        self._name = name
        self._folder = tempfile.mkdtemp(prefix="whimbrel-")
        self._loop = asyncio.get_running_loop()
        self._told: asyncio.Future[tuple[str, int] | None] = self._loop.create_future()
        environment = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR") if name in os.environ}
        environment |= {
            "TOR_PT_MANAGED_TRANSPORT_VER": "1",
            "TOR_PT_CLIENT_TRANSPORTS": name,
            "TOR_PT_STATE_LOCATION": self._folder,
            "TOR_PT_EXIT_ON_STDIN_CLOSE": "1",
        }
        try:
            self._process = subprocess.Popen(
                [program],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env=environment,
            )
        except OSError:
            shutil.rmtree(self._folder, ignore_errors=True)
            raise TransportError(Stage.CONNECT, Reason.FAILED) from None
        threading.Thread(target=self._listen, name="disguise", daemon=True).start()

    @property
    def has_ended(self) -> bool:
        return self._process.poll() is not None or self._loop is not asyncio.get_running_loop()

    async def address(self) -> tuple[str, int]:
        found = await asyncio.shield(self._told)
        if found is None:
            raise TransportError(Stage.CONNECT, Reason.FAILED)
        return found

    def close(self) -> None:
        if self._process.stdin is not None and not self._process.stdin.closed:
            self._process.stdin.close()
        self._process.terminate()

    def _listen(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            said = line.decode("utf-8", "replace").strip()
            found = _METHOD.match(said)
            if found is not None and found["name"] == self._name:
                self._tell((found["host"].strip("[]"), int(found["port"])))
            elif said.startswith(
                ("CMETHOD-ERROR", "CMETHODS DONE", "ENV-ERROR", "VERSION-ERROR", "PROXY-ERROR")
            ):
                self._tell(None)
        self._tell(None)
        self._process.wait()
        self._process.stdout.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _tell(self, found: tuple[str, int] | None) -> None:
        def settle() -> None:
            if not self._told.done():
                self._told.set_result(found)

        try:
            self._loop.call_soon_threadsafe(settle)
        except RuntimeError:
            pass  # the loop has ended meanwhile
