"""Each packet of a person's device, accounted for: what it was for, or that nobody can say. Pure.

An app may talk to its relay, to bridges and the host of many names, by TLS with the names that it is meant to show; to the resolvers
that it was given, by DoH; and to the provider's resolver, about names that may be asked for. ARP between a machine and its gateway is no
traffic. Whatever else there is, in either direction, is stray: an update check, a font, a name that slipped to a resolver, IPv6.
"""

from __future__ import annotations

import ipaddress
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from dnslib import DNSError, DNSRecord

from lab import packets, tls
from lab.packets import TCP, UDP, Packet
from lab.policy import World

_HTTPS, _DNS = 443, 53
_ARP = b"\x08\x06"
_HELLO_WITHIN = 16_384


@dataclass(slots=True)
class Account:
    """What was found."""

    kinds: Counter[str] = field(default_factory=Counter)
    """Packets by what they were for: relay, bridge, cdn, doh, dns, arp."""
    asked: Counter[str] = field(default_factory=Counter)
    """Names that the provider's resolver was asked for."""
    shown: Counter[str] = field(default_factory=Counter)
    """Names in TLS hellos, each as `kind name`; empty where none was sent."""
    strays: list[str] = field(default_factory=list)
    """What nobody can account for, in words."""


@dataclass(slots=True)
class _Talk:
    """A TCP connection, as far as its beginning matters."""

    kind: str
    said: dict[int, bytes] = field(default_factory=dict)
    """What the person's machine said, by its place."""
    known: bool = False


class Accounts:
    """Takes the packets of one person's device, and says what they were."""

    def __init__(self, world: World, address: str, resolver: str, *, may_ask: Iterable[str] = ()) -> None:
        """`resolver`: the provider's; `may_ask`: names that it may be asked for."""
        self._own = packets.number(address)
        self._resolver = packets.number(resolver)
        self._may_ask = frozenset(may_ask)
        self._places: dict[int, str] = {}
        for kind, addresses in (
            ("relay", world.relay_addresses),
            ("bridge", world.bridge_addresses),
            ("cdn", (world.cdn_address,)),
            ("doh", tuple(address for _, address in world.resolvers)),
        ):
            self._places |= {packets.number(one): kind for one in addresses}
        self._names = {
            "relay": {world.relay_name, world.neutral_name, ""},
            "bridge": {*world.bridge_names, ""},
            "cdn": {*world.cdn_names},
            "doh": {*(name for name, _ in world.resolvers), ""},
        }
        self._talks: dict[tuple[int, int, int], _Talk] = {}
        self.found = Account()

    def take(self, data: bytes) -> None:
        """A packet, as `pcap.read` gives it."""
        packet = packets.parse(data)
        if packet is None:
            self._not_ip(data)
        elif self._own not in (packet.src, packet.dst):
            self._stray(packet, "between others")
        elif packet.protocol == TCP:
            self._tcp(packet)
        elif packet.protocol == UDP:
            self._udp(packet)
        else:
            self._stray(packet, f"protocol {packet.protocol}")

    def close(self) -> Account:
        """All packets were taken: what began and never said who it was for is stray, unless it never said anything."""
        for talk in self._talks.values():
            if not talk.known and talk.said:
                self.found.strays.append(
                    f"a connection to a {talk.kind} that did not begin with a whole hello"
                )
        return self.found

    def _not_ip(self, frame: bytes) -> None:
        if frame[12:14] == _ARP:
            self.found.kinds["arp"] += 1
        else:
            self.found.strays.append(f"a frame of kind {frame[12:14].hex()}")

    def _tcp(self, packet: Packet) -> None:
        outward = packet.src == self._own
        far, far_port, near_port = (
            (packet.dst, packet.dport, packet.sport) if outward else (packet.src, packet.sport, packet.dport)
        )
        if far == self._resolver and far_port == _DNS:
            self.found.kinds["dns"] += 1
            if outward and packet.size > 2:
                self._asked(packet.payload[2:], packet)
            return
        kind = self._places.get(far)
        if kind is None or far_port != _HTTPS:
            self._stray(packet, "to a place that is none of ours")
            return
        self.found.kinds[kind] += 1
        talk = self._talks.get((far, far_port, near_port))
        if talk is None or (packet.flags & packets.SYN and outward and not packet.flags & packets.ACK):
            talk = self._talks[far, far_port, near_port] = _Talk(kind)
        if outward and packet.size and not talk.known:
            talk.said[packet.seq] = packet.payload
            self._look_at_hello(talk)

    def _look_at_hello(self, talk: _Talk) -> None:
        stream = b""
        at = min(talk.said)
        while at in talk.said and len(stream) < _HELLO_WITHIN:
            stream += talk.said[at]
            at = (at + len(talk.said[at])) & 0xFFFFFFFF
        hello = tls.client_hello(stream)
        if hello is tls.Not.YET:
            return
        talk.known = True
        if isinstance(hello, tls.Not):
            self.found.strays.append(f"a connection to a {talk.kind} that is no TLS")
            return
        self.found.shown[f"{talk.kind} {hello.name}"] += 1
        if hello.name not in self._names[talk.kind]:
            self.found.strays.append(f"the name {hello.name} shown to a {talk.kind}")

    def _udp(self, packet: Packet) -> None:
        outward = packet.src == self._own
        far, far_port = (packet.dst, packet.dport) if outward else (packet.src, packet.sport)
        if far != self._resolver or far_port != _DNS:
            self._stray(packet, "to a place that is none of ours")
            return
        self.found.kinds["dns"] += 1
        if outward:
            self._asked(packet.payload, packet)

    def _asked(self, question: bytes, packet: Packet) -> None:
        try:
            name = str(DNSRecord.parse(question).q.qname).rstrip(".").lower()
        except (DNSError, ValueError):
            self._stray(packet, "to the resolver, and no question")
            return
        self.found.asked[name] += 1
        if name not in self._may_ask:
            self.found.strays.append(f"the provider's resolver was asked for {name}")

    def _stray(self, packet: Packet, why: str) -> None:
        source, target = ipaddress.ip_address(packet.src), ipaddress.ip_address(packet.dst)
        self.found.strays.append(f"{source}:{packet.sport} to {target}:{packet.dport}, {why}")
