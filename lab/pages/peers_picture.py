"""The matrix of the page about the peers as SVG."""

from __future__ import annotations

import html
import textwrap
from collections.abc import Sequence

from lab.pages.figures import as_seconds, as_times
from lab.pages.peers_rows import Row, in_order, in_short, measures_in, rows, title_of
from lab.pages.titles import short, title
from lab.trial import Record

_CLASSES = (
    (3.0, "#1a7f4b", "✓", "within 3 s"),
    (15.0, "#5c7a1f", "~", "within 15 s"),
    (float("inf"), "#8a6a00", "!", "later"),
)
_NEVER = ("#b3261e", "✗", "not while it lasts, in half of the runs or more")
_LOST = (
    "#9a4a12",
    "✗",
    "a next one came, and a quarter or more of all had not arrived when the waiting ended",
)
_VOID = ("#6b6b6b", "?", "the controls were not as they must be")
TITLE_WIDTH = 13
"""Letters of a messenger's name in a line, so that it stays over its column."""


def picture(records: Sequence[Record]) -> str:
    """Measures down, messengers across; in each cell *cut* in colour, and *kept* below it."""
    found = rows(records)
    there = in_order(peer for _, peer in found)
    measures = measures_in(found)
    left, top, wide, high = 270, 84, 92, 42
    legend = [*((colour, mark, words) for _, colour, mark, words in _CLASSES), _NEVER, _LOST, _VOID]
    width, height = (
        max(640, left + wide * len(there) + 16),
        top + high * len(measures) + 46 + 20 * len(legend),
    )
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img"'
        ' font-family="system-ui, sans-serif" font-size="13">',
        "<title>Seconds to the next message, of Whimbrel and its peers, under each measure</title>",
        f'<rect width="{width}" height="{height}" fill="#ffffff"/>',
    ]
    for across, peer in enumerate(there):
        x = left + wide * across + wide / 2
        for line, words in enumerate(textwrap.wrap(in_short(peer), TITLE_WIDTH)):
            out.append(
                f'<text x="{x}" y="{22 + 16 * line}" text-anchor="middle" font-size="12" font-weight="600">{html.escape(words)}</text>'
            )
    for down, measure in enumerate(measures):
        y = top + high * down
        out.append(f'<text x="14" y="{y + 26}" font-weight="600">{html.escape(short(measure))}</text>')
        out.append(
            f'<text x="64" y="{y + 26}" font-size="12" fill="#333333">{html.escape(title(measure))}</text>'
        )
        for across, peer in enumerate(there):
            row = found.get((measure, peer))
            if row is not None:
                out += _square(row, left + wide * across, y, wide, high)
    y = top + high * len(measures) + 20
    out.append(
        f'<text x="14" y="{y}" fill="#333333">In colour: cut; below it: kept. Whoever stands between XMPP and Delta Chat carries XMPP.</text>'
    )
    y += 12
    for at, (colour, mark, words) in enumerate(legend):
        out.append(f'<rect x="14" y="{y + at * 20}" width="14" height="14" rx="3" fill="{colour}"/>')
        out.append(f'<text x="34" y="{y + at * 20 + 12}" fill="#333333">{mark} {words}</text>')
    return "\n".join([*out, "</svg>"])


def _square(row: Row, x: float, y: float, wide: float, high: float) -> list[str]:
    cut, kept = row.by_mode.get("cut"), row.by_mode.get("kept")
    main = cut or kept
    if main is None:
        return []
    if not main.counted:
        colour, mark, _ = _VOID
        first = "void"
    elif main.median is None:
        colour, mark, _ = _NEVER
        first = "never"
    elif main.lost and main.lost * 4 >= main.sent:
        colour, mark, _ = _LOST
        first = f"{as_seconds(main.median)}, lost"
    else:
        median = main.median
        colour, mark = next((c, m) for limit, c, m, _ in _CLASSES if median <= limit)
        first = f"{as_seconds(median)} s"
    if main is kept:
        first = f"kept {first}"
    second = (
        f"kept {as_seconds(kept.median)}" if kept is not None and kept.counted and kept is not main else ""
    )
    told = f"{row.measure}, {title_of(row.peer)}: " + "; ".join(
        f"{mode} {as_times(cell)} s" for mode, cell in row.by_mode.items()
    )
    told += f"; {row.lost} lost, {row.late} of them late, {row.doubled} doubled"
    middle = x + wide / 2
    lines = [
        f"<g><title>{html.escape(told)}</title>",
        f'<rect x="{x + 2}" y="{y + 2}" width="{wide - 4}" height="{high - 4}" rx="5" fill="{colour}"/>',
        f'<text x="{middle}" y="{y + (18 if second else 26)}" text-anchor="middle" fill="#ffffff" font-weight="600" font-size="12">{mark} {first}</text>',
    ]
    if second:
        lines.append(
            f'<text x="{middle}" y="{y + 33}" text-anchor="middle" fill="#ffffff" font-size="11">{second}</text>'
        )
    return [*lines, "</g>"]
