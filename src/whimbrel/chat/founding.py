"""Founding a group at home: before any log is touched, with everybody in it from the start."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from whimbrel.chat.identity import Chance, Identity
from whimbrel.chat.inbox import Inbox
from whimbrel.chat.line import derived_change, epoch_tokens, log_admins
from whimbrel.chat.line_state import Joiner, LineState, Standing
from whimbrel.chat.rules import Seat, seats
from whimbrel.crypto import mls
from whimbrel.crypto.leaf import Roles, encode_roles
from whimbrel.wire import chain, codec
from whimbrel.wire.operations import Change, Create, LogBody, LogKind
from whimbrel.wire.purpose import token_hash


class Founder(Protocol):
    identity: Identity
    engine: mls.Engine
    inbox: Inbox
    chance: Chance


@dataclass(frozen=True, slots=True)
class Founded:
    """A group that has no log yet, and what its joiners need."""

    group: bytes
    roles: Roles
    members: tuple[Seat, ...]
    read: bytes
    write: bytes
    log_key: bytes
    welcome: bytes | None
    tree: bytes

    def on_new_log(
        self, relay: bytes, generation: int, nonce: bytes, admission: bytes | None
    ) -> tuple[LineState, Create]:
        """The line on a log of its own, and what makes that log."""
        body = LogBody(
            LogKind.CONVERSATION,
            token_hash(self.read),
            token_hash(self.write),
            log_admins(self.roles, self.members),
            nonce,
        )
        state = self.line(codec.log_id(codec.encode_log_body(body)), relay, generation)
        return state, Create(body, admission or b"")

    def line(self, log: bytes, relay: bytes, generation: int) -> LineState:
        return LineState(
            log,
            relay,
            self.group,
            generation,
            Standing.FOUNDING,
            self.read,
            self.write,
            self.log_key,
            0,
            0,
            chain.start(log),
            0,
        )

    def takeover(self) -> Change:
        """The change that takes a ready log over."""
        return derived_change(1, self.read, self.write, self.roles, self.members)


def found(founder: Founder, roles: Roles, joiners: Sequence[Joiner], now: int) -> Founded:
    """Make the group and let the joiners in at once: nobody else is in it, so nothing can come in between."""
    log_key, leaf = founder.inbox.leaf(now)
    group_id = founder.chance(16)
    group = founder.engine.create_group(
        group_id, mls.HYBRID, founder.identity.credential(), leaf, encode_roles(roles)
    )
    welcome = None
    if joiners:
        _, welcome = group.commit([joiner.key_package for joiner in joiners], [], None, False, None)
        group.merge_pending()
    read, write = epoch_tokens(group_id, group.export)
    members = tuple(seats(group))
    return Founded(group_id, roles, members, read, write, log_key, welcome, group.tree())
