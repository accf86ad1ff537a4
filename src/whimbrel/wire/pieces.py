"""Letters in pieces: one sealed letter and its sealed answer, of any size, over many small exchanges. Pure.

Where a connection dies after a few packets, a letter goes to the relay in pieces, each in an exchange of its own, in any
order and by whatever ways; the exchange that brings the last missing one brings back the first piece of the answer, and
further ones bring the rest. Nothing here is sealed: what is cut is. All messages have a few sizes:

    to the relay   04 ‖ [id (16), index, count, size, down, bytes]        a piece of a letter
                   05 ‖ [id, at, down]                                    more of the answer
    to the app     06 ‖ [bits]                                            these pieces are there
                   07 ‖ [size, at, bytes]                                 a piece of the answer
                   08 ‖ [reason, seconds]                                 refused

each CBOR, then 80 00 00… up to a size. `Sending` is an app's side of it; a relay's is `whimbrel.relay.pieces`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any

from .cbor import decode, encode_ordered
from .errors import Malformed, TooLarge
from .fields import array, at_most, exactly, number, some
from .letters import LETTER_MAX

PIECE, MORE, GOT, ANSWER, REFUSED = range(4, 9)
"""The first byte of a message; those of whole letters are in `letters`."""

MESSAGE_SIZES = (576, 2112, 3136, 4160, 6208, 8256, 16448)
"""Bytes of a whole message: so much of a letter or an answer as their own usual sizes, and what stands around."""
AROUND = 64
"""Bytes of a message beside what it carries, as both sides reckon; always enough."""
UP_MIN = MESSAGE_SIZES[1]
"""Bytes to the relay that an app must be able to send at a time."""
DOWN_MIN = MESSAGE_SIZES[0]
"""Bytes to the app that it must be able to take at a time."""
PIECE_MIN = 1024
"""Bytes of a letter in each of its pieces but the last, when it is more than one."""
COUNT_MAX = LETTER_MAX // PIECE_MIN
"""Pieces of a letter."""
LETTER_ID = 16
"""Bytes of the random id that the pieces of one letter have in common."""
RETRY_MAX = 3600
"""Seconds that a refusal can ask for."""
FORGOTTEN_MAX = 10
"""How often a relay may seem to forget of one letter what it had; one restart may seem to be several."""


class Reason(IntEnum):
    """Why a relay refuses a piece, or gives no more."""

    BUSY = 0
    """No room for more now; what it has of this letter it keeps."""
    UNKNOWN = 1
    """Nothing is there under this id (any more)."""
    UNFIT = 2
    """Other bytes, or other numbers, than what is there under this id; or beyond the end of the answer."""


@dataclass(frozen=True, slots=True)
class Piece:
    """Piece `index` of `count` of a letter of `size` bytes. `down`: bytes of the largest message that may come back."""

    id: bytes
    index: int
    count: int
    size: int
    down: int
    body: bytes


@dataclass(frozen=True, slots=True)
class More:
    """Asks for the answer's bytes from `at` on."""

    id: bytes
    at: int
    down: int


@dataclass(frozen=True, slots=True)
class Got:
    """The pieces that are there: a bit for each, the lowest first."""

    bits: int


@dataclass(frozen=True, slots=True)
class AnswerPiece:
    """Bytes of an answer of `size` bytes, from `at` on."""

    size: int
    at: int
    body: bytes


@dataclass(frozen=True, slots=True)
class Refused:
    """`seconds`: when to come again."""

    reason: Reason
    seconds: int = 0


def is_piece(data: bytes) -> bool:
    """Whether a message to the relay is about a letter in pieces: `read_asked` it."""
    return data[:1] in (b"\x04", b"\x05")


