"""Commands about people: invite, accept, requests, contacts, verify."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from whimbrel.cli.chats import Chats
from whimbrel.cli.command import Ask, Words
from whimbrel.cli.foreign import fit, in_lines, in_one_line
from whimbrel.cli.output import Item, Paper
from whimbrel.cli.trouble import wrong_use


class Invite:
    """The invite alone on stdout, so that it can be piped; what to know about it on stderr."""

    def __init__(self, paper: Paper, words: Words) -> None:
        self._paper = paper
        self._words = words

    def item(self, item: Item) -> None:
        aside = Paper(sys.stderr)
        if self._words.qr:
            from whimbrel.cli.qr import drawn

            lines = drawn(item["invite"], dark_on_light=self._paper.colours)
            for line in lines:
                self._paper.line(self._paper.on_white(line))
            if len(lines[0]) > self._paper.columns:
                aside.line(f"The window is too narrow for the code: it needs {len(lines[0])} columns.")
        self._paper.line(item["invite"])
        for note in in_lines(item.get("note") or ""):
            if note:
                aside.line(note)
        if self._words.open:
            aside.line(
                "Everybody who has this text can ask to talk to you: `whimbrel requests` shows who asks."
            )
        else:
            aside.line(
                "For one person, once: it can be opened by whoever has the text. They type `whimbrel accept` and it."
            )

    def end(self) -> None: ...


class Accepted:
    def __init__(self, paper: Paper, words: Words) -> None:
        self._paper = paper

    def item(self, item: Item) -> None:
        name = in_one_line(item["name"])
        if item.get("chat"):
            self._paper.line(f'You and {name} can talk now: whimbrel send "{name}" "hello"')
            self._paper.line(f'When you next meet or speak, compare your numbers: whimbrel verify "{name}"')
        elif item.get("state") == "asked":
            self._paper.line(f"{name} was asked. The chat is there when they accept.")
        else:
            self._paper.line(
                f"There is no way to {name}'s relay now. It goes on by itself; the chat is there then. An invite that is old may lead nowhere "
                "any more: ask for a fresh one, which brings the ways that work now."
            )

    def end(self) -> None: ...


class Requests:
    def __init__(self, paper: Paper, words: Words) -> None:
        self._paper = paper
        self._action: str | None = words.action
        self._rows: list[list[str]] = []

    def item(self, item: Item) -> None:
        name = in_one_line(item["name"])
        if self._action == "accept":
            self._paper.line(f'You and {name} can talk now: whimbrel send "{name}" "hello"')
        elif self._action == "refuse":
            self._paper.line(f"{name} was refused. They are not told.")
        else:
            self._rows.append(
                [
                    self._paper.bold(fit(name, 40)),
                    fit(in_one_line(item.get("text") or ""), 60),
                    in_one_line(item.get("came") or ""),
                    self._paper.dim(item["id"][:10]),
                ]
            )

    def end(self) -> None:
        self._paper.table(self._rows)
        if self._action is None:
            self._paper.line(
                "Answer with: whimbrel requests accept NAME, or refuse NAME" if self._rows else "Nobody asks."
            )


class Verified:
    """Sixty digits in groups of five, four groups in a line, as people read them to each other."""

    def __init__(self, paper: Paper, words: Words) -> None:
        self._paper = paper
        self._words = words

    def item(self, item: Item) -> None:
        name, digits = in_one_line(item["name"]), item["safety_number"]
        groups = [digits[at : at + 5] for at in range(0, len(digits), 5)]
        for at in range(0, len(groups), 4):
            self._paper.line("  " + "  ".join(groups[at : at + 4]))
        if item["verified"]:
            self._paper.line(f"You have compared this number with {name}.")
        else:
            if self._words.qr:
                from whimbrel.cli.qr import drawn

                for line in drawn(item["code"], dark_on_light=self._paper.colours):
                    self._paper.line(self._paper.on_white(line))
                self._paper.line(item["code"])
            self._paper.line(
                f"Compare it with {name} by a way you trust: the same digits stand there for you."
            )
            self._paper.line(f'If they are equal: whimbrel verify "{name}" --confirm')

    def end(self) -> None: ...


def _define_invite(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--open", action="store_true", help="for many people; each of them asks, and you answer"
    )
    parser.add_argument(
        "--network",
        action="store_true",
        help="for somebody on this network: lets them reach the relay in this home",
    )
    parser.add_argument("--qr", action="store_true", help="also as a QR code, for people (not with --json)")


def _define_accept(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("invite", metavar="INVITE", nargs="+", help="the text; - reads it from stdin")


def _accept(words: Words) -> dict[str, Any]:
    """Line breaks and spaces inside an invite do not matter, so that the shell may have cut it into words."""
    text = " ".join(words.invite)
    return {"invite": sys.stdin.read() if text == "-" else text}


def _define_requests(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "action", metavar="accept|refuse", nargs="?", choices=("accept", "refuse"), help="what to answer"
    )
    parser.add_argument("name", metavar="NAME", nargs="?", help="to whom")


def _requests(words: Words) -> dict[str, Any]:
    if words.action and not words.name:
        raise wrong_use(f"Who is it that you want to {words.action}?", "`whimbrel requests` lists who asks.")
    return {"action": words.action, "name": words.name}


def _define_contacts(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--blocked", action="store_true", help="those whom you blocked (with --json all come)"
    )


def _define_verify(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME", help="a contact")
    parser.add_argument("--confirm", action="store_true", help="the numbers are equal, remember it")
    parser.add_argument("--qr", action="store_true", help="also as a QR code that the other side scans")
    parser.add_argument(
        "--code", metavar="TEXT", help="what was scanned from their screen: compare it, and remember"
    )


INVITE = Ask(
    name="invite",
    summary="make an invite that somebody else can accept",
    examples=(
        "whimbrel invite",
        "whimbrel invite --qr",
        "whimbrel invite --network",
        "whimbrel invite --open",
    ),
    method="invite",
    view=Invite,
    define=_define_invite,
    parameters=lambda words: {"open": words.open, "where": "network" if words.network else None},
)

ACCEPT = Ask(
    name="accept",
    summary="accept somebody's invite",
    examples=("whimbrel accept whimbrel:ae2f…", "whimbrel accept - < invite.txt"),
    method="accept",
    view=Accepted,
    define=_define_accept,
    parameters=_accept,
)

REQUESTS = Ask(
    name="requests",
    summary="who asks to talk to you, and your answer",
    examples=("whimbrel requests", "whimbrel requests accept Cleo", "whimbrel requests refuse Cleo"),
    method="requests",
    view=Requests,
    define=_define_requests,
    parameters=_requests,
)

CONTACTS = Ask(
    name="contacts",
    summary="the people you talk to",
    examples=("whimbrel contacts", "whimbrel contacts --blocked"),
    method="contacts",
    view=Chats,
    define=_define_contacts,
)

VERIFY = Ask(
    name="verify",
    summary="the safety number that you and a contact compare",
    about="Equal numbers on both sides mean that nobody stands in between.",
    examples=("whimbrel verify Bo", "whimbrel verify Bo --confirm", "whimbrel verify Bo --qr"),
    method="verify",
    view=Verified,
    define=_define_verify,
    parameters=lambda words: {"name": words.name, "confirm": words.confirm, "code": words.code},
)
