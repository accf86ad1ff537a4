"""The own relay tells fresh ways to people who are there already, few of many, and takes back none but its own."""

from __future__ import annotations

from dataclasses import replace

from support.village import Village, Villager
from whimbrel.chat.route_lists import EVERY, FIRST
from whimbrel.wire.operations import Routes

A, B, C = (f"wss://{name}.example/x" for name in "abc")


def ways(villager: Villager) -> tuple[str, ...]:
    return villager.person.relays[villager.person.inbox.here().relay].routes


def asked(villager: Villager) -> int:
    """How many questions for ways are on their way."""
    return sum(isinstance(ask.operation, Routes) for ask in villager.asks)


def says(village: Village, *routes: str) -> None:
    [relay] = village.relays.values()
    relay.engine.set_routes(routes)


def test_fresh_ways_come_by_themselves_and_stay_over_a_restart(village: Village) -> None:
    ada = village.person("Ada")
    known = ways(ada)
    says(village, *known, A)
    village.settle(patience=FIRST // 2)
    assert ways(ada) == known, "other things go first"
    village.settle(patience=FIRST)
    assert ways(ada) == (*known, A)
    says(village, *known, A, B)
    ada.crash()
    village.settle(patience=EVERY // 2)
    assert ways(ada) == (*known, A), "not at every start"
    village.settle(patience=EVERY)
    assert ways(ada) == (*known, A, B)


def test_what_the_relay_takes_back_goes_and_what_one_knows_oneself_stays(village: Village) -> None:
    ada = village.person("Ada")
    home, known = ada.person.inbox.here().relay, ways(ada)
    ada.do(lambda person, now, fx: person.set_ways(home, (*known, C), fx))
    says(village, A, C)
    village.settle(patience=2 * FIRST)
    assert ways(ada) == (*known, C, A)
    ada.crash()
    says(village, B)
    village.settle(patience=2 * EVERY)
    assert ways(ada) == (*known, C, B), "A was the relay's; C and the first way were not"


def test_one_inbox_is_shown_few_and_the_same_ones(village: Village) -> None:
    ada, bo = village.person("Ada"), village.person("Bo")
    known = ways(ada)
    says(village, *(f"wss://bridge{n}.example/x" for n in range(40)))
    village.settle(patience=2 * FIRST)
    first = ways(ada)
    assert len(first) == len(known) + 3
    village.settle(patience=5 * EVERY)
    assert ways(ada) == first
    assert ways(bo) != first


def test_a_relay_aims_nobody_at_what_stands_beside_them(village: Village) -> None:
    ada = village.person("Ada")
    known = ways(ada)
    says(village, "http://127.0.0.1:2375/containers/x/kill", A, "socks5://10.0.0.1:22|wss://b.example/x")
    village.settle(patience=2 * FIRST)
    assert ways(ada) == (*known, A)


def test_there_is_room_for_fresh_ways_where_many_are_known(village: Village) -> None:
    ada = village.person("Ada")
    home, known = ada.person.inbox.here().relay, ways(ada)
    ada.do(
        lambda person, now, fx: person.set_ways(
            home, (*known, *(f"wss://old{n}.example/x" for n in range(7))), fx
        )
    )
    says(village, A, B)
    village.settle(patience=2 * FIRST)
    assert len(ways(ada)) == 8
    assert ways(ada)[0] == known[0]
    assert ways(ada)[-2:] == (A, B)


def test_a_list_that_another_made_or_an_old_one_changes_nothing(village: Village) -> None:
    ada = village.person("Ada")
    [relay] = village.relays.values()
    here, known = ada.person.inbox.here(), ways(ada)
    says(village, A)
    village.settle(patience=2 * FIRST)
    good = relay.engine.routes(Routes(here.log, ada.person.route_lists.proof(here)), village.now // 1000)
    for bad in (
        replace(good, routes=(B,)),
        replace(good, signature=bytes(64)),
        replace(good, made_at=good.made_at + 1),
    ):
        ada.do(lambda person, now, fx, bad=bad: person.route_lists.answered(here.log, bad, fx))
    assert ways(ada) == (*known, A)
    says(village, B)
    village.settle(patience=2 * EVERY)
    ada.do(lambda person, now, fx: person.route_lists.answered(here.log, good, fx))
    assert ways(ada) == (*known, B), "the older one came later"


def test_a_clock_that_is_set_back_makes_no_storm(village: Village) -> None:
    ada = village.person("Ada")
    village.settle(patience=2 * FIRST)
    village.now -= 10 * EVERY
    for _ in range(5):
        ada.do(lambda person, now, fx: None)
    assert asked(ada) == 1
