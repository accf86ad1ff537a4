"""What is known of a relay's name: addresses that led to it, addresses that did not, and what resolvers say. Pure: it asks nobody.

An answer of a resolver is a candidate and nothing more: what answers there settles it, in the end by a sealed letter. So the
system's resolver is asked but not believed; resolvers of our own (`resolving.py`) are asked when it has no answer, a false one,
or one that led nowhere.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from whimbrel.transports.policy import is_address, is_private, parse_address

NAMES_MAX: Final = 64
ADDRESSES_MAX: Final = 8
"""How much is remembered."""
FAILED_FOR: Final = 300.0
"""Seconds for which an address that led nowhere comes last."""
ANSWER_FOR: Final = (60.0, 3600.0)
"""Seconds for which an answer of our own resolvers is kept, at least and at most, whatever it says itself."""

_NEVER: Final = tuple(
    ipaddress.ip_network(text)
    for text in (
        "0.0.0.0/8",
        "127.0.0.0/8",
        "224.0.0.0/3",  # multicast and what is reserved
        "10.10.34.0/24",  # what filters in Iran answer (Aryan and others 2013; still so in 2026)
        "::/127",
        "ff00::/8",
    )
)
_AT_HOME: Final = ("local", "lan", "home", "internal", "localhost", "home.arpa", "test")
"""Names that only a network's own resolver knows (RFC 6761, 6762, 8375, and habit)."""


def is_public(name: str) -> bool:
    """Whether resolvers of the world can know this name."""
    labels = name.lower().rstrip(".")
    return "." in labels and not any(labels == home or labels.endswith("." + home) for home in _AT_HOME)


def sift(name: str, addresses: Iterable[str]) -> tuple[list[str], list[str]]:
    """What an answer is good for: addresses to try, and addresses of private networks, which are true for a public name only
    where a network has its own view of it. The rest is false."""
    good: list[str] = []
    private: list[str] = []
    for text in dict.fromkeys(addresses):
        if not is_address(text):
            continue
        address = parse_address(text)
        if not is_public(name):
            good.append(text)
        elif any(address.version == never.version and address in never for never in _NEVER):
            continue
        else:
            (private if is_private(text) else good).append(text)
    return good, private


@dataclass(slots=True)
class Names:
    """The book of names. What worked can be kept as plain data."""

    _worked: dict[str, list[str]] = field(default_factory=dict)
    _failed: dict[tuple[str, str], float] = field(default_factory=dict)
    _wrong: set[tuple[str, str]] = field(default_factory=set)
    _doubted: set[str] = field(default_factory=set)
    _answers: dict[str, tuple[tuple[str, ...], float]] = field(default_factory=dict)

    def known(self, name: str, now: float) -> list[str]:
        """Addresses to use before any answer: those that led there, the last one first, then those of our own resolvers."""
        answers, until = self._answers.get(name, ((), 0.0))
        found = [*self._worked.get(name, ()), *(answers if now < until else ())]
        return self.in_order(name, found, now)

    def has_answers(self, name: str, now: float) -> bool:
        """Whether what our own resolvers said still holds."""
        return now < self._answers.get(name, ((), 0.0))[1]

    def in_order(self, name: str, addresses: Sequence[str], now: float) -> list[str]:
        """Each once; those that led nowhere a short time ago come last."""
        return sorted(dict.fromkeys(addresses), key=lambda one: now < self._failed.get((name, one), 0.0))

    def is_doubted(self, name: str) -> bool:
        """Whether what is known has led nowhere, so that resolvers of our own should be asked at once."""
        return name in self._doubted and is_public(name)

    def answered(self, name: str, addresses: Iterable[str], holds: float, now: float) -> list[str]:
        """One of our own resolvers says so, and for how many seconds. What of it can be used."""
        good, _ = sift(name, addresses)
        least, most = ANSWER_FOR
        if good:
            self._answers[name] = (tuple(good[:ADDRESSES_MAX]), now + min(max(holds, least), most))
            self._doubted.discard(name)
        return self.in_order(name, good, now)

    def worked(self, name: str, address: str) -> None:
        """A relay answered there."""
        found = self._worked.pop(name, [])
        self._worked[name] = [address, *(one for one in found if one != address)][:ADDRESSES_MAX]
        while len(self._worked) > NAMES_MAX:
            del self._worked[next(iter(self._worked))]
        self._failed.pop((name, address), None)
        self._wrong.discard((name, address))
        self._doubted.discard(name)

    def is_wrong(self, name: str, address: str, now: float) -> bool:
        """Whether something else answered there, a short time ago."""
        return (name, address) in self._wrong and now < self._failed.get((name, address), 0.0)

    def failed(self, name: str, address: str, now: float, *, wrong: bool = False) -> None:
        """No relay answered there; `wrong`: something else did. Without that it may be a filter's doing, on the way to the
        right address. Others come first for a while."""
        (self._wrong.add if wrong else self._wrong.discard)((name, address))
        self._failed = {place: until for place, until in self._failed.items() if now < until}
        self._wrong &= {*self._failed, (name, address)}
        self._failed[name, address] = now + FAILED_FOR
        if not self.has_answers(name, now):
            self._doubted.add(name)

    def network_changed(self) -> None:
        """On another network what failed may work; what worked is still worth a try."""
        self._failed.clear()
        self._wrong.clear()
        self._doubted.clear()
        self._answers.clear()

    def value(self) -> list[list[object]]:
        """What worked, as plain data: `[[name, [address, …]], …]`."""
        return [[name, list(addresses)] for name, addresses in self._worked.items()]

    @classmethod
    def from_value(cls, value: object) -> Names:
        """What `value` gave; whatever is not like that is left out."""
        names = cls()
        for item in value if isinstance(value, list) else ():
            match item:
                case [str() as name, list() as addresses]:
                    kept = [one for one in addresses if isinstance(one, str) and is_address(one)]
                    if kept:
                        names._worked[name] = kept[:ADDRESSES_MAX]
        for name in list(names._worked)[:-NAMES_MAX]:
            del names._worked[name]
        return names
