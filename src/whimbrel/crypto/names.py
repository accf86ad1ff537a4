"""Names that people give themselves and their groups: shown to others, so nothing in them may deceive or disturb."""

from __future__ import annotations

import unicodedata

NAME_MAX = 256
"""Bytes of a name in UTF-8 at most."""

# UAX #9, 2, and Unicode 15.1, 23.2: what turns the direction of all that follows, and separators of lines. The joiners
# (U+200C, U+200D) and plain direction marks stay: Persian, Arabic and Hebrew names are written with them.
_DECEIVING = frozenset("\u2028\u2029\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\ufeff")


def fault_of_name(name: str) -> str | None:
    """What is wrong with a name, in words, or None. An empty name is a name: a pair has none."""
    try:
        size = len(name.encode("utf-8"))
    except UnicodeEncodeError:
        return "it has characters that are none"
    if size > NAME_MAX:
        return f"it takes {size} bytes; at most {NAME_MAX} are allowed"
    if any(unicodedata.category(c) == "Cc" or c in _DECEIVING for c in name):
        return "it has control characters"
    return None


def check_name(value: object) -> str:
    """A name. ValueError, with words, if it is none."""
    if not isinstance(value, str):
        raise ValueError("a name is missing")
    fault = fault_of_name(value)
    if fault is not None:
        raise ValueError(f"a name that cannot be used: {fault}")
    return value
