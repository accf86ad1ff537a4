"""What stands inside an MLS message."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.mangling import hostile
from support.people import ADA, BO, secret, stuff
from whimbrel.crypto.errors import CryptoError, Malformed, TooLarge
from whimbrel.crypto.padding import pad
from whimbrel.crypto.payload import (
    BODY_MAX,
    Payload,
    PayloadKind,
    decode_key_packages,
    decode_payload,
    decode_reach,
    encode_key_packages,
    encode_payload,
    encode_reach,
)
from whimbrel.wire.cbor import encode

HELLO = Payload(PayloadKind.CONTENT, 12, secret("h"), b"hello")


@given(
    st.builds(
        Payload,
        st.integers(0, 65535),
        st.integers(0, 2**63 - 1),
        st.binary(min_size=32, max_size=32),
        st.binary(max_size=2000),
    )
)
def test_a_payload_comes_back_also_one_of_a_kind_that_is_not_known_yet(payload: Payload) -> None:
    assert decode_payload(encode_payload(payload)) == payload


def test_the_kinds_have_the_numbers_of_the_page() -> None:
    assert {kind.name: kind.value for kind in PayloadKind} == {
        "CONTENT": 1,
        "RECEIPTS": 2,
        "KEY_PACKAGES": 3,
        "REACH": 4,
        "LEFT": 5,
        "MOVE": 6,
        "RE_ADD": 7,
        "CARD": 8,
        "WAYS": 9,
    }


def test_a_short_message_takes_256_bytes_whatever_it_says() -> None:
    assert len(encode_payload(HELLO)) == 256
    assert len(encode_payload(Payload(PayloadKind.LEFT, 0, secret("h"), b""))) == 256


def test_the_largest_body_comes_through_and_a_larger_one_does_not_leave() -> None:
    largest = Payload(PayloadKind.CONTENT, 1, secret("h"), bytes(BODY_MAX))
    assert decode_payload(encode_payload(largest)) == largest
    with pytest.raises(ValueError, match="allowed"):
        encode_payload(Payload(PayloadKind.CONTENT, 1, secret("h"), bytes(BODY_MAX + 1)))
    with pytest.raises(Malformed):
        decode_payload(pad(encode([1, 1, secret("h"), bytes(BODY_MAX + 1)])))
    with pytest.raises(TooLarge, match="a message that is too large"):
        decode_payload(b"\x80" + bytes(2 * BODY_MAX))


@given(hostile(encode_payload(HELLO)))
def test_any_bytes_are_a_payload_or_an_error(data: bytes) -> None:
    try:
        payload = decode_payload(data)
    except CryptoError:
        return
    assert decode_payload(encode_payload(payload)) == payload


def test_key_packages_and_news_of_reach_come_back() -> None:
    packages = (stuff("one", 2800), stuff("two", 2800))
    assert decode_key_packages(encode_key_packages(packages)) == packages
    assert decode_reach(encode_reach([ADA.reach, BO.reach])) == (ADA.reach, BO.reach)


@given(hostile(encode_key_packages([b"one", b"two"])))
def test_any_bytes_are_key_packages_or_an_error(body: bytes) -> None:
    try:
        packages = decode_key_packages(body)
    except CryptoError:
        return
    assert encode_key_packages(packages) == body


@given(hostile(encode_reach([ADA.reach])))
def test_any_bytes_are_news_of_reach_or_an_error(body: bytes) -> None:
    try:
        reach = decode_reach(body)
    except CryptoError:
        return
    assert encode_reach(reach) == body
