"""Letters, key documents and streams: as they come, and their insides, which are sealed or signed here with known keys."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from fuzz.target import Shape, target
from fuzz.targets._seeds import vectors
from fuzz.targets.wire_values import _same_again
from whimbrel.link.keys import Keys
from whimbrel.link.session import LetterSession, StreamSession
from whimbrel.wire import answering, asking, heads, keydoc, letters, streams
from whimbrel.wire.answers import Failure, Fetched, Pushed, Signalled
from whimbrel.wire.errors import BadSignature, GoneKey, Malformed, NotForUs, StreamOver, WireError
from whimbrel.wire.keydoc import KeyDocument
from whimbrel.wire.letters import RelayKeys, SealedRequest
from whimbrel.wire.operations import Stat, Unknown
from whimbrel.wire.purpose import public_of, sign
from whimbrel.wire.streams import Answered, ClientStream, KeysAsked, KeysNeeded, NewKeys, RelayStream, Request

IDENTITY_PRIVATE, KEM_PRIVATE = b"identity".ljust(32), b"kem".ljust(32)
IDENTITY = public_of(IDENTITY_PRIVATE)
NUMBER = 7
SECRET = b"reply secret".ljust(32)
ASKED = (Stat(b"b" * 32), Unknown(99))
ANSWERS = b"\x82\x82\x02\xa0\x82\x02\xa0"
"""What answers `ASKED`: twice `unknown`."""


@cache
def relay_keys() -> RelayKeys:
    document = keydoc.make(IDENTITY_PRIVATE, NUMBER, 0, 2**40, keydoc.public_kem_key(KEM_PRIVATE))
    return RelayKeys(document, {NUMBER: KEM_PRIVATE})


# ------------------------------------------------------------------------------------------- key documents

RAW, SIGNED = 0, 1
"""The first byte of inputs for what is signed: is the rest taken as it is, or signed first?"""


def _documents() -> Iterator[bytes]:
    signed = relay_keys().document.encoded
    body = signed[4 : 4 + int.from_bytes(signed[2:4], "big")]
    yield bytes((RAW,)) + signed
    yield bytes((SIGNED,)) + body
    limits: dict[int, int] = {keydoc.Limit.BLOB_BYTES: 1000, keydoc.Limit.ENTRY_DAYS: 1}
    other = keydoc.make(
        IDENTITY_PRIVATE, 300, 1, 2, keydoc.public_kem_key(b"k" * 32), {1: 5}, limits, b"s" * 32
    )
    yield bytes((RAW,)) + other.encoded


@target(
    "wire-keydoc",
    "wire.keydoc.decode",
    "wire.letters.open_key_document",
    seeds=_documents,
    shape=Shape.CBOR,
    skip=1,
)
def key_document(data: bytes) -> bool:
    """Key documents, signed by their relay or not: whatever is taken is what the relay signed."""
    mode, document = data[:1], data[1:]
    if mode != bytes((RAW,)):
        body = document[: keydoc.DOCUMENT_MAX]
        signature = sign(IDENTITY_PRIVATE, "key document", body)
        document = b"\x82" + heads.byte_string(body) + heads.byte_string(signature)
    try:
        found = keydoc.decode(document, IDENTITY)
    except (Malformed, BadSignature):
        return False
    assert found.encoded == document
    assert found.identity == IDENTITY
    for limit in keydoc.Limit:
        assert found.limit(limit) >= 0
    assert letters.open_key_document(b"\x02" + document, IDENTITY) == found
    keydoc.public_kem(found.public)
    return True


# ------------------------------------------------------------------------------------------------- letters


@cache
def _letter() -> SealedRequest:
    return letters.seal_request(relay_keys().document, asking.encode_operations(ASKED), SECRET)


def _requests() -> Iterator[bytes]:
    operations = asking.encode_operations(ASKED)
    yield b"\x01" + b"\x83\x58\x20" + SECRET + b"\xf6" + operations + b"\x80"
    yield b"\x01" + b"\x83\x58\x20" + SECRET + b"\x58\x20" + bytes(32) + operations + b"\x80" + bytes(40)
    for exchange in vectors("letters")["exchanges"]:
        yield b"\x01" + b"\x83\x58\x20" + SECRET + b"\xf6" + bytes.fromhex(exchange["operations"]) + b"\x80"
    yield b"\x00" + _letter().letter


@target("wire-letter", "wire.letters.open_request", seeds=_requests, shape=Shape.CBOR, skip=1, longest=20_000)
def letter(data: bytes) -> bool:
    """Letters to a relay: raw (the relay's key is the same in each run, what is sealed to it is not), and sealed insides."""
    inside = data[:1] != b"\x00"
    message = data[1:]
    if inside:
        info = letters._info(IDENTITY, NUMBER)
        sealed = letters._SUITE.encrypt(message, keydoc.public_kem(relay_keys().document.public), info)
        message = bytes((letters.REQUEST, NUMBER)) + sealed
    try:
        opened = letters.open_request(relay_keys(), message)
    except (GoneKey, NotForUs):
        assert not inside
        return False
    except Malformed:
        return False
    assert len(message) <= letters.LETTER_MAX
    assert len(opened.reply_secret) == 32
    assert opened.share is None or len(opened.share) == 32
    if inside:
        # What was padded is what comes out; the mark and the zeros behind it are all that is gone.
        share = b"\xf6" if opened.share is None else b"\x58\x20" + opened.share
        again = b"\x83\x58\x20" + opened.reply_secret + share + opened.operations
        assert data[1:].rstrip(b"\x00") == again + b"\x80"
    try:
        asking.decode_operations(opened.operations)
    except Malformed:
        return False
    return True


def _response(padded: bytes) -> bytes:
    nonce = b"n" * 32
    key, iv = letters._response_key(_letter().enc, SECRET, nonce)
    return bytes((letters.RESPONSE,)) + nonce + ChaCha20Poly1305(key).encrypt(iv, padded, None)


def _responses() -> Iterator[bytes]:
    document = relay_keys().document.encoded
    yield b"\x01\x83\xf6\xf6" + ANSWERS + b"\x80"
    yield b"\x01\x83\x58\x20" + bytes(32) + b"\xf6" + ANSWERS + b"\x80" + bytes(99)
    yield b"\x01\x83\xf6" + heads.byte_string(document) + ANSWERS + b"\x80"
    for exchange in vectors("letters")["exchanges"]:
        yield b"\x01\x83\xf6\xf6" + bytes.fromhex(exchange["answers"]) + b"\x80"


@target(
    "wire-response", "wire.letters.open_response", seeds=_responses, shape=Shape.CBOR, skip=1, longest=20_000
)
def response(data: bytes) -> bool:
    """Answers to a letter: raw, and sealed insides."""
    inside = data[:1] != b"\x00"
    message = _response(data[1:]) if inside else data[1:]
    try:
        opened = letters.open_response(_letter(), message)
    except NotForUs:
        assert not inside
        return False
    except Malformed:
        return False
    share = b"\xf6" if opened.share is None else b"\x58\x20" + opened.share
    document = b"\xf6" if opened.document is None else heads.byte_string(opened.document)
    assert data[1:].rstrip(b"\x00") == b"\x83" + share + document + opened.answers + b"\x80" or not inside
    try:
        answering.decode_answers(opened.answers)
        if opened.document is not None:
            keydoc.decode(opened.document, IDENTITY)
    except (Malformed, BadSignature):
        return False
    return True


# ------------------------------------------------------------------------------------------------- streams


@dataclass(frozen=True)
class _Opened:
    """The state of both ends after their first messages, to be put into new ends."""

    letter: bytes
    answer: bytes
    to_relay: bytes
    to_app: bytes


@cache
def _opened() -> _Opened:
    app, relay = ClientStream(relay_keys().document, b"a" * 64), RelayStream(relay_keys(), b"r" * 64)
    first = app.open(ASKED)
    asked = relay.receive(first)
    assert isinstance(asked, Request)
    answer = relay.answer_encoded(0, ANSWERS)
    app.receive(answer)
    return _Opened(first, answer, relay._receive_key, relay._send_key)


def _relay_end() -> RelayStream:
    end = RelayStream(relay_keys(), b"r" * 64)
    end._keys, end._random = None, b""
    end._receive_key, end._send_key = _opened().to_relay, _opened().to_app
    return end


def _app_end() -> ClientStream:
    end = ClientStream(relay_keys().document, b"a" * 64)
    end._letter, end._share_private = None, b""
    end._receive_key, end._send_key = _opened().to_app, _opened().to_relay
    end._open_requests = {1: 2, 2: 0, 70_000: 1}
    return end


def _is_over(end: RelayStream | ClientStream) -> None:
    """After an error the stream says so to everything."""
    try:
        end.receive(b"anything")
    except StreamOver:
        return
    raise AssertionError("a stream that goes on after an error")


def _frames_to_relay() -> Iterator[bytes]:
    yield b"\x01\x83\x00\x01" + asking.encode_operations(ASKED)
    yield b"\x01\x83\x00\x19\x03\xe8\x80"
    for one in vectors("operations")["operations"]:
        yield b"\x01\x83\x00\x02\x81" + bytes.fromhex(one["encoded"])


@target("wire-stream-to-relay", "wire.streams.RelayStream.receive", seeds=_frames_to_relay, shape=Shape.CBOR, skip=1, longest=32768)  # fmt: skip
def stream_to_relay(data: bytes) -> bool:
    """Frames to a relay, sealed here with the stream's key; or raw first messages and frames."""
    mode, frame = data[:1], data[1:]
    if mode in (b"\x00", b"\x02"):
        fresh = RelayStream(relay_keys(), b"r" * 64) if mode == b"\x02" else _relay_end()
        try:
            said = fresh.receive(frame)
        except WireError:
            _is_over(fresh)
            return False
        return isinstance(said, Request | KeysAsked)
    end = _relay_end()
    sealed = streams._seal(_opened().to_relay, 0, frame)
    try:
        asked = end.receive(sealed)
    except Malformed:
        _is_over(end)
        return False
    assert isinstance(asked, Request)
    assert 1 <= asked.n <= streams.REQUESTS_MAX
    if not any(isinstance(one, Failure | Unknown) for one in asked.operations):
        start = b"\x83\x00" + heads.number(asked.n)
        assert frame.startswith(start)
        _same_again(frame[len(start) :], asked.operations, asking.encode_operations, lambda again: tuple(asking.decode_operations(again)))  # fmt: skip
    try:
        end.receive(sealed)
    except Malformed:
        return True
    raise AssertionError("a frame that was taken twice")


def _frames_to_app() -> Iterator[bytes]:
    yield b"\x01\x83\x00\x01" + ANSWERS
    yield b"\x01\x83\x00\x02\x80"
    yield b"\x01\x83\x04\x19\x01\x2c\x44sign"
    yield b"\x01\x82\x01" + heads.byte_string(relay_keys().document.encoded)
    yield b"\x01\x82\x03\x00"
    for one in vectors("answers")["answers"]:
        encoded = bytes.fromhex(one["encoded"])
        if one["value"]["is"] in ("Fetched", "Failure"):
            yield b"\x01\x83\x02\x05" + encoded
        yield b"\x01\x83\x00\x1a\x00\x01\x11\x70\x81" + encoded
    yield b"\x02" + _opened().answer
    yield b"\x02\x02" + relay_keys().document.encoded


@target("wire-stream-to-app", "wire.streams.ClientStream.receive", seeds=_frames_to_app, shape=Shape.CBOR, skip=1, longest=32768)  # fmt: skip
def stream_to_app(data: bytes) -> bool:
    """Frames from a relay, sealed here with the stream's key; or raw first answers."""
    mode, frame = data[:1], data[1:]
    if mode == b"\x02":
        fresh = ClientStream(relay_keys().document, b"a" * 64)
        fresh._letter = SealedRequest(_opened().letter, b"a" * 32)
        fresh._open_requests[0] = len(ASKED)
        try:
            fresh.receive(frame)
        except KeysNeeded:
            _is_over(fresh)
        except WireError:
            _is_over(fresh)
        return True
    end = _app_end()
    message = frame if mode == b"\x00" else streams._seal(_opened().to_app, 0, frame)
    try:
        found = end.receive(message)
    except (Malformed, BadSignature):
        _is_over(end)
        return False
    for one in found:
        match one:
            case Pushed(slot, what):
                assert slot <= asking.SLOT_MAX
                assert isinstance(what, Fetched | Failure)
                if isinstance(what, Fetched):
                    assert len(what.records) <= asking.FETCH_MAX
            case Signalled(slot, body):
                assert slot <= asking.SLOT_MAX
                assert len(body) <= asking.SIGNAL_MAX
            case Answered(n, answers):
                assert (n, len(answers)) in ((1, 2), (2, 0), (70_000, 1))
            case NewKeys(document):
                assert document.identity == IDENTITY
    return True


# ------------------------------------------------------------------------------------- the link's sessions


def _messages() -> Iterator[bytes]:
    document = relay_keys().document.encoded
    yield b"\x00\x02" + document
    yield b"\x01\x02" + document
    yield b"\x03" + ANSWERS + b"\x80"


@target("link-session", "link.session.StreamSession.receive", "link.session.LetterSession.receive", "link.keys.Keys", seeds=_messages, shape=Shape.CBOR, skip=1)  # fmt: skip
def session(data: bytes) -> bool:
    """The first messages of a relay on a new way: its keys are asked for, learnt when they are newer, and used."""
    mode, message = data[:1], data[1:]
    kept: list[bytes] = []
    keys = Keys(IDENTITY, message if mode == b"\x02" else None, kept.append)
    draws = iter(bytes((n,)) * 64 for n in range(1, 200))
    if mode == b"\x03":
        keys.document = relay_keys().document
    end: StreamSession | LetterSession
    if mode == b"\x00":
        end = StreamSession(keys, ASKED, lambda size: next(draws)[:size])
    else:
        end = LetterSession(keys, 5, ASKED, lambda size: next(draws)[:size])
    end.start()
    if mode == b"\x03":
        assert isinstance(end, LetterSession)
        assert end._letter is not None
        key, iv = letters._response_key(end._letter.enc, end._letter.reply_secret, b"n" * 32)
        message = b"\x03" + b"n" * 32 + ChaCha20Poly1305(key).encrypt(iv, b"\x83\xf6\xf6" + message, None)
    try:
        came = end.receive(message)
    except WireError:
        return False
    document: KeyDocument | None = keys.document
    assert document is not None
    assert document.identity == IDENTITY
    assert all(keydoc.decode(one, IDENTITY) for one in kept)
    assert came.send is None or len(came.send) in letters.LETTER_SIZES
    return True
