"""Recognise a flow, then end it: by forged resets to both ends, or by silence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from lab.censor.bans import Ban, Bans
from lab.censor.filter import Look, Rule
from lab.censor.match import Match
from lab.packets import ACK, RST, SYN, tcp
from lab.policy import Out


@dataclass(frozen=True, slots=True)
class Reset:
    """RST to both ends; the packet itself is gone (TSPU SNI-I, B4)."""

    residual: float = 0.0
    """Seconds for which the ban that follows holds."""
    by: Ban = Ban.FLOW


@dataclass(frozen=True, slots=True)
class Swallow:
    """Silence in both directions, after that many more packets (SNI-II: 5 to 8; SNI-IV: none, not even the hello)."""

    more: tuple[int, int] = (0, 0)
    residual: float = 0.0
    by: Ban = Ban.FLOW


class Trigger(Rule):
    def __init__(self, word: str, match: Match, action: Reset | Swallow, bans: Bans, rng: Random) -> None:
        super().__init__()
        self._word, self._match, self._action, self._bans, self._rng = word, match, action, bans, rng

    def judge(self, look: Look) -> Sequence[Out] | None:
        if (
            not look.new
            or not look.from_client
            or look.flow.ends_after is not None
            or not self._match.found(look)
        ):
            return None
        self.count[self._word] += 1
        action, flow = self._action, look.flow
        if action.residual:
            self._bans.add(action.by, flow, look.now + action.residual)
        if isinstance(action, Reset):
            flow.ends_after = flow.packets
            return resets(look)
        more = self._rng.randint(*action.more)
        flow.ends_after = flow.packets - 1 + more
        return look.passed() if more else ()


def resets(look: Look) -> Sequence[Out]:
    """To both ends, with the numbers that they wait for. The packet that led to it was never delivered, so that its own number is it."""
    packet = look.packet
    length = packet.size + (1 if packet.flags & SYN else 0)
    back = tcp(
        packet.dst,
        packet.src,
        packet.dport,
        packet.sport,
        packet.ack,
        packet.seq + length,
        RST | ACK,
        window=0,
    )
    onward = tcp(
        packet.src, packet.dst, packet.sport, packet.dport, packet.seq, packet.ack, RST | ACK, window=0
    )
    return (Out(look.onward.other, back), Out(look.onward, onward))
