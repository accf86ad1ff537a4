"""Ways that name a relay and none of its addresses: newcomers get through where resolvers lie, and nobody else is asked than may be."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import pytest

from lab import pcap, people, world
from lab.accounts import Accounts
from lab.city import City
from lab.tap import Tap

pytestmark = [pytest.mark.lab, pytest.mark.processes]


@pytest.fixture(scope="module")
def city() -> Iterator[City]:
    with City(published=["wss://talk.whimbrel.example"], bridges=False) as built:
        yield built


def kinds_of(city: City, person: people.Person, tap: Tap) -> Counter[str]:
    """What went to and from somebody, by kind; nothing of it was stray."""
    assert tap.close() == 0, "packets that were not written down"
    resolver = world.resolver_address(person.provider)
    accounts = Accounts(city.world, person.address, resolver, may_ask=[city.world.relay_name])
    for _, data in pcap.read(tap.path):
        accounts.take(data)
    account = accounts.close()
    assert account.strays == []
    return Counter(account.kinds)


def test_newcomers_get_through_where_resolvers_lie_and_remember_where_they_came_through(city: City) -> None:
    host, _ = people.friends(city, people.Person(city, "bo"), people.Person(city, "dov"))
    for measure in ("S1", "S2", "S3"):
        newcomer = people.Person(city, "ada", f"New{measure}")
        invite = host.one("invite")["invite"]
        tap = newcomer.tap()
        city.strike(measure)
        newcomer.start(with_relay=True)
        cold = people.cold_start(newcomer, host, invite)
        newcomer.kill()
        assert cold.delivered is not None, measure
        assert cold.delivered < 6.0, measure
        assert kinds_of(city, newcomer, tap)["doh"] > 0, measure

        again = newcomer.tap()
        newcomer.start()
        people.until(newcomer.is_up, f"no way up under {measure}")
        newcomer.kill()
        assert kinds_of(city, newcomer, again)["doh"] == 0, "who knows where it is asks nobody"
        city.lift()
