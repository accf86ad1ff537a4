"""Which way to dial, and when: a quiet policy over what worked on this network.

Quiet, because some filters punish what impatient programs do: more than 4 to 12 new TLS connections a minute to one
subnet make all further ones hang, and storms of retries are themselves a mark. So: what worked before first, then the
plainest; one after the other, 250 ms apart and then slower; exponential waits; a budget for each subnet that has refused
us. A way on this very machine harms nobody and is tried again within a fraction of a second.

Pure: time comes in with each call, chance is drawn from a seed, and nothing is dialled here.
"""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from whimbrel.link.memory import Memory
from whimbrel.link.ways import Candidate

GAPS = (0.25, 0.5, 1.0, 2.0)
"""Seconds between one attempt and the next (RFC 8305 §5 names 250 ms; ours grow, because a race of many is seen)."""
TRYING_MAX = 3
"""Attempts under way at the same time."""
PATIENCE = 15.0
"""Seconds until an attempt is given up: throttled handshakes of 5 s and more have been seen where they did succeed."""
PATIENCE_NEAR = 5.0

WAIT_FIRST, WAIT_MAX = 1.0, 300.0
"""Seconds between attempts by one way: the first wait, doubled with each failure, and the longest."""
NEAR_FIRST, NEAR_GROWTH, NEAR_MAX = 0.05, 1.25, 0.25
NEAR_EAGER, NEAR_IDLE = 60.0, 2.0
"""On this machine: eager for a minute after the last good time, then every two seconds."""

BUDGET, BUDGET_WINDOW = 4, 60.0
"""New connections to one subnet in that many seconds, once it has failed us (the strictest policing seen counts 4)."""
GRUDGE = 600.0
"""Seconds for which a failure counts against a subnet (an address is swallowed for ten minutes after some offences)."""

SETTLED = 10.0
"""Seconds that a way must have been up for its earlier failures to be forgotten."""
CLIMB_FIRST, CLIMB_MAX = 15.0, 1800.0
CLIMB_NEAR, CLIMB_NEAR_MAX = 1.0, 30.0
"""Seconds until a better way is tried while a lesser one is up, doubled with each failure."""
NUDGE = 3.0
"""Seconds since the last attempt after which somebody who is waiting may have another one at once."""


@dataclass(slots=True)
class _Standing:
    """How a way did since the program started."""

    failures: int = 0
    ready_at: float = float("-inf")
    last_dialled: float = float("-inf")
    subnets: set[str] = field(default_factory=set)


@dataclass(slots=True)
class _Subnet:
    attempts: deque[float] = field(default_factory=deque)
    failed_at: float = float("-inf")


