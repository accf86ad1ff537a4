"""How fast is a store with 100,000 messages: opening it, searching it, adding to it?

The words follow Zipf's law, as in a language: a few stand in every second message, most in a handful. The database is
on this disk, encrypted and synced as in a home. Times of opening are of a process that has just started (the files
may be in the memory of the system); the searches are the slowest of several.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from _record import Figure, tell
from whimbrel.chat.records import AddMessage, ChatRow, EditMessage, MessageRow, PutChat
from whimbrel.store.database import Database
from whimbrel.store.home import open_home

BATCH = 500
CHATS = [bytes([number]) * 32 for number in range(40)]

OPEN_AND_ASK = """
import json, sys, time
from pathlib import Path
started = time.perf_counter()
from whimbrel.store.home import open_home
loaded = time.perf_counter()
home = open_home(Path(sys.argv[1]), create=False, find_keyring=lambda interactive: None)
newest = home.database.chats()[0]
page = home.database.messages(newest.id, limit=50)
assert len(page) == 50
print(json.dumps([(loaded - started) * 1000, (time.perf_counter() - loaded) * 1000]))
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--messages", type=int, default=100_000)
    messages: int = parser.parse_args().messages
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder) / "home"
        figures = [*filled(home, messages), *opened(home), *searched(home), *edited(home)]
        figures.append(Figure("size of the database", (home / "store.db").stat().st_size / 1e6, "MB"))
    tell("store_search", figures, messages=messages, chats=len(CHATS), batch=BATCH)


def filled(path: Path, messages: int) -> list[Figure]:
    chance = random.Random(1)
    words = vocabulary(chance)
    times: list[float] = []
    with open_home(path, create=True, find_keyring=no_keyring) as home:
        home.database.commit([PutChat(ChatRow(chat, "pair", "somebody", b"")) for chat in CHATS])
        for first in range(0, messages, BATCH):
            batch = [
                AddMessage(a_message(number, words, chance))
                for number in range(first, min(first + BATCH, messages))
            ]
            times.append(timed(lambda batch=batch: home.database.commit(batch)))
        one = [
            timed(lambda n=n: home.database.commit([AddMessage(a_message(messages + n, words, chance))]))
            for n in range(100)
        ]
    return [
        Figure(f"commit of {BATCH} messages, median", statistics.median(times), "ms", at_most=60),
        Figure(f"commit of {BATCH} messages, slowest of 100", quantile(times, 0.99), "ms"),
        Figure("commit of 1 message, median", statistics.median(one), "ms"),
    ]


def opened(path: Path) -> list[Figure]:
    loads, opens = [], []
    for _ in range(5):
        said = subprocess.run(
            [sys.executable, "-c", OPEN_AND_ASK, str(path)], capture_output=True, check=True, text=True
        ).stdout
        load, opening = json.loads(said)
        loads.append(load)
        opens.append(opening)
    return [
        Figure("open and show the newest chat, slowest of 5", max(opens), "ms", at_most=1000),
        Figure("loading the code for it, median", statistics.median(loads), "ms"),
    ]


def searched(path: Path) -> list[Figure]:
    words = vocabulary(random.Random(1))
    questions = {
        "the most frequent word": (words[0], None),
        "a word in one of 100 messages": (words[100], None),
        "a rare word": (words[5000], None),
        "a word that nobody wrote": ("zzzzzzzz", None),
        "the beginning of a word, three letters": (words[40][:3], None),
        "three words together": (f"{words[0]} {words[3]} {words[60]}", None),
        "a frequent word in one chat": (words[1], CHATS[7]),
        "three words in one chat": (f"{words[0]} {words[3]} {words[60]}", CHATS[7]),
        "a frequent word in a chat without it": (words[0], b"nobody" * 5),
    }
    figures = []
    with open_home(path, create=False, find_keyring=no_keyring) as home:
        for what, (question, chat) in questions.items():
            slowest = max(timed(lambda q=question, c=chat: home.database.search(q, c)) for _ in range(5))
            figures.append(Figure(f"search: {what}", slowest, "ms", at_most=30))
    return figures


def edited(path: Path) -> list[Figure]:
    with open_home(path, create=False, find_keyring=no_keyring) as home:
        database: Database = home.database
        edits = [EditMessage(row.id, "gone", b"") for row in database.messages(CHATS[3], limit=100)]
        took = timed(lambda: database.commit(edits)) / max(len(edits), 1)
    return [Figure("edit of a message, index and all", took, "ms")]


def a_message(number: int, words: list[str], chance: random.Random) -> MessageRow:
    # Zipf's law over the vocabulary, by its inverse: rank = size ** uniform.
    said = " ".join(words[int(len(words) ** chance.random()) - 1] for _ in range(chance.randint(2, 24)))
    return MessageRow(
        id=hashlib.sha256(b"%d" % number).digest(),
        chat=chance.choice(CHATS),
        sender=b"s" * 32,
        mine=chance.random() < 0.5,
        at=1_700_000_000_000 + number * 1000,
        text=said,
        content=said.encode() + bytes(60),
        state="read",
        seq=number,
    )


def vocabulary(chance: random.Random) -> list[str]:
    letters = "etaoinshrdlucmfwypvbgkjqxz"
    return ["".join(chance.choices(letters, k=chance.randint(2, 10))) for _ in range(20_000)]


def timed(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return (time.perf_counter() - started) * 1000


def quantile(times: list[float], share: float) -> float:
    return sorted(times)[min(int(len(times) * share), len(times) - 1)]


def no_keyring(interactive: bool) -> None:
    return None


if __name__ == "__main__":
    main()
