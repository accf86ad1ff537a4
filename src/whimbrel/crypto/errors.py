"""What can be wrong with what other people's devices made, as one small family of errors.

Misuse by our own code raises `ValueError`. No message here repeats what was received: all of them may be logged and
shown. MLS has its own family (`mls.MlsError`).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from whimbrel.wire.errors import TooLarge as WireTooLarge
from whimbrel.wire.errors import WireError


class CryptoError(Exception):
    """What was received cannot be used. `str()` says what happened, `do` what a person can do about it."""

    do = "Ask the sender to send it again. If it happens again, one of you may need a newer version of Whimbrel."


class Malformed(CryptoError):
    """The bytes are not what they should be; whoever made them has a fault, or somebody altered them."""


class TooLarge(Malformed):
    """Well formed perhaps, but above a limit."""


class Newer(CryptoError):
    """Made by a later version, in a form that this one must not guess at."""

    do = "Install the newest version of Whimbrel, then try again."


class NotSigned(CryptoError):
    """A signature does not fit: not made by the one who should have made it, or altered since."""

    do = "Do not trust it. Ask the person, over another way, for a new invite or card."


class NotOpened(CryptoError):
    """Sealed data that this key does not open: meant for somebody else, for another place, or altered on the way."""


@contextmanager
def reading(what: str) -> Iterator[None]:
    """Whatever the parsers of `wire` raise inside becomes an error of this family that names what was read."""
    try:
        yield
    except WireTooLarge as error:
        raise TooLarge(f"{what} that is too large: {error}") from None
    except (WireError, ValueError) as error:
        raise Malformed(f"{what} that cannot be read: {error}") from None
