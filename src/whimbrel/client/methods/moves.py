"""Moving a conversation: to a new group and log, also on another relay."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

from whimbrel.chat.conversation import Conversation
from whimbrel.chat.line_state import Standing
from whimbrel.client.lookup import find_chat
from whimbrel.client.methods.account import relay_of
from whimbrel.client.shapes import MovedItem

if TYPE_CHECKING:
    from whimbrel.client.service import Service


async def move(
    service: Service, chat: str, relay: str | None = None, agree: bool = False
) -> AsyncIterator[MovedItem]:
    """Move a conversation, as one of its admins; or agree to where another admin moved it, with other people in it."""
    found = find_chat(service.person(), chat)
    to = relay_of(relay) if relay else None
    id = found.id
    if agree:
        await service.shell.do(lambda person, now, fx: person.agree_to_move(person.chats[id], now, fx))
    else:
        await service.shell.do(lambda person, now, fx: person.move(person.chats[id], to, now, fx))

    def done() -> bool:
        line = service.person().chats[id].line
        return line is not None and line.state.standing is Standing.OPEN

    if await service.shell.until(done, service.wait or 5.0):
        await service.shell.settle(service.wait or 2.0)
    else:
        service.report("It waits for a way to the relay, and goes on by itself.")
    yield _moved(service.person().chats[id])


def _moved(chat: Conversation) -> MovedItem:
    line = chat.line
    is_open = line is not None and line.state.standing is Standing.OPEN
    return {
        "chat": chat.id.hex(),
        "name": chat.name,
        "relay": line.state.relay.hex() if line is not None else None,
        "state": "moved" if is_open else "waiting",
    }
