"""A table as text, for the end of a run."""

from __future__ import annotations

from collections.abc import Sequence

from lab.pages.cells import cells
from lab.pages.figures import as_times
from lab.trial import Record


def as_text(records: Sequence[Record]) -> str:
    """What is printed at the end."""
    lines = [
        f"{'measure':8} {'peer':9} {'mode':5} {'runs':>4}  {'seconds':>15}  {'target':>11}  {'lost':>4} {'dbl':>3} {'ooo':>3}"
    ]
    for cell in cells(records):
        goal = cell.goal()
        wanted = f"{goal[0]:g} ({goal[1]:g})" if goal else ""
        mark = {"met": "", "shown": "", "close": "  worst missed", "missed": "  MISSED", "void": "  VOID"}[
            cell.verdict()
        ]
        lines.append(
            f"{cell.measure:8} {cell.peer:9} {cell.mode:5} {cell.counted:>4}  {as_times(cell):>15}  {wanted:>11}"
            f"  {cell.lost:>4} {cell.doubled:>3} {cell.out_of_order:>3}{mark}"
        )
        lines += [f"           {reason}" for reason in cell.reasons]
    return "\n".join(lines)
