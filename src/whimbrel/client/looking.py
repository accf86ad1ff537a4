"""The network as a person is shown it: what is so (`link.diagnosis`), what was tried, what goes, what others see, and a report of it."""

from __future__ import annotations

import asyncio
import logging
import math
import platform
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, cast

from whimbrel import __version__
from whimbrel.client.examining import Examination
from whimbrel.client.link_runner import LinkState, RelayConnection
from whimbrel.client.shapes import (
    FindingItem,
    HowWell,
    LookItem,
    Looks,
    ObserverItem,
    TriedItem,
    WorksItem,
)
from whimbrel.client.views import moment
from whimbrel.link import diagnosis
from whimbrel.link.diagnosis import Evidence, What
from whimbrel.link.outcomes import FOR, NameSaid, Outcome
from whimbrel.link.variants import PLAIN, SYSTEM
from whimbrel.link.ways import neighbourhood
from whimbrel.wire.errors import WireError
from whimbrel.wire.routes import parse_route

if TYPE_CHECKING:
    from whimbrel.client.shell import Shell

logger = logging.getLogger(__name__)

TRIED: Final = 24
"""Places and manners shown at most."""
SLOW_KBIT: Final = 64
"""Kilobits a second below which a voice message takes longer to go than to speak (Opus at 24 to 32, and what stands around it)."""


class Looking:
    """Looks at the network of one home, one at a time, and remembers the last look."""

    def __init__(self, shell: Shell) -> None:
        self._shell = shell
        self._running: Examination | None = None
        self._names: tuple[NameSaid, ...] = ()
        self._relay: bytes | None = None
        self._began_at: float | None = None
        self._ended_at: float | None = None
        self._ended: int = 0

    @property
    def running(self) -> bool:
        return self._running is not None

    def relay(self) -> tuple[bytes, RelayConnection] | None:
        """The relay where this account lives, or another one that it reaches by a network."""
        person = self._shell.person
        if person is None:
            return None
        here = person.inbox.here().relay
        for identity in sorted(self._shell.connections, key=lambda one: one != here):
            known = person.relays.get(identity)
            if known is not None and not known.embedded:
                return identity, self._shell.connections[identity]
        return None

    async def look(self) -> None:
        """Make the connections. Returns at once when another look is under way, or when there is nothing to look at."""
        found = self.relay()
        if found is None or self._running is not None:
            return
        identity, connection = found
        examination = self._running = Examination(connection, self._shell.opener)
        self._began_at, self._relay = asyncio.get_running_loop().time(), identity
        try:
            await examination.run()
        except* Exception as errors:  # what a relay or a resolver says must not end the app
            logger.error("a look at the network failed", exc_info=errors)
        finally:
            self._running = None
            self._names = tuple(examination.names)
            self._ended_at = asyncio.get_running_loop().time()
            self._ended = self._shell.now()
            self._shell.changes.status()
            self._shell.say_changed()

    # ------------------------------------------------------------------------------- what is shown

    def item(self) -> LookItem:
        found = self.relay()
        examination = self._running
        connection = found[1] if found is not None else None
        outcomes = connection.outcomes if connection is not None else ()
        state = connection.state if connection is not None else None
        findings = diagnosis.diagnose(self._evidence(found))
        return {
            "findings": [_finding(one) for one in findings],
            "tried": tried(outcomes),
            "works": works(state, findings),
            "observer": observer(state),
            "looking": examination is not None,
            "done": len(examination.outcomes) if examination is not None else 0,
            "planned": examination.planned if examination is not None else 0,
            "looked": moment(self._ended) if self._ended_at is not None else None,
        }

    def _evidence(self, found: tuple[bytes, RelayConnection] | None) -> Evidence:
        if found is None:
            return Evidence()
        identity, connection = found
        frozen, policed = connection.seen
        looked_at = self._began_at if identity == self._relay else None
        online = bool(self._shell.network)
        return Evidence(connection.outcomes, self._names_of(identity), looked_at, online, frozen, policed)

    def _names_of(self, relay: bytes) -> tuple[NameSaid, ...]:
        if self._running is not None:
            return tuple(self._running.names)
        now = asyncio.get_running_loop().time()
        fresh = self._ended_at is not None and now - self._ended_at < FOR
        return self._names if fresh and relay == self._relay else ()

    def report(self) -> str:
        """For who wants to know what happens in which network: it names nobody and nothing."""
        found = self.relay()
        connection = found[1] if found is not None else None
        evidence = self._evidence(found)
        outcomes = connection.outcomes if connection is not None else ()
        lines = [
            f"whimbrel {__version__}, {platform.system()}",
            f"day: {datetime.fromtimestamp(self._shell.now() / 1000, UTC):%Y-%m-%d}",
            f"reached: {'yes' if connection is not None and connection.state.up else 'no'}",
            "",
            "found:",
            *(f"  {_in_a_line(one)}" for one in diagnosis.diagnose(evidence)),
            "",
            "connections of the look (machine, looks, seconds until connected, outcome, bytes and kbit/s about):",
            *(f"  {line}" for line in nameless([one for one in outcomes if one.asked])),
        ]
        if evidence.names:
            lines += ["", "resolvers:"]
            for said in evidence.names:
                lines.append(f"  {'of the network' if said.national else 'abroad'}: {said.said.value}")
        return "\n".join(lines) + "\n"


