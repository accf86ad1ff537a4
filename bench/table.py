"""The tables of docs/benchmarks.md, made of the records in bench/out/.

python bench/table.py            prints them
python bench/table.py --write    puts them into the page, between its two marks
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from _record import OUT, short
from run import ORDER

PAGE = Path(__file__).parents[1] / "docs" / "benchmarks.md"
BEGIN, END = "<!-- made by bench/table.py -->", "<!-- end of what bench/table.py makes -->"

Row = tuple[str, str, str, str]
"""What is asked, the benchmark, the figure in its record, the aim in words."""

RELAY = "whimbrel relay"
MAM, EJABBERD = "ejabberd + mod_mam on PostgreSQL", "ejabberd"
PACKAGED = f"{RELAY} on the distribution's Python"


def multiples(ours: str, on: str) -> list[Row]:
    """What the relay carries, as multiples of ejabberd."""
    return [
        (f"… {on}, as a multiple of ejabberd {form}, which {answers} the sender", "relay_throughput", f"{ours} as a multiple of {peer}, {how}", aim)
        for peer, form, aim in ((MAM, "with its archive in PostgreSQL", "≥ 10"), (EJABBERD, "without archive", "≥ 2"))
        for how, answers in (("answered", "answers"), ("bare", "does not answer"))
    ]  # fmt: skip


AIMS: tuple[Row, ...] = (
    ("durable messages a second at the relay (50 send to 50, 200 B, one under way each)", "relay_throughput", RELAY, ""),
    ("… on the Python of Debian, where the peers come from, too", "relay_throughput", PACKAGED, ""),
    *multiples(PACKAGED, "on the Python of Debian"),
    *multiples(RELAY, "on the Python that is here"),
    ("at 1,000 messages a second, send to watcher: half of all within", "relay_latency", f"{RELAY}: half of all within", "≤ 1 ms"),
    ("… 99 of 100 within", "relay_latency", f"{RELAY}: 99 of 100 within", "≤ 10 ms"),
    ("memory of an idle session that watches three logs, of 5,000", "relay_memory", f"{RELAY}: an idle session, of 5,000", "≤ 8 KB"),
    ("… of 19,000", "relay_memory", f"{RELAY}: an idle session, of 19,000", "≤ 8 KB"),
    ("… of 5,000, with TLS inside the relay", "relay_memory", f"{RELAY} with TLS inside: an idle session, of 5,000", ""),
    ("… of 19,000, with TLS inside the relay", "relay_memory", f"{RELAY} with TLS inside: an idle session, of 19,000", ""),
    ("sessions opened a second on one core (upgrade, letter, KEM, watch of three logs)", "session_opening", "sessions opened", "≥ 2,000/s"),
    ("a person's message: call in one running app to event in the other, half of all within", "message_latency", "from the call to the event, median of a round", "≤ 20 ms"),
    ("the command `send` against a running app, whole process", "message_latency", "the command `send`, whole process", "≤ 150 ms"),
    ("catching up on 10,000 waiting messages: decrypted, stored, searchable", "catch_up", "catching up on 10,000 messages", "≥ 2,500/s"),
    ("start with 100,000 messages: code loaded", "store_search", "loading the code for it, median", ""),
    ("… and the store opened, newest chat shown", "store_search", "open and show the newest chat, slowest of 5", "≤ 1 s"),
    ("search of 100,000 messages, the slowest of eight kinds of query, newest 50", "store_search", "SLOWEST SEARCH", "≤ 30 ms"),
    ("the list of 2,000 chats, as the page asks for it, with 100,000 messages in the store", "reading", "list of all chats", "≤ 50 ms"),
    ("… 60 messages with their files and reactions", "reading", "60 messages before those", "≤ 10 ms"),
    ("the page: first script, compressed (all scripts before the first paint, gzip)", "page", "first script, compressed (all scripts before the first paint, gzip)", "≤ 120 KB"),
    ("… first paint on loopback, with 100,000 messages in 2,000 chats", "page", "first paint on loopback", "≤ 300 ms"),
    ("… answer to a press there, 95 of 100 of all within", "page", "answer to a press: 95 of 100 of all within", "≤ 50 ms"),
    ("… scrolling through 100,000 messages: the slowest frame", "page", "scrolling: the slowest frame", "≤ 50 ms"),
    ("… frames over 50 ms", "page", "scrolling: frames over 50 ms", "0"),
    ("… memory of the second half of the way, as a multiple of the first", "page", "scrolling: … of the second half, as a multiple of the first", "≤ 1.25"),
    ("… what is read moves while ten messages come in", "page", "scrolling: what is read moves when messages come", "≤ 1 pixel"),
    ("press of Send to the text in the friend's log, two browsers, half of all within", "page", "press of Send to the text in the friend's log: half within", "≤ 60 ms"),
    ("bytes of a message of 100 characters with TLS records, up", "message_bytes", "one message, up from the sender", "≤ 600"),
    ("… down", "message_bytes", "one message, down to the receiver", "≤ 600"),
    ("bytes of a post in a group of 1,000, as a multiple of those in two", "group_thousand", "the post's bytes, as a multiple of those in two", "0.9 to 1.1"),
)  # fmt: skip


def main() -> int:
    text = "\n".join(page_of(records()))
    if "--write" not in sys.argv[1:]:
        print(text)
        return 0
    page = PAGE.read_text("utf-8")
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        print(f"{PAGE.name} has no place for it: {BEGIN} … {END}", file=sys.stderr)
        return 1
    PAGE.write_text(f"{before}{BEGIN}\n\n{text}\n\n{END}{after}", "utf-8")
    return 0


def records() -> dict[str, dict[str, Any]]:
    paths = [OUT / f"{name}.json" for name in ORDER]
    return {path.stem: json.loads(path.read_text("utf-8")) for path in paths if path.exists()}


def page_of(found: dict[str, dict[str, Any]]) -> Iterator[str]:
    yield from conditions(found)
    yield ""
    yield from table_of_aims(found)
    yield ""
    yield from beside(found)
    yield ""
    yield from group(found)


def conditions(found: dict[str, dict[str, Any]]) -> Iterator[str]:
    """Machine, versions, times; from the records, which should all be of one run."""
    machine = next(iter(found.values()))["machine"]
    times = sorted(record["at"] for record in found.values())
    loads = [record["machine"]["load"] for record in found.values()]
    ours: dict[str, str] = {}
    peers: dict[str, str] = {}
    for record in found.values():
        ours |= record["versions"]
        peers |= {
            name: text
            for name, text in record["conditions"].get("peers", {}).items()
            if text and name not in ours
        }
    commits = sorted({record["versions"].get("commit", "?") for record in found.values()})
    yield (
        f"Measured from {times[0]} to {times[-1]} on {machine['processor']}, {machine['cores']} cores,"
        f" {machine['memory_mib'] / 1024:.0f} GiB, {machine['system']}; load at the end of each benchmark (its own included)"
        f" {min(loads)} to {max(loads)}. Commit {', '.join(commits)}."
    )
    yield ""
    yield "Ours: " + in_a_row({name: text for name, text in ours.items() if name != "commit"}) + "."
    yield "Peers: " + in_a_row(peers) + "."
    absent = {
        name: why for record in found.values() for name, why in record["conditions"].get("absent", {}).items()
    }
    for name, why in absent.items():
        yield f"Left out: {name} ({why})."
    for name, record in found.items():
        if record["conditions"].get("suite"):
            yield f"MLS suite of `{name}`: {record['conditions']['suite']}."


def in_a_row(versions: dict[str, str]) -> str:
    return ", ".join(f"{name} {text}" for name, text in versions.items())


def table_of_aims(found: dict[str, dict[str, Any]]) -> Iterator[str]:
    yield "| what | aim | measured | spread | |"
    yield "| --- | --- | --- | --- | --- |"
    for what, bench, name, aim in AIMS:
        figure = figure_of(found, bench, name)
        if figure is None:
            yield f"| {what} | {aim} | not measured | | |"
            continue
        held = {True: "reached", False: "**missed**", None: ""}[figure["holds"]]
        yield f"| {what} | {aim} | {with_unit(figure)} | {spread(figure)} | {held} |"


def figure_of(found: dict[str, dict[str, Any]], bench: str, name: str) -> dict[str, Any] | None:
    figures = found.get(bench, {}).get("figures", [])
    if name == "SLOWEST SEARCH":
        searches = [one for one in figures if one["at_most"] == 30]
        return max(searches, key=lambda one: one["value"], default=None)
    return next((one for one in figures if one["what"] == name), None)


def beside(found: dict[str, dict[str, Any]]) -> Iterator[str]:
    """All servers in one table: rate, latency, memory."""
    yield "| server, all on one core | messages/s | … of its processor | with an acknowledgement back | at 1,000/s: half / 99 of 100 within | an idle session, of 5,000 / 19,000 |"
    yield "| --- | --- | --- | --- | --- | --- |"
    figures = found.get("relay_throughput", {}).get("figures", [])
    for at, figure in enumerate(figures):
        name = figure["what"]
        if figure["unit"] != "1/s" or name.startswith(" ") or name.endswith("acknowledged back"):
            continue
        server, _, form = name.partition(", ") if name.endswith((", bare", ", answered")) else (name, "", "")
        back = figure_of(found, "relay_throughput", f"{name}; acknowledged back")
        cells = [name, with_spread(figure), with_spread(figures[at + 1]), with_spread(back)]
        if form == "bare":
            cells += ["", ""]
        else:
            half, most = (
                figure_of(found, "relay_latency", f"{server}: {which} within")
                for which in ("half of all", "99 of 100")
            )
            sizes = [
                figure_of(found, "relay_memory", f"{server}: an idle session, of {size}")
                for size in ("5,000", "19,000")
            ]
            cells.append(f"{short(half['value'])} / {short(most['value'])} ms" if half and most else "")
            cells.append(" / ".join(with_unit(one) for one in sizes if one))
        yield "| " + " | ".join(cells) + " |"
    theirs = [
        figure_of(found, "message_bytes", f"XMPP with OMEMO: one message, {way}")
        for way in ("up from the sender", "down to the receiver")
    ]
    if all(theirs):
        yield ""
        up, down = (with_unit(one) for one in theirs if one)
        yield f"The same message of 100 characters in XMPP with OMEMO: {up} up, {down} down."


def group(found: dict[str, dict[str, Any]]) -> Iterator[str]:
    """Everything that the benchmark of the large group found."""
    yield "| a group of 1,000 | |"
    yield "| --- | --- |"
    for figure in found.get("group_thousand", {}).get("figures", []):
        yield f"| {figure['what'].strip()} | {with_spread(figure, unit=True)} |"


def with_unit(figure: dict[str, Any]) -> str:
    unit = {"1/s": "/s", "times": "", "bytes": " B", "messages/s": "/s"}.get(
        figure["unit"], f" {figure['unit']}"
    )
    return f"{short(figure['value'])}{unit}"


def spread(figure: dict[str, Any]) -> str:
    if figure.get("low") is None:
        return ""
    return f"{short(figure['low'])} to {short(figure['high'])}"


def with_spread(figure: dict[str, Any] | None, unit: bool = False) -> str:
    if figure is None:
        return ""
    value = with_unit(figure) if unit else short(figure["value"])
    return f"{value} ({spread(figure)})" if spread(figure) else value


if __name__ == "__main__":
    raise SystemExit(main())
