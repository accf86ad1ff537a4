"""Where a command's calls go: to the app that runs on the home, or to the client, opened here for as long as they take.

Whoever has the home open holds its lock, so that there is one writer at all times. Another command may have it for a
moment: then this one waits for its turn.

The way through the app imports nothing heavy: the answer is there in a fraction of the time that the client needs to
start.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from whimbrel.app.channel import AppGone, Channel, reach_app
from whimbrel.cli.output import Item, Paper
from whimbrel.cli.trouble import CANNOT, Trouble

if TYPE_CHECKING:
    from whimbrel.client.errors import ServiceError

# How long a command waits for another command that has the home open, beside its own --wait.
_PATIENCE_S = 10.0
_ASK_AGAIN_S = 0.1


@dataclass(frozen=True, slots=True)
class Call:
    """One call of the client, and who gets each of its answers."""

    method: str
    parameters: dict[str, Any]
    on_item: Callable[[Item], None]


def carry_out(home: Path, calls: Sequence[Call], wait: float) -> None:
    """Make the calls, in order. Raises Trouble, and whatever `on_item` raises."""
    patience = time.monotonic() + wait + _PATIENCE_S
    while True:
        if (channel := reach_app(home)) is not None:
            with channel:
                for call in calls:
                    _ask_app(channel, call)
            return
        try:
            _with_passphrase(lambda passphrase: _open_and_ask(home, calls, wait, passphrase))
            return
        except Trouble as trouble:
            if trouble.code != "home-locked" or time.monotonic() > patience:
                raise
        time.sleep(_ASK_AGAIN_S)


def _ask_app(channel: Channel, call: Call) -> None:
    try:
        for answer in channel.ask(call.method, call.parameters):
            if "item" in answer:
                call.on_item(answer["item"])
            elif "error" in answer:
                told = answer["error"]
                raise Trouble(
                    told["error"], told["message"], told["do"], told["exit"], told.get("candidates", ())
                )
    except AppGone:
        raise Trouble(
            "app-stopped",
            "The app on this home stopped before it had answered.",
            "Try again: without the app the command opens the home by itself.",
        ) from None


def _open_and_ask(home: Path, calls: Sequence[Call], wait: float, passphrase: str | None) -> None:
    import asyncio

    from whimbrel.client.errors import ServiceError
    from whimbrel.client.service import Service

    async def ask() -> None:
        opened = Service.open(
            home, passphrase=passphrase, embedded=True, listen_port=None, wait=wait, reporter=say_aside
        )
        async with opened as service:
            for call in calls:
                async for item in service.call(call.method, call.parameters):
                    call.on_item(item)

    try:
        asyncio.run(ask())
    except ServiceError as error:
        raise as_trouble(error) from error
    except BaseExceptionGroup as group:
        only = the_only(group)
        if isinstance(only, ServiceError):
            raise as_trouble(only) from only
        raise only from group


def say_aside(sentence: str) -> None:
    """What a person should know while the command goes on; never among its answers."""
    aside = Paper(sys.stderr)
    aside.line(aside.dim(sentence))


def the_only(error: BaseException) -> BaseException:
    """Task groups wrap what happened inside; the first thing that happened is what is told."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def as_trouble(error: ServiceError) -> Trouble:
    return Trouble(error.code, error.message, error.do, error.exit, error.candidates)


def _with_passphrase(attempt: Callable[[str | None], None]) -> None:
    """Try with the passphrase of the environment. On a terminal, ask where one is needed; three times at most."""
    passphrase = os.environ.get("WHIMBREL_PASSPHRASE") or None
    may_ask = passphrase is None and sys.stdin.isatty() and sys.stderr.isatty()
    for last in (False, False, False, True):
        try:
            return attempt(passphrase)
        except Trouble as trouble:
            if trouble.code != "home-key" or not may_ask or last:
                raise
            import getpass

            passphrase = getpass.getpass("Passphrase of this home: ", sys.stderr)
    raise Trouble("home-key", "The home was not opened.", "Try again.", CANNOT)
