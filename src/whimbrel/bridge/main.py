"""`whimbrel bridge`: a bridge on its own."""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
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
from .server import SEED, Bridge, BridgeInfo, Helping, path_of
from .settings import BridgeSettings, Limits

DATA = "~/.whimbrel-bridge"
TO_MAX = 64 * 1024
"""Bytes of what an app says on stdin."""
MEGABYTE = 1_000_000
"""As providers count."""
TELL_EVERY = 1.0
NETWORKS_EACH = 3
"""A contact has one path: at home, on the way, and what is not cut off yet of before."""
CONNECTIONS_EACH = 16
"""For each of the people who may be there at once, and as many for strangers: a home's router has not room for thousands."""


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
    parser.add_argument(
        "--self-signed",
        action="store_true",
        help="TLS with a certificate that it makes itself: for a bridge without a name; texts name its key",
    )
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
    parser.add_argument("--people", type=int, metavar="N", help="let no more people in at once")
    parser.add_argument(
        "--megabytes", type=int, metavar="N", help="pass on no more in a day, in and out together"
    )
    parser.add_argument(
        "--outside", action="store_true", help="lead to the internet alone, never into a private network"
    )
    parser.add_argument(
        "--for-app",
        action="store_true",
        help="as an app runs it: addresses come as lines on stdin, up to an empty one; it says how many it helps, and ends when stdin does",
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
    for name, value in (("--people", args.people), ("--megabytes", args.megabytes)):
        if value is not None and value < 1:
            raise WrongUse(f"{name} {value}: give a number from 1")
    limits = Limits(
        people=args.people, day_bytes=None if args.megabytes is None else args.megabytes * MEGABYTE
    )
    if args.people is not None:
        connections = min(limits.connections, CONNECTIONS_EACH * (args.people + 1))
        limits = replace(
            limits,
            connections=connections,
            client_connections=min(limits.client_connections, max(CONNECTIONS_EACH, connections // 4)),
        )
    if args.for_app:
        limits = replace(limits, networks_each=NETWORKS_EACH)
    return BridgeSettings(
        data=Path(args.data).expanduser(),
        to=(*args.to, *(_told_on_stdin() if args.for_app else ())),
        host=host,
        port=port,
        cert=args.cert,
        key=args.key,
        site=args.site,
        public=tuple(args.public or ()),
        authority=args.authority,
        behind=args.behind,
        self_signed=args.self_signed,
        outside=args.outside,
        limits=limits,
    )


def _told_on_stdin() -> Iterator[str]:
    """Addresses, one a line. On the command line everybody on this computer could read them."""
    size = 0
    for line in iter(sys.stdin.buffer.readline, b""):
        size += len(line)
        if size > TO_MAX:
            raise WrongUse("--for-app: too much on stdin")
        if not (text := line.decode("ascii", "replace").strip()):
            return
        yield text


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
            runner.run(_run(settings, journals.stderr(), for_app=args.for_app))
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


async def _run(settings: BridgeSettings, journal: Journal, *, for_app: bool) -> None:
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(safe_handler(journal))
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    bridge = Bridge(settings, journal)

    def ready(info: BridgeInfo) -> None:
        _say_ready(info)
        if for_app:
            bridge.keep_going(_tell(bridge))

    if for_app:
        loop.add_reader(sys.stdin.fileno(), _hear_end, stop)
    await bridge.run(ready, stop)


def _hear_end(stop: asyncio.Event) -> None:
    """The app that runs this says nothing more; it ends, however it ended."""
    if not os.read(sys.stdin.fileno(), 4096):
        asyncio.get_running_loop().remove_reader(sys.stdin.fileno())
        stop.set()


async def _tell(bridge: Bridge) -> None:
    """How many are helped, when it is another number."""
    told: Helping | None = None
    while True:
        await asyncio.sleep(TELL_EVERY)
        now = bridge.helping()
        if now != told:
            told = now
            say({"event": "helping", **asdict(now)})


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
