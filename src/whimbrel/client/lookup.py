"""Finding what a person means by a name: chats, contacts, messages. One, none, or several is three different answers."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

from whimbrel.chat.contacts import Contact
from whimbrel.chat.conversation import Conversation
from whimbrel.chat.person import Person
from whimbrel.chat.records import MessageRow
from whimbrel.client.errors import AMBIGUOUS, NOT_FOUND, ServiceError
from whimbrel.store.errors import Ambiguous

T = TypeVar("T")

ID_LEAST = 4
"""Hexadecimal digits of an id at least, so that a short name is never taken for one."""


def find_chat(person: Person, wanted: str) -> Conversation:
    """A chat by its name, or by the beginning of its id."""
    chats = [chat for chat in person.chats.values() if not chat.hidden]
    return _one(wanted, chats, lambda chat: chat.name, lambda chat: chat.id, "chat")


def find_group(person: Person, wanted: str) -> Conversation:
    groups = [chat for chat in person.chats.values() if chat.kind == "group"]
    return _one(wanted, groups, lambda chat: chat.name, lambda chat: chat.id, "group")


def find_contact(person: Person, wanted: str, standings: Iterable[str] = ("contact",)) -> Contact:
    """A person by name, or by the beginning of the account key."""
    people = [c for c in person.contacts.values() if c.standing in standings]
    return _one(wanted, people, lambda c: c.name, lambda c: c.account, "person")


def find_message(person: Person, wanted: str) -> MessageRow:
    """A message by its id or the beginning of it."""
    try:
        message = person.desk.message(wanted.lower())
    except Ambiguous as error:
        raise ServiceError(
            "ambiguous",
            f"Several messages begin with {wanted}.",
            "Give more of the id.",
            AMBIGUOUS,
            [id.hex() for id in error.candidates],
        ) from None
    if message is None:
        raise ServiceError(
            "not-found", f"There is no message {wanted}.", "See the ids with `read`.", NOT_FOUND
        )
    return message


def _one(wanted: str, all: Iterable[T], name: Callable[[T], str], id: Callable[[T], bytes], what: str) -> T:
    things = list(all)
    named = [thing for thing in things if name(thing) == wanted]
    found = named or [thing for thing in things if name(thing).casefold() == wanted.casefold()]
    if not found and len(wanted) >= ID_LEAST:
        found = [thing for thing in things if id(thing).hex().startswith(wanted.lower())]
    if not found:
        raise ServiceError(
            "not-found", f"There is no {what} called {wanted}.", f"See them with `{_LISTS[what]}`.", NOT_FOUND
        )
    if len(found) > 1:
        raise ServiceError(
            "ambiguous",
            f"There are {len(found)} called {wanted}.",
            "Give the id instead of the name, or its first digits.",
            AMBIGUOUS,
            [f"{name(thing)} {id(thing).hex()}" for thing in found],
        )
    return found[0]


_LISTS = {"chat": "chats", "group": "chats", "person": "contacts"}
