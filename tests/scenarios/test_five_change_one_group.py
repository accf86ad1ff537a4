"""Five admins change one group at the same moment, again and again, and talk in it all the while."""

import random
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from support.homes import RelayProcess
from support.residents import Meanwhile, Resident, Told, befriend, eventually, residents

pytestmark = pytest.mark.processes

ROUNDS = 10
GROUP = "Committee"


def test_all_end_in_the_same_state_and_posters_get_through(tmp_path: Path) -> None:
    names = ("Ada", "Bo", "Cleo", "Dora", "Eve", "Fay", "Gus")
    with RelayProcess(tmp_path / "relay") as relay, residents(tmp_path, relay, *names) as people:
        five, guests, ada = people[:5], people[5:], people[0]
        befriend(ada, *five[1:])
        for person in five:
            befriend(person, *guests)
        ada.ask("group_new", name=GROUP, persons=[person.name for person in five[1:]])
        for person in five[1:]:
            ada.ask("group_promote", group=GROUP, person=person.name)
        everybody_admin = {person.name: "admin" for person in five}
        for person in five:
            eventually(lambda: person.members(GROUP) == everybody_admin)  # noqa: B023

        before = {person.name: len(history(person)) for person in five}

        draw = random.Random(3)
        at_once = threading.Barrier(len(five))
        plans = {
            person.name: [a_change(draw, [one.name for one in five], names[5:]) for _ in range(ROUNDS)]
            for person in five
        }

        def take_part(person: Resident) -> None:
            for i, change in enumerate(plans[person.name]):
                at_once.wait(60)
                person.say(GROUP, f"{person.name} {i}")
                change(person)

        with Meanwhile() as meanwhile:
            meanwhile.wait(*[meanwhile.do(lambda person=person: take_part(person)) for person in five])

        for person in five:
            eventually(lambda: not person.patiently("status")[0]["waiting"])  # noqa: B023
        eventually(lambda: all(person.members(GROUP) == ada.members(GROUP) for person in five))
        changes = history(ada)[before["Ada"] :]
        assert len(changes) > ROUNDS
        for person in five[1:]:
            assert history(person)[before[person.name] :] == changes
        said = {f"{person.name} {i}" for person in five for i in range(ROUNDS)}
        for person in five:
            eventually(lambda: said <= set(person.texts(GROUP)))  # noqa: B023
            for other in five:
                assert person.texts_from(GROUP, other.name) == [f"{other.name} {i}" for i in range(ROUNDS)]

        # It is one group still: everybody is heard by everybody, and an admin can change it.
        for person in five:
            person.say(GROUP, f"{person.name} is here")
        for person in five:
            eventually(lambda: sum("is here" in text for text in person.texts(GROUP)) == 5)  # noqa: B023
        an_admin = next(person for person in five if ada.members(GROUP)[person.name] == "admin")
        for person in five:
            if ada.members(GROUP)[person.name] != "admin":
                an_admin.ask("group_promote", group=GROUP, person=person.name)
        for person in five:
            eventually(lambda: everybody_admin.items() <= person.members(GROUP).items())  # noqa: B023
            assert not person.patiently("status")[0]["wrong"]


def a_change(draw: random.Random, five: list[str], guests: tuple[str, ...]) -> Callable[[Resident], object]:
    """Something that an admin may want: guests come and go, people of the five rise and fall."""
    method = draw.choice(["group_add", "group_remove", "group_promote", "group_demote"])
    whom = draw.choice(guests if method in ("group_add", "group_remove") else five)
    return lambda person: unless_somebody_was_faster(person, method, whom)


def unless_somebody_was_faster(person: Resident, method: str, whom: str) -> None:
    try:
        person.ask(method, group=GROUP, person=whom)
    except Told as told:
        if told.code not in (
            "not-found",
            "not-an-admin",
        ):  # whom it is about is gone, or who asks is an admin no more
            raise


def history(person: Resident) -> list[tuple[str, str, list[str]]]:
    """What happened to the group, by whom and to whom, as a person's home tells it."""
    lines = person.read(GROUP, events=True)
    return [(line["event"], line["from"], line["people"]) for line in lines if "event" in line]
