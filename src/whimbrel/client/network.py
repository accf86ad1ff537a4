"""Which network this computer is on, as far as one can tell without asking anybody: a name to remember ways under.

The system is asked from which of its addresses it would speak to the rest of the world (a datagram socket that is connected
and never written to: nothing leaves). The network is named by the part of that address that the neighbours share.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterable

import ifaddr

from whimbrel.transports.policy import is_private

FAR = ((socket.AF_INET, "192.0.2.1"), (socket.AF_INET6, "2001:db8::1"))
"""Addresses for documentation (RFC 5737, RFC 3849): nobody has them, so the way there is the way to anywhere."""


def network() -> str:
    """A name for it, the same each time; empty when there is no way out."""
    return " ".join(name for family, far in FAR if (name := _seen_from(family, far)))


def place() -> str:
    """The network of the IPv4 address from which this computer speaks to the rest of the world; `internet` for an address of the internet, of which
    a provider gives another now and then. Empty when there is no way out."""
    seen = _seen_from(*FAR[0])
    return seen if not seen or is_private(seen.partition("/")[0]) else "internet"


def _seen_from(family: socket.AddressFamily, far: str) -> str:
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as asking:
            asking.connect((far, 9))
            own = ipaddress.ip_address(asking.getsockname()[0].partition("%")[0])
    except (OSError, ValueError):
        return ""
    prefix = 24 if own.version == 4 else 64  # of IPv6 the other half changes every day (RFC 8981)
    return str(ipaddress.ip_network((own, prefix), strict=False))


def own_addresses() -> tuple[str, ...]:
    """This computer's addresses on private networks, the likeliest first: those by which neighbours reach it."""
    found = {
        str(ip.ip if ip.is_IPv4 else ip.ip[0]) for adapter in ifaddr.get_adapters() for ip in adapter.ips
    }
    return neighbourly(found)


def neighbourly(addresses: Iterable[str]) -> tuple[str, ...]:
    """Those of private networks that need no more than themselves to be reached (a link-local one of IPv6 needs an interface),
    IPv4 first."""
    kept = [ipaddress.ip_address(text.partition("%")[0]) for text in addresses if is_private(text)]
    fit = [one for one in kept if not one.is_loopback and not (one.version == 6 and one.is_link_local)]
    return tuple(str(one) for one in sorted(fit, key=lambda one: (one.is_link_local, one.version, one)))
