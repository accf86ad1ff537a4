"""'Protocol capacity': of a recognised flow only a few packets in a hundred pass (LADDER B11, TSPU ch. 17.3)."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from lab.censor.filter import Look, Rule
from lab.censor.match import ByAddress, Match
from lab.packets import SYN
from lab.policy import Out


class Capacity(Rule):
    def __init__(self, match: Match, lost: float, rng: Random, *, only_syn: bool = False) -> None:
        """`lost`: the share of packets that is dropped; `only_syn`: of those that open a connection (B14)."""
        super().__init__()
        self._match, self._lost, self._rng, self._only_syn = match, lost, rng, only_syn

    def judge(self, look: Look) -> Sequence[Out] | None:
        if self._only_syn and not look.packet.flags & SYN:
            return None
        known = look.flow.notes.get("capacity")
        if known is None and (look.new or isinstance(self._match, ByAddress)) and self._match.found(look):
            known = look.flow.notes["capacity"] = True
            self.count["recognised flow"] += 1
        if known and self._rng.random() < self._lost:
            self.count["lost packet"] += 1
            return ()
        return None
