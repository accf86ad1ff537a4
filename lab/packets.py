"""IPv4 packets with TCP, UDP or ICMP inside: read as far as a filter looks at them, and made with right checksums.

No options are made, no fragments are put together: a fragment has no ports here, and passes or is dropped as a whole."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network

TCP, UDP, ICMP = 6, 17, 1
FIN, SYN, RST, PSH, ACK = 1, 2, 4, 8, 16

_IP = struct.Struct(">BBHHHBBH4s4s")
_TCP = struct.Struct(">HHIIBBHHH")
_UDP = struct.Struct(">HHHH")
_WORLD = 1 << 32


@dataclass(slots=True)
class Packet:
    """What a filter reads of a packet. Addresses are numbers, because they are compared thousands of times a second."""

    data: bytes
    protocol: int
    src: int
    dst: int
    sport: int = 0
    dport: int = 0
    seq: int = 0
    ack: int = 0
    flags: int = 0
    start: int = 0
    """Where the payload begins in `data`."""
    end: int = 0

    @property
    def payload(self) -> bytes:
        return self.data[self.start : self.end]

    @property
    def size(self) -> int:
        """Bytes of payload."""
        return self.end - self.start


def parse(data: bytes) -> Packet | None:
    """None: not an IPv4 packet, or it ends before its headers do."""
    if len(data) < 20 or data[0] >> 4 != 4:
        return None
    header = (data[0] & 15) * 4
    total = (data[2] << 8) | data[3]
    if header < 20 or total < header or total > len(data):
        return None
    protocol = data[9]
    src = int.from_bytes(data[12:16], "big")
    dst = int.from_bytes(data[16:20], "big")
    packet = Packet(data, protocol, src, dst, start=header, end=total)
    if (data[6] & 0x1F) or data[7]:  # a later fragment: what follows is no header
        return packet
    if protocol == TCP:
        if total < header + 20:
            return None
        offset = (data[header + 12] >> 4) * 4
        if offset < 20 or total < header + offset:
            return None
        packet.sport, packet.dport, packet.seq, packet.ack = struct.unpack_from(">HHII", data, header)
        packet.flags = data[header + 13]
        packet.start = header + offset
    elif protocol == UDP:
        if total < header + 8:
            return None
        packet.sport, packet.dport = struct.unpack_from(">HH", data, header)
        packet.start = header + 8
    return packet


def number(address: str) -> int:
    return int(IPv4Address(address))


def text(address: int) -> str:
    return f"{address >> 24}.{address >> 16 & 255}.{address >> 8 & 255}.{address & 255}"


class Nets:
    """A set of networks, and whether an address is in one of them. Asked for each packet, so answers are kept."""

    def __init__(self, cidrs: tuple[str, ...] | list[str]) -> None:
        self._nets = [(int(net.network_address), int(net.netmask)) for net in map(IPv4Network, cidrs)]
        self._known: dict[int, bool] = {}

    def __contains__(self, address: int) -> bool:
        known = self._known.get(address)
        if known is None:
            known = self._known[address] = any(address & mask == net for net, mask in self._nets)
        return known


def checksum(data: bytes) -> int:
    """RFC 1071. Summing in one big number is what makes this fast in Python."""
    if len(data) % 2:
        data += b"\0"
    total: int = sum(struct.unpack(f">{len(data) // 2}H", data))
    total = (total & 0xFFFF) + (total >> 16)
    return ~(total + (total >> 16)) & 0xFFFF


def ip(src: int, dst: int, protocol: int, body: bytes, ttl: int = 62) -> bytes:
    head = _IP.pack(
        0x45, 0, 20 + len(body), 0, 0x4000, ttl, protocol, 0, src.to_bytes(4, "big"), dst.to_bytes(4, "big")
    )
    return head[:10] + checksum(head).to_bytes(2, "big") + head[12:] + body


def _pseudo(src: int, dst: int, protocol: int, length: int) -> bytes:
    return struct.pack(">IIBBH", src, dst, 0, protocol, length)


def tcp(
    src: int,
    dst: int,
    sport: int,
    dport: int,
    seq: int,
    ack: int,
    flags: int,
    payload: bytes = b"",
    window: int = 502,
) -> bytes:
    segment = _TCP.pack(sport, dport, seq % _WORLD, ack % _WORLD, 0x50, flags, window, 0, 0) + payload
    total = checksum(_pseudo(src, dst, TCP, len(segment)) + segment)
    return ip(src, dst, TCP, segment[:16] + total.to_bytes(2, "big") + segment[18:])


def udp(src: int, dst: int, sport: int, dport: int, payload: bytes) -> bytes:
    datagram = _UDP.pack(sport, dport, 8 + len(payload), 0) + payload
    total = checksum(_pseudo(src, dst, UDP, len(datagram)) + datagram) or 0xFFFF
    return ip(src, dst, UDP, datagram[:6] + total.to_bytes(2, "big") + payload)


def icmp(src: int, dst: int, kind: int, code: int, body: bytes) -> bytes:
    message = bytes((kind, code, 0, 0)) + body
    return ip(src, dst, ICMP, message[:2] + checksum(message).to_bytes(2, "big") + body)


def sums_are_right(data: bytes) -> bool:
    """Of the IPv4 header and of TCP, UDP or ICMP inside."""
    header = (data[0] & 15) * 4
    if checksum(data[:header]):
        return False
    body = data[header : int.from_bytes(data[2:4], "big")]
    protocol = data[9]
    if protocol == ICMP:
        return checksum(body) == 0
    if protocol == UDP and body[6:8] == b"\0\0":
        return True
    src, dst = int.from_bytes(data[12:16], "big"), int.from_bytes(data[16:20], "big")
    return checksum(_pseudo(src, dst, protocol, len(body)) + body) == 0
