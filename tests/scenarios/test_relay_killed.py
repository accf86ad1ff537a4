"""Two people, and then five, go on talking while the relay and their apps are killed again and again."""

import time
from itertools import pairwise
from pathlib import Path

import pytest

from support.homes import RelayProcess
from support.residents import Meanwhile, Resident, Told, befriend, eventually, residents

pytestmark = pytest.mark.processes

MESSAGES = 200
KILLS_OF_EACH_APP = 3


def power_cuts(person: Resident) -> None:
    for _ in range(KILLS_OF_EACH_APP):
        time.sleep(2)
        person.restart()


def change(admin: Resident, method: str, whom: str) -> None:
    try:
        admin.patiently(method, group="Rowing", person=whom)
    except Told as told:
        if told.code != "not-found":  # gone already: they were removed, but the answer was lost with the app
            raise


def words(name: str, count: int = MESSAGES) -> list[str]:
    return [f"{name} says {i}" for i in range(count)]


def test_200_messages_each_way_arrive_once_and_in_order_while_everything_is_killed(tmp_path: Path) -> None:
    with RelayProcess(tmp_path / "relay") as relay, residents(tmp_path, relay, "Ada", "Bo") as (ada, bo):
        befriend(ada, bo)

        def talk(one: Resident, other: Resident) -> None:
            for text in words(one.name):
                one.say(other.name, text)
                time.sleep(0.05)

        with Meanwhile() as meanwhile:
            meanwhile.every(1, relay.restart)
            talking = [meanwhile.do(lambda: talk(ada, bo)), meanwhile.do(lambda: talk(bo, ada))]
            cuts = [meanwhile.do(lambda person=person: power_cuts(person)) for person in (ada, bo)]
            meanwhile.wait(*talking, *cuts)
            for one, other in ((ada, bo), (bo, ada)):
                eventually(lambda: words(other.name)[-1] in one.texts(other.name))  # noqa: B023

        for one, other in ((ada, bo), (bo, ada)):
            assert one.own_texts(other.name) == words(one.name)
            assert one.texts_from(other.name, other.name) == words(other.name)
        for person in (ada, bo):
            eventually(lambda: not person.patiently("status")[0]["waiting"])  # noqa: B023
            person.end()
        assert ada.log_order("Bo") == bo.log_order("Ada")


def test_the_same_in_a_group_of_five_while_others_come_and_go(tmp_path: Path) -> None:
    """Ada, Bo, Cleo, Dora and Eve stay and talk; Fay and Gus are let in and removed again and again, and listen."""
    names = ("Ada", "Bo", "Cleo", "Dora", "Eve", "Fay", "Gus")
    with RelayProcess(tmp_path / "relay") as relay, residents(tmp_path, relay, *names) as people:
        five, guests, ada = people[:5], people[5:], people[0]
        befriend(ada, *people[1:])
        ada.ask("group_new", name="Rowing", persons=[person.name for person in five[1:]])
        for person in five:
            eventually(lambda: len(person.members("Rowing")) == 5)  # noqa: B023

        def talk(person: Resident) -> None:
            for text in words(person.name):
                person.say("Rowing", text)
                time.sleep(0.05)

        visits = {guest.name: 0 for guest in guests}

        def come_and_go() -> None:
            for guest in guests:
                for method in ("group_add", "group_remove"):
                    change(ada, method, guest.name)
                    is_in = method == "group_add"
                    visits[guest.name] += is_in
                    eventually(lambda: (guest.name in ada.members("Rowing")) is is_in)  # noqa: B023

        with Meanwhile() as meanwhile:
            meanwhile.every(1, relay.restart)
            meanwhile.every(1, come_and_go)
            talking = [meanwhile.do(lambda person=person: talk(person)) for person in five]
            cuts = [meanwhile.do(lambda person=person: power_cuts(person)) for person in five]
            meanwhile.wait(*talking, *cuts)
            for person in five:
                for other in five:
                    eventually(lambda: words(other.name)[-1] in person.texts("Rowing"))  # noqa: B023

        for person in five:
            for other in five:
                assert person.texts_from("Rowing", other.name) == words(other.name)
        for person in people:
            eventually(lambda: not person.patiently("status")[0]["waiting"])  # noqa: B023
        for person in five:
            eventually(lambda: set(person.members("Rowing")) == {one.name for one in five})  # noqa: B023
        for person in people:
            person.end()
        order = ada.log_order("Rowing")
        assert len(order) == 5 * MESSAGES
        for person in five[1:]:
            assert person.log_order("Rowing") == order
        for guest in guests:
            heard = [order.index(id) for id in guest.log_order("Rowing")]
            assert heard == sorted(set(heard))
            breaks = sum(after != before + 1 for before, after in pairwise(heard))
            assert 0 < len(heard) < len(order)
            assert breaks < visits[guest.name]
