"""Rows to write into a store, and programs of their own that work on one."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

from whimbrel.chat.records import ChatRow, MessageRow, MessageState, OutboxRow
from whimbrel.store.database import Database
from whimbrel.store.home import Home, open_home

SOURCE = Path(__file__).parents[2] / "src"
TESTS = Path(__file__).parents[1]

PAIR = b"p" * 32
GROUP = b"g" * 32
BO = b"B" * 32


def no_keyring(interactive: bool) -> None:
    """For `find_keyring`: whatever keyring the machine of the developer has stays out of the tests."""


def new_home(path: Path) -> Home:
    return open_home(path, create=True, find_keyring=no_keyring)


def same_home(path: Path) -> Home:
    return open_home(path, create=False, find_keyring=no_keyring)


def message_id(number: int) -> bytes:
    return hashlib.sha256(b"message %d" % number).digest()


def message(
    number: int,
    text: str = "",
    *,
    chat: bytes = PAIR,
    mine: bool = False,
    state: MessageState | None = None,
    event: str | None = None,
    at: int | None = None,
) -> MessageRow:
    """The message with this number: always the same id. Somebody else's (delivered) or an own one (queued)."""
    return MessageRow(
        id=message_id(number),
        chat=chat,
        sender=b"me" if mine else BO,
        mine=mine,
        at=1_700_000_000_000 + number if at is None else at,
        text=text or f"message {number}",
        content=b"content %d" % number,
        state=state or ("queued" if mine else "delivered"),
        event=event,
    )


def pair_chat() -> ChatRow:
    return ChatRow(PAIR, "pair", "Bo", b"state of the pair")


def group_chat() -> ChatRow:
    return ChatRow(GROUP, "group", "Birds", b"state of the group")


def waiting(
    body: bytes, *, chat: bytes = PAIR, message: bytes | None = None, not_before: int = 0
) -> OutboxRow:
    return OutboxRow(chat, "content", body, message, not_before)


def texts(database: Database, chat: bytes | None = None) -> list[str]:
    return [row.text for row in database.messages(chat)]


def program(script: str, *arguments: object) -> subprocess.Popen[str]:
    """Run a script in a process of its own, with this package and these tests to import."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join((str(SOURCE), str(TESTS)))}
    return subprocess.Popen(
        [sys.executable, "-c", script, *map(str, arguments)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
    )
