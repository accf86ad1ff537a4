"""What the engine wants done, as values: remember this, ask that relay, tell this to whoever looks on.

The shell writes all `saves` of a batch in one transaction with the MLS changes, and only then carries out the
rest: save, then send.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from whimbrel.chat.records import (
    AddMessage,
    DeedRow,
    DropDeed,
    EditMessage,
    EmptyMessage,
    FileRow,
    ForgetMessage,
    HideMessage,
    MessageRow,
    PutDeed,
    PutFile,
    Save,
)
from whimbrel.wire.operations import Operation

Tag = tuple[Any, ...]
"""What an answer belongs to; made and understood by the engine alone."""


@dataclass(frozen=True, slots=True)
class Ask:
    """Have this operation answered by this relay; the answer comes back with the tag."""

    relay: bytes
    operation: Operation
    tag: Tag


@dataclass(frozen=True, slots=True)
class Watching:
    """One log to be watched: which relay, from where on."""

    relay: bytes
    log: bytes
    read: bytes
    after: int


@dataclass(slots=True)
class Effects:
    """Collects what one batch of events leads to."""

    saves: list[Save] = field(default_factory=list)
    asks: list[Ask] = field(default_factory=list)
    news: list[dict[str, Any]] = field(default_factory=list)
    watch_changed: bool = False
    _about: dict[bytes, list[Save]] = field(default_factory=dict)

    def save(self, *saves: Save) -> None:
        self.saves.extend(saves)
        for save in saves:
            message = _message_of(save)
            if message is not None:
                self._about.setdefault(message, []).append(save)

    def about(self, message: bytes) -> Sequence[Save]:
        """What this batch changes of a message and what belongs to it, in order."""
        return self._about.get(message, ())

    def ask(self, relay: bytes, operation: Operation, *tag: Any) -> None:
        self.asks.append(Ask(relay, operation, tag))

    def tell(self, event: str, **detail: Any) -> None:
        self.news.append({"event": event, **detail})


def _message_of(save: Save) -> bytes | None:
    match save:
        case AddMessage(row):
            return row.id
        case EditMessage(id) | HideMessage(id) | EmptyMessage(id) | ForgetMessage(id):
            return id
        case PutDeed(row):
            return row.target
        case DropDeed(_, target):
            return target
        case PutFile(row):
            return row.message
        case _:
            return None


class Desk(Protocol):
    """What the engine may look up of what it has remembered."""

    def message(self, id_or_prefix: bytes | str) -> MessageRow | None: ...

    def undelivered(self, chat: bytes) -> list[MessageRow]:
        """Own messages of a chat that were sent and have no receipt."""

    def files_of(self, message: bytes) -> Iterable[FileRow]: ...

    def files_of_chat(self, chat: bytes) -> Iterable[FileRow]: ...

    def deed(self, id: bytes) -> DeedRow | None: ...

    def deeds_to(self, message: bytes) -> list[DeedRow]: ...

    def own_deeds(self, chat: bytes) -> list[DeedRow]:
        """Own deeds of a chat that nobody is known to have."""

    def is_gone(self, message: bytes) -> bool:
        """Whether a message vanished or was deleted here."""

    def next_vanishing(self) -> int | None:
        """When the next message goes (milliseconds)."""

    def vanished(self, now: int, limit: int) -> list[MessageRow]: ...

    def vanishing_late(self, now: int) -> bool:
        """Whether a message would stay longer from now than it was given."""

    def has_old(self, before: int) -> bool:
        """Whether there is anything for ForgetOld."""

    def picture(self, id: bytes) -> bytes | None:
        """A group's picture, by its SHA-256."""

    def pictures(self, chat: bytes) -> list[bytes]:
        """Which pictures of a group are here."""

    def mls_rows(self, scope: bytes) -> list[tuple[bytes, bytes, bytes]]: ...
