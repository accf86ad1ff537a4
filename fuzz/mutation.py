"""How an input becomes the next one. Seen from libFuzzer this is its custom mutator.

Its own changes are blind: nearly all of them break a length, and the parser sees only that. So half of the changes
here know what the input is: CBOR and JSON are changed as values and written anew, also CBOR inside byte strings; texts get
the characters that texts are broken by. A part is now and then repeated very often, which shows what takes more
than its share of time.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Collection
from typing import Any

import cbor2

from fuzz.target import Shape, Target

Blind = Callable[[bytes, int], bytes]
"""libFuzzer's own change: input and its longest length in, another input out."""

NUMBERS = (0, 1, 2, 23, 24, 32, 64, 255, 256, 65535, 65536, 2**31, 2**32 - 1, 2**32, 2**53, 2**63 - 1, 2**63, 2**64 - 1, -1, -25)  # fmt: skip
VALUES: tuple[Any, ...] = (
    None,
    True,
    False,
    b"",
    b"\x00" * 32,
    "",
    "a",
    [],
    {},
    0,
    -1,
    1.5,
    cbor2.CBORTag(2, b"\x01"),
)
SIGNS = (
    "\u0000", "\u001b[2J", "\u202e", "\u2066", "\u200d", "\u200c", "\u0301", "\ufeff", "\u2028", "\u0085", "\u00ad", "\ufe0f",
    "\U0001f468\u200d\U0001f469\u200d\U0001f467", "\u0130", "\u1e9e", "\ufb03", "\uff21", "\u3000", "\uac00", "\u0644", "\U000e0041", "\U0010ffff",
    "../", "\\", "%2e", "%00", "\r\n", "\t", "'", '"', "{", "[", ":", "/", "?", "#", "|", "=", "&", "*", "-", "9" * 20,
)  # fmt: skip
_PLAIN = (int, float, bytes, str, list, tuple, dict, cbor2.CBORTag, type(None))
_NEST_MAX = 4
_PARTS_MAX = 70_000


def change(target: Target, data: bytes, longest: int, chance: random.Random, blind: Blind) -> bytes:
    """Another input for this target, at most `longest` bytes."""
    head, rest = data[: target.skip], data[target.skip :]
    room = longest - target.skip
    kind = chance.random()
    if target.skip and kind < 0.04 and room > 0:
        new = bytes(chance.randrange(256) for _ in range(target.skip)) + rest
    elif kind < 0.07:
        new = head + _swollen(rest, room, chance)
    elif kind < 0.14 and target.words:
        at = chance.randint(0, len(rest))
        new = head + rest[:at] + chance.choice(target.words) + rest[at + chance.choice((0, 0, 1, 4)) :]
    elif kind < 0.60 and target.shape is Shape.CBOR:
        new = head + _cbor(rest, chance, blind)
    elif kind < 0.45 and target.shape is Shape.TEXT:
        new = head + _text(rest, chance)
    elif kind < 0.60 and target.shape is Shape.JSON:
        new = head + _json(rest, chance, blind)
    else:
        new = blind(data, longest)
    return new[:longest]


