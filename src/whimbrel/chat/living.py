"""Where this account lives: the ways to its own relay, and the move of its inbox to another one."""

from __future__ import annotations

from dataclasses import replace
from typing import Protocol

from whimbrel.chat.contacts import STOCK
from whimbrel.chat.effects import Effects
from whimbrel.chat.inbox import Inbox
from whimbrel.chat.person import Person
from whimbrel.chat.refusal import CannotDo
from whimbrel.chat.relays import Relay
from whimbrel.chat.troubles import text_of
from whimbrel.crypto.cards import decode_card


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
    """Have our inbox on this relay from now on, and make new chats there. The one before is read on for as long as it is there:
    contacts are told where we live now inside the chats with them, and groups by our leaf. Raises CannotDo."""
    if person.retired:
        raise CannotDo("retired", text_of("retired"), "Go on in the other copy.")
    person.add_relay(relay, fx)
    place = person.relays[relay.identity]
    if person.inbox.here().relay == relay.identity:
        return
    if place.admission is None:
        raise CannotDo("no-place", "That relay did not give you a place.", "Ask its owner for an address.")
    person.inbox.send_grants(person.next_n, fx)  # those for the one before
    before = decode_card(person.inbox.here().card).made_at
    person.inbox.leave(place.identity, place.routes, place.admission, person.next_n(), now, fx)
    # Of two cards the newer counts, by whole seconds: this one is newer than any that was made until now.
    person.inbox.publish_card(person.next_n, max(now, before * 1000) + 1000, fx)
    person.inbox.send_grants(person.next_n, fx)
    person.doors.invites.forget_open(fx)
    for chat in person.chats.values():
        if chat.line is not None:
            if chat.kind != "self":
                person.acquaintances.tell_card(chat, fx, leaf=True)
            if chat.kind == "pair":
                person.give_stock(chat, STOCK, now, fx)
    fx.watch_changed = True
