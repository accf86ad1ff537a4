"""The command that moves a conversation."""

from __future__ import annotations

import argparse
from typing import Any

from whimbrel.cli.command import Ask, Words
from whimbrel.cli.foreign import in_one_line
from whimbrel.cli.output import Item, Paper
from whimbrel.cli.trouble import wrong_use


class Moved:
    """One line that says how far it is."""

    def __init__(self, paper: Paper, words: Words) -> None:
        self._paper = paper

    def item(self, item: Item) -> None:
        name = in_one_line(item["name"])
        if item["state"] == "moved":
            self._paper.line(f"{name} goes on in a new group and log. Nobody else has to do anything.")
        else:
            self._paper.line(f"{name} moves as soon as there is a way to the relay. It happens by itself.")

    def end(self) -> None: ...


def _define(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("chat", metavar="CHAT", help="its name, or the beginning of its id")
    parser.add_argument(
        "--relay", metavar="ADDRESS", help="another relay than now, on which you have a place"
    )
    parser.add_argument(
        "--agree", action="store_true", help="go on where an admin moved it to, though other people are in it"
    )


def _parameters(words: Words) -> dict[str, Any]:
    if words.agree and words.relay:
        raise wrong_use("Who agrees to a move does not choose the relay.", "Leave out --relay or --agree.")
    parameters: dict[str, Any] = {"chat": words.chat, "agree": words.agree}
    return parameters | ({"relay": words.relay} if words.relay else {})


MOVE = Ask(
    name="move",
    summary="move a conversation to a new group and log, also on another relay",
    examples=(
        'whimbrel move "Tuesday rowing"',
        "whimbrel move Bo --relay whimbrel:…",
        'whimbrel move "Tuesday rowing" --agree',
    ),
    method="move",
    view=Moved,
    define=_define,
    parameters=_parameters,
)