class Dialer:
    """Chooses among candidates. Whoever dials tells how each attempt went."""

    def __init__(
        self, candidates: Sequence[Candidate], memory: Memory, *, network: str = "", seed: bytes = b""
    ) -> None:
        self.memory = memory
        self._seed = seed
        self._network = network
        self._candidates: dict[str, Candidate] = {}
        self._standings: dict[str, _Standing] = {}
        self._subnets: dict[str, _Subnet] = {}
        self._trying: dict[str, float] = {}
        self._last_dial = float("-inf")
        self._dials = 0  # remote attempts since something last went well: sets the gap
        self._good_at: float | None = None
        self._up_since = float("-inf")
        self.set_candidates(candidates)

    # ------------------------------------------------------------------------------- what is decided

    def choose(self, now: float, up: Candidate | None) -> tuple[list[Candidate], float | None]:
        """The ways to dial now, while `up` is the best that works, and when to ask again (None: when something happens)."""
        if self._good_at is None:
            self._good_at = now
        if up is None:
            return self._search(now)
        return self._climb(now, up)

    def patience(self, candidate: Candidate) -> float:
        """Seconds that an attempt by this way may take until the sealed answer is there."""
        return PATIENCE_NEAR if candidate.near else PATIENCE

    def _search(self, now: float) -> tuple[list[Candidate], float | None]:
        chosen: list[Candidate] = []
        while len(self._trying) < TRYING_MAX:
            waiting = [c for c in self._in_order() if c.text not in self._trying]
            due = [c for c in waiting if self._free_at(c, now) <= now]
            if not due:
                return chosen, min((self._free_at(c, now) for c in waiting), default=None)
            self._dial(now, due[0])
            chosen.append(due[0])
        return chosen, None

    def _climb(self, now: float, up: Candidate) -> tuple[list[Candidate], float | None]:
        better = [c for c in self._in_order() if c.cost < up.cost]
        if not better or self._trying:
            return [], None
        at = {c.text: max(self._climb_at(c), self._budget_at(c, now)) for c in better}
        best = min(better, key=lambda c: (at[c.text], c.cost))
        if at[best.text] > now:
            return [], at[best.text]
        self._dial(now, best)
        return [best], None

    def _in_order(self) -> list[Candidate]:
        def rank(candidate: Candidate) -> tuple[int, int, str]:
            past = self.memory.past(self._network, candidate.text)
            return past.standing, candidate.cost, candidate.text

        return sorted(self._candidates.values(), key=rank)

    def _free_at(self, candidate: Candidate, now: float) -> float:
        ready = self._standings[candidate.text].ready_at
        if candidate.near:
            return ready
        gap = GAPS[min(self._dials, len(GAPS)) - 1] if self._dials else 0.0
        return max(ready, self._last_dial + gap, self._budget_at(candidate, now))

    def _climb_at(self, candidate: Candidate) -> float:
        standing = self._standings[candidate.text]
        first, most = (CLIMB_NEAR, CLIMB_NEAR_MAX) if candidate.near else (CLIMB_FIRST, CLIMB_MAX)
        wait = min(first * 2.0 ** min(standing.failures, 16), most)
        return max(self._up_since, standing.last_dialled) + wait * self._spread(
            candidate.text, standing.failures
        )

    def _budget_at(self, candidate: Candidate, now: float) -> float:
        """From when on the subnets of this way allow another connection."""
        if candidate.near:
            return float("-inf")
        at = float("-inf")
        for name in self._subnets_of(candidate):
            subnet = self._subnets.get(name)
            if subnet is None or now - subnet.failed_at >= GRUDGE:
                continue
            recent = [t for t in subnet.attempts if t > now - BUDGET_WINDOW]
            if len(recent) >= BUDGET:
                at = max(at, recent[-BUDGET] + BUDGET_WINDOW)
        return at

    # ------------------------------------------------------------------------------- what is told

    def set_candidates(self, candidates: Iterable[Candidate]) -> None:
        """The ways there are now. What is known of those that stay is kept."""
        self._candidates = {c.text: c for c in candidates}
        for text in self._candidates:
            self._standings.setdefault(text, _Standing())
        for text in [t for t in self._standings if t not in self._candidates and t not in self._trying]:
            del self._standings[text]

    def network_changed(self, now: float, network: str) -> None:
        """Another network: waits and grudges belonged to the last one."""
        self._network = network
        self._subnets.clear()
        for standing in self._standings.values():
            standing.failures, standing.ready_at = 0, now
        self._fresh(now)

    def nudge(self, now: float) -> None:
        """Somebody is waiting: a long wait ends, unless the last attempt was a moment ago. Budgets hold."""
        for standing in self._standings.values():
            if now - standing.last_dialled >= NUDGE:
                standing.ready_at = min(standing.ready_at, now)
        self._good_at = now

    def came_up(self, now: float, text: str, subnets: Sequence[str] = ()) -> None:
        """The sealed answer arrived by this way."""
        self._ended(now, text, subnets)
        self.memory.came_up(self._network, text)
        self._up_since = now
        self._fresh(now)
        candidate = self._candidates.get(text)
        if candidate is not None and candidate.near:
            self._standings[text].failures = 0

    def failed(self, now: float, text: str, subnets: Sequence[str] = ()) -> None:
        """An attempt ended without a sealed answer."""
        self._ended(now, text, subnets)
        self.memory.failed(self._network, text)
        self._held_against(now, text)

    def lost(self, now: float, text: str, lasted: float) -> None:
        """A way that had been up for `lasted` seconds is gone."""
        self._fresh(now)
        candidate = self._candidates.get(text)
        if candidate is None:
            return
        if candidate.near or lasted >= SETTLED:
            standing = self._standings[text]
            standing.failures = 0
            standing.ready_at = now + NEAR_FIRST if candidate.near else now
        else:
            self._held_against(now, text)

    def withdrawn(self, now: float, text: str, subnets: Sequence[str] = ()) -> None:
        """An attempt was given up because another way came up first: it says nothing about this way."""
        self._ended(now, text, subnets)

    # ------------------------------------------------------------------------------- the accounts

    def _dial(self, now: float, candidate: Candidate) -> None:
        self._trying[candidate.text] = now
        self._standings[candidate.text].last_dialled = now
        if candidate.near:
            return
        self._last_dial = now
        self._dials += 1
        for name in self._subnets_of(candidate):
            self._count(name, now)

    def _ended(self, now: float, text: str, subnets: Sequence[str]) -> None:
        """Learn to which subnets a name led: each connection beyond the one already counted counts too."""
        self._trying.pop(text, None)
        candidate = self._candidates.get(text)
        if candidate is None or candidate.near:
            return
        standing = self._standings[text]
        unseen = list(subnets)
        for name in self._subnets_of(candidate):
            if name in unseen:
                unseen.remove(name)
        for name in unseen:
            self._count(name, now)
        standing.subnets.update(subnets)

    def _held_against(self, now: float, text: str) -> None:
        candidate = self._candidates.get(text)
        if candidate is None:
            return
        standing = self._standings[text]
        standing.failures += 1
        standing.ready_at = now + self._wait(now, candidate, standing.failures)
        if not candidate.near:
            for name in self._subnets_of(candidate):
                self._subnets.setdefault(name, _Subnet()).failed_at = now

    def _wait(self, now: float, candidate: Candidate, failures: int) -> float:
        spread = self._spread(candidate.text, failures)
        steps = min(failures - 1, 32)
        if not candidate.near:
            return min(WAIT_FIRST * 2.0**steps, WAIT_MAX) * spread
        eager = now - (self._good_at if self._good_at is not None else now) < NEAR_EAGER
        return min(NEAR_FIRST * NEAR_GROWTH**steps, NEAR_MAX if eager else NEAR_IDLE) * spread

    def _spread(self, text: str, n: int) -> float:
        """0.8 to 1.2, drawn from the seed, so that not all who lost a relay come back at the same moment."""
        drawn = hashlib.sha256(self._seed + text.encode() + n.to_bytes(8, "big")).digest()
        return 0.8 + 0.4 * int.from_bytes(drawn[:4], "big") / 2**32

    def _count(self, name: str, now: float) -> None:
        attempts = self._subnets.setdefault(name, _Subnet()).attempts
        attempts.append(now)
        while attempts[0] <= now - BUDGET_WINDOW:
            attempts.popleft()

    def _subnets_of(self, candidate: Candidate) -> set[str]:
        return {candidate.subnet} | self._standings[candidate.text].subnets

    def _fresh(self, now: float) -> None:
        self._good_at = now
        self._dials = 0
