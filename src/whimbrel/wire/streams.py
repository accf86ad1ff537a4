"""Streams: two letters open them, then small frames go both ways under keys that no letter alone gives away.

The first message of each side is a letter (`letters`) with an X25519 share; every further one is a frame:

    frame      ChaCha20-Poly1305(key of the direction, nonce = 0000 0000 ‖ count (8 bytes, from 0), CBOR)
    from app   [0, n, [operations]]         n counts from 1; the operations in the letter are request 0
    from relay [0, n, [answers]]  [2, slot, answer]  [4, slot, signal]  [1, key document]

Kinds that are not known: even ones end the stream, odd ones are ignored. Nothing here waits or sends: bytes come in,
bytes and values go out. After the first error a stream is dead, and says so to every further call.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF, HKDFExpand

from . import heads, keydoc
from .answering import encode_answer, encode_answers, understand_answers, understand_fetched
from .answers import Answer, Failure, Pushed, Signalled
from .asking import (
    SIGNAL_MAX,
    SLOT_MAX,
    decode_operations,
    encode_operations,
    read_plain_append,
    understand_operations,
)
from .cbor import MESSAGE_MAX, decode, encode_ordered
from .errors import GoneKey, Malformed, NotForUs, StreamOver, TooLarge, WireError
from .fields import array, at_most, listing, number, some
from .keydoc import KeyDocument
from .letters import (
    LETTER_MAX,
    OpenedRequest,
    RelayKeys,
    SealedRequest,
    is_asking_keys,
    is_key_document,
    open_key_document,
    open_request,
    open_response,
    seal_request,
    seal_response,
)
from .operations import Operation
from .purpose import labelled

RANDOM = 64
"""Random bytes that each side of a stream is given."""
REQUESTS_MAX = (1 << 32) - 1
FRAME_MAX = LETTER_MAX
"""Bytes of a message on a stream, at most: its carrier may refuse more before reading on."""

_TAG = 16
_REQUEST, _DOCUMENT, _PUSH, _SIGNAL = 0, 1, 2, 4
_ANSWERS = _REQUEST


class KeysNeeded(WireError):
    """The relay does not have the key that we know; it showed `document`. Open again with that, on the same carrier."""

    def __init__(self, document: KeyDocument) -> None:
        super().__init__("the relay has a newer key")
        self.document = document


@dataclass(frozen=True, slots=True)
class Answered:
    """The answers to request `n`, as many as it had operations."""

    n: int
    answers: tuple[Answer, ...]


@dataclass(frozen=True, slots=True)
class NewKeys:
    """The relay's next key document, in time: keep it for the next stream."""

    document: KeyDocument


@dataclass(frozen=True, slots=True)
class Request:
    """Operations to be answered, in order, by `answer(n, …)`. A Failure among them is its own answer."""

    n: int
    operations: tuple[Operation | Failure, ...]


@dataclass(frozen=True, slots=True)
class KeysAsked:
    """The app needs the key document: send `document` (a whole message); the next message is a letter again."""

    document: bytes = field(repr=False)


FromRelay = Answered | Pushed | Signalled | NewKeys


