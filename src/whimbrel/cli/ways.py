"""Commands about the ways to a relay: ways, ways add, ways remove, ways whose."""

from __future__ import annotations

import argparse

from whimbrel.cli.command import Ask, Words
from whimbrel.cli.foreign import in_one_line
from whimbrel.cli.output import Item, Paper


class Ways:
    """The ways to each relay, one a line, and how they did."""

    def __init__(self, paper: Paper, words: Words) -> None:
        self._paper = paper
        self._relay = ""

    def item(self, item: Item) -> None:
        paper = self._paper
        if item["relay"] != self._relay:
            self._relay = item["relay"]
            name = "The relay inside this home" if item["embedded"] else f"The relay {item['relay'][:10]}"
            paper.line(f"{name}{', where you live' if item['own'] else ''}:")
        paper.line(f"  {in_one_line(item['route'])}  {paper.dim(_how(item))}")

    def end(self) -> None:
        if not self._relay:
            self._paper.line("No relay is known yet.")


def _how(item: Item) -> str:
    did = "is up" if item["up"] else "never tried"
    if not item["up"] and (item["came_up"] or item["failed_since"]):
        did = "worked last" if not item["failed_since"] else "failed last"
    if item["told_by"]:
        did += f", from {in_one_line(item['told_by'])}"
    return did + (", found by itself" if item["derived"] else "")


class Whose:
    """To whom a path was given."""

    def __init__(self, paper: Paper, words: Words) -> None:
        self._paper = paper

    def item(self, item: Item) -> None:
        self._paper.line(
            f"You gave this path to {in_one_line(item['name'])}. Whoever runs the bridge cuts it with:"
        )
        self._paper.line(f"whimbrel bridge --cut {item['cut']}")

    def end(self) -> None: ...


def _define_text(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("text", metavar="TEXT", nargs="+", help="the text that `whimbrel bridge` prints")


def _define_route(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("route", metavar="WAY", help="as `whimbrel ways` shows it")


WAYS = Ask(
    name="ways",
    summary="the ways to each relay, and how they did",
    about="Whimbrel chooses among them by itself, and tries variants of them where they are blocked. Contacts hand on bridges of theirs; "
    "such ways come after your own, and never lead into a private network.",
    examples=("whimbrel ways", "whimbrel ways --json"),
    method="ways",
    view=Ways,
)

WAYS_ADD = Ask(
    name="ways add",
    summary="take a way that somebody gave you, e.g. by a bridge",
    about="It must lead to a relay that you use. Invites that you make carry it on, and your contacts are told it in your chats with them.",
    examples=("whimbrel ways add whimbrel:…",),
    method="ways_add",
    view=Ways,
    define=_define_text,
    parameters=lambda words: {"text": "".join(words.text)},
)

WAYS_REMOVE = Ask(
    name="ways remove",
    summary="take a way away",
    about="A bridge that a contact handed on is not taken of them again.",
    examples=("whimbrel ways remove wss://site.example/…",),
    method="ways_remove",
    view=Ways,
    define=_define_route,
    parameters=lambda words: {"route": words.route},
)

WAYS_WHOSE = Ask(
    name="ways whose",
    summary="to which contact you gave a way that turned up where it does not belong",
    about="Each contact is told bridges by paths of their own. Whoever runs the bridge can cut this one without the others. "
    "That does not bring back an address that is blocked already.",
    examples=("whimbrel ways whose wss://site.example/…",),
    method="ways_whose",
    view=Whose,
    define=_define_route,
    parameters=lambda words: {"text": words.route},
)
