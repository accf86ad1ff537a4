"""The list of chats and people, and how each chat is kept on this computer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from whimbrel.chat.composing import TEXT_MAX
from whimbrel.chat.conversation import Conversation
from whimbrel.chat.effects import Effects
from whimbrel.chat.person import Person
from whimbrel.chat.records import ChatSettingsRow, FileRow, PutChatSettings
from whimbrel.client.chat_views import chat_item, chat_items, files_of_last, told
from whimbrel.client.errors import WRONG_USE, ServiceError
from whimbrel.client.lookup import find_chat
from whimbrel.client.shapes import ChatItem, ContactItem
from whimbrel.client.views import contact_item, milliseconds
from whimbrel.crypto.accounts import pair_id
from whimbrel.store.errors import StoreError
from whimbrel.store.reading import Overview, Reading

if TYPE_CHECKING:
    from whimbrel.client.service import Service

AT_ONCE = 200
"""Chats told before others are let to the loop."""


async def chats(service: Service) -> AsyncIterator[ChatItem]:
    """All chats, also archived ones: pinned ones first, then the newest."""
    person = service.person()
    await _remember(service, [chat for chat in person.chats.values() if chat.id not in service.listed])
    reading, now = service.shell.home.database.reading, service.shell.now()
    rows, files = await asyncio.to_thread(_listed, reading)
    for start in range(0, len(rows), AT_ONCE):
        person = service.person()
        for row in rows[start : start + AT_ONCE]:
            if row.chat in person.chats:
                yield chat_item(person, row, files, now)
        await asyncio.sleep(0)


def _listed(reading: Reading) -> tuple[list[Overview], dict[bytes, list[FileRow]]]:
    rows = told(reading.overviews())
    return rows, files_of_last(reading, rows)


async def _remember(service: Service, chats: list[Conversation]) -> None:
    """What is not noted beside chats (of homes of before, say) is asked of MLS once, and kept."""
    fresh = [chat.id for chat in chats if not chat.hidden and not chat.is_glanced]

    def deed(person: Person, now: int, fx: Effects) -> None:
        for id in fresh:
            if (chat := person.chats.get(id)) is not None and chat.glance() is not None:
                fx.save(chat.save())

    if fresh:
        with suppress(StoreError):  # the list is shown all the same
            await service.shell.do(deed)
    service.listed.update(chat.id for chat in chats)


async def contacts(service: Service) -> AsyncIterator[ContactItem]:
    """The people whom this account has accepted, has asked, or has blocked."""
    person = service.person()
    rows = {row.chat: row for row in service.shell.home.database.reading.overviews()}
    people = [c for c in person.contacts.values() if c.standing in ("contact", "asked", "blocked")]
    together: dict[bytes, list[bytes]] = {}
    for chat in person.chats.values():
        if chat.kind == "group" and not chat.hidden:
            for account in _members(chat):
                together.setdefault(account, []).append(chat.id)
    for contact in sorted(people, key=lambda contact: contact.name.casefold()):
        chat_id = pair_id(person.identity.account, contact.account)
        yield contact_item(contact, rows.get(chat_id), together.get(contact.account, []))
        await asyncio.sleep(0)  # a card may have to be opened for each


def _members(chat: Conversation) -> Sequence[bytes]:
    glance = chat.glance()
    return glance.accounts if glance is not None and glance.accounts else chat.accounts()


async def chat_set(
    service: Service,
    chat: str,
    pinned: bool | None = None,
    archived: bool | None = None,
    muted: bool | None = None,
    muted_until: str | None = None,
    unread_mark: bool | None = None,
    draft: str | None = None,
) -> AsyncIterator[ChatItem]:
    """How a chat is kept on this computer: nobody else learns of it. What is not given stays. `muted` without a time is for good."""
    id = find_chat(service.person(), chat).id
    until = None if muted_until is None else _until(muted_until)
    if draft is not None and len(draft.encode("utf-8", "surrogatepass")) > TEXT_MAX:
        raise ServiceError("draft", "That draft is longer than a message can be.", "", WRONG_USE)
    reading = service.shell.home.database.reading

    def deed(person: Person, now: int, fx: Effects) -> None:
        before = reading.settings_of(id)
        after = before
        if until is not None or muted is not None:
            on = muted is not False
            after = replace(after, muted=on, muted_until=(until or 0) if on else 0)
        after = ChatSettingsRow(
            id,
            before.pinned if pinned is None else pinned,
            before.archived if archived is None else archived,
            after.muted,
            after.muted_until,
            before.unread_mark if unread_mark is None else unread_mark,
            before.draft if draft is None else draft,
        )
        if after != before:
            fx.save(PutChatSettings(after))

    await service.shell.do(deed)
    for item in chat_items(service.shell, [id]):
        yield item


def _until(moment: str) -> int:
    try:
        at = milliseconds(moment)
    except ValueError:
        at = 0
    if at <= 0:
        raise ServiceError(
            "time", f"{moment} is no time to come.", "Write it like 2030-01-31T18:00:00Z.", WRONG_USE
        )
    return at
