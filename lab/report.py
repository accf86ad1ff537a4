"""From records to something to read: rows, a table as text, a page of documentation, and one HTML file with the matrix as a picture."""

from __future__ import annotations

import html
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from lab import targets
from lab.measures import UnknownMeasure, load, names, s06_throttle
from lab.targets import Target
from lab.trial import MODES, Record, summary_of


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


def as_seconds(seconds: float | None) -> str:
    if seconds is None:
        return "never"
    return f"{seconds:.2f}" if seconds < 10 else f"{seconds:.0f}"


def as_times(cell: Cell) -> str:
    if not cell.counted:
        return "void"
    worst = "never" if cell.never else as_seconds(cell.worst)
    return as_seconds(cell.median) if cell.counted == 1 else f"{as_seconds(cell.median)} ({worst})"


# -- as text ---------------------------------------------------------------------------------------------------------


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


# -- as a page of documentation ----------------------------------------------------------------------------------------


def as_markdown(records: Sequence[Record], facts: dict[str, Any]) -> str:
    found = cells(records)
    peers = list(dict.fromkeys(cell.peer for cell in found))
    parts = [
        "# What came of it: the blocked networks of the lab",
        "",
        "Made by `python -m lab table --write-docs`, from runs of `python -m lab run`; nobody edits this page by hand. What the measures"
        " are: `python -m lab list`. How a run goes: [howto/lab.md](howto/lab.md).",
        "",
        "![The matrix: measures down, ways of striking across, each cell the median in seconds](pictures/lab-matrix.svg)",
        "",
        "Figures are seconds from the strike to the next message that was sent after it and arrived, in both directions: median (worst) of"
        " the repeats. *kept*: open connections live on as the measure leaves them. *cut*: all to relay, bridges and CDN are silently"
        " dropped at the strike; of S13, whose addresses die some time after it, the longest that any message took in place of the first."
        " *cold*: from the opening of an invite by a new person until their first message is at the other side. The longest that any"
        " message took, of all measures, is in the second table.",
        "",
    ]
    for peer in peers:
        parts += [
            f"## {peer}",
            "",
            "| measure | kept | cut | target | cold | target | lost / doubled / out of order |",
            "| --- | --- | --- | --- | --- | --- | --- |",
        ]
        rows = dict.fromkeys(cell.measure for cell in found if cell.peer == peer)
        for name in rows:
            by_mode = {cell.mode: cell for cell in found if cell.peer == peer and cell.measure == name}
            troubles = [
                sum(getattr(cell, what) for cell in by_mode.values())
                for what in ("lost", "doubled", "out_of_order")
            ]
            sent = sum(cell.sent for cell in by_mode.values())
            words = [name]
            for mode in MODES:
                words.append(_in_table(by_mode.get(mode)))
                if mode != "kept":
                    aim = goal(name, mode)
                    words.append(
                        "" if aim is None else f"≤ {aim[0]:g}" + (f" ({aim[1]:g})" if mode == "cut" else "")
                    )
            parts.append("| " + " | ".join([*words, f"{' / '.join(map(str, troubles))} of {sent}"]) + " |")
        parts.append("")
    parts += ["## Beside the open network", "", *_costs(records), ""]
    parts += ["## What was not reached", "", *(_not_reached(found, records) or ["Nothing."]), ""]
    parts += ["## What these runs do not show", "", *_not_shown(found, records), ""]
    parts += ["## With what", "", *(f"- {name}: {value}" for name, value in facts.items()), ""]
    return "\n".join(parts)


def _in_table(cell: Cell | None) -> str:
    if cell is None:
        return ""
    text = as_times(cell)
    return f"**{text}**" if cell.verdict() in ("missed", "close") else text


