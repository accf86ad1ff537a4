"""Receipts."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.mangling import hostile
from support.people import secret
from whimbrel.chat.content import ContentError
from whimbrel.chat.receipts_report import PAIRS_MAX, REPORT_MAX, MessageStatus, decode_report, encode_report

# The example of draft-mahy-mimi-message-status-01, 5.
EXAMPLE = [
    ("017ce54837404c3696e0c747b985cb172716d0ed0a3d249ca63ace7d82a096f4", MessageStatus.READ),
    ("015354973c2b65ca937bf1e035ae53a5ab80e947afa43d46920d4202e5cc0b27", MessageStatus.READ),
    ("018d825adf9f6be00dcafc5704c4102f5022e74219d0b603e4ba7622654042af", MessageStatus.UNREAD),
    ("01e59db8173939facc2c8a4a0f0ae8d0c7a11a81239626630c9464a8d6717a03", MessageStatus.EXPIRED),
]


def test_the_example_of_the_standard_has_these_bytes() -> None:
    expected = "84" + "".join(f"825820{message}{status:02x}" for message, status in EXAMPLE)
    pairs = [(bytes.fromhex(message), status) for message, status in EXAMPLE]
    assert encode_report(pairs).hex() == expected
    assert decode_report(bytes.fromhex(expected)) == tuple(pairs)


@given(st.lists(st.tuples(st.binary(min_size=32, max_size=32), st.integers(0, 255)), max_size=20))
def test_a_report_comes_back_also_with_statuses_that_are_not_known(pairs: list[tuple[bytes, int]]) -> None:
    assert decode_report(encode_report(pairs)) == tuple(pairs)


@pytest.mark.parametrize(
    "pairs",
    [
        [(b"short", 1)],
        [(secret("a"), 256)],
        [(secret("a"), -1)],
        [(secret("a"), "read")],
        [(secret("a"), 1)] * (PAIRS_MAX + 1),
    ],
)
def test_a_receipt_that_no_report_has_is_refused(pairs: list[tuple[bytes, int]]) -> None:
    with pytest.raises(ContentError):
        encode_report(pairs)


def test_the_longest_report_comes_through() -> None:
    pairs = tuple((secret(str(n)), 2) for n in range(PAIRS_MAX))
    assert decode_report(encode_report(pairs)) == pairs


def test_a_report_has_an_end() -> None:
    with pytest.raises(ContentError, match="allowed"):
        decode_report(bytes(REPORT_MAX + 1))


@given(hostile(encode_report([(secret("a"), 1), (secret("b"), 2)])))
def test_any_bytes_are_a_report_with_this_encoding_or_an_error(data: bytes) -> None:
    try:
        pairs = decode_report(data)
    except ContentError:
        return
    assert encode_report(pairs) == data
