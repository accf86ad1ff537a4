"""What a network seems to do to connections, as far as the link can see: a word for it, and how it is told from chance.

Only what changes how we go on is told apart. *Frozen by volume*: connections come up, carry a little and go silent, and the
next one does the same. *Policed*: handshakes to a subnet hang after several were made there, while what is up goes on.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from enum import Enum

from whimbrel.link.memory import Memory


class Pattern(Enum):
    """The words, as people and memories see them."""

    FROZEN = "frozen-by-volume"
    POLICED = "policed"
    SLOW = "slow"


SMALL = 64 * 1024
"""Bytes after which a silence counts as one by volume (14 to 34 KB have been seen; ours are estimates)."""
TWICE_WITHIN = 180.0
"""Seconds within which two such silences are a pattern: one alone may be chance."""
SURVIVED_BYTES, SURVIVED_MESSAGES = 96 * 1024, 100
"""What a connection has carried when the network does not freeze by volume: that many bytes, or that many messages."""
POLICED_FROM = 3
"""Connections made to a subnet in a minute before one more that hangs says policing (4 to 12 have been seen)."""
POLICED_FOR = 600.0
"""Seconds for which policing is believed after it was last seen."""


class Seen:
    """What this network was seen to do, since the start and as remembered."""

    def __init__(self, memory: Memory, network: str) -> None:
        self._memory = memory
        self._network = network
        self._frozen = False
        self._small_silences: deque[float] = deque(maxlen=2)
        self._policed_at = float("-inf")
        self.changed_to(network)

    def changed_to(self, network: str) -> None:
        """Another network: what is remembered of it counts, what the last one did does not."""
        self._network = network
        self._frozen = self._memory.pattern(network) == Pattern.FROZEN.value
        self._small_silences.clear()
        self._policed_at = float("-inf")

    @property
    def frozen(self) -> bool:
        """Connections freeze by volume here: only short ones get through."""
        return self._frozen

    def word(self, now: float) -> Pattern | None:
        """What is to be told."""
        if self._frozen:
            return Pattern.FROZEN
        return Pattern.POLICED if now - self._policed_at < POLICED_FOR else None

    def went_silent(self, now: float, carried: int) -> None:
        """A connection that had come up went silent for good after so many bytes, and another one works."""
        if carried > SMALL or self._frozen:
            return
        self._small_silences.append(now)
        first = self._small_silences[0]
        if len(self._small_silences) == 2 and now - first <= TWICE_WITHIN:
            self._frozen = True
            self._memory.showed(self._network, Pattern.FROZEN.value)

    def died_young(self, now: float, carried: Sequence[int]) -> bool:
        """Connections that had come up are silent after so many bytes each, and one more comes up. Whether that is the pattern, with
        what was seen before: it need not be waited for until they are given up."""
        before = sum(now - then <= TWICE_WITHIN for then in self._small_silences)
        if any(size <= SMALL for size in carried) and len(carried) + before >= 2:
            for _ in carried:  # one of them may be older than the freezing, and have carried more
                self.went_silent(now, 0)
        return self._frozen

    def carried(self, size: int, messages: int) -> None:
        """One connection has carried so much and lives."""
        if size >= SURVIVED_BYTES or messages >= SURVIVED_MESSAGES:
            self.thawed()

    def thawed(self) -> None:
        """Connections are not frozen by volume any more."""
        self._small_silences.clear()
        if self._frozen:
            self._frozen = False
            self._memory.showed(self._network, "")

    def hung(self, now: float, made: int) -> None:
        """A handshake hung when `made` connections to its subnet had been made within the minute and another way is fine."""
        if made >= POLICED_FROM:
            self._policed_at = now
