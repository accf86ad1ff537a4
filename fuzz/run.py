"""Runs the targets under atheris, each for so many minutes, and says what came of it.

    python -m fuzz.run --minutes 10 --jobs 2 [NAME…]

A run begins with what the repository keeps (corpus/), with good inputs from the real encoders, and with what earlier runs
left in .fuzz/. It leaves bench/out/fuzz.json, and the exit code 1 when something was found. What was found lies in
.fuzz/NAME/findings: the input, and what it broke.
"""

# ruff: noqa: T201

from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from fuzz import ROOT
from fuzz.kept import WORK, read
from fuzz.target import Target, all_targets

sys.path.insert(0, str(ROOT / "bench"))
from _record import OUT, machine, versions

RSS_MB = 2048
TIMEOUT_S = 120
"""Seconds for one input at which libFuzzer ends the process. (What takes one second of its own time is a finding already.)"""
STARTS_MAX = 6
"""How often a target whose process died is started again."""

_PROGRESS = re.compile(r"cov: (\d+) ft: (\d+)")
_STAT = re.compile(r"^stat::(\w+): +(\d+)", re.MULTILINE)


@dataclass
class Outcome:
    """What came of one target. `processor_s`: its process's own time, which is less than the minutes when several share a
    core. `steps`: edges in whimbrel's Python that libFuzzer saw."""

    name: str
    parses: tuple[str, ...]
    about: str
    seconds: float = 0.0
    processor_s: float = 0.0
    runs: int = 0
    accepted: int = 0
    commit: str = ""
    jobs: int = 1
    steps: int = 0
    features: int = 0
    corpus_inputs: int = 0
    corpus_bytes: int = 0
    kept_inputs: int = 0
    slowest_ms: float = 0.0
    slowest_bytes: int = 0
    peak_mb: int = 0
    deaths: int = 0
    findings: list[str] = field(default_factory=list)

    @property
    def runs_a_second(self) -> float:
        return self.runs / self.seconds if self.seconds else 0.0


def prepare(target: Target) -> Path:
    """The target's folder, with its inputs to begin with, and without what earlier runs found."""
    folder = WORK / target.name
    (folder / "corpus").mkdir(parents=True, exist_ok=True)
    for part in ("findings", "deaths"):
        (folder / part).mkdir(exist_ok=True)
        for old in (folder / part).iterdir():
            old.unlink()
    for log in folder.glob("log*"):
        log.unlink()
    for data in (*target.seeds(), *target.starts, *(data for data, _ in read(target.name))):
        (folder / "corpus" / hashlib.sha1(data).hexdigest()).write_bytes(data)
    if target.words:
        lines = (
            '"' + "".join(f"\\x{byte:02x}" for byte in word) + '"\n'
            for word in target.words
            if len(word) <= 64
        )
        (folder / "words").write_text("".join(lines))
    return folder


def run(target: Target, minutes: float, jobs: int) -> Outcome:
    """Fuzz one target, starting it again when its process dies."""
    folder = prepare(target)
    outcome = Outcome(target.name, target.parses, target.about, jobs=jobs, kept_inputs=len(read(target.name)))
    started = time.monotonic()
    end = started + minutes * 60
    while (left := end - time.monotonic()) > 1 and outcome.deaths < STARTS_MAX:
        seen = folder / "seen.json"
        seen.unlink(missing_ok=True)
        code, log = _start(target, folder, int(left))
        _add(outcome, seen, log)
        if code == 0:
            break
        outcome.deaths += 1
        (folder / "log").rename(folder / f"log of death {outcome.deaths}")
        _tell_death(outcome, folder, code)
    outcome.seconds = round(time.monotonic() - started, 1)
    outcome.commit = versions().get("commit", "unknown")
    inputs = list((folder / "corpus").iterdir())
    outcome.corpus_inputs, outcome.corpus_bytes = len(inputs), sum(path.stat().st_size for path in inputs)
    for path in sorted((folder / "findings").glob("*.txt")):
        outcome.findings.append(f"{path.read_text().partition(chr(10))[0]}: {path.relative_to(WORK.parent)}")
    return outcome


def _tell_death(outcome: Outcome, folder: Path, code: int) -> None:
    """What libFuzzer left of the input that ended the process; once for each input."""
    left = [str(path.relative_to(WORK.parent)) for path in (folder / "deaths").iterdir()]
    words = [f"the process died of {path}" for path in left] or [
        f"the process ended with code {code}, see its log"
    ]
    outcome.findings += [one for one in words if one not in outcome.findings]


def _start(target: Target, folder: Path, seconds: int) -> tuple[int, str]:
    """One process, to its end; its exit code and what it said."""
    line = [
        sys.executable, "-m", "fuzz.one", target.name, str(folder), str(folder / "corpus"),
        f"-max_total_time={seconds}", f"-max_len={target.longest}", f"-timeout={TIMEOUT_S}", f"-rss_limit_mb={RSS_MB}",
        f"-artifact_prefix={folder / 'deaths'}/", "-len_control=100", "-print_final_stats=1",
    ]  # fmt: skip
    if target.words:
        line.append(f"-dict={folder / 'words'}")
    # libFuzzer ends its process without tidying up: what the target wrote goes with this folder.
    in_memory = "/dev/shm" if Path("/dev/shm").is_dir() else None
    with (
        tempfile.TemporaryDirectory(prefix="whimbrel-fuzz-", dir=in_memory) as place,
        (folder / "log").open("w+", errors="replace") as log,
    ):
        environment = {**os.environ, "TMPDIR": place}
        running = subprocess.Popen(
            line, cwd=ROOT, env=environment, stdout=log, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL
        )
        try:
            code = running.wait(seconds + TIMEOUT_S + 60)
        except subprocess.TimeoutExpired:
            running.kill()
            code = running.wait()
        log.seek(0)
        return code, log.read()


