"""What is hashed or signed: log bodies, entries, pointers, changes."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from wire_values import altered, changes, damaged, entries, exactly, log_bodies, pointers, signed_changes

from whimbrel.wire import cbor, codec
from whimbrel.wire.errors import Malformed, TooLarge
from whimbrel.wire.operations import ENTRY_MAX, Change, Entry, Grant, LogBody, LogKind
from whimbrel.wire.stored import check_entry

KINDS: dict[str, tuple[st.SearchStrategy[Any], Callable[[Any], bytes], Callable[[bytes], Any]]] = {
    "log body": (log_bodies, codec.encode_log_body, codec.decode_log_body),
    "entry": (entries, codec.encode_entry, codec.decode_entry),
    "pointer": (pointers, codec.encode_pointer, codec.decode_pointer),
    "change": (changes, codec.encode_change, codec.decode_change),
    "signed change": (signed_changes, codec.encode_signed_change, codec.decode_signed_change),
}
each_kind = pytest.mark.parametrize(("values", "encode", "decode"), KINDS.values(), ids=KINDS)


@each_kind
@given(data=st.data())
def test_what_is_encoded_decodes_to_the_same(
    values: Any, encode: Any, decode: Any, data: st.DataObject
) -> None:
    value = data.draw(values)
    assert decode(encode(value)) == value


@each_kind
@given(data=st.data())
def test_other_bytes_are_the_one_encoding_of_another_value_or_refused(
    values: Any, encode: Any, decode: Any, data: st.DataObject
) -> None:
    encoded = encode(data.draw(values))
    near = cbor.encode(data.draw(altered(cbor.decode(encoded))))
    for candidate in (near, data.draw(damaged(encoded)), data.draw(st.binary(max_size=100))):
        try:
            value = decode(candidate)
        except Malformed:
            continue
        assert encode(value) == candidate


def mostly(usual: bytes, *others: bytes) -> st.SearchStrategy[bytes]:
    return st.sampled_from([usual] * 4 * len(others) + list(others))


@settings(max_examples=400)
@given(
    st.builds(
        lambda head, kind, mid, tag, rest: head + kind + mid + tag + rest,
        mostly(b"\x83", b"\x82", b"\x84", b"\x9f"),
        mostly(b"\x01", b"\x00", b"\x17", b"\x18", b"\x20", b"\xf6"),
        mostly(b"\x50", b"\x51", b"\x4f", b"\x70"),
        exactly(16),
        st.binary(max_size=60)
        | st.builds(
            lambda head, length, size: (
                head + length.to_bytes(1 if head == b"\x58" else 2, "big") + bytes(size)
            ),
            st.sampled_from([b"\x58", b"\x59"]),
            st.integers(0, 255),
            st.integers(0, 260),
        )
        | st.integers(0, 600).map(lambda size: b"\x59" + size.to_bytes(2, "big") + bytes(size)),
    )
)
def test_the_quick_look_at_an_entry_agrees_with_a_full_parse(data: bytes) -> None:
    try:
        value = cbor.decode(data)
        good = (
            isinstance(value, list)
            and len(value) == 3
            and type(value[0]) is int
            and 0 <= value[0] <= 23
            and type(value[1]) is bytes
            and len(value[1]) == 16
            and type(value[2]) is bytes
            and len(value[2]) >= 32
        )
    except Malformed:
        good = False
    if good:
        check_entry(data)
        assert codec.encode_entry(codec.decode_entry(data)) == data
    else:
        with pytest.raises(Malformed):
            check_entry(data)


def test_the_largest_entry_is_taken_and_one_byte_more_is_too_large() -> None:
    around = len(codec.encode_entry(Entry(1, bytes(16), bytes(1000)))) - 1000
    largest = codec.encode_entry(Entry(1, bytes(16), bytes(ENTRY_MAX - around)))
    assert len(largest) == ENTRY_MAX
    check_entry(largest)
    with pytest.raises(TooLarge):
        check_entry(codec.encode_entry(Entry(1, bytes(16), bytes(ENTRY_MAX - around + 1))))


def test_an_entry_is_never_as_short_as_the_id_that_takes_its_place() -> None:
    shortest = codec.encode_entry(Entry(1, bytes(16), bytes(32)))
    check_entry(shortest)
    assert len(shortest) > 32
    with pytest.raises(Malformed):
        check_entry(codec.encode_entry(Entry(1, bytes(16), bytes(31))))


def test_ids_are_hashes_of_the_bytes() -> None:
    entry = codec.encode_entry(Entry(3, b"t" * 16, b"b" * 40))
    assert codec.entry_id(entry) == hashlib.sha256(entry).digest()
    body = codec.encode_log_body(LogBody(LogKind.INBOX, bytes(32), bytes(32), (), bytes(32)))
    assert codec.log_id(body) == hashlib.sha256(body).digest()


@pytest.mark.parametrize(
    "body",
    [
        LogBody(LogKind.SELF, bytes(32), bytes(32), (bytes(32), bytes(32)), bytes(32)),
        LogBody(LogKind.SELF, bytes(32), bytes(32), (bytes(31),), bytes(32)),
        LogBody(LogKind.SELF, bytes(32), bytes(32), (), bytes(31)),
        LogBody(3, bytes(32), bytes(32), (), bytes(32)),
        LogBody(LogKind.SELF, bytes(32), bytes(32), (), bytes(32), version=2),
        LogBody(
            LogKind.SELF, bytes(32), bytes(32), tuple(n.to_bytes(32, "big") for n in range(257)), bytes(32)
        ),
    ],
    ids=["a key twice", "a short key", "a short nonce", "another kind", "another version", "too many admins"],
)
def test_a_log_body_is_refused_for(body: LogBody) -> None:
    with pytest.raises(Malformed):
        codec.decode_log_body(codec.encode_log_body(body))


@pytest.mark.parametrize(
    "change",
    [
        Change(0),
        Change(1 << 63),
        Change(1, grants=(Grant(bytes(32), 1, 1), Grant(bytes(32), 2, 2))),
        Change(1, revokes=(bytes(32), bytes(32))),
        Change(1, grants=tuple(Grant(n.to_bytes(32, "big"), 1, 1) for n in range(1025))),
        Change(1, read_hash=b""),
    ],
    ids=[
        "number 0",
        "a number of 64 bits",
        "granted twice",
        "revoked twice",
        "too many grants",
        "an empty hash",
    ],
)
def test_a_change_is_refused_for(change: Change) -> None:
    with pytest.raises(Malformed):
        codec.decode_change(codec.encode_change(change))


def test_the_largest_change_fits() -> None:
    some = tuple(n.to_bytes(32, "big") for n in range(1024))
    change = Change(
        (1 << 63) - 1,
        some[0],
        some[1],
        some[:256],
        tuple(Grant(h, (1 << 63) - 1, (1 << 63) - 1) for h in some),
        some,
    )
    assert codec.decode_change(codec.encode_change(change)) == change
