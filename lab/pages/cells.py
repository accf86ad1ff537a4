"""All repeats of one measure, peer and mode, together: what a table and a picture have a cell for."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median

from lab import targets
from lab.measures import UnknownMeasure, load, names
from lab.targets import Target
from lab.trial import MODES, Record


@dataclass(frozen=True, slots=True)
class Cell:
    """All repeats of one measure, peer and mode."""

    measure: str
    peer: str
    mode: str
    runs: int
    void: int
    failed: int
    median: float | None
    """Seconds to the next message; a run in which none came counts as infinite, and is in `never`."""
    worst: float | None
    never: int
    lost: int
    doubled: int
    out_of_order: int
    sent: int
    outbox: int
    """Messages left, in all runs."""
    reasons: tuple[str, ...]

    @property
    def counted(self) -> int:
        return self.runs - self.void - self.failed

    def goal(self) -> tuple[float, float] | None:
        """(median, worst) that are to be reached; None where nothing is set."""
        return goal(self.measure, self.mode)

    def verdict(self) -> str:
        """'void', 'met', 'close' (the median is met, the worst is not), 'missed', or 'shown' where nothing is set."""
        if not self.counted:
            return "void"
        goal = self.goal()
        clean = not (self.lost or self.doubled or self.out_of_order)
        if goal is None:
            return "shown" if clean else "missed"
        if self.median is None or self.median > goal[0] or not clean:
            return "missed"
        return "met" if not self.never and self.worst is not None and self.worst <= goal[1] else "close"


def goal(measure: str, mode: str) -> tuple[float, float] | None:
    try:
        found: Target | None = targets.target(measure)
    except UnknownMeasure:
        return None
    if found is None:
        return None
    if mode == "cold":
        return found.cold, found.cold
    if mode == "cut":
        return found.median, found.worst
    return (found.kept, found.worst) if found.kept is not None else None


def cells(records: Iterable[Record]) -> list[Cell]:
    grouped: dict[tuple[str, str, str], list[Record]] = {}
    for record in records:
        grouped.setdefault((record.measure, record.peer, record.mode), []).append(record)
    order = {name: place for place, name in enumerate(names())}
    keys = sorted(
        grouped, key=lambda key: (key[1] != "whimbrel", key[1], order.get(key[0], 99), MODES.index(key[2]))
    )
    return [_cell(*key, grouped[key]) for key in keys]


def _cell(measure: str, peer: str, mode: str, runs: Sequence[Record]) -> Cell:
    good = [run for run in runs if not run.void and not run.failed]
    figures = [
        run.after_worst if mode != "cold" and hits_later(measure) else run.next_message for run in good
    ]
    times = sorted(figure if figure is not None else float("inf") for figure in figures)
    came = [time for time in times if time != float("inf")]
    middle = median(times) if times else None
    return Cell(
        measure,
        peer,
        mode,
        runs=len(runs),
        void=sum(bool(run.void) for run in runs),
        failed=sum(bool(run.failed) for run in runs),
        median=middle if middle != float("inf") else None,
        worst=came[-1] if came else None,
        never=len(times) - len(came),
        lost=sum(run.lost for run in good),
        doubled=sum(run.doubled for run in good),
        out_of_order=sum(run.out_of_order for run in good),
        sent=sum(run.sent for run in good),
        outbox=sum(run.outbox or 0 for run in good),
        reasons=tuple(
            dict.fromkeys(
                run.void or run.failed.strip().splitlines()[-1] for run in runs if run.void or run.failed
            )
        ),
    )


def hits_later(measure: str) -> bool:
    try:
        return load(measure).hits_later
    except UnknownMeasure:  # a file that is not here any more
        return False


def median_of(values: Iterable[float | None]) -> float | None:
    there = [value for value in values if value is not None]
    return median(there) if there else None
