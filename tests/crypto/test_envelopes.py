"""Letters: what is in them, and whose word they are."""

from dataclasses import replace

import pytest
from hypothesis import given, settings

from support.mangling import hostile
from support.people import ADA, BO, DAY, MALLORY, secret, stuff
from whimbrel.crypto.envelopes import (
    REQUEST_TEXT_MAX,
    BlobRef,
    ContactRequest,
    Letter,
    Move,
    Parent,
    Position,
    ReAdd,
    WelcomeEnvelope,
    card_of,
    credential_of,
    decode_letter,
    encode_letter,
    roster_hash,
    sign_move,
    sign_re_add,
    sign_request,
)
from whimbrel.crypto.errors import CryptoError, Malformed, Newer, NotSigned
from whimbrel.wire.cbor import decode, encode

WELCOME = WelcomeEnvelope(
    conversation=secret("conversation"),
    generation=DAY,
    kind="pair",
    move=None,
    log=secret("log"),
    relay=secret("relay"),
    routes=("wss://relay.example:443/way",),
    read=secret("read"),
    write=secret("write"),
    position=Position(1, 1, secret("h")),
    change_n=1,
    welcome=stuff("welcome", 90),
    tree=stuff("tree", 120),
    card=ADA.signed_card,
)
IN_BLOBS = replace(
    WELCOME,
    kind="group",
    welcome=BlobRef(secret("blob 1"), 300_000, secret("hash 1"), secret("key 1")),
    tree=BlobRef(secret("blob 2"), 2_600_000, secret("hash 2"), secret("key 2")),
)
UNSIGNED_REQUEST = ContactRequest(secret("inbox of Bo"), ADA.signed_card, "It is me, Ada.", DAY)
REQUEST = sign_request(ADA.account.private, UNSIGNED_REQUEST)
UNSIGNED_RE_ADD = ReAdd(
    secret("conversation"),
    stuff("key package", 80),
    41,
    secret("h"),
    DAY,
    BO.device.public,
    stuff("inbox key", 1216),
)
RE_ADD = sign_re_add(ADA.device.private, ADA.credential, UNSIGNED_RE_ADD)
UNSIGNED_MOVE = Move(
    conversation=secret("conversation"),
    generation=DAY + 1,
    parent=Parent(secret("old log"), 77, secret("old h")),
    log=secret("new log"),
    relay=secret("relay"),
    routes=(),
    suite=0x004E,
    roster_hash=roster_hash([ADA.account.public, BO.account.public]),
)
MOVE = sign_move(ADA.account.private, UNSIGNED_MOVE)
MOVED = replace(WELCOME, generation=MOVE.generation, log=MOVE.log, move=MOVE)
LETTERS: list[Letter] = [WELCOME, IN_BLOBS, MOVED, REQUEST, RE_ADD, MOVE]


@pytest.mark.parametrize("letter", LETTERS, ids=lambda letter: type(letter).__name__)
def test_a_letter_comes_back_as_what_it_was(letter: Letter) -> None:
    assert decode_letter(encode_letter(letter)) == letter


def test_a_letter_shows_the_card_of_its_sender() -> None:
    assert card_of(WELCOME) == card_of(REQUEST) == ADA.card
    assert credential_of(RE_ADD).account == ADA.account.public


def test_a_device_of_the_card_may_ask_as_well() -> None:
    by_device = sign_request(ADA.device.private, UNSIGNED_REQUEST)
    assert decode_letter(encode_letter(by_device)) == by_device


def test_nobody_asks_with_anothers_card() -> None:
    with pytest.raises(NotSigned):
        encode_letter(sign_request(MALLORY.account.private, UNSIGNED_REQUEST))
    with pytest.raises(NotSigned):
        encode_letter(
            replace(sign_request(MALLORY.account.private, UNSIGNED_REQUEST), signer=ADA.account.public)
        )