def _costs(records: Sequence[Record]) -> list[str]:
    """Connections, bytes, files: of *cut* runs, medians."""
    rows = [
        "Of *cut* runs, medians: the longest that any message took after the strike (and in the worst run), new connections of both people and the most in a minute (of one person, and of one person to one /24),"
        " bytes beside those of S0 for as long, 100 KB and 1 MB (seconds), the longest a text took in the first minute beside the larger one, seconds from the lifting"
        " until both are on the way of before, addresses that the censor listed by itself.",
        "",
        "| measure | longest | connections | a minute | a minute, /24 | bytes × S0 | 100 KB | 1 MB | text | back | listed |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    good = [
        r
        for r in records
        if r.mode == "cut" and r.peer == "whimbrel" and not r.void and not r.failed and r.seconds
    ]
    open_rate = median_of([run.bytes / run.seconds for run in good if run.measure == "S0"])
    for name in dict.fromkeys(cell.measure for cell in cells(good)):
        runs = [run for run in good if run.measure == name]
        rate = median_of([run.bytes / run.seconds for run in runs])
        ratio = f"{rate / open_rate:.1f}" if rate is not None and open_rate else ""
        listed = sum(len({entry for one in run.learnt for entry in one}) for run in runs)
        words = [
            name,
            _longest(runs),
            _whole(median_of([run.connections for run in runs])),
            _whole(max((run.most_in_a_minute for run in runs), default=None)),
            _whole(max((run.most_in_a_minute_to_a_net for run in runs), default=None)),
            ratio,
            *(
                _or_nothing(median_of([getattr(run, what) for run in runs]))
                for what in ("picture", "file", "text_beside_file", "recovered")
            ),
            str(listed),
        ]
        rows.append("| " + " | ".join(words) + " |")
    return rows


def median_of(values: Iterable[float | None]) -> float | None:
    there = [value for value in values if value is not None]
    return median(there) if there else None


def _longest(runs: Sequence[Record]) -> str:
    """Of all messages after the strike, the one that took longest: median and worst of the runs."""
    times = sorted(run.after_worst if run.after_worst is not None else float("inf") for run in runs)
    if not times:
        return ""
    shown = ["never" if time == float("inf") else as_seconds(time) for time in (median(times), times[-1])]
    return shown[0] if len(times) == 1 else f"{shown[0]} ({shown[1]})"


def _whole(value: float | None) -> str:
    return "" if value is None else f"{value:.0f}"


def _or_nothing(value: float | None) -> str:
    return "" if value is None else as_seconds(value)


def _not_reached(found: Sequence[Cell], records: Sequence[Record]) -> list[str]:
    lines = []
    for cell in found:
        if cell.peer != "whimbrel":
            continue
        goal, verdict = cell.goal(), cell.verdict()
        what = []
        slow = (
            cell.never
            or cell.median is None
            or cell.worst is None
            or (goal and (cell.median > goal[0] or cell.worst > goal[1]))
        )
        if verdict in ("missed", "close") and goal is not None and slow:
            what.append(
                f"{as_times(cell)}{'' if cell.median is None else ' s'} in place of {goal[0]:g} ({goal[1]:g})"
            )
        what += [
            f"{count} {word}"
            for count, word in (
                (cell.lost, "lost"),
                (cell.doubled, "doubled"),
                (cell.out_of_order, "out of order"),
            )
            if count
        ]
        if cell.void or cell.failed:
            what.append(f"{cell.void + cell.failed} of {cell.runs} runs void: {'; '.join(cell.reasons)}")
        if what:
            lines.append(f"- {cell.measure}, {cell.mode}: {', '.join(what)}")
    lines += _files_not_reached(records)
    for run in records:
        lifted = run.measure.startswith("S22") and run.mode != "cold" and not (run.void or run.failed)
        late = run.recovered is None or run.recovered > targets.RECOVERY
        if lifted and late and run.peer == "whimbrel":
            lines.append(
                f"- {run.measure}, {run.mode}, seed {run.seed}: back on the plain way after {as_seconds(run.recovered)} s in place of 60"
            )
    return lines


