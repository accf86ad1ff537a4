"""Commands about the account and how it stands: init, status."""

from __future__ import annotations

import argparse
from typing import Any

from whimbrel.cli.command import Ask, Words
from whimbrel.cli.foreign import in_lines, in_one_line
from whimbrel.cli.output import Item, Paper
from whimbrel.cli.trouble import wrong_use


class Made:
    def __init__(self, paper: Paper, words: Words) -> None:
        self._paper = paper
        self._name = words.name
        self._home = words.home

    def item(self, item: Item) -> None:
        paper = self._paper
        paper.line(
            f"{in_one_line(self._name)}, your account is in {self._home}. Nobody else has a copy of it."
        )
        for note in in_lines(item.get("note") or ""):
            if note:
                paper.line(note)
        paper.line(
            "Next: `whimbrel invite` makes a text for a friend, who types `whimbrel accept` and that text."
        )

    def end(self) -> None: ...


class Status:
    """Each fact on a line of its own. A fact that this version does not know is shown as it is named."""

    def __init__(self, paper: Paper, words: Words) -> None:
        self._paper = paper

    def item(self, item: Item) -> None:
        for name, value in item.items():
            self._fact(name.replace("_", " "), value, "")

    def _fact(self, name: str, value: Any, margin: str) -> None:
        paper = self._paper
        if isinstance(value, dict):
            paper.line(f"{margin}{in_one_line(name)}:")
            for inner, one in value.items():
                self._fact(str(inner).replace("_", " "), one, margin + "  ")
        elif isinstance(value, list):
            if not value:
                paper.line(f"{margin}{in_one_line(name)}: none")
                return
            paper.line(f"{margin}{in_one_line(name)}:")
            for one in value:
                if isinstance(one, dict):
                    paper.line(
                        f"{margin}  - "
                        + ", ".join(f"{k}: {_plain(v)}" for k, v in one.items() if v is not None)
                    )
                else:
                    paper.line(f"{margin}  - {_plain(one)}")
        else:
            paper.line(f"{margin}{in_one_line(name)}: {_plain(value)}")

    def end(self) -> None: ...


def _plain(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return in_one_line(str(value))


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
