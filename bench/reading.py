"""How quick does a home with 100,000 messages and 2,000 chats answer the page: its list of chats, a window of messages?

The home is that of the page's own bench (see _page_store.py), opened as an app has it, with its relay beside it. Every tenth
message of the large chat has a reaction and a file. Timed is a whole call, from its parameters to the
lines of JSON, in the one process that also has everything else to do; each figure is the middle one of several.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import os
import random
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from _page_store import LARGE, fill, make_chats
from _record import Figure, middle, tell
from _town import relay
from whimbrel.app.answers import answers
from whimbrel.chat.attachments import Transfer
from whimbrel.chat.records import (
    ChatSettingsRow,
    DeedRow,
    FileRow,
    MessageRow,
    PutChatSettings,
    PutDeed,
    PutFile,
    Save,
)
from whimbrel.client.service import Service
from whimbrel.store.home import open_home

ROUNDS = 15


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--messages", type=int, default=100_000)
    parser.add_argument("--chats", type=int, default=2_000)
    parser.add_argument(
        "--folder", type=Path, help="keep the home here, and take it from here when it is there"
    )
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        figures = asyncio.run(measured(given.folder or Path(name), given.messages, given.chats))
    tell("reading", figures, messages=given.messages, chats=given.chats)


async def measured(folder: Path, messages: int, chats: int) -> list[Figure]:
    home = folder / "home"
    async with relay(folder / "relay") as address:
        if not home.exists():
            await make_chats(home, address, "Ada", folder / "bo", chats)
            fill(home, messages)
            adorn(home)
        started = time.perf_counter()
        async with Service.open(home, embedded=False, wait=0) as service:
            opening = (time.perf_counter() - started) * 1000
            await service.shell.settle(60)
            gc.collect()  # as the app does once it is up
            gc.freeze()
            figures = [Figure("opening the home", opening, "ms"), *await asked(service)]
            figures += await followed(service)
    return figures


def adorn(path: Path) -> None:
    """Reactions and files as a lively chat has them; drafts and pins among the others."""
    chance = random.Random(7)
    with open_home(path, create=False, find_keyring=lambda interactive: None) as home:
        store = home.database
        [large] = [row.id for row in store.chats() if row.name == LARGE]
        [contact] = store.contacts()
        rows = store.messages(large)
        for start in range(0, len(rows), 1000):
            saves: list[Save] = []
            for row in rows[start : start + 1000 : 10]:
                saves += [a_reaction(row, contact.account), a_file(row, chance)]
            store.commit(saves)
        store.commit(
            PutChatSettings(
                ChatSettingsRow(row.id, pinned=chance.random() < 0.01, draft="half a thou" * (n % 7 == 0))
            )
            for n, row in enumerate(store.chats())
        )


def a_reaction(row: MessageRow, account: bytes) -> PutDeed:
    return PutDeed(
        DeedRow(
            os.urandom(32), row.chat, row.id, account, False, "reaction", row.at, "👍", b"", "sent", 0, row.at
        )
    )


def a_file(row: MessageRow, chance: random.Random) -> PutFile:
    transfer = Transfer(row.chat, bytes(32), os.urandom(32), bytes(32), 300_000, bytes(32))
    media = json.dumps({"width": 1600, "height": 1200}).encode()
    return PutFile(
        FileRow(
            os.urandom(32),
            row.id,
            0,
            "photo.jpg",
            300_000,
            "image/jpeg",
            "offered",
            transfer.encode(),
            transfer.blob,
            "",
            media,
        )
    )


async def asked(service: Service) -> list[Figure]:
    chats = {chat["name"]: chat for chat in await call(service, "chats")}
    large = chats[LARGE]["id"]
    page = await call(service, "messages", chat=large)
    middle_one = await call(service, "messages", chat=large, before=page[0]["n"] // 2, limit=1)
    first = await timed(service, "chats")
    questions: dict[str, tuple[float | None, str, dict[str, Any]]] = {
        "list of all chats": (50, "chats", {}),
        "newest 60 messages of the large chat": (10, "messages", {"chat": large}),
        "60 messages before those": (10, "messages", {"chat": large, "before": page[0]["n"]}),
        "60 messages around one in the middle": (
            10,
            "messages",
            {"chat": large, "around": middle_one[0]["id"]},
        ),
        "search: a frequent word": (30, "search", {"words": "harbour"}),
        "one chat pinned, and told": (None, "chat_set", {"chat": large, "draft": "x"}),
        "what is kept": (None, "kept", {}),
    }
    figures = [Figure("list of all chats, the second time", first, "ms")]
    spent = []
    for _ in range(ROUNDS):
        before = time.process_time()
        await timed(service, "chats")
        spent.append((time.process_time() - before) * 1000)
    figures.append(middle("list of all chats, time of the processor", spent, "ms", at_most=50))
    for what, (at_most, method, given) in questions.items():
        times = [await timed(service, method, **given) for _ in range(ROUNDS)]
        figures.append(middle(what, times, "ms", at_most=at_most))
    return figures


async def followed(service: Service) -> list[Figure]:
    """From a change to the follower who is told of it."""
    chats = await call(service, "chats")
    times: list[float] = []
    follower = service.call("follow", {})
    await anext(follower)
    for number in range(ROUNDS):
        started = time.perf_counter()
        await call(service, "chat_set", chat=chats[-1]["id"], draft=f"draft {number}")
        while "chat" not in await anext(follower):
            pass
        times.append((time.perf_counter() - started) * 1000)
    await follower.aclose()  # type: ignore[attr-defined]
    return [middle("a change, until a follower is told", times, "ms")]


async def call(service: Service, method: str, **given: Any) -> list[dict[str, Any]]:
    return [item async for item in service.call(method, given)]


async def timed(service: Service, method: str, **given: Any) -> float:
    """Milliseconds until the app would have all lines of its answer."""
    started = time.perf_counter()
    lines = [line async for line in answers(service, method, given, Path())]
    passed = time.perf_counter() - started
    assert json.loads(lines[-1]) == {"end": True}, lines[-1]
    return passed * 1000


if __name__ == "__main__":
    sys.exit(main())