def _not_shown(found: Sequence[Cell], records: Sequence[Record]) -> list[str]:
    """How far the runs are from the full table."""
    fewest = min((cell.counted for cell in found if cell.peer == "whimbrel"), default=0)
    sent = min((record.sent for record in records if record.mode != "cold" and not record.failed), default=0)
    lines = [
        f"- The full table (`make lab`) is 20 repeats with 100 messages each way; here each cell has at least {fewest}, and a talk has"
        f" {sent} messages of both or more.",
        "- *Lost* is what had not arrived when the waiting ended; the first message of a cold start counts, too.",
    ]
    if not any(record.picture is not None or record.file is not None for record in records):
        lines.append("- No files were sent in these runs.")
    missing = [name for name in names() if name != "S8" and name not in {cell.measure for cell in found}]
    if missing:
        lines.append(f"- Not run: {', '.join(missing)}.")
    return lines


def _files_not_reached(records: Sequence[Record]) -> list[str]:
    """What is wanted of files under S6 and S14, by medians of *cut* runs."""
    lines = []
    for name in ("S6", "S14", "S14b"):
        runs = [
            r
            for r in records
            if (r.measure, r.mode, r.peer) == (name, "cut", "whimbrel") and not r.void and not r.failed
        ]
        picture, file, text = (
            median_of([getattr(run, what) for run in runs])
            for what in ("picture", "file", "text_beside_file")
        )
        if not runs or (picture is None and file is None):
            continue  # no files were asked for, or none came: the table says which
        if name == "S6":
            # It goes up one throttled link and down another, one after the other.
            share = 2 * 1_000_000 * 8 / s06_throttle.RATE / file if file else 0.0
            if share < targets.FILE_SHARE:
                lines.append(
                    f"- S6: a file of 1 MB gets {share:.0%} of the link in place of {targets.FILE_SHARE:.0%}"
                )
            if text is None or text > targets.TEXT_BESIDE_FILE:
                lines.append(
                    f"- S6: a text beside the file takes {as_seconds(text)} s in place of {targets.TEXT_BESIDE_FILE:g}"
                )
            continue
        if picture is None or picture > targets.PICTURE:
            lines.append(
                f"- {name}: a picture of 100 KB takes {as_seconds(picture)} s in place of {targets.PICTURE:g}"
            )
        never = sum(run.file is None for run in runs if run.picture is not None)
        if never:
            lines.append(f"- {name}: a file of 1 MB did not arrive in time in {never} of the runs with files")
    return lines


# -- as a picture ------------------------------------------------------------------------------------------------------

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


def place_of(name: str) -> int:
    order = list(names())
    return order.index(name) if name in order else len(order)


def short(name: str) -> str:
    return Path(name).stem[:8] if name.endswith(".py") else name


_TITLES = {
    "S0": "open network",
    "S1": "names removed",
    "S2": "and other resolvers closed",
    "S3": "forged answers, beside the true",
    "S3b": "forged answers, in their place",
    "S4": "reset by name",
    "S5": "silence by name, naive",
    "S5r": "silence by name, reassembling",
    "S6": "throttled by address",
    "S6p": "throttled by name, policer",
    "S7": "capacity 5 by name",
    "S7b": "4 of 5 connections fail",
    "S8": "calls off",
    "S9": "QUIC off",
    "S10": "VPN signatures",
    "S11": "fully encrypted (China)",
    "S11b": "large and unknown (Russia)",
    "S12": "fingerprints, ECH",
    "S13": "probing and listing",
    "S14": "curtain, 25 packets",
    "S14b": "curtain, 16 KB",
    "S15": "policing, 12 a minute",
    "S15s": "policing, 4 a minute",
    "S16": "everything, by seed",
    "S22": "lifted step by step",
}


def title(name: str) -> str:
    if name in _TITLES:
        return _TITLES[name]
    try:
        return load(name).about[:34]
    except UnknownMeasure:
        return ""


