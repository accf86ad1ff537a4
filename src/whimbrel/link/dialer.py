"""Which way to dial, and when: a quiet policy over what worked on this network.

Quiet, because some filters punish what impatient programs do: more than 4 to 12 new TLS connections a minute to one
subnet make all further ones hang, and storms of retries are themselves a mark. So: what worked before first, then the
plainest; one after the other, each when the usual time of the last has passed; exponential waits; budgets that hold for
each subnet and for all. A way on this very machine harms nobody and is tried again within a fraction of a second.

Who has been silent is suspected, and so is what is like it: the next attempt goes to another machine if there is one, then to
another subnet, then shows another name, and only then is the same.

Pure: time comes in with each call, chance is drawn from a seed, and nothing is dialled here.
"""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from whimbrel.link.memory import Memory, Past
from whimbrel.link.pattern import POLICED_FROM, Seen
from whimbrel.link.subnets import BUDGET_WINDOW, Subnets, forget_before
from whimbrel.link.ways import Candidate

USUAL_FIRST, USUAL_LEAST, USUAL_MOST = 0.4, 0.3, 2.0
"""Seconds in which a handshake is usually answered: before anything is known, and the limits of what is learned."""
GAP_AFTER_FAILURE = (0.25, 0.5, 1.0, 2.0)
"""Seconds between one attempt and the next when the last has failed already (RFC 8305 §5 names 250 ms; ours grow)."""
GAP_MAX = 2.0
YOUNG_MAX = 3
"""Attempts under way at the same time that still may be answered any moment."""
TRYING_MAX = 6
"""And with those that are late: handshakes of 5 s and more have been seen where they did succeed."""
LATE = 4.0
"""An attempt is late after that many times what is usual."""
PATIENCE = 15.0
"""Seconds until an attempt is given up."""
PATIENCE_NEAR = 5.0

WAIT_FIRST, WAIT_MAX = 1.0, 300.0
"""Seconds between attempts by one way: the first wait, doubled with each failure, and the longest."""
VAIN, WAIT_VAIN = 6, 3600.0
"""Failures of ways to a place that somebody else told until it counts as false, and how seldom it is tried then."""
GONE, WAIT_GONE = 64, 600.0
"""The same of a place to which one of them has led: it may be blocked for a while, and it may be another machine by now."""
LINE_KNOWN = 600.0
"""Seconds without anything good after which it may be the line itself: then nothing is held against what has led there before."""
VAIN_MAX = 256
"""Places of which that is counted."""
NEAR_FIRST, NEAR_GROWTH, NEAR_MAX = 0.05, 1.25, 0.25
NEAR_EAGER, NEAR_IDLE = 60.0, 2.0
"""On this machine: eager for a minute after the last good time, then every two seconds."""

BUDGET = 4
"""New connections to one subnet in BUDGET_WINDOW (the strictest policing seen counts 4 in 60; ours may arrive late)."""
BUDGET_ALL, BUDGET_MORE = 10, 20
"""And to all subnets together: while anything works, and when nothing does or only short ones get through."""
SHORT_GAP, EASY = 0.25, 0.3
"""Short ones go so many seconds apart while less than that part of the budget was used within the minute; then in steps that
use up what is left of it exactly when there is more."""
NOW_AND_THEN, LATELY, QUICK_LEFT = 4, 10.0, 3
"""Who has written fewer texts than that within so many seconds writes now and then: theirs go at once while anything of the budget is
left, and what else there is to ask and tell while more is left than the last number."""
KEPT_FOR_TEXTS, KEPT_FOR_CHUNKS, KEPT_LEAST = 5, 7, 2
"""Connections in a minute that chunks leave to texts, so that one that comes alone goes at once, and texts to chunks that wait: so many
less those that went, and two at least to texts."""
SHORT_SPARE = 1
"""Connections that are left for letters that have to go once more."""
WORKS = 60.0
"""Seconds since the last good time for which something counts as working."""

