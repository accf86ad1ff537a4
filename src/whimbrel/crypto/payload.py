"""What stands inside an MLS application message: `[kind, seq, h, body]`, padded.

(seq, h) is how far its sender had read the log, so that members notice when a relay shows them different logs.
Kinds that are not known are kept and skipped. Bytes: docs/protocol/people.md, "Inside MLS".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum

from whimbrel.crypto.errors import TooLarge, reading
from whimbrel.crypto.leaf import Reach, pack_reach, unpack_reach, unpack_routes
from whimbrel.crypto.padding import pad, unpad
from whimbrel.wire.cbor import decode, encode
from whimbrel.wire.fields import array, at_most, exactly, listing, number

BODY_MAX = 4 * 1024 * 1024
"""Bytes of a body; what is larger is a file."""
KIND_MAX = 65535
KEY_PACKAGES_MAX = 64
"""Key packages handed over in one message."""
KEY_PACKAGE_MAX = 32 * 1024
"""Bytes of one key package: 2,651 in the hybrid suite, and our leaf extension."""

RELAYS_TOLD = 4
"""Relays to which somebody tells ways; how many ways to each is for `unpack_routes`."""

_OVERHEAD = 64


class PayloadKind(IntEnum):
    """What the body is."""

    CONTENT = 1
    """MIMI content (`chat.content`)."""
    RECEIPTS = 2
    """A MIMI message status report (`chat.receipts_report`)."""
    KEY_PACKAGES = 3
    """Key packages in stock, each for one later group with the sender's account."""
    REACH = 4
    """Where the sender is reached from now on."""
    LEFT = 5
    """The sender leaves; an admin's device commits the removal. Empty."""
    MOVE = 6
    """The conversation goes on elsewhere: an encoded letter with a Move."""
    RE_ADD = 7
    """Somebody's request to be let in again, passed on: an encoded letter with a ReAdd."""
    CARD = 8
    """The sender's card, which is another one now: a new name."""
    WAYS = 9
    """Bridges that the sender hands on, each by a path for the receiver alone."""


@dataclass(frozen=True, slots=True)
class Payload:
    """One message inside MLS. `kind` is a PayloadKind, or a number of a later version."""

    kind: int
    seq: int
    h: bytes
    body: bytes


def encode_payload(payload: Payload) -> bytes:
    """The padded plaintext for MLS. ValueError when the body is too large."""
    if len(payload.body) > BODY_MAX:
        raise ValueError(f"a body of {len(payload.body)} bytes; {BODY_MAX} are allowed")
    return pad(encode([int(payload.kind), payload.seq, payload.h, payload.body]))


def decode_payload(padded: bytes) -> Payload:
    """Raises Malformed or TooLarge."""
    if len(padded) > 2 * BODY_MAX:
        raise TooLarge("a message that is too large")
    data = unpad(padded)
    with reading("a message"):
        kind, seq, h, body = array(decode(data, BODY_MAX + _OVERHEAD), 4)
        return Payload(number(kind, KIND_MAX), number(seq), exactly(h), at_most(body, BODY_MAX, 0))


def encode_key_packages(packages: Sequence[bytes]) -> bytes:
    """`[key package…]`"""
    return encode(list(packages))


def decode_key_packages(body: bytes) -> tuple[bytes, ...]:
    """Key packages as MLSMessages; whether they are any good is for `mls`. Raises Malformed."""
    with reading("key packages"):
        packages = listing(decode(body, KEY_PACKAGES_MAX * KEY_PACKAGE_MAX), KEY_PACKAGES_MAX)
        return tuple(at_most(package, KEY_PACKAGE_MAX) for package in packages)


def encode_reach(reach: Sequence[Reach]) -> bytes:
    """`[reach…]`, each as in a leaf."""
    return encode(pack_reach(reach))


def decode_reach(body: bytes) -> tuple[Reach, ...]:
    """Raises Malformed."""
    with reading("news of where somebody is reached"):
        return unpack_reach(decode(body, 64 * 1024))


def encode_ways(ways: Mapping[bytes, Sequence[str]]) -> bytes:
    """`[[relay, [route…]]…]`, routes as texts."""
    return encode([[relay, list(routes)] for relay, routes in ways.items()])


def decode_ways(body: bytes) -> dict[bytes, tuple[str, ...]]:
    """Ways by relay, as they are told; whether they are ways is for whoever takes them. Raises Malformed."""
    with reading("ways to a relay"):
        rows = [array(row, 2) for row in listing(decode(body, 64 * 1024), RELAYS_TOLD)]
        ways = {exactly(relay): unpack_routes(routes) for relay, routes in rows}
        if len(ways) != len(rows):
            raise ValueError("the same relay twice")
        return ways
