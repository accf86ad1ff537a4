"""Deterministic CBOR (RFC 8949 §4.2.1), restricted to what this protocol uses.

Values: unsigned and negative integers of 64 bits, byte strings, text strings, arrays, maps with small non-negative
integer keys, false, true, null. No floats, tags, other simple values, or indefinite lengths. Every value has exactly
one encoding, and `decode` refuses any other: it parses, encodes again and compares (`cbor2` alone accepts
non-minimal numbers, trailing bytes and unsorted keys).

`cbor2` was looked at for totality: lengths beyond the data end in an error before memory is taken, nesting is limited
by `max_depth`, and it raises nothing but `CBORDecodeError`; `tests/wire/test_wire_cbor.py` holds it to that. Parsing
takes at most about 64 times the memory of the bytes (an array of empty maps), and for the largest message made of
nothing but such parts a few tenths of a second.
"""

from __future__ import annotations

from typing import Any

import cbor2

from .errors import Malformed, TooLarge

MESSAGE_MAX = 1085 * 1024
"""Bytes at most of what one letter or frame carries: sixteen chunks of a blob and room for what stands beside them."""
DEPTH_MAX = 12
"""Containers within containers; the deepest of this protocol (records of a watch in a frame) takes eight."""
PARTS_MAX = 150_000
"""Values in one value; the most that can be meant (answers for a full watch set) takes under 100,000."""
KEY_MAX = 65535
"""The largest key of a map."""

_LOWEST = -(1 << 64)
_HIGHEST = (1 << 64) - 1


def encode(value: Any) -> bytes:
    """The one encoding of `value`. Tuples are arrays; maps may have their keys in any order.

    Raises ValueError for a value that this protocol cannot carry.
    """
    try:
        _check(value, ascending=False)
        return cbor2.dumps(value, canonical=True)
    except Malformed as error:
        raise ValueError(f"cannot be encoded: {error}") from None


def encode_ordered(value: Any) -> bytes:
    """As `encode`, three times as fast, for values that this package built itself: nothing is checked or sorted."""
    return cbor2.dumps(value)


def decode(data: bytes, max_bytes: int = MESSAGE_MAX) -> Any:
    """The value of `data`: int, bytes, str, list, dict, bool or None.

    Raises TooLarge above `max_bytes`, Malformed for anything that is not the one encoding of one value.
    """
    if len(data) > max_bytes:
        raise TooLarge(f"{len(data)} bytes where at most {max_bytes} are allowed")
    try:
        value = cbor2.loads(data, max_depth=DEPTH_MAX, allow_indefinite=False, allow_duplicate_keys=False)
        _check(value, ascending=True)
        again = cbor2.dumps(value)
    except (cbor2.CBORError, ValueError, OverflowError, TypeError):
        raise Malformed("not CBOR as this protocol uses it") from None
    if again != data:
        raise Malformed("not the one encoding of its value")
    return value


def _check(value: Any, *, ascending: bool) -> None:
    """Level by level, so that nothing recurses, and never more than PARTS_MAX values."""
    level: list[Any] = [value]
    parts = 0
    for _ in range(DEPTH_MAX + 1):
        inner: list[Any] = []
        for part in level:
            kind = type(part)
            if kind is bytes or kind is str or kind is bool or part is None:
                continue
            if kind is int:
                if not _LOWEST <= part <= _HIGHEST:
                    raise Malformed("a number of more than 64 bits")
                continue
            if kind is dict:
                last = -1
                for key in part:
                    if type(key) is not int or not 0 <= key <= KEY_MAX:
                        raise Malformed("a key that is no small number")
                    if ascending and key <= last:
                        raise Malformed("keys out of order")
                    last = key
                inner.extend(part.values())
            elif kind is list or kind is tuple:
                inner.extend(part)
            else:
                raise Malformed("a kind of value that this protocol does not use")
            if parts + len(inner) > PARTS_MAX:
                raise TooLarge(f"more than {PARTS_MAX} values")
        if not inner:
            return
        parts += len(inner)
        level = inner
    raise Malformed("nested too deeply")
