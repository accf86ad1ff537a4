"""What the border remembers of the traffic that passes: flows and their counts, which are open, which were cut. Pure.

A flow is what has the same protocol, addresses and ports, looked at from the person's side.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from lab.policy import Side

_TCP, _UDP = 6, 17
_FIN, _SYN, _RST, _ACK = 0x01, 0x02, 0x04, 0x10

Key = bytes
"""Protocol, the person's address, the other address, the person's port, the other port."""


def key_of(data: bytes, came_from: Side) -> Key | None:
    """The flow of a packet; None for what has no ports (ICMP, later fragments, broken packets)."""
    if len(data) < 28 or data[0] >> 4 != 4:
        return None
    protocol = data[9]
    if protocol not in (_TCP, _UDP) or (data[6] & 0x1F) or data[7]:
        return None
    at = (data[0] & 15) * 4
    ports = data[at : at + 4]
    if len(ports) != 4:
        return None
    if came_from is Side.HOME:
        return data[9:10] + data[12:20] + ports
    return data[9:10] + data[16:20] + data[12:16] + ports[2:] + ports[:2]


@dataclass(slots=True)
class Flow:
    """What passed of one flow, as it came to the border."""

    first: float
    last: float
    packets_up: int = 0
    packets_down: int = 0
    bytes_up: int = 0
    bytes_down: int = 0
    opened: bool = False
    """A SYN was seen, or it is UDP."""
    begun_at: int = -1
    """The sequence number of its SYN."""
    ended: int = 0
    """1: one side said that it ends, 2: both did, or somebody broke it off."""


class Traffic:
    """All flows since the beginning, and those that were cut."""

    def __init__(self) -> None:
        self.flows: dict[Key, Flow] = {}
        self.cut: set[Key] = set()
        self.lost_to_cut = 0

    def passes(self, now: float, came_from: Side, data: bytes) -> bool:
        """Count a packet. Whether it goes on: a flow that was cut stays dead in both directions, without a word to anybody."""
        key = key_of(data, came_from)
        if key is None:
            return True
        flow = self.flows.get(key)
        if flow is None:
            flow = self.flows[key] = Flow(now, now, opened=key[0] == _UDP)
        flow.last = now
        if came_from is Side.HOME:
            flow.packets_up += 1
            flow.bytes_up += len(data)
        else:
            flow.packets_down += 1
            flow.bytes_down += len(data)
        if key[0] == _TCP:
            at = (data[0] & 15) * 4
            flags = data[at + 13] if len(data) > at + 13 else 0
            if flags & (_SYN | _FIN | _RST):
                self._turn(key, flow, flags, came_from, int.from_bytes(data[at + 4 : at + 8], "big"))
        if key in self.cut:
            self.lost_to_cut += 1
            return False
        return True

    def _turn(self, key: Key, flow: Flow, flags: int, came_from: Side, number: int) -> None:
        if flags & _SYN and not flags & _ACK and came_from is Side.HOME:
            flow.opened, flow.ended = True, 0
            if flow.begun_at != number:
                # Not the same SYN once more: a new connection, whose ports an older one happened to have.
                flow.begun_at = number
                self.cut.discard(key)
        elif flags & _RST:
            flow.ended = 2
        elif flags & _FIN:
            flow.ended = min(2, flow.ended + 1)

    def cut_open(self, addresses: Iterable[str]) -> set[Key]:
        """Cut each flow to one of these addresses that is open now; which they are."""
        far = {socket.inet_aton(address) for address in addresses}
        found = {key for key, flow in self.flows.items() if flow.ended < 2 and key[5:9] in far}
        self.cut |= found
        return found

    def report(self, since: float, name_of: Callable[[str], str]) -> list[dict[str, object]]:
        """Flows of which something passed since then, the oldest first, as the border's socket tells them."""
        found: list[dict[str, object]] = []
        for key, flow in self.flows.items():
            if flow.last < since:
                continue
            near_port, far_port = struct.unpack("!HH", key[9:13])
            near, far = socket.inet_ntoa(key[1:5]), socket.inet_ntoa(key[5:9])
            found.append(
                {
                    "person": name_of(near),
                    "protocol": "udp" if key[0] == _UDP else "tcp",
                    "from": f"{near}:{near_port}",
                    "to": f"{far}:{far_port}",
                    "first": flow.first,
                    "last": flow.last,
                    "packets": [flow.packets_up, flow.packets_down],
                    "bytes": [flow.bytes_up, flow.bytes_down],
                    "open": flow.opened and flow.ended < 2,
                    "cut": key in self.cut,
                }
            )
        return found