def _add(outcome: Outcome, seen: Path, log: str) -> None:
    """What one process did, beside what those before it did."""
    if seen.exists():
        told: dict[str, Any] = json.loads(seen.read_text())
        outcome.runs += told["runs"]
        outcome.accepted += told["accepted"]
        outcome.processor_s = round(outcome.processor_s + told["processor_s"], 1)
        if told["slowest_ms"] > outcome.slowest_ms:
            outcome.slowest_ms, outcome.slowest_bytes = told["slowest_ms"], told["slowest_bytes"]
    for steps, features in _PROGRESS.findall(log):
        outcome.steps, outcome.features = max(outcome.steps, int(steps)), max(outcome.features, int(features))
    outcome.peak_mb = max(outcome.peak_mb, int(dict(_STAT.findall(log)).get("peak_rss_mb", 0)))


def table(outcomes: Iterable[Outcome]) -> str:
    """For people. `taken`: how many of the inputs the parser took for good."""
    lines = [
        f"{'target':22}{'runs':>12}{'runs/s':>8}{'taken':>7}{'steps':>7}{'corpus':>8}{'kept':>6}{'slowest ms':>12}{'found':>7}"
    ]
    for one in outcomes:
        taken = f"{100 * one.accepted / one.runs:.0f} %" if one.runs else "-"
        lines.append(
            f"{one.name:22}{one.runs:12,}{one.runs_a_second:8,.0f}{taken:>7}{one.steps:7,}{one.corpus_inputs:8,}"
            f"{one.kept_inputs:6}{one.slowest_ms:12,.1f}{len(one.findings):7}"
        )
    return "\n".join(lines)


def record(outcomes: list[Outcome], minutes: float, jobs: int, before: list[dict[str, Any]]) -> None:
    """bench/out/fuzz.json. `before`: what an earlier record says of targets that were not run this time."""
    OUT.mkdir(parents=True, exist_ok=True)
    told = {
        "bench": "fuzz",
        "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "machine": machine(),
        "versions": versions(),
        "conditions": {"minutes": minutes, "jobs": jobs, "niceness": os.nice(0)},
        "targets": sorted([*before, *map(asdict, outcomes)], key=lambda one: str(one["name"])),
    }
    beside = OUT / "fuzz.json.new"
    beside.write_text(json.dumps(told, indent=1) + "\n")
    beside.rename(OUT / "fuzz.json")


def main() -> int:
    parser = argparse.ArgumentParser(prog="make fuzz", description="Fuzz every parser.")
    parser.add_argument("--minutes", type=float, default=1.0, help="for each target")
    parser.add_argument("--jobs", type=int, default=1, help="targets at a time")
    parser.add_argument("--add", action="store_true", help="keep the record of targets that are not run now")
    parser.add_argument("names", nargs="*", help="targets, or how their names begin; all when there are none")
    asked = parser.parse_args()
    targets = [
        one for name, one in all_targets().items() if not asked.names or name.startswith(tuple(asked.names))
    ]
    if not targets:
        print(f"There is no target whose name begins with {' or '.join(asked.names)}.", file=sys.stderr)
        return 2
    whole = len(targets) * asked.minutes / asked.jobs
    print(
        f"{len(targets)} targets, {asked.minutes:g} minutes each, {asked.jobs} at a time: about {whole:.0f} minutes.",
        flush=True,
    )
    done: list[Outcome] = []
    names = {one.name for one in targets}
    kept = OUT / "fuzz.json"
    earlier = json.loads(kept.read_text())["targets"] if asked.add and kept.exists() else []
    before = [one for one in earlier if one["name"] not in names]
    lock = threading.Lock()

    def work(target: Target) -> None:
        outcome = run(target, asked.minutes, asked.jobs)
        with lock:
            done.append(outcome)
            record(done, asked.minutes, asked.jobs, before)
            found = f"  FOUND {len(outcome.findings)}" if outcome.findings else ""
            print(f"{time.strftime('%H:%M:%S')}  {len(done):3}/{len(targets)}  {outcome.name:22}{outcome.runs:12,} runs{found}", flush=True)  # fmt: skip

    with ThreadPoolExecutor(asked.jobs) as workers:
        list(workers.map(work, targets))
    done.sort(key=lambda one: one.name)
    print(f"\n{table(done)}\n")
    for one in done:
        for finding in one.findings:
            print(f"{one.name}: {finding}")
    print(f"The record is {(OUT / 'fuzz.json').relative_to(ROOT)}; what the runs collected is in .fuzz/.")
    return 1 if any(one.findings for one in done) else 0


if __name__ == "__main__":
    raise SystemExit(main())
