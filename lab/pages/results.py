"""Whimbrel's page, docs/lab-results.md."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median
from typing import Any

from lab import targets
from lab.measures import names, s06_throttle
from lab.pages.cells import Cell, cells, goal, median_of
from lab.pages.figures import as_seconds, as_times, or_nothing, whole
from lab.trial import MODES, Record

_PEERS = [
    "## Beside what people would use otherwise",
    "",
    "![The matrix: measures down, messengers across, each cell the median in seconds](pictures/lab-peers.svg)",
    "",
    "Of runs of their own, `make lab-peers`: the same city and measures, the same seeds for all, five repeats. Each messenger, what a"
    " person has to do until it works again, where it does better than Whimbrel, and how it was configured: [lab-peers.md](lab-peers.md).",
    "",
]


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
    parts += _PEERS
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
            whole(median_of([run.connections for run in runs])),
            whole(max((run.most_in_a_minute for run in runs), default=None)),
            whole(max((run.most_in_a_minute_to_a_net for run in runs), default=None)),
            ratio,
            *(
                or_nothing(median_of([getattr(run, what) for run in runs]))
                for what in ("picture", "file", "text_beside_file", "recovered")
            ),
            str(listed),
        ]
        rows.append("| " + " | ".join(words) + " |")
    return rows


def _longest(runs: Sequence[Record]) -> str:
    """Of all messages after the strike, the one that took longest: median and worst of the runs."""
    times = sorted(run.after_worst if run.after_worst is not None else float("inf") for run in runs)
    if not times:
        return ""
    shown = ["never" if time == float("inf") else as_seconds(time) for time in (median(times), times[-1])]
    return shown[0] if len(times) == 1 else f"{shown[0]} ({shown[1]})"


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
