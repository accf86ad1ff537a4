"""Commands about conversations: chats, and groups."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

from whimbrel.cli.command import Ask, Words
from whimbrel.cli.foreign import fit, in_one_line
from whimbrel.cli.keeping import span as time_span
from whimbrel.cli.output import Item, Paper
from whimbrel.cli.times import day_and_clock, span
from whimbrel.cli.trouble import wrong_use


class Chats:
    """A line each: the name, what it is, what is unread, how it is kept, when something last happened."""

    def __init__(self, paper: Paper, words: Words) -> None:
        self._paper = paper
        self._chats = words.command == "chats"
        self._blocked = not self._chats and words.blocked
        self._nothing = "No chats yet." if self._chats else "No contacts yet."
        self._rows: list[list[str]] = []
        self._archived_too = words.command != "chats" or words.archived
        self._archived = 0

    def item(self, item: Item) -> None:
        if not self._chats and (item.get("standing") == "blocked") != self._blocked:
            return
        if item.get("archived") and not self._archived_too:
            self._archived += 1
            return
        self._rows.append(
            [
                self._paper.bold(fit(in_one_line(item["name"]), 40)),
                _kind(item),
                _unread(item),
                ", ".join(word for word in ("pinned", "muted", "archived") if item.get(word)),
                self._paper.dim(_last(item.get("last"))),
                self._paper.dim(item["id"][:10]),
            ]
        )

    def end(self) -> None:
        self._paper.table(self._rows)
        if self._archived:
            self._paper.line(
                self._paper.dim(f"{self._archived} archived: `whimbrel chats --archived` shows them, too.")
            )
        elif not self._rows and self._blocked:
            self._paper.line("Nobody is blocked.")
        elif not self._rows:
            self._paper.line(
                f"{self._nothing} `whimbrel invite` makes a text for somebody; they type `whimbrel accept`."
            )


def _unread(item: Item) -> str:
    unread = item.get("unread") or 0
    if unread:
        return f"{unread} new" + (", names you" if item.get("mentioned") else "")
    return "marked" if item.get("unread_mark") else ""


def _kind(item: Item) -> str:
    if item.get("standing") in ("asked", "blocked"):
        return str(item["standing"])
    return "group" if item["kind"] == "group" else ""


def _last(last: Any) -> str:
    return day_and_clock(last) if isinstance(last, str) and last else ""


_USUAL = {"post": "everybody", "add": "admins", "change": "admins"}
RIGHTS = {"post": "write", "add": "let people in", "change": "change name, picture and timer"}


class Group:
    """A group, what is particular about it, and who is in it."""

    def __init__(self, paper: Paper, words: Words) -> None:
        self._paper = paper

    def item(self, item: Item) -> None:
        paper = self._paper
        paper.line(f"{paper.bold(in_one_line(item['name']))}  {paper.dim(item['id'][:10])}")
        for right, what in RIGHTS.items():
            if item.get(right) and item[right] != _USUAL[right]:
                paper.line(f"  {'Everybody' if item[right] == 'everybody' else 'Only admins'} may {what}.")
        if item.get("timer"):
            paper.line(f"  Messages vanish {span(item['timer'])} after reading.")
        if item.get("picture"):
            paper.line("  It has a picture.")
        paper.table(
            [
                "  " + in_one_line(member["name"]),
                "admin" if member["role"] == "admin" else "",
                "" if member["present"] else "not there yet",
            ]
            for member in item.get("members", ())
        )

    def end(self) -> None: ...


class Timer:
    """After what time the messages of a chat vanish."""

    def __init__(self, paper: Paper, words: Words) -> None:
        self._paper = paper

    def item(self, item: Item) -> None:
        name, seconds = in_one_line(item["name"]), item["timer"]
        if seconds:
            self._paper.line(f"New messages in {name} vanish {span(seconds)} after reading, for everybody.")
        else:
            self._paper.line(f"New messages in {name} stay.")

    def end(self) -> None: ...


class Left:
    def __init__(self, paper: Paper, words: Words) -> None:
        self._paper = paper

    def item(self, item: Item) -> None:
        name = in_one_line(item["name"])
        if item["state"] == "left":
            self._paper.line(f"You have left {name}. What was said there stays in your home.")
        else:
            self._paper.line(
                f"You leave {name} as soon as there is a way to the relay. It happens by itself."
            )

    def end(self) -> None: ...


def _define_chats(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--archived", action="store_true", help="also those that are put away (with --json all come)"
    )


CHATS = Ask(
    name="chats",
    summary="all conversations",
    examples=("whimbrel chats", "whimbrel chats --archived", "whimbrel chats --json"),
    method="chats",
    view=Chats,
    define=_define_chats,
)


def _define_new(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME", help="of the group")
    parser.add_argument("persons", metavar="PERSON", nargs="*", help="contacts who are in from the start")


GROUP_NEW = Ask(
    name="group new",
    summary="make a group; you are its admin",
    examples=('whimbrel group new "Tuesday rowing" Bo Cleo', "whimbrel group new Notes"),
    method="group_new",
    view=Group,
    define=_define_new,
    parameters=lambda words: {"name": words.name, "persons": words.persons},
)


def _of_group(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("group", metavar="GROUP", help="its name, or the beginning of its id")


def _of_member(parser: argparse.ArgumentParser) -> None:
    _of_group(parser)
    parser.add_argument("person", metavar="PERSON", help="a contact or member")


def _member_command(verb: str, summary: str) -> Ask:
    return Ask(
        name=f"group {verb}",
        summary=summary,
        examples=(f'whimbrel group {verb} "Tuesday rowing" Bo',),
        method=f"group_{verb}",
        view=Group,
        define=_of_member,
        parameters=lambda words: {"group": words.group, "person": words.person},
    )


def _group_command(verb: str, summary: str, view: Callable[[Paper, Words], Any]) -> Ask:
    return Ask(
        name=f"group {verb}",
        summary=summary,
        examples=(f'whimbrel group {verb} "Tuesday rowing"',),
        method=f"group_{verb}",
        view=view,
        define=_of_group,
        parameters=lambda words: {"group": words.group},
    )


GROUP_ADD = _member_command("add", "bring a contact into a group")
GROUP_REMOVE = _member_command("remove", "remove somebody; they read nothing that comes after")
GROUP_PROMOTE = _member_command("promote", "make a member an admin")
GROUP_DEMOTE = _member_command("demote", "make an admin a member again")
GROUP_LEAVE = _group_command("leave", "leave a group", Left)
GROUP_SHOW = _group_command("show", "who is in a group", Group)


def _define_set(parser: argparse.ArgumentParser) -> None:
    _of_group(parser)
    parser.add_argument("--name", metavar="NEW", help="what it is called from now on")
    for right, what in RIGHTS.items():
        parser.add_argument(f"--{right}", choices=("everybody", "admins"), help=f"who may {what}")
    parser.add_argument(
        "--picture", metavar="FILE", help="PNG, JPEG, WebP or GIF, at most 256 KB; none takes it away"
    )


def _set(words: Words) -> dict[str, Any]:
    rights = {right: getattr(words, right) for right in RIGHTS}
    wished = {"name": words.name, **rights}
    if words.picture == "none":
        wished["picture"] = ""
    elif words.picture is not None:
        wished["picture_file"] = str(Path.cwd() / words.picture)
    if all(value is None for value in wished.values()):
        raise wrong_use(
            "What of the group is to be otherwise?", "Give --name, --post, --add, --change or --picture."
        )
    return {"group": words.group, **wished}


GROUP_SET = Ask(
    name="group set",
    summary="what a group is called and looks like, and who may do what",
    examples=(
        'whimbrel group set "Tuesday rowing" --name "Thursday rowing"',
        "whimbrel group set News --post admins --picture gull.png",
        "whimbrel group set Friends --add everybody --change everybody",
    ),
    method="group_set",
    view=Group,
    define=_define_set,
    parameters=_set,
)


def _define_timer(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("chat", metavar="CHAT", help="its name, or the beginning of its id")
    parser.add_argument("time", metavar="TIME", type=_timer, help="5m to 90d (as 30m, 8h, 7d), or off")


def _timer(text: str) -> int:
    return 0 if text == "off" else time_span(text)


TIMER = Ask(
    name="timer",
    summary="let new messages of a chat vanish after reading",
    examples=("whimbrel timer Bo 1d", 'whimbrel timer "Tuesday rowing" off'),
    method="timer",
    view=Timer,
    define=_define_timer,
    parameters=lambda words: {"chat": words.chat, "seconds": words.time},
)
