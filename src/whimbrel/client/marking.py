"""Messages that were shown: from then on they are read, and the others are told so, if that is not switched off."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from whimbrel.chat.effects import Effects
from whimbrel.chat.person import Person
from whimbrel.chat.records import PutChatSettings
from whimbrel.client.settings import settings_of

if TYPE_CHECKING:
    from whimbrel.client.service import Service


async def mark_read(service: Service, up_to: Mapping[bytes, int]) -> None:
    """Each of these chats was read up to and including this number. Raises StoreError."""
    store = service.shell.home.database
    unread = {chat: store.unread_messages(chat, n) for chat, n in up_to.items()}
    marked = [row for row in map(store.reading.settings_of, up_to) if row.unread_mark]
    if not any(unread.values()) and not marked:
        return
    receipts = settings_of(store.reading)["receipts"]

    def deed(person: Person, now: int, fx: Effects) -> None:
        for id, ids in unread.items():
            person.acts.read_up_to(id, up_to[id], ids, now, fx, receipts)
        fx.save(*(PutChatSettings(replace(row, unread_mark=False)) for row in marked))

    await service.shell.do(deed)
