"""Cards: signed by the account, sealed as a blob."""

from dataclasses import replace

import pytest
from hypothesis import given

from support.mangling import hostile
from support.people import ADA, BO, MALLORY, secret, stuff
from whimbrel.crypto.cards import SIZES, decode_card, encode_card, open_card, seal_card
from whimbrel.crypto.errors import CryptoError, Malformed, NotOpened, NotSigned
from whimbrel.wire.cbor import decode, encode
from whimbrel.wire.operations import CHUNK
from whimbrel.wire.purpose import sign

KEY = secret("a card's key")


def resigned(fields: dict[int, object]) -> bytes:
    body = encode(fields)
    return body + sign(ADA.account.private, "card", body)


def fields_of(card: bytes) -> dict[int, object]:
    found = decode(card[:-64])
    assert isinstance(found, dict)
    return found


def test_a_card_comes_back_as_it_was_signed() -> None:
    assert decode_card(ADA.signed_card) == ADA.card
    assert decode_card(ADA.signed_card).devices() == ADA.devices


def test_a_card_is_signed_by_its_own_account_only() -> None:
    with pytest.raises(ValueError, match="own account"):
        encode_card(ADA.card, MALLORY.account.private)
    body = ADA.signed_card[:-64]
    with pytest.raises(NotSigned):
        decode_card(body + sign(MALLORY.account.private, "card", body))


def test_a_card_does_not_show_anothers_devices() -> None:
    with pytest.raises(Malformed, match="somebody else"):
        decode_card(resigned(fields_of(ADA.signed_card) | {4: BO.card.device_list}))


def test_a_card_with_a_device_list_that_was_altered_is_refused_though_the_card_is_signed() -> None:
    altered = bytearray(ADA.card.device_list)
    altered[40] ^= 1
    with pytest.raises(CryptoError):
        decode_card(resigned(fields_of(ADA.signed_card) | {4: bytes(altered)}))


def test_a_card_of_a_later_version_keeps_what_may_be_overlooked_and_refuses_what_may_not() -> None:
    assert decode_card(resigned(fields_of(ADA.signed_card) | {13: "later"})) == ADA.card
    with pytest.raises(Malformed):
        decode_card(resigned(fields_of(ADA.signed_card) | {14: "later"}))


@pytest.mark.parametrize("missing", [0, 2, 4, 6, 8, 10, 12])
def test_a_card_lacks_nothing(missing: int) -> None:
    fields = fields_of(ADA.signed_card)
    del fields[missing]
    with pytest.raises(Malformed):
        decode_card(resigned(fields))


@pytest.mark.parametrize("name", ["A\x00da", "x" * 257, "\u202eadA"])
def test_a_name_that_deceives_is_no_name(name: str) -> None:
    with pytest.raises(Malformed, match="name"):
        decode_card(resigned(fields_of(ADA.signed_card) | {2: name}))


def test_a_card_that_would_not_come_back_the_same_is_not_signed() -> None:
    with pytest.raises(ValueError, match="another"):
        encode_card(replace(ADA.card, reach=[ADA.reach]), ADA.account.private)  # type: ignore[arg-type]


@given(hostile(ADA.signed_card))
def test_any_bytes_are_the_card_that_was_signed_or_an_error(data: bytes) -> None:
    try:
        card = decode_card(data)
    except CryptoError:
        return
    assert card == ADA.card


def test_a_sealed_card_opens_with_its_key_and_no_other() -> None:
    chunks = seal_card(KEY, ADA.signed_card)
    assert open_card(KEY, chunks) == ADA.signed_card
    with pytest.raises(NotOpened):
        open_card(secret("another"), chunks)


def test_cards_of_different_lengths_look_alike() -> None:
    plain = seal_card(KEY, ADA.signed_card)
    longer = encode_card(replace(ADA.card, name="Ada of the long name" * 5), ADA.account.private)
    assert (
        [len(chunk) for chunk in plain] == [len(chunk) for chunk in seal_card(KEY, longer)] == [SIZES[0] + 16]
    )


def test_a_card_of_many_devices_takes_several_chunks() -> None:
    packages = tuple(stuff(f"key package {n}", 3000) for n in range(40))
    card = encode_card(replace(ADA.card, key_packages=packages), ADA.account.private)
    chunks = seal_card(KEY, card)
    assert len(chunks) == 2
    assert len(chunks[0]) == CHUNK + 16
    assert open_card(KEY, chunks) == card


def test_a_sealed_card_cannot_be_cut_reordered_or_grown() -> None:
    packages = tuple(stuff(f"key package {n}", 3000) for n in range(60))
    first, second, *rest = seal_card(
        KEY, encode_card(replace(ADA.card, key_packages=packages), ADA.account.private)
    )
    for chunks in ([], [first], [second, first, *rest], [first, second], [first, second, *rest, rest[-1]]):
        with pytest.raises(CryptoError):
            open_card(KEY, chunks)


def test_a_blob_that_no_card_fills_is_not_read() -> None:
    with pytest.raises(Malformed, match="too large"):
        open_card(KEY, [bytes(CHUNK + 16)] * 9)
