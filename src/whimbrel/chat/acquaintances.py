"""Names and nearness: what this account is called, what others are called by now, and whom it does not want to hear from."""

from __future__ import annotations

from dataclasses import replace

from whimbrel.chat.contacts import Contact
from whimbrel.chat.conversation import Conversation
from whimbrel.chat.effects import Effects
from whimbrel.chat.household import Household
from whimbrel.chat.line import Line
from whimbrel.chat.records import OutboxRow, PutFact
from whimbrel.chat.refusal import CannotDo
from whimbrel.crypto.cards import decode_card
from whimbrel.crypto.errors import CryptoError
from whimbrel.crypto.names import fault_of_name
from whimbrel.wire import cbor


class Acquaintances:
    """Of one account."""

    def __init__(self, person: Household) -> None:
        self._person = person

    # --------------------------------------------------------------------------------------------- names

    def rename(self, name: str, now: int, fx: Effects) -> None:
        """Be called otherwise from now on: everybody who has a chat with this account is told. Raises CannotDo."""
        person = self._person
        fault = fault_of_name(name) or (None if name.strip() else "it is empty")
        if fault is not None:
            raise CannotDo("name", f"That name cannot be used: {fault}.", "Choose another one.")
        if name == person.identity.name:
            return
        person.identity = replace(person.identity, name=name)
        fx.save(PutFact("identity", person.identity.encode()))
        person.inbox.rename(person.identity, person.next_n, now, fx)
        person.doors.invites.renamed(fx)
        for chat in person.chats.values():
            if chat.line is not None and chat.kind != "self":
                self.tell_card(chat, fx, chat.kind == "group")

    def tell_card(self, chat: Conversation, fx: Effects, leaf: bool) -> None:
        """The new card goes to all who are there. With `leaf` our leaf says it, too: who comes into a group later finds it there."""
        flight = chat.line.state.flight if chat.line is not None else None
        flying = flight.rows if flight is not None else ()
        waiting = {row.kind for row in chat.outbox if row.n not in flying}
        if "card" not in waiting:
            chat.put(OutboxRow(chat.id, "card", b""), fx)
        if leaf and "new-leaf" not in waiting:
            chat.put(OutboxRow(chat.id, "new-leaf", cbor.encode([])), fx)

    def heard(
        self, chat: Conversation, line: Line, account: bytes, body: bytes, seq: int, now: int, fx: Effects
    ) -> None:
        """A member's new card, in a chat. Of two cards the newer counts, however they come."""
        try:
            card = decode_card(body)
        except CryptoError as error:
            fx.tell("ignored", chat=chat.id, seq=seq, why=f"a card that does not hold: {error}")
            return
        if card.account != account or account == self._person.identity.account:
            fx.tell("ignored", chat=chat.id, seq=seq, why="the card of somebody else")
            return
        known = self._person.contacts.get(account)
        if known is None:
            self._person.put_contact(Contact(account, card.name, "known", body), fx)
            return
        there = known.with_card(card, body)
        if there != known:
            self._person.put_contact(there, fx)
        if there.card == body and there.before:
            value = {"name": there.name, "before": there.before}
            chat.note(line, "called", account, [account], now, fx, seq=seq, value=value)

    # ----------------------------------------------------------------------------------------- nearness

    def block(self, account: bytes, fx: Effects) -> None:
        """Hear nothing more from somebody, but in groups where both are."""
        known = self._person.contacts.get(account)
        if known is None:
            raise CannotDo("not-found", "There is nobody of that kind.")
        if known.standing != "blocked":
            self._person.put_contact(replace(known, standing="blocked", was=known.standing), fx)

    def unblock(self, account: bytes, fx: Effects) -> None:
        """Somebody who was blocked is again what they were before."""
        known = self._person.contacts.get(account)
        if known is not None and known.standing == "blocked":
            self._person.put_contact(replace(known, standing=known.was or "known", was=None), fx)
