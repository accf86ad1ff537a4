"""Where an unencrypted carrier may lead: this machine and private networks, nowhere else.

What is inside is sealed in any case; but ws and http show a network what is used, and where. The address that is
connected to decides, not the name.
"""

from __future__ import annotations

import ipaddress
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
