"""Receipts: a MIMI message status report (draft-mahy-mimi-message-status-01, `application/mimi-message-status`).

An array of pairs `[message id, status]`, CBOR as in MIMI content.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum

import cbor2

from whimbrel.chat.content import MESSAGE_ID, ContentError
from whimbrel.chat.mimi_cbor import NotCbor, Reader

PAIRS_MAX = 4096
"""Messages in one report; more are sent in several."""
REPORT_MAX = 256 * 1024


class MessageStatus(IntEnum):
    """What became of a message at the report's sender. Unknown ones up to 255 may come, and are kept as numbers."""

    UNREAD = 0
    DELIVERED = 1
    READ = 2
    EXPIRED = 3
    DELETED = 4
    HIDDEN = 5
    ERROR = 6


def encode_report(pairs: Sequence[tuple[bytes, int]]) -> bytes:
    """The report. Raises ContentError for too many pairs, or one that no report can hold."""
    try:
        data = cbor2.dumps([[message, int(status)] for message, status in pairs])
    except (TypeError, ValueError, cbor2.CBORError):
        raise ContentError("a receipt of a kind that there is not") from None
    decode_report(data)
    return data


def decode_report(data: bytes) -> tuple[tuple[bytes, int], ...]:
    """(message id, status) in the order of the report. Raises ContentError."""
    if len(data) > REPORT_MAX:
        raise ContentError(f"a report of {len(data)} bytes; {REPORT_MAX} are allowed")
    reader = Reader(data)
    pairs = []
    try:
        count = reader.array()
        if count > PAIRS_MAX:
            raise NotCbor(f"{count} receipts in one report; {PAIRS_MAX} are allowed")
        for _ in range(count):
            reader.array(2)
            pairs.append((reader.octets(MESSAGE_ID, MESSAGE_ID), reader.number(8)))
        reader.end()
    except NotCbor as error:
        raise ContentError(str(error)) from None
    return tuple(pairs)