# -- as HTML -----------------------------------------------------------------------------------------------------------

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; color: #1c1c1c; background: #fff; margin: 2rem auto; max-width: 76rem; padding: 0 1rem; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.15rem; margin-top: 2rem; }
table { border-collapse: collapse; width: 100%; font-size: 13px; } td, th { text-align: left; padding: .3rem .6rem; border-bottom: 1px solid #ddd; vertical-align: top; }
.number { text-align: right; font-variant-numeric: tabular-nums; } .picture { overflow-x: auto; } code { font-size: 12px; }
"""


def as_html(records: Sequence[Record], facts: dict[str, Any]) -> str:
    """One file with nothing beside it."""
    said = "".join(
        f"<li>{html.escape(str(name))}: {html.escape(str(value))}</li>" for name, value in facts.items()
    )
    measured = dict.fromkeys(record.measure for record in records)
    rows = "".join(_measure_row(name) for name in sorted(measured, key=place_of))
    runs = "".join(_run_row(record) for record in records)
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>The blocked networks of the lab</title>'
        f'<meta name="viewport" content="width=device-width"><style>{_STYLE}</style></head><body>'
        "<h1>Seconds to the next message</h1>"
        "<p>From the strike until a message that was sent after it had arrived, in both directions. <b>kept</b>: open connections live on. "
        "<b>cut</b>: all are silently dropped at the strike. <b>cold</b>: a new person with an invite, until the first message arrived. "
        "Each cell: the median; the worst of all repeats; what is wanted, median and worst.</p>"
        f'<div class="picture">{picture(records)}</div>'
        f"<h2>The measures</h2><table><tr><th>name</th><th>what it does</th><th>numbers</th><th>known from</th></tr>{rows}</table>"
        "<h2>Every run</h2><table><tr><th>measure</th><th>peer</th><th>mode</th><th>seed</th><th>seconds</th><th>p50</th><th>p95</th>"
        "<th>delivered</th><th>doubled</th><th>order</th><th>1 MB</th><th>connections</th><th>KB</th><th>back</th><th>the filters</th>"
        f"</tr>{runs}</table><h2>With what</h2><ul>{said}</ul></body></html>"
    )


def _measure_row(name: str) -> str:
    try:
        measure = load(name)
    except UnknownMeasure:
        return ""
    words = (short(name), measure.about, measure.numbers, measure.source)
    return "<tr>" + "".join(f"<td>{html.escape(word)}</td>" for word in words) + "</tr>"


def _run_row(record: Record) -> str:
    if record.void or record.failed:
        why = html.escape((record.void or record.failed)[:300])
        return (
            f"<tr><td>{html.escape(short(record.measure))}</td><td>{record.peer}</td><td>{record.mode}</td><td>{record.seed}</td>"
            f'<td colspan="11">void: {why}</td></tr>'
        )
    did = ", ".join(f"{count} {word}" for word, count in summary_of(record.counts).items())
    numbers = [
        as_seconds(record.next_message),
        _or_nothing(record.p50),
        _or_nothing(record.p95),
        f"{record.delivered}/{record.sent}",
        record.doubled,
        record.out_of_order,
        _or_nothing(record.file),
        record.connections,
        record.bytes // 1000,
        _or_nothing(record.recovered),
    ]
    words = "".join(
        f"<td>{html.escape(str(w))}</td>"
        for w in (short(record.measure), record.peer, record.mode, record.seed)
    )
    cells_ = "".join(f'<td class="number">{number}</td>' for number in numbers)
    return f"<tr>{words}{cells_}<td><code>{html.escape(did)}</code></td></tr>"


def read(file: Path) -> tuple[list[Record], dict[str, Any]]:
    """The records and facts of a results.json."""
    told = json.loads(file.read_text())
    return [Record(**record) for record in told["records"]], told["facts"]


def write(folder: Path, records: Sequence[Record], facts: dict[str, Any]) -> None:
    """results.json and report.html."""
    folder.mkdir(parents=True, exist_ok=True)
    told = {"facts": facts, "records": [record.as_json() for record in records]}
    (folder / "results.json").write_text(json.dumps(told, indent=1) + "\n")
    (folder / "report.html").write_text(as_html(records, facts))
