"""The command that helps contacts by a bridge in the app: help-contacts."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from whimbrel.cli.command import Ask, Words, count, port
from whimbrel.cli.foreign import in_one_line
from whimbrel.cli.output import Item, Paper

_STANDS = {
    "off": "You do not help your contacts by a bridge.",
    "no-app": "It is switched on, and runs while the app does: `whimbrel app`.",
    "elsewhere": "This is another network than the one for which you switched it on. It waits; `whimbrel help-contacts on` is for this one.",
    "no-relay": "There is nowhere to lead your contacts: no relay of yours is on the internet, by a way of its own.",
    "starting": "It is starting.",
    "no-router": "No router here opens ports by itself. Have it let TCP port {port} in to this computer, and say where people come in: "
    "`whimbrel help-contacts on --at HOST:PORT`.",
    "refused": "The router does not open a port. Have it let TCP port {port} in to this computer, and say where people come in: "
    "`whimbrel help-contacts on --at HOST:PORT`.",
    "not-public": "Nobody can come in from outside: your provider, or a second router, shares the address of this network among others.",
    "open": "Your contacts can reach their relay by you, at {told_at}.",
    "trouble": "It does not run: {trouble}. It is tried again.",
}
"""By state."""


class Help:
    """How it stands, in sentences and numbers."""

    def __init__(self, paper: Paper, words: Words) -> None:
        self._paper = paper

    def item(self, item: Item) -> None:
        paper = self._paper
        values = {
            name: in_one_line(value) if isinstance(value, str) else value for name, value in item.items()
        }
        paper.line(_STANDS[item["state"]].format_map({**values, "port": item["port"] or "of the bridge"}))
        if item["told_at"]:
            whose = "1 contact is" if item["told"] == 1 else f"{item['told']} contacts are"
            paper.line(f"{whose} told this address, each by a path of their own.")
        if item["on"]:
            now = f"{item['there']} there now (at most {item['people']})"
            today = (
                f"{item['today']} helped today, {_megabytes(item['bytes_today'])} of {item['megabytes']} MB"
            )
            paper.line(f"{now}; {today}.")
        if item["since"]:
            paper.line(
                f"Since {item['since']}: {_megabytes(item['bytes_all'])} MB; {item['most']} people on the day with the most."
            )
        if item["spent"]:
            paper.line("Today's megabytes are used up. It goes on tomorrow.")
        elif item["full"]:
            paper.line("As many people are there as you allow; nobody else is let in now.")
        if item["away"]:
            paper.line("This computer does not reach the relay itself now.")

    def end(self) -> None: ...


def _megabytes(size: int) -> str:
    return f"{size / 10**6:.1f}" if size else "0"


def _define(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "switch", metavar="on|off", nargs="?", choices=("on", "off"), help="left out: only show"
    )
    parser.add_argument(
        "--megabytes", metavar="N", type=count, help="a day at most, in and out together (1000)"
    )
    parser.add_argument("--people", metavar="N", type=count, help="at once at most (20)")
    parser.add_argument(
        "--port", metavar="N", type=port, help="on this computer; 0: one that is picked and stays"
    )
    parser.add_argument("--at", metavar="HOST:PORT", help="where people come in, if the router does not say")
    parser.add_argument(
        "--cert", metavar="FILE", help="a certificate for that name (PEM); without, it makes one"
    )
    parser.add_argument("--key", metavar="FILE", help="its private key (PEM)")


def _parameters(words: Words) -> dict[str, Any]:
    given: dict[str, Any] = {name: getattr(words, name) for name in ("megabytes", "people", "port", "at")}
    given |= {name: _file(getattr(words, name)) for name in ("cert", "key")}
    given["on"] = None if words.switch is None else words.switch == "on"
    return {name: value for name, value in given.items() if value is not None}


def _file(text: str | None) -> str | None:
    return str(Path(text).expanduser().resolve()) if text else text


HELP_CONTACTS = Ask(
    name="help-contacts",
    summary="lead your contacts to their relay through this computer, where their network blocks it",
    about="For a person whose network is free. While the app runs, a bridge beside it passes on sealed bytes; your contacts' apps\n"
    "use it when their own ways fail. It costs: your line carries theirs, up to the limits; each of your contacts learns the\n"
    "address of this network, and may pass it on; your provider sees connections from abroad to it, and who probes it sees a\n"
    "small web site. You could know which of your contacts come, from where and when; nothing of that is kept or shown. What\n"
    "they say you cannot read. It is for the network on which it is switched on, and for no other.",
    examples=(
        "whimbrel help-contacts",
        "whimbrel help-contacts on --megabytes 2000 --people 10",
        "whimbrel help-contacts on --at home.example:8443",
        "whimbrel help-contacts off",
    ),
    method="set_help",
    view=Help,
    define=_define,
    parameters=_parameters,
)
