"""The command line: what there is, run it, and what came of it.

python -m lab list
python -m lab run [--measure S4,S5|FILE.py] [--peer whimbrel,plain] [--mode kept,cut,cold] [--repeat N] [--seed N]
                  [--scale X] [--messages N] [--every S] [--jobs N] [--no-files] [--files-in N] [--out DIR] [--go-on]
python -m lab table [DIR …] [--peers] [--write-docs]
python -m lab learnt [--people N] [--days N] [--towns N] [--write-docs]
"""

from __future__ import annotations

import argparse
import importlib.metadata
import os
import platform
import ssl
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from random import Random
from typing import Any

from lab import crew, learnt
from lab import peers as peers_here
from lab.city import ROOT, missing
from lab.measures import UnknownMeasure, load, names
from lab.pages import peers as peers_page
from lab.pages import peers_picture, report, results, results_picture
from lab.pages.text import as_text
from lab.trial import FILE_PATIENCE_S, MODES, PEERS, Record, Task

OUT = ROOT / "lab" / "out"
DOCS = ROOT / "docs" / "lab-results.md"
PICTURE = ROOT / "docs" / "pictures" / "lab-matrix.svg"
PEERS_DOCS = ROOT / "docs" / "lab-peers.md"
PEERS_PICTURE = ROOT / "docs" / "pictures" / "lab-peers.svg"
LEARNT = ROOT / "docs" / "bridges-learnt.md"
LEARNT_PICTURE = ROOT / "docs" / "pictures" / "bridges-learnt.svg"
USUAL_SCALE = 0.05
"""A residual ban of 420 s lasts 21 s, an address is listed 15 to 45 s after its first use."""

_WRITTEN_EVERY_S = 20.0
"""Thousands of records take a while to write, and the cities share the processor with it."""


def main(words: list[str] | None = None) -> int:
    args = _parser().parse_args(words)
    try:
        result: int = args.do(args)
    except UnknownMeasure as error:
        print(error, file=sys.stderr)
        return 2
    return result


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m lab", description="Blocked networks in a box.")
    commands = parser.add_subparsers(required=True)
    listing = commands.add_parser("list", help="all measures, in words")
    listing.set_defaults(do=_list)
    running = commands.add_parser("run", help="run measures, and write results.json and report.html")
    running.set_defaults(do=_run)
    running.add_argument(
        "--measure", default="all", help="names or files, with commas between; else all but S8"
    )
    running.add_argument(
        "--peer",
        default="whimbrel",
        help=f"of {', '.join(PEERS)}, with commas between; all: Whimbrel, its first way, and the peers that can be had here",
    )
    running.add_argument(
        "--mode",
        default=",".join(MODES),
        help="kept: flows live on; cut: they are dropped; cold: somebody new (of Whimbrel alone)",
    )
    running.add_argument("--repeat", type=int, default=1, help="with seeds that follow each other")
    running.add_argument("--seed", type=int, default=1, help="of the first repeat")
    running.add_argument(
        "--scale", type=float, default=USUAL_SCALE, help="of waits of minutes; 1 is full length"
    )
    running.add_argument("--messages", type=int, default=100, help="each way")
    running.add_argument("--every", type=float, default=1.0, help="seconds between one's messages")
    running.add_argument("--patience", type=float, default=90.0, help="seconds to wait for what has not come")
    running.add_argument(
        "--jobs",
        type=int,
        default=2,
        help="cities at a time, at most; where that is more than there are processors, a run begins when there is room for it",
    )
    running.add_argument("--no-files", action="store_true", help="no picture of 100 KB, no file of 1 MB")
    running.add_argument(
        "--files-in", type=int, help="in how many of the repeats there are a picture and a file; else in all"
    )
    running.add_argument(
        "--file-patience", type=float, default=FILE_PATIENCE_S, help="seconds to wait for each file"
    )
    running.add_argument("--out", type=Path, default=OUT)
    running.add_argument(
        "--go-on",
        action="store_true",
        help="do what --out has not yet, of a run that was stopped; void and failed ones are done anew",
    )
    tabling = commands.add_parser("table", help="what came of runs, of one folder or several")
    tabling.set_defaults(do=_table)
    tabling.add_argument("folder", type=Path, nargs="*", default=[OUT])
    tabling.add_argument(
        "--peers", action="store_true", help="the page about the peers, docs/lab-peers.md, in its place"
    )
    tabling.add_argument(
        "--write-docs", action="store_true", help="write docs/lab-results.md and its picture"
    )
    learning = commands.add_parser("learnt", help="what a censor learns of bridges: a simulation")
    learning.set_defaults(do=_learnt)
    learning.add_argument("--people", type=int, default=2000)
    learning.add_argument("--days", type=int, default=30)
    learning.add_argument("--towns", type=int, default=5, help="each with another seed")
    learning.add_argument(
        "--write-docs", action="store_true", help="write docs/bridges-learnt.md and its picture"
    )
    return parser


