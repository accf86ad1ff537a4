"""Figures of a conversation, from what was sent and what arrived."""

from lab.talk import Arrived, Sent, figures, share

SENT = [Sent("a 0", 0.0), Sent("a 1", 1.0), Sent("a 2", 2.0)]


def test_what_arrived_once_and_in_order_is_counted_so() -> None:
    found = figures({"ada": SENT}, {"ada": [Arrived("a 0", 0.1), Arrived("a 1", 1.2), Arrived("a 2", 2.3)]})
    assert (found.sent, found.delivered, found.lost, found.doubled, found.out_of_order) == (3, 3, 0, 0, 0)
    assert found.p50 is not None
    assert round(found.p50, 3) == 0.2
    assert found.recovered is None


def test_what_did_not_arrive_is_lost_and_what_came_twice_is_doubled() -> None:
    found = figures({"ada": SENT}, {"ada": [Arrived("a 0", 0.1), Arrived("a 0", 0.2), Arrived("a 2", 2.3)]})
    assert (found.delivered, found.lost, found.doubled) == (2, 1, 1)


def test_what_nobody_sent_but_came_twice_is_doubled_too() -> None:
    found = figures({"ada": SENT[:1]}, {"ada": [Arrived("x", 0.1), Arrived("x", 0.2), Arrived("a 0", 2.3)]})
    assert (found.delivered, found.lost, found.doubled) == (1, 0, 1)


def test_a_message_that_comes_after_a_later_one_is_out_of_order() -> None:
    found = figures({"ada": SENT}, {"ada": [Arrived("a 1", 1.1), Arrived("a 0", 1.2), Arrived("a 2", 2.3)]})
    assert found.out_of_order == 1


def test_recovered_is_the_first_arrival_of_what_was_sent_after_the_strike() -> None:
    sent = {"ada": SENT, "bo": [Sent("b 0", 0.5), Sent("b 1", 1.5)]}
    arrived = {
        "ada": [Arrived("a 0", 0.1), Arrived("a 1", 4.0), Arrived("a 2", 4.0)],
        "bo": [Arrived("b 0", 3.0), Arrived("b 1", 3.5)],
    }
    found = figures(sent, arrived, strike=1.2)
    assert found.directions["ada"].recovered == 4.0 - 1.2
    assert found.directions["ada"].gap == 4.0 - 1.2
    assert found.directions["bo"].recovered == 3.5 - 1.2
    assert found.recovered == 3.5 - 1.2
    assert found.recovered_both == 4.0 - 1.2
    assert found.gap == 3.0 - 1.2


def test_nothing_after_the_strike_is_no_recovery() -> None:
    found = figures({"ada": SENT[:1], "bo": []}, {"ada": [Arrived("a 0", 0.1)]}, strike=0.05)
    assert found.recovered is None
    assert found.gap is not None
    assert found.recovered_both is None


def test_shares_are_nearest_ranks() -> None:
    assert share([], 0.5) is None
    assert share([1.0], 0.95) == 1.0
    assert share([float(n) for n in range(1, 101)], 0.95) == 95.0
    assert share([1.0, 2.0], 0.5) == 1.0
