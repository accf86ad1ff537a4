"""Letters in pieces: gathered in memory, taken like any other letter when they are whole, and their answers given out in
pieces. What the pieces are says `wire.pieces`; what is in a letter is sealed and nothing to this.

Everything here is forgotten after two minutes, and bounded: in bytes, in all and for each address that letters come from.
Past that, new pieces are refused and what is there stays. A part of the room is for letters that are begun, so that many who
begin do not keep each other from the end. An answer that was given out to its end makes room for others before its time: it
is kept for those who lost its last piece.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from hashlib import blake2b
from ipaddress import IPv6Address, ip_address

from whimbrel.wire.errors import WireError
from whimbrel.wire.pieces import (
    Got,
    More,
    Piece,
    Reason,
    Refused,
    carried_by,
    piece_of_answer,
    read_asked,
    write_told,
)

from .settings import Limits

Reply = Callable[[bytes | None], None]
"""Gets the answer, or None when what came was no letter."""

LETTER_COST = 1024
"""Bytes that a letter counts beside its pieces: what Python needs for it, rounded up."""
PIECE_COST = 256
TO_BEGIN = 0.75
"""How much of the room letters of several pieces may be begun in; the rest is for those that are begun, and for answers."""
WAITING_MAX = 4
"""Exchanges that wait for the answer to one letter: the one that completed it, and some that came again."""
COME_AGAIN = 10
"""Seconds."""

UNKNOWN = Refused(Reason.UNKNOWN)
UNFIT = Refused(Reason.UNFIT)
BUSY = Refused(Reason.BUSY, COME_AGAIN)


@dataclass(slots=True)
class _Waiting:
    """An exchange that is to get the answer from `at` on."""

    at: int
    down: int
    reply: Reply


@dataclass(slots=True)
class _Letter:
    """One letter and then its answer. While `pieces` is None and there is no answer, it is being decided, or is held."""

    source: bytes
    size: int
    count: int
    touched: float
    weight: int = LETTER_COST
    pieces: dict[int, bytes] | None = field(default_factory=dict)
    waiting: list[_Waiting] = field(default_factory=list)
    answer: bytes | None = None


class Pieces:
    """All letters in pieces of one relay."""

    def __init__(
        self,
        limits: Limits,
        time: Callable[[], float],
        take: Callable[[bytes, Reply], None],
        secret: bytes,
    ) -> None:
        """`time`: monotonic seconds. `take` gets a whole letter and where its answer goes. `secret`: random bytes, under
        which addresses are told apart, so that none is kept."""
        self._limits = limits
        self._secret = secret
        self._time = time
        self._take = take
        self._letters: OrderedDict[bytes, _Letter] = OrderedDict()
        """By id, in the order in which they were last touched."""
        self._given: dict[bytes, dict[bytes, None]] = {}
        """Those whose answer was given out to its end, by source, the oldest first."""
        self._weights: Counter[bytes] = Counter()
        self.weight = 0
        """Bytes in all."""

    def take(self, data: bytes, address: bytes, reply: Reply) -> None:
        """Answer one message, now or later. `address`: as `address_of` gives it, by which room is shared."""
        try:
            asked = read_asked(data)
        except WireError:
            reply(None)
            return
        letter = self._letters.get(asked.id)
        if isinstance(asked, More):
            if letter is None:
                _tell(reply, UNKNOWN)
            else:
                self._give(asked.id, letter, _Waiting(asked.at, asked.down, reply))
            return
        if letter is None:
            source = blake2b(address, key=self._secret, digest_size=16).digest()
            needed = LETTER_COST + PIECE_COST + len(asked.body)
            if not self._has_room(source, needed, TO_BEGIN if asked.count > 1 else 1):
                _tell(reply, BUSY)
                return
            letter = _Letter(source, asked.size, asked.count, self._time())
            self._letters[asked.id] = letter
            self._weigh(letter, LETTER_COST, 0)
        self._take_piece(letter, asked, reply)

    def _take_piece(self, letter: _Letter, piece: Piece, reply: Reply) -> None:
        waiting = _Waiting(0, piece.down, reply)
        if (letter.size, letter.count) != (piece.size, piece.count):
            _tell(reply, UNFIT)
            return
        if letter.pieces is None:
            self._give(piece.id, letter, waiting)
            return
        there = letter.pieces.get(piece.index)
        if there is None:
            cost = PIECE_COST + len(piece.body)
            if not self._has_room(letter.source, cost):
                _tell(reply, BUSY)
                return
            letter.pieces[piece.index] = piece.body
            self._weigh(letter, letter.weight + cost)
            self._touch(piece.id, letter)
        elif there != piece.body:
            _tell(reply, UNFIT)
            return
        if len(letter.pieces) < letter.count:
            self._give(piece.id, letter, waiting)
            return
        whole = b"".join(letter.pieces[index] for index in range(letter.count))
        letter.pieces = None
        letter.waiting.append(waiting)
        self._take(whole, partial(self._answered, piece.id, letter))

    def _answered(self, name: bytes, letter: _Letter, answer: bytes | None) -> None:
        waiting, letter.waiting = letter.waiting, []
        self._weigh(letter, LETTER_COST)
        kept = answer is not None and self._has_room(letter.source, len(answer))
        if answer is None or not kept:
            self._forget(name)
            for one in waiting:
                if answer is None:
                    one.reply(None)
                else:
                    # It was decided and will be again: operations are idempotent.
                    _tell(one.reply, BUSY)
            return
        letter.answer = answer
        self._weigh(letter, LETTER_COST + len(answer))
        self._touch(name, letter)
        for one in waiting:
            self._give(name, letter, one)

    def _give(self, name: bytes, letter: _Letter, waiting: _Waiting) -> None:
        """What there is to be said now: a piece of the answer, or how far the letter is; or wait for the answer."""
        if letter.answer is not None:
            if waiting.at >= len(letter.answer):
                _tell(waiting.reply, UNFIT)
                return
            if waiting.at + carried_by(waiting.down) >= len(letter.answer):
                self._given.setdefault(letter.source, {})[name] = None
            waiting.reply(write_told(piece_of_answer(letter.answer, waiting.at, waiting.down)))
        elif letter.pieces is not None:
            _tell(waiting.reply, Got(sum(1 << index for index in letter.pieces)))
        else:
            letter.waiting.append(waiting)
            if len(letter.waiting) > WAITING_MAX:
                _tell(letter.waiting.pop(0).reply, BUSY)

    # ---------------------------------------------------------------------------------------------- room

    def tend(self) -> None:
        """Now and then: forget what is over."""
        over = self._time() - self._limits.pieces_life
        while self._letters:
            name, letter = next(iter(self._letters.items()))
            if letter.touched > over:
                return
            if letter.pieces is None and letter.answer is None:
                self._touch(name, letter)  # it is being decided, or is held
            else:
                self._forget(name)

    def _has_room(self, source: bytes, more: int, part: float = 1) -> bool:
        """Whether so much more has room in a part of all; answers that were given out make some, one's own first."""
        most = self._limits
        while self._weights[source] + more > most.pieces_share * part:
            if source not in self._given:
                return False
            self._forget(next(iter(self._given[source])))
        while self.weight + more > most.pieces_bytes * part:
            if not self._given:
                return False
            given = self._given.get(source) or next(iter(self._given.values()))
            self._forget(next(iter(given)))
        return True

    def _weigh(self, letter: _Letter, weight: int, before: int | None = None) -> None:
        more = weight - (letter.weight if before is None else before)
        letter.weight = weight
        self.weight += more
        self._weights[letter.source] += more
        if not self._weights[letter.source]:
            del self._weights[letter.source]

    def _touch(self, name: bytes, letter: _Letter) -> None:
        letter.touched = self._time()
        self._letters.move_to_end(name)

    def _forget(self, name: bytes) -> None:
        letter = self._letters.pop(name)
        given = self._given.get(letter.source, {})
        if name in given:
            del given[name]
            if not given:
                del self._given[letter.source]
        self._weigh(letter, 0)


def address_of(peer: str) -> bytes:
    """The address at the other end of a connection; of IPv6 the network of 64 bits, of which one may have all addresses."""
    try:
        address = ip_address(peer.partition("%")[0])
    except ValueError:
        return b""
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return (mapped or address).packed[:8]


def _tell(reply: Reply, told: Got | Refused) -> None:
    reply(write_told(told))
