"""What changes, for ever: for windows that stay open, and for bots."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import TYPE_CHECKING, cast

from whimbrel.chat.contacts import Contact
from whimbrel.client.changes import Changed
from whimbrel.client.chat_views import chat_items
from whimbrel.client.message_views import row_items
from whimbrel.client.methods.account import status_item
from whimbrel.client.settings import settings_of
from whimbrel.client.shapes import ChangeItem, ChatItem, EventItem, StatusItem
from whimbrel.client.views import milliseconds, request_item
from whimbrel.crypto.accounts import pair_id

if TYPE_CHECKING:
    from whimbrel.client.service import Service

AT_ONCE = 100
"""Rows read at once: what is read waits until the follower takes it, and may change meanwhile."""
LOOK_EVERY = 60.0
"""Seconds after which the clock is looked at again, for chats that are muted for a while."""


async def follow(service: Service) -> AsyncIterator[ChangeItem]:
    """What changes from now on, until the asker goes away: first `ready`, then each new or changed item, the newest of each.

    Whoever is slow is given fewer items, never old ones. After the first `ready` load what is to be shown: nothing falls
    between. While the home is locked only `locked` and `status` come.
    """
    shell = service.shell
    with shell.changes.follower() as follower:
        watch = _Watch(service)
        if service.locked:
            watch.locked = True
            yield {"locked": True}
        yield {"ready": True}
        while not follower.over:
            changed = await follower.next(watch.next_look())
            if service.locked != watch.locked:
                watch.locked = service.locked
                yield {"locked": watch.locked}
                changed.anew, changed.status = not watch.locked, True
            async for item in watch.items(changed):
                yield item


class _Watch:
    """What one follower was told already, so far as it matters."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._status: StatusItem | None = None
        self._asking = set(self._requests())
        self._chats_told: dict[str, ChatItem] = {}
        self._muted = dict(service.shell.home.database.reading.muted_for_a_while())
        self.locked = False

    def next_look(self) -> float | None:
        """When (of the loop's time) a chat may be heard again that was muted for a while; while locked nothing is told of it."""
        if not self._muted or self._service.locked:
            return None
        left = max(0.0, (min(self._muted.values()) - self._service.shell.now()) / 1000)
        return asyncio.get_running_loop().time() + min(left, LOOK_EVERY)

    async def items(self, changed: Changed) -> AsyncIterator[ChangeItem]:
        """What a follower is told of these changes."""
        service = self._service
        if not service.locked and service.shell.person is not None:
            if changed.anew:
                self._chats_told.clear()
                yield {"ready": True}
            async for item in self._rows(changed):
                yield item
            for told in [*self._people(changed), *self._chats(changed)]:
                yield told
        if changed.settings and not service.locked:
            yield {"settings": settings_of(service.shell.home.database.reading)}
        if changed.status and (status := status_item(service)) != self._status:
            self._status = status
            yield {"status": status}

    async def _rows(self, changed: Changed) -> AsyncIterator[ChangeItem]:
        """Messages and events; those that are not there any more are told by their ids."""
        shell = self._service.shell
        answers = shell.home.database.reading.answers_to(changed.said)
        ids = [*dict.fromkeys([*changed.messages, *answers, *changed.moving])]
        for start in range(0, len(ids), AT_ONCE):
            if self._service.locked:
                return
            part = ids[start : start + AT_ONCE]
            rows = shell.home.database.reading.messages_by_id(part)
            changed.chats.update((row.chat, None) for row in rows if row.id in changed.messages)
            for item in row_items(shell, rows):
                if "event" in item:
                    yield {"event": cast(EventItem, item)}
                else:
                    yield {"message": item}
            there = {row.id for row in rows}
            for id in part:
                if id not in there:
                    yield {"no_message": id.hex()}

    def _people(self, changed: Changed) -> Iterator[ChangeItem]:
        person = self._service.person()
        for account in changed.people:  # they may be called otherwise
            changed.chats[pair_id(person.identity.account, account)] = None
            changed.chats.update((chat, None) for chat in self._groups_of(account))
        if not changed.people and not changed.anew:
            return
        asking = self._requests()
        for account, contact in asking.items():
            if account in changed.people:
                yield {"request": request_item(contact)}
        for account in self._asking - set(asking):
            yield {"no_request": account.hex()}
        self._asking = set(asking)

    def _chats(self, changed: Changed) -> Iterator[ChangeItem]:
        now = self._service.shell.now()
        over = [chat for chat, until in self._muted.items() if until <= now]
        wanted = [*dict.fromkeys([*changed.chats, *over])]
        for chat in over:
            del self._muted[chat]
        there = set()
        for item in chat_items(self._service.shell, wanted) if wanted else ():
            there.add(id := bytes.fromhex(item["id"]))
            self._muted.pop(id, None)
            if item["muted_until"] is not None:
                self._muted[id] = milliseconds(item["muted_until"])
            if self._chats_told.get(item["id"]) != item:
                self._chats_told[item["id"]] = item
                yield {"chat": item}
        for chat in changed.chats:
            if chat not in there and chat not in self._pairs_to_be():
                yield {"no_chat": chat.hex()}

    def _groups_of(self, account: bytes) -> Iterator[bytes]:
        for chat in self._service.person().chats.values():
            glance = chat.remembered if chat.kind == "group" else None
            if glance is not None and account in glance.accounts:
                yield chat.id

    def _pairs_to_be(self) -> set[bytes]:
        """Chats that there would be with people who are none of the contacts."""
        person = self._service.person()
        return {pair_id(person.identity.account, account) for account in person.contacts} - set(person.chats)

    def _requests(self) -> dict[bytes, Contact]:
        person = self._service.shell.person
        people = person.contacts.values() if person is not None else ()
        return {contact.account: contact for contact in people if contact.standing == "asking"}
