"""The safety number as a QR code: each side shows a code of its own, and compares the one that it scanned from the other.

A code names the account that shows it and then the one that it was compared for, whole: so what is scanned from the own screen, or
from the screen of somebody else, is never taken for a comparison.
"""

from __future__ import annotations

import base64
import binascii

from whimbrel.chat.contacts import Contact
from whimbrel.chat.person import Person
from whimbrel.client.errors import REFUSED, WRONG_USE, ServiceError

START = "WHIMBREL-SAFETY:1:"
"""Capitals, digits and colons: what QR codes hold in their dense form (ISO/IEC 18004, alphanumeric)."""


def code_of(own: bytes, other: bytes) -> str:
    """The text of the code that this account shows for another one."""
    return f"{START}{_base32(own)}:{_base32(other)}"


def check_code(person: Person, contact: Contact, code: str) -> None:
    """Raises ServiceError when a scanned code is not the one that this contact shows for us."""
    shows, of = _parsed(code)
    own = person.identity.account
    if (shows, of) == (contact.account, own):
        return
    if shows == own:
        raise ServiceError(
            "code-own", "That is your own code.", f"Scan the one on the screen of {contact.name}.", WRONG_USE
        )
    if shows != contact.account and (other := person.contacts.get(shows)) is not None:
        raise ServiceError(
            "code-of-another",
            f"That is the code of {other.name}, not of {contact.name}.",
            f"Compare it on the page of {other.name}.",
            WRONG_USE,
        )
    raise ServiceError(
        "code-differs",
        f"This is not the code that belongs to the {contact.name} whom you know here: somebody may stand between you.",
        "Write nothing that others must not read. Meet, and make a new invite.",
        REFUSED,
    )


def _parsed(code: str) -> tuple[bytes, bytes]:
    parts = code.strip().upper().removeprefix(START).split(":")
    if not code.strip().upper().startswith(START) or len(parts) != 2:
        raise _no_code()
    return _unbase32(parts[0]), _unbase32(parts[1])


def _base32(key: bytes) -> str:
    return base64.b32encode(key).decode("ascii").rstrip("=")


def _unbase32(text: str) -> bytes:
    try:
        key = base64.b32decode(text + "=" * (-len(text) % 8))
    except (binascii.Error, ValueError):
        raise _no_code() from None
    if len(key) != 32 or _base32(key) != text:
        raise _no_code()
    return key


def _no_code() -> ServiceError:
    return ServiceError(
        "no-code", "That is no safety code of Whimbrel.", "Scan the code on the other screen.", WRONG_USE
    )
