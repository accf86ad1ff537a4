"""The account itself: its beginning, and how things stand."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

from whimbrel import __version__
from whimbrel.chat.relays import Relay, fitting
from whimbrel.client.errors import WRONG_USE, ServiceError
from whimbrel.client.shapes import CaughtUpItem, InitItem, StatusItem, WayItem, WrongItem
from whimbrel.client.views import moment
from whimbrel.crypto.names import fault_of_name
from whimbrel.wire.admission import encode_admission
from whimbrel.wire.errors import TextError
from whimbrel.wire.texts import parse_address

if TYPE_CHECKING:
    from whimbrel.client.service import Service


async def init(service: Service, name: str, relay: str | None = None) -> AsyncIterator[InitItem]:
    """A new account, on a relay elsewhere or on the home's own."""
    if service.shell.person is not None:
        raise ServiceError(
            "exists",
            f"This home has an account already: {service.shell.person.identity.name}.",
            "Choose another home with --home for another account.",
        )
    if (fault := fault_of_name(name)) is not None:
        raise ServiceError("name", f"That name cannot be used: {fault}.", "Choose another one.", WRONG_USE)
    home = relay_of(relay) if relay else await service.embedded_relay()
    service.shell.begin(name, home)
    if not await service.shell.settle(service.wait or 5.0):
        service.report(
            "No way to the relay yet. The account is made; the rest goes by itself when there is a way."
        )
    person = service.person()
    yield {
        "name": name,
        "account": person.identity.account.hex(),
        "relay": "embedded" if home.embedded else home.identity.hex(),
    }


def relay_of(address: str) -> Relay:
    """The relay that a pasted address speaks of."""
    try:
        parsed = parse_address(address)
    except TextError as error:
        raise ServiceError(
            "address", str(error), "Paste the whole line that the relay printed.", WRONG_USE
        ) from None
    if parsed.admission is None:
        raise ServiceError(
            "no-place",
            "This address does not give you a place on the relay.",
            "Ask its owner for an address with an admission in it.",
        )
    routes = fitting(route.text for route in parsed.routes)
    return Relay(parsed.relay, routes, encode_admission(parsed.admission))


async def status(service: Service) -> AsyncIterator[StatusItem]:
    """Which way is up, what waits, what was found wrong, and where this home is kept."""
    yield status_item(service)


def status_item(service: Service) -> StatusItem:
    shell = service.shell
    person = shell.person
    uploading = {file.message for file in shell.home.database.files_under_way() if file.state == "going"}
    ways: list[WayItem] = []
    for identity, connection in shell.connections.items():
        state = connection.state
        relay = person.relays.get(identity) if person is not None else None
        ways.append(
            {
                "relay": identity.hex(),
                "embedded": relay is not None and relay.embedded,
                "own": person is not None and identity == person.inbox.here().relay,
                "up": state.up,
                "way": state.route,
                "since": moment(int(state.since * 1000)) if state.since else None,
                "trouble": state.trouble,
                "trouble_code": state.code,
                "slow": state.slow,
                "pattern": state.pattern,
            }
        )
    contacts = person.contacts.values() if person is not None else ()
    return {
        "name": person.identity.name if person is not None else None,
        "account": person.identity.account.hex() if person is not None else None,
        "ways": ways,
        "waiting": (person.waiting() if person is not None else 0) + len(uploading),
        "wrong": _wrong(service),
        "key": shell.home.where_the_key_is,
        "key_place": shell.home.key_place,
        "home": str(shell.home.path),
        "locked": service.locked,
        "version": __version__,
        "requests": sum(contact.standing == "asking" for contact in contacts),
        "relay": service.where_the_relay_is(),
        "network": service.looking.item(),
    }


def _wrong(service: Service) -> list[WrongItem]:
    """While locked nothing: names of chats stand in it."""
    if service.locked:
        return []
    wrong: list[WrongItem] = [
        {
            "code": entry["code"],
            "text": entry["text"],
            "chat": entry["chat"].hex() if entry["chat"] else None,
            "at": moment(entry["at"]),
        }
        for entry in service.what_is_wrong()
    ]
    return wrong + _wrong_clock(service)


def _wrong_clock(service: Service) -> list[WrongItem]:
    """The home's own relay has the same clock, and says nothing of it."""
    person = service.shell.person
    relays = person.relays if person is not None else {}
    elsewhere = [c for i, c in service.shell.connections.items() if i in relays and not relays[i].embedded]
    if not any(connection.clock_is_off() for connection in elsewhere):
        return []
    text = "The clocks of this computer and of the relay are a day or more apart; times of messages may be wrong."
    return [{"code": "clock", "text": text, "chat": None, "at": None}]


async def catch_up(service: Service, wait: float = 5.0) -> AsyncIterator[CaughtUpItem]:
    """Catch up with the relays."""
    yield {"caught_up": await service.shell.settle(wait)}
