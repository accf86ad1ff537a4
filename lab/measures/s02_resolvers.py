"""S2: S1, and no other resolver can be asked."""

from collections.abc import Sequence
from random import Random

from lab.censor import Ban, Bans, ByName, Reset, Rule, Trigger
from lab.measures.filtered import Filtered
from lab.policy import ResolverPolicy, World


class ResolversClosed(Filtered):
    name = "S2"
    about = "Names are removed as in S1, foreign DNS and DoT are dropped, DoH is reset by its name, and one public resolver's address is dropped."
    source = "B2: bbs#81; KaringX/karing#1923; LC:2025-niere-encrypted; LC:2026-niere-dpyproxy-dns"
    numbers = (
        "ports 53 and 853 but for the national resolver; RST by server_name, then 360 s for the same ports"
    )
    fails_plain = True

    def rules(self, world: World, provider: int) -> Sequence[str]:
        national = world.national_resolvers[provider]
        dropped = [
            f"iptables -A LAB -p {p} --dport {d} ! -d {national} -j DROP"
            for d in (53, 853)
            for p in ("udp", "tcp")
        ]
        # The most prominent one goes by its address, as 1.1.1.1 did; the others are known by name.
        return [*dropped, f"iptables -A LAB -d {world.resolvers[0][1]} -j DROP"]

    def filters(self, world: World, provider: int, scale: float, rng: Random, bans: Bans) -> list[Rule]:
        names = [name for name, _ in world.resolvers]
        return [Trigger("reset DoH", ByName(names), Reset(360.0 * scale, Ban.FLOW), bans, rng)]

    def resolver(self, world: World, provider: int) -> ResolverPolicy:
        return ResolverPolicy(removed=world.service_names)


MEASURE = ResolversClosed()
