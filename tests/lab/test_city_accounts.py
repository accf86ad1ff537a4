"""Whatever a network does to people, their apps answer by the ways that were chosen and by nothing else: every packet is accounted for.

They talk while one measure after the other strikes and all connections are cut each time. What arrives is the matter of other tests."""

from __future__ import annotations

import contextlib
import time

import pytest

from lab import pcap, people, world
from lab.accounts import Accounts
from lab.city import City

pytestmark = [pytest.mark.lab, pytest.mark.processes]

STRIKES = ("S1", "S2", "S3", "S4", "S5r", "S14", "S15", "S16@7")
"""Names that are gone, resolvers that are shut and lie, resets, silence, volume, policing, and a mixture of all."""
UNDER_EACH_S = 6.0


def test_under_no_measure_does_a_packet_go_beside_the_chosen_ways(city: City) -> None:
    pair = (people.Person(city, "ada"), people.Person(city, "bo"))
    taps = [person.tap() for person in pair]
    people.friends(city, *pair)
    for number, measure in enumerate(STRIKES):
        city.strike(measure, cut=True, scale=0.1, seed=number)
        end = time.monotonic() + UNDER_EACH_S
        while time.monotonic() < end:
            for one, other in (pair, pair[::-1]):
                one.say(other.name, f"{measure} {one.name} {time.monotonic()}")
            time.sleep(0.5)
        city.lift()
    with contextlib.suppress(people.LabError):
        people.until(lambda: all(person.is_at_rest() for person in pair), "still waiting", 30.0)
    for person in pair:
        person.kill()

    for tap, person in zip(taps, pair, strict=True):
        assert tap.close() == 0, "packets that were not written down"
        accounts = Accounts(city.world, person.address, world.resolver_address(person.provider))
        for _, data in pcap.read(tap.path):
            accounts.take(data)
        account = accounts.close()
        assert account.strays == []
        assert account.kinds["relay"] + account.kinds["bridge"] > 100
