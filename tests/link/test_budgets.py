"""How many connections are made: to one subnet, in all, while something works and when nothing does."""

from __future__ import annotations

import itertools
import random

import pytest
from simulated_network import most_within

from whimbrel.link.dialer import Dialer
from whimbrel.link.memory import Memory
from whimbrel.link.subnets import Subnets
from whimbrel.link.ways import Candidate, Carries


def way(name: str, subnet: str, cost: int = 0, short: bool = False) -> Candidate:
    carries = Carries.EXCHANGE if short else Carries.STREAM
    return Candidate(name, carries, cost, False, subnet, host=name, kind="plain", short=short)


def times_of(dialer: Dialer, up: Candidate | None, silent: bool, until: float) -> list[float]:
    """When it dials if every attempt is reset at once."""
    now, times = 0.0, []
    while now < until:
        chosen, wake = dialer.choose(now, up, silent)
        for one in chosen:
            times.append(now)
            dialer.failed(now, one.text)
        if not chosen:
            now = min(wake if wake is not None and wake > now else now + 0.1, now + 1)
    return times


def test_four_a_minute_to_one_subnet_also_before_anything_has_failed() -> None:
    dialer = Dialer([way(f"w{i}", "192.0.2.0/24") for i in range(9)], Memory())
    times = times_of(dialer, None, False, 600)
    assert most_within(times, 60) == 4


def test_ten_a_minute_in_all_while_something_works() -> None:
    ways = [way(f"w{i}", f"192.0.{i}.0/24", cost=i) for i in range(40)]
    dialer = Dialer(ways, Memory())
    now, times = 0.0, []
    while now < 300:
        dialer.works(now)
        chosen, _ = dialer.choose(now, ways[0], silent=True)
        for one in chosen:
            times.append(now)
            dialer.failed(now, one.text)
        now += 0.1
    assert most_within(times, 60) == 10


def test_when_nothing_works_it_goes_on_more_and_more_rarely_and_not_in_step_with_others() -> None:
    ways = [way(f"w{i}", f"192.0.{i}.0/24") for i in range(3)]
    firsts = []
    for seed in (b"1", b"2"):
        times = times_of(Dialer(ways, Memory(), seed=seed), None, False, 7200)
        assert sum(t < 600 for t in times) > sum(t >= 6600 for t in times) >= 3
        assert most_within(times, 60) <= 12
        firsts.append(times[3:])
    assert firsts[0] != firsts[1]


def test_another_network_is_tried_at_once_whatever_was_used_up_on_the_last_one() -> None:
    dialer = Dialer([way("a", "192.0.2.0/24"), way("b", "192.0.2.0/24")], Memory())
    times_of(dialer, None, False, 30)
    assert dialer.choose(30.0, None)[0] == []
    dialer.network_changed(30.0, "train")
    assert [c.text for c in dialer.choose(30.0, None)[0]] == ["a"]


def test_a_subnet_whose_handshakes_hang_after_several_is_left_alone_for_a_minute() -> None:
    ways = [way(f"w{i}", "192.0.2.0/24") for i in range(4)]
    up = way("else", "198.51.100.0/24", cost=1)
    dialer = Dialer([*ways, up], Memory())
    dialled: dict[str, float] = {}
    now = 0.0
    while len(dialled) < 4:
        for one in dialer.choose(now, up, silent=True)[0]:
            if one != up:
                dialled[one.text] = now
            if one == up or len(dialled) < 4:
                dialer.failed(now, one.text)  # reset at once
        now = round(now + 0.1, 1)
    last = max(dialled, key=lambda text: dialled[text])
    dialer.works(now + 1)
    dialer.failed(dialled[last] + 15, last, hung=True)
    word = dialer.seen.word(now + 15)
    assert word is not None
    assert word.value == "policed"
    now = dialled[last] + 15
    while not any(one != up for one in dialer.choose(now, up, silent=True)[0]):
        now += 0.1
    assert now >= dialled[last] + 60


@pytest.mark.parametrize("subnets", [1, 2, 5, 9])
def test_short_ones_are_twenty_a_minute_at_most_and_never_stop(subnets: int) -> None:
    ways = [way(f"w{i}", f"192.0.{i}.0/24", cost=60, short=True) for i in range(subnets)]
    memory = Memory()
    memory.showed("", "frozen-by-volume")
    dialer = Dialer([*ways, way("stream", "192.0.0.0/24")], memory)
    now, times = 0.0, []
    chance = random.Random(1)
    while now < 900:
        candidate, at = dialer.short(now)
        if candidate is not None:
            times.append(now)
            dialer.came_up(now + 0.2, candidate.text)
        assert candidate is not None or (at is not None and at > now)
        now += chance.random() / 2
    assert most_within(times, 60) <= min(20, 4 * subnets)
    assert len(times) >= 0.7 * 15 * min(20, 4 * subnets)
    longest = max(b - a for a, b in itertools.pairwise(times))
    assert longest < (62 if subnets == 1 else 40 if subnets == 2 else 15)


