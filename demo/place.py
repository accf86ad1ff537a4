"""The small world of the demo as data: who is where, by which name and address. Names and addresses are those of the lab.

They are kept for documentation and benchmarks (`lab/world.py`): no program takes them for private ones, and nothing answers there but
what the censor leads to.
"""

from __future__ import annotations

from typing import Final

from lab import world
from lab.policy import World

ADA, BO = "Ada", "Bo"
PEOPLE: Final = (ADA, BO)
RELAY: Final = world.RELAY.addresses
RELAY_NAME: Final = next(iter(world.RELAY.names))
BRIDGES: Final = tuple((next(iter(host.names)), host.addresses[0]) for host in world.BRIDGES)
RESOLVERS: Final = tuple((name, addresses[0]) for name, addresses in world.RESOLVERS.names.items())
PORT: Final = 443

ZONE: Final[dict[str, tuple[str, ...]]] = {
    **world.RELAY.names,
    **{name: (address,) for name, address in BRIDGES},
    **world.RESOLVERS.names,
}
"""All names, and what an honest resolver says of them."""
SERVICE: Final = (*RELAY, *(address for _, address in BRIDGES))
"""The addresses of relay and bridges."""
ADDRESSES: Final = (*SERVICE, *(address for _, address in RESOLVERS))
"""All that can be connected to."""


def the_world() -> World:
    """What the lab's measures are told: the same names and addresses, with the bridges that are here."""
    return world.the_world("")


def subnet(address: str) -> str:
    return address.rpartition(".")[0]
