"""What is said to a router by UPnP (Internet Gateway Device 1 and 2), with `async_upnp_client`.

Whoever answers on this network may call itself a router. So it is asked nothing but at the private address from which it answered, and short answers
are read.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any, Final
from urllib.parse import urlsplit

import aiohttp
from async_upnp_client.client import UpnpAction, UpnpDevice, UpnpRequester
from async_upnp_client.client_factory import UpnpFactory
from async_upnp_client.const import HttpRequest, HttpResponse
from async_upnp_client.exceptions import UpnpActionError, UpnpCommunicationError, UpnpError
from async_upnp_client.search import SsdpSearchListener
from async_upnp_client.utils import CaseInsensitiveDict

from whimbrel.transports.policy import is_private

ROUTERS: Final = tuple(f"urn:schemas-upnp-org:device:InternetGatewayDevice:{n}" for n in (1, 2))
SERVICES: Final = (
    "urn:schemas-upnp-org:service:WANIPConnection:2",
    "urn:schemas-upnp-org:service:WANIPConnection:1",
    "urn:schemas-upnp-org:service:WANPPPConnection:1",
)
"""Each lets people in; a router may have several, of which one is connected."""
LEASE: Final = timedelta(hours=1)
"""If this computer goes away without a word, the port closes by itself."""
NAMED: Final = "https"
"""What the router's own list says of it. Whoever manages the router reads that, and a provider may."""
SEARCH: Final = 3
"""Seconds in which a router has to answer (UPnP Device Architecture 1.1, 1.3.2: MX, 1 to 5)."""
ANSWER_WITHIN: Final = 10.0
ANSWER_MAX: Final = 256 * 1024
ROUTERS_MAX: Final = 8
NO_SUCH_ENTRY: Final = (714, 713)
"""NoSuchEntryInArray; SpecifiedArrayIndexInvalid, which some say instead."""
PERMANENT_ONLY: Final = 725
"""OnlyPermanentLeasesSupported."""

logging.getLogger("async_upnp_client").setLevel(logging.CRITICAL)  # its warnings would name addresses

Service = dict[str, UpnpAction]
"""What can be asked of one, by name."""


async def search(target: tuple[str, int] | None) -> list[str]:
    """Where those who call themselves routers describe themselves: at the private address from which they answered."""
    found: dict[str, None] = {}

    def heard(headers: CaseInsensitiveDict) -> None:
        place, remote = headers.get("location"), headers.get("_remote_addr")
        if not isinstance(place, str) or not remote or len(found) >= ROUTERS_MAX:
            return
        if is_private(str(remote[0])) and host_of(place) == str(remote[0]):
            found[place] = None

    listeners = [
        SsdpSearchListener(callback=heard, timeout=SEARCH, search_target=kind, target=target)
        for kind in ROUTERS
    ]
    try:
        for listener in listeners:
            await listener.async_start()
            listener.async_search()
        await asyncio.sleep(SEARCH)
    except OSError:
        pass  # no network that carries such a question
    finally:
        for listener in listeners:
            listener.async_stop()
    return list(found)


def host_of(url: str) -> str | None:
    try:
        parts = urlsplit(url)
        return parts.hostname if parts.scheme == "http" else None
    except ValueError:
        return None


@asynccontextmanager
async def asking(place: str) -> AsyncIterator[list[Service]]:
    """The services of a router that let people in, with what can be asked of each. Raises UpnpError."""
    async with aiohttp.ClientSession() as session:
        asker = _Asker(session, host_of(place) or "")
        device = await UpnpFactory(asker, non_strict=True).async_create_device(place)
        yield _services(device)


def _services(device: UpnpDevice) -> list[Service]:
    return [
        dict(service.actions)
        for kind in SERVICES
        for service in device.all_services
        if service.service_type == kind and "AddPortMapping" in service.actions
    ]


async def call(service: Service, name: str, given: dict[str, Any]) -> dict[str, Any]:
    action = service.get(name)
    if action is None:
        raise UpnpError(f"no {name}")
    return dict(await action.async_call(**given))


def mapping(outside: int) -> dict[str, Any]:
    return {"NewRemoteHost": "", "NewExternalPort": outside, "NewProtocol": "TCP"}


async def leads_to(service: Service, outside: int) -> tuple[str, int] | None:
    """Where a port leads: an address inside and a port there; None: nowhere. Raises UpnpError."""
    try:
        entry = await call(service, "GetSpecificPortMappingEntry", mapping(outside))
    except UpnpActionError as error:
        if error.error_code in NO_SUCH_ENTRY:
            return None
        raise
    return str(entry["NewInternalClient"]), int(entry["NewInternalPort"])


async def is_free(service: Service, outside: int, port: int, own: str) -> bool:
    """Whether a port leads nowhere yet, or to us. Some routers would take it away from somebody else without asking."""
    try:
        return await leads_to(service, outside) in (None, (own, port))
    except UpnpActionError:
        return False


async def map_port(service: Service, outside: int, port: int, own: str) -> bool:
    wanted = {
        **mapping(outside),
        "NewInternalPort": port,
        "NewInternalClient": own,
        "NewEnabled": True,
        "NewPortMappingDescription": NAMED,
    }
    for seconds in (int(LEASE.total_seconds()), 0):
        try:
            await call(service, "AddPortMapping", {**wanted, "NewLeaseDuration": seconds})
        except UpnpActionError as error:
            if error.error_code != PERMANENT_ONLY:
                return False
        else:
            return True
    return False


class _Asker(UpnpRequester):
    """Asks one host and no other, follows nobody elsewhere, and reads so much."""

    def __init__(self, session: aiohttp.ClientSession, host: str) -> None:
        self._session = session
        self._host = host

    async def async_http_request(self, http_request: HttpRequest) -> HttpResponse:
        if host_of(http_request.url) != self._host or not is_private(self._host):
            raise UpnpCommunicationError("it leads elsewhere")
        try:
            async with self._session.request(
                http_request.method,
                http_request.url,
                headers=http_request.headers,
                data=http_request.body,
                allow_redirects=False,
                timeout=aiohttp.ClientTimeout(total=ANSWER_WITHIN),
            ) as response:
                body = bytearray()
                async for part in response.content.iter_chunked(16 * 1024):
                    body += part
                    if len(body) > ANSWER_MAX:
                        raise UpnpCommunicationError("it says too much")
                return HttpResponse(response.status, response.headers, body.decode("utf-8", "replace"))
        except (aiohttp.ClientError, TimeoutError) as error:
            raise UpnpCommunicationError("no answer") from error
