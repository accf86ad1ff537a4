"""When a way is called slow: a person is told by it that texts go first."""

from link_table import STREAM, Table, append, done, of

from whimbrel.link.events import Report
from whimbrel.link.keys import Keys
from whimbrel.link.pace import Pace
from whimbrel.wire.keydoc import KEM, KeyDocument


def test_one_slow_answer_alone_says_nothing() -> None:
    pace = Pace()
    pace.small_answered(4.0)
    assert not pace.slow


def test_a_way_is_slow_while_small_requests_wait_for_seconds() -> None:
    pace = Pace()
    for _ in range(4):
        pace.small_answered(4.0)
    assert pace.slow
    pace.small_answered(1.5)
    assert pace.slow, "it does not go to and fro"
    for _ in range(6):
        pace.small_answered(0.1)
    assert not pace.slow


def test_it_is_reported_when_it_begins_and_when_it_is_over() -> None:
    table = Table()
    told: list[bool] = []
    table.submit(append("first"))
    table.answer(1, 0, done(1))
    for n, seconds in enumerate((5, 5, 5, 5, 0, 0, 0, 0, 0), 1):
        table.submit(append(f"{n}"))
        table.now += seconds
        told += [report.slow for report in of(table.answer(1, n, done(n + 1)), Report) if report.up == STREAM]
    assert told == [True, False]


def test_clocks_that_are_a_day_apart_are_noticed_by_the_times_of_the_key_document() -> None:
    week = 7 * 24 * 3600
    keys = Keys(b"R" * 32, None)
    assert not keys.disagree_with(0), "nothing is known of the relay's clock yet"
    keys.document = KeyDocument(b"R" * 32, 1, 10 * week, 12 * week, KEM, b"", {}, {}, None, b"")
    assert not keys.disagree_with(10 * week - 3600)
    assert not keys.disagree_with(11 * week)
    assert keys.disagree_with(9 * week), "behind"
    assert keys.disagree_with(13 * week), "ahead"
