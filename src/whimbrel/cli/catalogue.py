"""All commands, and the page that `whimbrel --help` shows."""

from __future__ import annotations

from collections.abc import Sequence

from whimbrel.cli import (
    account,
    chats,
    completion,
    deeds,
    helping,
    keeping,
    messages,
    moves,
    nearness,
    network,
    people,
    programs,
    safety,
    ways,
)
from whimbrel.cli.command import Command
from whimbrel.cli.trouble import wrong_use

SECTIONS: tuple[tuple[str, tuple[Command, ...]], ...] = (
    ("Start", (programs.APP, account.INIT, account.STATUS, account.SET_RELAY)),
    (
        "People",
        (
            people.INVITE,
            people.ACCEPT,
            people.REQUESTS,
            people.CONTACTS,
            people.VERIFY,
            nearness.BLOCK,
            nearness.UNBLOCK,
            nearness.RENAME,
        ),
    ),
    (
        "Messages",
        (
            chats.CHATS,
            messages.SEND,
            messages.READ,
            messages.SAVE,
            messages.SEARCH,
            deeds.EDIT,
            deeds.DELETE,
            deeds.REACT,
            deeds.FORWARD,
            deeds.NOTE,
            deeds.CLEAR,
            chats.TIMER,
            moves.MOVE,
        ),
    ),
    (
        "Groups",
        (
            chats.GROUP_NEW,
            chats.GROUP_SHOW,
            chats.GROUP_ADD,
            chats.GROUP_REMOVE,
            chats.GROUP_PROMOTE,
            chats.GROUP_DEMOTE,
            chats.GROUP_SET,
            chats.GROUP_LEAVE,
        ),
    ),
    (
        "Kept here",
        (
            keeping.PIN,
            keeping.UNPIN,
            keeping.MUTE,
            keeping.UNMUTE,
            keeping.ARCHIVE,
            keeping.UNARCHIVE,
            keeping.SETTINGS,
            keeping.KEPT,
        ),
    ),
    ("Ways to a relay", (ways.WAYS, ways.WAYS_ADD, ways.WAYS_REMOVE, ways.WAYS_WHOSE, helping.HELP_CONTACTS)),
    ("The network", (network.NETWORK, network.NETWORK_CHECK, network.NETWORK_REPORT)),
    ("Who may look", (safety.LOCK, safety.UNLOCK, safety.PASSPHRASE, safety.CUT_OFF, safety.ERASE)),
    ("Others", (programs.RELAY, programs.BRIDGE, completion.COMPLETION)),
)

COMMANDS: dict[str, Command] = {command.name: command for _, commands in SECTIONS for command in commands}


def find(words: Sequence[str]) -> tuple[Command, list[str]]:
    """The command that these words begin with, and the words after its name. Without a name it is the app."""
    if not words or words[0].startswith("-"):
        return COMMANDS["app"], list(words)
    for length in (2, 1):
        if (command := COMMANDS.get(" ".join(words[:length]))) is not None:
            return command, list(words[length:])
    if words[0] == "group":
        raise wrong_use(
            f"`whimbrel group` has no {words[1]!r}."
            if len(words) > 1
            else "`whimbrel group` needs to know what to do.",
            "It can: "
            + ", ".join(name.removeprefix("group ") for name in COMMANDS if name.startswith("group "))
            + ".",
        )
    raise wrong_use(f"There is no command {words[0]!r}.", _meant(words[0]))


def _meant(word: str) -> str:
    from difflib import get_close_matches

    close = get_close_matches(word, {name.split()[0] for name in COMMANDS}, n=1)
    return f"Did you mean `whimbrel {close[0]}`?" if close else "`whimbrel --help` lists them."


def overview(start: str = "") -> str:
    """The commands whose names begin so, by subject, with one example line each."""
    lines = [
        "Whimbrel, a private messenger that keeps people connected when the network is against them.",
        "",
        "  whimbrel                    start, with a relay inside",
        "  whimbrel COMMAND --help     what a command does, with examples",
        "",
    ]
    for title, commands in SECTIONS:
        fitting = [command for command in commands if command.name.startswith(start)]
        if fitting:
            lines.append(title)
            lines += [f"  {command.name:<15} {command.summary}" for command in fitting]
            lines.append("")
    lines += [
        "For every command",
        "  --home DIR      the folder of the account (or WHIMBREL_HOME; default ~/.whimbrel)",
        "  --json          JSON Lines instead of text",
        "",
        "Examples",
        "  whimbrel init --name Ada",
        "  whimbrel invite --qr",
        '  whimbrel send Bo "are you there?"',
        "  whimbrel read Bo --follow",
    ]
    return "\n".join(lines)
