"""What came of one peer under one measure, and where it does better than Whimbrel."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from lab import peers
from lab.pages.cells import Cell, cells, hits_later, median_of
from lab.pages.figures import as_seconds
from lab.pages.titles import place_of
from lab.trial import Record

OURS = "whimbrel"
FIRST = "first"
_TITLES = {
    OURS: "Whimbrel",
    FIRST: "Whimbrel, first way only",
    "alone": "Whimbrel, no bridges",
    "plain": "plain client",
}
_THROUGH = "XMPP, "
"""How the title of a tunnel begins; in a head of a column it is left out."""
_NEVER_S = float("inf")
_COUNTS = ("connections", "bytes a message", "addresses listed", "lost or doubled")
_SAME_S, _SAME_SHARE = 0.05, 0.1
"""Medians that lie nearer to each other than this count as alike: it is what the same run shows when it is made again."""


def title_of(peer: str) -> str:
    return _TITLES.get(peer) or (peers.load(peer).title if peer in peers.names() else peer)


def in_short(peer: str) -> str:
    """A tunnel by its own name."""
    return title_of(peer).removeprefix(_THROUGH)


def _rank(peer: str) -> tuple[int, str]:
    order = [OURS, FIRST, "alone", *peers.names(), "plain"]
    return (order.index(peer) if peer in order else len(order)), peer


def in_order(found: Iterable[str]) -> list[str]:
    return sorted(set(found), key=_rank)


@dataclass(frozen=True, slots=True)
class Row:
    """All runs of a peer under a measure, both ways of striking."""

    measure: str
    peer: str
    by_mode: Mapping[str, Cell]
    delivered: int
    sent: int
    lost: int
    late: int
    doubled: int
    picture: float | None
    file: float | None
    connections: float | None
    bytes_each: float | None
    """For each message that was delivered, of runs without files."""
    learnt: int
    by_hand: str


def rows(records: Sequence[Record]) -> dict[tuple[str, str], Row]:
    """By measure and peer. Of runs whose controls held; connections and bytes of *cut* runs without files, and files of those with them, medians."""
    by_cell: dict[tuple[str, str], dict[str, Cell]] = {}
    for cell in cells(records):
        by_cell.setdefault((cell.measure, cell.peer), {})[cell.mode] = cell
    found = {}
    for (measure, peer), by_mode in by_cell.items():
        good = [
            run
            for run in records
            if (run.measure, run.peer) == (measure, peer)
            and run.mode != "cold"
            and not run.void
            and not run.failed
        ]
        cut = [run for run in good if run.mode == "cut"]
        texts = [run for run in cut if run.picture is None]
        found[measure, peer] = Row(
            measure,
            peer,
            by_mode,
            delivered=sum(run.delivered for run in good),
            sent=sum(run.sent for run in good),
            lost=sum(run.lost for run in good),
            late=sum(run.late for run in good),
            doubled=sum(run.doubled for run in good),
            picture=median_of([run.picture for run in cut]),
            file=median_of([run.file for run in cut]),
            connections=median_of([run.connections for run in texts or cut]),
            bytes_each=median_of([run.bytes / run.delivered for run in texts if run.delivered]),
            learnt=sum(len({entry for one in run.learnt for entry in one}) for run in good),
            by_hand=_by_hand(good),
        )
    return found


def _by_hand(runs: Sequence[Record]) -> str:
    """What a person had to do until it worked again, from whether it came back by itself."""
    came = [_came(run) for run in runs]
    if not runs or all(came):
        return "nothing"
    stuck = sum(not ok and run.recovered is None for ok, run in zip(came, runs, strict=True))
    share = f" ({came.count(False)} of {len(runs)} runs)" if any(came) else ""
    return ("start it again, or another way" if stuck else "another way, or wait") + share


def _came(run: Record) -> bool:
    """Whether messages went again before it was lifted."""
    return (run.after_worst if hits_later(run.measure) else run.next_message) is not None


def better(found: Mapping[tuple[str, str], Row]) -> list[str]:
    """Lines of a table: where a peer's figure is better than Whimbrel's by more than the same run shows when it is made again."""
    lines = []
    for measure in measures_in(found):
        if (measure, OURS) not in found:
            continue
        rivals = [row for (name, peer), row in found.items() if name == measure and peer in peers.names()]
        rivals.sort(key=lambda row: _rank(row.peer))
        theirs = [(row, _figures(row)) for row in rivals]
        for what, own in _figures(found[measure, OURS]).items():
            there = [
                (row, told[what]) for row, told in theirs if what in told and _less(told[what], own, what)
            ]
            if there:
                told = "; ".join(f"{in_short(row.peer)} {_as_figure(value, what)}" for row, value in there)
                lines.append(f"| {measure} | {what} | {_as_figure(own, what)} | {told} |")
    return lines


def _figures(row: Row) -> dict[str, float]:
    """What can be compared, as far as it was measured; what never came has taken for ever. Who is silent because it is blocked needs no
    connections: such figures are of those alone who lost nothing."""
    found = {
        f"next message, {mode}": _NEVER_S if cell.median is None else cell.median
        for mode, cell in row.by_mode.items()
        if cell.counted and mode != "cold"
    }
    if row.picture is not None:
        found["100 KB"] = row.picture
        found["1 MB"] = _NEVER_S if row.file is None else row.file
    cut = row.by_mode.get("cut")
    if cut is not None and cut.median is not None and not row.lost:
        found |= {
            what: value
            for what, value in (
                ("connections", row.connections),
                ("bytes a message", row.bytes_each),
                ("addresses listed", float(row.learnt)),
            )
            if value is not None
        }
    if row.sent:
        found["lost or doubled"] = (row.lost + row.doubled) / row.sent
    return found


def _less(value: float, own: float, what: str) -> bool:
    if value == _NEVER_S or own == _NEVER_S:
        return value != own == _NEVER_S
    return value < own - max(_SAME_S if what not in _COUNTS else 0.0, _SAME_SHARE * own)


def _as_figure(value: float, what: str) -> str:
    if what in _COUNTS:
        return f"{value:.1%}" if what == "lost or doubled" else f"{value:,.0f}"
    return "never" if value == _NEVER_S else f"{as_seconds(value)} s"


def measures_in(found: Mapping[tuple[str, str], Row]) -> list[str]:
    return sorted({measure for measure, _ in found}, key=place_of)
