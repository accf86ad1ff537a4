"""The simulation of what a censor learns: its rules are those of relay and app, and it tells them apart."""

from __future__ import annotations

import random
from xml.etree import ElementTree

import pytest

from lab.learnt import ALL, ANEW, FURTHER, HELPERS, OURS, RULES, Town, page, run
from whimbrel.chat.handing_on import OTHERS_MAX, TOLD
from whimbrel.relay.engine import ROUTES_SHOWN

PEOPLE = 400


@pytest.fixture(scope="module")
def town() -> Town:
    return Town(PEOPLE, random.Random(7))


def test_people_know_what_the_rules_give_them(town: Town) -> None:
    known = town.known(OURS, 0)
    assert town.known(OURS, 5) == known, "another day, the same bridges"
    assert town.known(ANEW, 5) != town.known(ANEW, 0)
    most = ROUTES_SHOWN + 1 + OTHERS_MAX
    assert all(ROUTES_SHOWN <= len(bridges) <= most for bridges in known)
    helpers = {bridge: helper for helper, bridge in town.of_helpers.items()}
    for person, bridges in enumerate(known):
        for bridge in bridges & helpers.keys():
            assert helpers[bridge] == person or helpers[bridge] in town.contacts[person], (
                "a helper's bridge is with the helper's contacts, and nowhere else"
            )
    assert len(town.of_helpers) == int(HELPERS * PEOPLE)


def test_of_one_contact_nobody_is_told_more_than_a_few(town: Town) -> None:
    for rule in (OURS, FURTHER):
        own = town._own(rule, 0)[3]
        assert len(town._told(3, 4, own, rule)) <= TOLD
    assert set(town._told(3, 4, {b"x", b"y", b"z"}, ALL)) == {b"x", b"y", b"z"}


def test_without_a_censor_nothing_is_learnt() -> None:
    for rule in RULES:
        near, days = run(PEOPLE, 3, 0, rule, 1)
        assert near == 0
        assert all((day.learnt, day.open) == (0, 1) for day in days)


def test_asking_again_and_waiting_brings_nothing_and_drawing_anew_does() -> None:
    ours, anew = ([day.learnt for day in run(PEOPLE, 8, 2, rule, 1)[1]] for rule in (OURS, ANEW))
    assert anew[-1] - anew[0] > 3 * abs(ours[-1] - ours[0])


def test_what_contacts_pass_on_goes_round() -> None:
    first = {rule: run(PEOPLE, 1, 4, rule, 1)[1][0] for rule in RULES}
    assert first[OURS].open > first[FURTHER].open
    assert first[OURS].learnt < first[FURTHER].learnt <= first[ALL].learnt


def test_the_page_has_a_row_for_each_rule_and_the_picture_is_one() -> None:
    said: list[str] = []
    text, picture = page(60, 2, [1, 2], said.append)
    assert sum(line.startswith("|") for line in text.splitlines()) == 2 + 4 * len(RULES)
    assert said == [line for line in text.splitlines() if line.startswith("|") and " of 60 " in line]
    drawn = ElementTree.fromstring(picture)
    assert len(drawn.findall(".//{http://www.w3.org/2000/svg}polyline")) == len(RULES)
