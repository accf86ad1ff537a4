"""Blocking in two stages: filters recognise, a centre lists the address some minutes later, and then it is gone for all. LADDER B10."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from lab.censor.bans import Bans
from lab.censor.filter import Look, Rule
from lab.censor.match import Match
from lab.policy import Out


class Listing(Rule):
    """Takes verdicts, waits 5 to 15 minutes for each address and port, and then bans it. Flows that run live on until then."""

    def __init__(
        self, bans: Bans, rng: Random, *, scale: float, wait: tuple[float, float] = (300.0, 900.0)
    ) -> None:
        super().__init__()
        self._bans, self._rng, self._wait = bans, rng, (wait[0] * scale, wait[1] * scale)
        self._due: dict[tuple[int, int], float] = {}
        self._known: set[tuple[int, int]] = set()

    def verdict(self, now: float, server: int, port: int, *, at_once: bool = False) -> None:
        if (server, port) in self._known:
            return
        self._known.add((server, port))
        self.count["verdict"] += 1
        if at_once:
            self._bans.list_endpoint(server, port)
        else:
            self._due[server, port] = now + self._rng.uniform(*self._wait)

    def timer(self, now: float) -> tuple[Sequence[Out], float | None]:
        if not self._due:
            return (), None
        for server, port in [endpoint for endpoint, at in self._due.items() if at <= now]:
            del self._due[server, port]
            self._bans.list_endpoint(server, port)
            self.count["listed address"] += 1
        return (), min(self._due.values(), default=None)


class Recognise(Rule):
    """A flow that matches leads to a verdict once it had three packets, which are enough for the log (TSPU ch. 8.2)."""

    def __init__(self, match: Match, listing: Listing, *, packets: int = 3) -> None:
        super().__init__()
        self._match, self._listing, self._packets = match, listing, packets

    def judge(self, look: Look) -> Sequence[Out] | None:
        flow = look.flow
        if look.new and "recognised" not in flow.notes and self._match.found(look):
            flow.notes["recognised"] = True
            self.count["recognised flow"] += 1
        if flow.notes.get("recognised") is True and flow.packets >= self._packets:
            flow.notes["recognised"] = "told"
            self._listing.verdict(look.now, flow.server, flow.port)
        return None
