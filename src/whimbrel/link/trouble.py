"""What went wrong on a way to a relay, in values and words that are safe to log: they never hold a name or an address."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Stage(Enum):
    """How far an attempt had come when it went wrong."""

    RESOLVE = "resolve"
    CONNECT = "connect"
    HANDSHAKE = "handshake"
    SEND = "send"
    RECEIVE = "receive"


class Reason(Enum):
    """Why, in one of a fixed set of words."""

    NO_SUCH_NAME = "no-such-name"
    NAME_FAILED = "name-failed"
    PLAIN_FORBIDDEN = "plain-forbidden"
    PRIVATE_FORBIDDEN = "private-forbidden"
    REFUSED = "refused"
    UNREACHABLE = "unreachable"
    TIMED_OUT = "timed-out"
    RESET = "reset"
    ENDED = "ended"
    SILENT = "silent"
    CERTIFICATE = "certificate"
    NOT_TLS = "not-tls"
    NOT_A_RELAY = "not-a-relay"
    WRONG_RELAY = "wrong-relay"
    BAD_DATA = "bad-data"
    TOO_LARGE = "too-large"
    BUSY = "busy"
    UNKNOWN_WAY = "unknown-way"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Trouble:
    """A stage and a reason; `str()` is a short form for logs, `in_words` a sentence for a person."""

    stage: Stage
    reason: Reason

    def __str__(self) -> str:
        return f"{self.stage.value}: {self.reason.value}"

    def in_words(self) -> str:
        """What happened, and where it helps, what to do."""
        return _WORDS[self.reason]


_WORDS = {
    Reason.NO_SUCH_NAME: "The relay's name is not known to the name server of this network.",
    Reason.NAME_FAILED: "The name server of this network does not answer. Is this computer online?",
    Reason.PLAIN_FORBIDDEN: "This way is not encrypted on the outside (ws or http) and leads to a public address; "
    "such ways are only used on this computer and in private networks. Use a wss or https way.",
    Reason.PRIVATE_FORBIDDEN: "This way came from somebody else and leads into a private network; such ways only lead to public "
    "addresses. Ask whoever it is from.",
    Reason.REFUSED: "Nothing listens where the relay should be. Is the relay running?",
    Reason.UNREACHABLE: "The relay cannot be reached from this network. Is this computer online?",
    Reason.TIMED_OUT: "The relay did not answer in time.",
    Reason.RESET: "The connection was cut.",
    Reason.ENDED: "The other side closed the connection.",
    Reason.SILENT: "The connection stands, but nothing comes back on it.",
    Reason.CERTIFICATE: "The certificate there is not one that this computer trusts.",
    Reason.NOT_TLS: "What answers there does not speak TLS as it should.",
    Reason.NOT_A_RELAY: "There is a web server, but no relay at this path. Is the address complete?",
    Reason.WRONG_RELAY: "What answers there is another relay than the one that was asked for.",
    Reason.BAD_DATA: "What came back was not from this relay, or was changed on the way.",
    Reason.TOO_LARGE: "More came back at once than a relay ever sends.",
    Reason.BUSY: "The relay has too much to do at the moment.",
    Reason.UNKNOWN_WAY: "This version does not know such a way.",
    Reason.FAILED: "The way failed.",
}
