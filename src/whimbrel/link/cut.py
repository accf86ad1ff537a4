"""A chunk that is sent or asked for in parts (docs/protocol/blobs.md): what of it is wanted, under way, and there.

Parts lie between marks, so all of it is a bit for each mark.
"""

from __future__ import annotations

from dataclasses import replace

from whimbrel.wire.answers import Answer, Chunk, Done, Part
from whimbrel.wire.operations import PART, SEALED_CHUNK, Get, Put
from whimbrel.wire.parts import bits_of, length_of

Piece = tuple[int, int]
"""Where a part begins in its chunk, and how long it is."""


class Cut:
    """One Put or Get of a chunk, in parts."""

    def __init__(self, operation: Put | Get) -> None:
        self.operation = operation
        self._length: int | None = len(operation.chunk) if isinstance(operation, Put) else None
        self._size = 0
        self._wanted = -1
        self._there = 0
        self._bytes = bytearray(0 if isinstance(operation, Put) else SEALED_CHUNK)

    @property
    def left(self) -> int:
        """Bytes that nobody carries yet, a little more rather than less."""
        if self._length is None:
            return SEALED_CHUNK if self._wanted else 0
        return (self._wanted & bits_of(0, self._length)).bit_count() * PART

    def take(self, most: int) -> tuple[Piece, Put | Get] | None:
        """The next part of at most `most` bytes, as an operation; None when all is under way, or its length not known yet."""
        if self._length is None:
            if not self._wanted:
                return None
            self._wanted = 0
            piece = (0, max(most // PART, 1) * PART)
            return piece, self._of(piece)
        wanted = self._wanted & bits_of(0, self._length)
        if not wanted:
            return None
        first = (wanted & -wanted).bit_length() - 1
        end = first
        while wanted >> end & 1 and (end - first + 1) * PART <= max(most, PART):
            end += 1
        at = first * PART
        piece = (at, min(end * PART, self._length) - at)
        self._wanted &= ~bits_of(at, at + piece[1])
        return piece, self._of(piece)

    def lost(self, piece: Piece) -> None:
        """A part has no answer and is under way no more."""
        if self._length is None:
            self._wanted = -1
        else:
            self._wanted |= bits_of(piece[0], piece[0] + piece[1]) & ~self._there

    def answered(self, piece: Piece, answer: Answer) -> Answer | None:
        """The answer to the whole, when this was the last part or says that there is none."""
        if isinstance(answer, Part) and isinstance(self.operation, Get):
            if self._length is None:
                self._length = length_of(answer.size, self.operation.n)
                self._size = answer.size
                self._wanted = bits_of(0, self._length)
            self._bytes[answer.at : answer.at + len(answer.part)] = answer.part
            self._note(answer.at, answer.at + len(answer.part))
        elif isinstance(answer, Done) and isinstance(self.operation, Put):
            self._note(piece[0], piece[0] + piece[1])
        else:
            return answer
        if self._length is None or self._there != bits_of(0, self._length):
            return None
        if isinstance(self.operation, Put):
            return Done()
        return Chunk(bytes(self._bytes[: self._length]), self._size)

    def _note(self, start: int, end: int) -> None:
        self._there |= bits_of(start, end)
        self._wanted &= ~self._there

    def _of(self, piece: Piece) -> Put | Get:
        at, length = piece
        if isinstance(self.operation, Get):
            # What is asked for lies between marks; the last part ends with the chunk all the same.
            return replace(self.operation, at=at, length=-(-length // PART) * PART)
        if length == self._length:
            return self.operation
        return replace(self.operation, chunk=self.operation.chunk[at : at + length], at=at)