def _list(_: argparse.Namespace) -> int:
    for name in names():
        measure = load(name)
        print(f"{name}  {measure.about}\n      {measure.numbers}\n      {measure.source}\n")
    return 0


def tasks_of(args: argparse.Namespace) -> list[Task]:
    """One for each measure, peer, mode and repeat; the repeats of all before the next ones, so that a table grows evenly.
    Peers take turns and measures come in another order each time: those that need the processor most are not all at it at once."""
    wanted = [name for name in names() if name != "S8"] if args.measure == "all" else args.measure.split(",")
    wanted = [str(Path(one).resolve()) if one.endswith(".py") else one for one in wanted]
    for one in wanted:
        load(one)
    peers, modes = peers_of(args), args.mode.split(",")
    if unknown := (set(peers) - set(PEERS)) | (set(modes) - set(MODES)):
        raise UnknownMeasure(f"unknown: {', '.join(sorted(unknown))}")
    return [
        Task(
            measure,
            peer,
            mode,
            seed=args.seed + repeat,
            repeat=repeat,
            scale=args.scale,
            messages=args.messages,
            every=args.every,
            patience=max(args.patience, peers_here.load(peer).patience)
            if peer in peers_here.names()
            else args.patience,
            file_patience=args.file_patience,
            files=not args.no_files and mode == "cut" and (args.files_in is None or repeat < args.files_in),
        )
        for repeat in range(args.repeat)
        for measure in Random(repeat).sample(wanted, len(wanted))
        for mode in modes
        for peer in peers
        if mode != "cold" or peer not in peers_here.names()
    ]


def asked_for(args: argparse.Namespace) -> list[str]:
    """Whom to measure."""
    return ["whimbrel", "first", *peers_here.names()] if args.peer == "all" else args.peer.split(",")


def peers_of(args: argparse.Namespace) -> list[str]:
    """Those of them that can be had here."""
    asked = asked_for(args)
    absent = not_here(asked)
    return [peer for peer in asked if peer not in absent]


def not_here(asked: Iterable[str]) -> dict[str, str]:
    """What is missing for those of the peers that cannot be had, by name."""
    found = {name: peers_here.load(name).missing() for name in asked if name in peers_here.names()}
    return {name: f"this machine has not {lacking}" for name, lacking in found.items() if lacking is not None}


def _run(args: argparse.Namespace) -> int:
    for name, why in not_here(asked_for(args)).items():
        print(f"Not measured: {name}, {why}.", file=sys.stderr)
    tasks = tasks_of(args)
    if not tasks:
        return 2
    begun = time.monotonic()
    known = facts(args)
    records: list[Record] = []
    if args.go_on and (args.out / "results.json").exists():
        before, known_before = report.read(args.out / "results.json")
        if other := differences(known_before, known):
            print(
                f"{args.out} is of another run ({'; '.join(other)}). Take another --out, or leave --go-on out to write over it.",
                file=sys.stderr,
            )
            return 2
        known["date"] = ", ".join(dict.fromkeys([*known_before["date"].split(", "), known["date"]]))
        records, tasks = rest_of(tasks, before)
        print(f"{len(records)} of {len(records) + len(tasks)} runs are there already.")
    lacking = missing()
    if lacking is not None:
        print(f"This machine has not {lacking}.", file=sys.stderr)
        return 2
    total = len(records) + len(tasks)
    written = begun

    def done(record: Record) -> None:
        nonlocal written
        records.append(record)
        seconds = "never" if record.next_message is None else f"{record.next_message:.2f} s"
        told = f"VOID: {record.void or record.failed}" if record.void or record.failed else seconds
        lost = (
            ""
            if record.lost + record.doubled + record.out_of_order == 0
            else (f", {record.lost} lost, {record.doubled} doubled, {record.out_of_order} out of order")
        )
        name = f"{Path(record.measure).stem} {record.peer} {record.mode} seed {record.seed}"
        print(
            f"[{len(records)}/{total}, {time.monotonic() - begun:.0f} s] {name}: {told}{lost}",
            flush=True,
        )
        # So that what was done stays when the rest is not waited for.
        if time.monotonic() > written + _WRITTEN_EVERY_S:
            report.write(args.out, records, known)
            written = time.monotonic()

    try:
        crew.work(tasks, args.jobs, done, sparing=args.jobs > (os.cpu_count() or 1))
    finally:
        if records:
            report.write(args.out, records, known)
    print()
    print(as_text(records))
    print(f"\n{args.out / 'report.html'}")
    bad = [
        r
        for r in records
        if r.peer == "whimbrel" and (r.void or r.failed or r.lost or r.doubled or r.out_of_order)
    ]
    return 1 if bad else 0


