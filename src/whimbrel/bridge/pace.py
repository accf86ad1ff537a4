"""What one client has under way, and how fast it may go. Addresses are here and nowhere else, for as long as somebody at
them is connected; what is looked up is a keyed hash, so that a picture of the memory does not name them."""

from __future__ import annotations

import ipaddress
import os
from dataclasses import dataclass
from hashlib import blake2b

from .settings import Limits


@dataclass(slots=True)
class Client:
    """Somebody at an address, while connections or letters of theirs are under way."""

    key: bytes
    connections: int = 0
    letters: int = 0
    credit: float = 0.0
    """Bytes that may go now; below zero: what went too early."""
    at: float = 0.0


class Clients:
    """All who are there now."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._key = os.urandom(32)
        self._there: dict[bytes, Client] = {}

    def __len__(self) -> int:
        return len(self._there)

    def of(self, address: str, now: float) -> Client:
        """The client at an address."""
        key = blake2b(_network(address), key=self._key, digest_size=16).digest()
        client = self._there.get(key)
        if client is None:
            client = self._there[key] = Client(key, credit=self._limits.client_burst, at=now)
        return client

    def leave(self, client: Client) -> None:
        """Something of theirs is over; the last of it, and they are forgotten."""
        if client.connections == 0 and client.letters == 0:
            self._there.pop(client.key, None)

    def spend(self, client: Client, size: int, now: float) -> float:
        """Count bytes that have come. Answers for how many seconds nothing more is to be taken."""
        limits = self._limits
        earned = max(0.0, now - client.at) * limits.client_rate
        client.credit = min(limits.client_burst, client.credit + earned) - size
        client.at = now
        return max(0.0, -client.credit / limits.client_rate)


def _network(address: str) -> bytes:
    """An address of IPv4, or the /64 that one household or server has of IPv6."""
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return b""
    if isinstance(found, ipaddress.IPv6Address):
        return found.packed[:8] if found.ipv4_mapped is None else found.ipv4_mapped.packed
    return found.packed
