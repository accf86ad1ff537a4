"""Padding."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whimbrel.crypto.errors import Malformed
from whimbrel.crypto.padding import LEAST, pad, pad_to, padded_length, padme, unpad


@given(st.binary(max_size=5000))
def test_what_is_padded_comes_back(plaintext: bytes) -> None:
    assert unpad(pad(plaintext)) == plaintext


@given(st.binary(max_size=300).map(lambda b: b + b"\x80\x00\x00"))
def test_what_looks_like_padding_stays(plaintext: bytes) -> None:
    assert unpad(pad(plaintext)) == plaintext


# Worked out by hand from the definition in the PURBs paper, 4.
@pytest.mark.parametrize(
    ("length", "padded"),
    [(0, 0), (1, 1), (2, 2), (9, 10), (255, 256), (256, 256), (257, 272), (1000, 1024), (100_000, 100_352)],
)
def test_padme_rounds_as_its_authors_say(length: int, padded: int) -> None:
    assert padme(length) == padded


@given(st.integers(1, 2**40))
def test_padme_adds_at_most_12_percent_and_is_stable(length: int) -> None:
    padded = padme(length)
    assert length <= padded <= length * 1.12
    assert padme(padded) == padded


@given(st.integers(0, 2**40), st.integers(0, 2**40))
def test_what_is_longer_is_not_padded_to_less(one: int, other: int) -> None:
    assert padded_length(min(one, other)) <= padded_length(max(one, other))


def test_short_messages_are_all_256_bytes_long() -> None:
    assert {len(pad(bytes(n))) for n in range(LEAST)} == {LEAST}
    assert len(pad(bytes(LEAST))) == 272


@pytest.mark.parametrize("padded", [b"", bytes(256), b"x" + bytes(255), b"\x81"])
def test_without_its_mark_nothing_is_unpadded(padded: bytes) -> None:
    with pytest.raises(Malformed):
        unpad(padded)


def test_the_mark_needs_room() -> None:
    assert pad_to(b"abc", 4) == b"abc\x80"
    with pytest.raises(ValueError, match="fit"):
        pad_to(b"abcd", 4)
