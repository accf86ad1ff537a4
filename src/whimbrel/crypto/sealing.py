"""Letters to a person's inbox: HPKE (RFC 9180, base mode) to the key in the person's card.

The suite of the relay's letters: X25519+ML-KEM-768, HKDF-SHA256, ChaCha20-Poly1305, all from `cryptography`. What is
sealed is padded to a few sizes. Bytes: docs/protocol/people.md.
"""

from __future__ import annotations

import secrets

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite

from whimbrel.crypto.errors import Malformed, NotOpened
from whimbrel.crypto.padding import pad_to, unpad
from whimbrel.wire.errors import Malformed as WireMalformed
from whimbrel.wire.keydoc import private_kem, public_kem, public_kem_key
from whimbrel.wire.purpose import labelled

PRIVATE = 32
"""Bytes of a private key: the seed of both halves (draft-connolly-cfrg-xwing-kem)."""
PUBLIC = 1216
"""Bytes of a public key: ML-KEM-768 (1184) and X25519 (32)."""
SIZES = (1024, 4096, 8192, 12288, 16384, 32768, 63488)
"""Sizes of the padded plaintext. The largest, sealed, still fits an entry of a log (64 KiB)."""
SEAL_MAX = SIZES[-1] - 1
"""Bytes that can be sealed; what is larger goes into a blob."""
OVERHEAD = 1120 + 16
"""Bytes that sealing adds: the encapsulated key and the tag."""

_SUITE = Suite(KEM.MLKEM768_X25519, KDF.HKDF_SHA256, AEAD.CHACHA20_POLY1305)


def new_inbox_key() -> tuple[bytes, bytes]:
    """(private, public) of a new inbox."""
    private = secrets.token_bytes(PRIVATE)
    return private, public_kem_key(private)


def seal(public: bytes, purpose: str, data: bytes, context: bytes = b"") -> bytes:
    """`data` sealed to the inbox key `public`, for one purpose and place.

    `context` binds it to what both sides know (the inbox's or the log's id). ValueError above SEAL_MAX; Malformed if the
    key, which comes from somebody's card, is none.
    """
    size = next((size for size in SIZES if len(data) < size), None)
    if size is None:
        raise ValueError(f"{len(data)} bytes; {SEAL_MAX} can be sealed")
    padded, info = pad_to(data, size), _info(purpose, context)
    try:
        return _SUITE.encrypt(padded, public_kem(public), info)
    except (
        WireMalformed,
        ValueError,
    ):  # not of these sizes, not reduced (FIPS 203, 7.2), or a point of small order
        raise Malformed("an inbox key that nothing can be sealed to") from None


def open_sealed(private: bytes, purpose: str, sealed: bytes, context: bytes = b"") -> bytes:
    """What was sealed to this key for this purpose and context. Raises NotOpened, or Malformed for bad padding."""
    if len(private) != PRIVATE:
        raise ValueError(f"a private inbox key has {PRIVATE} bytes")
    try:
        padded = _SUITE.decrypt(sealed, private_kem(private), _info(purpose, context))
    except (InvalidTag, ValueError):
        raise NotOpened("a sealed letter that does not open with this inbox's key") from None
    return unpad(padded)


def _info(purpose: str, context: bytes) -> bytes:
    """Label of the purpose, a zero byte, the context: no label holds a zero, so no two pairs share their bytes."""
    return labelled(f"inbox {purpose}") + b"\x00" + context
