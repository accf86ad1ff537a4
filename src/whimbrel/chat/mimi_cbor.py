"""Reading the CBOR of MIMI content: deterministic (RFC 8949, 4.2.1), and any value in the extensions.

`wire.cbor` has no negative keys, tags or floats, because the protocol has none; the standard allows them in extensions.
This reader goes through bytes once, front to back, and takes only what has the one allowed form; what an extension
holds beyond plain values is checked and skipped, never built.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator

_UNSIGNED, _NEGATIVE, _BYTES, _TEXT, _ARRAY, _MAP, _TAG, _SIMPLE = range(8)
_FLOATS = {25: ">e", 26: ">f", 27: ">d"}


class NotCbor(Exception):
    """Not what was expected at this place, or not in its one allowed form."""


class Reader:
    """Where we are in the bytes. Each call reads one thing or raises NotCbor."""

    __slots__ = ("_at", "_data")

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def end(self) -> None:
        """Nothing may follow."""
        if self._at != len(self._data):
            raise NotCbor("bytes behind the end")

    def array(self, length: int | None = None) -> int:
        """The start of an array, of this length if one is given; how many elements follow."""
        found = self._expect(_ARRAY, "an array")
        if length is not None and found != length:
            raise NotCbor(f"an array of {found} where one of {length} belongs")
        return found

    def number(self, bits: int) -> int:
        """An unsigned number of at most so many bits."""
        found = self._expect(_UNSIGNED, "a number")
        if found >> bits:
            raise NotCbor(f"a number of more than {bits} bits")
        return found

    def octets(self, least: int = 0, most: int | None = None) -> bytes:
        """A byte string of so many bytes."""
        size = self._expect(_BYTES, "a byte string")
        if size < least or (most is not None and size > most):
            raise NotCbor(f"a byte string of {size} bytes where that is not allowed")
        return self._take(size)

    def text(self) -> str:
        """A text in UTF-8."""
        return self._text(self._expect(_TEXT, "a text"))

    def null(self) -> bool:
        """Whether null stands here; it is read then."""
        if self._data[self._at : self._at + 1] == b"\xf6":
            self._at += 1
            return True
        return False

    def boolean(self) -> bool:
        first = self._take(1)
        if first not in (b"\xf4", b"\xf5"):
            raise NotCbor("neither true nor false")
        return first == b"\xf5"

    def keys(self, name_max: int, number_max: int) -> Iterator[int | str]:
        """The keys of a map, numbers or names, in their one order; each value is to be read before the next key."""
        last = b""
        for _ in range(self._expect(_MAP, "a map")):
            start = self._at
            major, argument = self._head()
            key: int | str
            if major == _TEXT and 0 < argument <= name_max:
                key = self._text(argument)
            elif major == _UNSIGNED and argument <= number_max:
                key = argument
            elif major == _NEGATIVE and argument < number_max:
                key = -1 - argument
            else:
                raise NotCbor("a key that is neither a small number nor a short name")
            raw = self._data[start : self._at]
            if raw <= last:
                raise NotCbor("keys out of order, or one twice")
            last = raw
            yield key

    def item(self, depth: int) -> bytes:
        """The bytes of one value of any kind, with so many levels of arrays, maps and tags in it at most."""
        start = self._at
        self._skip(depth)
        return self._data[start : self._at]

    def plain(self) -> tuple[int | str | bytes | bool | None] | None:
        """The number, string, true, false or null (in a tuple) that these bytes are; None if they are anything else.

        The bytes are known to be one whole value.
        """
        major, argument = self._head()
        if major == _UNSIGNED:
            return (argument,)
        if major == _NEGATIVE:
            return (-1 - argument,)
        if major == _BYTES:
            return (self._take(argument),)
        if major == _TEXT:
            return (self._text(argument),)
        simple = {b"\xf4": False, b"\xf5": True, b"\xf6": None}
        return (simple[self._data],) if self._data in simple else None

    # ------------------------------------------------------------------------------------------------------

    def _skip(self, depth: int) -> None:
        major, argument = self._head()
        if major in (_ARRAY, _MAP, _TAG) and depth == 0:
            raise NotCbor("an extension that is nested too deeply")
        if major == _BYTES:
            self._take(argument)
        elif major == _TEXT:
            self._text(argument)
        elif major == _ARRAY:
            for _ in range(argument):
                self._skip(depth - 1)
        elif major == _TAG:
            self._skip(depth - 1)
        elif major == _MAP:
            self._skip_map(argument, depth - 1)

    def _skip_map(self, count: int, depth: int) -> None:
        last = b""
        for _ in range(count):
            start = self._at
            major = self._data[start] >> 5 if start < len(self._data) else -1
            if major not in (_UNSIGNED, _NEGATIVE, _BYTES, _TEXT):
                raise NotCbor("a key that is neither a number nor a string")
            self._skip(0)
            raw = self._data[start : self._at]
            if raw <= last:
                raise NotCbor("keys out of order, or one twice")
            last = raw
            self._skip(depth)

    def _expect(self, major: int, what: str) -> int:
        found, argument = self._head()
        if found != major:
            raise NotCbor(f"{what} is missing")
        return argument

    def _head(self) -> tuple[int, int]:
        """Major type and argument, in the shortest form (RFC 8949, 3 and 4.2.1). A float's argument means nothing."""
        first = self._take(1)[0]
        major, info = first >> 5, first & 31
        if info < 24:
            return major, info
        if info > 27:
            raise NotCbor("a length that is not given")
        raw = self._take(1 << (info - 24))
        argument = int.from_bytes(raw, "big")
        if major == _SIMPLE:
            self._check_simple(info, raw)
        elif argument < 24 or (info > 24 and argument >> (4 << (info - 24)) == 0):
            raise NotCbor("a number that is longer than it must be")
        return major, argument

    def _check_simple(self, info: int, raw: bytes) -> None:
        """Simple values above 31; floats in the shortest form that keeps them, and one NaN (6.2 of the draft)."""
        if info == 24:
            if raw[0] < 32:
                raise NotCbor("a simple value that is longer than it must be")
            return
        value = struct.unpack(_FLOATS[info], raw)[0]
        if math.isnan(value):
            if raw != b"\x7e\x00":
                raise NotCbor("a NaN other than the one that is allowed")
            return
        if info > 25:
            shorter = _FLOATS[info - 1]
            try:
                fits = struct.unpack(shorter, struct.pack(shorter, value))[0] == value
            except OverflowError:
                fits = False
            if fits:
                raise NotCbor("a float that is longer than it must be")

    def _text(self, size: int) -> str:
        try:
            return self._take(size).decode("utf-8")
        except UnicodeDecodeError:
            raise NotCbor("a text that is not UTF-8") from None

    def _take(self, size: int) -> bytes:
        end = self._at + size
        if end > len(self._data):
            raise NotCbor("the end is missing")
        raw = self._data[self._at : end]
        self._at = end
        return raw
