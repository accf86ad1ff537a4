"""What the doors (invites, acceptances, welcomes) need of the account that they belong to. `person` is it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from whimbrel.chat.contacts import Contact
from whimbrel.chat.conversation import Conversation, Surroundings
from whimbrel.chat.effects import Effects
from whimbrel.chat.errands import Errands
from whimbrel.chat.founding import Founder
from whimbrel.chat.relays import Relay


class Household(Surroundings, Founder, Protocol):
    """An account as its doors see it."""

    errands: Errands
    chats: dict[bytes, Conversation]
    contacts: dict[bytes, Contact]
    relays: dict[bytes, Relay]

    def add_relay(self, relay: Relay, fx: Effects) -> None: ...
    def hear_of(self, relay: bytes, routes: Sequence[str], fx: Effects) -> None: ...
    def move_in(self, relay: bytes, now: int, fx: Effects) -> None: ...
    def put_contact(self, contact: Contact, fx: Effects) -> None: ...
    def give_stock(self, chat: Conversation, count: int, now: int, fx: Effects) -> None: ...
    def forget(self, chat: Conversation, fx: Effects) -> None: ...
    def forget_group(self, group: bytes) -> None: ...
