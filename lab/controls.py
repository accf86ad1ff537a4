"""The controls of a run: what must work, and what must fail, for its figures to say anything. Caveat (f) of the rule kit.

Under each measure, at each provider, a benign site and the relay under its neutral name are opened as a browser opens them, and a plain
client goes to the relay by name. Others than those who talk do it, so that nobody's budget is used up.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from lab import world
from lab.city import City
from lab.policy import Measure

_PLAIN_PATIENCE_S = 6.0
BYSTANDERS = ("cleo", "dov")
"""One at each provider."""


@dataclass(frozen=True, slots=True)
class Control:
    """At one provider."""

    benign: bool
    neutral: bool
    plain: bool
    """Whether the plain client got through."""
    detail: dict[str, Any]

    def as_json(self) -> dict[str, object]:
        return {"benign": self.benign, "neutral": self.neutral, "plain": self.plain, "detail": self.detail}


def look(city: City, bystanders: Sequence[str] = BYSTANDERS) -> dict[str, Control]:
    """By the provider's namespace. Takes some seconds where a plain client hangs."""
    with ThreadPoolExecutor() as at_once:
        found = at_once.map(lambda place: _at(city, place), bystanders)
        places = [world.provider_name(world.PEOPLE[place][0]) for place in bystanders]
        return dict(zip(places, found, strict=True))


def _at(city: City, place: str) -> Control:
    benign, neutral = (f"https://{name}/" for name in (city.world.benign_name, city.world.neutral_name))
    with ThreadPoolExecutor() as at_once:
        plain = at_once.submit(city.plain, place, patience=_PLAIN_PATIENCE_S)
        pages = city.browse(place, benign, neutral)
        talked = plain.result()
    detail = {"benign": pages[benign], "neutral": pages[neutral], "plain": talked}
    return Control(bool(pages[benign]["ok"]), bool(pages[neutral]["ok"]), bool(talked["ok"]), detail)


def void(measure: Measure, before: dict[str, Control], during: dict[str, Control]) -> str:
    """Why the figures of this run say nothing; '' when they do."""
    for place, control in before.items():
        missing = [word for word in ("benign", "neutral", "plain") if not getattr(control, word)]
        if missing:
            return f"before the strike, at {place}, there was no way to: {', '.join(missing)}"
    for place, control in during.items():
        if not control.benign:
            return f"a benign site could not be opened at {place}"
        if measure.spares_neutral and not control.neutral:
            return f"the relay did not answer under its neutral name at {place}"
        if measure.fails_plain and control.plain:
            return f"a plain client got through by name at {place}"
    return ""
