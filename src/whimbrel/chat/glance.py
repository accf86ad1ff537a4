"""What a list of chats says of a group, remembered beside it: so that thousands of chats are listed without MLS.

It is taken from the group whenever that is loaded, and holds for one turn of one log; for another it is taken anew.
"""

from __future__ import annotations

from dataclasses import astuple, dataclass, fields, replace
from typing import Any

from whimbrel.chat.line import Line
from whimbrel.crypto.leaf import EVERYBODY

ACCOUNTS_MAX = 100
"""Of a larger group the members are not remembered one by one: a chat is saved with everything that comes in it."""


@dataclass(frozen=True, slots=True)
class Glance:
    """How many people are in a chat, what this account may do there, how long messages stay, which picture it has."""

    log: bytes
    turn: int
    members: int
    admin: bool
    may_post: bool
    may_add: bool
    may_change: bool
    timer: int
    picture: bytes
    """SHA-256 of it; empty without a picture."""
    accounts: tuple[bytes, ...]
    """Who is in it; nobody where there are more than are remembered."""

    @staticmethod
    def of(line: Line, me: bytes) -> Glance:
        roles, accounts = line.roles, line.accounts()
        admin = me in roles.admins
        return Glance(
            log=line.state.log,
            turn=line.state.turn,
            members=len(accounts),
            admin=admin,
            may_post=admin or roles.may_post == EVERYBODY,
            may_add=admin or roles.may_add == EVERYBODY,
            may_change=admin or roles.may_change == EVERYBODY,
            timer=roles.timer,
            picture=roles.picture.hash if roles.picture is not None else b"",
            accounts=tuple(accounts) if len(accounts) <= ACCOUNTS_MAX else (),
        )

    @staticmethod
    def of_nobody() -> Glance:
        return Glance(b"", 0, 0, False, False, False, False, 0, b"", ())

    def as_of(self, line: Line) -> Glance:
        """The same, taken to hold for where a line stands now."""
        return replace(self, log=line.state.log, turn=line.state.turn)

    def holds_for(self, line: Line) -> bool:
        return self.turn == line.state.turn and self.log == line.state.log

    def pack(self) -> list[Any]:
        return list(astuple(self))

    @staticmethod
    def unpack(value: Any) -> Glance | None:
        """None for what another version noted: it is taken anew."""
        if len(value) != len(fields(Glance)):
            return None
        facts = [*value[:-1], tuple(value[-1])]
        return Glance(*facts)