def test_a_text_that_comes_alone_goes_at_once_while_a_file_is_on_its_way() -> None:
    ways = [way(f"w{i}", f"192.0.{i}.0/24", cost=60, short=True) for i in range(5)]
    memory = Memory()
    memory.showed("", "frozen-by-volume")
    dialer = Dialer(ways, memory)
    now, chunks, texts = 0.0, 0, 0
    while now < 600:
        if dialer.short(now, bulk=True)[0] is not None:
            chunks += 1
        if int(now * 10) % 300 == 0:
            assert dialer.short(now, both=True)[0] is not None, now
            texts += 1
        now = round(now + 0.1, 1)
    assert texts == 20
    assert chunks >= 10 * 13


def test_while_short_ones_go_the_better_way_is_still_tried() -> None:
    ways = [way(f"w{i}", f"192.0.{i}.0/24", cost=60, short=True) for i in range(3)]
    stream = way("stream", "192.0.0.0/24")
    memory = Memory()
    memory.showed("", "frozen-by-volume")
    dialer = Dialer([*ways, stream], memory)
    now, tries = 0.0, []
    while now < 600:
        dialer.is_used(now)
        for one in dialer.choose(now, ways[0])[0]:
            tries.append(now)
            dialer.failed(now, one.text)
        dialer.short(now)
        now += 0.1
    assert max(b - a for a, b in itertools.pairwise(tries)) < 62


def test_while_somebody_is_there_a_better_way_is_tried_every_half_minute_or_so() -> None:
    better, lesser = way("better", "192.0.2.0/24"), way("lesser", "198.51.100.0/24", cost=1)
    dialer = Dialer([better, lesser], Memory())
    now, tries = 0.0, []
    while now < 3600:
        dialer.is_used(now)
        for one in dialer.choose(now, lesser)[0]:
            tries.append(now)
            dialer.failed(now, one.text)
        now += 0.5
    gaps = [b - a for a, b in itertools.pairwise(tries)]
    assert max(gaps) <= 50
    assert min(gaps[3:]) >= 25, "and no storm"


def test_a_text_goes_at_once_while_a_connection_is_left_and_a_look_waits() -> None:
    """A newcomer uses sixteen for coming in: the first words are not kept for the end of the minute."""
    memory = Memory()
    memory.showed("", "frozen-by-volume")
    ways = [way(f"s{n}", f"192.0.{n}.0/24", short=True) for n in range(5)]
    dialer = Dialer(ways, memory)
    now, used = 0.0, 0
    while used < 16:
        candidate, at = dialer.short(now, hedge=True)
        assert candidate is not None, at
        dialer.came_up(now + 0.2, candidate.text)
        now, used = now + 0.5, used + 1
    candidate, at = dialer.short(now)
    assert candidate is None
    assert at is not None
    assert at > now + 5
    first, _ = dialer.short(now, text=True)
    assert first is not None
    second, _ = dialer.short(now + 1, text=True)
    assert second is not None
    third, _ = dialer.short(now + 2, text=True, both=True)
    assert third is not None, "chunks that wait keep none from it"
    assert dialer.short(now + 3, text=True)[0] is None, (
        "but for the one that is for letters that go once more"
    )


def test_letters_go_by_others_than_a_way_that_was_beaten() -> None:
    memory = Memory()
    memory.showed("", "frozen-by-volume")
    ways = [way(f"s{n}", f"192.0.{n}.0/24", short=True) for n in range(3)]
    dialer = Dialer(ways, memory)
    slow, _ = dialer.short(0.0)
    assert slow is not None
    dialer.beaten(1.0, slow.text)
    taken = []
    for n in range(6):
        candidate, _ = dialer.short(1.0 + n, hedge=True)
        assert candidate is not None
        dialer.came_up(1.2 + n, candidate.text)
        taken.append(candidate.text)
    assert slow.text not in taken


def test_the_same_network_again_begins_no_new_budget() -> None:
    """A line that comes and goes would else make as many connections anew each time."""
    one = way("a", "192.0.2.0/24")
    dialer = Dialer([one], Memory(), network="home")
    for second in range(4):
        dialer.opened(float(second), one.text)
    full = dialer.room_at(one, 10.0)
    assert full > 60.0
    dialer.network_changed(10.0, "home")
    assert dialer.room_at(one, 10.0) == full
    dialer.network_changed(11.0, "train")
    assert dialer.room_at(one, 11.0) == 11.0


def test_links_to_two_relays_behind_one_subnet_share_its_budget() -> None:
    subnets = Subnets("home")
    ways = [way(name, "192.0.2.0/24") for name in ("a", "b")]
    dialers = [Dialer([one], Memory(), network="home", subnets=subnets) for one in ways]
    times: list[float] = []
    now = 0.0
    while now < 600.0:
        for dialer in dialers:
            for one in dialer.choose(now, None)[0]:
                times.append(now)
                dialer.failed(now, one.text)
        now += 0.25
    assert most_within(times, 60) == 4
    for dialer in dialers:
        dialer.network_changed(600.0, "train")
    assert all(dialer.connections(600.0, "192.0.2.0/24") == 0 for dialer in dialers)
    dialers[0].choose(600.0, None)
    dialers[1].network_changed(601.0, "train")
    assert dialers[1].connections(601.0, "192.0.2.0/24") == 1, (
        "it is the same one; the other link has dialled there"
    )