class ClientStream:
    """An app's side of one stream."""

    __slots__ = (
        "_alive",
        "_document",
        "_letter",
        "_open_requests",
        "_receive_key",
        "_received",
        "_send_key",
        "_sent",
        "_share_private",
    )

    def __init__(self, document: KeyDocument, secret_random: bytes) -> None:
        """`secret_random`: 64 random bytes, for this stream only."""
        if len(secret_random) != RANDOM:
            raise ValueError(f"{RANDOM} random bytes are needed")
        self._document = document
        self._share_private = secret_random[32:]
        self._letter: SealedRequest | None = SealedRequest(b"", secret_random[:32])
        self._open_requests: dict[int, int] = {}
        self._receive_key = self._send_key = b""
        self._received = self._sent = 0
        self._alive = True

    @property
    def ready(self) -> bool:
        """Whether the relay has answered the first letter, so that `request` may be used."""
        return self._alive and bool(self._send_key)

    def open(self, operations: Sequence[Operation]) -> bytes:
        """The first message, with request 0."""
        if not self._alive or self._letter is None or self._letter.letter:
            raise RuntimeError("this stream was opened before")
        share = X25519PrivateKey.from_private_bytes(self._share_private).public_key().public_bytes_raw()
        self._letter = seal_request(
            self._document, encode_operations(operations), self._letter.reply_secret, share
        )
        self._open_requests[0] = len(operations)
        return self._letter.letter

    def request(self, n: int, operations: Sequence[Operation]) -> bytes:
        """The frame with request `n`. Raises ValueError for a number that is in use or when it is too much for one frame."""
        if not self._alive:
            raise StreamOver("this stream is over; open another")
        if not self._send_key:
            raise RuntimeError("the relay has not answered the first letter yet")
        if not 1 <= n <= REQUESTS_MAX or n in self._open_requests:
            raise ValueError("requests are numbered from 1, each number once")
        frame = b"\x83\x00" + heads.number(n) + encode_operations(operations)
        message = _seal(self._send_key, self._sent, frame)
        self._open_requests[n] = len(operations)
        self._sent += 1
        return message

    def receive(self, data: bytes) -> list[FromRelay]:
        """What one message from the relay says. Raises KeysNeeded, or another WireError; the stream is dead then."""
        if not self._alive:
            raise StreamOver("this stream is over; open another")
        try:
            if self._letter is not None:
                return self._receive_first(self._letter, data)
            return self._receive_frame(data)
        except WireError:
            self._alive = False
            raise

    def _receive_first(self, letter: SealedRequest, data: bytes) -> list[FromRelay]:
        if not letter.letter:
            raise Malformed("an answer to nothing")
        if is_key_document(data):
            shown = open_key_document(data, self._document.identity)
            ours = self._document
            if shown.number < ours.number or (shown.number == ours.number and shown.public == ours.public):
                raise Malformed("the relay shows a key document that is not newer than the one it refused")
            raise KeysNeeded(shown)
        response = open_response(letter, data)
        if response.share is None:
            raise Malformed("an answer without the share of a stream")
        answers = understand_answers(decode(response.answers))
        found: list[FromRelay] = [self._answered(0, answers)]
        if response.document is not None:
            found.append(NewKeys(keydoc.decode(response.document, self._document.identity)))
        private = X25519PrivateKey.from_private_bytes(self._share_private)
        secret = _agree(private, response.share) + letter.reply_secret
        self._send_key, self._receive_key = _stream_keys(secret, _hash(letter.letter), _hash(data))
        self._letter, self._share_private = None, b""
        return found

    def _receive_frame(self, data: bytes) -> list[FromRelay]:
        count, self._received = self._received, self._received + 1
        value = _read(_decrypt(self._receive_key, count, data))
        kind = number(listing(value, 3, 2)[0])
        if kind == _ANSWERS:
            _, n, answers = array(value, 3)
            return [self._answered(number(n, REQUESTS_MAX), understand_answers(answers))]
        if kind == _PUSH:
            _, slot, what = array(value, 3)
            return [Pushed(number(slot, SLOT_MAX), understand_fetched(what))]
        if kind == _SIGNAL:
            _, slot, body = array(value, 3)
            return [Signalled(number(slot, SLOT_MAX), at_most(body, SIGNAL_MAX))]
        if kind == _DOCUMENT:
            _, document = array(value, 2)
            encoded = at_most(document, keydoc.DOCUMENT_MAX)
            return [NewKeys(keydoc.decode(encoded, self._document.identity))]
        if kind % 2:
            return []
        raise Malformed("a frame of a kind that must not be ignored")

    def _answered(self, n: int, answers: list[Answer]) -> Answered:
        if self._open_requests.pop(n, None) != len(answers):
            raise Malformed("answers to what was not asked")
        return Answered(n, tuple(answers))


@dataclass(slots=True)
class _Opening:
    """What a relay keeps of a stream between the letter and its answer."""

    request: OpenedRequest
    letter_hash: bytes
    share: bytes
    agreed: bytes


