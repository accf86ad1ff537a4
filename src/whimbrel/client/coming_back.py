"""An archived chat comes back when somebody writes in it, unless it is muted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from whimbrel.chat.records import AddMessage, PutChatSettings, Save
from whimbrel.client.chat_views import is_muted
from whimbrel.store.database import Database


def coming_back(store: Database, saves: Sequence[Save], now: int) -> list[Save]:
    """What is to be saved besides these, `now` in milliseconds."""
    written = {
        save.row.chat: save.row.id
        for save in saves
        if isinstance(save, AddMessage) and not save.row.mine and save.row.event is None
    }
    back: list[Save] = []
    for chat, message in written.items():
        settings = store.reading.settings_of(chat)
        if settings.archived and not is_muted(settings, now) and not store.known_message(message):
            back.append(PutChatSettings(replace(settings, archived=False)))
    return back
