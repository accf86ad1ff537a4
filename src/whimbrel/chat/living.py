"""Where this account lives: the ways to its own relay, and the move of its inbox to another one."""

from __future__ import annotations

from dataclasses import replace
from typing import Protocol

from whimbrel.chat.effects import Effects
from whimbrel.chat.inbox import Inbox
from whimbrel.chat.person import Person
from whimbrel.chat.refusal import CannotDo
from whimbrel.chat.relays import Relay


class Resident(Protocol):
    """What this needs of the account."""

    inbox: Inbox
    relays: dict[bytes, Relay]

    def add_relay(self, relay: Relay, fx: Effects) -> None: ...


def renew_ways(person: Resident, relay: Relay, fx: Effects) -> None:
    """The ways to our own relay are these now, and no others: what is given out from here on says so."""
    known = person.relays.get(relay.identity)
    wanted = relay if known is None else replace(relay, admission=relay.admission or known.admission)
    if wanted == known:
        return
    person.relays.pop(relay.identity, None)
    person.add_relay(wanted, fx)
    state = person.inbox.here()
    if state.relay == relay.identity:
        state.routes = relay.routes
        person.inbox.save(fx)


def live_on(person: Person, relay: Relay, now: int, fx: Effects) -> None:
    """Move the inbox to this relay. Raises CannotDo when that would leave people behind who know the one we have."""
    person.add_relay(relay, fx)
    if person.inbox.here().relay == relay.identity:
        return
    if person.contacts or any(chat.kind != "self" for chat in person.chats.values()):
        raise CannotDo(
            "has-contacts",
            "Your contacts know the relay that you have now, and would not find you on another one.",
            "Move single chats there with `whimbrel move`, or make another account for it.",
        )
    person.move_in(relay.identity, now, fx)
