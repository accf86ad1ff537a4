"""Each measure once, for real, at a small scale: two people talk through it, its controls hold, and nothing is lost, doubled or out of
order. Several cities at a time, since they mostly wait; how quick it was is for `make lab` to say.

The figures of the issue hold for a quiet machine. Here a test fails for what must never happen, whatever else the machine does.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator

import pytest

from lab import crew
from lab.measures import names
from lab.trial import Record, Task

pytestmark = [pytest.mark.lab, pytest.mark.processes]

MEASURES = [name for name in names() if name != "S8"]
SEED = 1
_JOBS = 3 if (os.cpu_count() or 1) < 4 else 4


def _task(measure: str, mode: str) -> Task:
    return Task(
        measure,
        "whimbrel",
        mode,
        seed=SEED,
        repeat=0,
        scale=0.02,
        messages=12,
        every=1.0,
        patience=300,
        files=False,
    )


class _Runs:
    """All runs are begun at once; each test waits for its own. One whose controls failed says nothing of whoever
    talked in it: it is made once more at the end, alone. What failed otherwise is not."""

    def __init__(self, tasks: list[Task]) -> None:
        self._records: dict[tuple[str, str], Record] = {}
        self._nothing_said: dict[tuple[str, str], Record] = {}
        self._came = threading.Condition()
        self._over = False
        self._thread = threading.Thread(target=self._work, args=(tasks,))
        self._thread.start()

    def _work(self, tasks: list[Task]) -> None:
        try:
            crew.work(tasks, _JOBS, self._take_unless_void)
            again = [task for task in tasks if (task.measure, task.mode) in self._nothing_said]
            crew.work(again, 1, self._take)
        finally:
            with self._came:
                self._records = self._nothing_said | self._records
                self._over = True
                self._came.notify_all()

    def _take_unless_void(self, record: Record) -> None:
        if record.void and not record.failed:
            self._nothing_said[record.measure, record.mode] = record
        else:
            self._take(record)

    def _take(self, record: Record) -> None:
        with self._came:
            self._records[record.measure, record.mode] = record
            self._came.notify_all()

    def of(self, measure: str, mode: str) -> Record:
        with self._came:
            self._came.wait_for(lambda: (measure, mode) in self._records or self._over)
            return self._records[measure, mode]

    def end(self) -> None:
        self._thread.join()


@pytest.fixture(scope="module")
def runs(request: pytest.FixtureRequest) -> Iterator[_Runs]:
    """Only those that this session asks for."""
    asked = [item.callspec.params for item in request.session.items if item.path == request.path]  # type: ignore[attr-defined]
    begun = _Runs([_task(params["measure"], params["mode"]) for params in asked])
    yield begun
    begun.end()


@pytest.mark.parametrize("mode", ["cut"])
@pytest.mark.parametrize("measure", MEASURES)
def test_nothing_is_lost_doubled_or_out_of_order_under(measure: str, mode: str, runs: _Runs) -> None:
    record = runs.of(measure, mode)
    assert record.failed == ""
    assert record.void == "", record.controls
    assert (record.lost, record.doubled, record.out_of_order) == (0, 0, 0), record.ways
    assert record.delivered == record.sent >= 24
    assert record.outbox == 0
