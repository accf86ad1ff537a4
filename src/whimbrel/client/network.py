"""Which network this computer is on, as far as one can tell without asking anybody: a name to remember ways under.

The system is asked from which of its addresses it would speak to the rest of the world (a datagram socket that is connected
and never written to: nothing leaves). The network is named by the part of that address that the neighbours share.
"""

from __future__ import annotations

import ipaddress
import socket

FAR = ((socket.AF_INET, "192.0.2.1"), (socket.AF_INET6, "2001:db8::1"))
"""Addresses for documentation (RFC 5737, RFC 3849): nobody has them, so the way there is the way to anywhere."""


def network() -> str:
    """A name for it, the same each time; empty when there is no way out."""
    return " ".join(name for family, far in FAR if (name := _seen_from(family, far)))


def _seen_from(family: socket.AddressFamily, far: str) -> str:
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as asking:
            asking.connect((far, 9))
            own = ipaddress.ip_address(asking.getsockname()[0].partition("%")[0])
    except (OSError, ValueError):
        return ""
    prefix = 24 if own.version == 4 else 64  # of IPv6 the other half changes every day (RFC 8981)
    return str(ipaddress.ip_network((own, prefix), strict=False))
