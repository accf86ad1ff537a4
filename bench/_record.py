"""What a benchmark leaves: its figures as text, and beside them a record in bench/out/ with the machine and versions.

figures = [Figure("search, one word", 2.4, "ms", at_most=30)]
tell("store_search", figures)
"""

from __future__ import annotations

import json
import os
import platform
import statistics
import subprocess
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

OUT = Path(__file__).parent / "out"
PACKAGES = ("whimbrel", "sqlcipher3", "cryptography", "cbor2", "websockets", "httptools", "uvloop", "aiohttp")


@dataclass(frozen=True)
class Figure:
    """One thing measured. The aim is a bound on one side, or there is none."""

    what: str
    value: float
    unit: str
    at_most: float | None = None
    at_least: float | None = None
    low: float | None = None
    high: float | None = None
    """The smallest and the largest of several rounds, of which `value` is the middle one."""

    @property
    def holds(self) -> bool | None:
        """Whether the aim is met; None where there is none."""
        if self.at_most is None and self.at_least is None:
            return None
        return (self.at_most is None or self.value <= self.at_most) and (
            self.at_least is None or self.value >= self.at_least
        )


def middle(
    what: str,
    values: Iterable[float],
    unit: str,
    at_most: float | None = None,
    at_least: float | None = None,
) -> Figure:
    """The median of several rounds, with their spread."""
    found = sorted(values)
    return Figure(what, statistics.median(found), unit, at_most, at_least, found[0], found[-1])


def tell(bench: str, figures: Sequence[Figure], **conditions: Any) -> None:
    """Print the figures, and write the record bench/out/BENCH.json. `conditions` say what else a reader must know."""
    OUT.mkdir(exist_ok=True)
    record = {
        "bench": bench,
        "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "machine": machine(),
        "versions": versions(),
        "conditions": conditions,
        "figures": [asdict(figure) | {"holds": figure.holds} for figure in figures],
    }
    (OUT / f"{bench}.json").write_text(json.dumps(record, indent=1) + "\n")
    print(table(figures))


def table(figures: Sequence[Figure]) -> str:
    widest = max((len(figure.what) for figure in figures), default=0)
    return "\n".join(f"  {figure.what:<{widest}}  {in_words(figure)}" for figure in figures)


def in_words(figure: Figure) -> str:
    value = short(figure.value)
    spread = ""
    if figure.low is not None and figure.high is not None:
        spread = f"({short(figure.low)} to {short(figure.high)})"
    aim = ""
    if figure.holds is not None:
        bound = (
            f"at most {figure.at_most:,g}" if figure.at_most is not None else f"at least {figure.at_least:,g}"
        )
        aim = f"   aim: {bound}" + ("" if figure.holds else "   MISSED")
    return f"{value:>9} {figure.unit:<10} {spread:<22}{aim}".rstrip()


def short(value: float) -> str:
    """A number as people read it: three digits that count, or whole."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def machine() -> dict[str, Any]:
    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "usable_cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "memory_mib": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") >> 20,
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "load": round(os.getloadavg()[0], 2),
    }


def versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=OUT.parent, capture_output=True, text=True, check=False
    )
    return found | ({"commit": commit.stdout.strip()} if commit.returncode == 0 else {})


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or "UNKNOWN"
