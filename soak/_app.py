"""A person's client as a process of its own, to be killed: calls come in as lines of JSON, what came of them goes out.

    python soak/_app.py HOME NOTES

It opens the home as the app does (`client.service.Service`, the real store, real ways to the relay). In the file NOTES, which
outlives it, it notes what it is doing at this moment, so that whoever kills it can tell afterwards what the kill hit.
"""

from __future__ import annotations

import asyncio
import json
import mmap
import sys
from collections.abc import AsyncIterator, Callable
from functools import partial
from pathlib import Path
from typing import Any

from _moments import BUSY_WITH, NOTES_BYTES, Moment
from whimbrel.chat.effects import Effects
from whimbrel.chat.line_state import FlightKind, Standing
from whimbrel.chat.refusal import CannotDo
from whimbrel.client import service
from whimbrel.client.errors import ServiceError
from whimbrel.client.lookup import find_group
from whimbrel.client.service import METHODS, Service
from whimbrel.client.shell import Shell
from whimbrel.store.home import open_home
from whimbrel.wire import codec
from whimbrel.wire.operations import Append

Item = dict[str, Any]


def tell(line: Item) -> None:
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


class Notes:
    """What this process is doing, in a file that others can read when it is gone."""

    def __init__(self, path: Path) -> None:
        with path.open("r+b") as file:
            self._map = mmap.mmap(file.fileno(), NOTES_BYTES)
        self.now(Moment.STARTING)
        self.busy_with(0)

    def now(self, moment: Moment) -> None:
        self._map[0] = moment

    def busy_with(self, what: int) -> None:
        self._map[1] = what


NOTES = Notes(Path(sys.argv[2]))


class NotingShell(Shell):
    """The client's shell; it also notes what it is at, and tells of entries that were passed over."""

    def _restore(self) -> None:
        NOTES.now(Moment.OPENING)
        super()._restore()

    def _next_events(self) -> list[Any]:
        NOTES.now(Moment.DECIDING)
        return super()._next_events()

    def _save(self, fx: Effects) -> None:
        NOTES.now(Moment.SAVING)
        super()._save(fx)

    def _fall_back(self, events: list[Any], at: int, error: Exception) -> None:
        if not isinstance(error, CannotDo):  # that is an answer to a wish
            tell({"news": "fell-back", "why": repr(error)})
        super()._fall_back(events, at, error)

    def _carry_out(self, fx: Effects) -> None:
        NOTES.now(Moment.SENDING)
        for news in fx.news:
            if news["event"] in ("ignored", "trouble", "refused"):
                tell({"news": news["event"], **{k: v for k, v in news.items() if isinstance(v, str | int)}})
        super()._carry_out(fx)
        self._note_what_waits()

    def _note_what_waits(self) -> None:
        person = self.person
        if person is None:
            return
        busy = 0
        behind = False
        for chat in person.chats.values():
            for line in chat.lines:
                behind = behind or (line.state.standing is Standing.OPEN and not line.caught_up)
                if line.state.flight is not None:
                    busy |= BUSY_WITH["a commit" if line.state.flight.kind is FlightKind.COMMIT else "posts"]
        for errand in person.errands:
            what = "a welcome" if errand.tag[0] == "welcome" else "another errand"
            busy |= BUSY_WITH[what]
        NOTES.busy_with(busy)
        NOTES.now(Moment.CATCHING_UP if behind else Moment.WAITING)


service.Shell = NotingShell  # type: ignore[attr-defined]
service.open_home = partial(open_home, find_keyring=lambda interactive: None)  # type: ignore[attr-defined]


# What no command does by itself: an update of the own keys.


async def update(client: Service, group: str) -> AsyncIterator[Item]:
    chat = find_group(client.person(), group)
    await client.shell.do(lambda person, now, fx: person.intend(person.chats[chat.id], "update", [], fx))
    yield {}


async def stands(client: Service) -> AsyncIterator[Item]:
    """Whether anything is under way, waits, or was not read yet."""
    person = client.person()
    lines = [(chat, line) for chat in person.chats.values() for line in chat.lines]
    yield {
        "waiting": person.waiting(),
        "busy": person.busy(client.shell.now(), True),
        "behind": [
            chat.name
            for chat, line in lines
            if line.state.standing is Standing.OPEN and (not line.caught_up or line.state.landed)
        ],
        "in": sorted(chat.name for chat in person.chats.values() if chat.line is not None),
        "seq": {chat.name: chat.line.state.seq for chat in person.chats.values() if chat.line is not None},
        "errands": [[str(errand.tag[0]), errand.tries] for errand in person.errands],
        "flights": [_flight(line) for _, line in lines if line.state.flight is not None],
        "wrong": client.what_is_wrong() and [entry["text"] for entry in client.what_is_wrong()],
    }


def _flight(line: Any) -> list[Any]:
    append = codec.decode_operation(line.state.flight.operation)
    turn = append.turn if isinstance(append, Append) else None
    return [line.state.flight.kind.name, turn, line.state.turn, line.asked, line.caught_up]


OWN: dict[str, Callable[..., AsyncIterator[Item]]] = {"update": update, "stands": stands}


async def serve(client: Service, n: int, method: str, params: Item) -> None:
    try:
        if method in METHODS:
            items = [item async for item in client.call(method, params)]
        else:
            items = [item async for item in OWN[method](client, **params)]
    except ServiceError as error:
        tell({"n": n, "error": error.code, "message": error.message})
    else:
        tell({"n": n, "items": items})


async def main(home: Path) -> None:
    loop = asyncio.get_running_loop()
    lines = asyncio.StreamReader(limit=1 << 24)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    NOTES.now(Moment.OPENING)
    async with Service.open(home, embedded=False, wait=0) as client:
        tell({"ready": True})
        NOTES.now(Moment.CATCHING_UP)
        async with asyncio.TaskGroup() as calls:
            while line := await lines.readline():
                asked = json.loads(line)
                calls.create_task(serve(client, asked["n"], asked["method"], asked["params"]))
        NOTES.now(Moment.ENDING)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