SETTLED = 10.0
"""Seconds that a way must have been up for its earlier failures to be forgotten."""
CLIMB_FIRST, CLIMB_MAX, CLIMB_ACTIVE = 10.0, 1800.0, 35.0
CLIMB_NEAR, CLIMB_NEAR_MAX = 1.0, 30.0
"""Seconds until a better way is tried while a lesser one is up, doubled with each failure: the longest, and the longest while
somebody writes or is written to."""
CLIMB_BESIDE = 120.0
"""Seconds between such attempts while a file needs the connections."""
CLIMB_SPARE = 1
"""Connections of a subnet's budget that climbing leaves for when they are needed, while nobody is there."""
PLAINEST, OF = 2, 3
"""Of three attempts to climb two go to the plainest ways."""
ACTIVE, TALKING = 60.0, 15.0
"""Seconds after something was written or has come during which somebody is there, and during which people talk."""
NUDGE = 3.0
"""Seconds since the last attempt after which somebody who is waiting may have another one at once."""
SUSPECT, ALIKE = 10.0, 120.0
"""Seconds for which a failure throws suspicion on what is like it; for which letters take others first, since each is one of few."""


@dataclass(slots=True)
class _Standing:
    """How a way did since the program started."""

    failures: int = 0
    ready_at: float = float("-inf")
    last_dialled: float = float("-inf")
    failed_at: float = float("-inf")
    subnets: set[str] = field(default_factory=set)


