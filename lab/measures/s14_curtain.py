"""S14: connections to foreign data centres freeze after 25 packets."""

from random import Random

from lab.censor import Bans, Curtain, Rule
from lab.measures.filtered import Filtered
from lab.policy import World

# Long enough for a connection to freeze, and the one after it, and the one after that.
_LASTS = 30.0


class PacketCurtain(Filtered):
    name = "S14"
    about = "After 25 packets, both directions together, a connection to a foreign network freezes without a word; SSH and some names are exempt."
    source = "B15, E5: bbs#490; DPICH utils/l4-25_prober.py; LC:2025-hyperion; bbs#662"
    numbers = "25 packets, TCP and UDP, any port; three exempt names"

    def lasts(self, scale: float) -> float:
        return _LASTS

    def filters(self, world: World, provider: int, scale: float, rng: Random, bans: Bans) -> list[Rule]:
        return [Curtain(world.foreign, packets=25, exempt=world.exempt_names)]


class ByteCurtain(Filtered):
    name = "S14b"
    about = "After 16 KB of answer a connection to a foreign network gets nothing more."
    source = "B15, E6: bbs#490; blog.cloudflare.com russian-internet-users"
    numbers = "16,384 bytes of the server's packets"
    variant_of = "S14"

    def lasts(self, scale: float) -> float:
        return _LASTS

    def filters(self, world: World, provider: int, scale: float, rng: Random, bans: Bans) -> list[Rule]:
        return [Curtain(world.foreign, packets=None, reply_bytes=16_384, exempt=world.exempt_names)]


MEASURES = (PacketCurtain(), ByteCurtain())
