"""What a server needs of a process of its own: the loop, one line of JSON on stdout, faults without their words."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
from collections.abc import Callable, Mapping

from .journal import Journal


def say(line: Mapping[str, object]) -> None:
    """One line on stdout. Nobody has to read it."""
    with contextlib.suppress(BrokenPipeError):
        sys.stdout.write(json.dumps(line) + "\n")
        sys.stdout.flush()


def safe_handler(journal: Journal) -> Callable[[asyncio.AbstractEventLoop, dict[str, object]], None]:
    """What goes wrong in a callback is written without its words, which may hold what nobody may see."""

    def handle(loop: asyncio.AbstractEventLoop, context: dict[str, object]) -> None:
        error = context.get("exception")
        if isinstance(error, BaseException) and not isinstance(error, ConnectionError):
            journal.fault(error)

    return handle


def loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """uvloop's where there is one."""
    try:
        import uvloop
    except ImportError:  # not made for Windows: slower there, not otherwise different
        return None
    factory: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop
    return factory
