"""Rules that block what looks like nothing: China's against fully encrypted traffic, and a Russian one by lengths."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from random import Random

from lab.censor.bans import Ban, Bans
from lab.censor.filter import Look, Rule
from lab.packets import TCP, Nets
from lab.policy import Out

_VERBS = (b"GET ", b"PUT ", b"POST ", b"HEAD ", b"OPTIONS ", b"CONNECT ", b"DELETE ", b"PATCH ", b"TRACE ")


def looks_fully_encrypted(payload: bytes) -> bool:
    """None of the exemptions Ex1 to Ex5 holds (LADDER B20; Wu et al., USENIX Security 2023)."""
    bits = int.from_bytes(payload, "big").bit_count() / len(payload)
    if bits <= 3.4 or bits >= 4.6:  # Ex1
        return False
    printable = [0x20 <= byte <= 0x7E for byte in payload]
    if len(payload) >= 6 and all(printable[:6]):  # Ex2
        return False
    if sum(printable) * 2 > len(payload):  # Ex3
        return False
    run = 0
    for is_printable in printable:  # Ex4
        run = run + 1 if is_printable else 0
        if run > 20:
            return False
    return not looks_like_tls_or_http(payload)  # Ex5


def looks_like_tls_or_http(payload: bytes) -> bool:
    tls = len(payload) >= 3 and payload[0] in (0x16, 0x17) and payload[1] == 3 and payload[2] <= 9
    return tls or payload.startswith(_VERBS)


class FullyEncrypted(Rule):
    """The first payload of a connection to certain networks; with p = 0.263 client, server and port are banned for 180 s."""

    def __init__(
        self, cidrs: Iterable[str], bans: Bans, rng: Random, *, scale: float, chance: float = 0.263
    ) -> None:
        super().__init__()
        self._nets, self._bans, self._rng, self._residual, self._chance = (
            Nets(tuple(cidrs)),
            bans,
            rng,
            180.0 * scale,
            chance,
        )

    def judge(self, look: Look) -> Sequence[Out] | None:
        flow = look.flow
        if (
            not look.new
            or look.packet.protocol != TCP
            or "looked at" in flow.notes
            or flow.server not in self._nets
        ):
            return None
        flow.notes["looked at"] = True
        if not looks_fully_encrypted(flow.payloads[0]):
            return None
        self.count["looked fully encrypted"] += 1
        if self._rng.random() >= self._chance:
            return None
        self.count["blocked as fully encrypted"] += 1
        flow.ends_after = flow.packets - 1
        self._bans.add(Ban.PAIR, flow, look.now + self._residual)
        return ()


class LargeAndUnknown(Rule):
    """The first three packets of the client are 411 bytes or more each and none is TLS or HTTP: frozen (B21, mobile, 2024)."""

    def __init__(self, cidrs: Iterable[str], *, least: int = 411) -> None:
        super().__init__()
        self._nets, self._least = Nets(tuple(cidrs)), least

    def judge(self, look: Look) -> Sequence[Out] | None:
        flow = look.flow
        if (
            not look.new
            or look.packet.protocol != TCP
            or len(flow.payloads) < 3
            or flow.server not in self._nets
        ):
            return None
        if "large" in flow.notes:
            return None
        flow.notes["large"] = True
        if any(len(part) < self._least or looks_like_tls_or_http(part) for part in flow.payloads):
            return None
        self.count["frozen as large and unknown"] += 1
        flow.ends_after = flow.packets - 1
        return ()
