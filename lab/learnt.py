"""What a censor learns of bridges who owns accounts and is somebody's contact: a simulation with the rules that relay and app follow.

    python -m lab learnt [--people N] [--days N] [--seed N] [--write-docs]

No network and no clock: which bridges an inbox is shown and a contact is told is computed by the functions that the relay and the
app use (`relay.engine.shown`, `chat.handing_on.chosen`). Beside them stand other rules that one might think of.
"""

from __future__ import annotations

import random
import statistics
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from hashlib import sha256

from whimbrel.chat.handing_on import OTHERS_MAX, TOLD, chosen
from whimbrel.relay.engine import ROUTES_SHOWN, shown

CONTACTS = 20
"""Of a person, in the mean."""
BRIDGES = 60
"""That the relay knows, for each 2,000 people."""
HELPERS = 0.05
"""Share of people who run a bridge for their contacts."""
FRESH = 0.05
"""Share of all bridges that have another address the next day."""
OURS, FURTHER, ANEW, ALL = "Whimbrel's", "handed on further", "drawn anew each day", "all to all"
RULES = (OURS, FURTHER, ANEW, ALL)


@dataclass(slots=True)
class Town:
    """People, who knows whom, and the bridges of today. Bridges are named by bytes that differ."""

    count: int
    chance: random.Random
    contacts: list[set[int]] = field(init=False)
    of_relay: list[bytes] = field(init=False)
    of_helpers: dict[int, bytes] = field(init=False)
    relay_secret: bytes = field(init=False)
    _made: int = 0
    _owned: tuple[str, int, list[frozenset[bytes]]] | None = None
    """By rule and day what each knows who asks nobody but the relay: reckoned once."""

    def __post_init__(self) -> None:
        self.relay_secret = self.chance.randbytes(32)
        self.contacts = _friendships(self.count, self.chance)
        self.of_relay = [self._fresh() for _ in range(max(1, BRIDGES * self.count // 2000))]
        helpers = self.chance.sample(range(self.count), int(HELPERS * self.count))
        self.of_helpers = {helper: self._fresh() for helper in helpers}

    def _fresh(self) -> bytes:
        self._made += 1
        return b"bridge %d" % self._made

    @property
    def bridges(self) -> set[bytes]:
        return {*self.of_relay, *self.of_helpers.values()}

    def next_day(self) -> None:
        """Some bridges go, and as many come."""
        self.of_relay = [self._fresh() if self.chance.random() < FRESH else b for b in self.of_relay]
        for helper in self.of_helpers:
            if self.chance.random() < FRESH:
                self.of_helpers[helper] = self._fresh()

    # -- what everybody knows today, by rule ---------------------------------------------------------------------------

    def known(self, rule: str, day: int) -> list[set[bytes]]:
        """For each person all bridges that they know: from the relay, their own, and from contacts."""
        own = self._own(rule, day)
        known = [set(bridges) for bridges in own]
        for person in range(self.count):
            told: set[bytes] = set()
            for contact in sorted(self.contacts[person]):
                told |= set(self._told(contact, person, own[contact], rule)) - own[person]
            limit = len(told) if rule == ALL else OTHERS_MAX
            known[person] |= set(sorted(told, key=lambda b, p=person: _hash(b, p))[:limit])  # type: ignore[misc]
        return known

    def heard(self, person: int, rule: str, day: int) -> set[bytes]:
        """All that is told to somebody, also what their app would not use: a censor notes everything."""
        own = self._own(rule, day)
        found = set(own[person])
        for contact in self.contacts[person]:
            found |= set(self._told(contact, person, own[contact], rule))
        return found

    def _own(self, rule: str, day: int) -> list[frozenset[bytes]]:
        if self._owned is None or self._owned[:2] != (rule, day):
            own = [frozenset(self._own_of(person, rule, day)) for person in range(self.count)]
            self._owned = (rule, day, own)
        return self._owned[2]

    def _own_of(self, person: int, rule: str, day: int) -> set[bytes]:
        if rule == ALL:
            found = set(self.of_relay)
        elif rule == ANEW:
            found = set(sorted(self.of_relay, key=lambda b: _hash(b, person, day))[:ROUTES_SHOWN])
        else:
            ways = tuple(bridge.decode() for bridge in self.of_relay)
            found = {way.encode() for way in shown(self.relay_secret, _key(person), ways)}
        if person in self.of_helpers:
            found.add(self.of_helpers[person])
        return found

    def _told(self, by: int, to: int, own: Iterable[bytes], rule: str) -> Sequence[bytes]:
        if rule == ALL:
            return list(own)
        if rule == FURTHER:
            return chosen(_key(by), _key(to), own)
        return chosen(_key(by), _key(to), [self.of_helpers[by]] if by in self.of_helpers else [])


@dataclass(frozen=True, slots=True)
class Day:
    """At the end of a day: the share of today's bridges that the censor knows, and the share of people with one that it does not."""

    learnt: float
    open: float


def run(count: int, days: int, accounts: int, rule: str, seed: int) -> tuple[float, list[Day]]:
    """The share of people with a censor among their contacts, and day by day what the censor has learnt and blocks."""
    town = Town(count, random.Random(seed))
    censors = town.chance.sample(range(count), accounts)
    near = set().union(*(town.contacts[censor] for censor in censors)) if censors else set()
    blocked: set[bytes] = set()
    found = []
    for day in range(days):
        if day:
            town.next_day()
        for censor in censors:
            blocked |= town.heard(censor, rule, day)
        alive = town.bridges
        known = town.known(rule, day)
        others = [known[person] for person in range(count) if person not in censors]
        free = sum(bool(bridges - blocked) for bridges in others) / max(1, len(others))
        found.append(Day(len(alive & blocked) / len(alive), free))
    return len(near - set(censors)) / count, found


def _friendships(count: int, chance: random.Random) -> list[set[int]]:
    """Few people know very many, many know few: degrees are log-normal, and ends are joined at random."""
    ends = [
        person
        for person in range(count)
        for _ in range(max(1, round(chance.lognormvariate(0, 0.8) * CONTACTS / 1.377)))
    ]
    chance.shuffle(ends)
    contacts: list[set[int]] = [set() for _ in range(count)]
    for one, other in zip(ends[::2], ends[1::2], strict=False):
        if one != other:
            contacts[one].add(other)
            contacts[other].add(one)
    return contacts


def _key(person: int) -> bytes:
    return sha256(b"person %d" % person).digest()


def _hash(bridge: bytes, *what: int) -> bytes:
    return sha256(bridge + b"%d " * len(what) % what).digest()


# -- as a page ------------------------------------------------------------------------------------------------------------

SHARES = (0.0005, 0.005, 0.02, 0.1)
"""Of all accounts that are the censor's."""
COLOURS = dict(zip(RULES, ("#1a7f4b", "#3b6ea5", "#8a6a00", "#b3261e"), strict=True))


def page(
    count: int, days: int, seeds: Sequence[int], say: Callable[[str], None] = lambda line: None
) -> tuple[str, str]:
    """The page for the docs, and its picture (SVG)."""
    rows = [
        "| the censor's accounts | people with one of them as a contact | rule | learnt on the first day | after "
        f"{days} days | people with a bridge that it does not know, first day | after {days} days |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    curves: dict[str, list[float]] = {}
    for share in SHARES:
        accounts = max(1, round(share * count))
        for rule in RULES:
            ran = [run(count, days, accounts, rule, seed) for seed in seeds]
            first, last = ([days_[at] for _, days_ in ran] for at in (0, -1))
            rows.append(
                f"| {accounts} of {count:,} | {_percent([near for near, _ in ran])} | {rule} | {_percent([d.learnt for d in first])} "
                f"| {_percent([d.learnt for d in last])} | {_percent([d.open for d in first])} | {_percent([d.open for d in last])} |"
            )
            say(rows[-1])
            if share == SHARES[1]:
                curves[rule] = [statistics.median(days_[day].open for _, days_ in ran) for day in range(days)]
    head = f"""# What a censor learns of bridges

Made by `python -m lab learnt --write-docs`; nobody edits this page by hand. A simulation: no network, but which bridges an inbox is shown and a
contact is told is computed by the functions of the relay and the app.

![People with a bridge that the censor does not know, day by day](pictures/bridges-learnt.svg)

{count:,} people with {CONTACTS} contacts in the mean, on one relay that knows {max(1, BRIDGES * count // 2000)} bridges; {HELPERS:.0%} run another one for their contacts. Each day {FRESH:.0%} of all
bridges get another address. The censor owns accounts that have contacts like anybody's, notes all that they are shown and told, and blocks it
for ever. Medians of {len(seeds)} towns, in brackets the least and the most.

- *{OURS}*: the relay shows an inbox {ROUTES_SHOWN} of its bridges, always the same ones. Who runs a bridge, or was given one by hand, hands it on to
  contacts ({TOLD} at most to each); what the relay showed is not handed on.
- *{FURTHER}*: what the relay showed is handed on, too, {TOLD} of all to each contact.
- *{ANEW}*: as Whimbrel's, but the relay draws {ROUTES_SHOWN} others each day.
- *{ALL}*: the relay shows everybody all, and contacts hand on all that they have from it and of their own.

"""
    tail = f"""
What the censor learns of what is there it learns at the first asking: the apps ask their relay every 6 hours, and tell contacts within a minute. Nothing comes
by waiting but what is fresh. What is drawn anew gives it all in the end. What contacts pass on of the relay's bridges goes round in a town within a day,
and so to whoever has a few accounts in it: that was Whimbrel's rule before this was reckoned, and it is not any more.

Not in it: a censor who runs bridges itself, or who scans addresses; people who move to other networks; contacts who leave. Bridges have one user's weight
whoever they are of; whoever knows the censor's accounts can cut their paths, which brings no address back.

Seeds {seeds[0]} to {seeds[-1]}.
"""
    return head + "\n".join(rows) + "\n" + tail, _picture(curves, count, days)


def _percent(values: Sequence[float]) -> str:
    least, middle, most = min(values), statistics.median(values), max(values)
    digits = 1 if middle < 0.1 else 0
    return f"{middle:.{digits}%} ({least:.{digits}%} to {most:.{digits}%})"


def _picture(curves: dict[str, list[float]], count: int, days: int) -> str:
    wide, high, left, top = 640, 260, 64, 52
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {wide + left + 24} {high + top + 140}" role="img"'
        ' font-family="system-ui, sans-serif" font-size="13">',
        "<title>People with a bridge that the censor does not know</title>",
        f'<rect width="{wide + left + 24}" height="{high + top + 140}" fill="#ffffff"/>',
        f'<text x="{left}" y="26" font-weight="600">People with a bridge that the censor does not know; it owns {max(1, round(SHARES[1] * count))} of {count:,} accounts</text>',
    ]
    for share in (0, 0.25, 0.5, 0.75, 1):
        y = top + high * (1 - share)
        out.append(f'<line x1="{left}" y1="{y}" x2="{left + wide}" y2="{y}" stroke="#dddddd"/>')
        out.append(f'<text x="{left - 8}" y="{y + 4}" text-anchor="end" fill="#555555">{share:.0%}</text>')
    for day in range(0, days, 5):
        x = left + wide * day / max(1, days - 1)
        out.append(
            f'<text x="{x}" y="{top + high + 20}" text-anchor="middle" fill="#555555">day {day + 1}</text>'
        )
    for at, (rule, values) in enumerate(curves.items()):
        points = " ".join(
            f"{left + wide * day / max(1, days - 1):.1f},{top + high * (1 - value):.1f}"
            for day, value in enumerate(values)
        )
        dashes = ("", "9 3 2 3", "7 4", "2 4")[at]
        line = f'stroke="{COLOURS[rule]}" stroke-width="3" fill="none" stroke-dasharray="{dashes}"'
        out.append(f'<polyline points="{points}" {line}/>')
        y = top + high + 46 + 22 * at
        out.append(f'<line x1="{left}" y1="{y}" x2="{left + 34}" y2="{y}" {line}/>')
        out.append(f'<text x="{left + 44}" y="{y + 4}" fill="#333333">{rule}</text>')
    return "\n".join([*out, "</svg>"]) + "\n"
