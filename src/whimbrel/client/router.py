"""The router between this computer and the internet, asked to let people in: UPnP (Internet Gateway Device 1 and 2) by `async_upnp_client`.

Whoever answers on this network may call itself a router. So it is asked nothing but at the private address from which it answered, short
answers are read, and what it says of the address outside is looked at before anybody is told it. Ports that lead to somebody else already stay theirs.
"""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum
from typing import Any, Final
from urllib.parse import urlsplit

import aiohttp
from async_upnp_client.client import UpnpAction, UpnpDevice, UpnpRequester
from async_upnp_client.client_factory import UpnpFactory
from async_upnp_client.const import HttpRequest, HttpResponse
from async_upnp_client.exceptions import UpnpActionError, UpnpCommunicationError, UpnpError
from async_upnp_client.search import SsdpSearchListener
from async_upnp_client.utils import CaseInsensitiveDict

from whimbrel.client.network import FAR
from whimbrel.transports.policy import is_private, is_public

ROUTERS: Final = tuple(f"urn:schemas-upnp-org:device:InternetGatewayDevice:{n}" for n in (1, 2))
SERVICES: Final = (
    "urn:schemas-upnp-org:service:WANIPConnection:2",
    "urn:schemas-upnp-org:service:WANIPConnection:1",
    "urn:schemas-upnp-org:service:WANPPPConnection:1",
)
"""Each lets people in; a router may have several, of which one is connected."""
PORTS: Final = (443, 8443)
"""Where a web site is expected, and so nobody wonders; then the bridge's own number."""
LEASE: Final = timedelta(hours=1)
"""If this computer goes away without a word, the port closes by itself."""
NAMED: Final = "https"
"""What the router's own list says of it. Whoever manages the router reads that, and a provider may."""
SEARCH: Final = 3
"""Seconds in which a router has to answer (UPnP Device Architecture 1.1, 1.3.2: MX, 1 to 5)."""
ASK: Final = 10.0
ANSWER_MAX: Final = 256 * 1024
ROUTERS_MAX: Final = 8
NO_SUCH_ENTRY: Final = (714, 713)
"""NoSuchEntryInArray; SpecifiedArrayIndexInvalid, which some say instead."""
PERMANENT_ONLY: Final = 725
"""OnlyPermanentLeasesSupported."""

logging.getLogger("async_upnp_client").setLevel(logging.CRITICAL)  # its warnings would name addresses


class Why(Enum):
    """Why nobody can come in."""

    NO_ROUTER = "no-router"
    """None answered: there is none, or it does not do this."""
    REFUSED = "refused"
    """It answered and would not, or has no address."""
    NOT_PUBLIC = "not-public"
    """Its own address is none of the internet: the provider has another translator before it (RFC 6598), or there is a second router."""


@dataclass(frozen=True, slots=True)
class Opened:
    """People reach the port from outside here."""

    host: str
    port: int
    by_router: bool


Outcome = Opened | Why


class Router:
    """Keeps one port of this computer open, for as long as it is asked to again and again."""

    def __init__(self, target: tuple[str, int] | None = None, *, silent: bool = False) -> None:
        """`target`: where to ask for a router, in place of everybody on this network. `silent`: nobody is
        asked, and this computer's own address is none."""
        self._target = target
        self._silent = silent
        self._open: tuple[str, int] | None = None
        """The description of the router that lets people in now, and the port outside."""

    async def open(self, port: int) -> Outcome:
        """Let people in at this port, or go on doing so. Asked again now and then: what was opened is for an hour."""
        own = own_address()
        if own is None or self._silent:
            return Why.NO_ROUTER
        if is_public(own):
            return Opened(own, port, by_router=False)
        worst = Why.NO_ROUTER
        for place in await self._found():
            try:
                async with asyncio.timeout(ASK), _asking(place) as services:
                    outcome = await self._open_at(place, services, port, own)
            except (UpnpError, TimeoutError, ValueError, KeyError, TypeError):
                outcome = Why.REFUSED
            if isinstance(outcome, Opened):
                return outcome
            worst = outcome if worst is not Why.NOT_PUBLIC else worst
        return worst

    async def close(self) -> None:
        """Nobody more. What cannot be said now ends by itself."""
        opened, self._open = self._open, None
        if opened is None:
            return
        place, outside = opened
        try:
            async with asyncio.timeout(ASK), _asking(place) as services:
                for service in services:
                    await _call(service, "DeletePortMapping", _mapping(outside))
        except (UpnpError, TimeoutError, ValueError, KeyError, TypeError):
            pass

    async def _found(self) -> list[str]:
        """Descriptions of routers, the one that was used last first."""
        last = [self._open[0]] if self._open is not None else []
        return list(dict.fromkeys([*last, *await _search(self._target)]))[:ROUTERS_MAX]

    async def _open_at(self, place: str, services: list[_Service], port: int, own: str) -> Outcome:
        outcome: Outcome = Why.REFUSED
        for service in services:
            host = (await _call(service, "GetExternalIPAddress", {})).get("NewExternalIPAddress") or ""
            if not is_public(host):
                if is_private(host) or _is_shared(host):
                    outcome = Why.NOT_PUBLIC
                continue
            last = [self._open[1]] if self._open is not None and self._open[0] == place else []
            for outside in dict.fromkeys([*last, *PORTS, port]):
                if await _is_free(service, outside, port, own) and await _map(service, outside, port, own):
                    self._open = place, outside
                    return Opened(str(ipaddress.ip_address(host)), outside, by_router=True)
        return outcome


