"""What stays blocked for a while after a trigger (residual censorship), and what was listed for good."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum

from lab.censor.filter import Look, Rule
from lab.flows import Flow
from lab.packets import UDP, text
from lab.policy import Out


class Ban(Enum):
    """What a ban is keyed by."""

    FLOW = "flow"
    """The five-tuple: a new connection from another port passes (Russia, LADDER B4)."""
    PAIR = "pair"
    """Client, server and server's port (China, B6, B20)."""
    ENDPOINT = "endpoint"
    """Server and port, for everybody (two-stage listing, B10)."""
    HOST_UDP = "host-udp"
    """All UDP to the server (B16)."""


class Bans(Rule):
    """Drops silently what is banned. It stands before the rules that ban."""

    def __init__(self) -> None:
        super().__init__()
        self._until: dict[tuple[Ban, object], float] = {}
        self._endpoints: list[str] = []

    def add(self, by: Ban, flow: Flow, until: float) -> None:
        self._until[by, _key(by, flow)] = until

    def list_endpoint(self, server: int, port: int) -> None:
        """For ever, and it is told to the report."""
        if (Ban.ENDPOINT, (server, port)) not in self._until:
            self._until[Ban.ENDPOINT, (server, port)] = float("inf")
            self._endpoints.append(f"{text(server)}:{port}")

    def learnt(self) -> Sequence[str]:
        return tuple(self._endpoints)

    def judge(self, look: Look) -> Sequence[Out] | None:
        flow = look.flow
        if not self._until or flow.ends_after is not None:  # the flow that led to a ban has an end of its own
            return None
        for by in Ban:
            if by is Ban.HOST_UDP and look.packet.protocol != UDP:
                continue
            until = self._until.get((by, _key(by, flow)))
            if until is not None:
                if look.now < until:
                    self.count["dropped while banned"] += 1
                    return ()
                del self._until[by, _key(by, flow)]
        return None


def _key(by: Ban, flow: Flow) -> object:
    match by:
        case Ban.FLOW:
            return flow.key
        case Ban.PAIR:
            return flow.client, flow.server, flow.port
        case Ban.ENDPOINT:
            return flow.server, flow.port
        case Ban.HOST_UDP:
            return flow.server