def _swollen(data: bytes, room: int, chance: random.Random) -> bytes:
    """A part of it, repeated: sometimes a little, sometimes as often as there is room."""
    if not data or room <= len(data):
        return data
    start = chance.randrange(len(data))
    part = data[start : start + chance.choice((1, 1, 2, 3, 4, 8, 34, 66))]
    times = (
        chance.randint(1, (room - len(data)) // len(part) + 1)
        if chance.random() < 0.3
        else chance.randint(1, 9)
    )
    return data[:start] + part * times + data[start:]


# --------------------------------------------------------------------------------------------------------- CBOR


def _cbor(data: bytes, chance: random.Random, blind: Blind, nest: int = 0) -> bytes:
    try:
        value = cbor2.loads(data)
        for _ in range(chance.choice((1, 1, 1, 2, 3))):
            value = _changed(value, chance, blind, nest)
            if _is_unfit(value):
                return blind(data, max(len(data) + 16, 64))
        return cbor2.dumps(value, canonical=True)
    except (cbor2.CBORError, ValueError, TypeError, OverflowError, RecursionError, AttributeError):
        return blind(data, max(len(data) + 16, 64))


def _json(data: bytes, chance: random.Random, blind: Blind) -> bytes:
    try:
        value = json.loads(data)
        for _ in range(chance.choice((1, 1, 2, 3))):
            value = _changed(value, chance, blind, _NEST_MAX)
            if _is_unfit(value):
                return blind(data, max(len(data) + 16, 64))
        return json.dumps(value).encode()
    except (ValueError, TypeError, RecursionError):
        return blind(data, max(len(data) + 16, 64))


def _is_unfit(value: Any) -> bool:
    """Whether it has more parts than any input has room for (lists of copies of lists of copies), or is of a kind that tags make and
    no parser here knows (decimals, networks, patterns, sets). Targets hung while a value was written, never since these are left out;
    which kind it was is not known."""
    waiting, count = [value], 0
    while waiting:
        part = waiting.pop()
        if not isinstance(part, _PLAIN):
            return True
        inner = _inside(part)
        count += len(inner) + (len(part) // 64 if isinstance(part, bytes | str) else 0)
        if count > _PARTS_MAX:
            return True
        waiting.extend(inner)
    return False


def _inside(part: Any) -> Collection[Any]:
    match part:
        case dict():
            return [*part.keys(), *part.values()]
        case list() | tuple():
            return part
        case cbor2.CBORTag():
            return (part.value,)
    return ()


def _changed(value: Any, chance: random.Random, blind: Blind, nest: int) -> Any:
    """A value in which one thing is another."""
    if isinstance(value, list) and value and chance.random() < 0.75:
        at = chance.randrange(len(value))
        return [*value[:at], _changed(value[at], chance, blind, nest), *value[at + 1 :]]
    if isinstance(value, dict) and value and chance.random() < 0.75:
        key = chance.choice(list(value))
        return value | {key: _changed(value[key], chance, blind, nest)}
    if chance.random() < 0.1:
        return chance.choice((*VALUES, chance.choice(NUMBERS)))
    match value:
        case bool():
            return not value
        case int():
            return chance.choice((chance.choice(NUMBERS), value + chance.choice((-1, 1)), value * 2))
        case bytes():
            return _bytes(value, chance, blind, nest)
        case str():
            return _text(value.encode("utf-8", "replace"), chance).decode("utf-8", "replace")
        case list():
            return _list(value, chance)
        case dict():
            return _dict(value, chance)
    return chance.choice(VALUES)


def _bytes(value: bytes, chance: random.Random, blind: Blind, nest: int) -> bytes:
    """What is CBOR inside a byte string is changed as CBOR; other bytes keep their length more often than not."""
    if value and value[0] & 0xE0 in (0x80, 0xA0) and nest < _NEST_MAX and chance.random() < 0.85:
        return _cbor(value, chance, blind, nest + 1)
    kind = chance.random()
    if kind < 0.4 and value:
        at = chance.randrange(len(value))
        return value[:at] + bytes((value[at] ^ 1 << chance.randrange(8),)) + value[at + 1 :]
    if kind < 0.6:
        return bytes(chance.choice((0, 15, 16, 31, 32, 33, 64, 255, 256)))
    return blind(value, len(value) + 16) if value else b"\x00"


def _list(value: list[Any], chance: random.Random) -> list[Any]:
    at = chance.randint(0, len(value))
    match chance.randrange(5):
        case 0:
            return value[:at] + value[at + 1 :]
        case 1 if value:
            return [*value[:at], chance.choice(value), *value[at:]]
        case 2 if value:
            return value + [chance.choice(value)] * chance.choice((1, 8, 64, 300, 1100))
        case 3:
            return chance.sample(value, len(value))
    return [*value[:at], chance.choice((*VALUES, value)), *value[at:]]


def _dict(value: dict[Any, Any], chance: random.Random) -> dict[Any, Any]:
    new = dict(value)
    if new and chance.random() < 0.4:
        del new[chance.choice(list(new))]
    else:
        filling = chance.choice((*VALUES, *new.values()))
        new[chance.choice((0, 1, 2, 3, 4, 5, 6, 8, 10, 12, 14, 16, 17, 99, 65535, 65536, -1, "a", b"a"))] = (
            filling
        )
    return new


# -------------------------------------------------------------------------------------------------------- texts


def _text(data: bytes, chance: random.Random) -> bytes:
    text = data.decode("utf-8", "surrogateescape")
    at = chance.randint(0, len(text))
    match chance.randrange(6):
        case 0:
            text = text[:at] + text[at + chance.choice((1, 2, 8)) :]
        case 1:
            text = text[:at] + text[at:].swapcase()
        case 2:
            text = text[:at] + chance.choice(SIGNS) * chance.choice((1, 2, 50)) + text[at:]
        case 3:
            text = text[:at] + chr(chance.choice((chance.randrange(128), chance.randrange(0x3000), chance.randrange(0xE000, 0x110000)))) + text[at:]  # fmt: skip
        case 4:
            start = chance.randint(0, at)
            text = text[:at] + text[start:at] + text[at:]
        case _:
            text = text[:at] + chance.choice(SIGNS) + text[at + 1 :]
    return text.encode("utf-8", "surrogateescape")
