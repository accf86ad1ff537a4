"""Commands that stay: the app, the relay and the bridge."""

from __future__ import annotations

import argparse

from whimbrel.cli.command import Program, Words, port


def _app(words: Words) -> int:
    from whimbrel.cli.app import run

    return run(words)


def _define_app(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--port",
        metavar="N",
        type=port,
        default=None,
        help="of the page on 127.0.0.1 (default: the one of the run before; 0 takes any that is free)",
    )
    parser.add_argument(
        "--no-browser", action="store_true", help="do not open the page, only say where it is"
    )
    parser.add_argument("--no-relay", action="store_true", help="do not run the relay inside")
    parser.add_argument(
        "--relay-listen",
        metavar="HOST:PORT",
        type=host_and_port,
        help="where the relay inside listens (default: 127.0.0.1, its own port)",
    )


def host_and_port(text: str) -> str:
    """`host:port`, or `[address]:port` for IPv6."""
    host, colon, number = text.rpartition(":")
    if not colon or not host or (":" in host and not (host.startswith("[") and host.endswith("]"))):
        raise argparse.ArgumentTypeError(f"wants HOST:PORT, e.g. 127.0.0.1:7100 or [::1]:7100, not {text!r}")
    port(number)
    return text


def _relay(words: Words) -> int:
    from whimbrel.relay.main import run

    return run(words.values)


def _define_relay(parser: argparse.ArgumentParser) -> None:
    from whimbrel.relay.main import add_arguments

    add_arguments(parser)


def _bridge(words: Words) -> int:
    from whimbrel.bridge.main import run

    return run(words.values)


def _define_bridge(parser: argparse.ArgumentParser) -> None:
    from whimbrel.bridge.main import add_arguments

    add_arguments(parser)


APP = Program(
    name="app",
    summary="open the page in the browser, and stay up: receive, send what waits",
    about="While it runs on a home, all commands on that home go through it. Ctrl-C ends it. Started again, it opens the page of the one\n"
    "that runs.",
    examples=("whimbrel app", "whimbrel app --port 7090", "whimbrel app --relay-listen 192.168.1.5:7100"),
    run=_app,
    define=_define_app,
)

RELAY = Program(
    name="relay",
    summary="run a relay for yourself and others",
    about="Its first line has the address: the one text that people paste to use this relay.",
    examples=(
        "whimbrel relay --data /var/lib/whimbrel --listen 127.0.0.1:7100",
        "whimbrel relay --data ./relay --listen 0.0.0.0:443 --cert fullchain.pem --key privkey.pem",
    ),
    run=_relay,
    define=_define_relay,
)

BRIDGE = Program(
    name="bridge",
    summary="help people to a relay that is blocked where they are",
    about="Its first line has the text to paste: `whimbrel ways add` takes it. A bridge passes on what it cannot open and keeps nothing.",
    examples=(
        "whimbrel bridge --to whimbrel:… --listen 0.0.0.0:443 --cert fullchain.pem --key privkey.pem",
        "whimbrel bridge --to whimbrel:… --listen 127.0.0.1:8441 --public wss://site.example --behind",
    ),
    run=_bridge,
    define=_define_bridge,
)