def router_of(environment: Mapping[str, str]) -> Router:
    """A router as the environment wishes it: WHIMBREL_ROUTER is the host:port to ask in place of everybody on this network; empty: there is none."""
    wished = environment.get("WHIMBREL_ROUTER")
    if wished is None:
        return Router()
    host, _, port = wished.rpartition(":")
    return Router((host, int(port))) if host and port.isdigit() else Router(silent=True)


_Service = dict[str, UpnpAction]


def own_address() -> str | None:
    """From which of its IPv4 addresses this computer speaks to the rest of the world; nothing is sent."""
    family, far = FAR[0]
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as asking:
            asking.connect((far, 9))
            return str(asking.getsockname()[0])
    except OSError:
        return None


def _is_shared(host: str) -> bool:
    try:
        return ipaddress.ip_address(host) in ipaddress.ip_network("100.64.0.0/10")
    except ValueError:
        return False


async def _search(target: tuple[str, int] | None) -> list[str]:
    """Where those who call themselves routers describe themselves: at the private address from which they answered."""
    found: dict[str, None] = {}

    def heard(headers: CaseInsensitiveDict) -> None:
        place, remote = headers.get("location"), headers.get("_remote_addr")
        if not isinstance(place, str) or not remote or len(found) >= ROUTERS_MAX:
            return
        if is_private(str(remote[0])) and _host_of(place) == str(remote[0]):
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


def _host_of(url: str) -> str | None:
    try:
        parts = urlsplit(url)
        return parts.hostname if parts.scheme == "http" else None
    except ValueError:
        return None


@asynccontextmanager
async def _asking(place: str) -> AsyncIterator[list[_Service]]:
    """The services of a router that let people in, with what can be asked of each. Raises UpnpError."""
    async with aiohttp.ClientSession() as session:
        asker = _Asker(session, _host_of(place) or "")
        device = await UpnpFactory(asker, non_strict=True).async_create_device(place)
        yield _services(device)


def _services(device: UpnpDevice) -> list[_Service]:
    return [
        dict(service.actions)
        for kind in SERVICES
        for service in device.all_services
        if service.service_type == kind and "AddPortMapping" in service.actions
    ]


async def _call(service: _Service, name: str, given: dict[str, Any]) -> dict[str, Any]:
    action = service.get(name)
    if action is None:
        raise UpnpError(f"no {name}")
    return dict(await action.async_call(**given))


def _mapping(outside: int) -> dict[str, Any]:
    return {"NewRemoteHost": "", "NewExternalPort": outside, "NewProtocol": "TCP"}


async def _is_free(service: _Service, outside: int, port: int, own: str) -> bool:
    """Whether a port leads nowhere yet, or to us. Some routers would take it away from somebody else without asking."""
    try:
        entry = await _call(service, "GetSpecificPortMappingEntry", _mapping(outside))
    except UpnpActionError as error:
        return error.error_code in NO_SUCH_ENTRY
    return bool(entry["NewInternalClient"] == own and int(entry["NewInternalPort"]) == port)


async def _map(service: _Service, outside: int, port: int, own: str) -> bool:
    wanted = {
        **_mapping(outside),
        "NewInternalPort": port,
        "NewInternalClient": own,
        "NewEnabled": True,
        "NewPortMappingDescription": NAMED,
    }
    for seconds in (int(LEASE.total_seconds()), 0):
        try:
            await _call(service, "AddPortMapping", {**wanted, "NewLeaseDuration": seconds})
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
        if _host_of(http_request.url) != self._host or not is_private(self._host):
            raise UpnpCommunicationError("it leads elsewhere")
        try:
            async with self._session.request(
                http_request.method,
                http_request.url,
                headers=http_request.headers,
                data=http_request.body,
                allow_redirects=False,
                timeout=aiohttp.ClientTimeout(total=ASK),
            ) as response:
                body = bytearray()
                async for part in response.content.iter_chunked(16 * 1024):
                    body += part
                    if len(body) > ANSWER_MAX:
                        raise UpnpCommunicationError("it says too much")
                return HttpResponse(response.status, response.headers, body.decode("utf-8", "replace"))
        except (aiohttp.ClientError, TimeoutError) as error:
            raise UpnpCommunicationError("no answer") from error
