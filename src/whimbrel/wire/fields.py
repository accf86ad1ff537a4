"""What a field may be: each function gives the value back with its type, or raises Malformed or TooLarge.

For maps: keys that are not known are refused when even, ignored when odd, so that a later version can add what older
programs may overlook (odd) and what they must not (even).
"""

from __future__ import annotations

from typing import Any

from .errors import Malformed, TooLarge
from .operations import ID

NUMBER_MAX = (1 << 63) - 1
"""Seqs, turns, change numbers, sizes, times: what any database can hold as a signed number of 64 bits."""


def number(value: Any, most: int = NUMBER_MAX) -> int:
    """A number from 0 to `most`."""
    if type(value) is not int or not 0 <= value <= most:
        raise Malformed("a number is missing or out of range")
    return value


def some(value: Any, most: int = NUMBER_MAX) -> int:
    """A number from 1 to `most`."""
    if type(value) is not int or not 1 <= value <= most:
        raise Malformed("a number is missing or out of range")
    return value


def exactly(value: Any, size: int = ID) -> bytes:
    """A byte string of `size` bytes."""
    if type(value) is not bytes or len(value) != size:
        raise Malformed(f"{size} bytes are missing or of another length")
    return value


def at_most(value: Any, most: int, least: int = 1) -> bytes:
    """A byte string of `least` to `most` bytes."""
    if type(value) is not bytes or len(value) < least:
        raise Malformed("bytes are missing or too few")
    if len(value) > most:
        raise TooLarge(f"{len(value)} bytes where at most {most} are allowed")
    return value


def array(value: Any, size: int) -> list[Any]:
    """An array of exactly `size` elements."""
    if type(value) is not list or len(value) != size:
        raise Malformed(f"an array of {size} elements is missing")
    return value


def listing(value: Any, most: int, least: int = 0) -> list[Any]:
    """An array of `least` to `most` elements."""
    if type(value) is not list or len(value) < least:
        raise Malformed("an array is missing or too short")
    if len(value) > most:
        raise TooLarge(f"{len(value)} elements where at most {most} are allowed")
    return value


def ids(value: Any, most: int, least: int = 1) -> tuple[bytes, ...]:
    """An array of `least` to `most` ids, none of them twice."""
    found = tuple(listing(value, most, least))
    for one in found:
        exactly(one)
    if len(set(found)) != len(found):
        raise Malformed("the same id twice")
    return found


def fields(value: Any, known: frozenset[int]) -> dict[int, Any]:
    """A map without unknown even keys; unknown odd ones may be in it."""
    if type(value) is not dict:
        raise Malformed("a map is missing")
    if not known.issuperset(value):
        for key in value:
            if key not in known and key % 2 == 0:
                raise Malformed(f"key {key} is not known and must not be ignored")
    return value
