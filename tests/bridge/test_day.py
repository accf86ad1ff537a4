"""What a bridge counts of a day: numbers, kept over restarts, and nothing of who was there."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from whimbrel.bridge.day import FILE, Day, Numbers
from whimbrel.serving.folder import DataFolderDamaged

ADA, BO = (b"to ada"[:5],), (b"to bo",)
FIRST, SECOND = date(2026, 11, 30), date(2026, 12, 1)


class Calendar:
    def __init__(self) -> None:
        self.today = FIRST

    def __call__(self) -> date:
        return self.today


def test_what_is_passed_on_counts_twice_because_it_comes_in_and_goes_out(tmp_path: Path) -> None:
    day = Day(tmp_path, 1000, Calendar())
    day.carried(499)
    assert not day.spent
    day.carried(1)
    assert day.spent
    assert day.numbers.size == 1000


def test_without_a_limit_it_is_never_spent(tmp_path: Path) -> None:
    day = Day(tmp_path, None, Calendar())
    day.carried(1 << 50)
    assert not day.spent


def test_a_restart_begins_no_new_day_and_counts_nobody_twice(tmp_path: Path) -> None:
    calendar = Calendar()
    day = Day(tmp_path, 1000, calendar)
    day.carried(500)
    for names in (ADA, BO, ADA, ()):
        day.helped(names)
    day.keep()
    again = Day(tmp_path, 1000, calendar)
    assert again.spent
    assert again.numbers == Numbers("2026-11-30", "2026-11-30", 1000, 3)
    again.helped(BO)
    assert again.numbers.people == 3


def test_the_next_day_begins_at_nothing_and_what_was_before_is_added_up(tmp_path: Path) -> None:
    calendar = Calendar()
    day = Day(tmp_path, 1000, calendar)
    day.carried(500)
    day.helped(ADA)
    day.helped(BO)
    calendar.today = SECOND
    day.look()
    assert not day.spent
    assert day.numbers == Numbers("2026-11-30", "2026-12-01", 0, 0, 2, 1000)
    day.helped(ADA)
    assert day.numbers.people == 1
    day.keep()
    assert Day(tmp_path, 1000, calendar).numbers == day.numbers


def test_a_clock_that_is_set_back_begins_a_day_too(tmp_path: Path) -> None:
    calendar = Calendar()
    calendar.today = date(2099, 1, 1)
    day = Day(tmp_path, 1000, calendar)
    day.carried(500)
    calendar.today = FIRST
    day.look()
    assert not day.spent
    assert day.numbers.day == "2026-11-30"


def test_nothing_of_who_was_there_is_on_the_disk(tmp_path: Path) -> None:
    day = Day(tmp_path, None, Calendar())
    day.helped(BO)
    day.keep()
    assert [path.name for path in tmp_path.iterdir()] == [FILE]
    kept = (tmp_path / FILE).read_bytes()
    assert (
        kept
        == b'{"since": "2026-11-30", "day": "2026-11-30", "size": 0, "people": 1, "most": 0, "size_before": 0}'
    )


@pytest.mark.parametrize(
    "text",
    [
        "",
        "7",
        "[]",
        '{"since": "2026-11-30"}',
        '{"since": "2026-11-30", "day": "soon"}',
        '{"since": "2026-11-30", "day": "2026-11-30", "size": -1}',
        '{"since": "2026-11-30", "day": "2026-11-30", "size": 1.5}',
        '{"since": "2026-11-30", "day": "2026-11-30", "who": "Bo"}',
    ],
)
def test_what_no_bridge_wrote_is_damage(tmp_path: Path, text: str) -> None:
    (tmp_path / FILE).write_text(text)
    with pytest.raises(DataFolderDamaged):
        Day(tmp_path, None, Calendar())
