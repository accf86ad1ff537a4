"""S3: forged answers for the service's names, from the national resolver and to questions on their way abroad."""

from random import Random

from lab.censor import Bans, DnsInjection, Rule
from lab.measures.filtered import Filtered
from lab.policy import ResolverPolicy, World

# Iran's own, LADDER B3; nothing answers there.
FORGED = "10.10.34.34"


class Injection(Filtered):
    source = "B3: LC:2026-niere-dpyproxy-dns; LC:2025-tai-irblock; LC:2023-nourin-measuring; bbs#80"
    numbers = f"A {FORGED}, TTL 300 s; any name below the listed ones"
    fails_plain = True

    def __init__(self, name: str, about: str, *, in_path: bool) -> None:
        self.name, self.about, self._in_path = name, about, in_path
        self.variant_of = "" if name == "S3" else "S3"

    def filters(self, world: World, provider: int, scale: float, rng: Random, bans: Bans) -> list[Rule]:
        return [DnsInjection(world.service_names, FORGED, in_path=self._in_path)]

    def resolver(self, world: World, provider: int) -> ResolverPolicy:
        return ResolverPolicy(forged=tuple((name, FORGED) for name in world.service_names))


MEASURES = (
    Injection(
        "S3",
        "Forged answers race the true ones; a question that goes abroad is answered twice.",
        in_path=False,
    ),
    Injection(
        "S3b", "Forged answers in place of the true ones; a question never leaves the country.", in_path=True
    ),
)
