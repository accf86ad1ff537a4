"""What the network does, told from how connections went: a pure function, in the manner of OONI.

Nothing is concluded from one failure, and nothing is called blocking without a control that worked: the same machine without the name
(as OONI's `sni_blocking`, ts-024), the relay by another of its addresses or by a bridge (so it runs), another machine abroad, another
resolver. What has a harmless explanation (a bad line, a page to sign in at, a relay that is down) is called that.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from statistics import median

from whimbrel.link.outcomes import NameSaid, Outcome, Said, machines
from whimbrel.link.pattern import SMALL
from whimbrel.link.trouble import Reason, Stage
from whimbrel.link.variants import CUT, PLAIN, SYSTEM, UNNAMED

TWICE, THRICE = 2, 3
"""Failures alike until they count: with a control that differs in one thing, and without one."""
LATE = 0.9
"""Seconds for a first answer after which a packet of the opening was lost (RFC 6298 §2 says it again after one)."""
LOW = 64_000.0
"""Bytes a second below which a line is slow."""
TIMES = 4.0
"""How many times faster a control must be."""


class Blame(Enum):
    """Whose doing it is, as far as it can be told."""

    NETWORK = "network"
    """Somebody on the way does this, on purpose."""
    LINE = "line"
    """The line, or whoever runs the network, for harmless reasons."""
    RELAY = "relay"
    NOBODY = "nobody"
    UNKNOWN = "unknown"


class What(Enum):
    """What is found, in a word. Words for people are the page's and the commands'."""

    NAMES_REMOVED = "names-removed"
    NAMES_FALSE = "names-false"
    RESOLVER_SILENT = "resolver-silent"
    RESOLVERS_BLOCKED = "resolvers-blocked"
    NAME_RESET = "name-reset"
    NAME_DROPPED = "name-dropped"
    SLOWED = "slowed"
    ADDRESS_BLOCKED = "address-blocked"
    HANDSHAKES_LOST = "handshakes-lost"
    FROZEN = "frozen-by-volume"
    POLICED = "policed"
    PROGRAMS_BLOCKED = "programs-blocked"
    SLOW = "slow"
    BAD_LINE = "bad-line"
    SIGN_IN = "sign-in"
    RELAY_DOWN = "relay-down"
    BRIDGE_SILENT = "bridge-silent"
    UNREACHED = "unreached"
    OFFLINE = "offline"
    UNCLEAR = "unclear"
    CLEAR = "clear"


_HARMLESS = {
    What.RESOLVER_SILENT: Blame.LINE,
    What.SLOW: Blame.UNKNOWN,
    What.BAD_LINE: Blame.LINE,
    What.SIGN_IN: Blame.LINE,
    What.RELAY_DOWN: Blame.RELAY,
    What.BRIDGE_SILENT: Blame.UNKNOWN,
    What.UNREACHED: Blame.UNKNOWN,
    What.OFFLINE: Blame.LINE,
    What.UNCLEAR: Blame.UNKNOWN,
    What.CLEAR: Blame.NOBODY,
}


_HANGS = frozenset((What.NAME_DROPPED, What.ADDRESS_BLOCKED, What.HANDSHAKES_LOST))
"""By each of these a handshake hangs as well as by policing."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is so. `kbit`: kilobits a second that pass; `size`: bytes after which connections freeze."""

    what: What
    kbit: int | None = None
    size: int | None = None

    @property
    def blame(self) -> Blame:
        return _HARMLESS.get(self.what, Blame.NETWORK)


@dataclass(frozen=True, slots=True)
class Evidence:
    """All that is known. `looked_at`: when the last look at the network began, on the clock of the outcomes: what is older says nothing
    beside it. `online`: there is a way out of this computer; `frozen`, `policed`: what the link has seen by itself."""

    outcomes: Sequence[Outcome] = ()
    names: Sequence[NameSaid] = ()
    looked_at: float | None = None
    online: bool = True
    frozen: bool = False
    policed: bool = False


def diagnose(evidence: Evidence) -> tuple[Finding, ...]:
    """What is so, the most important first; empty when nothing was tried yet."""
    if not evidence.online:
        return (Finding(What.OFFLINE),)
    if evidence.looked_at is not None:
        fresh = [one for one in evidence.outcomes if one.at >= evidence.looked_at]
        evidence = replace(evidence, outcomes=fresh)
    if not evidence.outcomes:
        return ()
    if not any(one.reached for one in evidence.outcomes):
        return (_nothing_reached(evidence),)
    found = [
        *_names(evidence),
        *_by_name(evidence.outcomes),
        *_addresses(evidence),
        *_volume(evidence),
        *_programs(evidence.outcomes),
        *_rates(evidence.outcomes),
    ]
    by_name = any(_failed_by_name(evidence.outcomes, host, once=True) for host in _hosts(evidence.outcomes))
    if evidence.policed and not by_name and not _HANGS & {one.what for one in found}:
        found.append(Finding(What.POLICED))
    if all(one.what is What.BRIDGE_SILENT for one in found):
        found += _bad_line(evidence.outcomes)
    if all(one.what is What.BRIDGE_SILENT for one in found):  # one of several ways, which nobody misses
        left = _left(evidence.outcomes, bridges=not found)
        found.append(Finding(What.UNCLEAR if left else What.CLEAR))
    return tuple(found)


