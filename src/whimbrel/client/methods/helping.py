"""Helping contacts by a bridge in this app: how it stands, and what is wished of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import TYPE_CHECKING

from whimbrel.client.errors import CANNOT, WRONG_USE, ServiceError
from whimbrel.client.helping import NoSuchChoice, certificate_fault, check, keeping, leads
from whimbrel.client.shapes import HelpItem

if TYPE_CHECKING:
    from whimbrel.client.service import Service


async def help_status(service: Service) -> AsyncIterator[HelpItem]:
    """How the bridge in this app stands, and how many it helped."""
    yield service.helper.item()


async def set_help(
    service: Service,
    on: bool | None = None,
    megabytes: int | None = None,
    people: int | None = None,
    port: int | None = None,
    at: str | None = None,
    cert: str | None = None,
    key: str | None = None,
) -> AsyncIterator[HelpItem]:
    """Help contacts from this network, or do so no more; and what it may cost. What is not given stays."""
    given = {
        "on": on,
        "megabytes": megabytes,
        "people": people,
        "port": port,
        "at": at,
        "cert": cert,
        "key": key,
    }
    changes = {name: value for name, value in given.items() if value is not None}
    choice = replace(service.helper.choice, **changes)  # type: ignore[arg-type]
    try:
        check(choice)
    except NoSuchChoice as error:
        raise ServiceError("setting", f"{str(error)[0].upper()}{str(error)[1:]}.", "", WRONG_USE) from None
    if choice.cert and (cert or key):
        fault = await asyncio.to_thread(certificate_fault, choice)
        if fault is not None:
            raise ServiceError("certificate", f"{fault[0].upper()}{fault[1:]}.", "Give PEM files.", WRONG_USE)
    if on:
        # The bridge is a process on the system's network: an app in another one (`transports.tcp.Net`) has nobody to lead there.
        elsewhere = service.shell.opener.net is not None
        if elsewhere or not leads(service.person().relays.values()):
            raise ServiceError(
                "no-relay",
                "You use no relay that can be reached from the internet, so there is nowhere to lead your contacts.",
                "Live on a relay elsewhere first, and have an address of its own, not of a bridge.",
                CANNOT,
            )
        network = service.helper.network()
        if not network:
            raise ServiceError(
                "no-network", "This computer is on no network now.", "Connect it and try again."
            )
        choice = replace(choice, network=network)
    if changes:
        await service.shell.keep(keeping(choice))
        service.helper.take(choice)
    yield service.helper.item()
