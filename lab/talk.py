"""What came of a conversation: from what was sent and what arrived to figures. Pure.

A message is known by its text, which nobody else sends. Times are those of one monotonic clock.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass


@dataclass(frozen=True, slots=True)
class Sent:
    """A message, when the app was told to send it."""

    text: str
    at: float


@dataclass(frozen=True, slots=True)
class Arrived:
    """A message at the other side, when its app said so."""

    text: str
    at: float


@dataclass(frozen=True, slots=True)
class Direction:
    """One way of a conversation."""

    sent: int
    delivered: int
    lost: int
    doubled: int
    out_of_order: int
    p50: float | None
    p95: float | None
    """Seconds from telling the app until it was there, of those that arrived."""
    worst: float | None
    recovered: float | None
    """Seconds from the strike until the first message arrived that was sent after it. None: there was none, or no strike."""
    gap: float | None
    """Seconds from the strike until anything arrived, also what was sent before it."""


@dataclass(frozen=True, slots=True)
class Talk:
    """Both ways."""

    directions: Mapping[str, Direction]
    """By who speaks."""
    sent: int
    delivered: int
    lost: int
    doubled: int
    out_of_order: int
    p50: float | None
    p95: float | None
    worst: float | None
    recovered: float | None
    """Seconds from the strike until the first message arrived anywhere that was sent after it."""
    recovered_both: float | None
    """The same, until this has happened in both directions."""
    gap: float | None

    def as_json(self) -> dict[str, object]:
        return asdict(self)


def figures(
    sent: Mapping[str, Sequence[Sent]],
    arrived: Mapping[str, Sequence[Arrived]],
    strike: float | None = None,
) -> Talk:
    """`sent` and `arrived` by who speaks."""
    directions = {name: _direction(sent[name], arrived.get(name, ()), strike) for name in sent}
    every = list(directions.values())
    delays = sorted(delay for name in sent for delay in _delays(sent[name], arrived.get(name, ())))
    back = [one.recovered for one in every if one.recovered is not None]
    gaps = [one.gap for one in every if one.gap is not None]
    return Talk(
        directions,
        sent=sum(one.sent for one in every),
        delivered=sum(one.delivered for one in every),
        lost=sum(one.lost for one in every),
        doubled=sum(one.doubled for one in every),
        out_of_order=sum(one.out_of_order for one in every),
        p50=share(delays, 0.50),
        p95=share(delays, 0.95),
        worst=delays[-1] if delays else None,
        recovered=min(back, default=None),
        recovered_both=max(back) if len(back) == len(every) else None,
        gap=min(gaps, default=None),
    )


def _direction(sent: Sequence[Sent], arrived: Sequence[Arrived], strike: float | None) -> Direction:
    times = Counter(one.text for one in arrived)
    delays = sorted(_delays(sent, arrived))
    told = {one.text: one.at for one in sent}
    after = (
        []
        if strike is None
        else [one.at - strike for one in arrived if told.get(one.text, float("-inf")) >= strike]
    )
    anything = [] if strike is None else [one.at - strike for one in arrived if one.at >= strike]
    return Direction(
        sent=len(sent),
        delivered=sum(1 for one in sent if times[one.text]),
        lost=sum(1 for one in sent if not times[one.text]),
        doubled=sum(count - 1 for count in times.values()),
        out_of_order=_out_of_order([one.text for one in sent], [one.text for one in arrived]),
        p50=share(delays, 0.50),
        p95=share(delays, 0.95),
        worst=delays[-1] if delays else None,
        recovered=min(after, default=None),
        gap=min(anything, default=None),
    )


def _delays(sent: Sequence[Sent], arrived: Sequence[Arrived]) -> list[float]:
    first: dict[str, float] = {}
    for one in arrived:
        first.setdefault(one.text, one.at)
    return [first[one.text] - one.at for one in sent if one.text in first]


def _out_of_order(sent: Sequence[str], arrived: Sequence[str]) -> int:
    """How many arrived after one that was sent later."""
    place = {text: number for number, text in enumerate(sent)}
    highest, found = -1, 0
    for number in (place[text] for text in dict.fromkeys(arrived) if text in place):
        found += number < highest
        highest = max(highest, number)
    return found


def share(ordered: Sequence[float], part: float) -> float | None:
    """The value below which this part lies (nearest rank); None of nothing."""
    if not ordered:
        return None
    return ordered[max(0, -(-int(part * 100) * len(ordered) // 100) - 1)]
