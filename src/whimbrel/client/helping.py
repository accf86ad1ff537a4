"""Helping contacts: while this app runs, a bridge beside it leads them to the relays that this account uses.

The bridge is the one of `whimbrel bridge`, a process of its own: what carries bytes for others has no key of this home in its memory, and what
goes wrong there stops nothing here. It is told the relays on stdin and ends when that does, so with this program however it ends. What is decided
here: whether it runs, where it leads, at which address contacts are told it, and when they are told so no more.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import socket
import sys
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Final, Protocol

from whimbrel.bridge.cuts import refuse
from whimbrel.bridge.day import FILE as DAY
from whimbrel.bridge.day import Day
from whimbrel.chat.person import Person
from whimbrel.chat.records import PutFact
from whimbrel.chat.relays import Relay, bridges_path
from whimbrel.client.network import place
from whimbrel.client.router import Opened, Outcome, Why, router_of
from whimbrel.client.shapes import HelpItem, HelpState
from whimbrel.client.shell import Shell
from whimbrel.serving.folder import DataFolderDamaged
from whimbrel.serving.listening import CannotStart, certificate_of
from whimbrel.store.errors import StoreError
from whimbrel.store.reading import Reading
from whimbrel.transports.policy import is_address, is_public
from whimbrel.wire.errors import Malformed, TextError
from whimbrel.wire.routes import Route, parse_route
from whimbrel.wire.texts import WAYS_MAX, Address, parse_address

FACT: Final = "helping"
FOLDER: Final = "bridge"
NUMBERS: Final[Mapping[str, tuple[int, int]]] = {
    "megabytes": (10, 1_000_000),
    "people": (1, 1_000),
    "port": (0, 65_535),
}
"""The least and the most of each."""
LOOK_EVERY: Final = 5.0
"""Seconds between two looks at what is wished: relays, blocked people, the network."""
ROUTER_EVERY: Final = 300.0
"""Seconds between two times that the router is asked, whose address may be another; what it opens is for an hour."""
AGAIN_AFTER: Final = (10.0, 600.0)
"""Seconds until a bridge that ended is started again; doubled up to the second."""
WITHDRAWN_AFTER: Final = 3600.0
"""Seconds without a way in, while this app runs, after which contacts are told so: a router that starts again is no reason to."""
ENDS_WITHIN: Final = 10.0
"""Seconds that the bridge has to end (it gives those who are there 5)."""
FAREWELL: Final = 2.0
"""Seconds for the router at the end; what it opened closes by itself, too."""
LINE_MAX: Final = 256 * 1024


@dataclass(frozen=True, slots=True)
class Choice:
    """What this person has chosen. `port` 0: one that is picked and stays. `at`: host or host:port at which contacts reach it, where the router
    does not say; `cert` and `key`: files with a certificate for that name, in place of one that the bridge makes. `network`: the one on which it
    was switched on; on others it does nothing."""

    on: bool = False
    megabytes: int = 1000
    people: int = 20
    port: int = 0
    at: str = ""
    cert: str = ""
    key: str = ""
    network: str = ""


class NoSuchChoice(ValueError):
    """This cannot be chosen; the text says why."""


def choice_of(reading: Reading) -> Choice:
    """What was chosen. What this version does not understand is as at first."""
    kept = reading.fact(FACT)
    try:
        found = json.loads(kept) if kept is not None else {}
        given = {one.name: found[one.name] for one in fields(Choice) if one.name in found}
        choice = Choice(**given)
        check(choice)
    except (ValueError, TypeError):
        return Choice()
    return choice


def keeping(choice: Choice) -> PutFact:
    return PutFact(FACT, json.dumps(asdict(choice), sort_keys=True).encode())


def check(choice: Choice) -> None:
    """Raises NoSuchChoice."""
    for name, (least, most) in NUMBERS.items():
        value = getattr(choice, name)
        if type(value) is not int or not least <= value <= most:
            raise NoSuchChoice(f"{name} is a whole number from {least} to {most}")
    texts = (choice.at, choice.cert, choice.key, choice.network)
    if type(choice.on) is not bool or not all(isinstance(text, str) for text in texts):
        raise NoSuchChoice("on is true or false, and the rest texts")
    if choice.at:
        route = outside(choice.at, 443)
        if route.host == "localhost" or (is_address(route.host) and not is_public(route.host)):
            raise NoSuchChoice(
                "people on the internet do not reach that address; give the one that your router has outside"
            )
    if bool(choice.cert) != bool(choice.key):
        raise NoSuchChoice("the certificate and its key belong together")
    if choice.cert and (not choice.at or is_address(outside(choice.at, 443).host)):
        raise NoSuchChoice("a certificate is for a name: say at which one people come")


def outside(at: str, port: int) -> Route:
    """Where people come who were told `at`, a host or host:port; a plain host means this port. Raises NoSuchChoice."""
    text = at if re.search(r":[0-9]+\Z", at) and (at.count(":") == 1 or "]:" in at) else f"{at}:{port}"
    try:
        route = parse_route(f"wss://{text}/")
    except Malformed:
        raise NoSuchChoice("that is no host or host:port, for example home.example:8443") from None
    if route.path != "/" or route.sni is not None or route.addresses or route.wrappers:
        raise NoSuchChoice("that is no host or host:port, for example home.example:8443")
    return route


def certificate_fault(choice: Choice) -> str | None:
    """Why the files cannot be used; None when they can."""
    try:
        certificate_of(Path(choice.cert), Path(choice.key))
    except CannotStart as error:
        return str(error)
    return None


# ------------------------------------------------------------------------------------------------ what is decided


@dataclass(frozen=True, slots=True)
class Run:
    """A bridge as it is started; another of these is another bridge process."""

    to: tuple[str, ...]
    megabytes: int
    people: int
    port: int
    cert: str
    key: str


def leads(relays: Iterable[Relay], own: frozenset[str] = frozenset()) -> tuple[str, ...]:
    """The addresses of relays to which a bridge for others leads: by ways to the relay itself, by TLS, on the internet. Never by another bridge, which
    would lead in circles or to whoever runs that; never by what others told; never to this bridge (`own`: host:port); and never to a relay inside
    a home or on this network."""
    found = []
    for relay in relays:
        if relay.embedded:
            continue
        routes: list[Route] = []
        for text in relay.routes:
            try:
                route = parse_route(text)
            except Malformed:
                continue
            hosts = route.addresses or ((route.host,) if is_address(route.host) else ())
            near = route.host == "localhost" or not all(is_public(host) for host in hosts)
            itself = f"{route.host}:{route.port}" in own
            secure = route.transport in ("wss", "https")
            if secure and not (route.wrappers or near or itself or bridges_path(route)):
                routes.append(route)
        if routes:
            found.append(Address(relay.identity, tuple(routes[:WAYS_MAX])).text)
    return tuple(found)


def wanted(choice: Choice, person: Person | None, network: str) -> Run | HelpState:
    """The bridge that should run now; or why none should."""
    if not choice.on:
        return "off"
    if person is None or person.retired:
        return "no-relay"
    if network and network != choice.network:  # without any it may be this one again in a moment
        return "elsewhere"
    own = frozenset(
        f"{route.host}:{route.port}" for route in map(parse_route, person.handing_on.running.values())
    )
    to = leads(person.relays.values(), own)
    if not to:
        return "no-relay"
    return Run(to, choice.megabytes, choice.people, choice.port, choice.cert, choice.key)


def told_ways(addresses: Iterable[str], host: str, port: int) -> dict[bytes, str]:
    """What contacts are told, by relay: the bridge's own texts at the address from which it is reached outside."""
    found = {}
    for text in addresses:
        try:
            address = parse_address(text)
        except TextError:
            continue
        for route in address.routes:
            if route.transport == "wss":
                found[address.relay] = replace(route, host=host, port=port).text
    return found


