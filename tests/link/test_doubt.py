"""When an answer is late: what is dialled beside the way, with what, and who counts in the end. To the millisecond."""

from __future__ import annotations

import pytest
from link_table import NEAR, STREAM, Table, append, delivered, done, fetched, item, of, put, sent

from whimbrel.link.events import Close, Dial, Heard, RecordsCame, Report, Send, WatchSet
from whimbrel.link.ways import Candidate, Carries
from whimbrel.wire.answers import Done, Watched
from whimbrel.wire.operations import OWN, Append, Fetch, Watch
from whimbrel.wire.stored import entry_id


def way(name: str, subnet: str, cost: int = 0, host: str = "", kind: str = "plain") -> Candidate:
    return Candidate(name, Carries.STREAM, cost, False, subnet, host or name, kind)


HERE = way("here", "203.0.113.0/24", host="relay")
THERE = way("there", "198.51.100.0/24", host="relay")
BRIDGE = way("bridge", "192.0.2.0/24", cost=1)


def talking(*candidates: Candidate, round_trip: float = 0.06) -> tuple[Table, int]:
    """A table with the first way up and its round trip known."""
    table = Table(*candidates)
    table.tell()
    [dial] = of(table.actions, Dial)
    table.now += 4 * round_trip
    table.answer(dial.way, 0)
    for _ in range(8):
        table.submit(append("before"))
        asked = of(table.actions, Send)[-1]
        table.now += round_trip
        table.answer(dial.way, asked.n, done())
    table.actions.clear()
    return table, dial.way


def test_a_late_answer_has_another_way_dialled_beside_it_with_the_same() -> None:
    table, main = talking(HERE, BRIDGE)
    table.submit(append("a"))
    assert of(table.wait(0.299), Dial) == []
    [dial] = of(table.wait(0.2), Dial)
    assert dial.candidate == BRIDGE
    assert dial.operations == (append("a"),)
    assert of(table.actions, Close) == [], "the first one may only be slow"
    assert table.link.is_settled is False
    assert main in table.link._ways


def test_how_late_is_late_follows_the_way() -> None:
    table, _ = talking(HERE, BRIDGE, round_trip=0.4)
    table.submit(append("a"))
    assert of(table.wait(1.19), Dial) == []
    assert len(of(table.wait(0.3), Dial)) == 1


def test_if_the_first_one_answers_what_was_dialled_beside_it_is_closed() -> None:
    table, main = talking(HERE, BRIDGE)
    table.submit(append("a"))
    [dial] = of(table.wait(0.5), Dial)
    n = of(table.actions, Send)[-1].n
    actions = table.answer(main, n, done())
    assert delivered(actions) == [9]
    assert of(actions, Close) == [Close(dial.way)]
    assert of(actions, Report) == []


def test_if_the_other_one_answers_it_counts_and_carries_what_is_left() -> None:
    table, main = talking(HERE, BRIDGE)
    table.submit(append("a"))
    [dial] = of(table.wait(0.45), Dial)
    table.submit(append("b"))
    actions = table.answer(dial.way, 0, done())
    assert delivered(actions) == [9]
    assert of(actions, Report) == [Report(BRIDGE, None)]
    assert [append("b")] in sent(actions), "the silent one has it, too"
    assert of(table.wait(1.4), Close) == []
    assert of(table.wait(0.2), Close) == [Close(main)], "it was frozen"


def test_a_better_way_that_answers_after_all_counts_again() -> None:
    table, main = talking(HERE, BRIDGE)
    table.submit(append("a"))
    n = of(table.actions, Send)[-1].n
    [dial] = of(table.wait(0.45), Dial)
    table.answer(dial.way, 0, done())
    actions = table.answer(main, n, done())
    assert delivered(actions) == [], "it was answered"
    assert of(actions, Report) == [Report(HERE, None)]
    assert of(actions, Close) == [Close(dial.way)]


def test_another_machine_comes_first_then_another_subnet_and_the_same_again_last() -> None:
    table, _ = talking(HERE, THERE, BRIDGE, way("bridge 2", "192.0.20.0/24", cost=1))
    table.submit(append("a"))
    table.wait(1.45)
    assert [d.candidate.text for d in of(table.actions, Dial)] == ["bridge", "bridge 2", "there"]
    table.wait(2.0)
    assert [d.candidate.text for d in of(table.actions, Dial)][3:] == ["here"]


def test_a_way_that_stands_alone_is_dialled_again_beside_itself() -> None:
    table, main = talking(HERE)
    table.submit(append("a"))
    [dial] = of(table.wait(0.45), Dial)
    assert dial.candidate == HERE
    actions = table.answer(dial.way, 0, done())
    assert delivered(actions) == [9]
    assert of(table.wait(3.1), Close) == [Close(main)]


