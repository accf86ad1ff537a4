"""What the engine wants done, as values: remember this, ask that relay, tell this to whoever looks on.

The shell writes all `saves` of a batch in one transaction with the MLS changes, and only then carries out the
rest: save, then send.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Protocol

from whimbrel.chat.records import FileRow, MessageRow, Save
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

    def save(self, *saves: Save) -> None:
        self.saves.extend(saves)

    def ask(self, relay: bytes, operation: Operation, *tag: Any) -> None:
        self.asks.append(Ask(relay, operation, tag))

    def tell(self, event: str, **detail: Any) -> None:
        self.news.append({"event": event, **detail})


class Desk(Protocol):
    """What the engine may look up of what it has remembered."""

    def message(self, id_or_prefix: bytes | str) -> MessageRow | None: ...

    def undelivered(self, chat: bytes) -> list[MessageRow]:
        """Own messages of a chat that were sent and have no receipt."""

    def files_of(self, message: bytes) -> Iterable[FileRow]: ...

    def mls_rows(self, scope: bytes) -> list[tuple[bytes, bytes, bytes]]: ...
