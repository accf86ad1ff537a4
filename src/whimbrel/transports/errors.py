"""What a transport raises: the stage and the reason, in words that are safe to log."""

from __future__ import annotations

import errno
import socket
import ssl

from whimbrel.link.trouble import Reason, Stage, Trouble


class TransportError(Exception):
    """A way failed. `str()` names stage and reason only: no host, no address, nothing that was received."""

    def __init__(self, stage: Stage, reason: Reason) -> None:
        super().__init__(f"{stage.value}: {reason.value}")
        self.trouble = Trouble(stage, reason)
        self.subnets: tuple[str, ...] = ()
        """One for each connection that was opened in vain."""


def in_handshake(error: TransportError) -> TransportError:
    """The same trouble, told as what it is while nothing has been agreed yet."""
    found = TransportError(Stage.HANDSHAKE, error.trouble.reason)
    found.subnets = error.subnets
    return found


_REASONS = {
    errno.ECONNREFUSED: Reason.REFUSED,
    errno.ECONNRESET: Reason.RESET,
    errno.ECONNABORTED: Reason.RESET,
    errno.EPIPE: Reason.RESET,
    errno.ESHUTDOWN: Reason.RESET,
    errno.ETIMEDOUT: Reason.TIMED_OUT,
    errno.EHOSTUNREACH: Reason.UNREACHABLE,
    errno.ENETUNREACH: Reason.UNREACHABLE,
    errno.ENETDOWN: Reason.UNREACHABLE,
    errno.EHOSTDOWN: Reason.UNREACHABLE,
    errno.EADDRNOTAVAIL: Reason.UNREACHABLE,
}


def of_os(stage: Stage, error: OSError) -> TransportError:
    """What the operating system said, without its text: that may hold an address."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return TransportError(stage, Reason.CERTIFICATE)
    if isinstance(error, ssl.SSLError):
        return TransportError(stage, Reason.NOT_TLS)
    if isinstance(error, socket.gaierror):
        known = error.errno in (socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME))
        return TransportError(stage, Reason.NO_SUCH_NAME if known else Reason.NAME_FAILED)
    if isinstance(error, TimeoutError):
        return TransportError(stage, Reason.TIMED_OUT)
    return TransportError(stage, _REASONS.get(error.errno or 0, Reason.FAILED))