def test_an_unanswered_handshake_has_one_of_another_kind_put_beside_it() -> None:
    plain = [HERE, THERE]
    unnamed = way("here unnamed", "203.0.113.0/24", 20, "relay", "unnamed")
    table = Table(*plain, unnamed)
    table.tell()
    table.wait(0.4)
    assert [d.candidate for d in of(table.actions, Dial)] == [HERE, unnamed]
    table = Table(*plain, unnamed, BRIDGE)
    table.tell()
    table.wait(0.4)
    assert [d.candidate for d in of(table.actions, Dial)] == [HERE, BRIDGE], "another machine before a trick"


def test_what_comes_by_itself_shows_that_a_way_lives() -> None:
    table, main = talking(HERE, BRIDGE)
    table.submit(append("a"))
    for _ in range(10):
        table.wait(0.25)
        table.tell(RecordsCame(main, 1, fetched(1)))
        for asked in of(table.actions, Send)[1:]:
            table.answer(main, asked.n)
    assert of(table.actions, Dial) == []


def test_who_only_listens_asks_when_it_has_become_quiet_and_not_when_nobody_is_there() -> None:
    table, main = talking(HERE, BRIDGE)
    actions = table.wait(3.0)
    [probe, *_] = of(actions, Send)
    assert probe.operations == ()
    assert of(actions, Dial), "it was not answered in time"
    table, main = talking(HERE, BRIDGE)
    answered: set[int] = set()
    while table.now < 58:
        table.wait(0.05)
        for asked in of(table.actions, Send):
            if asked.n not in answered:
                answered.add(asked.n)
                table.now += 0.06
                table.answer(main, asked.n)
    assert 18 <= len(answered) <= 40, "every three seconds, when nothing comes"
    assert of(table.actions, Dial) == []
    table.wait(10)
    table.actions.clear()
    table.wait(3600)
    assert of(table.actions, Send) == [], "quiet"


def test_a_look_at_what_the_silent_way_would_have_brought_goes_along() -> None:
    table, main = talking(HERE, BRIDGE)
    table.tell(WatchSet({1: item(1)}))
    n = of(table.actions, Send)[-1].n
    table.answer(main, n, Watched(b"h" * 16, ((1, fetched(1)),)))
    table.submit(append("a"))
    [dial] = of(table.wait(0.45), Dial)
    own = (entry_id(append("a").entries[0])[:OWN],)
    assert dial.operations == (append("a"), Fetch(b"L" * 32, b"R" * 32, 1, 8, own)), (
        "what it brings itself stays away"
    )


def test_what_may_have_been_too_much_does_not_go_in_the_first_flight_again() -> None:
    """Else every new way would fall silent over it before it could show that it works."""
    table, _ = talking(HERE, BRIDGE)
    table.submit(append("a", 11_000))
    table.actions.clear()
    while not of(table.actions, Dial):
        table.wait(0.05)
    [dial] = of(table.actions, Dial)
    assert [o for o in dial.operations if isinstance(o, Append)] == []
    table.answer(dial.way, 0, *[fetched() for _ in dial.operations])
    assert append("a", 11_000) in [
        o for a in of(table.actions, Send) if a.way == dial.way for o in a.operations
    ]


def test_by_a_way_in_place_of_a_silent_one_what_is_new_is_had_before_much_is_said() -> None:
    """Where connections freeze by volume, 11 KB beside the watch would take its answer along."""
    table, main = talking(HERE, BRIDGE)
    table.tell(WatchSet({1: item(1)}))
    table.answer(main, of(table.actions, Send)[-1].n, Watched(b"h" * 16, ((1, fetched(1)),)))
    large = append("a", 11_000)
    table.submit(large)
    table.submit(append("b"))
    table.actions.clear()
    while not of(table.actions, Dial):
        table.wait(0.05)
    [dial] = of(table.actions, Dial)
    assert [type(o) for o in dial.operations] == [Fetch], "what is new, and no text before its turn"
    table.actions.clear()
    table.answer(dial.way, 0, fetched())
    [asks] = [a for a in of(table.actions, Send) if a.way == dial.way]
    assert [type(o) for o in asks.operations] == [Watch]
    table.answer(dial.way, asks.n, Watched(b"i" * 16, ()))
    said = [o for a in of(table.actions, Send) if a.way == dial.way for o in a.operations]
    assert said == [*asks.operations, large, append("b")]


def test_what_one_attempt_asked_for_in_vain_the_next_ones_do_not_ask_for_before_they_are_up() -> None:
    """Where connections freeze by volume a long answer in the first flight kept each from coming up, for minutes."""
    table, main = talking(HERE, BRIDGE, THERE)
    table.tell(WatchSet({1: item(1)}))
    table.answer(main, of(table.actions, Send)[-1].n, Watched(b"h" * 16, ((1, fetched(1)),)))
    table.submit(append("a"))
    table.actions.clear()
    while len(of(table.actions, Dial)) < 2:
        table.wait(0.05)
    first, second = of(table.actions, Dial)[:2]
    assert [type(o) for o in first.operations] == [Append, Fetch]
    assert [type(o) for o in second.operations] == [Append]
    actions = table.answer(second.way, 0, done(2))
    asked = [o for a in of(actions, Send) if a.way == second.way for o in a.operations]
    assert any(isinstance(o, Fetch) for o in asked), "as soon as one is up it is asked"


