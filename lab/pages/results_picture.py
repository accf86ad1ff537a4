"""The matrix of Whimbrel's page as SVG."""

from __future__ import annotations

import html
from collections.abc import Sequence

from lab.pages.cells import Cell, cells
from lab.pages.figures import as_seconds, as_times
from lab.pages.titles import place_of, short, title
from lab.trial import MODES, Record

_COLOURS = {"met": "#1a7f4b", "close": "#8a6a00", "missed": "#b3261e", "void": "#6b6b6b", "shown": "#3b6ea5"}
_MARKS = {"met": "✓", "close": "~", "missed": "✗", "void": "?", "shown": "·"}
"""Beside the colours, which not everybody tells apart."""
_WORDS = {
    "met": "as wanted",
    "close": "median as wanted, worst not",
    "missed": "not as wanted, or something was lost",
    "void": "the controls were not as they must be",
    "shown": "nothing set",
}


def picture(records: Sequence[Record]) -> str:
    """The matrix as SVG: measures down, peers and modes across, the median in seconds in each cell, the worst below it."""
    found = cells(records)
    rows = list(
        dict.fromkeys(cell.measure for cell in sorted(found, key=lambda cell: place_of(cell.measure)))
    )
    columns = list(dict.fromkeys((cell.peer, cell.mode) for cell in found))
    columns.sort(key=lambda column: (column[0] != "whimbrel", column[0], MODES.index(column[1])))
    left, top, wide, high = 290, 74, 136, 44
    width, height = max(560, left + wide * len(columns) + 20), top + high * len(rows) + 34 + 22 * len(_WORDS)
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img"'
        ' font-family="system-ui, sans-serif" font-size="13">',
        "<title>Seconds to the next message under each measure</title>",
        f'<rect width="{width}" height="{height}" fill="#ffffff"/>',
    ]
    for at, (peer, mode) in enumerate(columns):
        x = left + wide * at + wide / 2
        out.append(f'<text x="{x}" y="34" text-anchor="middle" font-weight="600">{html.escape(peer)}</text>')
        out.append(f'<text x="{x}" y="54" text-anchor="middle" fill="#555555">{mode}</text>')
    for down, name in enumerate(rows):
        y = top + high * down
        out.append(f'<text x="14" y="{y + 27}" font-weight="600">{html.escape(short(name))}</text>')
        out.append(f'<text x="72" y="{y + 27}" fill="#333333">{html.escape(title(name))}</text>')
        for across, (peer, mode) in enumerate(columns):
            cell = next((c for c in found if (c.measure, c.peer, c.mode) == (name, peer, mode)), None)
            if cell is not None:
                out += _square(cell, left + wide * across, y, wide, high)
    y = top + high * len(rows) + 22
    for at, (verdict, words) in enumerate(_WORDS.items()):
        x, line = 14, y + at * 22
        out.append(f'<rect x="{x}" y="{line}" width="14" height="14" rx="3" fill="{_COLOURS[verdict]}"/>')
        out.append(f'<text x="{x + 20}" y="{line + 12}" fill="#333333">{_MARKS[verdict]} {words}</text>')
    return "\n".join([*out, "</svg>"])


def _square(cell: Cell, x: float, y: float, wide: float, high: float) -> list[str]:
    verdict = cell.verdict()
    goal = cell.goal()
    wanted = f", wanted {goal[0]:g} ({goal[1]:g})" if goal else ""
    told = f"{cell.measure}, {cell.peer}, {cell.mode}: {as_times(cell)} s{wanted}; {cell.counted} runs, {cell.lost} lost"
    first = "void" if verdict == "void" else as_seconds(cell.median) + ("" if cell.median is None else " s")
    words = []
    if cell.counted > 1:
        words.append("worst never" if cell.never else f"worst {as_seconds(cell.worst)}")
    if goal:
        words.append(f"≤ {goal[0]:g}" if goal[0] == goal[1] else f"≤ {goal[0]:g} ({goal[1]:g})")
    if cell.lost or cell.doubled or cell.out_of_order:
        words = [f"{cell.lost} lost" if cell.lost else "doubled" if cell.doubled else "out of order"]
    second = ", ".join(words)
    middle = x + wide / 2
    lines = [
        f"<g><title>{html.escape(told)}</title>",
        f'<rect x="{x + 2}" y="{y + 2}" width="{wide - 4}" height="{high - 4}" rx="5" fill="{_COLOURS[verdict]}"/>',
        f'<text x="{middle}" y="{y + (19 if second else 27)}" text-anchor="middle" fill="#ffffff" font-weight="600">{_MARKS[verdict]} {first}</text>',
    ]
    if second:
        lines.append(
            f'<text x="{middle}" y="{y + 34}" text-anchor="middle" fill="#ffffff" font-size="11">{second}</text>'
        )
    return [*lines, "</g>"]
