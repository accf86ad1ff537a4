"""What the link is told and what it wants done: values only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from whimbrel.link.trouble import Stage, Trouble
from whimbrel.link.ways import Candidate
from whimbrel.wire.answers import Answer, Failure, Fetched
from whimbrel.wire.operations import Operation, WatchItem

# ------------------------------------------------------------------------------- from whoever uses the link


@dataclass(frozen=True, slots=True)
class Submitted:
    """An operation to be run. `ticket` is new and names it until it is delivered; `urgent` goes before the others."""

    ticket: int
    operation: Operation
    urgent: bool = False


@dataclass(frozen=True, slots=True)
class Cancelled:
    """Nobody waits for this ticket any more. If its operation is on its way, the relay may run it all the same."""

    ticket: int


@dataclass(frozen=True, slots=True)
class WatchSet:
    """All that is to be watched from now on, by slot. A slot that stays with the same log goes on from the link's own
    cursor, or from `after` where that is further on; to go back there is `Repositioned`."""

    items: Mapping[int, WatchItem]


@dataclass(frozen=True, slots=True)
class Repositioned:
    """Watch this slot from `after` on, whatever was delivered before; wakes a slot that ended with a failure."""

    slot: int
    after: int


@dataclass(frozen=True, slots=True)
class RoutesChanged:
    """The ways that may be dialled from now on."""

    candidates: tuple[Candidate, ...]


@dataclass(frozen=True, slots=True)
class NetworkChanged:
    """Another network, by a name that the memory knows it under."""

    network: str


# ------------------------------------------------------------------------------- from the ways


@dataclass(frozen=True, slots=True)
class Answered:
    """The sealed answers to request `n` of a way, one for each operation. The first one proves that the way is up."""

    way: int
    n: int
    answers: tuple[Answer, ...]
    subnets: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PieceCame:
    """A way that is short has done its part of a letter in pieces; it takes `left` more exchanges."""

    way: int
    left: int
    subnets: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RecordsCame:
    """Pushed on a stream."""

    way: int
    slot: int
    what: Fetched | Failure


@dataclass(frozen=True, slots=True)
class SignalCame:
    """Passed on by a stream: sealed bytes of somebody who watches the same log."""

    way: int
    slot: int
    body: bytes


@dataclass(frozen=True, slots=True)
class Reached:
    """An attempt has come so far: what it waits for now."""

    way: int
    stage: Stage


@dataclass(frozen=True, slots=True)
class Heard:
    """Bytes came in on a way that are no answer yet: it lives."""

    way: int


@dataclass(frozen=True, slots=True)
class WayLost:
    """A way is gone, or never came up. `subnets`: one for each connection that was opened for it."""

    way: int
    trouble: Trouble
    subnets: tuple[str, ...] = ()


Event = (
    Submitted
    | Cancelled
    | WatchSet
    | Repositioned
    | RoutesChanged
    | NetworkChanged
    | Answered
    | PieceCame
    | RecordsCame
    | SignalCame
    | Reached
    | Heard
    | WayLost
)


# ------------------------------------------------------------------------------- what is to be done


@dataclass(frozen=True, slots=True)
class Dial:
    """Open a way and send these operations in the first flight; they are its request 0.

    A way that is short carries one message there and one back, of so many bytes at most (`room`). A letter or an answer that
    is longer goes on by other ways: `continues` is the number of the one that began it.
    """

    way: int
    candidate: Candidate
    operations: tuple[Operation, ...]
    continues: int | None = None
    room: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class Send:
    """Send request `n` by a way that is up. One without operations asks only whether the way lives."""

    way: int
    n: int
    operations: tuple[Operation, ...]


@dataclass(frozen=True, slots=True)
class Abandon:
    """Nobody waits for exchange `n` of a way any more: end it."""

    way: int
    n: int


@dataclass(frozen=True, slots=True)
class Close:
    """Close a way; nothing that comes from it counts any more."""

    way: int


@dataclass(frozen=True, slots=True)
class Deliver:
    """The one answer to a ticket."""

    ticket: int
    answer: Answer


@dataclass(frozen=True, slots=True)
class DeliverRecords:
    """New records of a watched log, each once and in order; or a failure, which ends watching that slot."""

    slot: int
    what: Fetched | Failure


@dataclass(frozen=True, slots=True)
class DeliverSignal:
    """A signal for a watched log."""

    slot: int
    body: bytes


@dataclass(frozen=True, slots=True)
class Report:
    """How the link stands, whenever that has changed: the way that is up (None: none is), and the last trouble if none is."""

    up: Candidate | None
    trouble: Trouble | None
    slow: bool = False
    """Small requests wait for seconds on it."""
    pattern: str | None = None
    """What the network seems to do to connections, in a word (`pattern.Pattern`)."""


Action = Dial | Send | Abandon | Close | Deliver | DeliverRecords | DeliverSignal | Report
