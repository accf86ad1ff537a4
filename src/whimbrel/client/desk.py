"""What the engine may look up, from the store."""

from __future__ import annotations

from whimbrel.chat.records import DeedRow, FileRow, MessageRow
from whimbrel.store.home import Home


class StoreDesk:
    """What the engine may look up, from the store. Implements `chat.effects.Desk`."""

    def __init__(self, home: Home) -> None:
        self._store = home.database

    def message(self, id_or_prefix: bytes | str) -> MessageRow | None:
        return self._store.message(id_or_prefix)

    def files_of(self, message: bytes) -> list[FileRow]:
        return self._store.files_of(message)

    def files_of_chat(self, chat: bytes) -> list[FileRow]:
        return self._store.files_of_chat(chat)

    def deed(self, id: bytes) -> DeedRow | None:
        return self._store.deed(id)

    def deeds_to(self, message: bytes) -> list[DeedRow]:
        return self._store.deeds_to(message)

    def own_deeds(self, chat: bytes) -> list[DeedRow]:
        return self._store.own_deeds(chat)

    def is_gone(self, message: bytes) -> bool:
        return self._store.is_gone(message)

    def next_vanishing(self) -> int | None:
        return self._store.next_vanishing()

    def vanished(self, now: int, limit: int) -> list[MessageRow]:
        return self._store.vanished(now, limit)

    def vanishing_late(self, now: int) -> bool:
        return self._store.vanishing_late(now)

    def has_old(self, before: int) -> bool:
        return self._store.has_old(before)

    def undelivered(self, chat: bytes) -> list[MessageRow]:
        return self._store.undelivered(chat)

    def picture(self, id: bytes) -> bytes | None:
        return self._store.picture(id)

    def pictures(self, chat: bytes) -> list[bytes]:
        return self._store.pictures(chat)

    def mls_rows(self, scope: bytes) -> list[tuple[bytes, bytes, bytes]]:
        return [(scope, key, value) for key, value in self._store.mls_rows(scope)]
