"""Commands for what is done to messages that are there: edit, delete, react, forward; notes to oneself; clearing a chat."""

from __future__ import annotations

import argparse
import os
from typing import Any

from whimbrel.cli.command import Ask, Words
from whimbrel.cli.foreign import in_one_line
from whimbrel.cli.messages import Sent, define_files, define_mention, mentions, short, text_of
from whimbrel.cli.output import Item, Paper
from whimbrel.cli.trouble import wrong_use

_QUEUED = "It goes to the others by itself when there is a way."


class Done:
    """What came of a deed, in a sentence."""

    def __init__(self, paper: Paper, words: Words) -> None:
        self._paper = paper
        if words.command == "react":
            self._here, self._everywhere = ("Reacted",) * 2 if words.emoji else ("Taken back",) * 2
        elif words.command == "edit":
            self._here, self._everywhere = "Edited here", "Edited"
        else:
            self._here, self._everywhere = "Deleted here", "Deleted for everyone"

    def item(self, item: Item) -> None:
        id = short(item["message"])
        match item["state"]:
            case "same":
                self._paper.line(f"Nothing to do: it is so already ({id}).")
            case "queued":
                self._paper.line(f"{self._here} ({id}). {_QUEUED}")
            case "gone":
                self._paper.line(f"{self._here} ({id}). Nothing of it is in this home any more.")
            case _:
                self._paper.line(f"{self._everywhere} ({id}).")

    def end(self) -> None: ...


class Forwarded:
    def __init__(self, paper: Paper, words: Words) -> None:
        self._paper = paper

    def item(self, item: Item) -> None:
        name, id = in_one_line(item["name"]), short(item["id"])
        if item["state"] == "queued":
            self._paper.line(f"Queued for {name} ({id}). {_QUEUED}")
        else:
            self._paper.line(f"Forwarded to {name} ({id}).")

    def end(self) -> None: ...


class Cleared:
    def __init__(self, paper: Paper, words: Words) -> None:
        self._paper = paper

    def item(self, item: Item) -> None:
        name = in_one_line(item["name"])
        if item["dropped"]:
            self._paper.line(f"{name} is gone from this home, with all that was said there.")
        else:
            self._paper.line(f"What was said in {name} is gone from this home. The others keep theirs.")

    def end(self) -> None: ...


def _of_message(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("message", metavar="MESSAGE", help="the id of a message, or its beginning")


def _define_edit(parser: argparse.ArgumentParser) -> None:
    _of_message(parser)
    parser.add_argument("text", metavar="TEXT", help="what it is to say; - reads it from stdin")
    define_mention(parser)


def _edit(words: Words) -> dict[str, Any]:
    text = text_of(words) or ""
    return {
        "message": words.message,
        "text": text,
        "mentions": [*mentions(text, words.mention)] or None,
        "wait": words.wait,
    }


def _define_delete(parser: argparse.ArgumentParser) -> None:
    _of_message(parser)
    parser.add_argument("--everyone", action="store_true", help="an own one, from everybody's home")


def _define_react(parser: argparse.ArgumentParser) -> None:
    _of_message(parser)
    parser.add_argument("emoji", metavar="EMOJI", nargs="?", default="", help="without one it is taken back")


def _define_forward(parser: argparse.ArgumentParser) -> None:
    _of_message(parser)
    parser.add_argument("chats", metavar="CHAT", nargs="+", help="where to: names, or beginnings of ids")


def _define_note(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("text", metavar="TEXT", nargs="?", help="what to note; - reads it from stdin")
    define_files(parser)


def _note(words: Words) -> dict[str, Any]:
    text = text_of(words)
    if not text and not words.file:
        raise wrong_use("There is nothing to note.", "Give a text, or a file with `--file PATH`.")
    return {
        "text": text,
        "files": [os.path.abspath(path) for path in words.file],
        "descriptions": words.caption or None,
        "wait": words.wait,
    }


def _define_clear(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("chat", metavar="CHAT", help="its name, or the beginning of its id")


EDIT = Ask(
    name="edit",
    summary="have an own message say something else",
    about="Everybody sees the new text, and that it was edited. Files stay.",
    examples=('whimbrel edit 3fa9c2d1 "at nine, not at eight"',),
    method="edit",
    view=Done,
    define=_define_edit,
    parameters=_edit,
)

DELETE = Ask(
    name="delete",
    summary="remove a message, here or for everyone",
    about="Others may have read, copied or backed up what is deleted for everyone.",
    examples=("whimbrel delete 3fa9c2d1", "whimbrel delete 3fa9c2d1 --everyone"),
    method="delete",
    view=Done,
    define=_define_delete,
    parameters=lambda words: {"message": words.message, "everyone": words.everyone, "wait": words.wait},
)

REACT = Ask(
    name="react",
    summary="react to a message with an emoji",
    about="A person has one reaction to a message: another one takes its place.",
    examples=("whimbrel react 3fa9c2d1 \N{THUMBS UP SIGN}", "whimbrel react 3fa9c2d1"),
    method="react",
    view=Done,
    define=_define_react,
    parameters=lambda words: {"message": words.message, "emoji": words.emoji, "wait": words.wait},
)

FORWARD = Ask(
    name="forward",
    summary="hand a message on to other chats",
    about="Its text and its files, marked as forwarded. Files are fetched first, and sealed anew for each chat.",
    examples=("whimbrel forward 3fa9c2d1 Cleo", 'whimbrel forward 3fa9c2d1 Cleo "Tuesday rowing"'),
    method="forward",
    view=Forwarded,
    define=_define_forward,
    parameters=lambda words: {"message": words.message, "chats": words.chats, "wait": words.wait},
)

NOTE = Ask(
    name="note",
    summary="write something down for yourself",
    about='It stands in the chat "Note to self", which only you are in.',
    examples=('whimbrel note "the key is under the third stone"', "whimbrel note --file ticket.pdf"),
    method="note",
    view=Sent,
    define=_define_note,
    parameters=_note,
)

CLEAR = Ask(
    name="clear",
    summary="remove all messages of a chat from this home",
    about="A group that you have left goes as a whole. What others have stays with them.",
    examples=("whimbrel clear Bo",),
    method="erase_chat",
    view=Cleared,
    define=_define_clear,
    parameters=lambda words: {"chat": words.chat},
)
