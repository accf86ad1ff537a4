"""A client that dies at a chosen place: right before or right after the n-th time that it saves anything.

Each run is a process of its own (spawned: a fork of one that has used MLS hangs) that opens the home as a command does, makes
one call, and ends. It dies as in a power cut: nothing is flushed, closed or said.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from whimbrel.app.answers import the_only
from whimbrel.client import service
from whimbrel.client.errors import ServiceError
from whimbrel.store.home import open_home

Item = dict[str, Any]
CRASHED, REFUSED = 86, 87
WAIT_S = 20.0


@dataclass(frozen=True)
class Ended:
    """How a run ended: it died, or it was answered, or refused with the code of an error."""

    crashed: bool
    items: list[Item]
    error: str | None
    places: int
    """How many places there were at which it could have died (if it did not)."""


def run(home: Path, method: str, die_at: int | None = None, **parameters: Any) -> Ended:
    """One call on a home that no app has open; it dies at place number `die_at`, from 1, if it comes that far."""
    wish = json.dumps([str(home), method, die_at, parameters])
    child = subprocess.run(
        [sys.executable, __file__, wish], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, check=False
    )
    code = child.returncode
    assert code in (0, CRASHED, REFUSED), f"{method} ended with {code}"
    items, error, places = json.loads(child.stdout) if code != CRASHED else ([], None, 0)
    return Ended(code == CRASHED, items, error, places)


def _live(home: Path, method: str, die_at: int | None, parameters: Item) -> int:
    places = 0

    def fault(place: str) -> None:
        nonlocal places
        places += 1
        if places == die_at:
            os._exit(CRASHED)

    async def call() -> tuple[list[Item], str | None]:
        opened = service.Service.open(home, embedded=False, wait=WAIT_S)
        try:
            async with opened as client:
                return [item async for item in client.call(method, parameters)], None
        except Exception as error:
            cause = the_only(error)
            if isinstance(cause, ServiceError):
                return [], cause.code
            raise

    service.open_home = partial(open_home, fault=fault, find_keyring=lambda interactive: None)  # type: ignore[attr-defined]
    items, error = asyncio.run(call())
    print(json.dumps([items, error, places]))
    return REFUSED if error else 0


def at_every_place(run_dying: Callable[[int], Ended]) -> int:
    """Have something done again and again, dying one place later each time, until it gets to its end; the places."""
    place = 1
    while run_dying(place).crashed:
        place += 1
        assert place < 200, "it never ends"
    return place - 1


if __name__ == "__main__":
    its_home, its_method, its_end, its_parameters = json.loads(sys.argv[1])
    sys.exit(_live(Path(its_home), its_method, its_end, its_parameters))
