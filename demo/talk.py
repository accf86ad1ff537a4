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

    said: set[str] = field(default_factory=set)
    """Texts of ours, each of which was sent once."""
    written: int = 0
    arrived: int = 0
    doubled: int = 0
    _waiting: dict[str, tuple[int, float]] = field(default_factory=dict)
    """What did not arrive yet, in the order of writing: the how manieth it is, and since when."""
    _numbers: dict[str, int] = field(default_factory=dict)
    _shown: set[str] = field(default_factory=set)
    _heard: set[str] = field(default_factory=set)
    _newest: int = 0
    """The last one of those that arrived."""

    def wrote(self, id: str, now: float) -> None:
        """The writer's app shows a message; it may be one that it showed before."""
        if id in self._numbers:
            return
        self.written += 1
        self._numbers[id] = self.written
        if id in self._shown:  # the other's app was quicker
            self._newest = max(self._newest, self.written)
        else:
            self._waiting[id] = (self.written, now)

    def came(self, id: str, text: str) -> None:
        """The other's app shows a message; it may be one that it showed before."""
        if id in self._shown:
            return
        self._shown.add(id)
        self.arrived += 1
        self._waiting.pop(id, None)
        self._newest = max(self._newest, self._numbers.get(id, 0))
        if text in self.said:
            self.doubled += text in self._heard
            self._heard.add(text)

    @property
    def lost(self) -> int:
        """Messages that did not come although a later one of the same writer did: order is kept, so they cannot come any more."""
        return sum(number < self._newest for number, _ in self._waiting.values())

    @property
    def waits(self) -> int:
        return len(self._waiting)

    def oldest_waiting(self) -> float | None:
        """Since when the first one waits."""
        return next((since for _, since in self._waiting.values()), None)


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
        self.lines = lines
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
            for person, turn in ((one, 0.0), (other, EVERY / 2)):
                tasks.create_task(self._speak(person, turn))

    async def _speak(self, person: Person, turn: float) -> None:
        loop = asyncio.get_running_loop()
        at = loop.time() + turn
        while True:
            await self._going.wait()
            at = max(at + EVERY, loop.time())
            await asyncio.sleep(at - loop.time())
            if not self.on or self.counts[person.name].waits >= PAUSE:
                continue
            text = f"{self._said + 1}. {self.lines[self._said % len(self.lines)]}"
            self._said += 1
            self.counts[person.name].said.add(text)
            try:
                await person.ask("send", chat=person.chat, text=text, wait=0)
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
        if message["mine"]:
            self.counts[person.name].wrote(message["id"], time.monotonic())
        else:
            other = next(one for one in self.people if one is not person)
            self.counts[other.name].came(message["id"], message["text"])
