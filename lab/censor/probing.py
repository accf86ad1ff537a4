"""The active prober's decisions: whom to look at, with what, and whether the answers are those of an ordinary site. LADDER B22, E16."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from random import Random

from lab.censor.filter import Look, Rule
from lab.censor.listing import Listing
from lab.censor.match import ByName
from lab.packets import TCP, Nets, number, text
from lab.policy import Out, Probe, Seen

# First looks after 0.28 s and 1 s (Alice et al., IMC 2020), later ones after a minute and a quarter of an hour.
_SOON = (0.28, 1.0)
_LATER = (60.0, 900.0)
# An ordinary site closes or answers garbage at once; nginx and Apache do so within the round trip.
_SILENCE = 5.0


class Prober(Rule):
    """Looks at every foreign server that somebody talks to, once, but those with a name that is known to be harmless."""

    def __init__(
        self,
        cidrs: Iterable[str],
        listing: Listing,
        rng: Random,
        *,
        scale: float,
        spared: Iterable[str] = (),
        other_name: str,
    ) -> None:
        super().__init__()
        self._nets, self._listing, self._rng, self._scale = Nets(tuple(cidrs)), listing, rng, scale
        self._spared, self._other_name = ByName(spared), other_name
        self._looked_at: set[tuple[int, int]] = set()
        self._waiting: list[Probe] = []
        self.reasons: dict[str, str] = {}

    def judge(self, look: Look) -> Sequence[Out] | None:
        flow = look.flow
        endpoint = (flow.server, flow.port)
        if endpoint in self._looked_at or look.packet.protocol != TCP or flow.server not in self._nets:
            return None
        # Only when something was answered: a hello that comes in two packets is whole by then, so that a replay is one.
        if not look.from_client or not flow.answer or not flow.stream or self._spared.listed(flow.name):
            return None
        self._looked_at.add(endpoint)
        self.count["probed server"] += 1
        server, said = text(flow.server), bytes(flow.stream)
        self._waiting += questions(
            self._rng, server, flow.port, said, flow.name, other_name=self._other_name, scale=self._scale
        )
        return None

    def probes(self) -> Sequence[Probe]:
        waiting, self._waiting = self._waiting, []
        return waiting

    def probed(self, now: float, probe: Probe, seen: Seen) -> None:
        self.count["probe"] += 1
        reason = unlike_a_site(probe, seen)
        if reason:
            self.reasons.setdefault(f"{probe.address}:{probe.port}", reason)
            self.count[f"unlike a site: {reason}"] += 1
            self._listing.verdict(now, number(probe.address), probe.port, at_once=True)


def questions(
    rng: Random, address: str, port: int, said: bytes, name: str, *, other_name: str, scale: float
) -> list[Probe]:
    """What a server is asked to which somebody wrote `said` first, by this name ('' for none)."""
    replay = said[: _first_flight(said)]
    changed = bytearray(replay)
    changed[rng.randrange(len(changed) // 2, len(changed))] ^= 1 + rng.randrange(255)
    minute, quarter = (seconds * scale for seconds in _LATER)
    get = f"GET / HTTP/1.1\r\nHost: {name or address}\r\n\r\n".encode()
    return [
        Probe(address, port, _SOON[0], replay, label="replay"),
        Probe(address, port, _SOON[1], bytes(changed), label="changed replay"),
        Probe(address, port, _SOON[1], get, label="plain GET"),
        Probe(address, port, minute, rng.randbytes(rng.randint(6, 221)), label="short garbage"),
        Probe(address, port, minute, rng.randbytes(rng.randint(8_000, 17_000)), label="long garbage"),
        Probe(address, port, minute, None, other_name, label="another name"),
        Probe(address, port, minute, None, None, label="no name"),
        Probe(address, port, quarter, rng.randbytes(rng.randint(1, 5)), label="a few bytes"),
    ]


def _first_flight(said: bytes) -> int:
    """The record of the hello; all of it when it is no TLS."""
    if said[:1] != b"\x16" or len(said) < 5:
        return len(said)
    return 5 + int.from_bytes(said[3:5], "big")


def unlike_a_site(probe: Probe, seen: Seen) -> str:
    """Why these answers are not those of an ordinary HTTPS site; '' when they could be."""
    if not seen.connected:
        return ""
    silent = not seen.answer and seen.end == "open" and seen.seconds >= _SILENCE
    if probe.send is None:
        if seen.tls:
            return "" if seen.answer.startswith(b"HTTP/1.") else f"no HTTP answer inside TLS ({probe.label})"
        return f"silent to a handshake ({probe.label})" if silent else ""
    if probe.label in ("replay", "plain GET", "short garbage", "long garbage"):
        # A changed hello may name a length that never comes, and five bytes are less than a record's head: silence to those is right.
        return f"silent to {probe.label}" if silent else ""
    return ""
