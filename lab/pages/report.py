"""A folder of results: results.json, and report.html with every run."""

from __future__ import annotations

import html
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lab.measures import UnknownMeasure, load
from lab.pages.figures import as_seconds, or_nothing
from lab.pages.results_picture import picture
from lab.pages.titles import place_of, short
from lab.trial import Record, summary_of

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; color: #1c1c1c; background: #fff; margin: 2rem auto; max-width: 76rem; padding: 0 1rem; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.15rem; margin-top: 2rem; }
table { border-collapse: collapse; width: 100%; font-size: 13px; } td, th { text-align: left; padding: .3rem .6rem; border-bottom: 1px solid #ddd; vertical-align: top; }
.number { text-align: right; font-variant-numeric: tabular-nums; } .picture { overflow-x: auto; } code { font-size: 12px; }
"""


def read(file: Path) -> tuple[list[Record], dict[str, Any]]:
    """The records and facts of a results.json."""
    told = json.loads(file.read_text())
    return [Record(**record) for record in told["records"]], told["facts"]


def write(folder: Path, records: Sequence[Record], facts: dict[str, Any]) -> None:
    """results.json and report.html."""
    folder.mkdir(parents=True, exist_ok=True)
    told = {"facts": facts, "records": [record.as_json() for record in records]}
    new = folder / "results.json.new"
    new.write_text(json.dumps(told, indent=1) + "\n")
    new.rename(folder / "results.json")  # whole, also when somebody presses Ctrl-C twice
    (folder / "report.html").write_text(as_html(records, facts))


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
        or_nothing(record.p50),
        or_nothing(record.p95),
        f"{record.delivered}/{record.sent}",
        record.doubled,
        record.out_of_order,
        or_nothing(record.file),
        record.connections,
        record.bytes // 1000,
        or_nothing(record.recovered),
    ]
    words = "".join(
        f"<td>{html.escape(str(w))}</td>"
        for w in (short(record.measure), record.peer, record.mode, record.seed)
    )
    cells_ = "".join(f'<td class="number">{number}</td>' for number in numbers)
    return f"<tr>{words}{cells_}<td><code>{html.escape(did)}</code></td></tr>"
