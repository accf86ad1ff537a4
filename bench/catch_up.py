"""How fast does a client catch up on 10,000 messages that wait at the relay: decrypted, stored, searchable?"""

from __future__ import annotations

import asyncio
import os
import tempfile
import time
from pathlib import Path

from _record import middle, tell
from _town import befriend, home, relay
from whimbrel.chat.effects import Effects
from whimbrel.chat.person import Person

MESSAGES = 10_000
ROUNDS = 3
TEXT = "the ferry leaves at {n}, bring the blue bag and the two letters that lie on the kitchen table, please"


def main() -> None:
    rounds = [asyncio.run(catch_up()) for _ in range(ROUNDS)]
    tell(
        "catch_up",
        [
            middle("catching up on 10,000 messages", [one for one, _ in rounds], "messages/s", at_least=2500),
            middle("sending 10,000 messages that were queued", [two for _, two in rounds], "messages/s"),
        ],
        text_bytes=len(TEXT),
        rounds=ROUNDS,
        cores="client on one core, relay on the other",
    )


async def catch_up() -> tuple[float, float]:
    """Messages a second, caught up and sent, with homes and a relay of their own."""
    with tempfile.TemporaryDirectory() as folder:
        base = Path(folder)
        async with relay(base / "relay", core=1) as address:
            async with home(base / "ada", "Ada", address) as ada:
                async with home(base / "bo", "Bo", address) as bo:
                    await befriend(ada, bo)
                sending = time.perf_counter()
                await send_all(ada)
                sending = time.perf_counter() - sending
            begun = time.perf_counter()
            async with home(base / "bo") as bo:
                store = bo.shell.home.database
                chat = next(iter(bo.person().chats))
                last = f"{MESSAGES - 1}"
                assert await bo.shell.until(lambda: bool(store.search(last, chat, 1, None)), 120)
                taken = time.perf_counter() - begun
                assert len(store.messages(chat, 0, None, False)) == MESSAGES
    return MESSAGES / taken, MESSAGES / sending


async def send_all(ada: object) -> None:
    shell = ada.shell  # type: ignore[attr-defined]
    [chat_id] = shell.person.chats

    def hundred(first: int) -> object:
        def deed(person: Person, now: int, fx: Effects) -> None:
            for n in range(first, first + 100):
                person.send(person.chats[chat_id], TEXT.format(n=n), [], None, now, fx)

        return deed

    for first in range(0, MESSAGES, 100):
        await shell.do(hundred(first))
    assert await shell.until(lambda: shell.person.waiting() == 0, 300)


if __name__ == "__main__":
    os.sched_setaffinity(0, {0})
    main()
