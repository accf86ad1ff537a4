"""Where ways may lead. The address that is connected to decides, not the name.

An unencrypted carrier leads to this machine and private networks, nowhere else: what is inside is sealed in any case, but ws
and http show a network what is used, and where. A way that somebody else told leads anywhere else: nobody aims this
app at what stands behind the router of its owner.
"""

from __future__ import annotations

import ipaddress
from enum import Enum
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

_PRIVATE: tuple[IPv4Network | IPv6Network, ...] = tuple(
    ipaddress.ip_network(text)
    for text in (
        "127.0.0.0/8",  # RFC 1122, this machine
        "::1/128",
        "10.0.0.0/8",  # RFC 1918
        "172.16.0.0/12",
        "192.168.0.0/16",
        "169.254.0.0/16",  # RFC 3927, link-local
        "fe80::/10",  # RFC 4291
        "fc00::/7",  # RFC 4193
    )
)


_NOBODYS: tuple[IPv4Network | IPv6Network, ...] = tuple(
    ipaddress.ip_network(text)
    for text in (
        "0.0.0.0/8",  # RFC 1122, this network
        "100.64.0.0/10",  # RFC 6598, behind a provider's translator
        "224.0.0.0/3",  # multicast and what is reserved
        "::/128",
        "64:ff9b:1::/48",  # RFC 8215, translation of local use
        "fec0::/10",  # RFC 3879, the private addresses of before
        "ff00::/8",
    )
)
_TRANSLATED = tuple(ipaddress.IPv6Network(text) for text in ("64:ff9b::/96", "2002::/16", "2001::/32"))
"""RFC 6052, 3056, 4380: an IPv4 address stands in each of these, and may be a private one."""


def parse_address(text: str) -> IPv4Address | IPv6Address:
    """An IP address; one of IPv4 inside IPv6 counts as what it is. Raises ValueError."""
    address = ipaddress.ip_address(text.partition("%")[0])
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address


def is_address(text: str) -> bool:
    """Whether this is an IP address and needs no resolving."""
    try:
        parse_address(text)
    except ValueError:
        return False
    return True


def is_private(text: str) -> bool:
    """Whether plain carriers may lead to this address. What is no address is not private."""
    try:
        address = parse_address(text)
    except ValueError:
        return False
    return any(address.version == network.version and address in network for network in _PRIVATE)


def is_public(text: str) -> bool:
    """Whether ways that others told may lead to this address: one of the internet. What is no address is not public."""
    try:
        address = parse_address(text)
    except ValueError:
        return False
    if isinstance(address, IPv6Address) and any(address in network for network in _TRANSLATED):
        return False
    networks = (*_PRIVATE, *_NOBODYS)
    return not any(address.version == network.version and address in network for network in networks)


class Where(Enum):
    """Where a way may lead."""

    ANYWHERE = "anywhere"
    PRIVATE = "private"
    PUBLIC = "public"

    def allows(self, address: str) -> bool:
        """Whether it may lead to this IP address."""
        if self is Where.ANYWHERE:
            return True
        return is_private(address) if self is Where.PRIVATE else is_public(address)
