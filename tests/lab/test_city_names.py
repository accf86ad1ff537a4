"""Where a relay is known by its name alone, and the name is gone or false, people find it by the city's public resolvers."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from lab import pcap, people, world
from lab.accounts import Accounts
from lab.city import City

pytestmark = [pytest.mark.lab, pytest.mark.processes]


@pytest.fixture(scope="module")
def city() -> Iterator[City]:
    """One whose relay says its name and no address."""
    with City(published=[f"wss://{next(iter(world.RELAY.names))}"], bridges=False) as built:
        yield built


@pytest.mark.parametrize("measure", ["S1", "S3"])
def test_somebody_new_finds_the_relay_whose_name_is_gone_or_false(city: City, measure: str) -> None:
    """And asks the provider's resolver for that name and nothing else; the rest is DoH."""
    ada, bo = people.Person(city, "ada", f"Ada{measure}"), people.Person(city, "bo", f"Bo{measure}")
    people.friends(city, ada, bo)
    invite = ada.one("invite")["invite"]
    cleo = people.Person(city, "cleo", f"Cleo{measure}")
    tap = cleo.tap()
    cleo.start(with_relay=True)
    city.strike(measure, seed=1)
    try:
        assert not city.plain("ada")["ok"], "at the same provider"
        cold = people.cold_start(cleo, ada, invite)
    finally:
        city.lift()
    assert cold.delivered is not None
    for person in (ada, bo, cleo):
        person.kill()
    tap.close()
    accounts = Accounts(
        city.world, cleo.address, world.resolver_address(cleo.provider), may_ask=[city.world.relay_name]
    )
    for _, data in pcap.read(tap.path):
        accounts.take(data)
    account = accounts.close()
    assert account.strays == []
    assert account.kinds["doh"] > 0
