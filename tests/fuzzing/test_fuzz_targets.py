"""The fuzz targets without their fuzzer: every kept input holds, good inputs are taken, and no parser is forgotten.

`make fuzz` makes the inputs (docs/howto/fuzzing.md); here is shown that what once broke a parser breaks it no more.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import random
import re
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent.parent
sys.path.append(str(ROOT))

from fuzz import kept  # noqa: E402
from fuzz.mutation import change  # noqa: E402
from fuzz.table import markdown  # noqa: E402
from fuzz.target import Target, all_targets  # noqa: E402

TARGETS = all_targets()

each_target = pytest.mark.parametrize("target", TARGETS.values(), ids=TARGETS)


@each_target
def test_what_was_found_once_holds_now(target: Target) -> None:
    inputs = kept.read(target.name)
    assert inputs, "no inputs are kept: python -m fuzz.kept"
    target.check(b"")
    for data, _ in inputs:
        target.check(data)


@each_target
def test_good_inputs_reach_the_parser_and_are_taken(target: Target) -> None:
    seeds = list(target.seeds())
    assert seeds
    for data in seeds:
        assert target.check(data), data
        assert len(data) <= target.longest
    for data in target.starts:
        target.check(data)


def test_the_kept_inputs_are_small_and_none_is_of_a_target_that_is_gone() -> None:
    files = list(kept.FOLDER.glob("*.txt"))
    assert {path.stem for path in files} == set(TARGETS)
    assert sum(path.stat().st_size for path in files) <= kept.ALL_MAX


# ------------------------------------------------------------------------------------------ nothing forgotten

PARSERS = re.compile(r"(decode|parse|open|read|understand|unpack|check|split|take)(_|$)")
PACKAGES = ("wire", "crypto", "chat")
PART_OF_ANOTHER = {
    # What these read is read by the targets of whoever calls them.
    "crypto.leaf.unpack_reach": "people-reach",
    "crypto.leaf.unpack_routes": "people-reach",
    "crypto.names.check_name": "people-roles",
    "wire.answering.understand_answer": "wire-answers",
    "wire.answering.understand_answers": "wire-stream-to-app",
    "wire.answering.understand_fetched": "wire-stream-to-app",
    "wire.asking.understand_operations": "wire-stream-to-relay",
    "wire.heads.read_number": "wire-plain-append",
}


def _functions(package: str) -> list[str]:
    found: list[str] = []
    root: ModuleType = importlib.import_module(f"whimbrel.{package}")
    for info in pkgutil.iter_modules(root.__path__):
        module = importlib.import_module(f"{root.__name__}.{info.name}")
        for name, value in vars(module).items():
            own = inspect.isfunction(value) and value.__module__ == module.__name__
            if own and PARSERS.match(name) and _takes_foreign(value):
                found.append(f"{package}.{info.name}.{name}")
    return found


def _takes_foreign(function: Any) -> bool:
    """Whether its first parameter is bytes, a text, or what was decoded of them."""
    parameters = list(inspect.signature(function).parameters.values())
    return any(str(one.annotation) in ("bytes", "str", "Any", "object") for one in parameters[:3])


def test_every_parser_of_bytes_and_texts_has_a_target() -> None:
    parsed = {name for target in TARGETS.values() for name in target.parses}
    parsers = {name for package in PACKAGES for name in _functions(package)}
    assert len(parsers) > 30
    assert sorted(parsers - parsed - set(PART_OF_ANOTHER)) == []
    assert set(PART_OF_ANOTHER) <= parsers
    assert set(PART_OF_ANOTHER.values()) <= set(TARGETS)


def test_what_a_target_says_that_it_parses_is_there() -> None:
    for target in TARGETS.values():
        assert target.about.endswith("."), target.name
        for name in target.parses:
            parts = name.split(".")
            module: Any = importlib.import_module(".".join(["whimbrel", *parts[:2]]))
            for part in parts[2:]:
                module = getattr(module, part)


# ------------------------------------------------------------------------------------------------ the harness


@each_target
def test_changed_inputs_differ_and_stay_within_their_limit(target: Target) -> None:
    chance = random.Random(7)

    def blind(data: bytes, longest: int) -> bytes:
        return (data + chance.randbytes(1))[:longest]

    for seed in target.seeds():
        longest = len(seed) + 50
        changed = [change(target, seed, longest, chance, blind) for _ in range(20)]
        assert max(map(len, changed)) <= longest
        assert len(set(changed)) > 1
        assert len(change(target, seed, 64, chance, blind)) <= 64


def test_only_inputs_that_lead_somewhere_new_are_kept_and_what_broke_something_always(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(kept, "FOLDER", tmp_path)
    target = TARGETS["wire-pointer"]
    good = next(iter(target.seeds()))
    kept.write(target.name, [(b"broke", "once"), (b"\x00", ""), (b"\x01", "")])
    chosen = kept.choose(target, 10_000)
    assert chosen[0] == (b"broke", "once")
    assert (good, "") in chosen
    assert len([data for data, _ in chosen if data in (b"\x00", b"\x01")]) == 1
    assert kept.choose(target, 0) == [(b"broke", "once")]


def test_the_table_says_what_was_run() -> None:
    one = {
        "name": "x",
        "seconds": 600.0,
        "jobs": 2,
        "processor_s": 90.0,
        "runs": 60_000,
        "accepted": 15_000,
        "steps": 7,
        "corpus_inputs": 3,
        "slowest_ms": 1.6,
        "findings": ["a"],
        "commit": "abc",
    }
    told = {
        "at": "2026-11-24T01:00:00Z",
        "machine": {"processor": "a processor", "usable_cores": 2},
        "versions": {"python": "3.11"},
        "conditions": {"niceness": 15},
        "targets": [one],
    }
    text = markdown(told)
    assert (
        "commits abc, niceness 15. 1 targets, 60,000 runs in 2 minutes of processor time, 1 finding." in text
    )
    assert text.splitlines()[-1] == "| x | 10 | 2 | 90 | 60,000 | 100 | 25 % | 7 | 3 | 2 | 1 |"
