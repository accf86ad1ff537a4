"""Texts that survive copying: bytes with a version, a kind, their length and a checksum, in lower-case base32.

    whimbrel: base32( version (1) ‖ kind (4 bits) ‖ length of the payload (12 bits) ‖ payload ‖ checksum (4) )

Base32 is that of RFC 4648 §6 without padding; the checksum is the start of SHA-256 over the label "text", a zero byte, and
all before it. Case, white space, hyphens, quotation marks and invisible characters do not matter when reading.
"""

from __future__ import annotations

import base64
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
_STARTS = ("ae", "af", "ag", "ah")
"""How the texts of this version start: eight bits of version, two of the kind."""


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
    bare, marked = _bare(text, wanted_name)
    data, canonical = _to_bytes(bare, wanted_name, marked or bare.startswith(_STARTS))
    whole = canonical and _checksum(data[:-_CHECK]) == data[-_CHECK:]
    if data[0] != VERSION:
        if whole:
            raise TextNewer(
                "This was made by a newer version of Whimbrel. Update this one, then paste it again."
            )
        if marked:
            raise TextAltered(
                "This is damaged at its beginning. Copy all of it again, from its first character on."
            )
        raise NotOurText(_not(wanted_name))
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


def _not(wanted_name: str) -> str:
    return f"This is not {wanted_name}: those start with “{PREFIX}”."


def _bare(text: str, wanted_name: str) -> tuple[str, bool]:
    """What is left of a pasted text when all that does not matter is gone, and whether it had the prefix."""
    if len(text) > TEXT_MAX:
        raise NotOurText(f"This is too long to be {wanted_name}.")
    bare = "".join(
        character
        for character in text
        if character not in _DROPPED
        and not character.isspace()
        and unicodedata.category(character) not in ("Cc", "Cf")
    ).lower()
    _, mark, after = bare.rpartition(PREFIX)
    if not mark and ":" in after:
        raise NotOurText(_not(wanted_name))
    return after.removeprefix("//").rstrip("=.,;"), bool(mark)


def _to_bytes(bare: str, wanted_name: str, ours: bool) -> tuple[bytes, bool]:
    """The bytes, and whether `bare` is their one form. `ours`: there is reason to believe that this was ours once."""
    if not _ALPHABET.issuperset(bare):
        if not ours:
            raise NotOurText(_not(wanted_name))
        raise TextAltered(
            "This is damaged: there are characters in it that never stand in one. Copy all of it again."
        )
    # No number of bytes is written as 1, 3 or 6 characters more than a multiple of 8: then one is too many or too few.
    readable = bare[:-1] if len(bare) % 8 in (1, 3, 6) else bare
    data = base64.b32decode(readable.upper() + "=" * (-len(readable) % 8))
    if len(data) < _HEAD + _CHECK:
        if not ours:
            raise NotOurText(_not(wanted_name))
        raise TextCut("A part of this is missing. Copy all of it again.")
    return data, base64.b32encode(data).decode("ascii").rstrip("=").lower() == bare


def _checksum(data: bytes) -> bytes:
    return digest(labelled("text") + b"\x00" + data)[:_CHECK]
