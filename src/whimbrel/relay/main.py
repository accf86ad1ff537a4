"""`whimbrel relay`: a relay on its own."""

from __future__ import annotations

import argparse
import asyncio
import gc
import signal
from dataclasses import replace
from pathlib import Path

from whimbrel.serving import journal as journals
from whimbrel.serving.folder import DataFolderDamaged
from whimbrel.serving.journal import Journal
from whimbrel.serving.listening import CannotStart, WrongUse, allow_many_files, split_listen
from whimbrel.serving.program import loop_factory, safe_handler, say
from whimbrel.serving.site import SiteUnfit

from .server import Relay, RelayInfo
from .settings import Limits, RelaySettings
from .storage import StorageError, StorageInUse, StorageNewer

GC_THRESHOLD = 50_000
"""Objects made before the collector looks: what a message makes is freed by counting; cycles are rare here."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `whimbrel relay`."""
    parser.add_argument("--data", type=Path, required=True, metavar="DIR", help="where everything is kept")
    parser.add_argument(
        "--listen", default="127.0.0.1:0", metavar="HOST:PORT", help="port 0 picks one and keeps it"
    )
    parser.add_argument("--cert", type=Path, metavar="FILE", help="certificate chain (PEM), for TLS")
    parser.add_argument("--key", type=Path, metavar="FILE", help="its private key (PEM)")
    parser.add_argument("--site", type=Path, metavar="DIR", help="the web site that strangers see")
    parser.add_argument("--metrics", type=int, metavar="PORT", help="Prometheus metrics on 127.0.0.1:PORT")
    parser.add_argument(
        "--public", action="append", default=[], metavar="URL", help="a way from outside: wss://host (repeat)"
    )
    parser.add_argument(
        "--way",
        action="append",
        default=[],
        metavar="TEXT",
        help="a bridge that leads here, as it said (repeat)",
    )


def settings_of(args: argparse.Namespace) -> RelaySettings:
    """What the arguments say. Raises WrongUse."""
    host, port = split_listen(args.listen)
    return RelaySettings(
        data=Path(args.data),
        host=host,
        port=port,
        cert=args.cert,
        key=args.key,
        site=args.site,
        metrics_port=args.metrics,
        public=tuple(args.public or ()),
        ways=tuple(args.way or ()),
    )


def run(args: argparse.Namespace) -> int:
    """Run a relay until SIGTERM or SIGINT; the exit code. The first line on stdout says that it is ready."""
    try:
        settings = settings_of(args)
        connections = allow_many_files(settings.limits.connections)
        settings = replace(settings, limits=_with_connections(settings.limits, connections))
        with asyncio.Runner(loop_factory=loop_factory()) as runner:
            runner.run(_run(settings, journals.stderr()))
    except (CannotStart, SiteUnfit, DataFolderDamaged, StorageError, OSError) as error:
        code, what_to_do = _explain(error)
        message = (
            str(error) if not isinstance(error, OSError) else (error.strerror or "an error of the system")
        )
        say({"error": code, "message": message, "do": what_to_do})
        return _EXIT.get(code, 1)
    return 0


async def _run(settings: RelaySettings, journal: Journal) -> None:
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(safe_handler(journal))
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    relay = Relay(settings, journal)
    await relay.start()
    try:
        gc.collect()
        gc.freeze()
        gc.set_threshold(GC_THRESHOLD, 20, 100)
        _print_ready(relay.info())
        await stop.wait()
    finally:
        await relay.close()


def _print_ready(info: RelayInfo) -> None:
    say({"event": "ready", "address": info.address, "identity": info.identity.hex(), "port": info.port})


def _with_connections(limits: Limits, connections: int) -> Limits:
    return replace(limits, connections=connections)


_EXIT = {"wrong-use": 2, "in-use": 6, "newer": 6, "damaged": 6, "disk": 6}
"""Exit codes by the short name of what is wrong; 1: what was asked cannot be done."""


def _explain(error: Exception) -> tuple[str, str]:
    """A short name for what is wrong, and what the operator can do."""
    if isinstance(error, StorageInUse):
        return "in-use", "stop the other relay, or give another folder with --data"
    if isinstance(error, StorageNewer):
        return "newer", "update whimbrel"
    if isinstance(error, DataFolderDamaged):
        return "damaged", "bring the folder back from a copy; without its identity it is another relay"
    if isinstance(error, StorageError):
        return "disk", "look whether the disk is full or failing"
    if isinstance(error, SiteUnfit):
        return "site", "give a folder with an index.html, or leave --site out"
    if isinstance(error, WrongUse):
        return "wrong-use", "change the arguments; `whimbrel relay --help` names them"
    if isinstance(error, CannotStart):
        return "cannot-start", "give another address with --listen, or another certificate"
    return "system", "look whether the folders exist and may be written"
