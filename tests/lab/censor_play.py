"""Conversations made up packet by packet, for a filter that is asked about each: no device, no waiting, time as one likes."""

from __future__ import annotations

from pathlib import Path
from random import Random

from lab.packets import ACK, FIN, PSH, RST, SYN, Packet, number, parse, sums_are_right, tcp, udp
from lab.policy import Out, Policy, Side, World

HELLOS = Path(__file__).parent / "hellos"
NAME = "talk.whimbrel.example"
"""What the recorded hellos were sent to."""
ADA = "198.18.1.11"
RELAY = "203.0.113.10"
BENIGN = "192.0.2.80"

WORLD = World(
    relay_name=NAME,
    relay_addresses=(RELAY, "198.51.100.10"),
    neutral_name="www.tidewater.example",
    bridge_names=("photos.millbrook.example",),
    bridge_addresses=("198.19.11.10",),
    benign_name="www.wetlands.example",
    benign_address=BENIGN,
    national_resolvers=("198.18.1.53", "198.18.2.53"),
    resolvers=(("dns.openfield.example", "198.19.53.8"), ("dns.quietnet.example", "198.19.54.9")),
    person_addresses=((ADA,), ("198.18.2.11",)),
    exempt_names=("update.storefront.example",),
    foreign=("203.0.113.0/24", "198.51.100.0/24", "198.19.0.0/16", "192.0.2.0/24"),
)


def hello(client: str, name: str = NAME) -> bytes:
    """A recorded ClientHello of that client, with another name of the same length or shorter (filled from the left)."""
    data = bytes.fromhex((HELLOS / f"{client}.hex").read_text())
    if name == NAME:
        return data
    other = name.rjust(len(NAME), "x").encode()
    assert len(other) == len(NAME), "a name in a recorded hello cannot grow"
    return data.replace(NAME.encode(), other)


def nameless() -> bytes:
    """Python's hello, its server_name extension made into one that nobody knows."""
    data = hello("python")
    extension = b"\0\0\0\x1a\0\x18\0\0\x15" + NAME.encode()
    assert extension in data
    return data.replace(extension, b"\xfa\xfa\0\x1a" + bytes(26))


def in_records(data: bytes, at: int) -> bytes:
    """One TLS record cut into two after that many bytes of its body."""
    body = data[5:]
    return b"".join(data[:3] + len(part).to_bytes(2, "big") + part for part in (body[:at], body[at:]))


class Play:
    """A filter, a clock, and everything that came out."""

    def __init__(self, policy: Policy) -> None:
        self.policy = policy
        self.now = 1000.0
        self.out: list[Out] = []
        self._port = 40_000

    def send(self, side: Side, data: bytes) -> list[Out]:
        """`side`: where it comes from. Every packet that comes out has right checksums."""
        outs = list(self.policy.packet(self.now, side, data))
        for out in outs:
            assert sums_are_right(out.data)
        self.out += outs
        return outs

    def wait(self, seconds: float) -> list[Out]:
        self.now += seconds
        outs, _ = self.policy.timer(self.now)
        return list(outs)

    def dial(
        self, server: str = RELAY, port: int = 443, client: str = ADA, sport: int | None = None
    ) -> Conversation:
        if sport is None:
            self._port += 1
            sport = self._port
        return Conversation(self, client, server, sport, port)

    def datagram(
        self, payload: bytes, server: str, port: int, client: str = ADA, sport: int = 5000
    ) -> list[Out]:
        return self.send(Side.HOME, udp(number(client), number(server), sport, port, payload))


class Conversation:
    """One TCP connection, both ends of it. Each method says whether the packet came through as it was."""

    def __init__(self, play: Play, client: str, server: str, sport: int, port: int) -> None:
        self._play, self._client, self._server = play, number(client), number(server)
        self._sport, self._port = sport, port
        rng = Random(f"{sport}")
        self.ahead, self.back = rng.getrandbits(32), rng.getrandbits(32)
        self.outs: list[Out] = []
        self.opened = self._up(SYN, b"") and self._down(SYN | ACK, b"") and self._up(ACK, b"")

    def say(self, data: bytes, size: int = 1460) -> bool:
        """In segments of that size; whether all came through."""
        return self.cut(*(data[at : at + size] for at in range(0, len(data), size)))

    def cut(self, *parts: bytes) -> bool:
        """In these segments. All are sent, also when the first one did not come through."""
        came = [self._up(PSH | ACK, part) for part in parts]
        return all(came)

    def again(self, data: bytes, back: int) -> bool:
        """A segment that was sent before, `back` bytes ago."""
        self.ahead -= back
        passed = self._up(PSH | ACK, data)
        self.ahead += back - len(data)
        return passed

    def answer(self, data: bytes, size: int = 1460) -> bool:
        came = [self._down(PSH | ACK, data[at : at + size]) for at in range(0, len(data), size)]
        return all(came)

    def nod(self) -> bool:
        """An acknowledgement of the client without anything in it."""
        return self._up(ACK, b"")

    def close(self) -> bool:
        return self._up(FIN | ACK, b"")

    @property
    def resets(self) -> list[tuple[Side, Packet]]:
        found = [(out.side, parse(out.data)) for out in self.outs]
        return [(side, packet) for side, packet in found if packet is not None and packet.flags & RST]

    def _up(self, flags: int, payload: bytes) -> bool:
        data = tcp(self._client, self._server, self._sport, self._port, self.ahead, self.back, flags, payload)
        self.ahead += len(payload) + (1 if flags & (SYN | FIN) else 0)
        return self._pass(Side.HOME, data)

    def _down(self, flags: int, payload: bytes) -> bool:
        data = tcp(self._server, self._client, self._port, self._sport, self.back, self.ahead, flags, payload)
        self.back += len(payload) + (1 if flags & (SYN | FIN) else 0)
        return self._pass(Side.WORLD, data)

    def _pass(self, side: Side, data: bytes) -> bool:
        outs = self._play.send(side, data)
        self.outs += outs
        return any(out.side is side.other and out.data == data for out in outs)
