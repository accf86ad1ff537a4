"""How fast a way is: what is late on it, and how many bytes of bulk it holds."""

from __future__ import annotations

import pytest
from link_table import Table, append, delivered, of, put

from whimbrel.link.events import Dial, Send
from whimbrel.link.pace import Pace
from whimbrel.link.queue import size_of
from whimbrel.wire.answers import Appended, Done
from whimbrel.wire.operations import Put


@pytest.mark.parametrize(
    ("round_trip", "late"), [(0.02, 0.3), (0.06, 0.3), (0.2, 0.6), (1.0, 3.0), (9.0, 5.0)]
)
def test_an_answer_is_late_after_three_round_trips_within_limits(round_trip: float, late: float) -> None:
    pace = Pace()
    for _ in range(40):
        pace.small_answered(round_trip)
    assert pace.late_after == pytest.approx(late, abs=0.01)


def test_a_way_whose_answers_vary_is_given_more() -> None:
    pace = Pace()
    for n in range(40):
        pace.small_answered(0.1 if n % 2 else 0.5)
    assert pace.late_after > 0.9


@pytest.mark.parametrize("rate", [16_000, 100_000, 1_000_000])
def test_what_is_under_way_takes_about_half_a_second_whatever_the_rate(rate: int) -> None:
    """A way that carries so many bytes a second, with 60 ms beside."""
    pace, now, sending = Pace(), 0.0, list[tuple[float, float, int]]()
    pace.opened(0.24, 4)
    free = 0.0
    for _ in range(3000):
        while sum(size for _, _, size in sending) + pace.part <= pace.window:
            free = max(free, now) + pace.part / rate
            sending.append((free + 0.06, now, pace.part))
        now, sent_at, size = sending.pop(0)
        pace.answered(now, sent_at, size, bulk=True)
    assert 0.25 <= pace.window / rate <= 0.75
    assert pace.part * 2 <= pace.window


def slow_way(rate: int, seconds: float) -> tuple[list[float], int]:
    """A file goes up a way of so many bytes a second while somebody writes now and then: what texts took, and the file got."""
    table = Table()
    table.link.takes_parts = True
    way = table.up()
    table.submit(*(put(n) for n in range(80)))
    free, texts, done = 0.0, dict[int, float](), 0
    arriving: list[tuple[float, Send]] = []
    took: list[float] = []
    seen = 0
    next_text = 3.0
    while table.now < seconds:
        if table.now >= next_text:
            next_text += 3.0
            table.submit(append("text", 500))
            texts[table.tickets] = table.now
        for send in of(table.actions, Send)[seen:]:
            size = sum(size_of(o) for o in send.operations) + 90
            free = max(free, table.now) + size / rate
            arriving.append((free + 0.06, send))
        seen = len(of(table.actions, Send))
        while arriving and arriving[0][0] <= table.now:
            _, send = arriving.pop(0)
            done += sum(len(o.chunk) for o in send.operations if isinstance(o, Put))
            answers = [
                Done() if isinstance(o, Put) else Appended(1, 1, 0, bytes(32)) for o in send.operations
            ]
            for ticket in delivered(table.answer(way, send.n, *answers)):
                if ticket in texts:
                    took.append(table.now - texts[ticket])
        table.wait(0.01)
    assert of(table.actions, Dial)[1:] == [], "slow is not silent"
    return took, done


def test_beside_a_file_on_128_kbit_a_text_takes_less_than_a_second_and_the_file_gets_85_percent() -> None:
    took, done = slow_way(16_000, 60)
    assert len(took) >= 18
    assert max(took) < 1.0
    assert done >= 0.85 * 16_000 * 60


def test_a_quick_way_carries_whole_chunks() -> None:
    table = Table()
    table.link.takes_parts = True
    way = table.up()
    table.submit(*(put(n) for n in range(100)))
    answered = 0
    while answered < 60:
        table.now += 0.002
        send = of(table.actions, Send)[answered]
        answered += 1
        table.answer(way, send.n, Done())
    last = of(table.actions, Send)[-1].operations[0]
    assert isinstance(last, Put)
    assert last.at is None
