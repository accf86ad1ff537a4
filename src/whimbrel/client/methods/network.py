"""The network: from where this account is reached, and what the network does to its connections."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

from whimbrel.chat.living import live_on
from whimbrel.client.embedded import reach_of
from whimbrel.client.errors import ServiceError
from whimbrel.client.methods.account import relay_of, status
from whimbrel.client.shapes import LookItem, NetworkItem, ReportItem, StatusItem

if TYPE_CHECKING:
    from whimbrel.client.service import Service

LOOK_EVERY = 0.5
"""Seconds between two items while a look goes on."""
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


async def look(service: Service, check: bool = False) -> AsyncIterator[LookItem]:
    """What the network does, as far as is known. `check`: make connections to find out, which can take some minutes; an item each time
    that another one is over, the last with all of it."""
    service.person()
    if check:
        if service.looking.relay() is None:
            raise ServiceError(
                "no-network",
                "This account's relay is on this computer: nothing of it goes through a network.",
                "There is something to look at once a friend's chat is on another relay, or you live on one.",
            )
        looking = service.shell.start(service.looking.look())
        done = -1
        while not looking.done():
            item = service.looking.item()
            if item["done"] != done:
                done = item["done"]
                yield item
            await asyncio.wait([looking], timeout=LOOK_EVERY)
        # It may have been begun by somebody else, and go on.
        await service.shell.until(lambda: not service.looking.running, None)
    yield service.looking.item()


async def report(service: Service) -> AsyncIterator[ReportItem]:
    """What is known of the network, for others: it holds no name, no address and no token."""
    service.person()
    yield {"text": service.looking.report()}
