"""How this home's page behaves: one fact of the home, so that all its windows agree. What is not there is as at first."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, Final, cast, get_args, get_type_hints

from whimbrel.chat.records import PutFact
from whimbrel.client.shapes import SettingsItem
from whimbrel.store.reading import Reading

FACT: Final = "settings"
DEFAULTS: Final[SettingsItem] = {
    "theme": "system",
    "language": "",
    "enter_sends": True,
    "notify": "that",
    "sounds": True,
    "receipts": True,
    "full_quality": False,
    "fetch_up_to": 64 * 1024 * 1024,
    "lock_after": 0,
    "list_width": 360,
}
NUMBERS: Final[Mapping[str, tuple[int, int]]] = {
    "fetch_up_to": (0, 2 * 1024 * 1024 * 1024),
    "lock_after": (0, 24 * 3600),
    "list_width": (240, 640),
}
"""The least and the most of each."""
_LANGUAGE = re.compile(r"([A-Za-z]{2,8}(-[A-Za-z0-9]{1,8}){0,5})?")
"""A language tag as far as anything here looks at it (RFC 5646, 2.1)."""
_HINTS = get_type_hints(SettingsItem)


class NoSuchValue(ValueError):
    """A setting cannot have this value; the text says which it can."""


def settings_of(reading: Reading) -> SettingsItem:
    """The settings of a home. A value of another version that this one does not know is as at first."""
    kept = reading.fact(FACT)
    found: dict[str, Any] = json.loads(kept) if kept is not None else {}
    known = {
        name: value for name, value in found.items() if name in DEFAULTS and fault_of(name, value) is None
    }
    return cast(SettingsItem, {**DEFAULTS, **known})


def changed(reading: Reading, given: Mapping[str, Any]) -> tuple[SettingsItem, PutFact]:
    """The settings with these in place, and how to keep them. Raises NoSuchValue."""
    for name, value in given.items():
        if (fault := fault_of(name, value)) is not None:
            raise NoSuchValue(fault)
    settings = cast(SettingsItem, {**settings_of(reading), **given})
    return settings, PutFact(FACT, json.dumps(settings, sort_keys=True).encode())


def fault_of(name: str, value: Any) -> str | None:
    """Why a setting cannot have a value; None when it can."""
    if name in NUMBERS:
        least, most = NUMBERS[name]
        fits = type(value) is int and least <= value <= most
        return None if fits else f"{name} is a whole number from {least} to {most}"
    if name == "language":
        fits = type(value) is str and _LANGUAGE.fullmatch(value) is not None
        return None if fits else "language is a tag such as en, ru or pt-BR, or empty"
    if words := get_args(_HINTS[name]):
        return None if value in words else f"{name} is one of {', '.join(words)}"
    return None if type(value) is bool else f"{name} is true or false"
