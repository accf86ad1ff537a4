"""A target: one parser, what must hold for whatever it is given, and good inputs to begin with."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import Enum

Check = Callable[[bytes], bool]


class Shape(Enum):
    """What inputs look like, so that changes to them often leave something that is nearly right."""

    BYTES = "bytes"
    CBOR = "CBOR"
    TEXT = "text"
    JSON = "JSON"


@dataclass(frozen=True, slots=True)
class Target:
    """`check` takes any bytes: it says whether the parser took them for good, and raises when something does not hold
    (another error than the parser's own, other bytes from its own encoder, a limit passed).

    `parses`: the functions behind it, as `package.module.function` without `whimbrel`. `seeds`: inputs that are taken.
    `starts`:
    further inputs to begin with. `skip`: bytes in front that choose what is done with the rest. `longest`: bytes of an input at most.
    """

    name: str
    parses: tuple[str, ...]
    check: Check
    seeds: Callable[[], Iterable[bytes]]
    starts: tuple[bytes, ...]
    shape: Shape
    skip: int
    longest: int
    words: tuple[bytes, ...]
    about: str


TARGETS: dict[str, Target] = {}


def target(
    name: str,
    *parses: str,
    seeds: Callable[[], Iterable[bytes]],
    starts: Iterable[bytes] = (),
    shape: Shape = Shape.BYTES,
    skip: int = 0,
    longest: int = 4096,
    words: Iterable[bytes] = (),
) -> Callable[[Check], Check]:
    """Enters a check into the list."""

    def enter(check: Check) -> Check:
        assert name not in TARGETS, name
        about = (check.__doc__ or "").strip()
        TARGETS[name] = Target(
            name, parses, check, seeds, tuple(starts), shape, skip, longest, tuple(words), about
        )
        return check

    return enter


def all_targets() -> dict[str, Target]:
    """Every target, by name."""
    from fuzz import targets

    for module in pkgutil.iter_modules(targets.__path__):
        if module.name.startswith("_"):
            continue
        importlib.import_module(f"{targets.__name__}.{module.name}")
    return dict(sorted(TARGETS.items()))
