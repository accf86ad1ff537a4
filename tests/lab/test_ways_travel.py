"""Bridges travel in chats: who knows none gets through by a friend's, and a path that is cut ends without the others'."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from lab import people, talk
from lab.city import City
from support.bridges import cut
from whimbrel.wire.routes import parse_route
from whimbrel.wire.texts import Address, parse_address

pytestmark = [pytest.mark.lab, pytest.mark.processes]

TOLD_WITHIN_S = 60.0
"""Half a minute is left to texts, and then it goes."""
CUT_WITHIN_S = 60.0

ADDRESSES = """
from lab.policy import Measure


class Addresses(Measure):
    name = "addresses"

    def rules(self, world, provider):
        return [f"iptables -A LAB -d {{address}} -j DROP" for address in {addresses!r}]


MEASURE = Addresses()
"""


@pytest.fixture(scope="module")
def city() -> Iterator[City]:
    with City() as built:
        yield built


@pytest.fixture
def bridges(city: City) -> list[Address]:
    return [parse_address(text) for text in city.bridge_addresses]


def pair_without_bridges(city: City, one: str, other: str) -> tuple[people.Person, people.Person]:
    """Two people in contact who know the relay's own ways and nothing else. The first one made the invite."""
    pair = people.Person(city, "ada", one), people.Person(city, "bo", other)
    relay = parse_address(city.relay_address)
    own = tuple(route for route in relay.routes if route.host == city.world.relay_name)
    for person in pair:
        person.start()
        person.init(replace(relay, routes=own).text)
    pair[1].one("accept", invite=pair[0].one("invite")["invite"])
    for person in pair:
        people.until(partial(person.ask, "contacts"), "the friend does not come")
        people.until(person.is_at_rest, "there is no rest")
        person.listen()
        assert not hosts(person) - {city.world.relay_name}, "nobody knows a bridge"
    return pair


def hosts(person: people.Person) -> set[str]:
    return {parse_route(way["route"]).host for way in person.ask("ways") if not way["derived"]}


def told_by(person: people.Person, host: str) -> dict[str, str]:
    """Ways by that machine which a contact handed on, and whose they are."""
    ways = [way for way in person.ask("ways") if way["told_by"] and not way["derived"]]
    return {way["route"]: way["told_by"] for way in ways if parse_route(way["route"]).host == host}


def drop(city: City, tmp_path: Path, *addresses: str) -> float:
    """From now on nothing passes to these, and what was open is cut."""
    measure = tmp_path / "addresses.py"
    measure.write_text(ADDRESSES.format(addresses=[*addresses]))
    return city.strike(str(measure), cut=True)


def talks_on(pair: tuple[people.Person, people.Person]) -> None:
    sent, arrived = people.converse(pair, 4, 0.5)
    found = talk.figures(sent, arrived, None)
    assert (found.lost, found.doubled, found.out_of_order) == (0, 0, 0)


def test_who_knows_only_a_dead_way_gets_through_by_a_friends_bridge_and_a_cut_path_ends(
    city: City, bridges: list[Address], tmp_path: Path
) -> None:
    ada, bo = pair = pair_without_bridges(city, "Ada", "Bo")
    [host] = {route.host for route in bridges[0].routes}
    bo.ask("ways_add", text=bridges[0].text)
    people.until(lambda: told_by(ada, host), "Ada is not told the bridge", TOLD_WITHIN_S)
    [(way, of)] = told_by(ada, host).items()
    assert of == "Bo"

    drop(city, tmp_path, *city.world.relay_addresses)
    try:
        talks_on(pair)
        assert parse_route(ada.way() or "").host == host
        assert "public" in parse_route(ada.way() or "").wrappers

        whose = bo.one("ways_whose", text=way)
        assert whose["name"] == "Ada"
        folder = city.folder / "bridge1" / "data"
        begun = time.monotonic()
        assert cut(folder, whose["cut"])[0] == 0
        people.until(lambda: not ada.is_up(), "the cut path still leads to the relay", CUT_WITHIN_S)
        assert time.monotonic() - begun < CUT_WITHIN_S
        bo.say("Ada", "do you hear me?")
        people.until(bo.is_at_rest, "who was not cut goes on")
        assert bo.is_up()
        assert not ada.is_up()
    finally:
        city.lift()
    people.until(ada.is_up, "the relay itself is there again")
    people.until(lambda: (False, "do you hear me?") in ada.texts("Bo"), "and nothing was lost")
    for person in pair:
        person.kill()


def test_a_fresh_bridge_arrives_by_the_last_way_that_is_up(
    city: City, bridges: list[Address], tmp_path: Path
) -> None:
    eve, dan = pair = pair_without_bridges(city, "Eve", "Dan")
    [last] = {route.host for route in bridges[1].routes}
    [fresh] = {route.host for route in bridges[2].routes}
    for person in pair:
        person.ask("ways_add", text=bridges[1].text)
    relay = city.world.relay_addresses
    drop(city, tmp_path, *relay)
    try:
        talks_on(pair)
        assert parse_route(eve.way() or "").host == last
        dan.ask("ways_add", text=bridges[2].text)
        people.until(lambda: told_by(eve, fresh), "the fresh bridge does not arrive", TOLD_WITHIN_S)
        assert not told_by(eve, last), "that one she knows herself"

        drop(city, tmp_path, *relay, *bridges[1].routes[0].addresses)
        talks_on(pair)
        assert parse_route(eve.way() or "").host == fresh
    finally:
        city.lift()
    for person in pair:
        person.kill()
