"""Is anything lost or doubled when clients are killed a thousand times while they send, receive and change a group?

Five clients with a store of their own live short lives: each is started, says what it has to say in a group and in pairs,
changes the group, and is killed as by `kill -9`. Half of the kills come at a moment drawn at random, the others as soon as
the client is in a phase drawn at random (what it is doing it notes in a file that outlives it). Nobody says anything twice:
what was answered must be there, once and in order; what was not, once or not at all.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from pathlib import Path

from _crowd import Client, Failed, Gone, Town, town
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
from _moments import Moment, read_notes
from _report import Report

FOUR = ("Ada", "Bo", "Cleo", "Dora")
ADMINS = FOUR[:3]
GUEST = "Eve"
EVERYBODY = (*FOUR, GUEST)
AT_ONCE = 3
"""Calls that each client has open at a time."""
START_S = 1.0
"""Of kills that come early: seconds after the start at most."""
LIVES = (0, 0, 1, 2, 3, 5, 8, 13, 40)
"""How many answers somebody gets before being killed; a moment later, as long as a turn may take."""
MOMENT_S = 0.1
PATIENCE_S = 30.0
AIMED_AT = (Moment.OPENING, Moment.CATCHING_UP, Moment.DECIDING, Moment.SAVING, Moment.SENDING)


async def run(folder: Path, seed: int, kills: int) -> Report:
    report = Report("client_killed", seed, {"kills": kills, "clients": len(EVERYBODY)})
    async with town(folder, EVERYBODY) as people:
        await people.befriend_all(FOUR, [GUEST])
        group = await people.found_group("Rowing", "Ada", FOUR[1:], ADMINS[1:])
        report.setup_done()
        lives = Lives(people, group, seed, kills, report)
        async with asyncio.TaskGroup() as tasks:
            for name in EVERYBODY:
                tasks.create_task(lives.live_and_die(people[name]))
        await people.settle()
        for name in FOUR:
            for chat in (group, *(other for other in EVERYBODY if other != name)):
                said = await people[name].say(chat, f"{name} is still here", wait=30)
                if said.answered != "sent":
                    raise Failed(f"{name} cannot write to {chat} any more: {said}")
        await people.settle()
        shown = await people["Ada"].one("group_show", group=group)
        members = [member["name"] for member in shown["members"] if member["present"]]
    found = look_into(folder, EVERYBODY)
    stand = check_all_agree(found, group, members)
    check_pairs_agree(found, FOUR)
    check_nothing_is_wrong(found)
    messages: Counter[str] = Counter()
    for name in EVERYBODY:
        messages += check_messages(found, people[name], group, FOUR)
        for other in EVERYBODY:
            if other != name:
                messages += check_messages(found, people[name], other, [other])
    order = check_same_order(found, group, FOUR)
    check_heard_in_order(order, found[GUEST].log_order(group), GUEST)
    report.passed_over(people)
    report.count("kills", lives.kills)
    report.counts("kills", lives.moments)
    report.counts("kills while this was under way to the relay", lives.under_way)
    report.counts("messages", messages)
    report.counts("changes of the group answered", lives.changes)
    report.count("entries in the group's log", stand.seq)
    report.count("commits in it", stand.turn)
    return report


class Lives:
    """Everybody lives and dies until so many have been killed."""

    def __init__(self, people: Town, group: str, seed: int, kills: int, report: Report) -> None:
        self.people = people
        self.group = group
        self.seed = seed
        self.wanted = kills
        self.begun = 0
        self.kills = 0
        self.report = report
        self.moments: Counter[str] = Counter()
        self.under_way: Counter[str] = Counter()
        self.changes: Counter[str] = Counter()

    async def live_and_die(self, client: Client) -> None:
        """The client lives already; in the end it lives again."""
        draw = random.Random(f"{self.seed} {client.name}")
        said = 0
        while self.begun < self.wanted:
            self.begun += 1
            async with asyncio.TaskGroup() as life:
                busy = [life.create_task(self._work(client, draw, lane)) for lane in range(AT_ONCE)]
                await self._until_its_end(client, draw)
                moment, under_way = await client.kill()
                for task in busy:
                    task.cancel()
            self.kills += 1
            self.moments[moment.words] += 1
            self.under_way.update(under_way)
            said = len(client.said)
            self.report.progress(self.kills, self.wanted, self.people)
            await client.start(ready=False)
        await client.ready()
        assert said <= len(client.said)

    async def _until_its_end(self, client: Client, draw: random.Random) -> None:
        """Wait for the moment at which it is to be killed."""
        if draw.random() < 0.1:  # perhaps before its home is open
            await asyncio.sleep(draw.uniform(0, START_S))
            return
        aim = draw.choice(AIMED_AT)
        if aim is Moment.OPENING and not client.lives:
            await _see(client, aim, PATIENCE_S)
            return
        await client.ready()
        answers = draw.choice(LIVES)
        before = client.answered.total()
        end = time.monotonic() + PATIENCE_S
        while client.answered.total() < before + answers and time.monotonic() < end:  # noqa: ASYNC110 - of many calls
            await asyncio.sleep(0.005)
        await asyncio.sleep(draw.uniform(0, MOMENT_S))
        if draw.random() < 0.5:
            await _see(client, aim, 0.5)

    async def _work(self, client: Client, draw: random.Random, lane: int) -> None:
        """Talk and change the group until the end."""
        try:
            await client.ready()
            while True:
                await asyncio.sleep(draw.uniform(0, 0.05))
                if client.name in ADMINS and lane == 0 and draw.random() < 0.8:
                    await change(client, self.group, draw, GUEST, "Dora", self.changes)
                elif draw.random() < 0.1:
                    await client.ask("read", chat=self._somebody(client, draw), limit=20)
                else:
                    chat = self.group if draw.random() < 0.6 else self._somebody(client, draw)
                    await client.say(chat, f"{client.name} {len(client.said)}", wait=draw.choice([0, 1]))
        except (Gone, ConnectionError):
            pass

    def _somebody(self, client: Client, draw: random.Random) -> str:
        return draw.choice([name for name in EVERYBODY if name != client.name])


async def _see(client: Client, moment: Moment, patience: float) -> None:
    """Until the client is doing this, or for so long."""
    end = time.monotonic() + patience
    while time.monotonic() < end and read_notes(client.notes)[0] is not moment:  # noqa: ASYNC110 - another process's
        await asyncio.sleep(0.0005)
