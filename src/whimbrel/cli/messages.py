"""Commands about messages: send, read, save, search. What is done to them afterwards is in `deeds`."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator, Sequence
from datetime import date
from typing import Any

from whimbrel.cli.chats import RIGHTS
from whimbrel.cli.command import Ask, Words, count, seconds
from whimbrel.cli.foreign import fit, in_lines, in_one_line
from whimbrel.cli.output import Item, Paper
from whimbrel.cli.times import clock, day, day_and_clock, local, size, span
from whimbrel.cli.trouble import wrong_use

# An id has 64 hexadecimal digits. Two of 100,000 messages share their first ten with a probability of 0.005, and then
# a longer beginning is asked for.
_ID_SHOWN = 10

_EVENTS = {
    "opened": "{whom} opened your invite",
    "joined": "{whom} came in, brought by {who}",
    "removed": "{whom} was removed by {who}",
    "left": "{whom} left",
    "promoted": "{whom} is an admin now, by {who}",
    "demoted": "{whom} is no admin any more, by {who}",
    "renamed": "{who} gave it the name {name}",
    "called": "{before} is called {name} now",
    "timer": "{who} set the timer: new messages vanish {span} after reading",
    "timer off": "{who} switched the timer off: new messages stay",
    "picture": "{who} changed the picture",
    "picture off": "{who} took the picture away",
    "rights": "{who} changed who may do what: {rights}",
    "moved": "{who} moved the conversation to a new log; it goes on there",
    "move-offered": "{who} moved the conversation, with others in it or without some: {whom}. `whimbrel move --agree`",
    "re-added": "{whom} was let in again by {who}",
    "lost": "{text} It is being mended",
}


def short(id_: str) -> str:
    return id_[:_ID_SHOWN]


class Messages:
    """Messages, one after the other, with a line for each new day and each change of chat."""

    def __init__(self, paper: Paper, words: Words) -> None:
        self._paper = paper
        self._one_chat = words.chat is not None
        self._nothing = "No messages." if words.command == "read" else "Nothing found."
        self._names: dict[str, str] = {}
        self._chat: str | None = None
        self._day: date | None = None
        self._first_lines: dict[str, str] = {}

    def chat(self, item: Item) -> None:
        self._names[item["id"]] = in_one_line(item["name"])

    def item(self, item: Item) -> None:
        when = local(item["at"])
        if item["chat"] != self._chat and not self._one_chat:
            name = self._names.get(item["chat"]) or short(item["chat"])
            self._paper.line(self._paper.bold(f"── {name} ──"))
            self._day = None
        self._chat = item["chat"]
        if when.date() != self._day:
            self._paper.line(self._paper.dim(day(when)))
            self._day = when.date()
        if "event" in item:
            self._paper.line(f"{clock(when)}  {self._paper.dim('· ' + _happened(item))}")
        else:
            self._message(item, clock(when))

    def _message(self, item: Item, at: str) -> None:
        paper = self._paper
        lines = in_lines(item["text"]) if item["text"] else []
        self._first_lines[item["id"]] = lines[0] if lines else "a file"
        who = "you" if item["mine"] else in_one_line(item["from"])
        margin = " " * len(at)
        paper.line(f"{at}  {paper.bold(who)}  {paper.dim(_notes(item))}")
        if answered := item.get("reply_to"):
            quoted = self._first_lines.get(answered) or _quoted(item.get("quote"))
            paper.line(paper.dim(f"{margin}  > {fit(quoted, 60) if quoted else short(answered)}"))
        for line in lines:
            paper.line(f"{margin}  {line}")
        for file in item.get("files", ()):
            about = f"{size(file['size'])}, {in_one_line(file['type'])}"
            paper.line(f"{margin}  [file] {in_one_line(file['name'])}  {paper.dim(about)}")
            if file.get("description"):
                paper.line(f"{margin}         {in_one_line(file['description'])}")
        if item.get("newer"):
            paper.line(paper.dim(f"{margin}  There is something in it that a newer version shows."))
        if reactions := item.get("reactions"):
            paper.line(f"{margin}  {_reactions(reactions)}")

    def end(self) -> None:
        if self._chat is None:
            self._paper.line(self._nothing)


def _notes(item: Item) -> str:
    """What stands beside the name: the id, how far an own message is, and what became of it."""
    marks = [mark for mark in ("deleted", "edited", "forwarded") if item.get(mark)]
    if item.get("vanishes"):
        marks.append(f"vanishes {day_and_clock(item['vanishes'])}")
    elif item.get("expires"):
        when = "after sending" if item["mine"] else "after reading"
        marks.append(f"vanishes {span(item['expires'])} {when}")
    return " ".join(
        [short(item["id"]), *([item["state"]] if item["mine"] else []), ", ".join(marks)]
    ).rstrip()


def _quoted(quote: Any) -> str:
    if not quote:
        return ""
    if quote["what"] in ("deleted", "gone"):
        return f"a message that is {quote['what']}"
    return in_lines(quote["text"])[0] if quote["text"] else f"a {quote['what']}"


def _reactions(reactions: Sequence[Item]) -> str:
    counted = [
        in_one_line(one["emoji"]) + (f" {len(one['people'])}" if len(one["people"]) > 1 else "")
        for one in reactions
    ]
    return "[" + "  ".join(counted) + "]"


def _happened(item: Item) -> str:
    """An event in words; one of a newer version is shown by its name."""
    facts = {
        "event": item["event"],
        "who": "you" if item.get("mine") else item.get("from") or "somebody",
        "whom": item.get("person") or "somebody",
        "name": item.get("name") or "another one",
        "text": item.get("text") or "",
        "before": item.get("before") or "somebody",
        "span": span(item.get("seconds") or 0),
        "rights": ", ".join(f"{item[right]} may {what}" for right, what in RIGHTS.items() if right in item),
    }
    event = item["event"]
    if (event == "timer" and not item.get("seconds")) or (event == "picture" and not item.get("picture")):
        event += " off"
    return _EVENTS.get(event, "{event}").format_map({name: in_one_line(fact) for name, fact in facts.items()})


class Sent:
    def __init__(self, paper: Paper, words: Words) -> None:
        self._paper = paper

    def item(self, item: Item) -> None:
        if item["state"] == "queued":
            self._paper.line(
                f"Queued ({short(item['id'])}). It goes by itself when there is a way. Nothing is lost."
            )
        else:
            self._paper.line(f"Sent ({short(item['id'])}).")

    def end(self) -> None: ...


class Saved:
    def __init__(self, paper: Paper, words: Words) -> None:
        self._paper = paper

    def item(self, item: Item) -> None:
        self._paper.line(in_one_line(item["path"]))

    def end(self) -> None: ...


def text_of(words: Words) -> str | None:
    """The text, or what comes on stdin where it is `-`."""
    if words.text != "-":
        return words.text  # type: ignore[no-any-return]
    return sys.stdin.buffer.read().decode("utf-8", errors="replace").removesuffix("\n")


def _send(words: Words) -> dict[str, Any]:
    text = text_of(words)
    if not text and not words.file:
        raise wrong_use("There is nothing to send.", "Give a text, or a file with `--file PATH`.")
    return {
        "chat": words.chat,
        "text": text,
        "files": [os.path.abspath(path) for path in words.file],
        "descriptions": words.caption or None,
        "mentions": [*mentions(text or "", words.mention)] or None,
        "reply_to": words.reply_to,
        "wait": words.wait,
    }


def mentions(text: str, names: Sequence[str]) -> Iterator[str]:
    """Where the text says `@NAME` for each of these names, as the client takes it."""
    for name in names:
        at, start = f"@{name}", 0
        if at not in text:
            raise wrong_use(
                f"The text does not say {at}.", "Name people in it as @NAME, and with --mention NAME."
            )
        while (found := text.find(at, start)) >= 0:
            start = found + len(at)
            yield f"{found}:{len(at)}:{name}"


def define_files(parser: argparse.ArgumentParser) -> None:
    """Options for files: of commands that send some."""
    parser.add_argument(
        "--file", metavar="PATH", action="append", default=[], help="a file to send; may be repeated"
    )
    parser.add_argument(
        "--caption",
        metavar="WORDS",
        action="append",
        default=[],
        help="what is on the file; the first belongs to the first file, and so on",
    )


def define_mention(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--mention",
        metavar="NAME",
        action="append",
        default=[],
        help="@NAME in the text names this member, who is told so; may be repeated",
    )


def _define_send(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("chat", metavar="CHAT", help="its name, or the beginning of its id")
    parser.add_argument("text", metavar="TEXT", nargs="?", help="what to say; - reads it from stdin")
    define_files(parser)
    define_mention(parser)
    parser.add_argument("--reply-to", metavar="ID", help="the message that this one answers")


def _define_read(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("chat", metavar="CHAT", nargs="?", help="only this one")
    parser.add_argument("--follow", action="store_true", help="stay, and show what comes")
    parser.add_argument("--since", metavar="ID", help="only what came after this message")
    parser.add_argument("--limit", metavar="N", type=count, help="only the newest N")
    parser.add_argument(
        "--timeout", metavar="S", type=seconds, help="with --follow: end after so many seconds"
    )
    parser.add_argument("--events", action="store_true", help="also who came, who left, and the like")


def _define_save(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("message", metavar="MESSAGE", help="the id of a message, or its beginning")
    parser.add_argument("dir", metavar="DIR", nargs="?", default=".", help="where to (default: here)")


def _define_search(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "words", metavar="WORDS", nargs="+", help="words, or beginnings of three letters or more"
    )
    parser.add_argument("--in", metavar="CHAT", dest="chat", help="only in this chat")


SEND = Ask(
    name="send",
    summary="send a text, files, or both",
    about="It returns when the message is on the relay's disk. Without a way to the relay the message waits in the\n"
    "outbox and goes by itself, in order, as soon as there is one.",
    examples=(
        'whimbrel send Bo "are you there?"',
        'whimbrel send Bo --file photo.jpg --caption "the pier" --file notes.pdf',
        'whimbrel send Rowing "@Cleo bring the oars" --mention Cleo',
        'whimbrel send Bo "yes" --reply-to 3fa9c2d1',
        "date | whimbrel send Bo -",
    ),
    method="send",
    view=Sent,
    define=_define_send,
    parameters=_send,
)

READ = Ask(
    name="read",
    summary="show messages, oldest first",
    examples=(
        "whimbrel read Bo",
        "whimbrel read Bo --limit 20 --follow",
        "whimbrel read --follow --timeout 60 --json",
    ),
    method="read",
    view=Messages,
    define=_define_read,
    parameters=lambda words: {
        "chat": words.chat,
        "follow": words.follow,
        "since": words.since,
        "limit": words.limit,
        "timeout": words.timeout,
        "events": words.events,
    },
)

SAVE = Ask(
    name="save",
    summary="put the files of a message into a folder",
    about="A file that is there already is never written over. What is not here yet is fetched first.",
    examples=("whimbrel save 3fa9c2d1", "whimbrel save 3fa9c2d1 ~/Downloads"),
    method="save",
    view=Saved,
    define=_define_save,
    parameters=lambda words: {"message": words.message, "dir": os.path.abspath(words.dir)},
)

SEARCH = Ask(
    name="search",
    summary="find messages by their words",
    examples=("whimbrel search harbour", "whimbrel search new address --in Bo"),
    method="search",
    view=Messages,
    define=_define_search,
    parameters=lambda words: {"words": " ".join(words.words), "chat": words.chat},
)