def test_a_late_chunk_alone_is_given_longer() -> None:
    table, main = talking(HERE, BRIDGE)
    table.submit(put(0))
    assert of(table.wait(2.2), Dial) == []
    n = of(table.actions, Send)[0].n
    assert delivered(table.answer(main, n, Done())) == [9]


def test_on_this_machine_nothing_is_dialled_beside_a_way_nor_asked() -> None:
    table = Table(NEAR)
    table.up()
    table.submit(append("a"))
    actions = table.wait(9.9)
    assert of(actions, Dial) == []
    assert of(actions, Send) == []


def test_while_a_way_is_silent_no_more_than_four_go_to_a_subnet_and_ten_in_all() -> None:
    ways = [way(f"w{i}", f"192.0.{i // 2}.0/24", cost=i) for i in range(30)]
    table, _ = talking(*ways)
    table.submit(append("a"))
    start = table.now
    dials: list[tuple[float, str]] = [(0.0, ways[0].subnet)]
    while table.now < start + 59:
        dials += [(table.now, d.candidate.subnet) for d in of(table.wait(0.05), Dial)]
    assert len(dials) <= 10
    for subnet in {s for _, s in dials}:
        assert sum(s == subnet for _, s in dials) <= 4


@pytest.mark.parametrize("seconds", [1, 30])
def test_a_stream_that_is_quiet_and_answers_is_never_left(seconds: int) -> None:
    table, main = talking(STREAM, BRIDGE)
    for _ in range(20):
        table.submit(append("x"))
        n = of(table.actions, Send)[-1].n
        table.now += 0.06
        table.answer(main, n, done())
        end = table.now + seconds
        while table.now < end:
            for asked in of(table.wait(0.1), Send):
                table.answer(main, asked.n)
    assert of(table.actions, Dial) == []


def test_a_way_that_is_fine_is_not_left_for_a_better_one_that_took_very_long_to_come_up() -> None:
    table, _ = talking(HERE, BRIDGE)
    table.submit(append("a"))
    [dial] = of(table.wait(0.45), Dial)
    table.answer(dial.way, 0, done())

    def live(seconds: float) -> list[Dial]:
        end, dials = table.now + seconds, list[Dial]()
        while table.now < end:
            actions = table.wait(0.1)
            dials += [d for d in of(actions, Dial) if d.candidate == HERE]
            for asked in of(actions, Send):
                table.answer(dial.way, asked.n, *(done() for _ in asked.operations))
        return dials

    climbs: list[Dial] = []
    while not climbs:
        climbs = live(0.1)
    assert table.now < 30
    live(3)
    actions = table.answer(climbs[0].way, 0)
    assert of(actions, Report) == []
    assert Close(climbs[0].way) in actions


def frozen_by_the_watch(*ways: Candidate) -> tuple[Table, list[Dial]]:
    """Each way answers its first flight and then nothing: what the watch would bring is too much for it."""
    table, _ = talking(*ways)
    table.tell(WatchSet({1: item(1)}))
    dials: list[Dial] = []
    end = table.now + 6
    while table.now < end:
        for dial in of(table.wait(0.05), Dial):
            dials.append(dial)
            if dial.continues is None and dial.candidate.carries is Carries.STREAM:
                table.now += 0.25
                table.answer(dial.way, 0, *[fetched() for _ in dial.operations])
    return table, dials


def test_ways_that_fall_silent_over_the_watch_alone_show_that_connections_freeze() -> None:
    """Each was left for the next one within a third of a second, with nothing else under way: that it said nothing still counts."""
    short = [
        Candidate(f"short {n}", Carries.EXCHANGE, 9, False, f"192.0.{n}.0/24", f"s{n}", "short", short=True)
        for n in range(3)
    ]
    table, dials = frozen_by_the_watch(HERE, THERE, BRIDGE, *short)
    assert table.link.dialer.only_short
    streams = [dial.candidate.text for dial in dials if dial.candidate.carries is Carries.STREAM]
    assert len(streams) <= 4, "the third that comes up knows"
    assert any(dial.candidate.short for dial in dials), "and letters go"


def test_a_way_that_was_left_and_speaks_again_is_closed_and_not_blamed() -> None:
    table, main = talking(HERE, BRIDGE)
    table.tell(WatchSet({1: item(1)}))
    [dial] = of(table.wait(0.45), Dial)
    table.now += 0.1
    table.answer(dial.way, 0, *[fetched() for _ in dial.operations])
    assert main in table.link._ways, "whether it is only slow shows within a second and a half"
    assert main not in [close.way for close in of(table.actions, Close)]
    table.tell(Heard(main))
    assert table.link._main is not None
    assert table.link._main.number == main, "the better one, and it lives"
    assert not table.link.dialer.only_short
