"""How fast one way is: how long its answers usually take, and how many bytes of bulk (chunks of files) may be on their way
at once, so that messages never wait long behind them.

A window that follows what was answered: it holds about half a second, so what waits inside a full network, which a message
would have to wait behind, stays small, and the way stays full (the idea of LEDBAT, RFC 6817, with answers instead of
timestamps).
"""

from __future__ import annotations

STEP = 66 * 1024
"""Bytes: a sealed chunk and what stands around it."""
PART_LEAST = 4 * 1024
"""Bytes of the smallest part: below, what stands around it would cost a twentieth."""
LEAST, FIRST, MOST = 2 * PART_LEAST, 16 * 1024, 32 * STEP
HELD_UP = 0.45
"""Seconds that bulk should take beyond what the way takes with nothing on it: half a second and a message's own way are below one."""
SLOW = 1.5
"""So many times that, and the window shrinks to what was right."""
SLOWEST = 1500
"""Bytes a second that any way is trusted with: what is left inside some blocked networks is 14 kbit/s."""
PATIENT, QUICK_AGAIN = 2.0, 1.0
"""Seconds that small requests take by and by: above the first a way is called slow, until it is below the second."""
DOUBT = 8
"""A way may become that many times slower than it was before its silence counts as an end."""
USUAL_LEAST, USUAL_MOST = 0.3, 5.0
"""Seconds after which an answer is late: at least, however quick the way is, and at most."""


class Pace:
    """The window of one way, and how fast it was."""

    def __init__(self, least: int = LEAST, first: int = FIRST) -> None:
        self.window = first
        self._least = least
        self._fastest = float(SLOWEST * DOUBT)
        self._adjusted_at = float("-inf")
        self._small_takes = 0.0
        self._smoothed: float | None = None
        self._varies = 0.0
        self._quickest = float("inf")
        self._rate = 0.0
        self.slow = False
        """Whether a person would notice: small requests wait for seconds."""

    # ------------------------------------------------------------------------------- small requests

    @property
    def late_after(self) -> float:
        """Seconds after which the answer to a small request is late here (the sum of RFC 6298, and three round trips)."""
        if self._smoothed is None:
            return 1.0
        usual = max(self._smoothed + 4 * self._varies, 3 * self._smoothed)
        return min(max(usual, USUAL_LEAST), USUAL_MOST)

    def opened(self, took: float, turns: int) -> None:
        """The first answer took so long, with so many turns before it: a first guess."""
        self._smoothed = took / turns
        self._varies = self._smoothed / 2
        self._quickest = self._smoothed

    def small_answered(self, took: float) -> None:
        """A request of no great size was answered after so many seconds: one slow answer alone says nothing."""
        self._small_takes += (min(took, 2 * PATIENT) - self._small_takes) / 3
        self.slow = self._small_takes > (QUICK_AGAIN if self.slow else PATIENT)
        self._quickest = min(self._quickest, took)
        if self._smoothed is None:
            self._smoothed, self._varies = took, took / 2
            return
        self._varies += (abs(took - self._smoothed) - self._varies) / 4
        self._smoothed += (took - self._smoothed) / 8

    # ------------------------------------------------------------------------------- bulk

    def seconds_for(self, size: int) -> float:
        """How long that many bytes may take before the way is given up."""
        return size * DOUBT / self._fastest

    def expected(self, size: int) -> float:
        """How long that many bytes take at the best speed that was seen."""
        return size / self._fastest

    @property
    def part(self) -> int:
        """Bytes in which bulk is best sent now: half of the window, so that there is always one behind the other."""
        return max(PART_LEAST, self.window // 2 // 1024 * 1024)

    def answered(self, now: float, sent_at: float, size: int, bulk: bool) -> None:
        """A request was answered. What was sent before the last change says little about the window now."""
        took = now - sent_at
        self._fastest = max(self._fastest, size / max(took, 0.001))
        if not bulk:
            return
        self._quickest = min(self._quickest, took)
        held_up = took - self._quickest
        if held_up < HELD_UP:
            if (
                sent_at >= self._adjusted_at
            ):  # twice as much with each turn at first, an eighth more near the aim
                self.window = min(self.window + (size if held_up < HELD_UP / 2 else size // 8), MOST)
        elif held_up > HELD_UP * SLOW and sent_at >= self._adjusted_at:
            right = int(self.window * HELD_UP / held_up)
            self.window = max(right, self.window // 4, self._least)
            self._adjusted_at = now
