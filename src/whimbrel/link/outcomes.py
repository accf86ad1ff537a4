"""How connections went: what the diagnosis (`diagnosis.py`) is made from. Values only."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

from whimbrel.link.trouble import Reason, Stage, Trouble

OUTCOMES = 64
"""Connections that are remembered, the last ones."""
FOR = 300.0
"""Seconds for which they say something of the network as it is now."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one connection went, from the start to its end, or until now. `trouble`: how it ended; None: it works, or ended well."""

    at: float
    way: str
    """The text of the way."""
    host: str
    """The machine's name as the way has it; its subnet where it has none."""
    machine: str
    """Its subnet."""
    kind: str
    """What a filter saw of the handshake (`variants.PLAIN` and the rest)."""
    trouble: Trouble | None = None
    carried: int = 0
    """Bytes that came through before that, about; 0: no sealed answer came."""
    connected_in: float | None = None
    """Seconds until the other machine answered at all."""
    rate: float | None = None
    """Bytes a second of a large thing, where one was sent."""
    bridge: bool = False
    """It led to a bridge."""
    asked: bool = False
    """It was made to find out about the network."""

    @property
    def reached(self) -> bool:
        """A sealed answer came."""
        return self.trouble is None or self.carried > 0

    @property
    def stage(self) -> Stage | None:
        return self.trouble.stage if self.trouble is not None else None

    @property
    def reason(self) -> Reason | None:
        return self.trouble.reason if self.trouble is not None else None


class Outcomes:
    """The last ones of one network."""

    def __init__(self) -> None:
        self._kept: deque[Outcome] = deque(maxlen=OUTCOMES)

    def add(self, outcome: Outcome) -> None:
        self._kept.append(outcome)

    def forget(self) -> None:
        """Another network: what was seen says nothing of it."""
        self._kept.clear()

    def since(self, moment: float) -> tuple[Outcome, ...]:
        return tuple(one for one in self._kept if one.at >= moment)


class Said(Enum):
    """What a resolver said of a name."""

    ADDRESS = "address"
    FALSE = "false"
    """An address that can be nobody's, or where something else answers."""
    NO_SUCH_NAME = "no-such-name"
    NOTHING = "nothing"
    """It did not answer."""


@dataclass(frozen=True, slots=True)
class NameSaid:
    """What one resolver said of a relay's name. `national`: that of the network; else one of our own, abroad."""

    host: str
    national: bool
    said: Said


def machines(outcomes: Iterable[Outcome]) -> set[str]:
    """All that these led to."""
    return {one.machine for one in outcomes}
