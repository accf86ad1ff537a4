"""Protocols that are known by a few bytes at a fixed place: QUIC version 1, STUN, WireGuard, OpenVPN. LADDER B7, B16, B23, B28."""

from __future__ import annotations

from collections.abc import Sequence

from lab.censor.bans import Ban, Bans
from lab.censor.filter import Look, Rule
from lab.packets import UDP
from lab.policy import Out


class QuicV1(Rule):
    """UDP to port 443, version 1, payload of 1001 bytes or more (B7)."""

    def judge(self, look: Look) -> Sequence[Out] | None:
        packet = look.packet
        if packet.protocol != UDP or packet.dport != 443 or packet.size < 1001:
            return None
        head = packet.data[packet.start : packet.start + 5]
        if head[0] & 0xC0 != 0xC0 or head[1:] != b"\0\0\0\1":
            return None
        self.count["dropped QUIC"] += 1
        return ()


class Stun(Rule):
    """The magic cookie of RFC 8489 (B28)."""

    def judge(self, look: Look) -> Sequence[Out] | None:
        packet = look.packet
        if packet.protocol != UDP or packet.data[packet.start + 4 : packet.start + 8] != b"\x21\x12\xa4\x42":
            return None
        self.count["dropped STUN"] += 1
        return ()


class _AfterHandshake(Rule):
    """A handshake marks the flow; the packets of the client that come after the first few are dropped (B23)."""

    word = ""
    allowed = 0

    def opens(self, look: Look) -> bool:
        raise NotImplementedError

    def judge(self, look: Look) -> Sequence[Out] | None:
        if look.packet.protocol != UDP:
            return None
        flow = look.flow
        if self.word not in flow.notes and look.from_client and self.opens(look):
            flow.notes[self.word] = flow.client_packets
            self.count[f"recognised {self.word}"] += 1
        begun = flow.notes.get(self.word)
        if isinstance(begun, int) and flow.client_packets - begun > self.allowed:
            self.count[f"dropped {self.word}"] += 1
            return ()
        return None


class WireGuard(_AfterHandshake):
    """The initiation is 148 bytes and begins with 01 00 00 00; more than two packets of data are too many."""

    word, allowed = "WireGuard", 2

    def opens(self, look: Look) -> bool:
        return (
            look.packet.size == 148
            and look.packet.data[look.packet.start : look.packet.start + 4] == b"\1\0\0\0"
        )


class OpenVpn(_AfterHandshake):
    """P_CONTROL_HARD_RESET_CLIENT_V2 with key 0; more than 15 packets of data are too many."""

    word, allowed = "OpenVPN", 16

    def opens(self, look: Look) -> bool:
        return look.packet.size >= 14 and look.packet.data[look.packet.start] == 0x38


class UdpPenalty(Rule):
    """UDP that is recognised as a VPN costs all UDP to that server for ten minutes (B16)."""

    def __init__(self, bans: Bans, *, scale: float, seconds: float = 600.0) -> None:
        super().__init__()
        self._bans, self._seconds = bans, seconds * scale

    def judge(self, look: Look) -> Sequence[Out] | None:
        packet = look.packet
        opens = packet.size == 148 and packet.data[packet.start : packet.start + 4] == b"\1\0\0\0"
        if opens and packet.protocol == UDP and look.from_client:
            self._bans.add(Ban.HOST_UDP, look.flow, look.now + self._seconds)
            self.count["server lost its UDP"] += 1
        return None
