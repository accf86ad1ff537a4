"""Padding of what goes into MLS application messages: sizes tell as little as possible.

Lengths are rounded up by Padmé (Nikitin et al., *Reducing Metadata Leakage from Encrypted Files and Communication with
PURBs*, 2019, §4): at most 12 % more, and only O(log log L) bits of a length L are seen.
"""

from __future__ import annotations

from whimbrel.crypto.errors import Malformed

LEAST = 256
"""Bytes of a padded message at least."""

_MARK = b"\x80"


def padme(length: int) -> int:
    """`length` rounded up so that its binary form ends in as many zeros as its exponent allows."""
    if length < 2:
        return length
    exponent = length.bit_length() - 1
    low_bits = exponent - exponent.bit_length()
    mask = (1 << low_bits) - 1
    return (length + mask) & ~mask


def padded_length(length: int) -> int:
    """Bytes that `length` bytes take when padded: max(256, Padmé(length + 1)); one byte is the mark."""
    return max(LEAST, padme(length + 1))


def pad(plaintext: bytes) -> bytes:
    """`plaintext`, a byte 0x80, and zeros up to the padded length."""
    return pad_to(plaintext, padded_length(len(plaintext)))


def pad_to(plaintext: bytes, length: int) -> bytes:
    """`plaintext`, a byte 0x80, and zeros up to `length`. ValueError if it does not fit."""
    if len(plaintext) >= length:
        raise ValueError(f"{len(plaintext)} bytes do not fit {length} with their mark")
    return (plaintext + _MARK).ljust(length, b"\x00")


def unpad(padded: bytes) -> bytes:
    """What was padded. Malformed if there is no mark, or anything else but zeros behind it."""
    stripped = padded.rstrip(b"\x00")
    if not stripped.endswith(_MARK):
        raise Malformed("a message without the mark at which its padding begins")
    return stripped[:-1]
