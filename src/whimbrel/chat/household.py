"""What the doors (invites, acceptances, welcomes) need of the account that they belong to. `person` is it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol

from whimbrel.chat.contacts import Contact
from whimbrel.chat.conversation import Conversation, Surroundings
from whimbrel.chat.effects import Effects
from whimbrel.chat.errands import Errands
from whimbrel.chat.founding import Founder
from whimbrel.chat.line import LetIn, Line
from whimbrel.chat.relays import Relay

if TYPE_CHECKING:
    from whimbrel.chat.doors import Doors
    from whimbrel.chat.pictures import Pictures
    from whimbrel.chat.ways_back import WaysBack


class Household(Surroundings, Founder, Protocol):
    """An account as its doors see it."""

    errands: Errands
    chats: dict[bytes, Conversation]
    aside: set[bytes | tuple[bytes, int]]
    doing: bytes | tuple[bytes, int] | None
    contacts: dict[bytes, Contact]
    relays: dict[bytes, Relay]

    @property
    def ways_back(self) -> WaysBack: ...

    def check_may_write(self, chat: Conversation, reacting: bool = False) -> None: ...
    @property
    def doors(self) -> Doors: ...
    @property
    def pictures(self) -> Pictures: ...

    def change_group(self, chat: Conversation, wishes: dict[str, Any], fx: Effects) -> None: ...
    def add_relay(self, relay: Relay, fx: Effects) -> None: ...
    def set_ways(self, relay: bytes, routes: Sequence[str], fx: Effects) -> None: ...
    def hear_of(self, relay: bytes, routes: Sequence[str], fx: Effects) -> None: ...
    def move_in(self, relay: bytes, now: int, fx: Effects) -> None: ...
    def put_contact(self, contact: Contact, fx: Effects) -> None: ...
    def give_stock(self, chat: Conversation, count: int, now: int, fx: Effects, wait: int = 0) -> None: ...
    def let_in(
        self, chat: Conversation, line: Line, let_in: LetIn, now: int, fx: Effects, lane: bytes = b""
    ) -> None: ...
    def name_of(self, account: bytes) -> str: ...
    def forget(self, chat: Conversation, fx: Effects) -> None: ...
    def forget_group(self, group: bytes) -> None: ...
