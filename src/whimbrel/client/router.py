"""The router between this computer and the internet, asked to let people in (`upnp.py` speaks with it).

What it says of the address outside is looked at before anybody is told it. Ports that lead to somebody else already stay theirs.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Final

from whimbrel.client.network import FAR
from whimbrel.transports.policy import is_private, is_public

if TYPE_CHECKING:
    from whimbrel.client.upnp import Service

PORTS: Final = (443, 8443)
"""Where a web site is expected, and so nobody wonders; then the bridge's own number."""
ASK: Final = 10.0
"""Seconds that one router has for all that is asked of it at once."""


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
        from whimbrel.client import upnp  # a third of a second: not before it is needed

        own = own_address()
        if own is None or self._silent:
            return Why.NO_ROUTER
        if is_public(own):
            return Opened(own, port, by_router=False)
        worst = Why.NO_ROUTER
        for place in await self._found():
            try:
                async with asyncio.timeout(ASK), upnp.asking(place) as services:
                    outcome = await self._open_at(place, services, port, own)
            except Exception:  # a device may send anything, and the library lets some of it through
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
        from whimbrel.client import upnp

        place, outside = opened
        try:
            async with asyncio.timeout(ASK), upnp.asking(place) as services:
                for service in services:
                    await upnp.call(service, "DeletePortMapping", upnp.mapping(outside))
        except Exception:  # a device may send anything, and the library lets some of it through
            pass

    async def _found(self) -> list[str]:
        """Descriptions of routers: the one that was used last, the one by which this computer goes out, and others that call themselves so."""
        from whimbrel.client import upnp

        last = [self._open[0]] if self._open is not None else []
        found, out = await upnp.search(self._target), gateway()
        found.sort(key=lambda place: upnp.host_of(place) != out)
        return list(dict.fromkeys([*last, *found]))[: upnp.ROUTERS_MAX]

    async def _open_at(self, place: str, services: list[Service], port: int, own: str) -> Outcome:
        from whimbrel.client import upnp

        outcome: Outcome = Why.REFUSED
        for service in services:
            host = (await upnp.call(service, "GetExternalIPAddress", {})).get("NewExternalIPAddress") or ""
            if not is_public(host):
                if is_private(host) or _is_shared(host):
                    outcome = Why.NOT_PUBLIC
                continue
            last = [self._open[1]] if self._open is not None and self._open[0] == place else []
            for outside in dict.fromkeys([*last, *PORTS, port]):
                if await upnp.is_free(service, outside, port, own) and await upnp.map_port(
                    service, outside, port, own
                ):
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


def own_address() -> str | None:
    """From which of its IPv4 addresses this computer speaks to the rest of the world; nothing is sent."""
    family, far = FAR[0]
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as asking:
            asking.connect((far, 9))
            return str(asking.getsockname()[0])
    except OSError:
        return None


def gateway(routes: Path = Path("/proc/net/route")) -> str | None:
    """The address of the router by which this computer goes out; None where the system does not say so plainly."""
    try:
        rows = [line.split() for line in routes.read_text().splitlines()[1:]]
        out = next(row[2] for row in rows if row[1] == "00000000" and row[2] != "00000000")
        return str(ipaddress.IPv4Address(bytes.fromhex(out)[::-1]))  # as a little machine has it
    except (OSError, ValueError, LookupError, StopIteration):
        return None


def _is_shared(host: str) -> bool:
    try:
        return ipaddress.ip_address(host) in ipaddress.ip_network("100.64.0.0/10")
    except ValueError:
        return False
