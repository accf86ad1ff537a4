"""Deterministic CBOR: one encoding of each value, and no bytes that do harm."""

from __future__ import annotations

import time
import tracemalloc
from typing import Any

import cbor2
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from wire_values import cbor_values, damaged

from whimbrel.wire import cbor, heads
from whimbrel.wire.errors import Malformed, TooLarge


def value_or_refused(data: bytes) -> None:
    try:
        value = cbor.decode(data)
    except Malformed:
        return
    assert cbor.encode(value) == data
    assert cbor.encode_ordered(value) == data


@given(st.binary(max_size=200))
def test_any_bytes_are_the_one_encoding_of_a_value_or_refused(data: bytes) -> None:
    value_or_refused(data)


HEADS = st.sampled_from(
    [bytes((major << 5 | low,)) for major in range(8) for low in (0, 1, 2, 16, 23, 24, 25, 26, 27, 28, 31)]
)


@given(st.lists(HEADS | st.binary(max_size=3), max_size=30).map(b"".join))
def test_any_sequence_of_heads_is_a_value_or_refused(data: bytes) -> None:
    value_or_refused(data)


@given(cbor_values)
def test_what_is_encoded_decodes_to_the_same(value: Any) -> None:
    assert cbor.decode(cbor.encode(value)) == value
    assert cbor.encode_ordered(value) == cbor.encode(value)


@given(st.data(), cbor_values)
def test_damaged_bytes_are_another_value_or_refused(data: st.DataObject, value: Any) -> None:
    encoded = cbor.encode(value)
    broken = data.draw(damaged(encoded))
    value_or_refused(broken)


@pytest.mark.parametrize(
    ("data", "what"),
    [
        ("", "nothing"),
        ("0000", "trailing bytes"),
        ("1800", "a number longer than needed"),
        ("190017", "a number longer than needed"),
        ("1a0000ffff", "a number longer than needed"),
        ("1b00000000ffffffff", "a number longer than needed"),
        ("580100", "a length longer than needed"),
        ("9800", "a length longer than needed"),
        ("a201000000", "keys out of order"),
        ("a200000000", "a key twice"),
        ("a2 1817 00 1818 00".replace(" ", ""), "a key longer than needed"),
        ("a12000", "a negative key"),
        ("a1f500", "a key that is true"),
        ("a1616100", "a key that is text"),
        ("a1410000", "a key that is bytes"),
        ("a18000", "a key that is an array"),
        ("a11a0001000000", "a key above 65535"),
        ("5f4100ff", "indefinite bytes"),
        ("7f6161ff", "an indefinite text"),
        ("9fff", "an indefinite array"),
        ("bfff", "an indefinite map"),
        ("ff", "a break alone"),
        ("f90000", "a float of two bytes"),
        ("fa00000000", "a float of four bytes"),
        ("fb0000000000000000", "a float of eight bytes"),
        ("f97e00", "not a number"),
        ("f7", "undefined"),
        ("e0", "a simple value"),
        ("f8ff", "a simple value"),
        ("c074323031332d30332d32315432303a30343a30305a", "a date"),
        ("c11a514b67b0", "a time"),
        ("c249010000000000000000", "a large number"),
        ("c2420100", "a large number that is small"),
        ("c349010000000000000000", "a large negative number"),
        ("c48221196ab3", "a decimal"),
        ("d81c80", "a value to be shared"),
        ("d81d00", "a reference to nothing"),
        ("d81c81d81d00", "a value that contains itself"),
        ("d9010083000102", "a string reference"),
        ("d9010280", "a set"),
        ("d82350" + "00" * 16, "a regular expression"),
        ("d8255000000000000000000000000000000000", "a UUID"),
        ("d901044401020304", "an address"),
        ("d9d9f700", "self-described CBOR"),
        ("62c328", "a text that is no UTF-8"),
        ("63eda080", "half a surrogate"),
        ("1c", "a reserved length"),
        ("9bffffffffffffffff", "an array without end"),
        ("bb7fffffffffffffff", "a map without end"),
        ("5bffffffffffffffff", "bytes without end"),
        ("7b7fffffffffffffff", "a text without end"),
    ],
)
def test_is_refused(data: str, what: str) -> None:
    with pytest.raises(Malformed):
        cbor.decode(bytes.fromhex(data))


