"""One label for each use of a key, so that what was made for one purpose can never pass for another.

Everything that is signed, derived or hashed under a label starts with `"whimbrel/1 " + purpose`. Keys are raw bytes
everywhere: Ed25519 private keys are 32-byte seeds (RFC 8032), public keys 32 bytes, signatures 64.
"""

from __future__ import annotations

import hashlib
import hmac

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

SIGNATURE = 64
"""Bytes of an Ed25519 signature."""


_P = 2**255 - 19
_EIGHTH = 2707385501144840649318225287225658788936804267575313519463743609750303402022
"""The y of half of the points of order eight; the others have its negative."""


def _small_order() -> frozenset[bytes]:
    """All encodings of the eight points whose order divides eight, also those that RFC 8032 (§5.1.3) would not decode."""
    heights = (0, 1, _P - 1, _EIGHTH, _P - _EIGHTH, _P, _P + 1)
    return frozenset((y | sign << 255).to_bytes(32, "little") for y in heights for sign in (0, 1))


SMALL_ORDER = _small_order()
"""Public keys under which signatures can be made without a private key, for one message in a few: nobody's."""


def labelled(purpose: str) -> bytes:
    """The label of a purpose: `whimbrel/1 ` and its name in ASCII."""
    return b"whimbrel/1 " + purpose.encode("ascii")


def digest(data: bytes) -> bytes:
    """SHA-256."""
    return hashlib.sha256(data).digest()


def token_hash(token: bytes) -> bytes:
    """What a relay keeps of a token: SHA-256("token" ‖ token)."""
    return hashlib.sha256(b"token" + token).digest()


def prf(secret: bytes, purpose: str, *parts: bytes) -> bytes:
    """32 bytes: HMAC-SHA256 under `secret` of label, a zero byte, and each part after its length (4 bytes, big-endian)."""
    mac = hmac.new(secret, labelled(purpose) + b"\x00", hashlib.sha256)
    for part in parts:
        mac.update(len(part).to_bytes(4, "big"))
        mac.update(part)
    return mac.digest()


def sign(private: bytes, purpose: str, data: bytes) -> bytes:
    """Ed25519 over label, a zero byte and `data`: 64 bytes."""
    return Ed25519PrivateKey.from_private_bytes(private).sign(labelled(purpose) + b"\x00" + data)


def verify(public: bytes, purpose: str, data: bytes, signature: bytes) -> bool:
    """Whether `sign` with the private key of `public` made this signature. Total: anything else is False, and so is all that
    is signed under a key of small order, which has no private one."""
    if public in SMALL_ORDER:
        return False
    try:
        key = Ed25519PublicKey.from_public_bytes(public)
        key.verify(signature, labelled(purpose) + b"\x00" + data)
    except (InvalidSignature, ValueError):
        return False
    return True


def public_of(private: bytes) -> bytes:
    """The public key of an Ed25519 seed."""
    return Ed25519PrivateKey.from_private_bytes(private).public_key().public_bytes_raw()
