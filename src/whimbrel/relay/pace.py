"""How often something may happen: a burst, then one in so many seconds (the generic cell rate algorithm, ITU-T I.371).

For each key one number is kept, the moment at which its whole burst is free again; keys of which that moment has passed
are forgotten. Soft state: a restart gives everybody a new burst.
"""

from __future__ import annotations

import math
from collections.abc import Hashable


class Pace:
    """One rule for many keys."""

    def __init__(self, burst: int, every: float) -> None:
        self._slack = (burst - 1) * every
        self._every = every
        self._whole_at: dict[Hashable, float] = {}
        self._sweep_at = 1024

    def wait(self, key: Hashable, now: float) -> int:
        """Seconds until the next one is allowed, 0 for now; nothing is taken."""
        ahead = self._whole_at.get(key, now) - now - self._slack
        return max(0, math.ceil(ahead))

    def take(self, key: Hashable, now: float) -> None:
        """One more has happened."""
        self._whole_at[key] = max(self._whole_at.get(key, now), now) + self._every
        if len(self._whole_at) > self._sweep_at:
            self._whole_at = {key: at for key, at in self._whole_at.items() if at > now}
            self._sweep_at = max(1024, 2 * len(self._whole_at))