@pytest.mark.parametrize(
    ("head", "tail"),
    [(b"\x81", b"\x00"), (b"\xa1\x00", b"\x00"), (b"\xc6", b"\x00"), (b"\x9f", b""), (b"\xd8\x1c\x81", b"")],
)
@pytest.mark.parametrize("depth", [cbor.DEPTH_MAX + 1, 300, 1000, 200_000])
def test_deep_nesting_is_refused_before_it_exhausts_anything(head: bytes, tail: bytes, depth: int) -> None:
    with pytest.raises(Malformed):
        cbor.decode(head * depth + tail, max_bytes=1 << 20)


def test_nesting_up_to_the_limit_is_accepted() -> None:
    value: Any = 0
    for _ in range(cbor.DEPTH_MAX):
        value = [value]
    assert cbor.decode(cbor.encode(value)) == value
    with pytest.raises(ValueError, match="deeply"):
        cbor.encode([value])


@pytest.mark.parametrize(
    "head",
    [
        "9b00000000ffffffff",
        "bb00000000ffffffff",
        "5b00000000ffffffff",
        "9a7fffffff",
        "5a7fffffff",
        "7a7fffffff",
    ],
)
def test_a_length_takes_no_memory_before_its_bytes_are_there(head: str) -> None:
    tracemalloc.start()
    with pytest.raises(Malformed):
        cbor.decode(bytes.fromhex(head) + bytes(1000))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 1_000_000


@pytest.mark.parametrize("element", [b"\x80", b"\xa0", b"\x00", b"\x81\x80", b"\xa1\x00\xa0"])
def test_the_largest_message_of_nothing_but_small_parts_is_refused_within_bounds(element: bytes) -> None:
    count = (cbor.MESSAGE_MAX - 5) // len(element)
    data = b"\x9a" + count.to_bytes(4, "big") + element * count
    before = time.process_time()
    with pytest.raises(TooLarge):
        cbor.decode(data)
    assert time.process_time() - before < 5


def test_as_many_values_as_are_allowed_are_taken() -> None:
    value = [0] * cbor.PARTS_MAX
    assert cbor.decode(cbor.encode(value)) == value
    with pytest.raises(ValueError):
        cbor.encode([*value, 0])


def test_too_much_is_refused_before_it_is_looked_at() -> None:
    with pytest.raises(TooLarge):
        cbor.decode(b"\xff" * (cbor.MESSAGE_MAX + 1))
    with pytest.raises(TooLarge):
        cbor.decode(b"\x43abc", max_bytes=3)
    assert cbor.decode(b"\x43abc", max_bytes=4) == b"abc"


@pytest.mark.parametrize(
    "value",
    [
        1.5,
        float("nan"),
        1 << 64,
        -(1 << 64) - 1,
        {1.0: 2},
        {-1: 0},
        {"a": 0},
        {True: 0},
        {65536: 0},
        object(),
        {1, 2},
        cbor2.undefined,
        "\ud800",
        bytearray(b"a"),
    ],
)
def test_our_own_misuse_is_a_value_error(value: Any) -> None:
    with pytest.raises(ValueError):
        cbor.encode(value)


def test_keys_are_put_in_order() -> None:
    assert cbor.encode({300: 0, 24: 1, 2: 2, 0: 3}).hex() == "a4000302021818011901 2c00".replace(" ", "")


@example(-(1 << 64))
@example((1 << 64) - 1)
@given(st.integers(-(1 << 64), (1 << 64) - 1))
def test_numbers_of_64_bits_and_a_sign_are_carried(number: int) -> None:
    assert cbor.decode(cbor.encode(number)) == number


SIZES = st.sampled_from([0, 1, 23, 24, 25, 255, 256, 257, 65535, 65536, 65537])


@example(1 << 32)
@example((1 << 64) - 1)
@given(SIZES | st.integers(0, (1 << 64) - 1))
def test_heads_of_numbers_are_those_of_cbor(number: int) -> None:
    encoded = cbor.encode(number)
    assert heads.number(number) == encoded
    assert heads.read_number(b"x" + encoded + b"y", 1) == (number, 1 + len(encoded))


@given(SIZES)
def test_heads_of_arrays_and_byte_strings_are_those_of_cbor(size: int) -> None:
    assert heads.byte_string(bytes(size)) == cbor.encode(bytes(size))
    assert heads.array(size) + bytes(size) == cbor.encode([0] * size)


@given(st.binary(min_size=1, max_size=10))
def test_any_bytes_are_a_number_in_its_one_encoding_or_refused(data: bytes) -> None:
    try:
        number, end = heads.read_number(data, 0)
    except Malformed:
        return
    assert cbor.encode(number) == data[:end]


@pytest.mark.parametrize("number", [-1, 1 << 64])
def test_there_is_no_head_for_other_numbers(number: int) -> None:
    with pytest.raises(OverflowError):
        heads.number(number)
