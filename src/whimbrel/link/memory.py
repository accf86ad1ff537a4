"""What worked on which network: a value that the client keeps in its home and the dialer reads and writes."""

from __future__ import annotations

from dataclasses import dataclass

NETWORKS = 16
"""Networks remembered; the one not used for longest is forgotten."""
ROUTES = 128
"""Ways remembered for each network."""
WORD_MAX = 32
COUNT_MAX = 255


@dataclass(slots=True)
class Past:
    """How a way did on a network: how often it came up, and how often it failed since."""

    came_up: int = 0
    failed_since: int = 0

    @property
    def standing(self) -> int:
        """0 it worked last, 1 never tried, 2 it failed last."""
        if self.failed_since:
            return 2
        return 0 if self.came_up else 1


class Memory:
    """Pasts by network and way. Holds no times, so that a wrong clock changes nothing."""

    def __init__(self) -> None:
        self._networks: dict[str, dict[str, Past]] = {}
        self._patterns: dict[str, str] = {}

    def past(self, network: str, way: str) -> Past:
        """How `way` did on `network`; a fresh value where nothing is known."""
        return self._networks.get(network, {}).get(way, Past())

    def came_up(self, network: str, way: str) -> None:
        """The sealed answer arrived by this way."""
        past = self._touch(network, way)
        past.came_up = min(past.came_up + 1, COUNT_MAX)
        past.failed_since = 0

    def failed(self, network: str, way: str) -> None:
        """An attempt by this way ended without a sealed answer."""
        past = self._touch(network, way)
        past.failed_since = min(past.failed_since + 1, COUNT_MAX)

    def pattern(self, network: str) -> str:
        """The word for what `network` was last seen to do to connections; empty: nothing."""
        return self._patterns.get(network, "")

    def showed(self, network: str, pattern: str) -> None:
        """What `network` does to connections, in a word; an empty one: nothing any more."""
        self._patterns.pop(network, None)
        if pattern:
            self._networks.setdefault(network, {})
            self._patterns[network] = pattern

    def _touch(self, network: str, way: str) -> Past:
        ways = self._networks.pop(network, {})
        self._networks[network] = ways  # the newest stands last
        while len(self._networks) > NETWORKS:
            oldest = next(iter(self._networks))
            del self._networks[oldest]
            self._patterns.pop(oldest, None)
        past = ways.pop(way, None) or Past()
        ways[way] = past
        while len(ways) > ROUTES:
            del ways[next(iter(ways))]
        return past

    def value(self) -> list[list[object]]:
        """`[[network, [[way, came up, failed since]…], pattern if any]…]`, the newest last: arrays, texts and small numbers."""
        rows: list[list[object]] = []
        for network, ways in self._networks.items():
            row: list[object] = [network, [[way, p.came_up, p.failed_since] for way, p in ways.items()]]
            if network in self._patterns:
                row.append(self._patterns[network])
            rows.append(row)
        return rows

    @classmethod
    def from_value(cls, value: object) -> Memory:
        """The memory that `value()` gave. What is not understood is forgotten: a memory is only a help."""
        memory = cls()
        for network, ways, pattern in _rows(value):
            for row in ways:
                if not (isinstance(row, list | tuple) and len(row) == 3):
                    continue
                way, up, failed = row
                if isinstance(way, str) and _is_count(up) and _is_count(failed):
                    past = memory._touch(network, way)
                    past.came_up, past.failed_since = up, failed
            if pattern:
                memory.showed(network, pattern)
        return memory


def _rows(value: object) -> list[tuple[str, list[object], str]]:
    if not isinstance(value, list | tuple):
        return []
    found = []
    for row in value:
        if isinstance(row, list | tuple) and len(row) in (2, 3):
            network, ways = row[:2]
            pattern = row[2] if len(row) == 3 else ""
            if not isinstance(pattern, str) or len(pattern) > WORD_MAX:
                pattern = ""
            if isinstance(network, str) and isinstance(ways, list | tuple):
                found.append((network, list(ways), pattern))
    return found


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= COUNT_MAX
