"""S5: a connection with a listed name goes silent after some packets."""

from collections.abc import Sequence
from random import Random

from lab.censor import Ban, Bans, ByName, Rule, Swallow, Trigger
from lab.measures.filtered import Filtered
from lab.policy import World


class Naive(Filtered):
    name = "S5"
    about = "A connection in which one packet holds the messenger's name goes silent in both directions. A name that is cut passes."
    source = "B4 (SNI-II), E3: TSPU IMC'22; TSPU ch. 17.1.2"
    numbers = "`-m string` and connbytes: silence from the 11th packet on, both directions together"
    fails_plain = True

    def rules(self, world: World, provider: int) -> Sequence[str]:
        marks = [
            f"iptables -t mangle -A LAB -p tcp --dport 443 -m string --algo bm --string {name} -j CONNMARK --set-mark 0x22"
            for name in world.service_names
        ]
        count = "-m connbytes --connbytes 11: --connbytes-dir both --connbytes-mode packets"
        return [*marks, f"iptables -A LAB -m connmark --mark 0x22 {count} -j DROP"]


class Reassembling(Filtered):
    name = "S5r"
    about = "As S5, by a filter that puts TCP segments and TLS records together before it reads the name."
    source = "B4 (SNI-II), B5: LC:2025-niere-encrypted; teleproxy#39"
    numbers = "5 to 8 more packets pass; the five-tuple stays blocked for 420 s"
    fails_plain = True
    variant_of = "S5"

    def filters(self, world: World, provider: int, scale: float, rng: Random, bans: Bans) -> list[Rule]:
        return [
            Trigger(
                "silence by name",
                ByName(world.service_names),
                Swallow((5, 8), 420.0 * scale, Ban.FLOW),
                bans,
                rng,
            )
        ]


MEASURES = (Naive(), Reassembling())
