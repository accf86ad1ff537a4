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
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from whimbrel.app.channel import AppGone, Channel, reach_app
from whimbrel.cli.output import Item, Paper
from whimbrel.cli.trouble import Trouble

T = TypeVar("T")

# How long a command waits for another command that has the home open, beside its own --wait.
PATIENCE_S = 10.0
_ASK_AGAIN_S = 0.1

# The client's code for a home that another program has open.
HOME_LOCKED = "home-locked"

_PASSPHRASE_TRIES = 3


@dataclass(frozen=True, slots=True)
class Call:
    """One call of the client, and who gets each of its answers."""

    method: str
    parameters: dict[str, Any]
    on_item: Callable[[Item], None]


def carry_out(home: Path, calls: Sequence[Call], wait: float) -> None:
    """Make the calls, in order. Raises Trouble, and whatever `on_item` raises."""

    def attempt() -> None:
        if (channel := reach_app(home)) is not None:
            with channel:
                for call in calls:
                    _ask_app(channel, call)
        else:
            with_passphrase(lambda passphrase: run_async(_open_and_ask(home, calls, wait, passphrase), home))

    once_it_is_free(attempt, wait + PATIENCE_S)


def once_it_is_free(attempt: Callable[[], T], patience: float) -> T:
    """Try again, for so many seconds, while another program has the home open."""
    end = time.monotonic() + patience
    while True:
        try:
            return attempt()
        except Trouble as trouble:
            if trouble.code != HOME_LOCKED or time.monotonic() > end:
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
            "The app on this home ended before it had answered.",
            "Try again: without the app the command opens the home by itself.",
        ) from None


async def _open_and_ask(home: Path, calls: Sequence[Call], wait: float, passphrase: str | None) -> None:
    from whimbrel.client.service import Service

    makes_one = any(call.method == "init" for call in calls)
    opened = Service.open(home, passphrase=passphrase, create=makes_one, wait=wait, reporter=say_aside)
    async with opened as service:
        for call in calls:
            async for item in service.call(call.method, call.parameters):
                call.on_item(item)


def run_async(work: Coroutine[Any, Any, T], home: Path) -> T:
    """Run it to its end. Raises Trouble for what the client says; other errors come out of their groups."""
    import asyncio

    from whimbrel.app.answers import the_only
    from whimbrel.app.logs import keep_off_the_terminal
    from whimbrel.client.errors import ServiceError
    from whimbrel.client.home_errors import store_error
    from whimbrel.store.errors import StoreError

    keep_off_the_terminal(home)
    try:
        return asyncio.run(work)
    except BaseException as error:
        cause = the_only(error)
        if isinstance(cause, StoreError):
            cause = store_error(cause)
        if isinstance(cause, ServiceError):
            raise Trouble(cause.code, cause.message, cause.do, cause.exit, cause.candidates) from error
        raise cause from None


def with_passphrase(attempt: Callable[[str | None], T]) -> T:
    """Try with the passphrase of the environment. On a terminal, ask where one is needed; a few times at most."""
    passphrase = os.environ.get("WHIMBREL_PASSPHRASE") or None
    tries = _PASSPHRASE_TRIES if passphrase is None and sys.stdin.isatty() and sys.stderr.isatty() else 0
    while True:
        try:
            return attempt(passphrase)
        except Trouble as trouble:
            if trouble.code != "home-key" or tries == 0:
                raise
        import getpass

        tries -= 1
        passphrase = getpass.getpass("Passphrase of this home: ", sys.stderr)


def say_aside(sentence: str) -> None:
    """What a person should know while the command goes on; never among its answers."""
    aside = Paper(sys.stderr)
    aside.line(aside.dim(sentence))
