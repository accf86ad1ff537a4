"""Is anything lost or doubled when the relay is killed a thousand times under load?

The relay is its own program, and killed as by `kill -9`, at moments drawn at random: most while clients are being
served, some while it starts, some before the first client is back. Six clients, each a process with a store of its own,
talk in a group and in pairs all the while, and change the group. In the end each message that was answered is at
everybody's once, in order, and all have the same keys.

A kill is not a power cut: what the relay wrote without syncing is still there afterwards. That it syncs before it
answers is a matter of other tests.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from pathlib import Path

from _crowd import Client, Failed, Town, town
from _deeds import change
from _evidence import (
    check_all_agree,
    check_heard_in_order,
    check_messages,
    check_nothing_is_wrong,
    check_pairs_agree,
    check_same_order,
    look_into,
)
from _report import Report

FIVE = ("Ada", "Bo", "Cleo", "Dora", "Eve")
ADMINS = FIVE[:3]
GUEST = "Fay"
AT_ONCE = 2
"""Calls that each client has open at a time."""
UNDER_LOAD_S = 0.4
"""Longest time from the first answer after a start to the kill."""
AFTER_START_S = 0.5
"""Longest time from the start of the program, where a kill is to hit the start."""


async def run(folder: Path, seed: int, kills: int) -> Report:
    report = Report("relay_killed", seed, {"kills": kills, "clients": len(FIVE) + 1})
    draw = random.Random(seed)
    async with town(folder, (*FIVE, GUEST)) as people:
        await people.befriend_all(FIVE, [GUEST])
        group = await people.found_group("Rowing", "Ada", FIVE[1:], ADMINS[1:])
        report.setup_done()
        load = Load(people, group, seed)
        async with asyncio.TaskGroup() as talking:
            load.begin(talking)
            hits = await _kill_again_and_again(people, load, draw, kills, report)
            load.over = True
        await people.settle()
        for name in FIVE:
            for chat in (group, *(other for other in FIVE if other != name)):
                said = await people[name].say(chat, f"{name} is still here", wait=30)
                if said.answered != "sent":
                    raise Failed(f"{name} cannot write to {chat} any more: {said}")
        await people.settle()
        guest_is_in = GUEST in (await _members(people["Ada"], group))
    found = look_into(folder, (*FIVE, GUEST))
    stand = check_all_agree(found, group, (*FIVE, GUEST) if guest_is_in else FIVE)
    check_pairs_agree(found, FIVE)
    check_nothing_is_wrong(found)
    messages: Counter[str] = Counter()
    for name in FIVE:
        messages += check_messages(found, people[name], group, FIVE)
        for other in FIVE:
            if other != name:
                messages += check_messages(found, people[name], other, [other])
    order = check_same_order(found, group, FIVE)
    check_heard_in_order(order, found[GUEST].log_order(group), GUEST)
    report.passed_over(people)
    report.counts("kills", hits)
    report.counts("messages", messages)
    report.counts("changes of the group answered", load.changes)
    report.count("entries in the group's log", stand.seq)
    report.count("commits in it", stand.turn)
    return report


class Load:
    """Everybody talks and changes the group without a pause, a few calls at a time."""

    def __init__(self, people: Town, group: str, seed: int) -> None:
        self.people = people
        self.group = group
        self.seed = seed
        self.over = False
        self.sent = 0
        """Messages that were answered as being on the relay's disk."""
        self.answered = asyncio.Event()
        """Set with each of them."""
        self.open_calls = 0
        self.changes: Counter[str] = Counter()

    def begin(self, tasks: asyncio.TaskGroup) -> None:
        for name in FIVE:
            for lane in range(AT_ONCE):
                tasks.create_task(self._talk(self.people[name], lane))

    async def _talk(self, client: Client, lane: int) -> None:
        draw = random.Random(f"{self.seed} {client.name} {lane}")
        n = 0
        while not self.over:
            await asyncio.sleep(draw.uniform(0, 0.1))
            n += 1
            self.open_calls += 1
            try:
                if lane == 0 and client.name in ADMINS and draw.random() < 0.1:
                    await change(client, self.group, draw, GUEST, "Dora", self.changes)
                else:
                    others = [name for name in FIVE if name != client.name]
                    chat = self.group if draw.random() < 0.6 else draw.choice(others)
                    said = await client.say(chat, f"{client.name} {lane} {n}", wait=10)
                    if said.answered == "sent":
                        self.sent += 1
                        self.answered.set()
            finally:
                self.open_calls -= 1


async def _kill_again_and_again(
    people: Town, load: Load, draw: random.Random, kills: int, report: Report
) -> Counter[str]:
    """Kill the relay so many times; what the kills hit."""
    hits: Counter[str] = Counter()
    for number in range(kills):
        before = load.sent
        load.answered.clear()
        if draw.random() < 0.15:
            await asyncio.sleep(draw.uniform(0, AFTER_START_S))
        else:
            async with asyncio.timeout(60):
                await load.answered.wait()
            await asyncio.sleep(draw.uniform(0, UNDER_LOAD_S))
        answers, waiting = load.sent - before, load.open_calls
        await people.relay.kill()
        hits["under load" if answers else "while it started, or before it had answered anybody"] += 1
        hits["answers between two kills, all in all"] += answers
        hits["calls open at the moment of a kill, all in all"] += waiting
        report.progress(number + 1, kills, people)
        await people.relay.start(ready=number + 1 == kills)
    return hits


async def _members(client: Client, group: str) -> set[str]:
    shown = await client.one("group_show", group=group)
    return {member["name"] for member in shown["members"] if member["present"]}
