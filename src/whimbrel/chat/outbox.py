"""The outbox of a conversation: what waits to leave, in order. It holds content and intentions, never ciphertext."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import islice

from whimbrel.chat.records import OutboxRow

AT_ONCE = 64
"""Rows looked at for one append: more than ever go into one."""
LONGEST_WAIT = 60_000
"""Milliseconds that a row ever waits from the moment it is told to."""


def has_come(time: int, now: int, longest: int) -> bool:
    """Whether a time has come that was never set further ahead than `longest` (all in milliseconds).

    One that lies further ahead was set by a clock that was wrong then or is wrong now: nothing waits for it.
    """
    return not now < time <= now + longest


class Outbox:
    """Rows by number; a row keeps its place when it is replaced. Nothing here is slow with many thousands waiting."""

    def __init__(self) -> None:
        self._rows: dict[int, OutboxRow] = {}

    def __iter__(self) -> Iterator[OutboxRow]:
        return iter(self._rows.values())

    def __len__(self) -> int:
        return len(self._rows)

    def put(self, row: OutboxRow) -> None:
        self._rows[row.n] = row

    def drop(self, n: int) -> OutboxRow | None:
        return self._rows.pop(n, None)

    def get(self, n: int) -> OutboxRow | None:
        return self._rows.get(n)

    def rows(self, numbers: Iterable[int]) -> list[OutboxRow]:
        """Those of these numbers that wait."""
        return [row for row in map(self._rows.get, numbers) if row is not None]

    def due(self, now: int, may_leave: Callable[[OutboxRow], bool] = lambda row: True) -> list[OutboxRow]:
        """The first rows that may leave by now (milliseconds)."""
        due = (row for row in self if has_come(row.not_before, now, LONGEST_WAIT) and may_leave(row))
        return list(islice(due, AT_ONCE))

    def next_time(self) -> int | None:
        """When the next row may leave (milliseconds)."""
        soonest = None
        for row in self:
            if row.not_before <= 0:
                return row.not_before
            if soonest is None or row.not_before < soonest:
                soonest = row.not_before
        return soonest
