"""S11: what looks like nothing is blocked."""

from random import Random

from lab.censor import Bans, FullyEncrypted, LargeAndUnknown, Rule
from lab.measures.filtered import Filtered
from lab.policy import World


class China(Filtered):
    name = "S11"
    about = "A connection whose first payload is neither text nor TLS nor HTTP nor lopsided in its bits is blocked by chance, and its server for a while."
    source = "B20: bbs#363; LC:2023-wu; CensorLab demos/shadowsocks_gfw"
    numbers = "Ex1 to Ex5; p = 0.263; client, server and port for 180 s"

    def filters(self, world: World, provider: int, scale: float, rng: Random, bans: Bans) -> list[Rule]:
        return [FullyEncrypted(world.foreign, bans, rng, scale=scale)]


class Russia(Filtered):
    name = "S11b"
    about = "A connection whose client begins with three large packets that are neither TLS nor HTTP freezes."
    source = "B21: bbs#363; bbs#546"
    numbers = "three packets of 411 bytes or more"
    variant_of = "S11"

    def filters(self, world: World, provider: int, scale: float, rng: Random, bans: Bans) -> list[Rule]:
        return [LargeAndUnknown(world.foreign)]


MEASURES = (China(), Russia())
