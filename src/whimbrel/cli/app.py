"""`whimbrel app`: the first start, the app, and its end."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

from whimbrel.app.answers import Calls
from whimbrel.app.channel import AppGone, Channel, reach_app
from whimbrel.app.main import PAGE_METHOD, stay_up
from whimbrel.cli.calls import HOME_LOCKED, PATIENCE_S, once_it_is_free, run_async, say_aside, with_passphrase
from whimbrel.cli.foreign import in_one_line
from whimbrel.cli.invocation import typed_as
from whimbrel.cli.output import Paper, write_json
from whimbrel.cli.trouble import Trouble
from whimbrel.client.errors import HOME
from whimbrel.client.service import Service

if TYPE_CHECKING:
    from whimbrel.cli.command import Words


def run(words: Words) -> int:
    """Stay up until Ctrl-C or SIGTERM. Without an account, on a terminal, ask for a name first."""
    if not _ran(words, name=None):
        _ran(words, _ask_for_name(words))
    return 0


def _ran(words: Words, name: str | None) -> bool:
    """Waits for a command that has the home open; another app is told of at once."""

    def attempt() -> bool:
        if (channel := reach_app(words.home)) is not None:
            raise _runs_already(words, channel)
        return with_passphrase(lambda passphrase: run_async(_app(words, passphrase, name), words.home))

    return once_it_is_free(attempt, PATIENCE_S)


async def _app(words: Words, passphrase: str | None, name: str | None) -> bool:
    """The app from start to end. False at once when there is no account and a person can be asked for a name."""
    opened = Service.open(
        words.home,
        passphrase=passphrase,
        embedded=not words.no_relay,
        listen_port=words.relay_listen,
        wait=0,
        reporter=say_aside,
    )
    async with opened as service:
        if name is not None:
            async for _ in service.call("init", {"name": name}):
                pass
        has_account = await _has_account(service)
        if not has_account and _somebody_is_here(words):
            return False
        stop = asyncio.Event()
        with _ended_by_signals(stop):
            await stay_up(
                service, words.home, words.port, lambda url: _say_ready(words, url, has_account), stop
            )
    return True


async def _has_account(service: Calls) -> bool:
    return any([item.get("name") async for item in service.call("status", {})])


def _somebody_is_here(words: Words) -> bool:
    return not words.json and sys.stdin.isatty() and sys.stdout.isatty()


def _ask_for_name(words: Words) -> str:
    """Blocks, with no loop running, so that Ctrl-C works as everywhere."""
    paper = Paper(sys.stdout)
    paper.line(f"There is no account in {words.home} yet. It needs no phone number and no e-mail.")
    name = ""
    while not name:
        try:
            name = input("What should others call you? ").strip()
        except EOFError:
            raise KeyboardInterrupt from None
    return name


def _say_ready(words: Words, url: str, has_account: bool) -> None:
    """One JSON line for programs. On a terminal, what to type next."""
    if not _somebody_is_here(words):
        write_json({"event": "ready", "url": url}, sys.stdout)
        return
    paper = Paper(sys.stdout)
    command = typed_as(words.home)
    paper.line(f"{paper.bold('Whimbrel runs.')} Its page (the link works once): {url}")
    paper.line("In another terminal:")
    paper.table(
        [
            [f"  {command} invite --qr", paper.dim("a text for a friend, who accepts it")],
            [f"  {command} accept whimbrel:…", paper.dim("accept the text of a friend")],
            [f"  {command} chats", paper.dim("who is there")],
            [f"  {command} --help", paper.dim("all commands")],
        ]
    )
    paper.line("Ctrl-C ends it. What was not sent goes when it runs again.")


@contextlib.contextmanager
def _ended_by_signals(stop: asyncio.Event) -> Iterator[None]:
    """The first Ctrl-C or SIGTERM ends the app in order; a second one is obeyed at once."""
    loop = asyncio.get_running_loop()
    signals = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

    def end() -> None:
        stop.set()
        for number in signals:
            loop.remove_signal_handler(number)

    for number in signals:
        loop.add_signal_handler(number, end)
    try:
        yield
    finally:
        end()


def _runs_already(words: Words, channel: Channel) -> Trouble:
    """Another app has the home: where its page is."""
    with channel, contextlib.suppress(AppGone):
        for answer in channel.ask(PAGE_METHOD, {}):
            if "item" in answer:
                return Trouble(
                    "app-runs",
                    f"Whimbrel runs already on {in_one_line(str(words.home))}.",
                    f"Use that one: commands go through it, and its page opens once with {answer['item']['url']}",
                    HOME,
                )
    return Trouble(HOME_LOCKED, "The app on this home is just ending.", "Try again.", HOME)
