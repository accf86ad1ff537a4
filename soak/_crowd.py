"""The people of a soak: each a process with a home of its own, driven from here, and killed from here.

What somebody had said and what was answered is remembered on this side, so that it survives whoever is killed.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from _moments import Moment, make_notes, read_notes
from support.homes import COMMAND, environment

Item = dict[str, Any]
HERE = Path(__file__).parent
PATIENCE_S = 120.0
"""What takes longer than that on a busy machine does not end by itself."""
FAREWELL_S = 20.0


class Gone(Exception):
    """The process ended before it had answered."""


class Told(Exception):
    """The client answered with an error; its short name is the code."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code


class Failed(AssertionError):
    """Something that must hold does not. The message says what, and where to look."""


@dataclass
class Said:
    """A message: asked for once, and never again. `answered`: what the client said of it, if it lived to say so."""

    chat: str
    text: str
    answered: str | None = None
    refused: str | None = None


@dataclass
class Client:
    """A person whose client lives in a process of its own, most of the time."""

    name: str
    folder: Path
    tasks: asyncio.TaskGroup
    said: list[Said] = field(default_factory=list)
    news: list[Item] = field(default_factory=list)
    answered: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    _process: asyncio.subprocess.Process | None = None
    _hearing: asyncio.Task[None] | None = None
    _ready: asyncio.Event = field(default_factory=asyncio.Event)
    _killed: bool = False
    _asked: dict[int, asyncio.Future[list[Item]]] = field(default_factory=dict)
    _n: int = 0

    @property
    def home(self) -> Path:
        return self.folder / self.name

    @property
    def notes(self) -> Path:
        return self.folder / f"{self.name}.notes"

    @property
    def errors(self) -> Path:
        return self.folder / f"{self.name}.err"

    @property
    def lives(self) -> bool:
        return self._process is not None and self._ready.is_set()

    # ------------------------------------------------------------------------------------------- its life

    async def start(self, ready: bool = True) -> None:
        make_notes(self.notes)
        self._ready.clear()
        self._killed = False
        with self.errors.open("ab") as errors:
            self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, str(HERE / "_app.py"), str(self.home), str(self.notes)),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                env=environment(None),
                limit=1 << 24,
            )
        self._hearing = self.tasks.create_task(self._hear())
        if ready:
            await self.ready()

    async def ready(self) -> None:
        async with asyncio.timeout(PATIENCE_S):
            await self._ready.wait()
        if self._killed:
            raise Gone
        if self._process is None:
            raise Failed(f"{self.name}'s client ended by itself: see {self.errors}")

    async def _hear(self) -> None:
        assert self._process is not None
        assert self._process.stdout is not None
        while line := await self._process.stdout.readline():
            if not line.endswith(b"\n"):
                break  # killed within a word
            told = json.loads(line)
            if "ready" in told:
                self._ready.set()
            elif "news" in told:
                self.news.append(told)
            elif (future := self._asked.pop(told["n"], None)) is not None and not future.done():
                if "error" in told:
                    future.set_exception(Told(told["error"], told["message"]))
                else:
                    future.set_result(told["items"])
        await self._process.wait()
        self._process = None
        self._ready.set()
        for future in self._asked.values():
            if not future.done():
                future.set_exception(Gone())
                future.exception()  # whoever asked may have gone, too
        self._asked.clear()

    async def kill(self) -> tuple[Moment, list[str]]:
        """As `kill -9`; what it was doing, and what was under way to the relay."""
        if self._process is None or self._hearing is None:
            raise Failed(f"{self.name}'s client ended by itself: see {self.errors}")
        self._killed = True
        self._process.kill()
        await self._hearing
        return read_notes(self.notes)

    async def end(self) -> None:
        """As somebody closes it."""
        process, hearing = self._process, self._hearing
        if process is None or hearing is None:
            return
        assert process.stdin is not None
        process.stdin.close()
        async with asyncio.timeout(FAREWELL_S):
            await hearing
        if process.returncode != 0:
            raise Failed(f"{self.name}'s client ended with {process.returncode}: see {self.errors}")

    async def dispatch(self) -> None:
        """End it in whatever state it is; for when the soak failed."""
        if (process := self._process) is not None:
            process.kill()
            await process.wait()

    # ------------------------------------------------------------------------------------ what it is asked

    async def ask(self, method: str, **params: Any) -> list[Item]:
        """A call, once. Raises Gone when it was killed before it answered, Told for its errors."""
        process = self._process
        if process is None or process.stdin is None:
            raise Gone
        self._n += 1
        future: asyncio.Future[list[Item]] = asyncio.get_running_loop().create_future()
        self._asked[self._n] = future
        line = json.dumps({"n": self._n, "method": method, "params": params}) + "\n"
        process.stdin.write(line.encode())
        try:
            items = await future
        except Told as told:
            self.refused[f"{method}: {told.code}"] += 1
            raise
        self.answered[method] += 1
        return items

    async def one(self, method: str, **params: Any) -> Item:
        [item] = await self.ask(method, **params)
        return item

    async def say(self, chat: str, text: str, wait: float = 0) -> Said:
        """Have a message sent: once, whatever becomes of it. `wait`: seconds for it to be on the relay's disk."""
        if self._process is None:
            raise Gone
        said = Said(chat, text)
        self.said.append(said)
        try:
            [answer] = await self.ask("send", chat=chat, text=text, wait=wait)
            said.answered = answer["state"]
        except Told as told:
            said.refused = told.code
        except Gone:
            pass
        return said


