"""Two people write to each other, the network strikes and drops every open flow silently: how long until something comes.

The network is simulated (`simulated_network`), so thousands of seconds pass in one, and every seed is another conversation. In all of
them nothing is lost or doubled, the order holds, and no more connections are made than are allowed.
"""

from __future__ import annotations

import statistics

import pytest
from simulated_network import BRIDGES, RELAY, City, Measures, check, most_within

NAME = frozenset({"relay.example"})
HOME = frozenset({"203.0.113.0/24", "198.51.100.0/24"})
SEEDS = range(12)
STRIKE = 20.0

MEASURES = {
    "nothing but the cut": (Measures(), 1.5, 3),
    "reset by name": (Measures(reset=NAME), 1.5, 3),
    "hellos by name swallowed": (Measures(swallow=NAME), 2, 5),
    "and pieces read together or not": (Measures(swallow=NAME, reassembles=False), 2, 5),
    "19 of 20 packets lost": (Measures(loss=0.95, lossy=HOME), 2, 5),
    "an address dies": (Measures(dead=frozenset({"203.0.113.0/24"})), 3, 10),
    "the relay's addresses die": (Measures(dead=HOME), 3, 10),
    "frozen after 25 packets": (Measures(packets=25), 2, 5),
    "4 new connections a minute": (Measures(police=4), 2, 5),
    "12 new connections a minute": (Measures(police=12), 2, 5),
    "128 kbit/s": (Measures(rate=16_000), 2.5, 5),
    "all at once": (Measures(swallow=NAME, packets=25, police=4, rate=16_000), 5, 30),
}


def conversation(seed: int, measures: Measures, routes: tuple[str, ...] = (RELAY, *BRIDGES)) -> City:
    """Both write about once a second, for 50 s; the strike comes after 20."""
    city = City(seed, routes)
    for person in city.people:
        person.start()
        person.talk(1, 50, 1.0)
    city.run(STRIKE)
    city.strike(measures)
    return city


def first_after(city: City) -> float:
    """Seconds from the strike until a text has come that was written after it."""
    came = [
        at
        for person, other in ((city.ada, city.bo), (city.bo, city.ada))
        for at, took in person.came_from(other)
        if at - took > STRIKE
    ]
    return min(came) - STRIKE


@pytest.mark.parametrize("name", MEASURES)
def test_the_next_text_after_the_strike_comes_soon(name: str) -> None:
    measures, median, worst = MEASURES[name]
    took = []
    for seed in SEEDS:
        city = conversation(seed, measures)
        city.run(400)
        check(city)
        took.append(first_after(city))
    assert statistics.median(took) <= median, took
    assert max(took) <= worst, took


@pytest.mark.parametrize("name", [n for n in MEASURES if n not in ("frozen after 25 packets", "all at once")])
def test_after_that_texts_take_no_longer_than_before(name: str) -> None:
    measures, _, _ = MEASURES[name]
    for seed in SEEDS:
        city = conversation(seed, measures)
        city.run(80)
        late = [took for at, took in city.bo.came_from(city.ada) if at - took > STRIKE + 5]
        assert statistics.median(late) < 0.3
        assert max(late) < 2.5, "a better way that is tried delays nothing for long"


@pytest.mark.parametrize("routes", [(RELAY,), ("wss://relay.example/x",), (RELAY, BRIDGES[0])])
@pytest.mark.parametrize("measures", [Measures(), Measures(police=4), Measures(packets=25)])
def test_with_few_ways_nothing_is_lost_either(routes: tuple[str, ...], measures: Measures) -> None:
    for seed in range(3):
        city = conversation(seed, measures, routes)
        city.run(900)
        check(city)
        assert first_after(city) <= 5


def test_without_bridges_a_name_that_is_swallowed_is_left_away() -> None:
    for seed in SEEDS:
        city = conversation(seed, Measures(swallow=NAME), (RELAY,))
        city.run(200)
        check(city)
        assert first_after(city) <= 5
        assert city.ada.reports[-1][1].up is not None
        assert city.ada.reports[-1][1].up.kind == "unnamed"


@pytest.mark.parametrize(
    "name", ["reset by name", "hellos by name swallowed", "frozen after 25 packets", "all at once"]
)
def test_when_it_is_lifted_the_plain_way_is_back_within_a_minute_without_a_storm(name: str) -> None:
    for seed in SEEDS:
        city = City(seed)
        for person in city.people:
            person.start()
            person.talk(1, 300, 3.0)
        city.run(STRIKE)
        city.strike(MEASURES[name][0])
        city.run(150)
        city.lift()
        city.run(210)
        for person in city.people:
            up = person.reports[-1][1].up
            assert up is not None
            assert up.cost == 0, (seed, up.text)
        city.run(500)
        check(city)
        for person in city.people:
            after = [at for at, _ in person.connections() if at > 150]
            assert most_within(after, 60) <= 20
            assert sum(at > 250 for at in after) == 0, "and it stays"


def test_who_only_listens_notices_too() -> None:
    took = []
    for seed in SEEDS:
        city = City(seed)
        for person in city.people:
            person.start()
        city.ada.talk(1, 50, 1.0)
        city.run(STRIKE)
        city.strike(Measures())
        city.run(120)
        check(city)
        took.append(first_after(city))
    assert statistics.median(took) <= 3
    assert max(took) <= 5


def test_a_file_of_100_kb_gets_through_where_connections_freeze_and_texts_beside_it() -> None:
    for seed in range(4):
        city = City(seed)
        for person in city.people:
            person.start()
            person.talk(1, 30, 1.0)
        city.run(STRIKE)
        city.strike(Measures(packets=25))
        city.run(120)
        begun = city.now
        tickets = [city.ada.put(0), city.ada.put(1)]  # 131 KB
        city.ada.talk(130, 170, 10.0)
        city.run(500)
        check(city)
        assert max(city.ada.answered_at[t] for t in tickets) - begun <= 150
        assert max(t for at, t in city.bo.came_from(city.ada) if at > begun + 5) < 25


def test_a_quiet_conversation_makes_no_connections() -> None:
    city = City(1)
    for person in city.people:
        person.start()
        person.talk(1, 10, 1.0)
    city.run(7200)
    check(city)
    assert all(len(p.connections()) == 1 for p in city.people)
