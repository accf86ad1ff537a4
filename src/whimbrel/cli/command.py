"""What a command is, and how its words are read.

A command that asks something of the client (`Ask`) names the client's method, turns the words into its parameters, and
has a view that shows the answers to people. The others (`Program`) run something of their own.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn, Protocol

from whimbrel.cli.output import Item, Paper
from whimbrel.cli.trouble import wrong_use

DEFAULT_WAIT_S = 5.0

# Stands before each word that came after `--` while argparse reads the line; no argument can hold it (it ends strings
# in the operating system's interface). argparse loses such words when options and words are mixed.
_TAKE_AS_IT_IS = "\0"


class View(Protocol):
    """Shows the answers of one command to people. A view may also know a chat's name from `chats`, by its id."""

    def item(self, item: Item) -> None: ...

    def end(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Words:
    """A command's words, read: whatever its definition added, and where and how it runs."""

    command: str
    home: Path
    json: bool
    wait: float
    values: argparse.Namespace

    def __getattr__(self, name: str) -> Any:
        return getattr(self.values, name)


@dataclass(frozen=True, slots=True)
class Ask:
    """A command that is one call of the client."""

    name: str
    summary: str
    examples: Sequence[str]
    method: str
    view: Callable[[Paper, Words], View]
    define: Callable[[argparse.ArgumentParser], None] = lambda parser: None
    parameters: Callable[[Words], dict[str, Any]] = lambda words: {}
    about: str = ""


@dataclass(frozen=True, slots=True)
class Program:
    """A command that does something of its own; returns the exit code."""

    name: str
    summary: str
    examples: Sequence[str]
    run: Callable[[Words], int]
    define: Callable[[argparse.ArgumentParser], None] = lambda parser: None
    about: str = ""


Command = Ask | Program


class _Parser(argparse.ArgumentParser):
    """Says what is wrong as an error of ours instead of ending the program."""

    def error(self, message: str) -> NoReturn:
        unknown = message.removeprefix("unrecognized arguments: ")
        if unknown != message:
            what = f"`{self.prog}` has no place for: {unknown}"
        elif missing := _after("the following arguments are required: ", message):
            what = f"`{self.prog}` also needs: {missing}"
        else:
            what = f"`{self.prog}`: {message.removeprefix('argument ')}"
        do = f"`{self.prog} --help` has examples."
        if unknown != message and unknown.startswith("-"):
            do += " A text that begins with a dash goes after `--`."
        raise wrong_use(f"{what}.", do)


def _after(start: str, message: str) -> str:
    return message[len(start) :] if message.startswith(start) else ""


def parser_of(command: Command) -> argparse.ArgumentParser:
    about = f"{command.summary[0].upper()}{command.summary[1:]}.\n\n{command.about}".rstrip()
    parser = _Parser(
        prog=f"whimbrel {command.name}",
        description=about,
        epilog="Examples:\n" + "\n".join(f"  {example}" for example in command.examples),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
        add_help=False,
    )
    command.define(parser)
    parser.usage = _usage(parser)
    parser._positionals.title, parser._optionals.title = "words", "options"
    everywhere = parser.add_argument_group("for every command")
    # These stand here for the help only: `main` has taken them out of the line before, wherever they stood.
    everywhere.add_argument("--home", metavar="DIR", help="the folder of the account (or WHIMBREL_HOME)")
    everywhere.add_argument("--json", action="store_true", help="JSON Lines instead of text")
    if isinstance(command, Ask):
        everywhere.add_argument(
            "--wait",
            metavar="S",
            type=seconds,
            help=f"how long to try to reach the relay, in seconds (default {DEFAULT_WAIT_S:g})",
        )
    everywhere.add_argument("--help", "-h", action="store_true", help="this text")
    return parser


def _usage(parser: argparse.ArgumentParser) -> str:
    """The line of the command as a person would type it: words first, then its own options."""
    parts = [parser.prog]
    for action in sorted(parser._actions, key=lambda action: bool(action.option_strings)):
        shown = action.metavar if isinstance(action.metavar, str) else ""
        if action.option_strings:
            shown = f"{action.option_strings[0]} {shown}".strip()
        many = action.nargs in ("*", "+") or isinstance(action.default, list)
        may_be_left_out = action.nargs in ("?", "*") or bool(action.option_strings and not action.required)
        if action.help != argparse.SUPPRESS:
            parts.append((f"[{shown}]" if may_be_left_out else shown) + ("…" if many else ""))
    return " ".join(parts).replace("%", "%%")


def read_words(command: Command, arguments: Sequence[str]) -> argparse.Namespace:
    """The words after a command's name. Options and words may stand in any order; after `--` all are words."""
    arguments = list(arguments)
    if "--" in arguments:
        at = arguments.index("--")
        arguments[at:] = [_TAKE_AS_IT_IS + word for word in arguments[at + 1 :]]
    values = parser_of(command).parse_intermixed_args(arguments)
    for name, value in vars(values).items():
        if isinstance(value, str):
            setattr(values, name, value.removeprefix(_TAKE_AS_IT_IS))
        elif isinstance(value, list):
            setattr(
                values,
                name,
                [each.removeprefix(_TAKE_AS_IT_IS) if isinstance(each, str) else each for each in value],
            )
    return values


# -- types of words, each with an error that says what was wanted ------------------------------------------------


def seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value < math.inf:
        raise argparse.ArgumentTypeError(f"wants a number of seconds, not {text!r}")
    return value


def count(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 18 and int(text) > 0):
        raise argparse.ArgumentTypeError(f"wants a number from 1 on, not {text!r}")
    return int(text)


def port(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 5 and int(text) < 2**16):
        raise argparse.ArgumentTypeError(
            f"wants a port from 0 to 65535 (0 takes any that is free), not {text!r}"
        )
    return int(text)
