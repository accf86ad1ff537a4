"""The ways to each relay: how they did, and those that a person adds or takes away."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from whimbrel.chat.effects import Effects
from whimbrel.chat.handing_on import place_of
from whimbrel.chat.person import Person
from whimbrel.chat.relays import Relay, fitting
from whimbrel.client.errors import NOT_FOUND, WRONG_USE, ServiceError
from whimbrel.client.shapes import GivenTo, RouteItem
from whimbrel.wire.errors import TextError, WireError
from whimbrel.wire.paths import parse_path
from whimbrel.wire.routes import parse_route
from whimbrel.wire.texts import Address, parse_address

if TYPE_CHECKING:
    from whimbrel.client.service import Service


async def ways(service: Service) -> AsyncIterator[RouteItem]:
    """All ways to the relays that this account knows, its own first."""
    person = service.person()
    here = person.inbox.here().relay
    for relay in sorted(person.relays.values(), key=lambda known: known.identity != here):
        for item in _ways_to(service, relay, here):
            yield item


async def ways_add(service: Service, text: str) -> AsyncIterator[RouteItem]:
    """Take the ways in an address (a bridge's, or the relay's own) to a relay that is known already."""
    person = service.person()
    try:
        address = parse_address(text)
    except TextError as error:
        raise ServiceError(
            "address", str(error), "Paste the whole text that the bridge printed.", WRONG_USE
        ) from None
    known = person.relays.get(address.relay)
    if known is None:
        raise ServiceError(
            "relay",
            "This leads to a relay that nobody here uses.",
            "Ask for a bridge to your relay, or for the address of that one.",
            NOT_FOUND,
        )
    told = tuple(route.text for route in address.routes)
    together = fitting((*known.routes, *told))
    if not any(route in together for route in told):
        raise ServiceError(
            "full",
            "There are as many ways to this relay as are kept.",
            "Take one away: whimbrel ways remove.",
        )

    def take(person: Person, now: int, fx: Effects) -> None:
        person.set_ways(known.identity, together, fx)
        person.handing_on.given(told, fx)

    await service.shell.do(take)
    for item in _ways_to(service, person.relays[address.relay], person.inbox.here().relay):
        yield item


async def ways_remove(service: Service, route: str) -> AsyncIterator[RouteItem]:
    """Take away a way, and the one for single letters or streams at the same place."""
    person = service.person()
    place = _place(route)
    found = [
        relay for relay in person.relays.values() if any(_place(known) == place for known in relay.routes)
    ]
    refused = await _refuse(service, route) if not found else []
    if not (found or refused):
        raise ServiceError("way", "There is no such way.", "`whimbrel ways` lists them.", NOT_FOUND)
    for identity in refused:
        if identity in person.relays:
            for item in _ways_to(service, person.relays[identity], person.inbox.here().relay):
                yield item
    for relay in found:
        left = tuple(known for known in relay.routes if _place(known) != place)
        if not left:
            raise ServiceError("last", "That is the only way to this relay.", "Add another one first.")
        await _set(service, relay, left)
        for item in _ways_to(service, person.relays[relay.identity], person.inbox.here().relay):
            yield item


async def ways_whose(service: Service, text: str) -> AsyncIterator[GivenTo]:
    """To which contact this account gave a path that was found where it does not belong."""
    try:
        route = parse_route(text)
        found = service.person().handing_on.whose(parse_path(route.path))
    except WireError:
        raise ServiceError(
            "way", "This is no way to a bridge.", "Give the way as it was found: wss://…", WRONG_USE
        ) from None
    if found is None:
        raise ServiceError(
            "not-found",
            "This account gave that path to no contact.",
            "It may be of an invite, or of somebody else.",
            NOT_FOUND,
        )
    contact, relay = found
    cut = Address(relay, (replace(route, wrappers=()),)).text
    yield {"account": contact.account.hex(), "name": contact.name, "cut": cut}


async def _refuse(service: Service, route: str) -> list[bytes]:
    """Take away what contacts told of a bridge, for good. The relays to which it led."""
    place = place_of(route)
    if place is None:
        return []
    return await service.shell.do(lambda person, now, fx: person.handing_on.refuse(place, fx))


async def _set(service: Service, relay: Relay, routes: tuple[str, ...]) -> None:
    await service.shell.do(lambda person, now, fx: person.set_ways(relay.identity, routes, fx))


def _ways_to(service: Service, relay: Relay, here: bytes) -> Iterator[RouteItem]:
    pasts = service.shell.how_ways_did(relay.identity)
    connection = service.shell.connections.get(relay.identity)
    up = connection.state.route if connection is not None and connection.state.up else None
    told = service.person().ways_to(relay.identity)
    places = {_host_and_path(route) for route in told}
    derived = {way for way in (*pasts, up or "") if way not in told and _host_and_path(way) in places}
    # One that was taken away while it was up stays up until it ends.
    still_up = [up] if up is not None else []
    told_by = {
        _host_and_path(route): contact.name
        for route, contact in service.person().handing_on.of_others(relay.identity)
    }
    for route in dict.fromkeys((*told, *sorted(derived), *still_up)):
        came_up, failed_since = pasts.get(route, (0, 0))
        yield {
            "relay": relay.identity.hex(),
            "embedded": relay.embedded,
            "own": relay.identity == here,
            "route": route,
            "up": route == up,
            "came_up": came_up,
            "failed_since": failed_since,
            "derived": route in derived,
            "told_by": told_by.get(_host_and_path(route), ""),
        }


def _host_and_path(route: str) -> tuple[str, int, str] | None:
    """What a way has in common with all that are found from it."""
    try:
        parsed = parse_route(route)
    except WireError:
        return None
    return parsed.host, parsed.port, parsed.path


def _place(route: str) -> str:
    """Where a way leads, whatever is carried there."""
    *wrappers, inner = route.strip().split("|")
    kind, _, rest = inner.partition("://")
    secure = "s" if kind in ("wss", "https") else ""
    return "|".join([*wrappers, f"{secure}://{rest}"])
