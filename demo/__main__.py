"""`python -m demo`: build everything, open the page, end everything with Ctrl-C."""

from __future__ import annotations

import argparse
import asyncio
import os
import shutil
import signal
import socket
import sys
import tempfile
import threading
import webbrowser
from contextlib import ExitStack
from pathlib import Path
from random import Random
from typing import Final

from demo import plain
from demo.border import Border
from demo.censor import Censor
from demo.guardian import Guardian
from demo.people import AppGone
from demo.plain import Plain
from demo.server import Server
from demo.stage import CannotBuild, Programs, make_secrets, servers, two_people
from demo.talk import Talk
from demo.wire import ThroughCensor
from demo.words import WORDS, language_of_system
from whimbrel.app.answers import the_only
from whimbrel.cli.app import may_open_a_browser

PREFIX: Final = "whimbrel-demo-"


async def run(folder: Path, guardian: Guardian, open_browser: bool) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, stop.set)
    async with asyncio.TaskGroup() as tasks:
        playing = tasks.create_task(_play(folder, guardian, open_browser))
        stopping = tasks.create_task(stop.wait())
        await asyncio.wait((playing, stopping), return_when=asyncio.FIRST_COMPLETED)
        playing.cancel()
        stopping.cancel()


async def _play(folder: Path, guardian: Guardian, open_browser: bool) -> None:
    programs = Programs(folder, guardian)
    secrets_of = make_secrets()
    server = Server(_listen())
    try:
        async with servers(folder, programs) as beyond, asyncio.TaskGroup() as tasks:
            censor = Censor(Border(Random()), secrets_of, beyond.places, server.saw)
            listening = _listen()
            tasks.create_task(censor.serve(listening))
            port = listening.getsockname()[1]
            people = await two_people(folder, programs, beyond, port, secrets_of, server.origin)
            pages = {person.name: (await person.one("page"))["url"].partition("/?")[0] for person in people}
            ordinary = Plain(ThroughCensor(port, secrets_of[plain.NAME]), beyond.authority, server.changed)
            talk = Talk(people, WORDS[language_of_system()].lines, server.changed)
            talk.set(True)
            server.show(people, pages, censor, talk, ordinary)
            tasks.create_task(server.serve())
            tasks.create_task(talk.run())
            tasks.create_task(ordinary.run())
            _say(server.url, open_browser)
            await asyncio.get_running_loop().create_future()
    finally:
        await programs.close()


def _listen() -> socket.socket:
    """A port of loopback, whichever is free."""
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listening.bind(("127.0.0.1", 0))
    listening.listen(128)
    listening.setblocking(False)
    return listening


def _say(url: str, open_browser: bool) -> None:
    shows = open_browser and may_open_a_browser(sys.platform, dict(os.environ))
    print("The demo runs. " + ("Your browser opens it; if not:" if shows else "Open it here:"))
    print(f"    {url}")
    print("Ctrl-C ends it and leaves nothing.", flush=True)
    if shows:
        threading.Thread(target=webbrowser.open, args=(url,), daemon=True).start()


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m demo", description=__doc__)
    parser.add_argument("--no-browser", action="store_true", help="print the link alone")
    args = parser.parse_args()
    with ExitStack() as stack:
        folder = Path(tempfile.mkdtemp(prefix=PREFIX))
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        guardian = Guardian(folder)
        stack.callback(guardian.dismiss)
        print("Starting a relay, three bridges and two apps …", flush=True)
        failed: list[str] = []
        try:
            asyncio.run(run(folder, guardian, not args.no_browser))
        except* CannotBuild as errors:
            failed.append(str(the_only(errors)))
        except* AppGone:
            failed.append("One of the two apps has ended, and so does the demo.")
        if failed:
            print(*failed, sep="\n", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