def step_of(size: int, count: int) -> int:
    """Bytes in each piece but the last."""
    return -(-size // count)


def carried_by(most: int) -> int:
    """Bytes of a letter or an answer in the largest message of at most `most` bytes."""
    return max(size for size in MESSAGE_SIZES if size <= most) - AROUND


# ------------------------------------------------------------------------------------------------- bytes


def write_asked(asked: Piece | More) -> bytes:
    """The message to the relay."""
    if isinstance(asked, More):
        return _padded(MORE, (asked.id, asked.at, asked.down), 0)
    values = (asked.id, asked.index, asked.count, asked.size, asked.down, asked.body)
    # All pieces of a letter look alike, the last one too.
    return _padded(PIECE, values, step_of(asked.size, asked.count))


def read_asked(data: bytes) -> Piece | More:
    """What a message to the relay says. Raises Malformed or TooLarge."""
    kind, value = _unpadded(data)
    if kind == MORE:
        name, at, down = array(value, 3)
        return More(exactly(name, LETTER_ID), number(at, LETTER_MAX - 1), _down(down))
    if kind != PIECE:
        raise Malformed("not a piece of a letter")
    name, index, count, size, down, body = array(value, 6)
    pieces = some(count, COUNT_MAX)
    step = step_of(some(size, LETTER_MAX), pieces)
    if step * (pieces - 1) >= size or (pieces > 1 and step < PIECE_MIN):
        raise Malformed("a letter in more pieces than it has room for")
    length = min(step, size - number(index, pieces - 1) * step)
    return Piece(exactly(name, LETTER_ID), index, pieces, size, _down(down), exactly(body, length))


def write_told(told: Got | AnswerPiece | Refused) -> bytes:
    """The message to the app."""
    if isinstance(told, Got):
        bits = told.bits.to_bytes(-(-told.bits.bit_length() // 8), "little")
        return _padded(GOT, (bits,), 0)
    if isinstance(told, Refused):
        return _padded(REFUSED, (int(told.reason), told.seconds), 0)
    return _padded(ANSWER, (told.size, told.at, told.body), len(told.body))


def read_told(data: bytes) -> Got | AnswerPiece | Refused:
    """What a message to the app says. Raises Malformed or TooLarge."""
    kind, value = _unpadded(data)
    if kind == GOT:
        [bits] = array(value, 1)
        there = at_most(bits, COUNT_MAX // 8)
        if not there[-1]:
            raise Malformed("bits that have to be left out")
        return Got(int.from_bytes(there, "little"))
    if kind == REFUSED:
        reason, seconds = array(value, 2)
        return Refused(Reason(number(reason, max(Reason))), number(seconds, RETRY_MAX))
    if kind != ANSWER:
        raise Malformed("not an answer to a piece of a letter")
    size, at, body = array(value, 3)
    if number(at, LETTER_MAX - 1) + len(at_most(body, LETTER_MAX)) > some(size, LETTER_MAX):
        raise Malformed("more than the whole answer")
    return AnswerPiece(size, at, body)


def piece_of_answer(answer: bytes, at: int, down: int) -> AnswerPiece:
    """What a relay gives of an answer from `at` on, to whoever can take messages of `down` bytes."""
    return AnswerPiece(len(answer), at, answer[at : at + carried_by(down)])


def _down(value: Any) -> int:
    if some(value) < DOWN_MIN:
        raise Malformed("an app that can take nothing")
    return int(value)


def _padded(kind: int, values: tuple[Any, ...], carried: int) -> bytes:
    data = bytes((kind,)) + encode_ordered(values) + b"\x80"
    for size in MESSAGE_SIZES:
        if carried + AROUND <= size:
            return data.ljust(size, b"\0")
    raise ValueError(f"{carried} bytes are too much for one piece")


def _unpadded(data: bytes) -> tuple[int, Any]:
    if len(data) > MESSAGE_SIZES[-1]:
        raise TooLarge("a piece above the largest size")
    inner = data.rstrip(b"\x00")
    if len(inner) < 2 or inner[-1] != 0x80:
        raise Malformed("a piece without the mark before its padding")
    return inner[0], decode(inner[1:-1])


# ------------------------------------------------------------------------------------------- an app's side


@dataclass(frozen=True, slots=True, eq=False)
class Outgoing:
    """One message to be exchanged. What comes back, or that nothing did, is told to the `Sending` that it is of."""

    message: bytes
    place: int
    """The piece's index, or where in the answer it asks."""
    asks: bool
    """Whether it asks for the answer."""
    run: int
    confirmed: set[int] = field(default_factory=set)
    """Pieces that the relay has told of while this was under way."""


@dataclass(frozen=True, slots=True)
class Later:
    """The relay has no room now: go on after so many seconds."""

    seconds: int


class Sending:
    """One letter on its way in pieces, and its answer on the way back.

    `next` gives what to exchange, one after the other or several at a time; for each either `receive` or `lost` is
    called. Whatever is lost, here or at the relay, is sent or asked for again.
    """

    def __init__(
        self, letter: bytes, letter_id: bytes, up_max: int, down_max: int, more_max: int | None = None
    ) -> None:
        """`letter_id`: 16 random bytes, for this letter only. `up_max`, `down_max`: bytes of the largest message to the
        relay (at least `UP_MIN`) and back (at least `DOWN_MIN`), without what carries them. `more_max`: the same for a message back
        that is asked for with the smallest one (`More`); the same as `down_max` when left out."""
        if up_max < UP_MIN or down_max < DOWN_MIN or len(letter_id) != LETTER_ID:
            raise ValueError(
                f"messages of {UP_MIN} and {DOWN_MIN} bytes, and an id of {LETTER_ID}, are needed"
            )
        self._letter = letter
        self._id = letter_id
        self._down = min(down_max, MESSAGE_SIZES[-1])
        self._more = min(more_max, MESSAGE_SIZES[-1]) if more_max is not None else self._down
        self._count = -(-len(letter) // carried_by(up_max))
        self._step = step_of(len(letter), self._count)
        self._there: set[int] = set()
        self._size = 0
        self._found: dict[int, bytes] = {}
        self._under_way: set[Outgoing] = set()
        self._run = 0
        self._forgotten = 0

    @property
    def left(self) -> int:
        """How many exchanges it takes still, as far as can be known; those under way count."""
        if self._size:
            return len(self._places()) - len(self._found)
        return max(1, self._count - len(self._there))

    def next(self) -> Outgoing | None:
        """The next message to exchange. None: nothing more now than what is under way."""
        busy = {out.place for out in self._under_way if out.run == self._run and out.asks == bool(self._size)}
        if self._size:
            for at in self._places():
                if at not in self._found and at not in busy:
                    return self._ask(at)
            return None
        for index in range(self._count):
            if index not in self._there and index not in busy:
                return self._piece(index)
        # All are there, as the relay says, and the answer has not come: what brought it was lost.
        return None if self._under_way else self._ask(0)

    def lost(self, out: Outgoing) -> None:
        """Nothing came back: the message, or the answer, is lost."""
        self._under_way.discard(out)

    def receive(self, out: Outgoing, data: bytes) -> bytes | Later | None:
        """What came back: the whole answer when it is complete, `Later`, or None: go on with `next`.

        Raises Malformed or TooLarge: this relay is no good, or this way to it.
        """
        self._under_way.discard(out)
        told = read_told(data)
        if out.run != self._run:
            return None
        if isinstance(told, Refused):
            return self._refused(told)
        if isinstance(told, Got):
            self._got(out, told)
            return None
        return self._take(told, out.place if out.asks else 0)

    def _got(self, out: Outgoing, got: Got) -> None:
        now = {index for index in range(self._count) if got.bits >> index & 1}
        if got.bits.bit_length() > self._count or len(now) == self._count:
            raise Malformed("a relay that has all of a letter and does not answer it, or has more")
        if not out.asks and out.place not in now:
            raise Malformed("a relay that does not take what it was given")
        if self._size:
            # There was an answer; if there is none any more, it was forgotten, and so was the letter.
            if out.asks:
                self._begin_anew()
            return
        there = now | out.confirmed
        if not there >= self._there:
            self._count_forgotten()
        self._there = there
        for other in self._under_way:
            other.confirmed.update(now)

    def _refused(self, refused: Refused) -> Later | None:
        if refused.reason is Reason.BUSY:
            return Later(max(1, refused.seconds))
        if refused.reason is Reason.UNFIT:
            raise Malformed("a relay that has another letter under this id")
        self._begin_anew()
        return None

    def _begin_anew(self) -> None:
        """Forgotten by the relay: all of the letter goes again. Its operations are idempotent, so nothing is done twice."""
        self._count_forgotten()
        self._run += 1
        self._there.clear()
        self._found.clear()
        self._size = 0

    def _count_forgotten(self) -> None:
        self._forgotten += 1
        if self._forgotten > FORGOTTEN_MAX:
            raise Malformed("a relay that forgets letters again and again")

    def _take(self, piece: AnswerPiece, at: int) -> bytes | None:
        if piece.at != at or self._size not in (0, piece.size):
            raise Malformed("a piece of another answer")
        asked = carried_by(self._more if at else self._down)
        if len(piece.body) != min(asked, piece.size - at):
            raise Malformed("a piece of the answer that is cut elsewhere")
        self._size = piece.size
        self._found[at] = piece.body
        if len(self._found) < len(self._places()):
            return None
        return b"".join(self._found[at] for at in self._places())

    def _places(self) -> Sequence[int]:
        """Where the pieces of the answer begin."""
        return 0, *range(carried_by(self._down), self._size, carried_by(self._more))

    def _piece(self, index: int) -> Outgoing:
        body = self._letter[index * self._step : (index + 1) * self._step]
        piece = Piece(self._id, index, self._count, len(self._letter), self._down, body)
        return self._out(Outgoing(write_asked(piece), index, False, self._run))

    def _ask(self, at: int) -> Outgoing:
        down = self._more if at else self._down
        return self._out(Outgoing(write_asked(More(self._id, at, down)), at, True, self._run))

    def _out(self, out: Outgoing) -> Outgoing:
        self._under_way.add(out)
        return out
