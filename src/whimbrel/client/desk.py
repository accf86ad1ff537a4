"""What the engine may look up, from the store."""

from __future__ import annotations

from whimbrel.chat.records import FileRow, MessageRow
from whimbrel.store.home import Home


class StoreDesk:
    """What the engine may look up, from the store. Implements `chat.effects.Desk`."""

    def __init__(self, home: Home) -> None:
        self._store = home.database

    def message(self, id_or_prefix: bytes | str) -> MessageRow | None:
        return self._store.message(id_or_prefix)

    def files_of(self, message: bytes) -> list[FileRow]:
        return self._store.files_of(message)

    def undelivered(self, chat: bytes) -> list[MessageRow]:
        return self._store.undelivered(chat)

    def mls_rows(self, scope: bytes) -> list[tuple[bytes, bytes, bytes]]:
        return [(scope, key, value) for key, value in self._store.mls_rows(scope)]
