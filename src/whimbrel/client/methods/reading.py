"""Messages as they are looked at: windows of a chat, one message, what was searched for. Only `seen` and `read` mark as read."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from whimbrel.chat.records import MessageRow
from whimbrel.client.chat_views import chat_items
from whimbrel.client.errors import NOT_FOUND, WRONG_USE, ServiceError
from whimbrel.client.lookup import find_chat, find_message
from whimbrel.client.marking import mark_read
from whimbrel.client.message_views import row_items
from whimbrel.client.shapes import ChatItem, EventItem, MessageItem, ReceiptItem
from whimbrel.client.views import moment, name_in
from whimbrel.store.errors import StoreError

if TYPE_CHECKING:
    from whimbrel.client.service import Service

PAGE = 500
"""Rows read from the store at once, and given at once."""


async def messages(
    service: Service,
    chat: str,
    before: int | None = None,
    after: int | None = None,
    around: str | None = None,
    limit: int = 60,
) -> AsyncIterator[MessageItem | EventItem]:
    """A window of a chat, oldest first: the newest, or those before or after a number `n`, or around a message. At most 500.

    Marks nothing as read.
    """
    if sum(given is not None for given in (before, after, around)) > 1:
        raise ServiceError("parameters", "messages: only one of before, after, around.", "", WRONG_USE)
    id = find_chat(service.person(), chat).id
    store, limit = service.shell.home.database, min(limit, PAGE)
    if around is not None:
        n = store.reading.place_of(id, find_message(service.person(), around).id)
        if n is None:
            raise ServiceError("not-found", "That message is not in this chat.", "", NOT_FOUND)
        half = limit // 2
        earlier = store.messages(id, None, half, True, n)
        rows = earlier + store.messages(id, n - 1, limit - len(earlier), True)
    else:
        rows = store.messages(id, after, limit, True, before)
    for item in row_items(service.shell, rows):
        yield item


async def message(service: Service, id: str) -> AsyncIterator[MessageItem | EventItem]:
    """One message, by its id."""
    for item in row_items(service.shell, [find_message(service.person(), id)]):
        yield item


async def receipts(service: Service, message: str) -> AsyncIterator[ReceiptItem]:
    """Who has got an own message, and who has read it; in the order in which that was told."""
    person = service.person()
    for row in service.shell.home.database.receipts_of(find_message(person, message).id):
        yield {
            "person": row.account.hex(),
            "name": name_in(person, row.account),
            "state": row.state,
            "at": moment(row.at),
        }


async def seen(service: Service, chat: str, n: int) -> AsyncIterator[ChatItem]:
    """A chat was looked at up to message number `n`: those are read, and the mark of the chat goes."""
    id = find_chat(service.person(), chat).id
    await mark_read(service, {id: n})
    for item in chat_items(service.shell, [id]):
        yield item


async def read(
    service: Service,
    chat: str | None = None,
    follow: bool = False,
    since: str | None = None,
    limit: int | None = None,
    timeout: float | None = None,
    events: bool = False,
) -> AsyncIterator[MessageItem | EventItem]:
    """Messages, oldest first; with `follow` also those that come, until `timeout` seconds have passed. They count as read."""
    person = service.person()
    only = find_chat(person, chat).id if chat is not None else None
    last = find_message(person, since).n if since is not None else None
    store = service.shell.home.database
    if limit is not None:
        rows = (
            store.messages(only, last, limit, events)
            if last is None
            else store.messages(only, last, None, events)[-limit:]
        )
        last = rows[-1].n if rows else last
        for item in await _shown(service, rows):
            yield item
    end = asyncio.get_running_loop().time() + timeout if timeout is not None else None
    while True:
        changed = service.shell.next_change()
        service.check_open()  # what stays open ends when the app is locked
        if limit is None or follow:
            while rows := store.messages(only, last or 0, PAGE, events):
                last = rows[-1].n
                for item in await _shown(service, rows):
                    yield item
        if not follow or not await _another(changed, end):
            return
        limit = None


async def _another(changed: asyncio.Event, end: float | None) -> bool:
    """Wait for a change. False: the time is over."""
    try:
        async with asyncio.timeout_at(end):
            await changed.wait()
    except TimeoutError:
        return False
    return True


async def _shown(service: Service, rows: Sequence[MessageRow]) -> list[MessageItem | EventItem]:
    """The items of rows that are shown now: from here on they are read."""
    items = row_items(service.shell, rows)
    with suppress(StoreError):  # on a full disk, say: they are shown all the same, and stay unread
        await mark_read(service, {row.chat: row.n for row in rows})
    return items


async def search(
    service: Service,
    words: str | list[str],
    chat: str | None = None,
    limit: int = 50,
    before: int | None = None,
) -> AsyncIterator[MessageItem | EventItem]:
    """The newest messages with these words, oldest first; with `before` those before a number `n`. At most 500."""
    person, store = service.person(), service.shell.home.database
    only = find_chat(person, chat).id if chat is not None else None
    text = words if isinstance(words, str) else " ".join(words)
    rows = await asyncio.to_thread(store.search, text, only, min(limit, PAGE), before)
    for item in row_items(service.shell, rows):
        yield item
