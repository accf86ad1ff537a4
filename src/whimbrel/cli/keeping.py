"""Commands about how things are kept on this computer: pin, mute, archive, settings, kept. Nobody else learns of them."""

from __future__ import annotations

import argparse
import re
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from whimbrel.cli.command import Ask, Words
from whimbrel.cli.foreign import in_one_line
from whimbrel.cli.output import Item, Paper
from whimbrel.cli.times import day_and_clock, size
from whimbrel.cli.trouble import wrong_use

# ---------------------------------------------------------------------------------------------------- chats

_SAYS = {
    "pin": "{name} stands above the other chats.",
    "unpin": "{name} stands among the other chats, by its newest message.",
    "mute": "You are not told of what comes in {name}{until}.",
    "unmute": "You are told of what comes in {name}.",
    "archive": "{name} is archived. It comes back when something new arrives, unless it is muted.",
    "unarchive": "{name} is in the list of chats.",
}


class Kept:
    """A sentence about how a chat is kept from now on."""

    def __init__(self, paper: Paper, words: Words) -> None:
        self._paper = paper
        self._says = _SAYS[words.command]

    def item(self, item: Item) -> None:
        until = f" until {day_and_clock(item['muted_until'])}" if item.get("muted_until") else ""
        self._paper.line(self._says.format(name=in_one_line(item["name"]), until=until))

    def end(self) -> None: ...


_TIMES = {"m": 60, "h": 3600, "d": 24 * 3600}


def span(text: str) -> int:
    """Seconds of a time as people write it: 30m, 8h, 7d."""
    found = re.fullmatch(r"([1-9][0-9]{0,4})([mhd])", text)
    if found is None:
        raise argparse.ArgumentTypeError(f"wants a time like 30m, 8h or 7d, not {text!r}")
    return int(found[1]) * _TIMES[found[2]]


