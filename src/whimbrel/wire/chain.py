"""The chain of a log: one hash that stands for all that was ever appended, in its order.

    h(0) = SHA-256(CBOR ["whimbrel/1 chain", log])
    h(n) = SHA-256(CBOR ["whimbrel/1 chain", h(n-1), seq, turn, advance, id, change or null])

`id` is the entry's id, `change` the bytes of the signed change beside it. Two readers of one log who have the same h
at the same seq have read the same.
"""

from __future__ import annotations

import hashlib

from .cbor import encode_ordered
from .purpose import labelled

_LABEL = labelled("chain").decode("ascii")


def start(log: bytes) -> bytes:
    """The value of a log with nothing in it."""
    return hashlib.sha256(encode_ordered((_LABEL, log))).digest()


def step(h: bytes, seq: int, turn: int, advance: bool, entry_id: bytes, change: bytes | None) -> bytes:
    """The value after one more entry."""
    return hashlib.sha256(encode_ordered((_LABEL, h, seq, turn, advance, entry_id, change))).digest()
