"""What can be wrong with bytes that came from outside, as one small family of errors.

Misuse by our own code raises `ValueError` or `RuntimeError` instead. No message here repeats what was received, so
that all of them may be logged.
"""

from __future__ import annotations


class WireError(Exception):
    """What was received cannot be used. Nothing was changed by it."""


class Malformed(WireError):
    """The bytes are not what the protocol says; whoever made them has a fault, or somebody altered them."""


class TooLarge(Malformed):
    """Well formed perhaps, but above a limit of the protocol."""


class BadSignature(WireError):
    """A signature does not fit what it stands under, or is by another key than the expected one."""


class GoneKey(WireError):
    """A letter to a key that this relay has no more (or never had): answer with the key document."""


class NotForUs(WireError):
    """A letter that the named key does not open: altered on the way, or meant for another relay."""


class StreamOver(WireError):
    """The stream has failed before, or was never opened; it takes and gives nothing any more. Open another."""


class TextError(WireError):
    """A pasted text cannot be used; the message tells a person why and what to do."""


class NotOurText(TextError):
    """Something else than an invite or an address of this program."""


class TextCut(TextError):
    """A part is missing."""


class TextAltered(TextError):
    """All of it seems to be there, but a character is wrong."""


class TextNewer(TextError):
    """Whole, but made by a newer version of the program."""


class OtherText(TextError):
    """Whole, but of the other kind: an address in place of an invite, or the other way round."""