def _in_a_line(finding: diagnosis.Finding) -> str:
    words = [finding.what.value, f"({finding.blame.value})"]
    words += [f"{_about(finding.kbit)} kbit/s"] if finding.kbit is not None else []
    words += [f"after {_about(finding.size)} bytes"] if finding.size is not None else []
    return " ".join(words)


def nameless(outcomes: Sequence[Outcome]) -> Iterable[str]:
    """Machines by number alone, one after the other, and figures so rough that records of a provider with many people do not show to which of
    them they belong."""
    numbers: dict[str, str] = {}
    for one in sorted(outcomes, key=lambda one: [o.machine for o in outcomes].index(one.machine)):
        kind = "bridge" if one.bridge else "relay"
        count = sum(label.startswith(kind) for label in numbers.values())
        label = numbers.setdefault(one.machine, f"{kind} {count + 1}")
        took = f"{one.connected_in:.1f}" if one.connected_in is not None else "-"
        rate = str(_about(one.rate * 8 / 1000)) if one.rate is not None else "-"
        yield f"{label}, {one.kind or '-'}, {took}, {one.trouble or 'works'}, {_about(one.carried)}, {rate}"


def _about(value: float) -> int:
    """The power of two that is nearest."""
    return round(2 ** round(math.log2(value))) if value >= 1 else 0


def _finding(finding: diagnosis.Finding) -> FindingItem:
    item: FindingItem = {"what": finding.what.value, "blame": finding.blame.value}
    if finding.kbit is not None:
        item["kbit"] = finding.kbit
    if finding.size is not None:
        item["bytes"] = finding.size
    return item


def tried(outcomes: Sequence[Outcome]) -> list[TriedItem]:
    """Those to one place that look alike together, the last ones first."""
    groups: dict[tuple[str, str], list[Outcome]] = {}
    for one in reversed(outcomes):
        groups.setdefault((one.host, one.kind), []).append(one)
    items: list[TriedItem] = []
    for (host, kind), group in list(groups.items())[:TRIED]:
        last = next((one for one in group if one.trouble is not None), None)
        items.append(
            {
                "host": host,
                "bridge": group[0].bridge,
                "looks": cast(Looks, kind or PLAIN),
                "worked": sum(one.trouble is None for one in group),
                "failed": sum(one.trouble is not None for one in group),
                "stage": last.trouble.stage.value if last and last.trouble else None,
                "reason": last.trouble.reason.value if last and last.trouble else None,
                "bytes": last.carried if last else 0,
            }
        )
    return items


def works(state: LinkState | None, findings: Sequence[diagnosis.Finding]) -> WorksItem:
    """How well things go, from the way that is up and what was found on it."""
    if state is not None and not state.up:
        return {"text": "not-now", "picture": "not-now", "voice": "not-now", "video": "not-now"}
    what = {one.what for one in findings}
    rates = [one.kbit for one in findings if one.kbit is not None]
    text: HowWell = "slowly" if state is not None and state.slow else "at-once"
    if What.FROZEN in what:
        return {"text": text, "picture": "slowly", "voice": "slowly", "video": "hardly"}
    if rates or text == "slowly":
        voice: HowWell = (
            "slowly" if text == "slowly" or min(rates, default=SLOW_KBIT) < SLOW_KBIT else "at-once"
        )
        return {"text": text, "picture": "slowly", "voice": voice, "video": "hardly"}
    return {"text": text, "picture": "at-once", "voice": "at-once", "video": "at-once"}


def observer(state: LinkState | None) -> ObserverItem:
    """What the way that is up shows to who watches the line."""
    if state is None or state.route is None:
        return {"sees": "nothing", "host": ""}
    try:
        route = parse_route(state.route)
    except WireError:
        return {"sees": "nothing", "host": ""}
    near, _ = neighbourhood(route.host, route.addresses)
    if near:
        return {"sees": "nothing", "host": ""}
    address = route.addresses[0] if route.addresses else route.host
    if route.wrappers and "://" in route.wrappers[0]:
        return {"sees": "program", "host": route.wrappers[0].partition("://")[2]}
    if SYSTEM in route.wrappers:
        return {"sees": "program", "host": route.host}
    if route.sni == "" or route.host_is_address:
        return {"sees": "address", "host": address}
    return {"sees": "name", "host": route.sni or route.host}
