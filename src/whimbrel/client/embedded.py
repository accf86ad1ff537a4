"""The home's own relay: runs inside the program for as long as that runs; its port and keys stay in the home."""

from __future__ import annotations

import ipaddress
from pathlib import Path

from whimbrel.chat.relays import Relay as KnownRelay
from whimbrel.relay.server import Relay
from whimbrel.relay.settings import RelaySettings
from whimbrel.relay.storage import StorageError
from whimbrel.wire.admission import encode_admission
from whimbrel.wire.texts import parse_address


class Embedded:
    """Started when it is needed first. `listen` is HOST:PORT; without it, a kept port on this machine alone."""

    def __init__(self, data: Path, listen: str | None) -> None:
        host, _, port = (listen or "127.0.0.1:0").rpartition(":")
        self._settings = RelaySettings(data, host.strip("[]") or "127.0.0.1", int(port))
        self._relay: Relay | None = None

    async def running(self) -> KnownRelay:
        """The relay, as an account knows it. Raises OSError when it cannot listen, and what else a relay raises."""
        if self._relay is None:
            relay = Relay(self._settings)
            await relay.start()
            self._relay = relay
        address = parse_address(self._relay.address)
        routes = tuple(route.text for route in address.routes)
        admission = encode_admission(address.admission) if address.admission is not None else None
        return KnownRelay(address.relay, routes, admission, embedded=True)

    def reach(self) -> str:
        """From where it can be reached, in words."""
        try:
            alone = ipaddress.ip_address(self._settings.host).is_loopback
        except ValueError:
            alone = self._settings.host == "localhost"
        if alone:
            return (
                "Your relay runs inside this home, so the invite can be opened on this computer only, "
                "while your app runs. For friends elsewhere use a relay that both can reach."
            )
        return "Your relay runs inside this home: the invite can be opened while your app runs and this computer is reached."

    async def close(self) -> None:
        """What it has answered is on the disk by then; on a full one it only cannot tidy up."""
        relay, self._relay = self._relay, None
        if relay is not None:
            try:
                await relay.close()
            except StorageError as error:
                if not error.full:
                    raise