@pytest.mark.parametrize(
    "change",
    [
        {"to": secret("inbox of Carol")},
        {"text": "I hate you."},
        {"made_at": DAY + 1},
        {"card": BO.signed_card},
    ],
)
def test_a_request_is_not_passed_on_or_altered(change: dict[str, object]) -> None:
    with pytest.raises(NotSigned):
        encode_letter(replace(REQUEST, **change))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "change",
    [
        {"conversation": secret("another")},
        {"key_package": b"another"},
        {"seq": 42},
        {"h": secret("another")},
        {"made_at": DAY + 1},
        {"replaces": MALLORY.device.public},
        {"inbox_key": stuff("another", 1216)},
        {"device": MALLORY.device.public},
        {"credential": MALLORY.credential},
    ],
)
def test_a_request_to_be_let_in_again_is_its_devices_word(change: dict[str, object]) -> None:
    with pytest.raises(NotSigned):
        encode_letter(replace(RE_ADD, **change))  # type: ignore[arg-type]


def test_nobody_asks_to_be_let_in_again_as_anothers_device() -> None:
    with pytest.raises(NotSigned):
        encode_letter(sign_re_add(MALLORY.device.private, ADA.credential, UNSIGNED_RE_ADD))


@pytest.mark.parametrize(
    "change",
    [
        {"conversation": secret("another")},
        {"generation": DAY},
        {"log": secret("log")},
        {"relay": secret("x")},
    ],
)
def test_a_move_belongs_to_one_welcome(change: dict[str, object]) -> None:
    with pytest.raises(Malformed):
        encode_letter(replace(MOVED, **change))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "change",
    [
        {"conversation": secret("another")},
        {"generation": DAY + 2},
        {"parent": Parent(secret("old log"), 78, secret("old h"))},
        {"log": secret("another")},
        {"relay": secret("another")},
        {"routes": ("wss://evil.example:443/",)},
        {"suite": 0x0003},
        {"roster_hash": roster_hash([ADA.account.public])},
        {"signer": BO.account.public},
    ],
)
def test_a_move_is_its_signers_word(change: dict[str, object]) -> None:
    with pytest.raises(NotSigned):
        encode_letter(replace(MOVE, **change))  # type: ignore[arg-type]


def test_an_unsigned_letter_cannot_be_made() -> None:
    for letter in (UNSIGNED_REQUEST, UNSIGNED_RE_ADD, UNSIGNED_MOVE):
        with pytest.raises(CryptoError):
            encode_letter(letter)


def test_a_signature_under_one_letter_does_not_fit_another() -> None:
    value = decode(encode_letter(RE_ADD))
    assert isinstance(value, list)
    for tag in (1, 2, 4):
        with pytest.raises(CryptoError):
            decode_letter(encode([tag, *value[1:]]))


def test_a_request_says_at_most_so_much() -> None:
    longest = sign_request(ADA.account.private, replace(UNSIGNED_REQUEST, text="é" * REQUEST_TEXT_MAX))
    assert decode_letter(encode_letter(longest)) == longest
    with pytest.raises(Malformed):
        encode_letter(sign_request(ADA.account.private, replace(longest, text="é" * (REQUEST_TEXT_MAX + 1))))


def test_a_letter_of_a_later_kind_is_told_apart_from_a_broken_one() -> None:
    with pytest.raises(Newer):
        decode_letter(encode([5, "something new"]))
    with pytest.raises(Malformed):
        decode_letter(encode([]))


def test_a_roster_is_a_set_of_accounts() -> None:
    a, b = ADA.account.public, BO.account.public
    assert roster_hash([a, b]) == roster_hash([b, a, a]) != roster_hash([a])


@settings(max_examples=300)
@given(hostile(*map(encode_letter, LETTERS)))
def test_any_bytes_are_a_letter_with_this_encoding_or_an_error(data: bytes) -> None:
    try:
        letter = decode_letter(data)
    except CryptoError:
        return
    assert encode_letter(letter) == data
    if not isinstance(letter, WelcomeEnvelope):
        assert letter in LETTERS  # nothing else was signed