# ---------------------------------------------------------------------------------------------------- what is done


class _Opens(Protocol):
    """As Router."""

    async def open(self, port: int) -> Outcome: ...

    async def close(self) -> None: ...


@dataclass(slots=True)
class _Now:
    """How the bridge process does."""

    addresses: tuple[str, ...] = ()
    port: int = 0
    helping: dict[str, Any] = field(default_factory=dict)
    trouble: str = ""


class Helper:
    """Owns the bridge process and the port in the router, for as long as `run` runs."""

    def __init__(
        self, shell: Shell, router: _Opens | None = None, network: Callable[[], str] = place
    ) -> None:
        self._shell = shell
        self._router: _Opens = router or router_of(os.environ, shell.home.path / FOLDER)
        self._network = network
        self._wake = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._now = _Now()
        self._refused: frozenset[tuple[bytes, ...]] | None = None
        self._outcome: Outcome | None = None
        self._state: HelpState = "off"
        self._runs = False
        self.choice = choice_of(shell.home.database.reading)

    def take(self, choice: Choice) -> None:
        """Something else was chosen."""
        self.choice = choice
        self._outcome = None
        self._wake.set()

    def network(self) -> str:
        """The network on which this computer is now."""
        return self._network()

    # ------------------------------------------------------------------------------------------- what is said

    def item(self) -> HelpItem:
        """How it goes, in numbers; never who."""
        helping = self._now.helping
        numbers = helping.get("numbers") or self._kept_numbers()
        person = self._shell.person
        running = person.handing_on.running if person is not None else {}
        told = parse_route(next(iter(running.values()))) if running else None
        outcome = self._outcome
        return {
            "on": self.choice.on,
            "state": "off" if not self.choice.on else self._state if self._runs else "no-app",
            "told_at": ""
            if told is None
            else f"{f'[{told.host}]' if ':' in told.host else told.host}:{told.port}",
            "told": sum(1 for one in person.contacts.values() if one.standing == "contact")
            if person is not None and running
            else 0,
            "port": self._now.port,
            "by_router": isinstance(outcome, Opened) and outcome.by_router,
            "at": self.choice.at,
            "cert": self.choice.cert,
            "megabytes": self.choice.megabytes,
            "people": self.choice.people,
            "there": helping.get("there", 0),
            "full": helping.get("full", False),
            "spent": helping.get("spent", False),
            "away": helping.get("away", 0) > 0,
            "today": numbers.get("people", 0),
            "bytes_today": numbers.get("size", 0),
            "most": max(numbers.get("people", 0), numbers.get("most", 0)),
            "bytes_all": numbers.get("size", 0) + numbers.get("size_before", 0),
            "since": numbers.get("since"),
            "trouble": self._now.trouble,
        }

    def _kept_numbers(self) -> dict[str, Any]:
        """While no bridge runs: those that it has written down."""
        folder = self._shell.home.path / FOLDER
        if not (folder / DAY).exists():
            return {}
        try:
            return asdict(Day(folder, None).numbers)
        except (DataFolderDamaged, OSError):
            return {}

    def _be(self, state: HelpState) -> None:
        if state != self._state:
            self._state = state
            self._said_anew()

    def _said_anew(self) -> None:
        self._shell.changes.status()
        self._shell.say_changed()

    # ------------------------------------------------------------------------------------------------- the loop

    async def run(self) -> None:
        """Have the bridge run while it is wanted; until cancelled."""
        loop = asyncio.get_running_loop()
        self._runs = True
        running: Run | None = None
        serving: asyncio.Task[None] | None = None
        asked_at, reached_at, again_at, pause = 0.0, loop.time(), 0.0, AGAIN_AFTER[0]
        async with asyncio.TaskGroup() as tasks:
            try:
                while True:
                    self._wake.clear()
                    want = wanted(self.choice, self._shell.person, self._network())
                    now = loop.time()
                    if serving is not None and serving.done():
                        serving, again_at, pause = None, now + pause, min(2 * pause, AGAIN_AFTER[1])
                    if serving is not None and want != running:
                        serving.cancel()
                        await asyncio.wait((serving,))
                        serving = None
                    if want != running:
                        again_at, pause = 0.0, AGAIN_AFTER[0]
                        self._now, self._outcome = _Now(), None
                        running = want if isinstance(want, Run) else None
                    if running is None:
                        await self._router.close()  # also what somebody has left open who ended suddenly
                    if running is not None and serving is None and now >= again_at:
                        self._idle.clear()
                        serving = tasks.create_task(self._serve(running))
                    self._refuse()
                    if self._now.port and (self._outcome is None or now - asked_at >= ROUTER_EVERY):
                        asked_at = now
                        self._outcome = await self._open(self._now.port)
                    if self._tell(want):
                        reached_at, pause = loop.time(), AGAIN_AFTER[0]
                    elif want == "off" or loop.time() - reached_at > WITHDRAWN_AFTER:
                        await self._say({})
                    if isinstance(self._outcome, Opened) and self._now.addresses:
                        await self._say(
                            told_ways(self._now.addresses, self._outcome.host, self._outcome.port)
                        )
                    with suppress(TimeoutError):
                        async with asyncio.timeout(LOOK_EVERY):
                            await self._wake.wait()
            finally:
                self._runs = False
                if serving is not None:
                    serving.cancel()
                with suppress(TimeoutError):
                    async with asyncio.timeout(FAREWELL):
                        await self._router.close()

    async def end(self) -> None:
        """There is no bridge any more, before this home is gone."""
        self.take(replace(self.choice, on=False))
        with suppress(TimeoutError):
            async with asyncio.timeout(ENDS_WITHIN):
                await self._idle.wait()

    async def _open(self, port: int) -> Outcome:
        """Where people come in. What this person has said counts before what the router says."""
        found = await self._router.open(port)
        if self.choice.at:
            given = outside(self.choice.at, found.port if isinstance(found, Opened) else port)
            return Opened(given.host, given.port, by_router=isinstance(found, Opened) and found.by_router)
        return found

    def _tell(self, want: Run | HelpState) -> bool:
        """Say how it stands; True: people reach it."""
        if not isinstance(want, Run):
            self._be(want)
        elif self._now.trouble:
            self._be("trouble")
        elif not self._now.port or self._outcome is None:
            self._be("starting")
        elif isinstance(self._outcome, Why):
            self._be(self._outcome.value)
        else:
            self._be("open")
            return True
        return False

    async def _say(self, ways: dict[bytes, str]) -> None:
        """Have contacts told these, from now on."""
        person = self._shell.person
        if person is not None and dict(person.handing_on.running) != ways:
            with suppress(StoreError):  # as soon as something can be written again
                await self._shell.do(lambda person, now, fx: person.handing_on.runs(ways, fx))
            self._said_anew()

    def _refuse(self) -> None:
        """Who is blocked does not come by this bridge any more."""
        person, folder = self._shell.person, self._shell.home.path / FOLDER
        if person is None or not folder.exists():
            return
        names = frozenset((name,) for name in person.handing_on.names_refused())
        if names != self._refused:
            with suppress(OSError):
                refuse(folder, names)
                self._refused = names

    # ---------------------------------------------------------------------------------------------- the process

    async def _serve(self, run: Run) -> None:
        """One bridge process, to its end or until cancelled."""
        try:
            await self._one_process(run)
        except StoreError as error:
            self._trouble(error.message)
        finally:
            self._idle.set()

    async def _one_process(self, run: Run) -> None:
        self._now = _Now()
        folder = self._shell.home.folder(FOLDER)
        try:
            process = await asyncio.create_subprocess_exec(
                *_command(run, folder),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.DEVNULL,
                env={name: value for name, value in os.environ.items() if not name.startswith("WHIMBREL_")},
                limit=LINE_MAX,
                start_new_session=True,
            )
        except OSError as error:
            self._trouble(error.strerror or "the bridge cannot be started")
            return
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            process.stdin.write("".join(f"{text}\n" for text in (*run.to, "")).encode())
            while line := await process.stdout.readline():
                self._hear(line)
            self._now.port, self._now.addresses = 0, ()
            self._trouble(self._now.trouble or "the bridge ended unexpectedly")
        except (OSError, ValueError, KeyError, TypeError):
            self._trouble("the bridge ended unexpectedly")
        finally:
            process.stdin.close()
            try:
                async with asyncio.timeout(ENDS_WITHIN):
                    await process.wait()
            except TimeoutError:
                process.kill()
                await process.wait()

    def _hear(self, line: bytes) -> None:
        """What the bridge says of itself."""
        said = json.loads(line)
        if said.get("event") == "ready":
            self._now.addresses, self._now.port = tuple(said["addresses"]), int(said["port"])
            self._wake.set()
        elif said.get("event") == "helping":
            self._now.helping = said
            self._said_anew()
        elif "error" in said:
            self._trouble(str(said.get("message", "")))

    def _trouble(self, words: str) -> None:
        self._now.trouble = words
        self._wake.set()


def _command(run: Run, folder: Path) -> list[str]:
    # -P: else a file that lies where the app was started, and that a contact may have named, is taken for a module.
    words = [sys.executable, "-P", "-m", "whimbrel.bridge", "--for-app", "--outside", "--data", str(folder)]
    words += ["--listen", f"{'[::]' if _has_ipv6() else '0.0.0.0'}:{run.port}"]
    words += ["--people", str(run.people), "--megabytes", str(run.megabytes)]
    words += ["--cert", run.cert, "--key", run.key] if run.cert else ["--self-signed"]
    if authority := os.environ.get("WHIMBREL_AUTHORITY"):
        words += ["--authority", authority]
    return words


def _has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as tried:
            tried.bind(("::", 0))
            return True
    except OSError:
        return False