def _left(outcomes: Sequence[Outcome], bridges: bool) -> bool:
    """Whether something failed and did not work since, that is too little for a verdict. Who has looked knows more than who has not."""
    asked = [one for one in outcomes if one.asked]
    last = {(one.machine, one.kind): one for one in asked or outcomes if bridges or not one.bridge}
    return not all(one.reached for one in last.values())


# ------------------------------------------------------------------------------- nothing gets through


def _nothing_reached(evidence: Evidence) -> Finding:
    outcomes = evidence.outcomes
    strangers = [one for one in outcomes if one.reason in _SOMEBODY_ELSE]
    if len(machines(strangers)) >= TWICE:
        return Finding(What.SIGN_IN)
    own = [one for one in outcomes if not one.bridge]
    by_bridge = [one for one in outcomes if one.bridge]
    told = any(one.reason is Reason.BUSY for one in by_bridge)
    refused = len(own) >= TWICE and all(one.reason is Reason.REFUSED for one in own)
    if told or (refused and all(one.reason is Reason.REFUSED for one in by_bridge)):
        return Finding(What.RELAY_DOWN)
    if all(one.reason in _NO_WAY_OUT for one in outcomes):
        return Finding(What.OFFLINE)
    return Finding(What.UNREACHED)


_SOMEBODY_ELSE = frozenset((Reason.CERTIFICATE, Reason.NOT_TLS, Reason.NOT_A_RELAY))
_NO_WAY_OUT = frozenset((Reason.UNREACHABLE, Reason.NAME_FAILED))


# ------------------------------------------------------------------------------- names


def _names(evidence: Evidence) -> Iterator[Finding]:
    for host in dict.fromkeys(one.host for one in evidence.names):
        national = [one.said for one in evidence.names if one.host == host and one.national]
        abroad = [one.said for one in evidence.names if one.host == host and not one.national]
        # Whoever reaches it, also without the name, has its address from somebody who knew it.
        exists = Said.ADDRESS in abroad or any(one.host == host and one.reached for one in evidence.outcomes)
        if exists and Said.FALSE in national:
            yield Finding(What.NAMES_FALSE)
        elif exists and Said.NO_SUCH_NAME in national:
            yield Finding(What.NAMES_REMOVED)
        elif national and all(said is Said.NOTHING for said in national):
            yield Finding(What.RESOLVER_SILENT)
        if len(abroad) >= TWICE and all(said is Said.NOTHING for said in abroad):
            yield Finding(What.RESOLVERS_BLOCKED)


# ------------------------------------------------------------------------------- what is shown in the handshake


def _by_name(outcomes: Sequence[Outcome]) -> Iterator[Finding]:
    """The same machine, with its name and without: only one of the two gets through."""
    reset: list[Outcome] = []
    silent: list[Outcome] = []
    for host in _hosts(outcomes):
        failed = _failed_by_name(outcomes, host)
        reset += [one for one in failed if one.reason in _CUT_OFF]
        silent += [one for one in failed if one.reason in _SILENCE]
    if len(reset) >= TWICE and len(reset) >= len(silent):
        yield Finding(What.NAME_RESET)
    elif len(silent) >= TWICE:
        yield Finding(What.NAME_DROPPED)


def _hosts(outcomes: Sequence[Outcome]) -> list[str]:
    return list(dict.fromkeys(one.host for one in outcomes))


def _failed_by_name(outcomes: Sequence[Outcome], host: str, once: bool = False) -> list[Outcome]:
    """Failures with the name, where the machine is reached without it: two at least; `once`: a single one, which makes it likely."""
    named = [one for one in outcomes if one.host == host and one.kind == PLAIN]
    others = [one for one in outcomes if one.host == host and one.kind in (UNNAMED, CUT)]
    failed = _failed_since(named)
    return failed if len(failed) >= (1 if once else TWICE) and any(one.reached for one in others) else []


_CUT_OFF = frozenset((Reason.RESET, Reason.ENDED))
_SILENCE = frozenset((Reason.TIMED_OUT, Reason.SILENT))


def _failed_since(outcomes: Sequence[Outcome]) -> list[Outcome]:
    """The failures in the handshake or right after it since the last one that reached: all of them, and nothing else, count."""
    later = (Stage.HANDSHAKE, Stage.SEND, Stage.RECEIVE)
    return [one for one in _since_last_reached(outcomes) if one.stage in later]


