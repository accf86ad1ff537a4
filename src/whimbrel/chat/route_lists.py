"""The own relay is asked now and then by which ways it can be reached: so its fresh bridges come to people who are there already.

It names a few of all that it knows, always the same ones to one inbox, so that who has one inbox learns no more by asking again
(docs/protocol/operations.md, `routes`).
"""

from __future__ import annotations

from whimbrel.chat.effects import Effects
from whimbrel.chat.household import Household
from whimbrel.chat.inbox import InboxState
from whimbrel.chat.outbox import has_come
from whimbrel.chat.records import PutFact
from whimbrel.chat.relays import from_others
from whimbrel.crypto.leaf import ROUTES_MAX
from whimbrel.wire import cbor, proofs
from whimbrel.wire.answers import Answer, RouteList
from whimbrel.wire.operations import Proof, Routes

EVERY = 6 * 3_600_000
"""Milliseconds from one asking to the next."""
FIRST = 60_000
"""Milliseconds after a start for which other things go first."""
FACT = "route-list"


class RouteLists:
    """What the relay where this account lives said last."""

    def __init__(self, person: Household) -> None:
        self._person = person
        self._begun: int | None = None
        self._relay = b""
        """Of which relay the rest speaks."""
        self._asked_at = self._made_at = 0
        self._added: tuple[str, ...] = ()
        """Ways that are known by lists alone."""

    def restore(self, facts: dict[str, bytes]) -> None:
        if FACT in facts:
            self._relay, self._asked_at, self._made_at, added = cbor.decode(facts[FACT])
            self._added = tuple(added)

    def tend(self, now: int, fx: Effects) -> None:
        """Ask when it is time to."""
        home = self._home()
        if self._begun is None:
            self._begun = now
        if home is None or not has_come(self._due(home), now, EVERY):
            return
        if self._relay != home.relay:
            self._relay, self._made_at, self._added = home.relay, 0, ()
        self._asked_at, self._begun = now, min(self._begun, now)
        fx.ask(home.relay, Routes(home.log, self.proof(home)), "routes", home.log)

    @staticmethod
    def proof(home: InboxState) -> Proof:
        """That it is the owner of this inbox who asks."""
        return proofs.routes_proof(home.admin, home.relay, home.log)

    def next_time(self) -> int | None:
        """When it is asked next (milliseconds)."""
        home = self._home()
        return self._due(home) if home is not None and self._begun is not None else None

    def _home(self) -> InboxState | None:
        """Where we live, unless that relay is inside this home."""
        here = self._person.inbox.here()
        return here if not self._person.relays[here.relay].embedded else None

    def _due(self, home: InboxState) -> int:
        again = self._asked_at + EVERY if self._relay == home.relay else 0
        return max((self._begun or 0) + FIRST, again)

    def answered(self, log: bytes, answer: Answer, fx: Effects) -> None:
        """The relay's list. What it names is known from now on; what is known by a list alone and does not stand in this one is forgotten."""
        home = self._home()
        if home is None or (home.log, home.relay) != (log, self._relay) or not isinstance(answer, RouteList):
            return
        if not proofs.verify_route_list(home.relay, log, answer) or answer.made_at < self._made_at:
            fx.tell("ignored", why="a list of ways that the relay did not make, or an old one")
            return
        told = tuple(dict.fromkeys(from_others(answer.routes)))[:ROUTES_MAX]
        known = self._person.relays[home.relay].routes
        kept = [route for route in known if route not in self._added or route in told]
        fresh = [route for route in told if route not in kept]
        ways = (*kept[: ROUTES_MAX - len(fresh)], *fresh)
        self._added = tuple(way for way in ways if way in fresh or way in self._added)
        self._made_at = answer.made_at
        fx.save(PutFact(FACT, cbor.encode([self._relay, self._asked_at, self._made_at, list(self._added)])))
        if ways and ways != known:
            self._person.set_ways(home.relay, ways, fx)
