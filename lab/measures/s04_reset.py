"""S4: a hello with a listed name is reset."""

from random import Random

from lab.censor import Ban, Bans, ByName, Reset, Rule, Trigger
from lab.measures.filtered import Filtered
from lab.policy import World


class ResetByName(Filtered):
    name = "S4"
    about = "A TLS hello or HTTP request with the messenger's name is answered with resets to both ends; segments and records are put together."
    source = (
        "B4 (SNI-I), B5: TSPU IMC'22, ensa.fi/papers/tspu-imc22.pdf; LC:2025-niere-encrypted; teleproxy#39"
    )
    numbers = "RST+ACK both ways; the five-tuple stays blocked for 75 s"
    fails_plain = True

    def filters(self, world: World, provider: int, scale: float, rng: Random, bans: Bans) -> list[Rule]:
        return [
            Trigger("reset by name", ByName(world.service_names), Reset(75.0 * scale, Ban.FLOW), bans, rng)
        ]


MEASURE = ResetByName()
