"""Texts that survive copying: bytes with a version, a kind, their length and a checksum, in lower-case base32.

    whimbrel: base32( version (1) ‖ kind (4 bits) ‖ length of the payload (12 bits) ‖ payload ‖ checksum (4) )

Base32 is that of RFC 4648 §6 without padding; the checksum is the start of SHA-256 over the label "text", a zero byte, and
all before it. Case, white space, hyphens, quotation marks and invisible characters do not matter when reading.
"""

from __future__ import annotations

import base64
import binascii
import unicodedata
from collections.abc import Mapping

from .errors import NotOurText, OtherText, TextAltered, TextCut, TextNewer
from .purpose import digest, labelled

VERSION = 1
PREFIX = "whimbrel:"
PAYLOAD_MAX = 0xFFF
TEXT_MAX = 20_000
"""Characters that are looked at in a pasted text."""

_CHECK = 4
_HEAD = 3
_DROPPED = frozenset("<>\"'`|*_-\u00ab\u00bb\u2018\u2019\u201c\u201d\u2010\u2011\u2012\u2013\u2014\u2212")
_ALPHABET = frozenset("abcdefghijklmnopqrstuvwxyz234567")


def write_text(kind: int, payload: bytes) -> str:
    """The one text of a payload. Raises ValueError when it is too long for a text."""
    if len(payload) > PAYLOAD_MAX:
        raise ValueError("too much for a text")
    data = bytes((VERSION,)) + (kind << 12 | len(payload)).to_bytes(2, "big") + payload
    data += _checksum(data)
    return PREFIX + base64.b32encode(data).decode("ascii").rstrip("=").lower()


def read_text(text: str, kinds: Mapping[int, str], wanted: tuple[int, ...]) -> tuple[int, bytes]:
    """Kind and payload of a text of one of the kinds `wanted`; `kinds` names all that there are ("an invite").

    Raises a TextError that says in plain words what is wrong.
    """
    wanted_name = kinds[wanted[0]]
    data = _to_bytes(_bare(text, wanted_name), wanted_name)
    whole = _checksum(data[:-_CHECK]) == data[-_CHECK:]
    if data[0] != VERSION:
        if whole:
            raise TextNewer(
                "This was made by a newer version of Whimbrel. Update this one, then paste it again."
            )
        raise TextAltered(
            f"This is damaged, or not {wanted_name}. Copy all of it again, from its first character on."
        )
    kind, length = data[1] >> 4, (data[1] & 0x0F) << 8 | data[2]
    missing = _HEAD + length + _CHECK - len(data)
    if missing > 0 and not whole:
        raise TextCut("A part of this is missing at the end. Copy all of it again.")
    if missing or not whole:
        raise TextAltered(
            "This is damaged: a character is wrong, or something was added. Copy all of it again."
        )
    if kind not in kinds:
        raise TextNewer(
            f"This is not {wanted_name}, but something of a newer version of Whimbrel. Update this one."
        )
    if kind not in wanted:
        raise OtherText(f"This is {kinds[kind]}, not {wanted_name}.")
    return kind, data[_HEAD:-_CHECK]


def _bare(text: str, wanted_name: str) -> str:
    if len(text) > TEXT_MAX:
        raise NotOurText(f"This is too long to be {wanted_name}.")
    bare = "".join(
        character
        for character in text
        if character not in _DROPPED
        and not character.isspace()
        and unicodedata.category(character) not in ("Cc", "Cf")
    ).lower()
    if ":" in bare:
        before, bare = bare.split(":", 1)
        if before != PREFIX[:-1]:
            raise NotOurText(f"This is not {wanted_name}: those start with “{PREFIX}”.")
    return bare.removeprefix("//").rstrip("=.,;")


def _to_bytes(bare: str, wanted_name: str) -> bytes:
    if not _ALPHABET.issuperset(bare):
        raise NotOurText(f"This is not {wanted_name}: it has characters in it that never stand in one.")
    unused = {1: 1, 3: 3, 6: 6}.get(len(bare) % 8)
    if unused is not None:
        raise TextCut("A part of this is missing. Copy all of it again.")
    try:
        data = base64.b32decode(bare.upper() + "=" * (-len(bare) % 8))
    except (binascii.Error, ValueError):
        raise NotOurText(f"This is not {wanted_name}.") from None
    if len(data) < _HEAD + _CHECK:
        raise TextCut(f"This is not {wanted_name}, or most of it is missing. Copy all of it again.")
    if base64.b32encode(data).decode("ascii").rstrip("=").lower() != bare:
        raise TextAltered("This is damaged: its last character is wrong. Copy all of it again.")
    return data


def _checksum(data: bytes) -> bytes:
    return digest(labelled("text") + b"\x00" + data)[:_CHECK]