class RelayStream:
    """A relay's side of one stream. Idle it holds two keys of 32 bytes and two counters; ciphers are made for each use."""

    __slots__ = ("_keys", "_opening", "_random", "_receive_key", "_received", "_send_key", "_sent")

    def __init__(self, keys: RelayKeys, secret_random: bytes) -> None:
        """`secret_random`: 64 random bytes, for this stream only."""
        if len(secret_random) != RANDOM:
            raise ValueError(f"{RANDOM} random bytes are needed")
        self._keys: RelayKeys | None = keys
        self._random = secret_random
        self._opening: _Opening | None = None
        self._receive_key = self._send_key = b""
        self._received = self._sent = 0

    @property
    def ready(self) -> bool:
        """Whether request 0 has been answered, so that other answers, pushes and signals may be sent."""
        return bool(self._send_key)

    def receive(self, data: bytes) -> Request | KeysAsked:
        """What one message from the app says. Raises a WireError: close the carrier then, the stream is dead."""
        try:
            if self._receive_key:
                return self._receive_frame(data)
            if self._keys is None or self._opening is not None:
                raise StreamOver("a message on a stream that is over or not open yet")
            return self._receive_first(self._keys, data)
        except WireError:
            self._end()
            raise

    def answer(self, n: int, answers: Sequence[Answer]) -> bytes:
        """The message that answers request `n`; request 0 before all others, and before pushes."""
        return self.answer_encoded(n, encode_answers(answers))

    def answer_encoded(self, n: int, answers: bytes) -> bytes:
        """As `answer`, of answers that are encoded already."""
        if n == 0:
            return self._answer_first(answers)
        return self._send(b"\x83\x00" + heads.number(n) + answers)

    def push(self, pushed: Pushed) -> bytes:
        """The message that brings new records of a watched log."""
        return self.push_encoded(pushed.slot, encode_answer(pushed.what))

    def push_encoded(self, slot: int, answer: bytes) -> bytes:
        """As `push`, of an answer that was encoded once for all who watch."""
        return self._send(b"\x83\x02" + heads.number(slot) + answer)

    def signal(self, signalled: Signalled) -> bytes:
        """The message that passes a signal on."""
        return self._send(encode_ordered((_SIGNAL, signalled.slot, signalled.body)))

    def new_keys(self, document: KeyDocument) -> bytes:
        """The message that brings the next key document to a long stream."""
        return self._send(encode_ordered((_DOCUMENT, document.encoded)))

    def _receive_first(self, keys: RelayKeys, data: bytes) -> Request | KeysAsked:
        if is_asking_keys(data):
            return KeysAsked(keys.document_answer())
        try:
            request = open_request(keys, data)
        except (GoneKey, NotForUs):
            return KeysAsked(keys.document_answer())
        if request.share is None:
            raise Malformed("a letter without the share of a stream")
        private = X25519PrivateKey.from_private_bytes(self._random[:32])
        agreed = _agree(private, request.share)
        operations = decode_operations(request.operations)
        share = private.public_key().public_bytes_raw()
        self._opening = _Opening(request, _hash(data), share, agreed)
        return Request(0, tuple(operations))

    def _receive_frame(self, data: bytes) -> Request:
        count, self._received = self._received, self._received + 1
        frame = _decrypt(self._receive_key, count, data)
        plain = read_plain_append(frame)
        if plain is not None:
            n, append = plain
            return Request(some(n, REQUESTS_MAX), (append,))
        kind, n, operations = array(_read(frame), 3)
        if kind != _REQUEST or type(kind) is not int:
            raise Malformed("a frame of a kind that is not known")
        return Request(some(n, REQUESTS_MAX), tuple(understand_operations(operations)))

    def _answer_first(self, answers: bytes) -> bytes:
        if self._opening is None or self._keys is None:
            raise StreamOver("this stream has no letter to answer")
        opening, request = self._opening, self._opening.request
        news = self._keys.news_for(request.number)
        message = seal_response(request, self._random[32:], answers, opening.share, news)
        secret = opening.agreed + request.reply_secret
        self._receive_key, self._send_key = _stream_keys(secret, opening.letter_hash, _hash(message))
        self._opening, self._keys, self._random = None, None, b""
        return message

    def _send(self, frame: bytes) -> bytes:
        if not self._send_key:
            raise StreamOver("this stream is over or not open yet")
        message = _seal(self._send_key, self._sent, frame)
        self._sent += 1
        return message

    def _end(self) -> None:
        self._keys = self._opening = None
        self._random = self._receive_key = self._send_key = b""


def _agree(private: X25519PrivateKey, public: bytes) -> bytes:
    try:
        return private.exchange(X25519PublicKey.from_public_bytes(public))
    except ValueError:
        raise Malformed("a share that agrees with everybody") from None


def _stream_keys(secret: bytes, letter_hash: bytes, answer_hash: bytes) -> tuple[bytes, bytes]:
    """The keys from app to relay and from relay to app."""
    prk = HKDF.extract(SHA256(), letter_hash + answer_hash, secret)
    to_relay = HKDFExpand(SHA256(), 32, labelled("stream to relay")).derive(prk)
    to_app = HKDFExpand(SHA256(), 32, labelled("stream to app")).derive(prk)
    return to_relay, to_app


def _hash(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def _seal(key: bytes, count: int, frame: bytes) -> bytes:
    if len(frame) + _TAG > FRAME_MAX:
        raise ValueError(f"{len(frame)} bytes are too much for one frame")
    return ChaCha20Poly1305(key).encrypt(count.to_bytes(12, "big"), frame, None)


def _decrypt(key: bytes, count: int, data: bytes) -> bytes:
    if len(data) > FRAME_MAX:
        raise TooLarge("a frame above the largest size")
    try:
        return ChaCha20Poly1305(key).decrypt(count.to_bytes(12, "big"), data, None)
    except (InvalidTag, ValueError):
        raise Malformed("a frame that does not open: altered, repeated, or out of order") from None


def _read(frame: bytes) -> object:
    return decode(frame, MESSAGE_MAX + 64)
