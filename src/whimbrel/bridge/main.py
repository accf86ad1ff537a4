"""`whimbrel bridge`: a bridge on its own."""

from __future__ import annotations

import argparse
import asyncio
import signal
from dataclasses import replace
from pathlib import Path

from whimbrel.serving import journal as journals
from whimbrel.serving.folder import DataFolderDamaged
from whimbrel.serving.journal import Journal
from whimbrel.serving.listening import CannotStart, WrongUse, allow_many_files, split_listen
from whimbrel.serving.program import loop_factory, safe_handler, say
from whimbrel.serving.site import SiteUnfit

from .server import Bridge, BridgeInfo
from .settings import BridgeSettings

DATA = "~/.whimbrel-bridge"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `whimbrel bridge`."""
    parser.add_argument(
        "--to", action="append", required=True, metavar="ADDRESS", help="the address of a relay (repeat)"
    )
    parser.add_argument(
        "--listen", default="127.0.0.1:0", metavar="HOST:PORT", help="port 0 picks one and keeps it"
    )
    parser.add_argument("--cert", type=Path, metavar="FILE", help="certificate chain (PEM), for TLS")
    parser.add_argument("--key", type=Path, metavar="FILE", help="its private key (PEM)")
    parser.add_argument("--site", type=Path, metavar="DIR", help="the web site that strangers see")
    parser.add_argument(
        "--public", action="append", default=[], metavar="URL", help="a way from outside: wss://host (repeat)"
    )
    parser.add_argument(
        "--behind",
        action="store_true",
        help="behind a proxy of yours that sets X-Forwarded-For: limits go by that",
    )
    parser.add_argument(
        "--data", type=Path, default=Path(DATA), metavar="DIR", help=f"where seed and port are kept ({DATA})"
    )
    parser.add_argument(
        "--authority", type=Path, metavar="FILE", help="trust only these certificates (PEM) at the relays"
    )


def settings_of(args: argparse.Namespace) -> BridgeSettings:
    """What the arguments say. Raises WrongUse."""
    host, port = split_listen(args.listen)
    return BridgeSettings(
        data=Path(args.data).expanduser(),
        to=tuple(args.to),
        host=host,
        port=port,
        cert=args.cert,
        key=args.key,
        site=args.site,
        public=tuple(args.public or ()),
        authority=args.authority,
        behind=args.behind,
    )


def run(args: argparse.Namespace) -> int:
    """Run a bridge until SIGTERM or SIGINT; the exit code. The first line on stdout has the texts to paste."""
    try:
        settings = settings_of(args)
        files = allow_many_files(2 * settings.limits.connections)
        settings = replace(settings, limits=replace(settings.limits, connections=files // 2))
        with asyncio.Runner(loop_factory=loop_factory()) as runner:
            runner.run(_run(settings, journals.stderr()))
    except (CannotStart, SiteUnfit, DataFolderDamaged, OSError) as error:
        code, what_to_do = _explain(error)
        message = (
            str(error) if not isinstance(error, OSError) else (error.strerror or "an error of the system")
        )
        say({"error": code, "message": message, "do": what_to_do})
        return _EXIT.get(code, 1)
    return 0


async def _run(settings: BridgeSettings, journal: Journal) -> None:
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(safe_handler(journal))
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    await Bridge(settings, journal).run(_say_ready, stop)


def _say_ready(info: BridgeInfo) -> None:
    """`address`: the text to paste; `addresses`: one for each relay, in the order of --to."""
    say(
        {
            "event": "ready",
            "address": info.addresses[0],
            "addresses": list(info.addresses),
            "port": info.port,
        }
    )


_EXIT = {"wrong-use": 2, "damaged": 6}
"""Exit codes by the short name of what is wrong; 1: what was asked cannot be done."""


def _explain(error: Exception) -> tuple[str, str]:
    """A short name for what is wrong, and what the operator can do."""
    if isinstance(error, DataFolderDamaged):
        return "damaged", "remove that file: a new one is made, and with it other texts to paste"
    if isinstance(error, SiteUnfit):
        return "site", "give a folder with an index.html, or leave --site out"
    if isinstance(error, WrongUse):
        return "wrong-use", "change the arguments; `whimbrel bridge --help` names them"
    if isinstance(error, CannotStart):
        return "cannot-start", "give another address with --listen, another certificate, or another relay"
    return "system", "look whether the folders exist and may be written"
