"""A home with 2,000 chats and 100,000 messages, made by the real client and put into its real store.

The chats are real groups with a log each on a real relay: the app that runs on the home afterwards watches all of them. The
messages of one large chat are written into the store directly, as 100,000 that came in over years would lie there.
"""

from __future__ import annotations

import os
import random
import time
from pathlib import Path
from typing import Any

from whimbrel.chat import composing, content
from whimbrel.chat.identity import Identity
from whimbrel.chat.records import AddMessage, MessageRow
from whimbrel.client.errors import ServiceError
from whimbrel.client.service import Service
from whimbrel.store.home import open_home

LARGE = "Everything"
BATCH = 1000
WORDS = [
    "tide",
    "boat",
    "harbour",
    "letter",
    "morning",
    "coffee",
    "sorry",
    "later",
    "tomorrow",
    "perhaps",
    "never",
    "always",
    "rain",
    "window",
    "street",
    "market",
    "apples",
    "bread",
    "the",
    "a",
    "of",
    "to",
    "and",
    "in",
    "that",
    "it",
    "is",
    "was",
    "for",
    "on",
    "with",
    "as",
    "at",
    "by",
    "from",
    "or",
    "have",
    "not",
    "be",
    "this",
    "are",
    "you",
    "we",
    "they",
]


async def call(service: Service, method: str, **parameters: Any) -> list[dict[str, Any]]:
    return [item async for item in service.call(method, parameters)]


async def make_chats(home: Path, relay: str, name: str, friend: Path, chats: int) -> None:
    """An account with a friend, a large chat with that friend, and so many other chats."""
    async with (
        Service.open(home, embedded=False, wait=0) as service,
        Service.open(friend, embedded=False, wait=0) as other,
    ):
        await call(service, "init", name=name, relay=relay)
        await call(other, "init", name="Bo", relay=relay)
        [made] = await call(service, "invite")
        await call(other, "accept", invite=made["invite"])
        while not await call(service, "contacts"):
            await service.shell.until(lambda: False, 0.1)
        for number in range(chats):
            await call(service, "group_new", name=f"Group {number:04}")
        await call(service, "group_new", name=LARGE)
        while True:
            try:
                await call(service, "group_add", group=LARGE, person="Bo")
                break
            except ServiceError:  # the friend's keys are on their way
                await service.shell.until(lambda: False, 0.2)
        await call(service, "chat_set", chat=LARGE, pinned=True)  # it stands first, whatever came last
        await service.shell.settle(60)


def fill(home: Path, messages: int, others: int = 3) -> None:
    """Years of messages in the large chat, and a few in each of the others."""
    chance = random.Random(5)
    with open_home(home, create=False, find_keyring=lambda interactive: None) as opened:
        database = opened.database
        rows = database.chats()
        [large] = [row.id for row in rows if row.name == LARGE]
        [contact] = database.contacts()
        me = Identity.decode(database.facts()["identity"]).account
        started = int(time.time() * 1000) - messages * 600_000
        batch: list[AddMessage] = []
        small = [row.id for row in rows if row.id != large]
        for number in range(messages + others * len(small)):
            chat = large if number < messages else small[number % len(small)]
            mine = chance.random() < 0.45
            batch.append(
                AddMessage(
                    _message(chat, me if mine else contact.account, mine, number % messages, started, chance)
                )
            )
            if len(batch) == BATCH:
                database.commit(batch)
                batch = []
        database.commit(batch)


def _message(
    chat: bytes, sender: bytes, mine: bool, number: int, started: int, chance: random.Random
) -> MessageRow:
    length = min(int(chance.lognormvariate(2.1, 0.9)) + 1, 160)
    text = f"{number}: " + " ".join(chance.choices(WORDS, k=length))
    body = content.encode(composing.say(os.urandom(16), text))
    return MessageRow(
        id=composing.id_of(body, sender, chat),
        chat=chat,
        sender=sender,
        mine=mine,
        at=started + number * 600_000 + chance.randint(0, 300_000),
        text=text,
        content=body,
        state="read",
        seq=0,
    )
