"""Groups: who is in them and who may change that."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from whimbrel.chat.conversation import Conversation
from whimbrel.chat.effects import Effects
from whimbrel.chat.person import Person
from whimbrel.chat.rules import may_add
from whimbrel.client.errors import NOT_FOUND, REFUSED, WRONG_USE, ServiceError
from whimbrel.client.lookup import find_chat, find_contact, find_group
from whimbrel.client.pictures import kind_of_picture
from whimbrel.client.shapes import GroupItem, LeftItem, Right
from whimbrel.client.views import group_item
from whimbrel.crypto.leaf import ADMINS, EVERYBODY, PICTURE_MAX, Roles, check_timer
from whimbrel.crypto.names import fault_of_name

if TYPE_CHECKING:
    from whimbrel.client.service import Service

PICTURE_TOO_LARGE = ServiceError(
    "picture", "A group's picture has at most 256 KB.", "Take a smaller one.", WRONG_USE
)
KEY_PACKAGES_COME = 5.0
"""Seconds for which key packages of somebody who became a contact just now are waited for."""


async def group_new(
    service: Service, name: str, persons: list[str] | None = None, picture: str | None = None
) -> AsyncIterator[GroupItem]:
    """A new group of these people and oneself. `picture`: the id of an upload."""
    person = service.person()
    _check_name(name)
    look = _uploaded(service, picture) if picture else None
    people = list(dict.fromkeys(find_contact(person, wanted).account for wanted in persons or []))
    await _key_packages(service, people)

    def found(person: Person, now: int, fx: Effects) -> Conversation:
        chat = person.make_group(name, [person.contacts[account] for account in people], now, fx)
        if look is not None:
            person.pictures.set(chat, look, fx)
        return chat

    chat = await service.shell.do(found)
    if picture:
        service.uploads.drop(picture)
    await service.shell.until(lambda: _is_there(service, chat.id), service.wait or 5.0)
    yield group_item(service.person(), service.person().chats[chat.id])


async def group_set(
    service: Service,
    group: str,
    name: str | None = None,
    post: Right | None = None,
    add: Right | None = None,
    change: Right | None = None,
    picture: str | None = None,
    picture_file: str | None = None,
) -> AsyncIterator[GroupItem]:
    """What a group is called and looks like, and who may write, let people in, and change that. What is not given stays.

    `picture`: the id of an upload, empty for none; `picture_file`: a file on this computer instead.
    """
    chat = find_group(service.person(), group)
    wishes: dict[str, Any] = {}
    if name is not None:
        _check_name(name)
        wishes["name"] = name
    for right, wanted in (("post", post), ("add", add), ("change", change)):
        if wanted is not None:
            wishes["may_" + right] = EVERYBODY if wanted == "everybody" else ADMINS
    look: bytes | None = None
    if picture_file is not None:
        look = await asyncio.to_thread(_in_a_file, picture_file)
    elif picture:
        look = _uploaded(service, picture)

    def deed(person: Person, chat: Conversation, now: int, fx: Effects) -> None:
        if look is not None or picture is not None:
            person.pictures.set(chat, look, fx, wishes)
        elif wishes:
            person.change_group(chat, wishes, fx)

    await _intend(service, chat, deed)
    if picture:
        service.uploads.drop(picture)
    yield group_item(service.person(), service.person().chats[chat.id])


async def timer(service: Service, chat: str, seconds: int) -> AsyncIterator[GroupItem]:
    """After how many seconds from being read new messages vanish, for all in a chat: 5 minutes to 90 days, or 0 for never."""
    there = find_chat(service.person(), chat)
    try:
        check_timer(seconds)
    except ValueError:
        text = "Messages vanish after 5 minutes to 90 days, or never."
        raise ServiceError("timer", text, "Choose a time between these.", WRONG_USE) from None
    await _intend(
        service, there, lambda person, chat, now, fx: person.change_group(chat, {"timer": seconds}, fx)
    )
    yield group_item(service.person(), service.person().chats[there.id])


def _check_name(name: str) -> None:
    fault = fault_of_name(name) or (None if name.strip() else "it is empty")
    if fault is not None:
        raise ServiceError("name", f"That name cannot be used: {fault}.", "Choose another one.", WRONG_USE)


def _uploaded(service: Service, upload: str) -> bytes:
    if service.uploads.size(upload) > PICTURE_MAX:
        raise PICTURE_TOO_LARGE
    return _checked(service.uploads.content(upload))


def _in_a_file(path: str) -> bytes:
    try:
        with Path(path).open("rb") as file:
            data = file.read(PICTURE_MAX + 1)
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else "no file is called so"
        raise ServiceError("file", f"{path} cannot be read: {why}.", "", NOT_FOUND) from None
    return _checked(data)


def _checked(data: bytes) -> bytes:
    if len(data) > PICTURE_MAX:
        raise PICTURE_TOO_LARGE
    if kind_of_picture(data) is None:
        raise ServiceError(
            "not-a-picture", "That is no picture.", "Take a PNG, JPEG, WebP or GIF file.", WRONG_USE
        )
    return data


def _is_there(service: Service, id: bytes) -> bool:
    """A new group stands when its log is made and all were written to; other relays and chats have no part in it."""
    person = service.person()
    line = person.chats[id].line
    return line is None or not person.errands.in_lane(line.state.log)


async def group_add(service: Service, group: str, person: str) -> AsyncIterator[GroupItem]:
    """Let a contact in."""
    chat = _to_change(service, group, may_add)
    account = find_contact(service.person(), person).account
    if account not in chat.accounts():
        await _key_packages(service, {account})
        await _intend(service, chat, lambda p, c, now, fx: p.add_to_group(c, p.contacts[account], now, fx))
    yield group_item(service.person(), service.person().chats[chat.id])


async def _key_packages(service: Service, accounts: Iterable[bytes]) -> None:
    """Wait a little for those of people by whom they could be let in; whose do not come is said by what needs them."""

    def are_there() -> bool:
        contacts = service.person().contacts
        return all(contacts[account].can_be_let_in(service.shell.now()) for account in accounts)

    await service.shell.until(are_there, service.wait or KEY_PACKAGES_COME)


async def group_remove(service: Service, group: str, person: str) -> AsyncIterator[GroupItem]:
    """Remove a member."""
    async for item in _change(service, group, person, "remove", lambda account: [account]):
        yield item


async def group_promote(service: Service, group: str, person: str) -> AsyncIterator[GroupItem]:
    """Make a member an admin."""
    async for item in _change(service, group, person, "roles", lambda account: ["promote", account]):
        yield item


async def group_demote(service: Service, group: str, person: str) -> AsyncIterator[GroupItem]:
    """Make an admin a member like the others."""
    chat = _to_change(service, group)
    line = chat.line
    if line is not None and line.roles.admins == (_member(service, chat, person),):
        raise ServiceError("last-admin", "A group needs an admin.", "Promote somebody else first.", REFUSED)
    async for item in _change(service, group, person, "roles", lambda account: ["demote", account]):
        yield item


async def group_leave(service: Service, group: str) -> AsyncIterator[LeftItem]:
    """Leave a group."""
    chat = find_group(service.person(), group)
    id = chat.id
    await service.shell.do(lambda person, now, fx: person.leave(person.chats[id], fx))
    await service.shell.settle(service.wait or 5.0)
    left = service.person().chats[id]
    yield {**group_item(service.person(), left), "state": "left" if left.left else "queued"}


async def group_show(service: Service, group: str) -> AsyncIterator[GroupItem]:
    """Who is in a group."""
    yield group_item(service.person(), find_group(service.person(), group))


def _is_admin(roles: Roles, account: bytes) -> bool:
    return account in roles.admins


def _to_change(service: Service, group: str, may: Callable[[Roles, bytes], bool] = _is_admin) -> Conversation:
    """The group, if this account may change that of it."""
    person = service.person()
    chat = find_group(person, group)
    line = chat.line
    if line is None and chat.lost is not None:
        text = f"{chat.name} is being mended; `whimbrel status` says why."
        raise ServiceError("lost", text, "Try again in a while.")
    if line is None:
        raise ServiceError("not-a-member", f"You are not a member of {chat.name}.", "", REFUSED)
    if not may(line.roles, person.identity.account):
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
) -> AsyncIterator[GroupItem]:
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
