"""What the measures here have in common: their stateful part is a list of the censor's rules, so that S16 can put lists together."""

from __future__ import annotations

from random import Random

from lab.censor import Bans, Filter, Rule
from lab.policy import Measure, Policy, World


class Filtered(Measure):
    def filters(self, world: World, provider: int, scale: float, rng: Random, bans: Bans) -> list[Rule]:
        """The rules, in the order in which they are asked. `bans` stands before them."""
        return []

    def policy(self, world: World, provider: int, scale: float, seed: int) -> Policy:
        bans = Bans()
        # One stream of chance for each measure and provider: what one does never moves what another draws.
        rng = Random(f"{self.name}/{provider}/{seed}")
        rules = self.filters(world, provider, scale, rng, bans)
        return Filter([bans, *rules]) if rules else Policy()


def cidrs(addresses: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(f"{address}/32" for address in addresses)
