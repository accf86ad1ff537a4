"""The stateful censor: rules that look at packets and flows, and a filter that asks them in order.

Each rule is one published behaviour with its numbers; a measure is a list of rules. Nothing here has a clock, a socket or a file."""

from lab.censor.bans import Ban, Bans
from lab.censor.capacity import Capacity
from lab.censor.curtain import Curtain
from lab.censor.dns import DnsInjection
from lab.censor.filter import Filter, Look, Rule
from lab.censor.listing import Listing, Recognise
from lab.censor.match import All, ByAddress, ByEch, ByJa4, ByName, Match, Reading
from lab.censor.policing import Policing
from lab.censor.probing import Prober
from lab.censor.shape import FullyEncrypted, LargeAndUnknown
from lab.censor.signatures import OpenVpn, QuicV1, Stun, UdpPenalty, WireGuard
from lab.censor.throttle import Throttle
from lab.censor.trigger import Reset, Swallow, Trigger

__all__ = [
    "All",
    "Ban",
    "Bans",
    "ByAddress",
    "ByEch",
    "ByJa4",
    "ByName",
    "Capacity",
    "Curtain",
    "DnsInjection",
    "Filter",
    "FullyEncrypted",
    "LargeAndUnknown",
    "Listing",
    "Look",
    "Match",
    "OpenVpn",
    "Policing",
    "Prober",
    "QuicV1",
    "Reading",
    "Recognise",
    "Reset",
    "Rule",
    "Stun",
    "Swallow",
    "Throttle",
    "Trigger",
    "UdpPenalty",
    "WireGuard",
]
