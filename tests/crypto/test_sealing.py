"""Sealing to inbox keys."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support.mangling import hostile
from support.people import ADA, BO, secret
from whimbrel.crypto.errors import CryptoError, Malformed, NotOpened
from whimbrel.crypto.sealing import (
    OVERHEAD,
    PRIVATE,
    PUBLIC,
    SEAL_MAX,
    SIZES,
    new_inbox_key,
    open_sealed,
    seal,
)
from whimbrel.wire.codec import encode_entry
from whimbrel.wire.operations import ENTRY_MAX, Entry, EntryKind

SEALED = seal(ADA.inbox_public, "letter", b"come in", b"inbox")


@settings(max_examples=20)
@given(st.binary(max_size=2000), st.binary(max_size=40))
def test_what_is_sealed_opens_with_the_private_key(data: bytes, context: bytes) -> None:
    sealed = seal(ADA.inbox_public, "letter", data, context)
    assert open_sealed(ADA.inbox_private, "letter", sealed, context) == data


def test_keys_are_new_each_time_and_of_these_sizes() -> None:
    private, public = new_inbox_key()
    assert (len(private), len(public)) == (PRIVATE, PUBLIC)
    assert new_inbox_key() != (private, public)
    assert open_sealed(private, "letter", seal(public, "letter", b"x")) == b"x"


def test_sealing_twice_gives_other_bytes() -> None:
    assert seal(ADA.inbox_public, "letter", b"come in", b"inbox") != SEALED


@pytest.mark.parametrize(
    ("private", "purpose", "context"),
    [
        (BO.inbox_private, "letter", b"inbox"),
        (ADA.inbox_private, "letters", b"inbox"),
        (ADA.inbox_private, "letter", b"another inbox"),
        (ADA.inbox_private, "letter", b""),
    ],
)
def test_it_opens_for_nobody_else_nothing_else_and_nowhere_else(
    private: bytes, purpose: str, context: bytes
) -> None:
    with pytest.raises(NotOpened):
        open_sealed(private, purpose, SEALED, context)


@settings(max_examples=60)
@given(hostile(SEALED))
def test_any_bytes_open_to_what_was_sealed_or_are_an_error(data: bytes) -> None:
    try:
        opened = open_sealed(ADA.inbox_private, "letter", data, b"inbox")
    except CryptoError:
        return
    assert opened == b"come in"


@pytest.mark.parametrize("size", [0, 1, SIZES[0] - 1, SIZES[0], SIZES[1], SEAL_MAX])
def test_sizes_are_few(size: int) -> None:
    sealed = seal(ADA.inbox_public, "letter", bytes(size))
    assert len(sealed) - OVERHEAD in SIZES
    assert len(sealed) - OVERHEAD > size


def test_the_largest_fits_an_entry_and_a_larger_one_is_refused() -> None:
    sealed = seal(ADA.inbox_public, "letter", bytes(SEAL_MAX))
    assert len(encode_entry(Entry(EntryKind.SEALED, bytes(16), sealed))) <= ENTRY_MAX
    with pytest.raises(ValueError, match="can be sealed"):
        seal(ADA.inbox_public, "letter", bytes(SEAL_MAX + 1))


@pytest.mark.parametrize("size", [0, 31, 33, 96])
def test_a_private_key_has_32_bytes(size: int) -> None:
    with pytest.raises(ValueError, match="32"):
        open_sealed(bytes(size), "letter", SEALED, b"inbox")


@pytest.mark.parametrize(
    "public",
    [
        b"",
        secret("short"),
        ADA.inbox_public + b"x",
        b"\xff" * PUBLIC,  # coefficients that are not reduced (FIPS 203, 7.2)
        ADA.inbox_public[:1184] + bytes(32),  # the point of order one (RFC 7748, 6.1)
    ],
)
def test_nothing_is_sealed_to_what_is_no_key(public: bytes) -> None:
    with pytest.raises(Malformed):
        seal(public, "letter", b"x")
