"""Throttling of recognised flows: by dropping what is too much (a policer) or by letting it wait (a shaper). LADDER B12, B13."""

from __future__ import annotations

from collections.abc import Sequence

from lab.censor.filter import Look, Rule
from lab.censor.match import ByAddress, Match
from lab.policy import Out


class Throttle(Rule):
    """One bucket for each client and direction: what a person has open together shares it."""

    def __init__(self, match: Match, bits: float, *, burst: int = 20_000, queue: float | None = None) -> None:
        """`bits` a second; `burst` bytes may pass at once. `queue`: seconds of waiting before a packet is dropped; None: a policer."""
        super().__init__()
        self._match, self._rate, self._queue = match, bits / 8, queue
        # A shaper has no burst but a packet: the queue takes its place.
        self._burst = float(burst) if queue is None else 3_000.0
        self._buckets: dict[tuple[int, bool], tuple[float, float]] = {}

    def judge(self, look: Look) -> Sequence[Out] | None:
        flow = look.flow
        known = flow.notes.get("throttle")
        if known is None and (look.new or isinstance(self._match, ByAddress)) and self._match.found(look):
            known = flow.notes["throttle"] = True
            self.count["throttled flow"] += 1
        if not known:
            return None
        bucket = (flow.client, look.from_client)
        left, since = self._buckets.get(bucket, (self._burst, look.now))
        left = min(self._burst, left + (look.now - since) * self._rate)
        after = left - len(look.packet.data)
        if self._queue is None:
            if after < 0:
                self._buckets[bucket] = (left, look.now)
                self.count["dropped by the policer"] += 1
                return ()
            self._buckets[bucket] = (after, look.now)
            return None
        wait = max(0.0, -after / self._rate)
        if wait > self._queue:
            self._buckets[bucket] = (left, look.now)
            self.count["dropped from the queue"] += 1
            return ()
        self._buckets[bucket] = (after, look.now)
        return look.passed(delay=wait)
