"""One target under atheris, for as long as libFuzzer is told: `python -m fuzz.one NAME FOLDER [libFuzzer's options]`.

Only whimbrel's Python is instrumented: that is where libFuzzer sees which steps an input takes. The Rust crate, OpenSSL,
cbor2, aiohttp and the others run as they are installed. What does not hold does not end the run: the input goes into
FOLDER/findings, the smallest for each place where it was noticed, and the run goes on. FOLDER/seen.json says what only we
can count: how many inputs were taken for good, and which took longest.
"""

from __future__ import annotations

import hashlib
import json
import random
import sys
import time
import traceback
from pathlib import Path
from typing import Any

import atheris

SLOW_S = 1.0
"""Seconds of this process's own time for one input, instrumented, above which it is a finding."""
FROM_TAKEN = 0.35
"""How often the next input is made of one that the parser took for good, and not of one that libFuzzer has chosen: among
those that take other steps nearly all are refused early, in one of many ways."""
TAKEN_MAX = 500
_TELL_EVERY_S = 2.0


class Watch:
    """What is noticed while a target runs."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._findings = folder / "findings"
        self._findings.mkdir(parents=True, exist_ok=True)
        self._sizes: dict[str, int] = {}
        self._told = 0.0
        self.runs = self.accepted = 0
        self.slowest_s, self.slowest_bytes = 0.0, 0

    def found(self, error: BaseException, data: bytes) -> None:
        """Something does not hold: its place is where it was raised and the last step in our own code."""
        frames = traceback.extract_tb(error.__traceback__)
        ours = [
            frame for frame in frames if "/whimbrel/" in frame.filename or "/fuzz/" in frame.filename
        ] or frames
        place = f"{type(error).__name__} {Path(ours[-1].filename).name}:{ours[-1].lineno}"
        self._keep(place, data, "".join(traceback.format_exception(error)))

    def took(self, seconds: float, data: bytes) -> None:
        self.runs += 1
        if seconds > self.slowest_s:
            self.slowest_s, self.slowest_bytes = seconds, len(data)
            (self._folder / "slowest").write_bytes(data)
            if seconds > SLOW_S:
                self._keep("slow", data, f"{seconds:.2f} s for {len(data)} bytes\n")
        now = time.monotonic()
        if now - self._told > _TELL_EVERY_S:
            self._told = now
            self._tell()

    def _keep(self, place: str, data: bytes, words: str) -> None:
        if place in self._sizes and self._sizes[place] <= len(data):
            return
        self._sizes[place] = len(data)
        name = hashlib.sha256(place.encode()).hexdigest()[:12]
        (self._findings / f"{name}.input").write_bytes(data)
        (self._findings / f"{name}.txt").write_text(f"{place}\n{words}", errors="backslashreplace")

    def _tell(self) -> None:
        seen: dict[str, Any] = {
            "runs": self.runs,
            "accepted": self.accepted,
            "slowest_ms": round(self.slowest_s * 1000, 2),
            "slowest_bytes": self.slowest_bytes,
            "processor_s": round(time.process_time(), 1),
        }
        beside = self._folder / "seen.json.new"
        beside.write_text(json.dumps(seen))
        beside.rename(self._folder / "seen.json")


def _remember(taken: list[bytes], data: bytes) -> None:
    if len(taken) < TAKEN_MAX:
        taken.append(data)
    else:
        taken[random.randrange(TAKEN_MAX)] = data


def main() -> None:
    name, folder, *options = sys.argv[1:]
    with atheris.instrument_imports(include=["whimbrel"]):
        from fuzz.mutation import change
        from fuzz.target import all_targets

        target = all_targets()[name]
    watch = Watch(Path(folder))
    taken = list(target.seeds())

    def run(data: bytes) -> None:
        started = time.process_time()
        try:
            if target.check(data):
                watch.accepted += 1
                _remember(taken, data)
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as error:  # a panic of the Rust crate is no Exception
            watch.found(error, data)
        watch.took(time.process_time() - started, data)

    def mutate(data: bytes, longest: int, seed: int) -> bytes:
        chance = random.Random(seed)
        if chance.random() < FROM_TAKEN:
            data = chance.choice(taken)[:longest]
        return change(target, data, longest, chance, atheris.Mutate)

    atheris.Setup([sys.argv[0], *options], run, custom_mutator=mutate)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
