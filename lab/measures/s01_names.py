"""S1: the service's names are gone from the national resolvers."""

from lab.policy import Measure, ResolverPolicy, World


class NamesRemoved(Measure):
    name = "S1"
    about = "The providers' resolvers answer that the messenger's names do not exist. Every other resolver is open."
    source = "B1: xakep.ru/2026/02/12/nsdi; united24media.com 15835; DPICH config/default.yaml; bbs#580"
    numbers = "NXDOMAIN for the name and all below it"
    fails_plain = True

    def resolver(self, world: World, provider: int) -> ResolverPolicy:
        return ResolverPolicy(removed=world.service_names)


MEASURE = NamesRemoved()
