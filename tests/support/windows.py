"""Windows of a home that is not there: their secrets in memory, and no files."""

from collections.abc import AsyncIterator, Sequence
from typing import Any

from whimbrel.chat.records import PutFact, Save
from whimbrel.client.errors import NOT_FOUND, ServiceError
from whimbrel.client.shelf import Stored
from whimbrel.client.windows import Windows


class MemoryFacts:
    """The facts of a home, without one."""

    def __init__(self) -> None:
        self.kept: dict[str, bytes] = {}

    def facts(self) -> dict[str, bytes]:
        return dict(self.kept)

    def commit(self, changes: Sequence[Save]) -> None:
        for change in changes:
            assert isinstance(change, PutFact)
            if change.value is None:
                self.kept.pop(change.name, None)
            else:
                self.kept[change.name] = change.value


def windows(home_id: str = "0123456789abcdef") -> Windows:
    return Windows(MemoryFacts(), home_id)


class EmptyShelf:
    """Takes nothing and has nothing, and remembers who wanted something."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    async def take(
        self, chat: str | None, name: str, type: str, size: int, content: AsyncIterator[bytes]
    ) -> dict[str, Any]:
        self.asked.append("take")
        raise ServiceError("too-many-files", "Nothing more fits.")

    def stored(self, file: str) -> Stored:
        self.asked.append("stored")
        raise ServiceError("not-found", "There is no such file here.", "", NOT_FOUND)

    def picture(self, id: str) -> tuple[bytes, str] | None:
        self.asked.append("picture")
        return None
