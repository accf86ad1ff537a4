"""Groups: who is in them and who may change that."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING, Any

from whimbrel.chat.conversation import Conversation
from whimbrel.chat.effects import Effects
from whimbrel.chat.person import Person
from whimbrel.client.errors import NOT_FOUND, REFUSED, WRONG_USE, ServiceError
from whimbrel.client.lookup import find_contact, find_group
from whimbrel.client.views import Item, group_item
from whimbrel.crypto.names import fault_of_name

if TYPE_CHECKING:
    from whimbrel.client.service import Service


async def group_new(service: Service, name: str, persons: list[str] | None = None) -> AsyncIterator[Item]:
    """A new group of these people and oneself."""
    person = service.person()
    if (fault := fault_of_name(name)) is not None:
        raise ServiceError("name", f"That name cannot be used: {fault}.", "Choose another one.", WRONG_USE)
    people = {c.account: c for c in (find_contact(person, wanted) for wanted in persons or [])}
    chat = await service.shell.do(
        lambda person, now, fx: person.make_group(name, list(people.values()), now, fx)
    )
    await service.shell.until(lambda: _is_there(service, chat.id), service.wait or 5.0)
    yield group_item(service.person(), service.person().chats[chat.id])


def _is_there(service: Service, id: bytes) -> bool:
    """A new group stands when its log is made and all were written to; other relays and chats have no part in it."""
    person = service.person()
    line = person.chats[id].line
    return line is None or not person.errands.in_lane(line.state.log)


async def group_add(service: Service, group: str, person: str) -> AsyncIterator[Item]:
    """Let a contact in."""
    chat = _to_change(service, group)
    contact = find_contact(service.person(), person)
    if contact.account not in chat.accounts():
        await _intend(service, chat, lambda p, c, now, fx: p.add_to_group(c, contact, now, fx))
    yield group_item(service.person(), service.person().chats[chat.id])


async def group_remove(service: Service, group: str, person: str) -> AsyncIterator[Item]:
    """Remove a member."""
    async for item in _change(service, group, person, "remove", lambda account: [account]):
        yield item


async def group_promote(service: Service, group: str, person: str) -> AsyncIterator[Item]:
    """Make a member an admin."""
    async for item in _change(service, group, person, "roles", lambda account: ["promote", account]):
        yield item


async def group_demote(service: Service, group: str, person: str) -> AsyncIterator[Item]:
    """Make an admin a member like the others."""
    chat = _to_change(service, group)
    line = chat.line
    if line is not None and line.roles.admins == (_member(service, chat, person),):
        raise ServiceError("last-admin", "A group needs an admin.", "Promote somebody else first.", REFUSED)
    async for item in _change(service, group, person, "roles", lambda account: ["demote", account]):
        yield item


async def group_leave(service: Service, group: str) -> AsyncIterator[Item]:
    """Leave a group."""
    chat = find_group(service.person(), group)
    id = chat.id
    await service.shell.do(lambda person, now, fx: person.leave(person.chats[id], fx))
    await service.shell.settle(service.wait or 5.0)
    yield group_item(service.person(), service.person().chats[id]) | {
        "state": "left" if service.person().chats[id].left else "queued"
    }


async def group_show(service: Service, group: str) -> AsyncIterator[Item]:
    """Who is in a group."""
    yield group_item(service.person(), find_group(service.person(), group))


def _to_change(service: Service, group: str) -> Conversation:
    """The group, if this account may change it."""
    person = service.person()
    chat = find_group(person, group)
    line = chat.line
    if line is None and chat.lost is not None:
        text = f"{chat.name} is being mended; `whimbrel status` says why."
        raise ServiceError("lost", text, "Try again in a while.")
    if line is None:
        raise ServiceError("not-a-member", f"You are not a member of {chat.name}.", "", REFUSED)
    if person.identity.account not in line.roles.admins:
        admins = ", ".join(person.name_of(a) or a.hex()[:8] for a in line.roles.admins)
        raise ServiceError(
            "not-an-admin", f"Only an admin may change {chat.name}.", f"Ask one of them: {admins}.", REFUSED
        )
    return chat


def _member(service: Service, chat: Conversation, wanted: str) -> bytes:
    """The account of a member, by name or the beginning of the account key."""
    person = service.person()
    if wanted.casefold() == person.identity.name.casefold() and person.identity.account in chat.accounts():
        return person.identity.account
    contact = find_contact(person, wanted, ("contact", "asked", "known", "asking", "refused", "blocked"))
    if contact.account not in chat.accounts():
        raise ServiceError(
            "not-found", f"{contact.name} is not in {chat.name}.", "See who is with `group show`.", NOT_FOUND
        )
    return contact.account


async def _change(
    service: Service, group: str, wanted: str, kind: str, value: Callable[[bytes], Any]
) -> AsyncIterator[Item]:
    chat = _to_change(service, group)
    account = _member(service, chat, wanted)
    await _intend(service, chat, lambda person, c, now, fx: person.intend(c, kind, value(account), fx))
    yield group_item(service.person(), service.person().chats[chat.id])


async def _intend(
    service: Service, chat: Conversation, deed: Callable[[Person, Conversation, int, Effects], None]
) -> None:
    """Queue a change of the group, and wait a while for it to be made."""
    id = chat.id
    await service.shell.do(lambda person, now, fx: deed(person, person.chats[id], now, fx))

    def made() -> bool:
        current = service.person().chats[id]
        waits = any(row.kind in ("add", "remove", "roles") for row in current.outbox)
        return not waits and not (current.line is not None and current.line.state.flight)

    if not await service.shell.until(made, service.wait or 5.0):
        service.report("It waits for a way to the relay, and happens by itself.")
    else:
        await service.shell.settle(service.wait or 2.0)
