"""Heads of CBOR items, for the few values that make up nearly all traffic: their bytes are put together here without
`cbor2`, which takes most of a microsecond for every array. `cbor.decode` is the judge of what comes out.
"""

from __future__ import annotations

from .errors import Malformed

NULL, FALSE, TRUE = b"\xf6", b"\xf4", b"\xf5"

_SMALL = tuple(bytes((n,)) if n < 24 else bytes((0x18, n)) for n in range(256))


def number(value: int) -> bytes:
    """A number from 0 to 2^64 - 1; OverflowError for any other."""
    if 0 <= value < 256:
        return _SMALL[value]
    if value < 65536:
        return b"\x19" + value.to_bytes(2, "big")
    if value < 4294967296:
        return b"\x1a" + value.to_bytes(4, "big")
    return b"\x1b" + value.to_bytes(8, "big")


def array(length: int) -> bytes:
    """The head of an array."""
    return _head(0x80, length)


def byte_string(value: bytes) -> bytes:
    """A byte string with its head."""
    return _head(0x40, len(value)) + value


def _head(major: int, length: int) -> bytes:
    if length < 24:
        return bytes((major | length,))
    first, *rest = number(length)
    return bytes((major | first, *rest))


def read_number(data: bytes, at: int) -> tuple[int, int]:
    """The number at a place and where it ends. Raises Malformed for anything else, IndexError beyond the end."""
    first = data[at]
    if first < 24:
        return first, at + 1
    if first > 27:
        raise Malformed("not a number")
    size = 1 << (first - 24)
    end = at + 1 + size
    value = int.from_bytes(data[at + 1 : end], "big")
    if end > len(data) or value < _LEAST[size]:
        raise Malformed("not the one encoding of a number")
    return value, end


_LEAST = {1: 24, 2: 256, 4: 65536, 8: 4294967296}
