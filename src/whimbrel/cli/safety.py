"""Commands about who may look at this home: lock, unlock, passphrase, cut-off, erase."""

from __future__ import annotations

import argparse
import os
import sys
from typing import Any

from whimbrel.cli.command import Ask, Words
from whimbrel.cli.foreign import in_one_line
from whimbrel.cli.output import Item, Paper
from whimbrel.cli.trouble import wrong_use


class Locked:
    def __init__(self, paper: Paper, words: Words) -> None:
        self._paper = paper

    def item(self, item: Item) -> None:
        if item["locked"]:
            self._paper.line(
                "Whimbrel is locked: it shows nothing and does nothing until the passphrase is given."
            )
            self._paper.line(
                "Messages go on arriving. Whoever controls this computer meanwhile is not kept out by it."
            )
        else:
            self._paper.line("Whimbrel is open again.")

    def end(self) -> None: ...


class Chosen:
    def __init__(self, paper: Paper, words: Words) -> None:
        self._paper = paper

    def item(self, item: Item) -> None:
        self._paper.line(
            "From now on this home opens with that passphrase and nothing else. Nobody can bring it back for you."
        )
        if note := item.get("note"):
            self._paper.line(note)

    def end(self) -> None: ...


class CutOff:
    def __init__(self, paper: Paper, words: Words) -> None:
        self._paper = paper

    def item(self, item: Item) -> None:
        self._paper.line("No window of the page is in any more. `whimbrel app` gives a new link.")

    def end(self) -> None: ...


class Erased:
    def __init__(self, paper: Paper, words: Words) -> None:
        self._paper = paper

    def item(self, item: Item) -> None:
        self._paper.line(
            f"The key of {in_one_line(item['erased'])} is destroyed, and all of it is being removed."
        )
        if stays := item["stays"]:
            names = ", ".join(in_one_line(name) for name in stays)
            self._paper.line(f"What Whimbrel did not make stays there: {names}")

    def end(self) -> None: ...


def ask_secretly(question: str, variable: str) -> str:
    """A passphrase out of the environment, or from the terminal without showing it. Never from the words of a command: those
    can be read by others on the machine."""
    if given := os.environ.get(variable):
        return given
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise wrong_use(
            "A passphrase is needed, and nobody can be asked for it here.", f"Set {variable} to it."
        )
    import getpass

    return getpass.getpass(question, sys.stderr)


def _unlock(words: Words) -> dict[str, Any]:
    return {"passphrase": ask_secretly("Passphrase of this home: ", "WHIMBREL_PASSPHRASE")}


def _passphrase(words: Words) -> dict[str, Any]:
    old = None if words.first else ask_secretly("Passphrase until now: ", "WHIMBREL_PASSPHRASE")
    new = ask_secretly("New passphrase: ", "WHIMBREL_NEW_PASSPHRASE")
    asked = not os.environ.get("WHIMBREL_NEW_PASSPHRASE")
    if asked and ask_secretly("Once more: ", "WHIMBREL_NEW_PASSPHRASE") != new:
        raise wrong_use("Those were two different passphrases.", "Type the same one twice.")
    return {"old": old, "new": new}


def _define_passphrase(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--first", action="store_true", help="there was none until now")


def _define_erase(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME", help="the name of the account, to confirm")


LOCK = Ask(
    name="lock",
    summary="show nothing more until the passphrase is given",
    about="The app goes on receiving, and refuses everything else on every window of its page and for every command.",
    examples=("whimbrel lock",),
    method="lock",
    view=Locked,
)

UNLOCK = Ask(
    name="unlock",
    summary="open what was locked",
    about="Asks for the passphrase, or takes it from WHIMBREL_PASSPHRASE.",
    examples=("whimbrel unlock",),
    method="unlock",
    view=Locked,
    parameters=_unlock,
)

PASSPHRASE = Ask(
    name="passphrase",
    summary="choose or change the passphrase of this home",
    about="Asks for it, or takes the old one from WHIMBREL_PASSPHRASE and the new one from WHIMBREL_NEW_PASSPHRASE.",
    examples=("whimbrel passphrase --first", "whimbrel passphrase"),
    method="set_passphrase",
    view=Chosen,
    define=_define_passphrase,
    parameters=_passphrase,
)

CUT_OFF = Ask(
    name="cut-off",
    summary="throw out all windows of the page",
    examples=("whimbrel cut-off",),
    method="cut_off",
    view=CutOff,
)

ERASE = Ask(
    name="erase",
    summary="take everything off this computer: account, messages, files",
    about="Nobody can bring it back. Others keep what they have received. The app on this home ends.",
    examples=("whimbrel erase Ada",),
    method="erase_everything",
    view=Erased,
    define=_define_erase,
    parameters=lambda words: {"confirm": words.name},
)
