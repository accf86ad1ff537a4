"""The last run as a table in Markdown, for docs/howto/fuzzing.md: `python -m fuzz.table [fuzz.json]`."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from fuzz import ROOT


def markdown(told: dict[str, Any]) -> str:
    """What was run on what, then a line for each target."""
    machine, versions, targets = told["machine"], told["versions"], told["targets"]
    runs, own = sum(one["runs"] for one in targets), sum(one["processor_s"] for one in targets)
    found = sum(len(one["findings"]) for one in targets)
    lines = [
        f"{told['at'][:10]}, {machine['processor']}, {machine['usable_cores']} cores; Python {versions['python']}, "
        f"commits {', '.join(sorted({one['commit'] for one in targets}))}, niceness {told['conditions']['niceness']}. "
        f"{len(targets)} targets, {runs:,} runs in {own / 60:,.0f} minutes of processor time, "
        f"{found or 'no'} finding{'s' if found != 1 else ''}. *At a time*: how many targets shared the machine.",
        "",
        "| target | minutes | at a time | processor s | runs | runs/s | taken | steps | corpus | slowest ms | found |",
        "| --- | --: | --: | --: | --: | --: | --: | --: | --: | --: | --: |",
    ]
    for one in targets:
        pace = one["runs"] / one["seconds"] if one["seconds"] else 0
        taken = 100 * one["accepted"] / one["runs"] if one["runs"] else 0
        lines.append(
            f"| {one['name']} | {one['seconds'] / 60:.2g} | {one['jobs']} | {one['processor_s']:,.0f} | {one['runs']:,} "
            f"| {pace:,.0f} | {taken:.0f} % | {one['steps']:,} | {one['corpus_inputs']:,} | {one['slowest_ms']:,.0f} "
            f"| {len(one['findings'])} |"
        )
    return "\n".join(lines) + "\n"


def main() -> int:
    path = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "bench" / "out" / "fuzz.json"
    sys.stdout.write(markdown(json.loads(path.read_text())))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
