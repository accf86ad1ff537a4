"""Commands about the account and how it stands: init, status."""

from __future__ import annotations

import argparse
from typing import Any

from whimbrel.cli.command import Ask, Words
from whimbrel.cli.foreign import in_one_line
from whimbrel.cli.invocation import typed_as
from whimbrel.cli.output import Item, Paper
from whimbrel.cli.times import day_and_clock
from whimbrel.cli.trouble import wrong_use


class Made:
    def __init__(self, paper: Paper, words: Words) -> None:
        self._paper = paper
        self._home = words.home

    def item(self, item: Item) -> None:
        paper = self._paper
        name = in_one_line(item["name"])
        paper.line(f"{name}, your account is in {self._home}. Nobody else has a copy of it.")
        command = typed_as(self._home)
        paper.line(
            f"Next: `{command} invite` makes a text for a friend, who types `whimbrel accept` and that text."
        )

    def end(self) -> None: ...


class Status:
    """Who this is, each way, what waits, what was found wrong: a sentence each, and what happens by itself."""

    def __init__(self, paper: Paper, words: Words) -> None:
        self._paper = paper

    def item(self, item: Item) -> None:
        paper = self._paper
        if item["name"] is None:
            paper.line(f"There is no account in {item['home']} yet. `whimbrel init --name NAME` makes one.")
            return
        paper.line(f"{paper.bold(in_one_line(item['name']))}  {paper.dim(item['account'])}")
        paper.line(f"The account is in {item['home']}. {item['key']}")
        for way in item["ways"]:
            self._way(way)
        if waiting := item["waiting"]:
            things = "One thing waits" if waiting == 1 else f"{waiting} things wait"
            paper.line(f"{things} to be sent. It happens by itself when there is a way; nothing is lost.")
        else:
            paper.line("Nothing waits to be sent.")
        if asking := item.get("requests"):
            people = "Somebody asks" if asking == 1 else f"{asking} people ask"
            paper.line(f"{people} to talk to you: `whimbrel requests` shows who.")
        for wrong in item["wrong"]:
            at = f"{day_and_clock(wrong['at'])}  " if wrong["at"] else ""
            paper.line(paper.warning(f"{at}{in_one_line(wrong['text'])}"))
        if not item["wrong"]:
            paper.line("Nothing was found wrong.")

    def _way(self, way: Item) -> None:
        paper = self._paper
        relay = "the relay inside this home" if way["embedded"] else f"the relay {way['relay'][:10]}"
        if way["up"]:
            since = f" since {day_and_clock(way['since'])}" if way["since"] else ""
            paper.line(f"There is a way to {relay}{since}: {in_one_line(way['way'] or '')}")
        else:
            why = f" {in_one_line(way['trouble'])}" if way["trouble"] else ""
            paper.line(f"There is no way to {relay} now.{why} Whimbrel goes on trying while it runs.")

    def end(self) -> None: ...


def _define_init(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--name", metavar="NAME", help="how others see you")
    parser.add_argument(
        "--relay",
        metavar="ADDRESS",
        help="the text that `whimbrel relay` prints (default: a relay in the home)",
    )


def _init(words: Words) -> dict[str, Any]:
    if not words.name or not words.name.strip():
        raise wrong_use("An account needs a name that others see.", "For example: whimbrel init --name Ada")
    return {"name": words.name, "relay": words.relay}


INIT = Ask(
    name="init",
    summary="make a new account",
    about="Without --relay it uses a relay inside the home, which runs while Whimbrel runs.",
    examples=("whimbrel init --name Ada", "whimbrel init --name Ada --relay whimbrel:…"),
    method="init",
    view=Made,
    define=_define_init,
    parameters=_init,
)

STATUS = Ask(
    name="status",
    summary="which way is up, what waits, what was found wrong",
    examples=("whimbrel status", "whimbrel status --json"),
    method="status",
    view=Status,
)


def _define_address(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("address", metavar="ADDRESS", nargs="+", help="the text that `whimbrel relay` prints")


SET_RELAY = Ask(
    name="set-relay",
    summary="live on another relay from now on",
    about="Your inbox moves there and new chats are made there. `whimbrel move` takes a chat along that there is already.",
    examples=("whimbrel set-relay whimbrel:…",),
    method="set_relay",
    view=Status,
    define=_define_address,
    parameters=lambda words: {"address": "".join(words.address)},
)
