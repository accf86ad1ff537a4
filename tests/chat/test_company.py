"""Where letters to a relay are spread over the minute, what is written meanwhile goes together."""

from __future__ import annotations

import pytest

from support.village import Village, Villager
from whimbrel.wire.operations import Append


@pytest.fixture
def two(village: Village) -> list[Villager]:
    people = village.friends("Ada", "Bo")
    village.settle()
    return people


def relay_of(who: Villager, chat: str) -> bytes:
    line = who.chat(chat).line
    assert line is not None
    return line.state.relay


def test_texts_wait_for_the_next_letter_and_go_in_one_append(village: Village, two: list[Villager]) -> None:
    ada, bo = two
    ada.person.company = {relay_of(ada, "Bo"): village.now + 5_000}
    for text in ("one", "two", "three"):
        ada.send("Bo", text)
    assert ada.asks == []
    assert ada.person.next_time() == village.now + 5_000, "it wakes by itself when a letter leaves"
    village.now += 5_000
    ada.do(lambda person, now, fx: None)
    [append] = [ask.operation for ask in ada.asks if isinstance(ask.operation, Append)]
    assert len(append.entries) == 3
    village.settle()
    assert bo.texts("Ada")[-3:] == ["one", "two", "three"]


def test_other_relays_and_commands_that_end_do_not_wait(village: Village, two: list[Villager]) -> None:
    ada, bo = two
    ada.person.company = {b"?" * 32: village.now + 5_000}
    ada.send("Bo", "at once")
    assert [ask for ask in ada.asks if isinstance(ask.operation, Append)]
    village.settle()
    ada.person.company = {relay_of(ada, "Bo"): village.now + 5_000}
    ada.send("Bo", "in a hurry")
    assert ada.asks == []
    ada.do(lambda person, now, fx: person.pump(now, fx, hurry=True))
    assert [ask for ask in ada.asks if isinstance(ask.operation, Append)]
    village.settle()
    assert bo.texts("Ada")[-2:] == ["at once", "in a hurry"]


def test_a_time_that_a_wrong_clock_has_set_is_not_waited_for(village: Village, two: list[Villager]) -> None:
    ada, _ = two
    ada.person.company = {relay_of(ada, "Bo"): village.now + 3_600_000}
    ada.send("Bo", "now")
    assert [ask for ask in ada.asks if isinstance(ask.operation, Append)]
