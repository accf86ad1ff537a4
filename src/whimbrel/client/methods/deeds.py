"""What is done to messages that are there: edit, delete, react; and a chat that is cleared."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Literal

from whimbrel.chat.effects import Effects
from whimbrel.chat.person import Person
from whimbrel.client.errors import REFUSED, ServiceError
from whimbrel.client.lookup import find_chat, find_message
from whimbrel.client.methods.sending import mentions_in
from whimbrel.client.shapes import DoneItem, ErasedChatItem

if TYPE_CHECKING:
    from whimbrel.client.service import Service


async def edit(
    service: Service,
    message: str,
    text: str,
    mentions: list[str] | None = None,
    wait: float | None = None,
) -> AsyncIterator[DoneItem]:
    """Have an own message say something else. Its files stay. `wait`: seconds for it to leave."""
    person = service.person()
    row = find_message(person, message)
    chat = person.chats[row.chat]
    named = mentions_in(person, chat, text, mentions or [])
    id = await service.shell.do(
        lambda person, now, fx: person.acts.edit(person.chats[row.chat], row, text, named, now, fx)
    )
    yield {"message": row.id.hex(), "state": await _until_done(service, id, "same", wait)}


async def delete(
    service: Service, message: str, everyone: bool = False, wait: float | None = None
) -> AsyncIterator[DoneItem]:
    """Remove a message from this home; with `everyone` an own one from everybody's."""
    row = find_message(service.person(), message)

    def deed(person: Person, now: int, fx: Effects) -> bytes | None:
        if everyone:
            return person.acts.delete(person.chats[row.chat], row, now, fx)
        person.acts.delete_here(person.chats.get(row.chat), row, now, fx)
        return None

    id = await service.shell.do(deed)
    yield {"message": row.id.hex(), "state": await _until_done(service, id, "gone", wait)}


async def react(
    service: Service, message: str, emoji: str = "", wait: float | None = None
) -> AsyncIterator[DoneItem]:
    """React to a message with an emoji, in place of what one's reaction was; without one it is taken back."""
    row = find_message(service.person(), message)
    id = await service.shell.do(
        lambda person, now, fx: person.acts.react(person.chats[row.chat], row, emoji, now, fx)
    )
    yield {"message": row.id.hex(), "state": await _until_done(service, id, "same", wait)}


async def erase_chat(service: Service, chat: str) -> AsyncIterator[ErasedChatItem]:
    """Forget the messages of a chat here; a group that one is not in any more goes as a whole. Others keep theirs."""
    found = find_chat(service.person(), chat)
    dropped = found.kind == "group" and found.line is None and found.lost is None and found.offered is None

    def deed(person: Person, now: int, fx: Effects) -> None:
        chat = person.chats[found.id]
        person.acts.clear(chat, now, fx)
        if dropped:
            for line in chat.lines:
                person.forget_group(line.state.group)
            person.forget(chat, fx)

    await service.shell.do(deed)
    yield {"chat": found.id.hex(), "name": found.name, "dropped": dropped}


async def _until_done(
    service: Service, id: bytes | None, otherwise: Literal["same", "gone"], wait: float | None
) -> Literal["queued", "sent", "same", "gone"]:
    """Wait until a deed left. `otherwise`: what is told when there was nothing to be sent."""
    if id is None:
        return otherwise
    waited = asyncio.get_running_loop().time() + (service.wait if wait is None else wait)
    while (row := service.shell.desk.deed(id)) is not None and row.state == "queued":
        left = waited - asyncio.get_running_loop().time()
        if left <= 0:
            return "queued"
        await service.shell.until(lambda: _has_left(service, id), min(0.5, left))
    if row is None and service.person().retired:
        raise ServiceError("failed", "That could not be sent any more.", "", REFUSED)
    return "sent"


def _has_left(service: Service, id: bytes) -> bool:
    row = service.shell.desk.deed(id)
    return row is None or row.state != "queued"
