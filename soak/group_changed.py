"""Do ten clients that change one group at the same moment, again and again, all end in the same state?

In each round everybody draws a change (somebody is let in, removed, made an admin or one no more; another name; an update
of the own keys; a guest may also leave by itself) and says something in the group, all at the same moment. Everybody is a
process with a store of its own. In the end all who are in have the same epoch, members, roles and name; the ten, who were
in all the while, tell the same history, and have each post of each once, in one order.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from pathlib import Path
from typing import Any

from _crowd import Client, Failed, Told, Town, admins_of, town
from _deeds import ask_for
from _evidence import (
    check_all_agree,
    check_heard_in_order,
    check_messages,
    check_nothing_is_wrong,
    check_same_order,
    look_into,
)
from _report import Report

TEN = ("Ada", "Bo", "Cleo", "Dora", "Eve", "Fay", "Gus", "Hal", "Ida", "Jo")
LEADERS = TEN[:6]
"""Those who know the guests, and can let them in."""
GUESTS = ("Kim", "Lou", "Mia")

CHANGES = ("add", "remove", "promote", "demote", "rename", "update", "leave")
WEIGHTS = (24, 16, 20, 14, 8, 16, 2)


async def run(folder: Path, seed: int, rounds: int) -> Report:
    report = Report("group_changed", seed, {"rounds": rounds, "clients": len(TEN), "guests": len(GUESTS)})
    draw = random.Random(seed)
    async with town(folder, (*TEN, *GUESTS)) as people:
        await people.befriend_all(TEN[:1], TEN[1:])
        await people.befriend_all(LEADERS, GUESTS)
        group = await people.found_group("Committee", "Ada", TEN[1:], TEN[1:])
        report.setup_done()
        changes: Counter[str] = Counter()
        for number in range(rounds):
            plans = [(name, _a_change(draw, name, number)) for name in TEN]
            async with asyncio.TaskGroup() as round_:
                for name, (change, params) in plans:
                    round_.create_task(_take_part(people, name, group, number, change, params, changes))
            report.progress(number + 1, rounds, people)
        await people.settle()
        await _all_are_heard(people, group)
        everybody = [name for name in (*TEN, *GUESTS) if await _is_in(people[name], group)]
    found = look_into(folder, (*TEN, *GUESTS))
    stand = check_all_agree(found, group, everybody)
    check_nothing_is_wrong(found)
    said: Counter[str] = Counter()
    for name in TEN:
        said += check_messages(found, people[name], group, TEN)
    order = check_same_order(found, group, TEN)
    for guest in GUESTS:
        check_heard_in_order(order, found[guest].log_order(group), guest)
    history = {name: found[name].history(group) for name in TEN}
    begin = {name: history[name].index(("promoted", "Ada", (TEN[-1],))) for name in TEN}
    if len({tuple(told[begin[name] :]) for name, told in history.items()}) != 1:
        raise Failed(f"they tell different histories of the group: {folder}")
    report.passed_over(people)
    report.count("rounds", rounds)
    report.counts("changes answered", changes)
    report.count("changes made, all by all in one order", len(history["Ada"]) - begin["Ada"])
    report.count("entries in the group's log", stand.seq)
    report.count("commits in it", stand.turn)
    report.counts("posts", said)
    report.count("members in the end, all with the same keys", len(everybody))
    return report


def _a_change(draw: random.Random, name: str, number: int) -> tuple[str, dict[str, Any]]:
    [change] = draw.choices(CHANGES, WEIGHTS)
    match change:
        case "add" | "remove":
            return f"group_{change}", {"person": draw.choice(GUESTS)}
        case "promote":
            return "group_promote", {"person": draw.choice(TEN)}
        case "demote":  # the first five stay admins, so that there are always many who can change it
            return "group_demote", {"person": draw.choice(TEN[5:])}
        case "rename":
            return "group_set", {"name": f"Committee {number} of {name}"}
        case "leave":
            return "group_leave", {"who": draw.choice(GUESTS)}
        case _:
            return "update", {}


async def _take_part(
    people: Town,
    name: str,
    group: str,
    number: int,
    change: str,
    params: dict[str, Any],
    changes: Counter[str],
) -> None:
    await asyncio.gather(
        people[name].say(group, f"{name} {number}", wait=30),
        _change(people[params.pop("who", name)], group, change, params, changes),
    )


async def _change(
    client: Client, group: str, change: str, params: dict[str, Any], changes: Counter[str]
) -> None:
    # Who is no admin may update only, and the relay lets all of these together do so once a minute.
    if change == "update" and client.name not in await admins_of(client, group):
        return
    await ask_for(client, group, change, params, changes)


async def _all_are_heard(people: Town, group: str) -> None:
    """It is one group still: everybody in it is heard by everybody in it."""
    members = [name for name in (*TEN, *GUESTS) if await _is_in(people[name], group)]
    for name in members:
        await people[name].say(group, f"{name} is here", wait=30)
    await people.settle()
    for name in members:
        texts = {line["text"] for line in await people[name].ask("read", chat=group, limit=50)}
        if lacking := {f"{other} is here" for other in members} - texts:
            raise Failed(f"{name} does not hear: {lacking}")
    await people.settle()  # the receipts of what was just read


async def _is_in(client: Client, group: str) -> bool:
    [found] = await client.ask("stands")
    try:
        shown = await client.one("group_show", group=group)
    except Told:
        return False
    return bool(shown["name"] in found["in"])
