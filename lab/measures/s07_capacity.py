"""S7: a recognised connection loses nearly every packet, or nearly every connection does not come up."""

from collections.abc import Sequence
from random import Random

from lab.censor import Bans, ByName, Capacity, Rule
from lab.measures.filtered import Filtered
from lab.policy import World


class CapacityFive(Filtered):
    name = "S7"
    about = "Of a connection with the messenger's name, 5 packets in 100 pass, the hello included."
    source = "B11, E8: TSPU ch. 17.3"
    numbers = "each packet is dropped with p = 0.95"
    fails_plain = True

    def filters(self, world: World, provider: int, scale: float, rng: Random, bans: Bans) -> list[Rule]:
        return [Capacity(ByName(world.service_names), 0.95, rng)]


class FailingConnections(Filtered):
    name = "S7b"
    about = "Of the packets that open a connection to the messenger's public addresses, one in five passes, whatever the name."
    source = "B14, E8: themoscowtimes.com 2026/01/16; cognicurrent.com 500237"
    numbers = "SYN is dropped with p = 0.8"
    spares_neutral = False
    variant_of = "S7"

    def rules(self, world: World, provider: int) -> Sequence[str]:
        lost = "-m statistic --mode random --probability 0.8 -j DROP"
        return [f"iptables -A LAB -p tcp --syn -d {address} {lost}" for address in world.public_addresses]


MEASURES = (CapacityFive(), FailingConnections())
