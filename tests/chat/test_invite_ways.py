"""What ways an invite carries: bridges under its own name, and the relay's address only where bridges are too few."""

from __future__ import annotations

import pytest

from support.village import Village, Villager
from whimbrel.chat.invites import ENOUGH
from whimbrel.wire.paths import SecretPath, names_of
from whimbrel.wire.routes import Route


def own(number: int) -> SecretPath:
    return SecretPath(bytes([number]) * 5, (), bytes([number]) * 10)


def bridge(number: int, host: str = "") -> str:
    return f"wss://{host or f'bridge{number}.example'}{own(number).text}"


def carried(villager: Villager, routes: tuple[str, ...], open: bool) -> tuple[Route, ...]:
    """The ways in an invite of somebody who knows these to their relay."""
    relay = villager.person.inbox.here().relay
    villager.do(lambda person, now, fx: person.set_ways(relay, routes, fx))
    invites = villager.person.doors.invites
    invite = villager.do(
        lambda person, now, fx: invites.make_open(now, fx) if open else invites.make(now, fx)
    )
    found: tuple[Route, ...] = invite.routes
    return found


RELAY = "wss://relay.example/secret"


@pytest.mark.parametrize("open", [False, True])
def test_where_bridges_are_few_the_relays_own_way_goes_along(village: Village, open: bool) -> None:
    ada = village.person("Ada")
    routes = (RELAY, *(bridge(n) for n in range(1, ENOUGH)))
    assert [route.host for route in carried(ada, routes, open)] == [
        "relay.example",
        *(f"bridge{n}.example" for n in range(1, ENOUGH)),
    ]


@pytest.mark.parametrize("open", [False, True])
def test_where_there_are_enough_an_invite_does_not_tell_where_the_relay_is(
    village: Village, open: bool
) -> None:
    ada = village.person("Ada")
    numbers = range(1, ENOUGH + 1)
    routes = carried(ada, (RELAY, *(bridge(n) for n in numbers)), open)
    assert [route.host for route in routes] == [f"bridge{n}.example" for n in numbers]
    for number, route in zip(numbers, routes, strict=True):
        assert len(names_of(route.path.encode(), own(number)) or ()) == 1, "under a name of this invite"


def test_several_paths_at_one_machine_are_one_machine(village: Village) -> None:
    ada = village.person("Ada")
    routes = carried(ada, (RELAY, *(bridge(n, "one.example") for n in range(1, ENOUGH + 2))), open=False)
    assert routes[0].host == "relay.example"
