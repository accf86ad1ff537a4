"""Connections as a filter at the border sees them: who began, what was counted, and the beginning of what the client said.

The client is always at home, behind the provider. A flow whose first packet was not seen (it was open before the strike) is known as
such: nothing can be said of its beginning."""

from __future__ import annotations

from dataclasses import dataclass, field

from lab import tls
from lab.packets import ACK, SYN, TCP, UDP, Packet

# TSPU boxes are believed to keep about as much of a client's beginning (LADDER B5, E16).
STREAM_LIMIT = 16_384
# A flow that was silent for so long is forgotten, as connection tracking does.
IDLE = 600.0

Key = tuple[int, int, int, int, int]
"""(protocol, client, client port, server, server port)."""


@dataclass(slots=True)
class Flow:
    key: Key
    opened: float
    from_start: bool
    """Its first packet was seen."""
    last: float = 0.0
    packets: int = 0
    """Both ways together."""
    client_packets: int = 0
    server_packets: int = 0
    client_bytes: int = 0
    """IP packets, headers included, as the kernel counts them."""
    server_bytes: int = 0
    payloads: list[bytes] = field(default_factory=list)
    """The first three packets with payload from the client, without those that were sent again."""
    stream: bytearray = field(default_factory=bytearray)
    """What the client said first, in order."""
    answer: bytes = b""
    """The first payload of the server."""
    hello: tls.Hello | tls.Not = tls.Not.YET
    """By a reader that puts segments and records together."""
    settled: bool = False
    """Nothing more can be learnt from the client's beginning."""
    notes: dict[str, object] = field(default_factory=dict)
    """What rules remember of it, by their own words."""
    ends_after: int | None = None
    """A rule ended it: after so many packets nothing passes any more, in either direction."""
    _next: int = -1
    _waiting: dict[int, bytes] = field(default_factory=dict)

    @property
    def client(self) -> int:
        return self.key[1]

    @property
    def server(self) -> int:
        return self.key[3]

    @property
    def port(self) -> int:
        return self.key[4]

    @property
    def name(self) -> str:
        """The name in its hello; '' when there is none, or it is not known."""
        return self.hello.name if isinstance(self.hello, tls.Hello) else ""

    def take(self, now: float, packet: Packet, from_client: bool) -> bool:
        """Counts a packet. True: something new of the client's beginning is known."""
        self.last = now
        self.packets += 1
        length = len(packet.data)
        if not from_client:
            self.server_packets += 1
            self.server_bytes += length
            if not self.answer and packet.size:
                self.answer = packet.payload
            return False
        self.client_packets += 1
        self.client_bytes += length
        if packet.protocol == TCP:
            return self._take_tcp(packet)
        if packet.size and len(self.payloads) < 3:
            self.payloads.append(packet.payload)
            return True
        return False

    def _take_tcp(self, packet: Packet) -> bool:
        if packet.flags & SYN:
            self._next = (packet.seq + 1) & 0xFFFFFFFF
            return False
        if not packet.size or self.settled or not self.from_start or self._next < 0:
            return False
        ahead = (packet.seq - self._next) & 0xFFFFFFFF
        if ahead >= 1 << 31:  # sent again, perhaps with more behind it
            known = (1 << 32) - ahead
            if known >= packet.size:
                return False
            self._append(packet.payload[known:])
        elif ahead == 0:
            self._append(packet.payload)
        elif ahead < STREAM_LIMIT and len(self._waiting) < 64:
            self._waiting.setdefault(packet.seq, packet.payload)
            return False
        self._drain()
        if not isinstance(self.hello, tls.Hello):
            self.hello = tls.client_hello(bytes(self.stream))
        if len(self.stream) >= STREAM_LIMIT or (self.hello is not tls.Not.YET and len(self.payloads) >= 3):
            self.settled = True
        return True

    def _append(self, data: bytes) -> None:
        if len(self.payloads) < 3:
            self.payloads.append(data)
        self._next = (self._next + len(data)) & 0xFFFFFFFF
        self.stream += data[: STREAM_LIMIT - len(self.stream)]

    def _drain(self) -> None:
        while self._next in self._waiting:
            self._append(self._waiting.pop(self._next))


class Flows:
    """All flows that are known. Each packet is asked for once."""

    def __init__(self) -> None:
        self._flows: dict[Key, Flow] = {}
        self._swept = 0.0

    def __len__(self) -> int:
        return len(self._flows)

    def of(self, now: float, packet: Packet, from_client: bool) -> Flow:
        """The flow of this packet, which is not counted yet. A new SYN on an old five-tuple begins a new flow."""
        if from_client:
            key = (packet.protocol, packet.src, packet.sport, packet.dst, packet.dport)
        else:
            key = (packet.protocol, packet.dst, packet.dport, packet.src, packet.sport)
        flow = self._flows.get(key)
        opens = packet.protocol == UDP or (packet.protocol == TCP and packet.flags & (SYN | ACK) == SYN)
        if (
            flow is not None
            and opens
            and packet.protocol == TCP
            and from_client
            and not self._again(flow, packet)
        ):
            flow = None
        if flow is None:
            if now - self._swept > IDLE / 10:
                self._sweep(now)
            flow = self._flows[key] = Flow(key, now, opens and from_client, now)
        return flow

    @staticmethod
    def _again(flow: Flow, packet: Packet) -> bool:
        """Whether this SYN is the one that opened the flow, sent again."""
        return (not flow.stream and not flow.server_packets) or flow._next == (packet.seq + 1) & 0xFFFFFFFF

    def _sweep(self, now: float) -> None:
        self._swept = now
        for key in [key for key, flow in self._flows.items() if now - flow.last > IDLE]:
            del self._flows[key]
