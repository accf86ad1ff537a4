"""From where this account is reached: its own relay on this network, or a relay elsewhere."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

from whimbrel.chat.living import live_on
from whimbrel.client.embedded import reach_of
from whimbrel.client.errors import ServiceError
from whimbrel.client.methods.account import relay_of, status
from whimbrel.client.shapes import NetworkItem, StatusItem

if TYPE_CHECKING:
    from whimbrel.client.service import Service

REACHED = 10.0
"""Seconds that a new relay has to answer in before anything moves there."""


async def open_to_network(service: Service) -> AsyncIterator[NetworkItem]:
    """Let people on this network reach the relay in this home, now and in later runs."""
    addresses = await service.open_to_network()
    home = service.relay_of_inbox()
    yield {"reach": reach_of(home) if home is not None else "this-computer", "addresses": list(addresses)}


async def set_relay(service: Service, address: str) -> AsyncIterator[StatusItem]:
    """Live on another relay from now on: the inbox moves there, and new chats are made there."""
    service.person()
    relay = relay_of(address)
    await service.shell.do(lambda person, now, fx: person.add_relay(relay, fx))
    connection = service.shell.connection(relay.identity)
    if connection is None or not await service.shell.until(
        lambda: connection.state.up, max(service.wait, REACHED)
    ):
        raise ServiceError(
            "no-way",
            "That relay does not answer now. You live where you lived before.",
            "Check the address with its owner, or try again later.",
        )
    await service.shell.do(lambda person, now, fx: live_on(person, relay, now, fx))
    await service.shell.settle(service.wait or 5.0)
    async for item in status(service):
        yield item
