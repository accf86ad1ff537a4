"""The dialer, to the millisecond, with no loop: what it dials, when, and above all what it does not."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whimbrel.link import dialer as policy
from whimbrel.link.dialer import Dialer
from whimbrel.link.memory import Memory
from whimbrel.link.ways import Candidate, Carries, neighbourhood


def way(name: str, cost: int = 0, near: bool = False, subnet: str | None = None) -> Candidate:
    return Candidate(name, Carries.STREAM, cost, near, subnet if subnet is not None else f"net of {name}")


def names(chosen: list[Candidate]) -> list[str]:
    return [c.text for c in chosen]


def test_plain_ways_come_first_and_the_next_ones_later_and_later() -> None:
    dialer = Dialer([way("c", 2), way("a", 0), way("b", 1), way("d", 3)], Memory())
    assert dialer.choose(0.0, None) == ([way("a", 0)], 0.4)
    assert dialer.choose(0.399, None) == ([], 0.4)
    assert dialer.choose(0.4, None) == ([way("b", 1)], pytest.approx(1.2))
    assert dialer.choose(1.201, None) == ([way("c", 2)], pytest.approx(1.6))
    assert dialer.choose(1.599, None)[0] == [], "no more than three that may be answered any moment"
    assert dialer.choose(1.601, None) == ([], pytest.approx(2.801)), "the first is late, but not forgotten"
    assert dialer.choose(2.802, None) == ([way("d", 3)], None)


def test_a_refusal_lets_the_next_way_go_first_but_not_at_once() -> None:
    dialer = Dialer([way("a"), way("b", 1)], Memory())
    dialer.choose(0.0, None)
    dialer.failed(0.01, "a")
    assert dialer.choose(0.01, None) == ([], 0.25)
    assert dialer.choose(0.25, None) == ([way("b", 1)], pytest.approx(1.0, abs=0.25))


def test_a_way_that_fails_waits_longer_each_time_up_to_five_minutes() -> None:
    dialer = Dialer([way("a")], Memory())
    now, waits = 0.0, []
    for _ in range(14):
        chosen, wake = dialer.choose(now, None)
        if not chosen:  # the budget of its subnet holds it back beyond its own wait
            assert wake is not None
            now = wake
            chosen, _ = dialer.choose(now, None)
        assert names(chosen) == ["a"]
        dialer.failed(now, "a")
        _, wake = dialer.choose(now, None)
        assert wake is not None
        waits.append(wake - now)
        now = wake
    assert 0.8 <= waits[0] <= 1.2
    assert 1.6 <= waits[1] <= 2.4
    assert all(240 <= wait <= 360 for wait in waits[-3:])


def test_after_a_failure_a_subnet_gets_four_new_connections_a_minute() -> None:
    ways = [way(f"w{i}", i, subnet="203.0.113.0/24") for i in range(12)]
    dialer = Dialer(ways, Memory())
    dialled: list[float] = []
    now = 0.0
    while now < 300:
        chosen, wake = dialer.choose(now, None)
        for one in chosen:
            dialled.append(now)
            dialer.failed(now, one.text)
        now = min(wake if wake is not None and wake > now else now + 0.05, now + 5)
    for start in dialled:
        assert sum(start <= t < start + 60 for t in dialled) <= 4


def test_names_that_lead_to_one_subnet_share_its_budget() -> None:
    dialer = Dialer([way(f"n{i}", i) for i in range(6)], Memory())
    now, dialled = 0.0, 0
    while now < 30:
        chosen, _ = dialer.choose(now, None)
        for one in chosen:
            dialled += 1
            dialer.failed(now, one.text, ("203.0.113.0/24",))
        now += 0.05
    # Each name was unknown until it was tried once; then all are one subnet, and its budget is used up.
    assert dialled == 6


def test_what_worked_on_this_network_goes_first_and_what_failed_last() -> None:
    memory = Memory()
    memory.came_up("home", "d")
    memory.failed("home", "a")
    ways = [way("a", 0), way("b", 1), way("d", 9)]
    assert names(Dialer(ways, memory, network="home").choose(0, None)[0]) == ["d"]
    assert names(Dialer(ways, memory, network="elsewhere").choose(0, None)[0]) == ["a"]
    at_home = Dialer(ways, memory, network="home")
    order = [names(at_home.choose(t, None)[0])[0] for t in (0, 1, 3)]
    assert order == ["d", "b", "a"]


def test_a_way_up_for_a_while_is_dialled_at_once_when_it_is_lost_but_not_one_that_never_holds() -> None:
    dialer = Dialer([way("a")], Memory())
    dialer.choose(0.0, None)
    dialer.came_up(0.2, "a")
    dialer.lost(30.2, "a", 30.0)
    assert names(dialer.choose(30.2, None)[0]) == ["a"]
    dialer.came_up(30.3, "a")
    dialer.lost(30.5, "a", 0.2)
    chosen, wake = dialer.choose(30.5, None)
    assert chosen == []
    assert wake == pytest.approx(31.5, abs=0.2)


def test_a_relay_on_this_machine_is_found_again_within_a_quarter_second() -> None:
    dialer = Dialer([way("a", near=True)], Memory())
    dialer.choose(0.0, None)
    dialer.came_up(0.0, "a")
    dialer.lost(1.0, "a", 1.0)
    now, tries = 1.0, []
    while now < 4.0:
        chosen, wake = dialer.choose(now, None)
        if chosen:
            tries.append(now)
            dialer.failed(now, "a")
        else:
            assert wake is not None
            now = wake
    gaps = [b - a for a, b in zip([1.0, *tries], tries, strict=False)]
    assert max(gaps) <= 0.3
    assert gaps[0] <= 0.06
    assert len(tries) < 40, "eager, not busy"


def test_a_relay_on_this_machine_that_stays_away_is_asked_every_two_seconds() -> None:
    dialer = Dialer([way("a", near=True)], Memory())
    now, tries = 0.0, []
    while now < 200:
        chosen, wake = dialer.choose(now, None)
        if chosen:
            tries.append(now)
            dialer.failed(now, "a")
        else:
            assert wake is not None
            now = wake
    assert sum(100 <= t < 200 for t in tries) <= 63


def test_while_a_lesser_way_is_up_a_better_one_is_tried_alone_and_ever_more_rarely() -> None:
    dialer = Dialer([way("better", 0), way("equal", 10), way("lesser", 10)], Memory())
    dialer.choose(0.0, None)
    dialer.failed(0.1, "better")
    dialer.came_up(0.5, "lesser")
    now, tries = 0.5, []
    while now < 3600:
        chosen, wake = dialer.choose(now, way("lesser", 10))
        if chosen:
            assert names(chosen) == ["better"]
            tries.append(now)
            assert dialer.choose(now, way("lesser", 10)) == ([], None), "one at a time"
            dialer.failed(now + 1, "better")
            now += 1
        else:
            assert wake is not None
            now = wake
    gaps = [b - a for a, b in zip([0.5, *tries], tries, strict=False)]
    assert all(later >= earlier * 1.3 for earlier, later in pairwise(gaps) if later < 1500)
    assert gaps[0] >= 8
    assert len(tries) <= 9


def test_nothing_is_dialled_while_the_best_way_is_up() -> None:
    dialer = Dialer([way("a"), way("b", 1)], Memory())
    dialer.choose(0, None)
    dialer.came_up(0.1, "a")
    assert dialer.choose(10_000, way("a")) == ([], None)


def test_somebody_who_waits_ends_a_long_wait_but_starts_no_storm() -> None:
    dialer = Dialer([way("a")], Memory())
    now = 0.0
    for _ in range(6):
        dialer.choose(now, None)
        dialer.failed(now, "a")
        now += 120
        dialer.nudge(now)
    dialled = 0
    for _ in range(600):  # a person presses the key again and again for a minute
        now += 0.1
        dialer.nudge(now)
        chosen, _ = dialer.choose(now, None)
        for _one in chosen:
            dialled += 1
            dialer.failed(now, "a")
    assert 1 <= dialled <= 5


def test_another_network_forgets_waits_and_grudges() -> None:
    dialer = Dialer([way("a")], Memory())
    for i in range(8):
        dialer.choose(i * 500.0, None)
        dialer.failed(i * 500.0, "a")
    assert dialer.choose(3501.0, None)[0] == []
    dialer.network_changed(3501.0, "train")
    assert names(dialer.choose(3501.0, None)[0]) == ["a"]


def test_the_same_seed_decides_the_same_and_another_spreads() -> None:
    def first_wait(seed: bytes) -> float:
        dialer = Dialer([way("a")], Memory(), seed=seed)
        dialer.choose(0, None)
        dialer.failed(0, "a")
        return dialer.choose(0, None)[1] or 0.0

    assert first_wait(b"1") == first_wait(b"1")
    assert len({first_wait(bytes([i])) for i in range(20)}) == 20


def test_a_way_that_was_taken_out_of_the_list_is_not_dialled_any_more() -> None:
    dialer = Dialer([way("a"), way("b", 1)], Memory())
    dialer.choose(0, None)
    dialer.set_candidates([way("b", 1)])
    dialer.failed(0.5, "a")
    assert names(dialer.choose(5, None)[0]) == ["b"]


@given(
    st.lists(
        st.tuples(st.integers(0, 4), st.floats(0.01, 100), st.sampled_from(["fail", "up", "lost", "nudge"])),
        max_size=120,
    )
)
def test_it_always_goes_on_and_never_storms(story: list[tuple[int, float, str]]) -> None:
    ways = [way(f"w{i}", i, subnet="198.51.100.0/24") for i in range(5)]
    dialer = Dialer(ways, Memory(), seed=b"s")
    now, dialled, trying, up, failed = 0.0, [], [], None, False
    for which, pause, what in story:
        chosen, wake = dialer.choose(now, up)
        dialled += [now for _ in chosen] if failed else []
        trying += chosen
        assert len(trying) <= policy.TRYING_MAX
        assert wake is None or wake > now
        assert up is not None or trying or wake is not None, "it would wait for ever"
        if what == "fail" and trying:
            dialer.failed(now, trying.pop(which % len(trying)).text)
            failed = True
        elif what == "up" and trying:
            up = trying.pop(which % len(trying))
            dialer.came_up(now, up.text)
            for other in trying:
                dialer.withdrawn(now, other.text)
            trying.clear()
        elif what == "lost" and up is not None:
            dialer.lost(now, up.text, pause)
            up = None
        elif what == "nudge":
            dialer.nudge(now)
        now += pause
    for start in dialled:
        assert sum(start <= t < start + 60 for t in dialled) <= policy.BUDGET


# ---------------------------------------------------------------------------------------------- memory


def test_a_memory_goes_through_its_value_and_forgets_what_it_does_not_understand() -> None:
    memory = Memory()
    memory.came_up("home", "a")
    memory.failed("home", "b")
    memory.failed("train", "a")
    again = Memory.from_value(memory.value())
    assert again.value() == memory.value()
    assert again.past("home", "a").standing == 0
    assert again.past("home", "b").standing == 2
    assert again.past("home", "c").standing == 1


@given(st.recursive(st.none() | st.integers() | st.text(max_size=5) | st.booleans(), st.lists, max_leaves=30))
def test_any_value_gives_a_memory(value: object) -> None:
    assert isinstance(Memory.from_value(value).value(), list)


def test_a_memory_stays_small() -> None:
    memory = Memory()
    for network in range(100):
        for name in range(200):
            memory.failed(f"n{network}", f"w{name}")
    value = memory.value()
    assert len(value) == 16
    assert value[-1][0] == "n99"
    assert all(len(ways) == 128 for _, ways in value)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("host", "addresses", "found"),
    [
        ("127.0.0.1", (), (True, "127.0.0.0/24")),
        ("localhost", (), (True, "localhost")),
        ("::1", (), (True, "::/48")),
        ("203.0.113.9", (), (False, "203.0.113.0/24")),
        ("2001:db8:1:2::3", (), (False, "2001:db8:1::/48")),
        ("relay.example", (), (False, "relay.example")),
        ("relay.example", ("203.0.113.9",), (False, "203.0.113.0/24")),
    ],
)
def test_where_a_way_leads(host: str, addresses: tuple[str, ...], found: tuple[bool, str]) -> None:
    assert neighbourhood(host, addresses) == found


def of_others(name: str, origin: str) -> Candidate:
    return Candidate(name, Carries.STREAM, 5, False, "net of others", origin=origin, of_others=True)


def fail(dialer: Dialer, now: float, times: int) -> float:
    """Let whatever is chosen fail so often; when the last one did."""
    while times:
        chosen, wake = dialer.choose(now, None)
        for one in chosen:
            dialer.failed(now, one.text)
            times -= 1
        if not chosen:
            assert wake is not None
            now = wake
    return now


def test_a_way_of_others_that_leads_nowhere_is_tried_once_an_hour_whatever_is_made_of_it() -> None:
    """Whoever told it may aim us at a stranger: neither haste nor other tricks at the same machine knock there oftener."""
    dialer = Dialer([of_others("theirs", "theirs"), of_others("frag|theirs", "theirs")], Memory())
    now = fail(dialer, 0.0, policy.VAIN + 2)
    knocks, end = 0, now + 6 * policy.WAIT_VAIN
    while now < end:
        now += 60.0
        dialer.nudge(now)
        for one in dialer.choose(now, None)[0]:
            knocks += 1
            dialer.failed(now, one.text)
    assert 2 <= knocks <= 16, "two ways, six hours, and the spread"


def test_a_way_of_others_that_once_led_there_is_tried_like_ones_own() -> None:
    memory = Memory()
    memory.came_up("", "theirs")
    dialer = Dialer([of_others("theirs", "theirs"), of_others("frag|theirs", "theirs")], memory)
    now = fail(dialer, 0.0, policy.VAIN + 2)
    knocks, end = 0, now + 1800
    while now < end:
        now += 60.0
        for one in dialer.choose(now, None)[0]:
            knocks += 1
            dialer.failed(now, one.text)
    assert knocks >= 6


def test_a_way_of_others_that_is_told_again_by_another_path_or_after_a_restart_is_no_new_one() -> None:
    memory = Memory()
    dialer = Dialer([of_others("wss://a.example/one", "one")], memory)
    now = fail(dialer, 0.0, policy.VAIN)
    dialer.set_candidates([])
    dialer.set_candidates([of_others("wss://a.example/two", "two")])
    now = fail(dialer, now + 1000.0, 1)
    dialer.nudge(now + 60.0)
    assert not dialer.choose(now + policy.WAIT_VAIN / 2, None)[0]
    again = Dialer([of_others("wss://a.example/one", "one")], memory)
    again.failed(0.0, again.choose(0.0, None)[0][0].text)
    assert not again.choose(policy.WAIT_VAIN / 2, None)[0]
    assert again.choose(2 * policy.WAIT_VAIN, None)[0]


def test_a_place_of_others_that_led_there_once_and_is_gone_is_tried_seldom() -> None:
    dialer = Dialer([of_others("wss://a.example/one", "one")], Memory())
    dialer.came_up(0.0, dialer.choose(0.0, None)[0][0].text)
    now = 1.0
    for _ in range(policy.GONE):
        now = fail(dialer, now, 1)
        dialer.works(now)  # by another way: it is not the line
    dialer.nudge(now + 60.0)
    assert not dialer.choose(now + policy.WAIT_GONE / 2, None)[0]
    now += 2 * policy.WAIT_GONE
    [way] = dialer.choose(now, None)[0]
    dialer.came_up(now, way.text)
    dialer.failed(now + 1.0, way.text)
    assert dialer.choose(now + 1.3 * policy.WAIT_MAX, None)[0], "it led there again"


def test_a_line_that_is_dead_is_not_held_against_what_others_told() -> None:
    memory = Memory()
    friends = Dialer([of_others("wss://a.example/one", "one")], memory)
    friends.came_up(0.0, friends.choose(0.0, None)[0][0].text)
    now = fail(friends, 1.0, 2 * policy.GONE)
    friends.nudge(now + 60.0)
    assert friends.choose(now + 65.0, None)[0], "somebody waits"
    fresh = Dialer([of_others("wss://b.example/one", "one")], Memory())
    for second in range(policy.VAIN + 2):
        fresh.failed(float(second), "wss://b.example/one", local=True)
    fresh.nudge(100.0)
    assert fresh.choose(100.0, None)[0]


def test_another_port_at_a_friends_bridge_does_not_count_against_it() -> None:
    bad, good = "wss://a.example:1/one", "wss://a.example/two"
    dialer = Dialer([of_others(bad, bad), of_others(good, good)], Memory())
    for second in range(policy.VAIN):
        dialer.failed(float(second), bad)
    dialer.failed(10.0, good)
    chosen, _ = dialer.choose(60.0, None)
    assert [one.text for one in chosen] == [good]
