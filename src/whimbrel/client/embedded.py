"""The home's own relay: runs inside the program for as long as that runs; its port and keys stay in the home.

It listens on loopback. Once somebody is invited on this network it listens on this computer's other addresses as well, and
goes on doing so in later runs.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

from whimbrel.chat.relays import Relay as KnownRelay
from whimbrel.client.network import own_addresses
from whimbrel.crypto.leaf import ROUTES_MAX
from whimbrel.relay.server import Relay
from whimbrel.relay.settings import RelaySettings
from whimbrel.relay.storage import StorageError
from whimbrel.serving.listening import PortTaken
from whimbrel.transports.policy import is_private
from whimbrel.transports.policy import parse_address as address_of
from whimbrel.wire.admission import encode_admission
from whimbrel.wire.errors import Malformed
from whimbrel.wire.routes import Route, parse_route
from whimbrel.wire.texts import parse_address

OPEN = "relay:open"
"""The fact that the relay was opened to the network."""
LOOPBACK = "127.0.0.1"
ALL = ("::", "0.0.0.0")
"""Both kinds of addresses on one socket; without IPv6, the one."""

Reach = Literal["this-computer", "this-network", "anywhere"]


class Embedded:
    """Started when it is needed first. `listen` is HOST:PORT; without it, a kept port on this machine alone, or, when it was
    opened, on all its addresses."""

    def __init__(
        self,
        data: Path,
        listen: str | None,
        is_open: bool = False,
        addresses: Callable[[], Sequence[str]] = own_addresses,
    ) -> None:
        host, _, port = (listen or f"{LOOPBACK}:0").rpartition(":")
        self._settings = RelaySettings(data, host.strip("[]") or LOOPBACK, int(port))
        self._relay: Relay | None = None
        self._addresses = addresses
        self.is_told_where = listen is not None
        """Whether somebody said where it listens; then nothing else opens it."""
        self.is_open = is_open and not self.is_told_where

    async def running(self) -> KnownRelay:
        """The relay, as an account knows it. Raises OSError when it cannot listen, and what else a relay raises."""
        if self._relay is None:
            self._relay = await self._started()
        address = parse_address(self._relay.address)
        routes = address.routes
        if self.is_open:
            # At this computer's own addresses, as they are now, and at the one by which we reach it whatever happens to them.
            hosts = [*self._addresses()[: ROUTES_MAX // 2 - 1], LOOPBACK]
            routes = tuple(replace(route, host=host) for host in hosts for route in address.routes)
        admission = encode_admission(address.admission) if address.admission is not None else None
        texts = tuple(route.text for route in routes)
        return KnownRelay(address.relay, texts, admission, embedded=True)

    async def _started(self) -> Relay:
        if not self.is_open:
            relay = Relay(self._settings)
            await relay.start()
            return relay
        for host in ALL if socket.has_ipv6 else ALL[1:]:
            relay = Relay(replace(self._settings, host=host))
            try:
                await relay.start()
            except (PortTaken, OSError):
                if host == ALL[-1]:
                    raise
            else:
                return relay
        raise AssertionError("the last of them starts or raises")

    async def open(self) -> None:
        """From now on on all addresses of this computer, under the same keys and the same port."""
        self.is_open = True
        await self.close()
        self._relay = await self._started()

    def addresses(self) -> Sequence[str]:
        """Those by which neighbours reach it."""
        return self._addresses()

    async def close(self) -> None:
        """What it has answered is on the disk by then; on a full one it only cannot tidy up."""
        relay, self._relay = self._relay, None
        if relay is not None:
            try:
                await relay.close()
            except StorageError as error:
                if not error.full:
                    raise


def reach_of(relay: KnownRelay) -> Reach:
    """From where a relay can be reached, as its ways look."""
    hosts = [route.host for route in _routes(relay.routes)]
    if any(not is_near(host) for host in hosts):
        return "anywhere"
    return "this-network" if any(not _is_loopback(host) for host in hosts) else "this-computer"


def is_near(host: str) -> bool:
    return host == "localhost" or is_private(host)


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(str(address_of(host))).is_loopback
    except ValueError:
        return False


def _routes(texts: Sequence[str]) -> list[Route]:
    found = []
    for text in texts:
        try:
            found.append(parse_route(text))
        except Malformed:  # a newer version may know it
            continue
    return found


def note_of(relay: KnownRelay) -> str | None:
    """What to know about an invite on this relay, for who gives it away; None for one that is reached from anywhere."""
    match reach_of(relay), relay.embedded:
        case "this-computer", True:
            return (
                "Your relay runs inside this home, so the invite can be opened on this computer only, "
                "while your app runs. For friends elsewhere use a relay that both can reach."
            )
        case "this-network", True:
            return (
                "Your relay runs inside this home: the invite can be opened on this network, while your app runs and "
                "this computer is reached."
            )
        case _, True:
            return "Your relay runs inside this home: the invite can be opened while your app runs and this computer is reached."
    return None
