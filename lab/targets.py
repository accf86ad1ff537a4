"""What is to be reached: seconds to the next delivered message after a cut, median and worst, and of a cold start."""

from __future__ import annotations

from dataclasses import dataclass

from lab.measures import load


@dataclass(frozen=True, slots=True)
class Target:
    """Seconds. The yardstick S0 has one for *kept*, too."""

    median: float
    worst: float
    cold: float
    kept: float | None = None


_NAMES = Target(1.5, 3, 4)
_UNAFFECTED = Target(1.5, 2, 2)
_DROPPED = Target(2, 5, 8)
TARGETS = {
    "S0": Target(1.5, 3, 2, kept=0.2),
    "S1": _NAMES,
    "S2": _NAMES,
    "S3": _NAMES,
    "S4": Target(1.5, 3, 5),
    "S5": _DROPPED,
    "S6": Target(1.5, 3, 6),
    "S7": _DROPPED,
    "S9": _UNAFFECTED,
    "S10": _UNAFFECTED,
    "S11": _UNAFFECTED,
    "S12": _UNAFFECTED,
    "S13": Target(3, 10, 8),
    "S14": _DROPPED,
    "S15": _DROPPED,
    "S16": Target(5, 30, 30),
}
RECOVERY = 60.0
"""Seconds until the plain way is up again once a measure is lifted (S22)."""
TEXT_BESIDE_FILE = 1.0
FILE_SHARE = 0.85
"""Of a throttled link that a file gets, texts beside it notwithstanding (S6)."""
PICTURE = 150.0
"""Seconds for a picture of 100 KB behind the curtain (S14)."""


def target(measure: str) -> Target | None:
    """Of a measure by its name, or of the one whose variant it is. None: nothing was set for it."""
    name = measure.partition("@")[0]
    return TARGETS.get(name) or TARGETS.get(load(name).variant_of if not name.endswith(".py") else "")
