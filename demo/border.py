"""What the censor decides, and nothing else: bytes and time come in, verdicts come out. No socket is touched here (`censor.py` does).

It is the lab's border (`lab/censor`) for who has streams in place of packets: what is counted in packets there is counted here in
full segments of what a stream carried. Residual bans of a five-tuple have no counterpart: each new connection is another one.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import Enum
from random import Random
from typing import Final

from demo import place
from demo.switches import BY_KEY, EVERYTHING
from lab import tls
from lab.measures.s03_injection import FORGED
from lab.measures.s06_throttle import RATE
from lab.measures.s12_fingerprints import DROPPED, OUTER

SEGMENT: Final = 1448
"""Bytes of a stream in one packet of 1500."""
LOTTERY: Final = 0.8
"""The part of opening packets that is lost (S7b)."""
AGAIN_AFTER: Final = (1.0, 2.0, 4.0, 8.0, 16.0)
"""Seconds between the opening packets of one connection, as Linux sends them."""
CURTAIN: Final = 16 * 1024
ALIKE_MAX: Final = 4
ALIKE_WINDOW: Final = 60.0
"""Hellos alike in so many seconds, and for how long new ones then hang (S15s, the stricter variant)."""
SILENT_AFTER: Final = (5, 8)
"""Packets that still pass once a name was seen (SNI-II)."""
SILENT_AFTER_PRINT: Final = 2
BEGINNING_MAX: Final = 64 * 1024
"""Bytes of a client's beginning that are looked through for a hello."""


class Verdict(Enum):
    PASS = "pass"
    RESET = "reset"
    """Both ends get a reset; what led to it is gone."""
    SILENCE = "silence"
    """Nothing passes any more, and nobody is told."""


@dataclass(eq=False, slots=True)
class Flow:
    """One connection of a person, as the censor knows it."""

    number: int
    person: str
    address: str
    port: int
    opened: float
    beginning: bytearray = field(default_factory=bytearray)
    """What the client said first, until it was read."""
    hello: tls.Hello | tls.Not = tls.Not.YET
    up: int = 0
    down: int = 0
    """Bytes of the client and of the server that passed."""
    stands: bool = False
    """The server has answered: the connection is up."""
    silent: bool = False
    left: int | None = None
    """Packets that pass until it goes silent."""
    behind: int | None = None
    """What the server had said when the curtain fell."""
    why: str = ""
    """The switch that ended it."""

    @property
    def name(self) -> str:
        """What it shows of where it goes; empty: nothing."""
        return self.hello.name if isinstance(self.hello, tls.Hello) else ""


