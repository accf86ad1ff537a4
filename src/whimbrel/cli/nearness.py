"""Commands about who is heard, and by which name one is known oneself: block, unblock, rename."""

from __future__ import annotations

import argparse

from whimbrel.cli.command import Ask, Words
from whimbrel.cli.foreign import in_one_line
from whimbrel.cli.output import Item, Paper

_SAYS = {
    "block": "What {name} writes to you is not kept or shown, and they are not told. In groups with both of you they are heard.",
    "unblock": "You hear from {name} again. What they wrote meanwhile is not kept.",
    "rename": "You are called {name}. Everybody you have a chat with is told.",
}


class Said:
    """A sentence about what holds from now on."""

    def __init__(self, paper: Paper, words: Words) -> None:
        self._paper = paper
        self._says = _SAYS[words.command]

    def item(self, item: Item) -> None:
        self._paper.line(self._says.format(name=in_one_line(item["name"])))

    def end(self) -> None: ...


def _of_person(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("person", metavar="PERSON", help="the name, or the beginning of the account key")


def _of_name(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", help="that others see")


def _command(verb: str, summary: str) -> Ask:
    return Ask(
        name=verb,
        summary=summary,
        examples=(f"whimbrel {verb} Bo",),
        method=verb,
        view=Said,
        define=_of_person,
        parameters=lambda words: {"person": words.person},
    )


BLOCK = _command("block", "hear nothing more from somebody")
UNBLOCK = _command("unblock", "hear from somebody again")
RENAME = Ask(
    name="rename",
    summary="be called otherwise",
    examples=('whimbrel rename "Ada Lovelace"',),
    method="rename",
    view=Said,
    define=_of_name,
    parameters=lambda words: {"name": words.name},
)