class Dialer:
    """Chooses among candidates. Whoever dials tells how each attempt went."""

    def __init__(
        self,
        candidates: Sequence[Candidate],
        memory: Memory,
        *,
        network: str = "",
        seed: bytes = b"",
        subnets: Subnets | None = None,
    ) -> None:
        """`subnets`: where connections are counted, together with those of other dialers."""
        self.memory = memory
        self.seen = Seen(memory, network)
        self._seed = seed
        self._network = network
        self._candidates: dict[str, Candidate] = {}
        self._standings: dict[str, _Standing] = {}
        self._subnets = subnets if subnets is not None else Subnets(network)
        self._all: deque[float] = deque()
        self._short_times: dict[bool, deque[float]] = {False: deque(), True: deque()}
        self._written_at: deque[float] = deque(maxlen=NOW_AND_THEN)
        self._trying: dict[str, float] = {}
        self._in_vain: dict[
            str, int
        ] = {}  # failures by place since it last led there, whatever was told of it meanwhile
        self._last_dial = float("-inf")
        self._dials = 0  # remote attempts since something last went well: sets the gap
        self._usual = USUAL_FIRST / 1.5
        self._learned = False
        self._good_at: float | None = None
        self._up_since = float("-inf")
        self._active_at = float("-inf")
        self._climbs = 0
        self._climb_failures = 0
        self._last_climb = float("-inf")
        self.set_candidates(candidates)

    # ------------------------------------------------------------------------------- what is decided

    def choose(
        self, now: float, up: Candidate | None, silent: bool = False, bulk: bool = False
    ) -> tuple[list[Candidate], float | None]:
        """The ways to dial now, while `up` is the best that works, and when to ask again (None: when something happens).
        `silent`: that one owes an answer, so others are dialled beside it. `bulk`: chunks wait for connections."""
        if self._good_at is None:
            self._good_at = now
        if up is None or silent:
            return self._search(now, up)
        return self._climb(now, up, bulk)

    def patience(self, candidate: Candidate) -> float:
        """Seconds that an attempt by this way may take until the sealed answer is there."""
        return PATIENCE_NEAR if candidate.near else PATIENCE

    @property
    def usual(self) -> float:
        """Seconds after which a handshake that was not answered has another one put beside it."""
        return min(max(1.5 * self._usual, USUAL_LEAST), USUAL_MOST)

    def is_late(self, now: float, began: float) -> bool:
        """Whether a handshake takes several times what is usual."""
        return now - began > LATE * self.usual

    def _search(self, now: float, silent: Candidate | None) -> tuple[list[Candidate], float | None]:
        chosen: list[Candidate] = []
        while len(self._trying) < TRYING_MAX:
            late_at = sorted(t + LATE * self.usual for t in self._trying.values())
            young = [t for t in late_at if t > now]
            waiting = [c for c in self._in_order(now, silent) if c.text not in self._trying and not c.short]
            due = [c for c in waiting if self._free_at(c, now, silent) <= now]
            if len(young) >= YOUNG_MAX:
                return chosen, young[0] if waiting else None
            if not due:
                return chosen, min((self._free_at(c, now, silent) for c in waiting), default=None)
            self._dial(now, due[0])
            chosen.append(due[0])
        return chosen, None

    def _climb(self, now: float, up: Candidate, bulk: bool) -> tuple[list[Candidate], float | None]:
        better = [c for c in self._candidates.values() if c.cost < up.cost and not c.short]
        if not better or self._trying:
            return [], None
        least = min(c.cost for c in better)
        if self._climbs % OF < PLAINEST:
            better = [c for c in better if c.cost == least]
        spare = 0 if up.short or self.is_active(now) else CLIMB_SPARE

        beside = self._last_climb + CLIMB_BESIDE if bulk and up.short else now

        def at_of(candidate: Candidate) -> float:
            return max(self._climb_at(candidate, now), self._budget_at(candidate, now, spare), beside, now)

        best = min(better, key=lambda c: (at_of(c), self._standings[c.text].last_dialled, c.cost, c.text))
        at = at_of(best)
        if at > now:
            return [], at
        self._climbs += 1
        self._last_climb = now
        self._dial(now, best)
        return [best], None

    def _in_order(self, now: float, silent: Candidate | None) -> list[Candidate]:
        def rank(candidate: Candidate) -> tuple[int, int, int, str]:
            standing = self.memory.past(self._network, candidate.text).standing
            again = 2 if standing == 2 else 0
            return self._suspicion(candidate, now, silent) + again, standing, candidate.cost, candidate.text

        return sorted(self._candidates.values(), key=rank)

    def _suspicion(self, candidate: Candidate, now: float, silent: Candidate | None) -> int:
        """How much a way is like those that do not answer: 0 another machine, 3 the very same."""
        found = 0
        if silent is not None:  # its flow may be cut, or all to its subnet
            if candidate.subnet == silent.subnet:
                found = 3 if candidate.kind == silent.kind else 2
            elif candidate.place == silent.place:
                found = 1
        for text, standing in self._standings.items():
            other = self._candidates.get(text)
            if other is None or other.near or candidate.near or other is candidate:
                continue
            if text in self._trying or now - standing.failed_at < SUSPECT:  # its name may be, or its subnet
                if candidate.place == other.place:
                    found = max(found, 2 if candidate.kind == other.kind else 1)
                elif candidate.subnet == other.subnet:
                    found = max(found, 1)
        return found

    def _free_at(self, candidate: Candidate, now: float, silent: Candidate | None = None) -> float:
        ready = self._standings[candidate.text].ready_at
        if candidate.near:
            return ready
        gap = 0.0
        if self._trying:
            gap = min(self.usual * 2.0 ** (len(self._trying) - 1), GAP_MAX)
        elif self._dials:
            gap = GAP_AFTER_FAILURE[min(self._dials, len(GAP_AFTER_FAILURE)) - 1]
        return max(ready, self._last_dial + gap, self._budget_at(candidate, now))

    def _climb_at(self, candidate: Candidate, now: float) -> float:
        if candidate.near:
            failures, first, most = self._standings[candidate.text].failures, CLIMB_NEAR, CLIMB_NEAR_MAX
            since = max(self._up_since, self._standings[candidate.text].last_dialled)
        else:
            failures, first = self._climb_failures, CLIMB_FIRST
            most = CLIMB_ACTIVE if now - self._active_at < ACTIVE else CLIMB_MAX
            since = max(self._up_since, self._last_climb)
        wait = min(first * 2.0 ** min(failures, 16), most)
        return since + wait * self._spread(candidate.text, failures)

    # ------------------------------------------------------------------------------- short ones

    @property
    def only_short(self) -> bool:
        """Connections freeze by volume here, and there are ways that carry little."""
        return self.seen.frozen and any(c.short for c in self._candidates.values())

    def short(
        self,
        now: float,
        *,
        bulk: bool = False,
        both: bool = False,
        hedge: bool = False,
        text: bool = False,
        besides: Sequence[Candidate] = (),
    ) -> tuple[Candidate | None, float | None]:
        """A way for one letter now, in another subnet than `besides` if there is one; or when to ask again. `bulk`: it is for
        a chunk; `both`: chunks wait, too; `hedge`: it has been sent already, and is late; `text`: somebody wrote what it carries."""
        at = self.short_at(now, bulk=bulk, both=both, hedge=hedge, text=text)
        if at is None or at > now:
            return None, at
        taken = {c.subnet for c in besides}

        def rank(candidate: Candidate) -> tuple[bool, bool, int, int, float, int, str]:
            standing = self._standings[candidate.text]
            waits = self._short_free_at(candidate, now) > now, candidate.subnet in taken
            doubtful = 2 if standing.failures > 0 else int(self._is_met_alike(candidate, now))
            used = self.connections(now, candidate.subnet), standing.last_dialled
            return *waits, doubtful, *used, candidate.cost, candidate.text

        best = min((c for c in self._candidates.values() if c.short), key=rank)
        self._dial(now, best)
        self._short_times[bulk].append(now)
        return best, None

    def _is_met_alike(self, candidate: Candidate, now: float) -> bool:
        """Whether a way to the same machine with the same kind of hello failed lately: its name may be blocked."""
        alike = (
            standing
            for text, standing in self._standings.items()
            if (other := self._candidates.get(text)) is not None
            and (other.place, other.kind) == (candidate.place, candidate.kind)
        )
        return any(now - standing.failed_at < ALIKE for standing in alike)

    def short_at(
        self, now: float, *, bulk: bool = False, both: bool = False, hedge: bool = False, text: bool = False
    ) -> float | None:
        """Since or from when on `short` has a way; None: never."""
        usable = [c for c in self._candidates.values() if c.short]
        if not usable:
            return None
        at = min(self._short_free_at(c, now) for c in usable)
        if hedge:
            return at
        budget = min(BUDGET_MORE, BUDGET * len({c.subnet for c in usable}))
        return max(at, self._short_paced_at(now, bulk, both, text, budget))

    def _short_free_at(self, candidate: Candidate, now: float) -> float:
        return max(self._standings[candidate.text].ready_at, self._budget_at(candidate, now))

    def writes_steadily(self, now: float) -> bool:
        """Whether somebody here writes more than now and then."""
        return len(self._written_at) == NOW_AND_THEN and now - self._written_at[0] < LATELY

    def _short_paced_at(self, now: float, bulk: bool, both: bool, text: bool, budget: int) -> float:
        """Quick at first, then ever slower, so that the budget is never used up. Texts and chunks leave each other a part."""
        for times in self._short_times.values():
            forget_before(times, now - BUDGET_WINDOW)
        mine, theirs = self._short_times[bulk], self._short_times[not bulk]
        at_once = text and not self.writes_steadily(now)
        recent = [t for t in self._all if t > now - BUDGET_WINDOW]
        if bulk:
            kept = max(KEPT_LEAST, KEPT_FOR_TEXTS - len(theirs))
        else:
            kept = max(0, KEPT_FOR_CHUNKS - len(theirs)) if both and not at_once else 0
        left = budget - (SHORT_SPARE if budget > BUDGET_ALL else 0) - len(recent) - kept
        if left <= 0:
            return recent[min(-left, len(recent) - 1)] + BUDGET_WINDOW
        step = SHORT_GAP
        quick = at_once or (left > QUICK_LEFT and not self.writes_steadily(now))
        if not (bulk or quick) and len(recent) >= EASY * budget:
            # Until each of those that went is forgotten there is room for so many: none of these times may find it used up.
            step = max((t + BUDGET_WINDOW - now) / (left + n) for n, t in enumerate(recent))
            step = max(step, SHORT_GAP)
        return (mine[-1] if mine else float("-inf")) + step

    # ------------------------------------------------------------------------------- budgets

    def _budget_at(self, candidate: Candidate, now: float, spare: int = 0) -> float:
        """From when on there is room for another connection to the subnets of this way, and in all."""
        if candidate.near:
            return float("-inf")
        good_at = self._good_at if self._good_at is not None else now
        works = now - good_at < WORKS and not self.only_short
        at = _room_at(self._all, now, (BUDGET_ALL if works else BUDGET_MORE) - spare)
        for name in self._subnets_of(candidate):
            subnet = self._subnets.get(name)
            if subnet is not None:
                at = max(at, _room_at(subnet.attempts, now, BUDGET - spare), subnet.closed_until)
        return at

    def room_at(self, candidate: Candidate, now: float, spare: int = 0) -> float:
        """From when on one more connection may be made there, so that so many are left (`spare`) for what may be needed."""
        return max(now, self._budget_at(candidate, now, spare))

    def connections(self, now: float, subnet: str | None = None) -> int:
        """New connections within the last minute, to one subnet or in all."""
        known = self._subnets.get(subnet) if subnet is not None else None
        times = self._all if subnet is None else known.attempts if known is not None else ()
        return sum(t > now - BUDGET_WINDOW for t in times)

    @property
    def candidates(self) -> tuple[Candidate, ...]:
        """The ways there are."""
        return tuple(self._candidates.values())

    # ------------------------------------------------------------------------------- what is told

    def set_candidates(self, candidates: Iterable[Candidate]) -> None:
        """The ways there are now. What is known of those that stay is kept."""
        self._candidates = {c.text: c for c in candidates}
        for text in self._candidates:
            self._standings.setdefault(text, _Standing())
        for text in [t for t in self._standings if t not in self._candidates and t not in self._trying]:
            del self._standings[text]

    def network_changed(self, now: float, network: str) -> None:
        """Another network: waits and budgets belonged to the last one. Where it is the same again, after a moment without any, what counts
        connections there has counted on."""
        same = network != "" and network == self._network
        self._network = network
        self.seen.changed_to(network)
        self._subnets.changed_to(network)
        if not same:
            self._all.clear()
            for times in self._short_times.values():
                times.clear()
        self._written_at.clear()
        for standing in self._standings.values():
            standing.failures, standing.ready_at, standing.failed_at = 0, now, float("-inf")
        self._climb_failures = 0
        self._in_vain.clear()
        self._fresh(now)

    def nudge(self, now: float) -> None:
        """Somebody is waiting: a long wait ends, unless the last attempt was a moment ago. Budgets hold."""
        for text, standing in self._standings.items():
            if now - standing.last_dialled >= NUDGE and self._vain_wait(text) is None:
                standing.ready_at = min(standing.ready_at, now)
        if any(c.near for c in self._candidates.values()):
            self._good_at = now

    def is_used(self, now: float) -> None:
        """Somebody writes or is written to."""
        self._active_at = now

    def is_written(self, now: float, count: int) -> None:
        """So much was written into a log."""
        self._written_at.extend([now] * min(count, NOW_AND_THEN))

    def is_talking(self, now: float) -> bool:
        """Whether somebody wrote or was written to a moment ago."""
        return now - self._active_at < TALKING

    def is_active(self, now: float) -> bool:
        """Whether that was within the last minute."""
        return now - self._active_at < ACTIVE

    def opened(self, now: float, text: str) -> None:
        """A way by exchanges has opened another connection beside its first."""
        candidate = self._candidates.get(text)
        if candidate is None or candidate.near:
            return
        self._all.append(now)
        for name in self._subnets_of(candidate):
            self._subnets.count(name, now)

    def works(self, now: float) -> None:
        """An answer has come by some way."""
        self._good_at = now

    def came_up(self, now: float, text: str, subnets: Sequence[str] = ()) -> None:
        """The sealed answer arrived by this way."""
        began = self._trying.get(text)
        if began is not None:
            took = now - began
            self._usual += (took - self._usual) / (4 if self._learned else 1)
            self._learned = True
        self._ended(now, text, subnets)
        self.memory.came_up(self._network, text)
        self._fresh(now)
        candidate = self._candidates.get(text)
        if candidate is None:
            return
        self._in_vain.pop(candidate.told, None)
        if not candidate.short:
            self._up_since = now
        self._standings[text].failed_at = float("-inf")
        if candidate.near or candidate.short:
            self._standings[text].failures = 0

    def failed(
        self, now: float, text: str, subnets: Sequence[str] = (), hung: bool = False, local: bool = False
    ) -> None:
        """An attempt ended without a sealed answer; `hung`: nothing came at all; `local`: it did not get out of this network, so it says
        nothing about whoever told the way."""
        began = self._trying.get(text, now)
        self._ended(now, text, subnets)
        told = self._candidates.get(text)
        if not (local and told is not None and told.of_others):
            self.memory.failed(self._network, text)
        self._held_against(now, text, local)
        if now - self._last_climb <= PATIENCE and began == self._last_climb:
            self._climb_failures += 1
        candidate = self._candidates.get(text)
        good_at = self._good_at if self._good_at is not None else float("-inf")
        if hung and candidate is not None and not candidate.near and good_at > began:
            self._hung(now, candidate, began)

    def _hung(self, now: float, candidate: Candidate, began: float) -> None:
        """It may be policing: then that subnet is left alone for a minute."""
        for name in self._subnets_of(candidate):
            subnet = self._subnets.get(name)
            if subnet is None:
                continue
            made = sum(began - BUDGET_WINDOW < t < began for t in subnet.attempts)
            self.seen.hung(now, made)
            if made >= POLICED_FROM:
                subnet.closed_until = began + BUDGET_WINDOW

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

    def went_silent(self, now: float, text: str, lasted: float) -> None:
        """A way that was up has been silent since another one took its place."""
        if text in self._candidates and lasted < SETTLED:
            self._held_against(now, text)
        if lasted < CLIMB_ACTIVE:
            self._climb_failures += 1

    def held(self, now: float) -> None:
        """The way that is up has proved good: earlier attempts to climb that failed are forgotten."""
        self._climb_failures = 0
        self._up_since = now

    def withdrawn(self, now: float, text: str, subnets: Sequence[str] = ()) -> None:
        """An attempt was given up because another way came up first: it says nothing about this way."""
        self._ended(now, text, subnets)

    def beaten(self, now: float, text: str) -> None:
        """Another letter that went later was answered first: ways like this one had better wait until the others were taken."""
        standing = self._standings.get(text)
        if standing is not None:
            standing.failed_at = now

    # ------------------------------------------------------------------------------- the accounts

    def _dial(self, now: float, candidate: Candidate) -> None:
        self._standings[candidate.text].last_dialled = now
        if not candidate.short:
            self._trying[candidate.text] = now
        if candidate.near:
            return
        if not candidate.short:
            self._last_dial = now
            self._dials += 1
        forget_before(self._all, now - BUDGET_WINDOW)
        self._all.append(now)
        for name in self._subnets_of(candidate):
            self._subnets.count(name, now)

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
            self._subnets.count(name, now)
        for _ in subnets[1:]:
            self._all.append(now)
        standing.subnets.update(subnets)

    def _held_against(self, now: float, text: str, local: bool = False) -> None:
        candidate = self._candidates.get(text)
        if candidate is None:
            return
        standing = self._standings[text]
        standing.failures += 1
        standing.failed_at = now
        good_at = self._good_at if self._good_at is not None else now
        line_is_dead = now - good_at > LINE_KNOWN and any(p.came_up for p in self._pasts_alike(candidate))
        if candidate.of_others and not local and not line_is_dead:
            self._in_vain[candidate.told] = self._in_vain.pop(candidate.told, 0) + 1
            while len(self._in_vain) > VAIN_MAX:
                del self._in_vain[next(iter(self._in_vain))]
        standing.ready_at = now + self._wait(now, candidate, standing.failures)

    def _wait(self, now: float, candidate: Candidate, failures: int) -> float:
        spread = self._spread(candidate.text, failures)
        steps = min(failures - 1, 32)
        if not candidate.near:
            vain = self._vain_wait(candidate.text)
            if vain is not None:
                return vain * spread
            return min(WAIT_FIRST * 2.0**steps, WAIT_MAX) * spread
        eager = now - (self._good_at if self._good_at is not None else now) < NEAR_EAGER
        return min(NEAR_FIRST * NEAR_GROWTH**steps, NEAR_MAX if eager else NEAR_IDLE) * spread

    def _vain_wait(self, text: str) -> float | None:
        """Seconds between attempts by a way that somebody else told and that has led nowhere for long, whatever was made of it: it may be
        false or old, and whoever told it may aim us at a stranger. None: it is tried as others are."""
        way = self._candidates.get(text)
        if way is None or not way.of_others:
            return None
        pasts, here = self._pasts_alike(way), self._in_vain.get(way.told, 0)
        if any(past.came_up for past in pasts):
            return WAIT_GONE if here >= GONE else None
        return WAIT_VAIN if max(here, sum(past.failed_since for past in pasts)) >= VAIN else None

    def _pasts_alike(self, way: Candidate) -> list[Past]:
        """How ways of others to the same host and port did."""
        alike = (c for c in self._candidates.values() if c.of_others and c.told == way.told)
        return [self.memory.past(self._network, c.text) for c in alike]

    def _spread(self, text: str, n: int) -> float:
        """0.8 to 1.2, drawn from the seed, so that not all who lost a relay come back at the same moment."""
        drawn = hashlib.sha256(self._seed + text.encode() + n.to_bytes(8, "big")).digest()
        return 0.8 + 0.4 * int.from_bytes(drawn[:4], "big") / 2**32

    def _subnets_of(self, candidate: Candidate) -> set[str]:
        return {candidate.subnet} | self._standings[candidate.text].subnets

    def _fresh(self, now: float) -> None:
        self._good_at = now
        self._dials = 0


def _room_at(times: deque[float], now: float, budget: int) -> float:
    """From when on fewer than `budget` of these are within the window."""
    recent = [t for t in times if t > now - BUDGET_WINDOW]
    return recent[-budget] + BUDGET_WINDOW if len(recent) >= budget else float("-inf")
