"""The router between this computer and the internet, asked to let people in (`upnp.py` speaks with it).

What it says of the address outside is looked at before anybody is told it. Ports that lead to somebody else already stay theirs.
"""

from __future__ import annotations

import asyncio
import ipaddress
import json
import socket
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Final

from whimbrel.client.network import FAR
from whimbrel.client.network import place as network
from whimbrel.serving.folder import make_folder, write_whole
from whimbrel.transports.policy import is_private, is_public

if TYPE_CHECKING:
    from whimbrel.client.upnp import Service

PORTS: Final = (443, 8443)
"""Where a web site is expected, and so nobody wonders; then the bridge's own number."""
FILE: Final = "router"
"""In the bridge's folder: what is open."""
AGAIN, FAILS = 300.0, 12
"""Seconds until it is tried again to close what a router has open, and how often: then it has closed it by itself, or is another router."""
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


@dataclass(frozen=True, slots=True)
class _Opening:
    """What a router does for us: `place` is its description; `outside` leads to `port` at `own`; `network` is where it stands."""

    network: str
    place: str
    outside: int
    port: int
    own: str


class Router:
    """Keeps one port of this computer open, for as long as it is asked to again and again."""

    def __init__(
        self, target: tuple[str, int] | None = None, *, silent: bool = False, folder: Path | None = None
    ) -> None:
        """`target`: where to ask for a router, in place of everybody on this network. `silent`: nobody is asked, and this computer's own
        address is none. `folder`: where what is open is written down, to be closed also by who comes after a sudden end."""
        self._target = target
        self._silent = silent
        self._path = folder / FILE if folder is not None else None
        self._open = self._kept()
        self._fails = 0
        self._again_at = float("-inf")

    async def open(self, port: int) -> Outcome:
        """Let people in at this port, or go on doing so. Asked again now and then: what was opened is for an hour."""
        from whimbrel.client import upnp  # a third of a second: not before it is needed

        own = own_address()
        if own is None or self._silent:
            return Why.NO_ROUTER
        if self._open is not None and (self._open.port, self._open.own) != (port, own):
            await self.close()  # it leads to nobody, or to whoever has that address now
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
        """Nobody more. What cannot be said now is said the next time; most routers close it by themselves within the hour, too."""
        opening = self._open
        now = asyncio.get_running_loop().time()
        if opening is None or now < self._again_at or opening.network != network():
            return  # a machine of somebody else's may have that address elsewhere
        from whimbrel.client import upnp

        try:
            async with asyncio.timeout(ASK), upnp.asking(opening.place) as services:
                for service in services:
                    ours = await upnp.leads_to(service, opening.outside) == (opening.own, opening.port)
                    if ours:
                        await upnp.call(service, "DeletePortMapping", upnp.mapping(opening.outside))
        except Exception:  # a device may send anything, and the library lets some of it through
            self._fails += 1
            self._again_at = now + AGAIN
            if self._fails < FAILS:
                return
        if self._open == opening:
            self._keep(None)

    def _keep(self, opening: _Opening | None) -> None:
        self._open = opening
        self._fails, self._again_at = 0, float("-inf")
        if self._path is None:
            return
        with suppress(OSError):
            if opening is None:
                self._path.unlink(missing_ok=True)
            else:
                make_folder(self._path.parent)
                write_whole(self._path, json.dumps(asdict(opening)).encode())

    def _kept(self) -> _Opening | None:
        try:
            return _Opening(**json.loads(self._path.read_bytes())) if self._path is not None else None
        except (OSError, ValueError, TypeError):
            return None

    async def _found(self) -> list[str]:
        """Descriptions of routers: the one that was used last, the one by which this computer goes out, and others that call themselves so."""
        from whimbrel.client import upnp

        last = [self._open.place] if self._open is not None else []
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
            last = [self._open.outside] if self._open is not None and self._open.place == place else []
            for outside in dict.fromkeys([*last, *PORTS, port]):
                if await upnp.is_free(service, outside, port, own) and await upnp.map_port(
                    service, outside, port, own
                ):
                    self._keep(_Opening(network(), place, outside, port, own))
                    return Opened(str(ipaddress.ip_address(host)), outside, by_router=True)
        return outcome


def router_of(environment: Mapping[str, str], folder: Path | None = None) -> Router:
    """A router as the environment wishes it: WHIMBREL_ROUTER is the host:port to ask in place of everybody on this network; empty: there is none."""
    wished = environment.get("WHIMBREL_ROUTER")
    if wished is None:
        return Router(folder=folder)
    host, _, port = wished.rpartition(":")
    return Router((host, int(port)), folder=folder) if host and port.isdigit() else Router(silent=True)


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
