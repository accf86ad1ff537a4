"""How many bytes of bulk (chunks of files) may be on their way at once, so that messages never wait long behind them.

A window that grows while chunks are answered quickly and shrinks when they are slow: what waits inside a full network
is what a message would have to wait behind (the idea of LEDBAT, RFC 6817, with answers instead of timestamps).
"""

from __future__ import annotations

STEP = 66 * 1024
"""Bytes: a sealed chunk and what stands around it."""
LEAST, MOST = STEP, 32 * STEP
QUICK, SLOW = 0.4, 1.5
"""Seconds until the answer: below the first the window grows, above the second it halves."""
SLOWEST = 1500
"""Bytes a second that any way is trusted with: what is left inside some blocked networks is 14 kbit/s."""
PATIENT, QUICK_AGAIN = 2.0, 1.0
"""Seconds that small requests take by and by: above the first a way is called slow, until it is below the second."""
DOUBT = 8
"""A way may become that many times slower than it was before its silence counts as an end."""


class Pace:
    """The window of one way, and how fast it was."""

    def __init__(self) -> None:
        self.window = LEAST
        self._fastest = float(SLOWEST * DOUBT)
        self._halved_at = float("-inf")
        self._small_takes = 0.0
        self.slow = False
        """Whether a person would notice: small requests wait for seconds."""

    def seconds_for(self, size: int) -> float:
        """How long that many bytes may take."""
        return size * DOUBT / self._fastest

    def small_answered(self, took: float) -> None:
        """A request of no great size was answered after so many seconds: one slow answer alone says nothing."""
        self._small_takes += (min(took, 2 * PATIENT) - self._small_takes) / 3
        self.slow = self._small_takes > (QUICK_AGAIN if self.slow else PATIENT)

    def answered(self, now: float, sent_at: float, size: int, bulk: bool) -> None:
        """A request was answered. What was sent before the last halving says nothing about the window now."""
        took = now - sent_at
        self._fastest = max(self._fastest, size / max(took, 0.001))
        if not bulk:
            return
        if took < QUICK:
            self.window = min(self.window + STEP, MOST)
        elif took > SLOW and sent_at >= self._halved_at:
            self.window = max(self.window // 2, LEAST)
            self._halved_at = now
