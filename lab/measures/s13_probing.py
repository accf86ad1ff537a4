"""S13: servers are recognised, looked at, and listed."""

from random import Random

from lab.censor import Bans, ByName, Listing, Prober, Recognise, Rule
from lab.measures.filtered import Filtered
from lab.policy import World


class ProbingAndListing(Filtered):
    name = "S13"
    about = (
        "Flows with the messenger's name lead to a listing of their address and port some minutes later, for all; every other foreign "
        "server is looked at by an active prober and listed at once when it does not behave like a web site."
    )
    source = "B10, B22: TSPU ch. 8.2, 8.6, 23; LC:2020-alice; LC:2020-frolov-detecting"
    hits_later = True
    numbers = "listing U(5, 15) minutes after three packets; probes after 0.28 s, 1 s, 1 min, 15 min, both times with the scale"

    def lasts(self, scale: float) -> float:
        return 900.0 * scale + 10.0

    def filters(self, world: World, provider: int, scale: float, rng: Random, bans: Bans) -> list[Rule]:
        listing = Listing(bans, rng, scale=scale)
        spared = (world.benign_name, *world.exempt_names, *(name for name, _ in world.resolvers))
        prober = Prober(world.foreign, listing, rng, scale=scale, spared=spared, other_name="www.example.com")
        return [Recognise(ByName(world.service_names), listing), prober, listing]


MEASURE = ProbingAndListing()
