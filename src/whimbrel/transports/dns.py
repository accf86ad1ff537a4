"""DNS messages (RFC 1035), as far as one asks for the addresses of a name: a question, and what stands in an answer."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from typing import Final

A: Final = 1
AAAA: Final = 28
MESSAGE_MAX: Final = 65_535
_CNAME, _IN, _RECURSION_DESIRED, _ANSWER = 5, 1, 0x0100, 0x8000
_RECORDS_MAX: Final = 64
_PAD_TO: Final = 128
"""Questions have sizes of this step (RFC 8467), so that their size tells little of the name."""


class BadMessage(ValueError):
    """What came back is no answer to the question."""


@dataclass(frozen=True, slots=True)
class Found:
    """The addresses of a name, and for how many seconds that holds."""

    addresses: tuple[str, ...]
    holds: float


def question(name: str, kind: int) -> bytes:
    """Ask for addresses of a kind. The number is 0, as RFC 8484 (4.1) wants it. Raises BadMessage for what is no name."""
    labels = b""
    for label in name.rstrip(".").split("."):
        encoded = label.encode("ascii", "replace")
        if not 0 < len(encoded) < 64:
            raise BadMessage("no name")
        labels += bytes([len(encoded)]) + encoded
    head = b"".join(n.to_bytes(2, "big") for n in (0, _RECURSION_DESIRED, 1, 0, 0, 1))
    asked = labels + b"\0" + kind.to_bytes(2, "big") + _IN.to_bytes(2, "big")
    # EDNS (RFC 6891) with padding (RFC 7830): root, type 41, 4,096 bytes, flags, and the option.
    size = len(head) + len(asked) + 11 + 4
    padding = -size % _PAD_TO
    option = b"\x00\x0c" + padding.to_bytes(2, "big") + bytes(padding)
    return head + asked + b"\0\x00\x29\x10\x00\0\0\0\0" + len(option).to_bytes(2, "big") + option


def addresses_in(message: bytes, kind: int) -> Found:
    """The addresses of a kind in an answer; none, when it says that there are none. Names are not compared: what comes by
    an authenticated way from whom one asked is the answer, and it is a candidate only. Raises BadMessage."""
    if len(message) < 12:
        raise BadMessage("too short")
    flags, questions, records = (int.from_bytes(message[at : at + 2], "big") for at in (2, 4, 6))
    if not flags & _ANSWER or questions > 4:
        raise BadMessage("no answer")
    if flags & 0xF not in (0, 3):  # neither an answer nor "there is no such name"
        raise BadMessage("it could not answer")
    at = 12
    for _ in range(questions):
        at = _after_name(message, at) + 4
    found: list[str] = []
    holds = float(0xFFFFFFFF)
    for _ in range(min(records, _RECORDS_MAX)):
        at = _after_name(message, at)
        if at + 10 > len(message):
            raise BadMessage("it ends too early")
        found_kind, size = (
            int.from_bytes(message[at : at + 2], "big"),
            int.from_bytes(message[at + 8 : at + 10], "big"),
        )
        ttl = int.from_bytes(message[at + 4 : at + 8], "big")
        data = message[at + 10 : at + 10 + size]
        if len(data) != size:
            raise BadMessage("it ends too early")
        if found_kind == kind and size == (4 if kind == A else 16):
            found.append(str(ipaddress.ip_address(bytes(data))))
        if found_kind in (kind, _CNAME):
            holds = min(holds, ttl)
        at += 10 + size
    return Found(tuple(found), holds if found else 0.0)


def _after_name(message: bytes, at: int) -> int:
    """Where a name ends; what it says does not matter here."""
    while True:
        if at >= len(message):
            raise BadMessage("it ends too early")
        size = message[at]
        if size == 0:
            return at + 1
        if size & 0xC0 == 0xC0:
            return at + 2
        if size & 0xC0:
            raise BadMessage("no name")
        at += 1 + size
