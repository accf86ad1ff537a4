"""Forged answers to questions on their way to a foreign resolver: beside the true one (on the path) or in its place. LADDER B3."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from ipaddress import IPv4Address

from lab.censor.filter import Look, Rule
from lab.packets import UDP, udp
from lab.policy import Out

_A = 1


def question(message: bytes) -> tuple[str, int, int] | None:
    """(name in small letters, type, where the question ends) of a query with one question."""
    if len(message) < 17 or message[2] & 0x80 or message[4:6] != b"\0\1":
        return None
    labels, at = [], 12
    while at < len(message) and message[at]:
        size = message[at]
        if size > 63 or at + 1 + size >= len(message):
            return None
        labels.append(message[at + 1 : at + 1 + size].decode("ascii", "replace").lower())
        at += 1 + size
    if at + 5 > len(message):
        return None
    return ".".join(labels), int.from_bytes(message[at + 1 : at + 3], "big"), at + 5


def forged(message: bytes, end: int, kind: int, address: str) -> bytes:
    """An answer with that address for an A question, and with nothing for any other."""
    count = 1 if kind == _A else 0
    head = message[:2] + b"\x81\x80\0\1" + count.to_bytes(2, "big") + b"\0\0\0\0"
    record = b"\xc0\x0c\0\1\0\1\0\0\x01\x2c\0\4" + IPv4Address(address).packed
    return head + message[12:end] + record * count


class DnsInjection(Rule):
    def __init__(self, names: Iterable[str], address: str = "10.10.34.34", *, in_path: bool) -> None:
        """`in_path`: the question never reaches the resolver (Iran); else both answers come, the forged one first (China)."""
        super().__init__()
        self._names, self._address, self._in_path = tuple(name.lower() for name in names), address, in_path

    def judge(self, look: Look) -> Sequence[Out] | None:
        packet = look.packet
        if packet.protocol != UDP or packet.dport != 53 or not look.from_client:
            return None
        asked = question(packet.payload)
        if asked is None or not any(
            asked[0] == name or asked[0].endswith("." + name) for name in self._names
        ):
            return None
        self.count["forged answer"] += 1
        answer = forged(packet.payload, asked[2], asked[1], self._address)
        lie = Out(look.onward.other, udp(packet.dst, packet.src, packet.dport, packet.sport, answer))
        return (lie,) if self._in_path else (lie, *look.passed())
