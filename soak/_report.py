"""What a soak leaves: its counts as text, and the same in bench/out/ as a record with the machine and the versions."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from typing import Any

from _crowd import Failed, Town
from _record import Figure, table, tell

OVERTAKEN = "a Welcome that came after a later one"
"""The one thing that may be passed over: whoever let a guest in was killed before the Welcome left, and the guest was removed
and let in by somebody else meanwhile."""


class Report:
    """Grows while a soak runs; `publish` when all held."""

    def __init__(self, name: str, seed: int, conditions: Mapping[str, Any]) -> None:
        self.name = name
        self.seed = seed
        self.conditions = dict(conditions)
        self.figures: list[Figure] = []
        self.overtaken = 0
        self._began = time.monotonic()
        self._last_told = 0.0

    def setup_done(self) -> None:
        self._began = time.monotonic()

    def count(self, what: str, number: float, unit: str = "") -> None:
        self.figures.append(Figure(what, number, unit))

    def counts(self, what: str, numbers: Mapping[str, int]) -> None:
        for kind, number in sorted(numbers.items()):
            self.count(f"{what}: {kind}", number)

    def passed_over(self, people: Town) -> None:
        """Honest members among themselves have nothing to pass over: it would be a key used twice, or an entry of another epoch."""
        for client in people.people.values():
            if said := client.errors.read_text():
                raise Failed(f"{client.name}'s client said on stderr: {said[:500]}")
            for news in client.news:
                if OVERTAKEN in str(news.get("why")):
                    self.overtaken += 1
                elif news["news"] in ("ignored", "fell-back", "trouble"):
                    raise Failed(f"{client.name} passed something over or found something wrong: {news}")
        if self.overtaken:
            self.count("Welcomes that were overtaken by later ones", self.overtaken)

    def progress(self, done: int, all: int, people: Town) -> None:
        if time.monotonic() - self._last_told < 15:
            return
        self._last_told = time.monotonic()
        said = sum(len(client.said) for client in people.people.values())
        print(
            f"  {self.name}: {done} of {all}, {said} messages, {time.monotonic() - self._began:.0f} s",
            file=sys.stderr,
            flush=True,
        )

    def publish(self, keep: bool) -> None:
        """Print the counts; `keep`: and leave the record."""
        self.count("time, without setting up", time.monotonic() - self._began, "s")
        if keep:
            tell(f"soak_{self.name}", self.figures, seed=self.seed, **self.conditions)
        else:
            print(table(self.figures))
