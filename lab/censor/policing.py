"""Policing of TLS connections ('Siberian'): too many hellos alike in a minute, and new ones hang. LADDER B17, xt_hashlimit in E13."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from lab import tls
from lab.censor.filter import Look, Rule
from lab.policy import Out

# The window and the time for which new hellos are swallowed are about traffic, so that `--scale` does not shorten them.
WINDOW = 60.0


class Policing(Rule):
    """Counts hellos by client, server's /24, name and JA4. One without a name does not count, and another name begins anew (B17)."""

    def __init__(
        self, limit: int, *, window: float = WINDOW, penalty: float = WINDOW, by_client: bool = True
    ) -> None:
        super().__init__()
        self._limit, self._window, self._penalty, self._by_client = limit, window, penalty, by_client
        self._seen: dict[tuple[int, int, str, str], deque[float]] = {}
        self._until: dict[tuple[int, int, str, str], float] = {}

    def judge(self, look: Look) -> Sequence[Out] | None:
        flow = look.flow
        if not look.new or "policed" in flow.notes or not isinstance(flow.hello, tls.Hello):
            return None
        flow.notes["policed"] = True
        if not flow.hello.name:
            return None
        key = (flow.client if self._by_client else 0, flow.server >> 8, flow.hello.name, flow.hello.ja4)
        if look.now >= self._until.get(key, 0.0):
            times = self._seen.setdefault(key, deque())
            while times and times[0] <= look.now - self._window:
                times.popleft()
            times.append(look.now)
            if len(times) <= self._limit:
                return None
            times.clear()
            self._until[key] = look.now + self._penalty
            self.count["policing began"] += 1
        self.count["swallowed hello"] += 1
        flow.ends_after = flow.packets - 1
        return ()
