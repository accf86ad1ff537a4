"""What worked on which network: a value that the client keeps in its home and the dialer reads and writes."""

from __future__ import annotations

from dataclasses import dataclass

NETWORKS = 16
"""Networks remembered; the one not used for longest is forgotten."""
ROUTES = 64
"""Ways remembered for each network."""
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

    def _touch(self, network: str, way: str) -> Past:
        ways = self._networks.pop(network, {})
        self._networks[network] = ways  # the newest stands last
        while len(self._networks) > NETWORKS:
            del self._networks[next(iter(self._networks))]
        past = ways.pop(way, None) or Past()
        ways[way] = past
        while len(ways) > ROUTES:
            del ways[next(iter(ways))]
        return past

    def value(self) -> list[list[object]]:
        """`[[network, [[way, came up, failed since]…]]…]`, the newest last: arrays, texts and small numbers only."""
        return [
            [network, [[way, past.came_up, past.failed_since] for way, past in ways.items()]]
            for network, ways in self._networks.items()
        ]

    @classmethod
    def from_value(cls, value: object) -> Memory:
        """The memory that `value()` gave. What is not understood is forgotten: a memory is only a help."""
        memory = cls()
        for network, ways in _pairs(value):
            for row in ways:
                if not (isinstance(row, list | tuple) and len(row) == 3):
                    continue
                way, up, failed = row
                if isinstance(way, str) and _is_count(up) and _is_count(failed):
                    past = memory._touch(network, way)
                    past.came_up, past.failed_since = up, failed
        return memory


def _pairs(value: object) -> list[tuple[str, list[object]]]:
    if not isinstance(value, list | tuple):
        return []
    found = []
    for pair in value:
        if isinstance(pair, list | tuple) and len(pair) == 2:
            network, ways = pair
            if isinstance(network, str) and isinstance(ways, list | tuple):
                found.append((network, list(ways)))
    return found


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= COUNT_MAX
