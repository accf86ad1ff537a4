"""`whimbrel app`: the app from its start to its end, its page in the browser, and what is said on the terminal."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import signal
import sys
import threading
import webbrowser
from collections.abc import Iterator
from typing import TYPE_CHECKING

from whimbrel.app.channel import AppGone, Channel, reach_app
from whimbrel.app.main import PAGE_METHOD, Ready, stay_up
from whimbrel.cli.calls import HOME_LOCKED, PATIENCE_S, once_it_is_free, run_async, say_aside, with_passphrase
from whimbrel.cli.foreign import in_one_line
from whimbrel.cli.invocation import typed_as
from whimbrel.cli.output import Paper, write_json
from whimbrel.cli.trouble import Trouble
from whimbrel.client.errors import HOME
from whimbrel.client.service import Service

if TYPE_CHECKING:
    from whimbrel.cli.command import Words

BROWSER_S = 5.0
"""How long a program that ends waits for the browser to have been started."""


def run(words: Words) -> int:
    """Stay up until Ctrl-C or SIGTERM. Where an app runs on this home already, open its page and end."""

    def attempt() -> int:
        if (channel := reach_app(words.home)) is not None:
            _open_the_running(words, channel)
        else:
            with_passphrase(lambda passphrase: run_async(_app(words, passphrase), words.home))
        return 0

    return once_it_is_free(attempt, PATIENCE_S)


async def _app(words: Words, passphrase: str | None) -> None:
    opened = Service.open(
        words.home,
        passphrase=passphrase,
        embedded=not words.no_relay,
        listen_port=words.relay_listen,
        wait=0,
        reporter=say_aside,
    )
    async with opened as service:
        # What a home of thousands of chats holds in memory stays as long as the app: it is not looked through for garbage.
        gc.collect()
        gc.freeze()
        stop = asyncio.Event()
        with _ended_by_signals(stop):
            await stay_up(service, words.home, words.port, lambda ready: _say_ready(words, ready), stop)
        erased = service.over.is_set()
    if erased:
        _say_erased(words, service)


def _say_ready(words: Words, ready: Ready) -> None:
    """One JSON line for programs. For people the link, and that the browser opens it."""
    shows = _show(words, ready.url) is not None
    if not _somebody_is_here(words):
        write_json({"event": "ready", "url": ready.url}, sys.stdout)
        return
    paper = Paper(sys.stdout)
    if ready.moved_from is not None:
        paper.line(
            paper.warning(
                f"Another program has port {ready.moved_from} now, so the page has a new address. Close windows of the old one."
            )
        )
    paper.line(f"{paper.bold('Whimbrel runs.')} {_where_the_page_is(shows)} {ready.url}")
    paper.line(f"Commands go through it while it runs: {typed_as(words.home)} --help")
    paper.line("Ctrl-C ends it. What was not sent goes when it runs again.")


def _where_the_page_is(shows: bool) -> str:
    return (
        "Your browser opens its page; if not (the link works once):"
        if shows
        else "Its page (the link works once):"
    )


def _say_erased(words: Words, service: Service) -> None:
    stays = service.shell.home.left
    if not _somebody_is_here(words):
        write_json({"event": "erased", "stays": stays}, sys.stdout)
        return
    paper = Paper(sys.stdout)
    paper.line(f"Everything that Whimbrel kept in {words.home} is gone.")
    if stays:
        paper.line(f"What was not made by it stays there: {', '.join(in_one_line(name) for name in stays)}")


def _open_the_running(words: Words, channel: Channel) -> None:
    """Another app has the home: a new link to its page."""
    with channel, contextlib.suppress(AppGone):
        for answer in channel.ask(PAGE_METHOD, {}):
            if "item" in answer:
                _say_running(words, answer["item"]["url"])
                return
    raise Trouble(HOME_LOCKED, "The app on this home is just ending.", "Try again.", HOME)


def _say_running(words: Words, url: str) -> None:
    opening = _show(words, url)
    if _somebody_is_here(words):
        runs = f"Whimbrel runs already on {in_one_line(str(words.home))}."
        Paper(sys.stdout).line(f"{runs} {_where_the_page_is(opening is not None)} {url}")
    else:
        write_json({"event": "running", "url": url}, sys.stdout)
    if opening is not None:
        opening.join(BROWSER_S)


def _somebody_is_here(words: Words) -> bool:
    return not words.json and sys.stdout.isatty()


# -- the browser ---------------------------------------------------------------------------------------------------


def _show(words: Words, url: str) -> threading.Thread | None:
    """Have the browser open the page, when there is one to see it. It is not waited for: some browsers stay."""
    if words.json or words.no_browser or not may_open_a_browser(sys.platform, dict(os.environ)):
        return None
    opening = threading.Thread(target=_open_in_browser, args=(url,), name="browser", daemon=True)
    opening.start()
    return opening


def _open_in_browser(url: str) -> None:
    with contextlib.suppress(Exception):  # whatever a browser does: the link stands on the terminal
        webbrowser.open(url)


def may_open_a_browser(platform: str, environment: dict[str, str]) -> bool:
    """Whether there is a screen for it: without one `webbrowser` would take a browser for terminals, over what stands there."""
    if platform in ("darwin", "win32"):
        return not environment.get("SSH_CONNECTION")
    return bool(environment.get("DISPLAY") or environment.get("WAYLAND_DISPLAY"))


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
