"""A filter: rules that are asked about each packet, in order, until one of them has an opinion."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from lab.flows import Flow, Flows
from lab.packets import TCP, UDP, Packet, parse
from lab.policy import Out, Policy, Probe, Seen, Side


@dataclass(slots=True)
class Look:
    """One packet, as a rule sees it. The flow counts it already."""

    now: float
    packet: Packet
    flow: Flow
    from_client: bool
    new: bool
    """It adds to what is known of the beginning of what the client says."""

    @property
    def onward(self) -> Side:
        return Side.WORLD if self.from_client else Side.HOME

    def passed(self, delay: float = 0.0) -> Sequence[Out]:
        return (Out(self.onward, self.packet.data, delay),)


class Rule:
    """One behaviour of a censor."""

    def __init__(self) -> None:
        self.count: Counter[str] = Counter()

    def judge(self, look: Look) -> Sequence[Out] | None:
        """None: no opinion, the next rule is asked. Else what leaves in place of the packet; () drops it."""
        return None

    def timer(self, now: float) -> tuple[Sequence[Out], float | None]:
        return (), None

    def learnt(self) -> Sequence[str]:
        return ()

    def probes(self) -> Sequence[Probe]:
        return ()

    def probed(self, now: float, probe: Probe, seen: Seen) -> None:
        pass


class Filter(Policy):
    """Follows flows, and drops what belongs to a flow that a rule has ended."""

    def __init__(self, rules: Iterable[Rule]) -> None:
        self.rules = tuple(rules)
        self.flows = Flows()
        # Most rules have none, and the border asks after every batch.
        self._timed = [rule for rule in self.rules if type(rule).timer is not Rule.timer]

    def packet(self, now: float, came_from: Side, data: bytes) -> Sequence[Out]:
        packet = parse(data)
        if packet is None or packet.protocol not in (TCP, UDP):
            return (Out(came_from.other, data),)
        from_client = came_from is Side.HOME
        flow = self.flows.of(now, packet, from_client)
        new = flow.take(now, packet, from_client)
        if flow.ends_after is not None and flow.packets > flow.ends_after:
            return ()
        look = Look(now, packet, flow, from_client, new)
        for rule in self.rules:
            out = rule.judge(look)
            if out is not None:
                return out
        return (Out(came_from.other, data),)

    def timer(self, now: float) -> tuple[Sequence[Out], float | None]:
        due: list[Out] = []
        at: float | None = None
        for rule in self._timed:
            outs, then = rule.timer(now)
            due += outs
            if then is not None and (at is None or then < at):
                at = then
        return due, at

    def learnt(self) -> Sequence[str]:
        return [entry for rule in self.rules for entry in rule.learnt()]

    def probes(self) -> Sequence[Probe]:
        return [probe for rule in self.rules for probe in rule.probes()]

    def probed(self, now: float, probe: Probe, seen: Seen) -> None:
        for rule in self.rules:
            rule.probed(now, probe, seen)

    def counts(self) -> dict[str, int]:
        total: Counter[str] = Counter()
        for rule in self.rules:
            total += rule.count
        return dict(total)