def rest_of(tasks: Sequence[Task], records: Iterable[Record]) -> tuple[list[Record], list[Task]]:
    """All records that say something, of other tasks, too, and the tasks that have none."""

    def key(of: Task | Record) -> tuple[str, str, str, int, int]:
        return of.measure, of.peer, of.mode, of.repeat, of.seed

    kept = {key(record): record for record in records if not record.void and not record.failed}
    return list(kept.values()), [task for task in tasks if key(task) not in kept]


_MAY_DIFFER = ("date", "cities at a time", "seeds", "not measured")
"""Which seeds and peers there are is in the records."""


def differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Why runs made with these facts do not belong into one table."""
    return [
        f"{name}: {before[name]}, and now {now[name]}"
        for name in before
        if name in now and name not in _MAY_DIFFER and before[name] != now[name]
    ]


def _table(args: argparse.Namespace) -> int:
    records: list[Record] = []
    said: dict[str, list[str]] = {}
    for folder in args.folder:
        more, facts_of_it = report.read(folder / "results.json")
        records += more
        for name, value in facts_of_it.items():
            said.setdefault(name, []).append(value)
    known: dict[str, Any] = {name: "; ".join(dict.fromkeys(values)) for name, values in said.items()}
    print(as_text(records))
    if args.peers:
        if args.write_docs:
            PEERS_PICTURE.write_text(peers_picture.picture(records) + "\n")
            PEERS_DOCS.write_text(peers_page.as_markdown(records, known))
            print(f"\nWrote {PEERS_DOCS.relative_to(ROOT)} and {PEERS_PICTURE.relative_to(ROOT)}.")
        return 0
    if args.write_docs:
        PICTURE.parent.mkdir(exist_ok=True)
        PICTURE.write_text(results_picture.picture(records) + "\n")
        DOCS.write_text(results.as_markdown(records, known))
        print(f"\nWrote {DOCS.relative_to(ROOT)} and {PICTURE.relative_to(ROOT)}.")
    return 0


def _learnt(args: argparse.Namespace) -> int:
    page, picture = learnt.page(args.people, args.days, range(1, args.towns + 1), print)
    if args.write_docs:
        LEARNT.write_text(page)
        LEARNT_PICTURE.write_text(picture)
        print(f"\nWrote {LEARNT.relative_to(ROOT)} and {LEARNT_PICTURE.relative_to(ROOT)}.")
    return 0


def facts(args: argparse.Namespace) -> dict[str, Any]:
    """With what the figures were made."""
    commit = subprocess.run(
        ["git", "-C", str(ROOT), "describe", "--always", "--dirty"],
        capture_output=True,
        text=True,
        check=False,
    ).stdout.strip()
    kernel = platform.release()
    asked = asked_for(args)
    told = {
        "Whimbrel": f"{importlib.metadata.version('whimbrel')}, commit {commit or 'unknown'}",
        "system": f"Linux {kernel.split('-')[0]}, Python {platform.python_version()}, {ssl.OPENSSL_VERSION}",
        "packages": ", ".join(
            f"{name} {importlib.metadata.version(name)}" for name in ("curl_cffi", "websockets", "aiohttp")
        ),
        "seeds": f"{args.seed} to {args.seed + args.repeat - 1}",
        "scale of waits": f"{args.scale:g}",
        "messages": f"{args.messages} each way, one every {args.every:g} s for each person, round trip 60 ms",
        "patience": f"{args.patience:g} s for messages, {args.file_patience:g} s for each file",
        "cities at a time": f"{args.jobs} at most",
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
    }
    if any(peer in peers_here.names() for peer in asked):
        told["peers"] = peers_page.versions()
    if absent := not_here(asked):
        told["not measured"] = "; ".join(f"{name}: {why}" for name, why in absent.items())
    return told
