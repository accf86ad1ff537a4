"""S6: what goes to the messenger's servers is slow."""

from random import Random

from lab.censor import Bans, ByAddress, ByName, Rule, Throttle
from lab.measures.filtered import Filtered, cidrs
from lab.policy import World

RATE = 140_000


class Shaper(Filtered):
    name = "S6"
    about = "All that a person sends to and gets from the messenger's servers, bridges and CDN waits in a queue of 140 kbit/s, whatever its name."
    source = "B12, B13, B14, E7: censoredplanet.org/throttling; doi 10.1145/3487552.3487858; themoscowtimes.com 2026/01/16"
    numbers = "140 kbit/s each way for each person, at most 2 s of queue"

    def filters(self, world: World, provider: int, scale: float, rng: Random, bans: Bans) -> list[Rule]:
        addresses = (*world.service_addresses, *([world.cdn_address] if world.cdn_address else ()))
        return [Throttle(ByAddress(cidrs(addresses)), RATE, queue=2.0)]


class Policer(Filtered):
    name = "S6p"
    about = "Connections with the messenger's name lose every packet above 140 kbit/s."
    source = "B12, E7b: bbs#65; doi 10.1145/3487552.3487858"
    numbers = "140 kbit/s each way for each person, 20 kB at once, the rest dropped"
    variant_of = "S6"

    def filters(self, world: World, provider: int, scale: float, rng: Random, bans: Bans) -> list[Rule]:
        return [Throttle(ByName(world.service_names), RATE, burst=20_000)]


MEASURES = (Shaper(), Policer())
