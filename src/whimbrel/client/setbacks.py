"""What goes wrong in turns, and what follows from it: how long to wait for the store, and what to put aside.

Decides only: times (seconds of any clock that never jumps) come in.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

PAUSE_FIRST, PAUSE_MAX = 1.0, 10.0
"""Seconds to wait after the store refused a turn (a full disk, say), doubled each time, until it takes one."""
OFTEN = 3
"""Times that the same thing may fail before it is put aside."""
FORGOTTEN = 600.0
"""Seconds after which an earlier failure does not count any more."""


class Setbacks:
    """What failed, and how often."""

    def __init__(self) -> None:
        self.aside: set[Any] = set()
        """What is left alone until the next start."""
        self.not_before = float("-inf")
        """Until when nothing is tried but what a person wishes now."""
        self._pause = PAUSE_FIRST
        self._failures: dict[Hashable, list[float]] = {}

    def store_refused(self, now: float) -> None:
        """The store did not take a turn."""
        self.not_before = now + self._pause
        self._pause = min(2 * self._pause, PAUSE_MAX)

    def store_took(self) -> None:
        """The store took a turn: all goes on."""
        self.not_before, self._pause = float("-inf"), PAUSE_FIRST

    def failed(self, what: Hashable, now: float) -> bool:
        """Something raised what nobody foresaw. True: for the last time, it is put aside now.

        What cannot be put aside, because nobody knows what it was (None), is waited for instead.
        """
        if what is None:
            self.not_before = now + PAUSE_FIRST
            return False
        times = [at for at in self._failures.get(what, []) if now - at < FORGOTTEN] + [now]
        self._failures[what] = times
        if len(times) < OFTEN:
            return False
        self.aside.add(what)
        return True
