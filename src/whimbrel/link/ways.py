"""Ways as the dialer sees them: what a route's text says about order, carrying and neighbourhood. No dialling here."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from enum import Enum


class Carries(Enum):
    """A stream keeps a conversation open; an exchange takes one letter there and brings one back."""

    STREAM = "stream"
    EXCHANGE = "exchange"


@dataclass(frozen=True, slots=True)
class Candidate:
    """A way that can be dialled.

    `text` is the route's canonical text and names it in the memory. The lower `cost` is, the better and the plainer the way.
    `near` is on this machine: it may be tried again quickly. `subnet` groups ways for the budget of new connections.

    `host` is the machine that is dialled, and `kind` what a filter sees of the handshake there: who blocks a name meets all
    ways of one host and kind. `short` carries one letter and its answer and is over. `origin` is the route that somebody
    gave us and from which this way was derived. `of_others`: a contact told it, and nobody here has chosen it.
    """

    text: str
    carries: Carries
    cost: int
    near: bool
    subnet: str
    host: str = ""
    kind: str = ""
    short: bool = False
    origin: str = ""
    of_others: bool = False

    @property
    def told(self) -> str:
        """Host and port as they stand in the route that was given, without what stands around it."""
        inner = (self.origin or self.text).rpartition("|")[2]
        return inner.partition("://")[2].partition("/")[0] or self.place

    @property
    def place(self) -> str:
        """The machine that is dialled, as far as it is known."""
        return self.host or self.subnet


def neighbourhood(host: str, addresses: tuple[str, ...] = ()) -> tuple[bool, str]:
    """(on this machine, subnet) of a host: a /24 or /48 where an address is known, else the name itself."""
    for text in (*addresses, host):
        try:
            address = ipaddress.ip_address(text)
        except ValueError:
            continue
        prefix = 24 if address.version == 4 else 48  # a /48 is what one site gets (RFC 6177)
        return address.is_loopback, str(ipaddress.ip_network((address, prefix), strict=False))
    return host.lower() == "localhost", host.lower()
