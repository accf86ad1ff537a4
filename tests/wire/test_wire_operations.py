"""Operations: their bytes, their limits, and what becomes of those that are not well formed."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wire_values import altered, cbor_values, damaged, encoded_entries, ids, numbers, operations

from whimbrel.wire import cbor, codec
from whimbrel.wire.answers import Failure, Status
from whimbrel.wire.asking import read_plain_append
from whimbrel.wire.errors import Malformed, TooLarge
from whimbrel.wire.operations import (
    ENTRY_MAX,
    SEALED_CHUNK,
    Append,
    Drop,
    Entry,
    Fetch,
    Get,
    Keep,
    Operation,
    Proof,
    Put,
    Signal,
    Stat,
    Unknown,
    Watch,
    WatchItem,
)

LOG, TOKEN, BLOB = b"l" * 32, b"t" * 32, b"b" * 32
ENTRY = codec.encode_entry(Entry(1, bytes(16), bytes(40)))
OTHER = codec.encode_entry(Entry(1, bytes(16), bytes(41)))
PROOF = Proof(b"k" * 32, b"s" * 64)


def one_encoding(data: bytes, value: Any) -> None:
    """An operation that was taken encodes to the same bytes, unless it had odd keys, which later versions may add."""
    try:
        operation = codec.decode_operation(data)
    except Malformed:
        return
    again = codec.encode_operation(operation)
    if not isinstance(operation, Unknown) and not any(key % 2 for key in value[1]):
        assert again == data
    assert codec.decode_operation(again) == operation


@given(operations)
def test_what_is_encoded_decodes_to_the_same(operation: Operation) -> None:
    assert codec.decode_operation(codec.encode_operation(operation)) == operation


@given(st.lists(operations, max_size=5))
def test_several_decode_in_their_order(asked: list[Operation]) -> None:
    assert codec.decode_operations(codec.encode_operations(asked)) == asked


@given(st.data(), operations)
def test_an_altered_operation_is_the_one_encoding_of_another_or_refused(
    data: st.DataObject, operation: Operation
) -> None:
    value = data.draw(altered(cbor.decode(codec.encode_operation(operation))))
    one_encoding(cbor.encode(value), value)


@given(st.integers(0, 14), st.dictionaries(st.integers(0, 16), cbor_values, max_size=6))
def test_any_map_under_any_code_is_an_operation_or_refused(code: int, content: dict[int, Any]) -> None:
    value = [code, content]
    one_encoding(cbor.encode(value), value)


@given(cbor_values)
def test_any_value_is_an_operation_or_refused(value: Any) -> None:
    one_encoding(cbor.encode(value), value)


@given(st.data(), st.lists(operations, min_size=1, max_size=3))
def test_damaged_bytes_are_a_list_or_refused_as_a_whole(data: st.DataObject, asked: list[Operation]) -> None:
    try:
        found = codec.decode_operations(data.draw(damaged(codec.encode_operations(asked))))
    except Malformed:
        return
    assert all(isinstance(one, Operation | Failure) for one in found)


@given(st.data(), st.lists(operations, max_size=3), cbor_values)
def test_one_that_is_malformed_is_answered_alone(
    data: st.DataObject, asked: list[Operation], wrong: Any
) -> None:
    try:
        codec.decode_operation(cbor.encode(wrong))
    except Malformed:
        values = cbor.decode(codec.encode_operations(asked))
        at = data.draw(st.integers(0, len(asked)))
        found = codec.decode_operations(cbor.encode([*values[:at], wrong, *values[at:]]))
        assert found[:at] == asked[:at]
        assert found[at] == Failure(Status.MALFORMED)
        assert found[at + 1 :] == asked[at:]


def test_a_code_of_a_later_version_is_unknown_alone() -> None:
    data = cbor.encode([[13, {0: b"new"}], [10, {0: BLOB}]])
    assert codec.decode_operations(data) == [Unknown(13), Stat(BLOB)]


def test_an_unknown_even_key_is_refused_and_an_odd_one_ignored() -> None:
    with pytest.raises(Malformed):
        codec.decode_operation(cbor.encode([10, {0: BLOB, 2: 1}]))
    assert codec.decode_operation(cbor.encode([10, {0: BLOB, 1: {5: [None]}}])) == Stat(BLOB)
    append = {0: LOG, 2: TOKEN, 4: 0, 6: [ENTRY]}
    with pytest.raises(Malformed):
        codec.decode_operation(cbor.encode([2, {**append, 16: 1}]))
    assert codec.decode_operation(cbor.encode([2, {**append, 17: 1}])) == Append(LOG, TOKEN, 0, (ENTRY,))


def general(frame: bytes) -> tuple[int, Any] | None:
    """What the general parser makes of a frame that holds one plain append, None of any other."""
    try:
        kind, n, [value] = cbor.decode(frame)
        operation = codec.decode_operation(cbor.encode(value))
    except (Malformed, ValueError, TypeError):
        return None
    number_like = type(kind) is int and kind == 0 and type(n) is int and n >= 0
    plain = isinstance(operation, Append) and sorted(value[1]) == [0, 2, 4, 6] and len(operation.entries) == 1
    # The very largest entry has a longer head: rare, so the quick parser leaves it to the other.
    plain = plain and len(operation.entries[0]) < ENTRY_MAX
    return (n, operation) if number_like and plain else None


@given(
    st.data(),
    st.sampled_from([0, 1, 23, 24, 255, 256, 65535, 65536, 1 << 32, (1 << 64) - 1]),
    ids,
    numbers,
    encoded_entries,
)
def test_the_quick_parser_of_an_append_agrees_with_the_general_one(
    data: st.DataObject, n: int, log: bytes, turn: int, entry: bytes
) -> None:
    append = Append(log, log[::-1], turn, (entry,))
    frame = cbor.encode([0, n, [cbor.decode(codec.encode_operation(append))]])
    assert codec.decode_operation(codec.encode_operation(append)) == append
    assert read_plain_append(frame) == general(frame)
    assert len(entry) == ENTRY_MAX or general(frame) == (n, append)
    broken = data.draw(damaged(frame))
    assert read_plain_append(broken) == general(broken)


@given(st.data(), operations)
def test_the_quick_parser_leaves_everything_else_to_the_general_one(
    data: st.DataObject, operation: Operation
) -> None:
    value = [0, 1, [cbor.decode(codec.encode_operation(operation))]]
    for frame in (cbor.encode(value), cbor.encode(data.draw(altered(value)))):
        assert read_plain_append(frame) == general(frame)


@pytest.mark.parametrize(
    "frame",
    [
        "8300",
        "830001",
        "83001818" + "00" * 90,
        "830018",
        "83001b8000000000000000",
        "83001c",
        "830020",
        "8300f6",
        "",
    ],
)
def test_the_quick_parser_takes_any_bytes(frame: str) -> None:
    assert read_plain_append(bytes.fromhex(frame)) is None


def watch_items(count: int) -> tuple[WatchItem, ...]:
    return tuple(WatchItem(slot, LOG, TOKEN, 0) for slot in range(count))


IDS = tuple(n.to_bytes(32, "big") for n in range(1025))


@pytest.mark.parametrize(
    "operation",
    [
        Append(LOG, TOKEN, 0, ()),
        Append(LOG, TOKEN, 0, (ENTRY, ENTRY)),
        Append(LOG, TOKEN, 0, (ENTRY, OTHER), advance=True),
        Append(LOG, TOKEN, -1, (ENTRY,)),
        Append(LOG, TOKEN, 1 << 63, (ENTRY,)),
        Append(LOG[:31], TOKEN, 0, (ENTRY,)),
        Append(LOG, TOKEN, 0, (b"x" * 60,)),
        Append(LOG, TOKEN, 0, (ENTRY,), needs=(BLOB, BLOB)),
        Append(LOG, TOKEN, 0, (ENTRY,), admin=Proof(b"k" * 32, b"s" * 63)),
        Fetch(LOG, TOKEN, 0, 0),
        Fetch(LOG, TOKEN, 0, 1001),
        Fetch(LOG, TOKEN, 0, own=(b"i" * 15,)),
        Watch(own=(b"i" * 16, b"j")),
        Watch(own=(b"i" * 17,)),
        Watch(drop=(1,)),
        Watch(handle=b"h" * 16, items=watch_items(2), drop=(1,)),
        Watch(items=watch_items(1) * 2),
        Watch(handle=b"h" * 15),
        Watch(wait=3601),
        Watch(items=(WatchItem(65536, LOG, TOKEN, 0),)),
        Signal(LOG, TOKEN, b""),
        Put(BLOB, LOG, TOKEN, 10, 0, b"x" * 9),
        Put(BLOB, LOG, TOKEN, 10, 0, b"x" * 11),
        Put(BLOB, LOG, TOKEN, 10, 1, b"x" * 10),
        Put(BLOB, LOG, TOKEN, SEALED_CHUNK + 10, 0, b"x" * 10),
        Put(BLOB, LOG, b"short", 10, 0, b"x" * 10),
        Put(BLOB, LOG[:5], TOKEN, 10, 0, b"x" * 10),
        Put(BLOB, b"", b"", 10, 0, b"x" * 10),
        Put(BLOB, LOG, TOKEN, 0, 0, b""),
        Keep(LOG, TOKEN, ()),
        Get(BLOB, -1),
        Put(BLOB, LOG, TOKEN, 4000, 0, bytes(4000), 0),
        Put(BLOB, LOG, TOKEN, 4000, 0, bytes(1023), 0),
        Put(BLOB, LOG, TOKEN, 4000, 0, bytes(1500), 1024),
        Put(BLOB, LOG, TOKEN, 4000, 0, bytes(1024), 1023),
        Put(BLOB, LOG, TOKEN, 4000, 0, bytes(929), 3072),
        Put(BLOB, LOG, TOKEN, 4000, 0, b"x", 4096),
        Put(BLOB, LOG, TOKEN, SEALED_CHUNK, 1, b"x", 0),
        Put(BLOB, LOG, TOKEN, 4000, 0, bytes(1024), -1024),
        Get(BLOB, 0, 1024),
        Get(BLOB, 0, 0, 0),
        Get(BLOB, 0, 0, 1000),
        Get(BLOB, 0, 1000, 1024),
        Get(BLOB, 0, 66560, 1024),
        Drop(LOG, b"", PROOF),
    ],
)
def test_is_malformed(operation: Operation) -> None:
    data = codec.encode_operations([operation, Stat(BLOB)])
    assert codec.decode_operations(data) == [Failure(Status.MALFORMED), Stat(BLOB)]


@pytest.mark.parametrize(
    "operation",
    [
        Append(LOG, TOKEN, 0, (codec.encode_entry(Entry(1, bytes(16), bytes(65536))),)),
        Append(
            LOG, TOKEN, 0, tuple(codec.encode_entry(Entry(1, bytes(16), bytes(32 + n))) for n in range(129))
        ),
        Append(LOG, TOKEN, 0, (ENTRY,), needs=IDS),
        Keep(LOG, TOKEN, IDS),
        Signal(LOG, TOKEN, bytes(16385)),
        Put(BLOB, LOG, TOKEN, 1 << 20, 0, bytes(SEALED_CHUNK + 1)),
        Put(BLOB, b"", bytes(241), 10, 0, b"x" * 10),
        Watch(items=watch_items(4097)),
    ],
)
def test_is_too_large(operation: Operation) -> None:
    data = codec.encode_operations([operation, Stat(BLOB)])
    assert codec.decode_operations(data) == [Failure(Status.TOO_LARGE), Stat(BLOB)]


@pytest.mark.parametrize(
    "operation",
    [
        Append(
            LOG,
            TOKEN,
            (1 << 63) - 1,
            tuple(codec.encode_entry(Entry(1, bytes(16), bytes(32 + n))) for n in range(128)),
        ),
        Append(LOG, TOKEN, 0, (ENTRY,), needs=IDS[:1024]),
        Watch(items=watch_items(4096), wait=3600),
        Watch(b"h" * 16, watch_items(1), (5, 4)),
        Watch(),
        Watch(own=(b"i" * 16, b"j" * 16)),
        Fetch(LOG, TOKEN, 0, own=(b"i" * 16,) * 64),
        Signal(LOG, TOKEN, bytes(16384)),
        Put(BLOB, LOG, TOKEN, SEALED_CHUNK, 0, bytes(SEALED_CHUNK)),
        Put(BLOB, LOG, TOKEN, SEALED_CHUNK + 1, 1, b"x"),
        Put(BLOB, LOG, TOKEN, SEALED_CHUNK, 0, bytes(65536), 0),
        Put(BLOB, LOG, TOKEN, SEALED_CHUNK, 0, bytes(16), 65536),
        Put(BLOB, LOG, TOKEN, 4000, 0, bytes(928), 3072),
        Get(BLOB, 0, 65536, 65536),
        Put(BLOB, b"", bytes(240), 1 << 40, 16, bytes(SEALED_CHUNK)),
    ],
)
def test_the_largest_of_its_kind_is_taken(operation: Operation) -> None:
    assert codec.decode_operations(codec.encode_operations([operation])) == [operation]


@pytest.mark.parametrize(
    "value",
    [
        [2, {0: LOG, 2: TOKEN, 4: 0, 6: [ENTRY], 8: False}],
        [2, {0: LOG, 2: TOKEN, 4: 0, 6: [ENTRY], 8: 1}],
        [2, {0: LOG, 2: TOKEN, 4: 0, 6: [ENTRY], 10: None}],
        [2, {0: LOG, 2: TOKEN, 4: 0, 6: [ENTRY], 14: []}],
        [2, {0: LOG, 2: TOKEN, 4: False, 6: [ENTRY]}],
        [3, {0: LOG, 2: TOKEN, 4: 0, 6: 500}],
        [4, {2: []}],
        [4, {0: b"h" * 16, 4: []}],
        [4, {6: 0}],
        [7, {0: BLOB, 2: b"", 4: TOKEN, 6: 1, 10: b"x"}],
        [7, {0: BLOB, 2: LOG, 4: TOKEN, 6: 1, 8: 0, 10: b"x"}],
        [9, {0: BLOB, 2: 0}],
        [9, {0: BLOB, 4: 0, 6: 1024}],
        [9, {0: BLOB, 6: None}],
        [7, {0: BLOB, 2: LOG, 4: TOKEN, 6: 4000, 10: bytes(1024), 12: False}],
        [True, {}],
        [-1, {}],
        [65536, {}],
        [10, [BLOB]],
        [10],
        [10, {0: BLOB}, None],
        {0: BLOB},
    ],
)
def test_what_has_to_be_left_out_or_is_of_the_wrong_kind_is_malformed(value: Any) -> None:
    with pytest.raises(Malformed):
        codec.decode_operation(cbor.encode(value))


def test_a_letter_of_too_many_is_refused_by_both_sides() -> None:
    data = cbor.encode([[10, {0: BLOB}]] * 1025)
    with pytest.raises(TooLarge):
        codec.decode_operations(data)
    with pytest.raises(ValueError, match="too much"):
        codec.encode_operations([Stat(BLOB)] * 1025)
    with pytest.raises(ValueError, match="too much"):
        codec.encode_operations([Put(BLOB, LOG, TOKEN, 1 << 40, n, bytes(SEALED_CHUNK)) for n in range(17)])
    assert codec.encode_operations(
        [Put(BLOB, LOG, TOKEN, 1 << 40, n, bytes(SEALED_CHUNK)) for n in range(16)]
    )


def test_a_known_code_is_not_written_as_unknown() -> None:
    with pytest.raises(ValueError, match="known"):
        codec.encode_operation(Unknown(2))
