"""New connections to each subnet, of all links of a program: who counts them outside sees one computer, not its relays."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

BUDGET_WINDOW = 61.0
"""Seconds that a new connection counts: a minute and what clocks may differ by."""


@dataclass(slots=True)
class Subnet:
    """When connections were made there lately; `closed_until`: no more until then."""

    attempts: deque[float] = field(default_factory=deque)
    closed_until: float = float("-inf")


class Subnets:
    """Those of the network that this computer is on."""

    def __init__(self, network: str = "") -> None:
        self._network = network
        self._subnets: dict[str, Subnet] = {}

    def get(self, name: str) -> Subnet | None:
        return self._subnets.get(name)

    def changed_to(self, network: str) -> None:
        """Another network counts anew. Where it is the same again, after a moment without any, what was counted stays; several links say so."""
        if network == "" or network != self._network:
            self._subnets.clear()
        self._network = network

    def count(self, name: str, now: float) -> None:
        """One more."""
        attempts = self._subnets.setdefault(name, Subnet()).attempts
        attempts.append(now)
        forget_before(attempts, now - BUDGET_WINDOW)


def forget_before(times: deque[float], moment: float) -> None:
    while times and times[0] <= moment:
        times.popleft()
