"""Run the benchmarks one after the other, and show what missed its aim.

    python bench/run.py                  all of them
    python bench/run.py relay store      those whose names begin so

Each file in bench/ is one question and a program of its own; it leaves a record in bench/out/ (see _record.py), of which
table.py makes the table in docs/benchmarks.md. Peers that are missing are installed where that can be done, else left out by name.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

from _record import OUT, Figure, machine, versions

HERE = Path(__file__).parent
ORDER = (
    "relay_throughput",
    "relay_latency",
    "session_opening",
    "relay_memory",
    "message_latency",
    "page",
    "message_bytes",
    "catch_up",
    "store_search",
    "reading",
    "group_thousand",
)
"""Those that other work disturbs most come first. (Each has a line of its own here: what is forgotten fails below.)"""


def main() -> int:
    wanted = sys.argv[1:]
    there = {path.stem for path in HERE.glob("*.py") if not path.name.startswith("_")} - {"run", "table"}
    if there != set(ORDER):
        print(
            f"bench/run.py and the folder do not agree about {', '.join(there ^ set(ORDER))}", file=sys.stderr
        )
        return 1
    benches = [HERE / f"{name}.py" for name in ORDER if not wanted or name.startswith(tuple(wanted))]
    if not benches:
        print(
            f"There is no benchmark in {HERE} whose name begins with {' or '.join(wanted)}.", file=sys.stderr
        )
        return 2
    OUT.mkdir(exist_ok=True)
    here = machine()
    print(f"{here['processor']}, {here['usable_cores']} cores, {here['memory_mib']:,} MiB, {here['system']}")
    print(", ".join(f"{name} {version}" for name, version in versions().items()))
    if here["load"] > 0.5:
        print(f"The machine is busy (load {here['load']}): the figures are worse than they could be.")

    failed = []
    begun = time.monotonic()
    for n, path in enumerate(benches, 1):
        started = time.monotonic()
        print(f"\n{n} of {len(benches)}, {path.stem}: {question(path)}", flush=True)
        ran = subprocess.run([sys.executable, str(path)], cwd=HERE.parent, check=False)
        if ran.returncode != 0:
            failed.append(path.stem)
            print(f"  FAILED with exit code {ran.returncode}")
        print(f"  ({time.monotonic() - started:.0f} s)", flush=True)

    missed = [
        f"{path.stem}: {figure.what}"
        for path in benches
        for figure in recorded(path)
        if figure.holds is False
    ]
    print()
    for miss in missed:
        print(f"aim missed   {miss}")
    for name in failed:
        print(f"failed       {name}")
    minutes = (time.monotonic() - begun) / 60
    print(f"{minutes:.0f} minutes. The records are in {OUT.relative_to(HERE.parent)}/.")
    return 1 if failed else 0


def question(path: Path) -> str:
    """The first line of a benchmark's docstring is the question that it answers."""
    return path.read_text("utf-8").partition('"""')[2].partition("\n")[0].rstrip('"')


def recorded(path: Path) -> list[Figure]:
    """The figures that a benchmark left; none when its record is of another shape."""
    try:
        record = json.loads((OUT / f"{path.stem}.json").read_text())
        return [
            Figure(
                *(figure[name] for name in ("what", "value", "unit", "at_most", "at_least", "low", "high"))
            )
            for figure in record["figures"]
        ]
    except (OSError, ValueError, KeyError, TypeError):
        return []


if __name__ == "__main__":
    raise SystemExit(main())
