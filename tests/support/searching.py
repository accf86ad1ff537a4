"""Looking for secrets in what somebody keeps: raw, in hex, base64 (both alphabets) and base32, at every alignment.

Not each secret is encoded in each way and looked for, but what is kept is decoded in each way once: whatever reads as hex,
base64 or base32 for more than a few characters. Then a secret is looked for as it is.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

HEX = re.compile(rb"[0-9A-Fa-f]{8,}")
BASE64 = re.compile(rb"[0-9A-Za-z+/_-]{6,}")
BASE32 = re.compile(rb"[2-7A-Za-z]{7,}")
"""Runs that may be an encoding: the shortest are those of four bytes, a packed address."""
PART = 64
"""Bytes of a long secret that are looked for in one piece: storage may cut it."""
URLSAFE = bytes.maketrans(b"-_", b"+/")


def encodings(secret: bytes) -> Iterator[tuple[str, bytes]]:
    """A secret as it could stand in a file, with something before and after it, at each alignment."""
    yield "raw", secret
    yield "hex", secret.hex().encode()
    yield "HEX", secret.hex().upper().encode()
    for before in range(5):
        around = bytes(range(1, before + 1)) + secret + b"after"
        if before < 3:
            yield f"base64, {before} before", base64.b64encode(around)
            yield f"base64, urlsafe, {before} before", base64.urlsafe_b64encode(around).rstrip(b"=")
        yield f"base32, {before} before", base64.b32encode(around)
        yield f"base32 in small letters, {before} before", base64.b32encode(around).lower().rstrip(b"=")


def decoded(data: bytes) -> Iterator[bytes]:
    """What reads as an encoding, decoded, beginning at each character that may be the first."""
    for run in HEX.findall(data):
        for start in range(2):
            part = run[start:]
            yield binascii.unhexlify(part[: len(part) // 2 * 2])
    for run in BASE64.findall(data):
        plain = run.translate(URLSAFE)
        for start in range(4):
            part = plain[start:]
            yield base64.b64decode(part + b"A" * (-len(part) % 4))
    for run in BASE32.findall(data):
        plain = run.upper()
        for start in range(8):
            part = plain[start:]
            yield base64.b32decode(part + b"A" * (-len(part) % 8))


@dataclass
class Kept:
    """What somebody keeps, by where it is, and what of it reads as an encoding of something else."""

    places: dict[str, bytes]
    views: dict[str, bytes] = field(default_factory=dict)

    def __post_init__(self) -> None:
        # Between two decoded parts stand bytes that no secret has in a row, so that none is made up of two.
        self.views = {place: b"\x00\xff\x00\xff".join(decoded(data)) for place, data in self.places.items()}

    def where(self, secret: bytes) -> list[str]:
        """The places where a secret stands, in any encoding."""
        return [place for place, data in self.places.items() if secret in data or secret in self.views[place]]
