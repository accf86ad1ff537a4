"""Answers: their bytes, and what an app makes of a relay that answers nonsense."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wire_values import altered, answers, cbor_values, damaged

from whimbrel.wire import cbor, codec
from whimbrel.wire.answers import Answer, Done, Failure, Fetched, Head, Record, Status
from whimbrel.wire.errors import Malformed
from whimbrel.wire.operations import Entry

H, G = b"h" * 32, b"g" * 32
ENTRY = codec.encode_entry(Entry(1, bytes(16), bytes(40)))
RECORD = Record(5, 2, False, codec.entry_id(ENTRY), ENTRY, None, H)


def has_odd_keys(value: Any) -> bool:
    if isinstance(value, dict):
        return any(key % 2 or has_odd_keys(part) for key, part in value.items())
    return isinstance(value, list) and any(map(has_odd_keys, value))


def one_encoding(data: bytes, value: Any) -> None:
    try:
        answer = codec.decode_answer(data)
    except Malformed:
        return
    again = codec.encode_answer(answer)
    if not has_odd_keys(value):
        assert again == data
    assert codec.decode_answer(again) == answer


@given(answers)
def test_what_is_encoded_decodes_to_the_same(answer: Answer) -> None:
    assert codec.decode_answer(codec.encode_answer(answer)) == answer


@given(st.lists(answers, max_size=5))
def test_several_decode_in_their_order(given_answers: list[Answer]) -> None:
    assert codec.decode_answers(codec.encode_answers(given_answers)) == given_answers


@given(st.data(), answers)
def test_an_altered_answer_is_the_one_encoding_of_another_or_refused(
    data: st.DataObject, answer: Answer
) -> None:
    value = data.draw(altered(cbor.decode(codec.encode_answer(answer))))
    one_encoding(cbor.encode(value), value)


@given(st.integers(0, 25), st.dictionaries(st.integers(0, 8), cbor_values, max_size=6))
def test_any_map_under_any_number_is_an_answer_or_refused(kind: int, content: dict[int, Any]) -> None:
    value = [kind, content]
    one_encoding(cbor.encode(value), value)


@given(st.data(), st.lists(answers, min_size=1, max_size=3))
def test_damaged_bytes_are_answers_or_refused(data: st.DataObject, given_answers: list[Answer]) -> None:
    try:
        codec.decode_answers(data.draw(damaged(codec.encode_answers(given_answers))))
    except Malformed:
        pass


def test_an_expired_entry_leaves_its_id_in_its_place() -> None:
    expired = Record(4, 2, True, b"i" * 32, None, None, G)
    fetched = Fetched((expired, RECORD), Head(9, 3, G, 1), more=True, ended=False)
    found = codec.decode_answer(codec.encode_answer(fetched))
    assert isinstance(found, Fetched)
    assert found.records == (expired, RECORD)


def test_the_head_is_short_when_the_last_record_says_it_already() -> None:
    short = Fetched((RECORD,), Head(5, 2, H, 7), more=False, ended=False)
    assert cbor.decode(codec.encode_answer(short))[1][2] == 7
    after_advance = Record(5, 2, True, RECORD.id, ENTRY, None, H)
    assert (
        cbor.decode(codec.encode_answer(Fetched((after_advance,), Head(5, 3, H, 7), False, False)))[1][2] == 7
    )
    for head in (Head(6, 2, H, 7), Head(5, 3, H, 7), Head(5, 2, G, 7)):
        data = codec.encode_answer(Fetched((RECORD,), head, False, False))
        assert cbor.decode(data)[1][2] == [head.seq, head.turn, head.h, head.n]
    long_where_short = cbor.decode(codec.encode_answer(short))
    long_where_short[1][2] = [5, 2, H, 7]
    with pytest.raises(Malformed):
        codec.decode_answer(cbor.encode(long_where_short))


@pytest.mark.parametrize(
    "value",
    [
        [11, {}],
        [15, {}],
        [24, {}],
        [True, {}],
        [0, []],
        [0],
        [0, {0: 1}],
        [16, {}],
        [17, {0: 5, 2: 5, 4: 0, 6: H}],
        [17, {0: 5, 2: 4, 4: 0, 6: H}],
        [17, {0: 0, 4: 0, 6: H}],
        [18, {2: 7}],
        [18, {0: [], 2: [1, 0, H, 0]}],
        [18, {0: [[5, 0, False, H, None, H], [5, 0, False, H, None, H]], 2: 0}],
        [18, {0: [[5, 0, 0, H, None, H]], 2: 0}],
        [18, {0: [[5, 0, False, H[1:], None, H]], 2: 0}],
        [18, {0: [[5, 0, False, bytes(60), None, H]], 2: 0}],
        [18, {0: [[5, (1 << 63) - 1, True, H, None, H]], 2: 0}],
        [18, {0: [[5, 0, False, H, b"", H]], 2: 0}],
        [18, {2: [1, 0, H, 0], 4: False}],
        [19, {0: b"h" * 16, 2: [[1, [17, {0: 5, 4: 0, 6: H}]]]}],
        [19, {0: b"h" * 16, 2: []}],
        [22, {0: 10, 2: [[0, 2], [1, 3]], 4: 0}],
        [22, {0: 10, 2: [[0, 2], [2, 3]], 4: 0}],
        [22, {0: 10, 2: [[2, 2]], 4: 0}],
        [22, {0: 4000, 4: 0, 5: []}],
        [22, {0: 4000, 4: 0, 5: [[0, b"\x0f"]]}],
        [22, {0: 4000, 4: 0, 5: [[0, b"\x10"]]}],
        [22, {0: 4000, 4: 0, 5: [[0, b"\x01\x00"]]}],
        [22, {0: 4000, 4: 0, 5: [[1, b""]]}],
        [22, {0: 1 << 20, 4: 0, 5: [[1, b"\x01".ljust(9, b"\0")], [1, b"\x01".ljust(9, b"\0")]]}],
        [22, {0: 1 << 30, 4: 0, 5: [[n, b"\x01".ljust(9, b"\0")] for n in range(65)]}],
        [24, {0: b"", 2: 10}],
        [24, {0: bytes(17), 2: 1 << 20, 4: 65536}],
        [24, {0: b"x", 2: 10, 4: 0}],
        [24, {0: b"x", 2: 10, 4: 1000}],
        [23, {0: [5], 2: 0, 4: b"s" * 64}],
        [23, {0: ["x" * 1025], 2: 0, 4: b"s" * 64}],
        [10, {6: 86401}],
        [7, {4: []}],
    ],
)
def test_is_refused(value: Any) -> None:
    with pytest.raises(Malformed):
        codec.decode_answer(cbor.encode(value))


def test_unknown_keys_of_later_versions() -> None:
    assert codec.decode_answer(cbor.encode([0, {1: "more"}])) == Done()
    assert codec.decode_answer(cbor.encode([3, {9: 1}])) == Failure(Status.TOO_LARGE)
    with pytest.raises(Malformed):
        codec.decode_answer(cbor.encode([3, {8: 1}]))


def test_answers_above_a_letter_are_our_own_fault() -> None:
    record = Record(1, 0, False, b"i" * 32, bytes(65536), None, H)
    records = tuple(Record(n, 0, False, b"i" * 32, record.entry, None, H) for n in range(1, 18))
    with pytest.raises(ValueError, match="too much"):
        codec.encode_answers([Fetched(records, Head(17, 0, H, 0), False, False)])
