"""The inputs that the repository keeps: corpus/NAME.txt for each target, one input in a line, base64.

    AAEC                    an input that reaches something that no shorter one before it reaches
    AAEC  what it found     an input that once broke something: it is kept whatever it reaches

`python -m fuzz.kept` makes these files anew from what runs have collected in .fuzz/: the smallest inputs first, each
that leads through steps (line to line, in whimbrel's modules and the targets') which none before it took, up to a size for each target.
"""

from __future__ import annotations

import base64
import sys
from collections.abc import Callable, Iterable
from types import FrameType
from typing import Any

from fuzz import ROOT
from fuzz.target import Target, all_targets

FOLDER = ROOT / "fuzz" / "corpus"
WORK = ROOT / ".fuzz"
"""Where runs collect inputs and findings. Not in the repository."""
ALL_MAX = 300_000
"""Bytes of all files together; a test holds us to it."""
INPUT_MAX = 6_000
"""Bytes of an input that is kept. A larger one is worth it only when it broke something."""

_OURS = (str(ROOT / "src" / "whimbrel"), str(ROOT / "fuzz" / "targets"))


def read(name: str) -> list[tuple[bytes, str]]:
    """The kept inputs of a target, each with what it found (or nothing)."""
    path = FOLDER / f"{name}.txt"
    if not path.exists():
        return []
    lines = (
        line.partition("  ") for line in path.read_text("ascii").splitlines() if not line.startswith("#")
    )
    return [(base64.b64decode(data), words) for data, _, words in lines]


def write(name: str, inputs: Iterable[tuple[bytes, str]]) -> int:
    """Replaces the kept inputs of a target; bytes of the file."""
    lines = [f"{base64.b64encode(data).decode()}  {words}".rstrip() for data, words in inputs]
    text = "".join(line + "\n" for line in lines) or "#\n"
    FOLDER.mkdir(exist_ok=True)
    return (FOLDER / f"{name}.txt").write_text(text, "ascii")


def collected(name: str) -> list[bytes]:
    """What runs have found worth keeping for themselves, the smallest first."""
    folder = WORK / name / "corpus"
    inputs = {path.read_bytes() for path in folder.iterdir()} if folder.is_dir() else set()
    return sorted(inputs, key=lambda data: (len(data), data))


def choose(target: Target, room: int) -> list[tuple[bytes, str]]:
    """What is to be kept of a target, in at most about `room` bytes of its file."""
    before = read(target.name)
    broke = [(data, words) for data, words in before if words]
    chosen: list[tuple[bytes, str]] = []
    known: set[tuple[str, int, int]] = set()
    size = sum(4 * len(data) // 3 + len(words) + 4 for data, words in broke)
    candidates = {data for data, words in before if not words}
    candidates |= {*collected(target.name), *target.seeds(), *target.starts} - {b""}
    for data in sorted(candidates, key=lambda data: (len(data), data)):
        cost = 4 * (len(data) + 2) // 3 + 1
        if len(data) > INPUT_MAX or size + cost > room:
            continue
        steps = steps_of(target.check, data)
        if not steps <= known:
            known |= steps
            chosen.append((data, ""))
            size += cost
    return broke + chosen


def steps_of(check: Callable[[bytes], bool], data: bytes) -> set[tuple[str, int, int]]:
    """The steps from line to line that a check of this input takes through our own modules."""
    steps: set[tuple[str, int, int]] = set()

    def enter(frame: FrameType, event: str, argument: Any) -> Any:
        if not frame.f_code.co_filename.startswith(_OURS):
            return None
        file, last = frame.f_code.co_filename, 0

        def walk(frame: FrameType, event: str, argument: Any) -> Any:
            nonlocal last
            if event == "line":
                steps.add((file, last, frame.f_lineno))
                last = frame.f_lineno
            return walk

        return walk

    sys.settrace(enter)
    try:
        check(data)
    except Exception:  # it is for the run to say what it found; here only its steps count
        pass
    finally:
        sys.settrace(None)
    return steps


def main() -> int:
    wanted = sys.argv[1:]
    targets = all_targets()
    room = (ALL_MAX - 10_000) // len(targets)
    total = 0
    for name, target in targets.items():
        if not wanted or name in wanted:
            inputs = choose(target, room)
            size = write(name, inputs)
            sys.stdout.write(f"{name:24} {len(inputs):5} inputs {size:8,} bytes\n")
            sys.stdout.flush()
    total = sum(path.stat().st_size for path in FOLDER.glob("*.txt"))
    sys.stdout.write(f"{total:,} bytes in all; {ALL_MAX:,} are allowed\n")
    return 0 if total <= ALL_MAX else 1


if __name__ == "__main__":
    raise SystemExit(main())
