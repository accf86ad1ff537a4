"""`whimbrel bridge`: a bridge on its own."""

from __future__ import annotations

import argparse
import asyncio
import signal
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from whimbrel.serving import journal as journals
from whimbrel.serving.folder import DataFolderDamaged
from whimbrel.serving.journal import Journal
from whimbrel.serving.listening import CannotStart, WrongUse, allow_many_files, split_listen
from whimbrel.serving.program import loop_factory, safe_handler, say
from whimbrel.serving.site import SiteUnfit
from whimbrel.wire.errors import OtherText, TextError
from whimbrel.wire.paths import Names, names_of
from whimbrel.wire.texts import Address, Invite, parse_address, parse_invite

from .cuts import Cuts
from .server import SEED, Bridge, BridgeInfo, path_of
from .settings import BridgeSettings

DATA = "~/.whimbrel-bridge"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `whimbrel bridge`."""
    parser.add_argument(
        "--to", action="append", default=[], metavar="ADDRESS", help="the address of a relay (repeat)"
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
    parser.add_argument(
        "--cut",
        action="append",
        default=[],
        metavar="TEXT",
        help="start nothing: a text that was handed on, or an invite, leads nowhere by this bridge any more, nor what was made from it (repeat)",
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
    """Run a bridge until SIGTERM or SIGINT; the exit code. The first line on stdout has the texts to paste. With --cut: write down
    what was cut, for the bridge that runs on this data."""
    try:
        if args.cut:
            say({"event": "cut", "texts": cut(Path(args.data).expanduser(), args.cut)})
            return 0
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


def cut(folder: Path, texts: Sequence[str]) -> int:
    """Have these texts, which were handed on, lead nowhere any more; how many there were. Raises WrongUse, DataFolderDamaged, OSError."""
    try:
        seed = (folder / SEED).read_bytes()
    except FileNotFoundError:
        raise WrongUse(f"no bridge was ever started with --data {folder}") from None
    found = [names for text in texts for names in _names_in(text, seed)]
    cuts = Cuts(folder)
    for names in found:
        cuts.add(names)
    return len(texts)


def _names_in(text: str, seed: bytes) -> set[Names]:
    try:
        leads: Address | Invite = parse_address(text)
    except OtherText:
        leads = _invite(text)
    except TextError as error:
        raise WrongUse(f"--cut: {error}") from error
    own = path_of(seed, leads.relay)
    found = {names_of(route.path.encode(), own) for route in leads.routes} - {None}
    if not found:
        raise WrongUse("--cut: this text does not lead to this bridge")
    if () in found:
        raise WrongUse(
            "--cut: this is the text that the bridge itself gives out; without the file seed in its folder it gives out another, and all that came of"
            " this one lead nowhere"
        )
    return {names for names in found if names}


def _invite(text: str) -> Invite:
    try:
        return parse_invite(text)
    except TextError as error:
        raise WrongUse(f"--cut: {error}") from error


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
