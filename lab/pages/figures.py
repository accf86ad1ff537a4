"""Numbers as they are shown."""

from __future__ import annotations

from lab.pages.cells import Cell


def as_seconds(seconds: float | None) -> str:
    if seconds is None:
        return "never"
    return f"{seconds:.2f}" if seconds < 10 else f"{seconds:.0f}"


def as_times(cell: Cell) -> str:
    if not cell.counted:
        return "void"
    worst = "never" if cell.never else as_seconds(cell.worst)
    return as_seconds(cell.median) if cell.counted == 1 else f"{as_seconds(cell.median)} ({worst})"


def or_nothing(value: float | None) -> str:
    return "" if value is None else as_seconds(value)


def whole(value: float | None) -> str:
    return "" if value is None else f"{value:.0f}"