class Border:
    """One censor for both people. `on` are the switches that are on."""

    def __init__(self, rng: Random) -> None:
        self.on: set[str] = set()
        self.flows: set[Flow] = set()
        self._rng = rng
        self._world = place.the_world()
        self._alike: dict[tuple[str, str, str, str], deque[float]] = {}
        self._hangs_until: dict[tuple[str, str, str, str], float] = {}
        self._queues: dict[tuple[str, bool], float] = {}

    # -- switches -----------------------------------------------------------------------------------------

    def is_on(self, key: str) -> bool:
        return key in self.on or EVERYTHING in self.on

    def switch(self, key: str, on: bool) -> Sequence[Flow]:
        """Flows that are caught by it at once. What went silent stays so when it is off again. Raises KeyError."""
        (self.on.add if on else self.on.discard)(BY_KEY[key].key)
        if not on:
            self._forget()
        return self._silenced(f for f in self.flows if self._is_blocked(f)) if on else ()

    def cut(self) -> Sequence[Flow]:
        """All that is open to relay and bridges goes silent."""
        return self._silenced(f for f in self.flows if f.address in place.SERVICE)

    def _silenced(self, flows: Iterable[Flow]) -> Sequence[Flow]:
        caught = [flow for flow in flows if not flow.silent]
        for flow in caught:
            flow.silent = True
        return caught

    def _forget(self) -> None:
        """What a measure that is off had counted: it begins anew."""
        if not self.is_on("policing"):
            self._alike.clear()
            self._hangs_until.clear()
        if not self.is_on("curtain"):
            for flow in self.flows:
                flow.behind = None

    # -- names --------------------------------------------------------------------------------------------

    def look_up(self, name: str) -> Sequence[str]:
        """What the provider's resolver says; nothing: there is no such name."""
        name = name.lower().rstrip(".")
        if self._is_listed(name):
            if self.is_on("forged"):
                return (FORGED,)
            if self.is_on("names") or self.is_on("resolvers"):
                return ()
        return place.ZONE.get(name, ())

    def _is_listed(self, name: str) -> bool:
        return _below(name, self._world.service_names)

    # -- connections --------------------------------------------------------------------------------------

    def opens(self, flow: Flow) -> bool:
        """Whether the packet that opens a connection passes."""
        if self._is_blocked(flow):
            return False
        if self.is_on("resolvers") and flow.address == place.RESOLVERS[0][1]:
            flow.why = "resolvers"  # the most prominent one goes by its address
            return False
        if self.is_on("lottery") and flow.address in place.RELAY and self._rng.random() < LOTTERY:
            flow.why = "lottery"
            return False
        flow.why = ""
        return True

    def _is_blocked(self, flow: Flow) -> bool:
        if self.is_on("addresses") and flow.address in place.RELAY:
            flow.why = "addresses"
            return True
        return False

    def takes(self, flow: Flow, now: float, from_client: bool, data: bytes) -> Verdict:
        """Bytes of a connection have come: whether they go on."""
        if flow.silent:
            return Verdict.SILENCE
        if self._counts_down(flow, len(data)) or (not from_client and self._is_frozen(flow, len(data))):
            flow.silent = True
            return Verdict.SILENCE
        if from_client:
            verdict = self._reads(flow, now, data)
            if verdict is not Verdict.PASS:
                flow.silent = True
                return verdict
            flow.up += len(data)
        else:
            flow.down += len(data)
        return Verdict.PASS

    def _counts_down(self, flow: Flow, size: int) -> bool:
        if flow.left is None:
            return False
        flow.left -= -(-size // SEGMENT)
        return flow.left < 0

    def _is_frozen(self, flow: Flow, size: int) -> bool:
        if not self.is_on("curtain"):
            return False
        if flow.behind is None:
            flow.behind = flow.down
        if flow.down + size - flow.behind <= CURTAIN:
            return False
        flow.why = "curtain"
        return True

    def _reads(self, flow: Flow, now: float, data: bytes) -> Verdict:
        """The client's first words, put together over segments and records."""
        if flow.hello is not tls.Not.YET:
            return Verdict.PASS
        flow.beginning += data
        flow.hello = tls.client_hello(bytes(flow.beginning))
        if flow.hello is tls.Not.YET and len(flow.beginning) < BEGINNING_MAX:
            return Verdict.PASS
        flow.beginning.clear()
        if not isinstance(flow.hello, tls.Hello):
            flow.hello = tls.Not.TLS
            return Verdict.PASS
        return self._judges(flow, flow.hello, now)

    def _judges(self, flow: Flow, hello: tls.Hello, now: float) -> Verdict:
        resolver_names = tuple(name for name, _ in place.RESOLVERS)
        if self.is_on("reset") and self._is_listed(hello.name):
            flow.why = "reset"
            return Verdict.RESET
        if self.is_on("resolvers") and _below(hello.name, resolver_names):
            flow.why = "resolvers"
            return Verdict.RESET
        if self.is_on("policing") and self._is_policed(flow, hello, now):
            flow.why = "policing"
            return Verdict.SILENCE
        if self.is_on("fingerprint") and _is_known_print(hello):
            flow.left, flow.why = SILENT_AFTER_PRINT, "fingerprint"
        elif self.is_on("silence") and self._is_listed(hello.name):
            flow.left, flow.why = self._rng.randint(*SILENT_AFTER), "silence"
        return Verdict.PASS

    def _is_policed(self, flow: Flow, hello: tls.Hello, now: float) -> bool:
        """Too many hellos alike in a minute. One without a name does not count (as in `lab/censor/policing.py`)."""
        if not hello.name:
            return False
        key = (flow.person, place.subnet(flow.address), hello.name, hello.ja4)
        if now < self._hangs_until.get(key, 0.0):
            return True
        times = self._alike.setdefault(key, deque())
        while times and times[0] <= now - ALIKE_WINDOW:
            times.popleft()
        times.append(now)
        if len(times) <= ALIKE_MAX:
            return False
        times.clear()
        self._hangs_until[key] = now + ALIKE_WINDOW
        return True

    # -- speed --------------------------------------------------------------------------------------------

    def is_slow(self, flow: Flow) -> bool:
        return self.is_on("throttle") and flow.address in place.SERVICE

    def queues(self, flow: Flow, now: float, from_client: bool, size: int) -> float:
        """Seconds that so many bytes wait: all that a person sends to relay and bridges shares one line, and all that they get another."""
        line = (flow.person, from_client)
        self._queues[line] = max(now, self._queues.get(line, 0.0)) + 8 * size / RATE
        return self._queues[line] - now


def _below(name: str, listed: Iterable[str]) -> bool:
    """Whether a name is one of these or below one."""
    return any(name == one or name.endswith("." + one) for one in listed)


def _is_known_print(hello: tls.Hello) -> bool:
    """A program that is known by its hello (S12): by the whole JA4 or by its ciphers; or ECH under its well-known outer name."""
    if hello.ech and _below(hello.name, OUTER):
        return True
    return hello.ja4 in DROPPED or hello.ja4.split("_")[1] in DROPPED