@dataclass
class Relay:
    """The relay's own program. Killed and started again it is the same one, on the same port."""

    folder: Path
    address: str = ""
    _process: asyncio.subprocess.Process | None = None

    async def start(self, ready: bool = True) -> None:
        self.folder.mkdir(exist_ok=True)
        with (self.folder.parent / "relay.err").open("ab") as errors:
            self._process = await asyncio.create_subprocess_exec(
                *(str(COMMAND), "relay", "--data", str(self.folder), "--listen", "127.0.0.1:0"),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=errors,
                env=environment(None),
            )
        if ready:
            await self.ready()

    async def ready(self) -> None:
        assert self._process is not None
        assert self._process.stdout is not None
        async with asyncio.timeout(PATIENCE_S):
            line = await self._process.stdout.readline()
        if not line:
            raise Failed(f"the relay does not start: see {self.folder.parent / 'relay.err'}")
        told = json.loads(line)
        if told.get("event") != "ready":
            raise Failed(f"the relay does not start: {told}")
        self.address = told["address"]

    async def kill(self) -> None:
        assert self._process is not None
        if self._process.returncode is not None:
            raise Failed(f"the relay ended by itself: see {self.folder.parent / 'relay.err'}")
        self._process.kill()
        await self._process.wait()

    async def end(self) -> None:
        assert self._process is not None
        self._process.terminate()
        async with asyncio.timeout(FAREWELL_S):
            await self._process.wait()

    async def dispatch(self) -> None:
        if self._process is not None and self._process.returncode is None:
            self._process.kill()
            await self._process.wait()


@dataclass
class Town:
    """One relay, and everybody on it."""

    folder: Path
    relay: Relay
    people: dict[str, Client]
    tasks: asyncio.TaskGroup

    def __getitem__(self, name: str) -> Client:
        return self.people[name]

    async def befriend(self, one: str, other: str) -> None:
        made = await self[one].one("invite")
        accepted = await self[other].one("accept", invite=made["invite"])
        if not accepted["chat"]:
            raise Failed(f"{other} could not open {one}'s invite: {accepted}")

        async def known() -> bool:
            return other in {contact["name"] for contact in await self[one].ask("contacts")}

        await until(known, f"{one} knows {other}")

    async def befriend_all(self, names: Sequence[str], others: Sequence[str] = ()) -> None:
        """Each of the names with each other, and with each of the others."""
        for i, one in enumerate(names):
            for other in [*names[i + 1 :], *others]:
                await self.befriend(one, other)

    async def found_group(
        self, name: str, founder: str, members: Sequence[str], admins: Sequence[str]
    ) -> str:
        """A group, and everybody in it; its id."""
        made = await self[founder].one("group_new", name=name, persons=list(members))
        for admin in admins:
            await self[founder].ask("group_promote", group=made["id"], person=admin)

        def is_there(person: str) -> Callable[[], Any]:
            async def look() -> bool:
                return set(admins) <= await admins_of(self[person], made["id"])

            return look

        for person in members:
            await until(is_there(person), f"{person} is in {name}")
        return str(made["id"])

    async def settle(self, names: Sequence[str] | None = None, patience: float = PATIENCE_S) -> None:
        """Until nobody has anything left to send or to read, twice in a row."""
        quiet = 0
        last: list[Item] = []

        async def still() -> bool:
            nonlocal quiet, last
            found = [await self[name].one("stands") for name in names or self.people]
            calm = all(not each["waiting"] and not each["busy"] and not each["behind"] for each in found)
            quiet = quiet + 1 if calm and [f["seq"] for f in found] == [f["seq"] for f in last] else 0
            last = found
            return quiet >= 3

        try:
            await until(still, "everybody has sent and read everything", patience, every=0.3)
        except Failed as failed:
            stuck = {
                name: each
                for name, each in zip(names or self.people, last, strict=False)
                if each["waiting"] or each["busy"] or each["behind"]
            }
            raise Failed(f"{failed}; not at rest: {stuck or [each['seq'] for each in last]}") from None


async def admins_of(client: Client, group: str) -> set[str]:
    try:
        shown = await client.one("group_show", group=group)
    except Told:
        return set()
    return {member["name"] for member in shown["members"] if member["role"] == "admin" and member["present"]}


@asynccontextmanager
async def town(folder: Path, names: Sequence[str]) -> AsyncIterator[Town]:
    """A relay and people with accounts on it, strangers to each other, their clients running."""
    folder.mkdir(parents=True, exist_ok=True)
    relay = Relay(folder / "relay")
    async with asyncio.TaskGroup() as tasks:
        people = {name: Client(name, folder, tasks) for name in names}
        try:
            await relay.start()
            await asyncio.gather(*(client.start() for client in people.values()))
            for client in people.values():
                await client.one("init", name=client.name, relay=relay.address)
            yield Town(folder, relay, people, tasks)
            for client in people.values():
                await client.end()
            await relay.end()
        finally:
            await relay.dispatch()
            for client in people.values():
                await client.dispatch()


async def until(look: Callable[[], Any], what: str, patience: float = PATIENCE_S, every: float = 0.1) -> None:
    """Look again and again until it is so."""
    end = time.monotonic() + patience
    while not await look():
        if time.monotonic() >= end:
            raise Failed(f"in {patience:.0f} s it did not come to: {what}")
        await asyncio.sleep(every)
