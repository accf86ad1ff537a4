"""Parts of a chunk: which bytes of it are there, as a bit for each mark, and what an app does about the rest. Pure.

A sealed chunk has a mark at every `PART` bytes; parts lie between marks, the last one ends with the chunk. What a relay
has of a chunk is a byte string with a bit for each mark, the lowest first, that says whether the bytes from there to the
next mark are there.
"""

from __future__ import annotations

from .operations import PART, SEALED_CHUNK


def length_of(size: int, n: int) -> int:
    """Bytes of chunk `n` of a blob of `size` bytes; 0 when it has none of that number."""
    return max(0, min(SEALED_CHUNK, size - n * SEALED_CHUNK))


def marks_of(size: int, n: int) -> int:
    """How many marks it has."""
    return -(-length_of(size, n) // PART)


def bits_of(at: int, end: int) -> int:
    """The bits of what lies from one mark up to another, or to the end of the chunk."""
    first, last = at // PART, -(-end // PART)
    return (1 << last) - (1 << first)


def ranges(bits: int, length: int) -> list[tuple[int, int]]:
    """Half-open ranges of bytes that are there, in a chunk of `length` bytes."""
    found: list[tuple[int, int]] = []
    for mark in range(-(-length // PART)):
        if bits >> mark & 1:
            at, end = mark * PART, min((mark + 1) * PART, length)
            if found and found[-1][1] == at:
                at = found.pop()[0]
            found.append((at, end))
    return found


def missing(size: int, n: int, there: bytes, most: int) -> list[tuple[int, int]]:
    """What an app has still to put of a chunk, or to get: (at, length) of parts that have at most `most` bytes each.

    `there`: as `Extent.started` says it of this chunk, empty when nothing of it has come. `most` counts in whole `PART`
    bytes. Raises ValueError when it is less than one.
    """
    step = most // PART * PART
    if step < PART:
        raise ValueError(f"parts have at least {PART} bytes")
    length = length_of(size, n)
    absent = ~int.from_bytes(there, "little")
    return [
        (at, min(step, end - at)) for start, end in ranges(absent, length) for at in range(start, end, step)
    ]
