"""Letters: sealed to a relay's key, opened by it alone, answered so that only the sender reads it."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from hypothesis import given, settings
from hypothesis import strategies as st
from wire_values import damaged

from whimbrel.wire import keydoc, letters
from whimbrel.wire.cbor import MESSAGE_MAX
from whimbrel.wire.errors import BadSignature, GoneKey, Malformed, NotForUs, TooLarge, WireError
from whimbrel.wire.keydoc import KEM, KeyDocument, private_kem, public_kem, public_kem_key
from whimbrel.wire.letters import LETTER_SIZES, RESPONSE_SIZES, OpenedRequest, RelayKeys
from whimbrel.wire.purpose import labelled, public_of

IDENTITY_PRIVATE = b"i" * 32
IDENTITY = public_of(IDENTITY_PRIVATE)
KEM_KEYS = {number: bytes((number % 251,)) * 32 for number in (7, 8)}
SECRET, SHARE, NONCE = b"s" * 32, b"h" * 32, b"n" * 32


def document(number: int, identity_private: bytes = IDENTITY_PRIVATE) -> KeyDocument:
    return keydoc.make(identity_private, number, 0, 1, public_kem_key(KEM_KEYS[number]))


OLD, NEW = document(7), document(8)
KEYS = RelayKeys(NEW, KEM_KEYS)


def exchange(
    operations: bytes, answers: bytes, share: bytes | None = None
) -> tuple[OpenedRequest, letters.OpenedResponse]:
    sealed = letters.seal_request(NEW, operations, SECRET, share)
    opened = letters.open_request(KEYS, sealed.letter)
    answer = letters.seal_response(opened, NONCE, answers, share, KEYS.news_for(opened.number))
    return opened, letters.open_response(sealed, answer)


@settings(max_examples=30)
@given(st.binary(max_size=3000), st.binary(max_size=3000), st.none() | st.just(SHARE))
def test_what_is_sealed_is_what_is_opened(operations: bytes, answers: bytes, share: bytes | None) -> None:
    opened, response = exchange(operations, answers, share)
    assert (opened.operations, opened.reply_secret, opened.share, opened.number) == (
        operations,
        SECRET,
        share,
        8,
    )
    assert (response.answers, response.share, response.document) == (answers, share, None)


def test_content_that_looks_like_padding_survives() -> None:
    tricky = b"\x80\x00\x00\x80" + bytes(50)
    opened, response = exchange(tricky, tricky)
    assert opened.operations == response.answers == tricky


def test_letters_have_one_of_a_few_sizes() -> None:
    for size in (0, 10, 500, 860, 861, 3000, 60_000, 65_700, 1_000_000, MESSAGE_MAX):
        letter = letters.seal_request(NEW, bytes(size), SECRET, SHARE).letter
        assert len(letter) in LETTER_SIZES
    assert len(letters.seal_request(NEW, bytes(540), SECRET, SHARE).letter) == 2048
    opened = letters.open_request(KEYS, letters.seal_request(NEW, b"", SECRET, SHARE).letter)
    for size in (0, 10, 400, 3000, MESSAGE_MAX):
        assert len(letters.seal_response(opened, NONCE, bytes(size), SHARE, NEW.encoded)) in RESPONSE_SIZES
    assert len(letters.seal_response(opened, NONCE, bytes(400), SHARE)) == 512


def test_what_is_too_much_for_a_letter_is_our_own_fault() -> None:
    with pytest.raises(ValueError, match="too much"):
        letters.seal_request(NEW, bytes(LETTER_SIZES[-1]), SECRET)
    opened = letters.open_request(KEYS, letters.seal_request(NEW, b"", SECRET).letter)
    with pytest.raises(ValueError, match="too much"):
        letters.seal_response(opened, NONCE, bytes(LETTER_SIZES[-1]))
    with pytest.raises(ValueError, match="32 bytes"):
        letters.seal_request(NEW, b"", b"short")


def test_an_older_key_still_opens_and_its_answer_brings_the_newer_document() -> None:
    sealed = letters.seal_request(OLD, b"ops", SECRET)
    opened = letters.open_request(KEYS, sealed.letter)
    assert opened.number == 7
    answer = letters.seal_response(opened, NONCE, b"answers", None, KEYS.news_for(opened.number))
    response = letters.open_response(sealed, answer)
    assert response.answers == b"answers"
    assert response.document is not None
    assert keydoc.decode(response.document, IDENTITY) == NEW


def test_a_letter_to_a_key_that_is_gone_is_answered_by_the_document() -> None:
    fresh = RelayKeys(NEW, {8: KEM_KEYS[8]})
    with pytest.raises(GoneKey):
        letters.open_request(fresh, letters.seal_request(OLD, b"ops", SECRET).letter)
    answer = fresh.document_answer()
    assert letters.is_key_document(answer)
    assert letters.open_key_document(answer, IDENTITY) == NEW
    with pytest.raises(BadSignature):
        letters.open_key_document(answer, public_of(b"x" * 32))


def test_who_knows_no_key_asks_for_it() -> None:
    assert letters.is_asking_keys(letters.ask_keys())
    assert letters.is_asking_keys(b"\x00padded")
    assert not letters.is_asking_keys(b"")
    assert not letters.is_key_document(b"")
    with pytest.raises(Malformed):
        letters.open_request(KEYS, letters.ask_keys())


def test_a_letter_for_another_relay_with_the_same_key_does_not_open() -> None:
    other = keydoc.make(b"o" * 32, 8, 0, 1, public_kem_key(KEM_KEYS[8]))
    with pytest.raises(NotForUs):
        letters.open_request(KEYS, letters.seal_request(other, b"ops", SECRET).letter)


def test_the_number_is_bound_beyond_the_byte_that_is_seen() -> None:
    later = keydoc.make(IDENTITY_PRIVATE, 8 + 256, 0, 1, public_kem_key(KEM_KEYS[8]))
    with pytest.raises(NotForUs):
        letters.open_request(KEYS, letters.seal_request(later, b"ops", SECRET).letter)


def test_two_live_keys_never_share_their_byte() -> None:
    with pytest.raises(ValueError, match="same byte"):
        RelayKeys(NEW, {8: b"a" * 32, 264: b"b" * 32})
    with pytest.raises(ValueError, match="missing"):
        RelayKeys(NEW, {7: b"a" * 32})


SEALED = letters.seal_request(NEW, b"operations", SECRET, SHARE)
OPENED = letters.open_request(KEYS, SEALED.letter)
ANSWER = letters.seal_response(OPENED, NONCE, b"answers", SHARE)


@settings(max_examples=60)
@given(damaged(SEALED.letter))
def test_a_damaged_letter_is_a_typed_error(data: bytes) -> None:
    with pytest.raises((NotForUs, GoneKey, Malformed)):
        letters.open_request(KEYS, data)


@given(damaged(ANSWER))
def test_a_damaged_answer_is_a_typed_error(data: bytes) -> None:
    with pytest.raises((NotForUs, Malformed)):
        letters.open_response(SEALED, data)


@given(st.binary(max_size=1300))
def test_any_bytes_are_a_typed_error(data: bytes) -> None:
    for first in (b"", b"\x01", b"\x01\x08", b"\x02", b"\x03"):
        with pytest.raises(WireError):
            letters.open_request(KEYS, first + data)
        with pytest.raises(WireError):
            letters.open_response(SEALED, first + data)
        with pytest.raises(WireError):
            letters.open_key_document(first + data, IDENTITY)


def test_an_answer_to_another_letter_does_not_open() -> None:
    another = letters.seal_request(NEW, b"operations", SECRET, SHARE)
    assert another.letter != SEALED.letter
    with pytest.raises(NotForUs):
        letters.open_response(another, ANSWER)
    with pytest.raises(NotForUs):
        letters.open_response(letters.SealedRequest(SEALED.letter, b"x" * 32), ANSWER)


def test_answers_to_the_same_letter_share_no_key() -> None:
    again = letters.seal_response(OPENED, b"m" * 32, b"answers", SHARE)
    assert again[33:] != ANSWER[33:]
    assert letters.open_response(SEALED, again).answers == b"answers"


def test_what_is_too_large_is_refused_before_it_is_opened() -> None:
    with pytest.raises(TooLarge):
        letters.open_request(KEYS, bytes(LETTER_SIZES[-1] + 1))
    with pytest.raises(TooLarge):
        letters.open_response(SEALED, bytes(LETTER_SIZES[-1] + 1))


@settings(max_examples=40)
@given(
    st.binary(max_size=120)
    | st.builds(
        lambda a, b: a + b,
        st.sampled_from([b"\x83\x58\x20", b"\x83\xf6", b"\x83\x58\x20" + bytes(32)]),
        st.binary(max_size=80),
    )
)
def test_any_inside_of_a_well_sealed_letter_or_answer_is_read_or_a_typed_error(inside: bytes) -> None:
    info = labelled("request") + b"\x00\x01" + IDENTITY + (8).to_bytes(8, "big")
    sealed = letters._SUITE.encrypt(inside, public_kem(NEW.public), info)
    try:
        opened = letters.open_request(KEYS, b"\x01\x08" + sealed)
        assert inside.rstrip(b"\x00")[:-1].endswith(opened.operations)
    except Malformed:
        pass
    key, iv = letters._response_key(SEALED.enc, SECRET, NONCE)
    try:
        letters.open_response(SEALED, b"\x03" + NONCE + ChaCha20Poly1305(key).encrypt(iv, inside, None))
    except Malformed:
        pass


@pytest.mark.parametrize(
    "inside", [b"", b"\x00" * 20, b"\x83\x58\x20" + bytes(32) + b"\xf6\x81\x01", b"\x80\x01\x00"]
)
def test_the_mark_before_the_padding_has_to_be_there(inside: bytes) -> None:
    info = labelled("request") + b"\x00\x01" + IDENTITY + (8).to_bytes(8, "big")
    with pytest.raises(Malformed, match="mark before its padding"):
        letters.open_request(KEYS, b"\x01\x08" + letters._SUITE.encrypt(inside, public_kem(NEW.public), info))


def test_the_suite_is_the_one_that_the_key_document_names() -> None:
    assert KEM == 0x647A
    assert len(SEALED.enc) == 1120
    with pytest.raises(Malformed):
        public_kem(b"\xff" * 1216)
    assert private_kem(KEM_KEYS[8]).public_key() is not None