def _define_chat(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("chat", metavar="CHAT", help="its name, or the beginning of its id")


def _define_mute(parser: argparse.ArgumentParser) -> None:
    _define_chat(parser)
    parser.add_argument(
        "--for", metavar="TIME", dest="span", type=span, help="30m, 8h, 7d (default: for good)"
    )


def _mute(words: Words) -> dict[str, Any]:
    until = None
    if words.span is not None:
        until = datetime.fromtimestamp(time.time() + words.span, UTC).isoformat(timespec="seconds")
    return {"chat": words.chat, "muted": True, "muted_until": until}


def _command(verb: str, summary: str, **changed: bool) -> Ask:
    return Ask(
        name=verb,
        summary=summary,
        examples=(f'whimbrel {verb} "Tuesday rowing"',),
        method="chat_set",
        view=Kept,
        define=_define_chat,
        parameters=lambda words: {"chat": words.chat, **changed},
    )


PIN = _command("pin", "keep a chat above the others", pinned=True)
UNPIN = _command("unpin", "keep it among the others again", pinned=False)
MUTE = Ask(
    name="mute",
    summary="do not be told of what comes in a chat",
    examples=("whimbrel mute Bo", 'whimbrel mute "Tuesday rowing" --for 8h'),
    method="chat_set",
    view=Kept,
    define=_define_mute,
    parameters=_mute,
)
UNMUTE = _command("unmute", "be told of it again", muted=False)
ARCHIVE = _command("archive", "put a chat away until something new arrives in it", archived=True)
UNARCHIVE = _command("unarchive", "have it in the list again", archived=False)

# ------------------------------------------------------------------------------------------------- settings

SETTINGS_HELP: Mapping[str, str] = {
    "theme": "system, light or dark",
    "language": "of the page: en, ru, …; empty: as the browser says",
    "enter-sends": "on, or off: then Shift and Enter send",
    "notify": "off, that (something came), who (wrote it), what (they wrote)",
    "sounds": "on or off",
    "receipts": "on, or off: nobody is told what you have read",
    "full-quality": "on: pictures are sent as they are",
    "fetch-up-to": "files up to this size are fetched unasked: 64MB, 0",
    "lock-after": "lock the page after 30s, 5m, 1h; 0: never",
    "list-width": "of the list of chats, in pixels",
}
_ON = {"on": True, "yes": True, "true": True, "off": False, "no": False, "false": False}
_SWITCHES = frozenset(("enter-sends", "sounds", "receipts", "full-quality"))
_UNITS = {"": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9}
_SECONDS = {"": 1, "s": 1, "m": 60, "h": 3600}


class Settings:
    """A line each: the name as it is typed, what it is set to, what it can be."""

    def __init__(self, paper: Paper, words: Words) -> None:
        self._paper = paper
        self._only: str | None = words.setting

    def item(self, item: Item) -> None:
        paper = self._paper
        paper.table(
            [paper.bold(name), _value_in_words(item[name.replace("-", "_")]), paper.dim(help)]
            for name, help in SETTINGS_HELP.items()
            if self._only in (None, name)
        )

    def end(self) -> None: ...


def _value_in_words(value: Any) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    return in_one_line(str(value)) or "-"


def _define_settings(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("setting", metavar="NAME", nargs="?", choices=tuple(SETTINGS_HELP), help="which one")
    parser.add_argument("value", metavar="VALUE", nargs="?", help="what it is to be")


def _settings(words: Words) -> dict[str, Any]:
    if words.setting is None or words.value is None:
        return {}
    return {words.setting.replace("-", "_"): _typed(words.setting, words.value)}


def _typed(name: str, text: str) -> Any:
    """The value that a word stands for. What can be said of it alone is said here; the rest the home knows."""
    help = SETTINGS_HELP[name]
    if name in _SWITCHES:
        if text.lower() not in _ON:
            raise wrong_use(f"{name} is {help}.", f"For example: whimbrel settings {name} on")
        return _ON[text.lower()]
    if name in ("fetch-up-to", "lock-after", "list-width"):
        units = {"fetch-up-to": _UNITS, "lock-after": _SECONDS}.get(name, {"": 1})
        found = re.fullmatch(r"([0-9]{1,15})\s?([a-z]*)", text.lower())
        if found is None or found[2] not in units:
            raise wrong_use(f"{name}: {help}.", "Give a number.")
        return int(found[1]) * units[found[2]]
    return text


SETTINGS = Ask(
    name="settings",
    summary="how the page behaves, what others are told; change it",
    examples=("whimbrel settings", "whimbrel settings receipts off", "whimbrel settings fetch-up-to 10MB"),
    method="set_settings",
    view=Settings,
    define=_define_settings,
    parameters=_settings,
)

# ----------------------------------------------------------------------------------------------------- kept

_KINDS = {
    "messages": "messages",
    "files": "files of messages",
    "contacts": "contacts",
    "keys": "keys and states of conversations",
    "drafts": "drafts",
    "relay": "the relay inside this home",
}


class OnDisk:
    """A line each: what is on this computer, how many, how large, since when."""

    def __init__(self, paper: Paper, words: Words) -> None:
        self._paper = paper
        self._rows: list[list[str]] = []
        self._vanishing = 0

    def item(self, item: Item) -> None:
        paper = self._paper
        self._vanishing += item.get("vanishing") or 0
        self._rows.append(
            [
                paper.bold(_KINDS.get(item["what"], in_one_line(item["what"]))),
                "" if item["what"] == "relay" else str(item["count"]),
                size(item["bytes"]),
                paper.dim(f"since {day_and_clock(item['oldest'])}" if item.get("oldest") else ""),
            ]
        )

    def end(self) -> None:
        self._paper.table(self._rows)
        if self._vanishing:
            going = "One message goes" if self._vanishing == 1 else f"{self._vanishing} messages go"
            self._paper.line(f"{going} when the time is over that was set for the chat.")
        self._paper.line("All of it is encrypted, and stays until it is deleted here.")


KEPT = Ask(
    name="kept",
    summary="what is on this computer, and since when",
    examples=("whimbrel kept", "whimbrel kept --json"),
    method="kept",
    view=OnDisk,
)
