"""The two talk: a message a second from each, by their apps' own `send`; and what of all messages arrived is counted.

Counted are the messages that the apps themselves show, by their ids, those that a visitor writes into one of the pages among them.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from demo.people import Item, Person, Refused

EVERY: Final = 1.0
"""Seconds between two messages of one person."""
PAUSE: Final = 12
"""Who sees so many of their own messages on the way waits with the next one, as people do."""


@dataclass(slots=True)
class Count:
    """One direction: what one wrote, and what of it the other's app has shown."""

    written: dict[str, float] = field(default_factory=dict)
    """By id, in the order of writing: when."""
    arrived: dict[str, float] = field(default_factory=dict)
    said: set[str] = field(default_factory=set)
    """Texts of ours, each of which was sent once."""
    doubled: int = 0
    slowest: float = 0.0
    _heard: set[str] = field(default_factory=set)

    def wrote(self, id: str, now: float) -> None:
        self.written.setdefault(id, now)

    def came(self, id: str, text: str, now: float) -> None:
        """The other's app shows a message; it may be one that it showed before."""
        if id in self.arrived:
            return
        self.arrived[id] = now
        if id in self.written:
            self.slowest = max(self.slowest, now - self.written[id])
        if text in self.said:
            self.doubled += text in self._heard
            self._heard.add(text)

    @property
    def lost(self) -> int:
        """Messages that did not come although a later one of the same writer did: those before it cannot come any more."""
        on_the_way = 0
        for id in reversed(self.written):
            if id in self.arrived:
                break
            on_the_way += 1
        return len(self.written) - on_the_way - sum(id in self.arrived for id in self.written)

    @property
    def waits(self) -> int:
        return sum(id not in self.arrived for id in self.written)

    def oldest_waiting(self) -> float | None:
        return next((at for id, at in self.written.items() if id not in self.arrived), None)


class Talk:
    """`lines`: what they say, in turn."""

    def __init__(
        self, people: tuple[Person, Person], lines: Sequence[str], on_change: Callable[[], None]
    ) -> None:
        self.people = people
        self.counts = {person.name: Count() for person in people}
        """By who writes."""
        self.statuses: dict[str, Item] = {}
        """What each app said last of its ways."""
        self._lines = lines
        self._on_change = on_change
        self._going = asyncio.Event()
        self._said = 0

    @property
    def on(self) -> bool:
        return self._going.is_set()

    def set(self, on: bool) -> None:
        (self._going.set if on else self._going.clear)()
        self._on_change()

    async def run(self) -> None:
        """Until cancelled."""
        one, other = self.people
        async with asyncio.TaskGroup() as tasks:
            for person in self.people:
                tasks.create_task(self._follow(person))
            for person, friend, turn in ((one, other, 0.0), (other, one, EVERY / 2)):
                tasks.create_task(self._speak(person, friend, turn))

    async def _speak(self, person: Person, friend: Person, turn: float) -> None:
        loop = asyncio.get_running_loop()
        at = loop.time() + turn
        while True:
            await self._going.wait()
            at = max(at + EVERY, loop.time())
            await asyncio.sleep(at - loop.time())
            if not self.on or self.counts[person.name].waits >= PAUSE:
                continue
            text = f"{self._said + 1}. {self._lines[self._said % len(self._lines)]}"
            self._said += 1
            self.counts[person.name].said.add(text)
            try:
                await person.ask("send", chat=friend.name, text=text, wait=0)
            except Refused:
                continue  # a visitor may have blocked the friend, or left

    async def _follow(self, person: Person) -> None:
        [self.statuses[person.name]] = await person.ask("status")
        async for item in person.items("follow"):
            if "status" in item:
                self.statuses[person.name] = item["status"]
            if "message" in item:
                self._take(person, item["message"])
            self._on_change()

    def _take(self, person: Person, message: Item) -> None:
        """A message that is new, or other than before."""
        now = time.monotonic()
        if message["mine"]:
            self.counts[person.name].wrote(message["id"], now)
        else:
            other = next(one for one in self.people if one is not person)
            self.counts[other.name].came(message["id"], message["text"], now)
