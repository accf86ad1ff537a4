"""S16: everything at once, another mixture at each provider."""

import importlib
from collections.abc import Sequence
from functools import cache
from random import Random

from lab.censor import Bans, Filter, Rule
from lab.measures.filtered import Filtered
from lab.policy import Measure, Policy, ResolverPolicy, World

_FILES = [
    "s01_names",
    "s02_resolvers",
    "s03_injection",
    "s04_reset",
    "s05_silence",
    "s06_throttle",
    "s07_capacity",
    "s08_calls",
    "s09_quic",
    "s10_vpn",
    "s11_entropy",
    "s12_fingerprints",
    "s13_probing",
    "s14_curtain",
    "s15_policing",
]
# Each is there with this chance, so that a mixture has some nine of fifteen; blocking by name always is.
_CHANCE = 0.6
_ALWAYS = ["s04_reset", "s05_silence"]


@cache
def mixture(seed: int, provider: int) -> tuple[Measure, ...]:
    """The measures of one provider: of each file none, or one of its variants."""
    rng = Random(f"S16/{provider}/{seed}")
    named = rng.choice(_ALWAYS)
    found: list[Measure] = []
    for file in _FILES:
        module = importlib.import_module(f"lab.measures.{file}")
        variants: tuple[Measure, ...] = getattr(module, "MEASURES", None) or (module.MEASURE,)
        picked = rng.choice(variants)
        if rng.random() < _CHANCE or file == named:
            found.append(picked)
    return tuple(found)


class Everything(Filtered):
    """Kernel rules and resolvers are asked for without a seed, so they follow the seed that the policy was made with."""

    name = "S16"
    about = "Some nine of the measures S1 to S15 at once, drawn by the seed, other ones at each provider; one that blocks by name always is."
    source = "B1 to B24 together; LC:2024-xue-tspu (filters differ from provider to provider)"
    numbers = "each measure with p = 0.6"
    fails_plain = True
    spares_neutral = False

    def __init__(self, seed: int | None = None) -> None:
        self._seed = seed or 0
        if seed is not None:
            self.variant_of, self.name = self.name, f"{self.name}@{seed}"

    def mixed(self, seed: int) -> Measure:
        return type(self)(seed)

    def policy(self, world: World, provider: int, scale: float, seed: int) -> Policy:
        bans = Bans()
        rules: list[Rule] = []
        for measure in mixture(self._seed, provider):
            if isinstance(measure, Filtered):
                rules += measure.filters(
                    world, provider, scale, Random(f"{measure.name}/{provider}/{seed}"), bans
                )
        # Whatever lets packets wait comes last, for what was passed on is asked about no more.
        rules.sort(key=lambda rule: type(rule).__name__ == "Throttle")
        return Filter([bans, *rules])

    def rules(self, world: World, provider: int) -> Sequence[str]:
        return [line for measure in mixture(self._seed, provider) for line in measure.rules(world, provider)]

    def resolver(self, world: World, provider: int) -> ResolverPolicy:
        told = [measure.resolver(world, provider) for measure in mixture(self._seed, provider)]
        return ResolverPolicy(
            removed=tuple(dict.fromkeys(name for one in told for name in one.removed)),
            forged=tuple(dict.fromkeys(pair for one in told for pair in one.forged)),
        )


MEASURE = Everything()
