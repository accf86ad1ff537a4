"""Letters in pieces: their messages, an app that a relay lies to, and a relay that gets whatever comes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fuzz.target import Shape, target
from fuzz.targets._seeds import vectors
from whimbrel.relay.pieces import WAITING_MAX, Pieces, Reply
from whimbrel.relay.settings import Limits
from whimbrel.wire import cbor, pieces
from whimbrel.wire.errors import Malformed
from whimbrel.wire.letters import LETTER_MAX
from whimbrel.wire.pieces import AnswerPiece, Got, Later, Refused, Sending

TO_RELAY, TO_APP = 0, 1
"""The first byte of an input for the messages: who reads it? The second is its type, the rest its CBOR."""


def _insides(name: str) -> Iterator[bytes]:
    recorded = vectors("pieces")
    for exchange in (*recorded["exchanges"], *recorded["refusals"]):
        if name in exchange:
            yield bytes.fromhex(exchange[name]).rstrip(b"\0")[:-1]


def _messages() -> Iterator[bytes]:
    for inside in _insides("to relay"):
        yield bytes((TO_RELAY,)) + inside
    for inside in _insides("to app"):
        yield bytes((TO_APP,)) + inside


@target(
    "wire-pieces",
    "wire.pieces.read_asked",
    "wire.pieces.read_told",
    seeds=_messages,
    shape=Shape.CBOR,
    skip=2,
    longest=20_000,
)
def messages(data: bytes) -> bool:
    """Pieces of letters and of answers: what is taken has one form and one of a few sizes."""
    message = data[1:] + b"\x80"
    try:
        found: Any = (pieces.read_told if data[:1] == bytes((TO_APP,)) else pieces.read_asked)(message)
    except Malformed:
        return False
    told = isinstance(found, Got | AnswerPiece | Refused)
    try:
        again = (pieces.write_told if told else pieces.write_asked)(found)
    except ValueError:
        # A relay that tells more at once than it would be allowed to: it is for `Sending` to say so.
        assert isinstance(found, AnswerPiece)
        return False
    assert again.rstrip(b"\0") == message
    assert len(again) in pieces.MESSAGE_SIZES
    return True


# ------------------------------------------------------------------------------- a relay that lies to an app


def _lies() -> Iterator[bytes]:
    answer = bytes(1200)
    good = [
        [6, [b"\x01"]],
        [6, [b"\x03"]],
        *([7, [1200, at, answer[at : at + 512]]] for at in (0, 512, 1024)),
    ]
    yield cbor.encode(good)
    begun = [[8, [0, 10]], [6, [b"\x02"]], [6, [b"\x03"]], good[2]]
    yield cbor.encode([*begun, [8, [1, 0]], good[4], *good])
    yield cbor.encode([[7, [512, 0, bytes(512)]]])


@target("wire-sending", "wire.pieces.Sending.receive", seeds=_lies, shape=Shape.CBOR, longest=8192)
def lying(data: bytes) -> bool:
    """An app that sends a letter of three pieces, two at a time, to a relay that says anything: it ends with an answer, with an error,
    or goes on with what is missing."""
    try:
        told = cbor.decode(data)
        said = [bytes((kind & 0xFF,)) + cbor.encode(values) + b"\x80" for kind, values in told]
    except (Malformed, TypeError, ValueError):
        return False
    sending = Sending(b"L" * 5000, b"i" * 16, pieces.UP_MIN, pieces.DOWN_MIN)
    under_way = []
    for message in said[:200]:
        while len(under_way) < 2 and (out := sending.next()) is not None:
            under_way.append(out)
        assert under_way, "nothing to do, and no answer"
        assert sending.left >= 1
        try:
            found = sending.receive(under_way.pop(0), message)
        except Malformed:
            return False
        if isinstance(found, bytes):
            assert 0 < len(found) <= LETTER_MAX
            assert sending.next() is None
            return True
        assert found is None or (isinstance(found, Later) and found.seconds > 0)
    return True


# --------------------------------------------------------------------------------- whatever comes to a relay


def _comes() -> Iterator[bytes]:
    one, other = b"1" * 16, b"2" * 16

    def piece(name: bytes, index: int, count: int = 2, size: int = 2050) -> list[Any]:
        return [0, 4, [name, index, count, size, 576, bytes(-(-size // count))]]

    yield cbor.encode([piece(one, 0), piece(one, 1), [0, 5, [one, 512, 576]], [1, 5, [one, 0, 576]]])
    yield cbor.encode([piece(one, 1), piece(other, 0, 1, 900), piece(one, 1), piece(one, 0), piece(one, 0)])
    yield cbor.encode([piece(bytes([n]) * 16, 0) for n in range(7)])


@target("relay-pieces", "relay.pieces.Pieces.take", seeds=_comes, shape=Shape.CBOR, longest=16_384)
def coming(data: bytes) -> bool:
    """Any messages in any order, from a few addresses, to a relay with little room: each is answered once, room is counted
    rightly and never passed, and two minutes later nothing is left."""
    try:
        steps = [
            (how, bytes((kind & 0xFF,)) + cbor.encode(values) + b"\x80")
            for how, kind, values in cbor.decode(data)
        ]
        if any(type(how) is not int for how, _ in steps):
            return False
    except (Malformed, TypeError, ValueError):
        return False
    now = 0.0
    deciding: list[Reply] = []

    def take(letter: bytes, reply: Reply) -> None:
        assert 0 < len(letter) <= LETTER_MAX
        deciding.append(reply)

    limits = Limits(pieces_bytes=12_000, pieces_share=8_000)
    relay = Pieces(limits, lambda: now, take, b"s" * 32)
    told: list[list[bytes | None]] = []
    taken = False
    for how, message in steps[:100]:
        now += how >> 4 & 0x3F
        relay.tend()
        told.append([])
        relay.take(message, bytes((how & 3,)), told[-1].append)
        if how & 4 == 0:
            while deciding:
                deciding.pop()(None if how & 8 else bytes(1200))
        weights = [letter.weight for letter in relay._letters.values()]
        assert relay.weight == sum(weights) == sum(relay._weights.values()) <= limits.pieces_bytes
        assert all(0 < weight <= limits.pieces_share for weight in relay._weights.values())
        assert all(len(letter.waiting) <= WAITING_MAX for letter in relay._letters.values())
        taken = taken or (bool(told[-1]) and told[-1][0] is not None)
    while deciding:
        deciding.pop()(bytes(1200))
    assert all(len(one) == 1 for one in told), "answered never, or twice"
    for [one] in told:
        assert one is None or pieces.read_told(one)
    now += limits.pieces_life + 1
    relay.tend()
    assert relay.weight == 0
    assert not relay._letters
    assert not relay._given
    assert not relay._weights
    return taken