def _programs(outcomes: Sequence[Outcome]) -> Iterator[Finding]:
    """Hellos that are not a browser's, at machines that a browser's reaches."""
    asked = [one for one in outcomes if one.asked]
    failed = [
        one
        for one in asked
        if one.kind == SYSTEM
        and not one.reached
        and one.stage is not Stage.CONNECT
        and any(o.machine == one.machine and o.kind == PLAIN and o.reached for o in asked)
    ]
    if len(failed) >= TWICE and not any(one.kind == SYSTEM and one.reached for one in asked):
        yield Finding(What.PROGRAMS_BLOCKED)


# ------------------------------------------------------------------------------- addresses


def _addresses(evidence: Evidence) -> Iterator[Finding]:
    outcomes = evidence.outcomes
    blocked = silent = False
    for machine in sorted(machines(outcomes)):
        here = [one for one in outcomes if one.machine == machine]
        last = _since_last_reached(here)
        if len(last) < THRICE or any(one.reason in (*_SOMEBODY_ELSE, Reason.BUSY) for one in last):
            continue
        if not (all(one.stage is Stage.CONNECT for one in last) or _whatever_is_shown(last)):
            continue
        if here[0].bridge:
            silent = True
        elif any(one.reached for one in outcomes if one.machine != machine):
            blocked = True  # by a bridge, or by another of its addresses, it answers: so it runs
    if blocked:
        yield Finding(What.ADDRESS_BLOCKED)
    elif _openings_lost(evidence):
        yield Finding(What.HANDSHAKES_LOST)
    if silent:
        yield Finding(What.BRIDGE_SILENT)


def _since_last_reached(outcomes: Sequence[Outcome]) -> list[Outcome]:
    last: list[Outcome] = []
    for one in outcomes:
        if one.reached:
            last.clear()
        else:
            last.append(one)
    return last


def _whatever_is_shown(failed: Sequence[Outcome]) -> bool:
    """Also without the name."""
    return sum(one.kind == UNNAMED for one in failed) >= TWICE and any(one.kind == PLAIN for one in failed)


def _openings_lost(evidence: Evidence) -> bool:
    """The first packets to the relay are lost, those to others are not."""
    asked = [one for one in evidence.outcomes if one.asked]
    own, others = [one for one in asked if not one.bridge], [one for one in asked if one.bridge]
    lost = sum(map(_is_lost, own))
    return (
        lost >= THRICE
        and 2 * lost >= len(own)
        and len(others) >= TWICE
        and not any(_is_lost(one) for one in others)
    )


def _is_lost(one: Outcome) -> bool:
    if one.stage is Stage.CONNECT:
        return one.reason is Reason.TIMED_OUT
    return one.connected_in is not None and one.connected_in > LATE


# ------------------------------------------------------------------------------- volume, rate


def _volume(evidence: Evidence) -> Iterator[Finding]:
    froze = [
        one.carried for one in evidence.outcomes if one.reason is Reason.SILENT and 0 < one.carried <= SMALL
    ]
    survived = [one for one in evidence.outcomes if one.carried > SMALL and one.asked]
    if (evidence.frozen and not survived) or (len(froze) >= TWICE and len(froze) > len(survived)):
        yield Finding(What.FROZEN, size=round(median(froze)) if froze else None)


def _rates(outcomes: Sequence[Outcome]) -> Iterator[Finding]:
    named = [one.rate for one in outcomes if one.rate is not None and not one.bridge and one.kind == PLAIN]
    controls = [one.rate for one in outcomes if one.rate is not None and (one.bridge or one.kind == UNNAMED)]
    everything = [*named, *controls]
    # Where packets are lost by chance, speeds are far apart, too, but not all of the one kind below all of the other.
    apart = len(named) >= TWICE and len(controls) >= TWICE and min(controls) > 2 * max(named)
    if apart and max(named) < LOW and median(controls) >= TIMES * median(named):
        yield Finding(What.SLOWED, kbit=_kbit(named))
    elif len(everything) >= TWICE and median(everything) < LOW:
        yield Finding(What.SLOW, kbit=_kbit(everything))


def _kbit(rates: Sequence[float]) -> int:
    """Kilobits a second, to two digits: more would be a claim."""
    kbit = float(median(rates)) * 8 / 1000
    step: int = 10 ** max(0, len(str(int(kbit))) - 2)
    return max(1, round(kbit / step) * step)


def _bad_line(outcomes: Sequence[Outcome]) -> Iterator[Finding]:
    """Packets are lost wherever they go: some that were asked failed or came late, and others like them did not."""
    asked = [one for one in outcomes if one.asked]
    bad = [one for one in asked if _is_lost(one) or one.reason in (*_SILENCE, *_CUT_OFF)]
    if len(bad) >= TWICE and len(machines(bad)) >= TWICE and any(one.reached for one in asked):
        yield Finding(What.BAD_LINE)
