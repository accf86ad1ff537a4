"""Others' invites, as we open them: the card behind one, then the claim of a ready log or a request."""

from __future__ import annotations

from dataclasses import dataclass, replace

from whimbrel.chat.contacts import STOCK, Contact, NoKeyPackage
from whimbrel.chat.conversation import Conversation
from whimbrel.chat.days import day_of
from whimbrel.chat.effects import Effects
from whimbrel.chat.founding import found
from whimbrel.chat.household import Household
from whimbrel.chat.inbox import letter
from whimbrel.chat.invite_keys import card_of, key_of
from whimbrel.chat.line import Line
from whimbrel.chat.line_state import Joiner, LineState, Standing
from whimbrel.chat.records import PutFact
from whimbrel.chat.relays import Relay
from whimbrel.chat.rules import Refused
from whimbrel.crypto import mls
from whimbrel.crypto.accounts import pair_id
from whimbrel.crypto.cards import Card, decode_card, open_card
from whimbrel.crypto.envelopes import (
    ContactRequest,
    Position,
    WelcomeEnvelope,
    encode_letter,
    sign_request,
)
from whimbrel.crypto.errors import CryptoError
from whimbrel.crypto.invites import from_seed, ready_log
from whimbrel.crypto.leaf import Roles
from whimbrel.crypto.sealing import seal
from whimbrel.wire import cbor, codec, proofs
from whimbrel.wire.admission import encode_admission
from whimbrel.wire.answers import Answer, Appended, Chunk
from whimbrel.wire.errors import WireError
from whimbrel.wire.operations import Append, Entry, EntryKind, Get
from whimbrel.wire.texts import Invite, OneUse, Open, parse_invite

STOCK_WAIT = 8_000
"""Milliseconds for which our key packages let texts go first: they are as large as twenty, and the inviter has our card."""


@dataclass(frozen=True, slots=True)
class Acceptance:
    """An invite of somebody else's that we are opening. `stage`: card, claim, asked, done, used, failed."""

    key: bytes
    invite: str
    stage: str
    name: str
    chat: bytes = b""
    why: str = ""
    text: str = ""

    def save(self) -> PutFact:
        value = [self.invite, self.stage, self.name, self.chat, self.why, self.text]
        return PutFact("accept:" + self.key.hex(), cbor.encode(value))


class Acceptances:
    """The invites that a Person is opening, or has opened."""

    def __init__(self, person: Household) -> None:
        self._person = person
        self._asked: set[bytes] = set()
        self.all: dict[bytes, Acceptance] = {}

    def restore(self, facts: dict[str, bytes]) -> None:
        for name, value in facts.items():
            if name.startswith("accept:"):
                key = bytes.fromhex(name[7:])
                self.all[key] = Acceptance(key, *cbor.decode(value))

    def busy(self) -> bool:
        return any(acceptance.stage in ("card", "claim") for acceptance in self.all.values())

    def asked(self, chat: bytes) -> bool:
        """Whether we asked to be let into this conversation, and wait."""
        return any(a.stage == "asked" and a.chat == chat for a in self.all.values())

    def granted(self, chat: bytes, fx: Effects) -> None:
        """What we asked for has come."""
        for acceptance in self.all.values():
            if acceptance.chat == chat and acceptance.stage == "asked":
                self._set(replace(acceptance, stage="done"), fx)

    def begin(self, invite: Invite, text: str, now: int, fx: Effects) -> Acceptance:
        """Begin to open an invite; the same one again goes on where it stands."""
        person = self._person
        key = key_of(invite)
        known = self.all.get(key)
        if known is not None and known.stage not in ("used", "failed"):
            return known
        place = encode_admission(invite.place) if invite.place is not None else None
        person.add_relay(Relay(invite.relay, tuple(route.text for route in invite.routes), place), fx)
        if place is not None:
            person.move_in(invite.relay, now, fx)
        acceptance = Acceptance(key, invite.text, "card", invite.name, text=text)
        self._set(acceptance, fx)
        return acceptance

    def _set(self, acceptance: Acceptance, fx: Effects) -> None:
        self.all[acceptance.key] = acceptance
        fx.save(acceptance.save())

    def pump(self, fx: Effects) -> None:
        """Ask for the cards that are still missing."""
        for key, acceptance in self.all.items():
            if acceptance.stage == "card" and key not in self._asked:
                self._asked.add(key)
                invite = parse_invite(acceptance.invite)
                fx.ask(invite.relay, Get(card_of(invite)[0], 0), "door", "card", key)

    def card(self, key: bytes, answer: Answer, now: int, fx: Effects) -> None:
        """The answer to what `pump` asked."""
        self._asked.discard(key)
        if (acceptance := self.all.get(key)) is not None and acceptance.stage == "card":
            self._card(acceptance, answer, now, fx)

    def _card(self, acceptance: Acceptance, answer: Answer, now: int, fx: Effects) -> None:
        """The card behind an invite has come."""
        if not isinstance(answer, Chunk):
            why = "This invite leads nowhere any more: it was withdrawn, or it has expired."
            self._set(replace(acceptance, stage="failed", why=why), fx)
            return
        invite = parse_invite(acceptance.invite)
        try:
            encoded = open_card(card_of(invite)[1], [answer.chunk])
            card = decode_card(encoded)
            if card.account == self._person.identity.account:
                raise Refused("it is your own")
            if isinstance(invite.secret, OneUse):
                self._claim(acceptance, invite, invite.secret.seed, card, encoded, now, fx)
            else:
                self._request(acceptance, invite, invite.secret, card, encoded, now, fx)
        except (CryptoError, WireError, mls.MlsError, Refused, NoKeyPackage) as error:
            why = f"What is behind this invite cannot be used: {error}."
            self._set(replace(acceptance, stage="failed", why=why), fx)

    def _claim(
        self,
        acceptance: Acceptance,
        invite: Invite,
        seed: bytes,
        card: Card,
        encoded: bytes,
        now: int,
        fx: Effects,
    ) -> None:
        """Found the pair at home and claim the ready log with its Welcome."""
        person = self._person
        me = person.identity.account
        contact = replace(
            person.contacts.get(card.account, Contact(card.account, card.name, "asked")),
            card=encoded,
            name=card.name,
            spent=(),
        )
        joiner, contact = contact.joiner(now)
        keys, body = from_seed(seed), ready_log(seed)
        log = codec.log_id(codec.encode_log_body(body))
        conversation = pair_id(me, card.account)
        both = tuple(sorted((me, card.account)))
        chat = person.chats.get(conversation)
        if chat is None:
            chat = Conversation(person, conversation, "pair", card.name, card.account)
            chat.hidden = True
        founded = found(person, Roles(both), [joiner], now)
        state = founded.line(log, invite.relay, chat.next_generation(now))
        state.healing.at = now  # our keys in this group are of this moment
        person.inbox.send_grants(person.next_n, fx)
        entry = self._claim_entry(chat, state, founded.welcome or b"", founded.tree, joiner, log)
        change = proofs.sign_change(founded.takeover(), keys.admin_private, invite.relay, log)
        append = Append(log, keys.write, 0, (entry,), advance=True, change=change)
        append = replace(append, admin=proofs.append_proof(keys.admin_private, invite.relay, append))
        chat.add_line(state).claim(append)
        person.chats[conversation] = chat
        fx.save(chat.save())
        person.put_contact(contact, fx)
        self._set(replace(acceptance, stage="claim", name=card.name, chat=conversation), fx)

    def _claim_entry(
        self, chat: Conversation, state: LineState, welcome: bytes, tree: bytes, joiner: Joiner, log: bytes
    ) -> bytes:
        person = self._person
        envelope = WelcomeEnvelope(
            conversation=chat.id,
            generation=state.generation,
            kind="pair",
            move=None,
            log=log,
            relay=state.relay,
            routes=(),  # the log is on a relay of theirs: they know the ways better
            read=state.read,
            write=state.write,
            position=Position(0, 0, state.h),
            change_n=0,
            welcome=welcome,
            tree=tree,
            card=person.inbox.here().card,
        )
        body = seal(joiner.inbox_key, "letter", encode_letter(envelope), log)
        return codec.encode_entry(Entry(EntryKind.SEALED, person.chance(16), body))

    def after_append(self, chat: Conversation, line: Line, answer: Answer, now: int, fx: Effects) -> None:
        """A claim was answered: the chat is there, or somebody was faster."""
        acceptance = self.all.get(line.state.log)
        if acceptance is None or acceptance.stage != "claim":
            return
        if isinstance(answer, Appended) and line.state.standing is Standing.OPEN:
            chat.hidden = False
            contact = self._person.contacts[chat.peer or b""]
            came = f"you opened their invite on {day_of(now)}"
            self._person.put_contact(replace(contact, standing="contact", came=came), fx)
            fx.save(chat.save())
            self._set(replace(acceptance, stage="done"), fx)
            self._person.give_stock(chat, STOCK, now, fx, wait=STOCK_WAIT)
            fx.watch_changed = True
        elif line.state.standing is Standing.CLOSED:
            why = "This invite was opened already. If it was not by you, ask for a new one, and tell them."
            self._set(replace(acceptance, stage="used", why=why), fx)
            waits = any(other.state.standing in (Standing.OPEN, Standing.FOUNDING) for other in chat.lines)
            if chat.hidden and not waits:  # it never came to be; a chat with a history stays
                self._person.forget(chat, fx)

    def _request(
        self,
        acceptance: Acceptance,
        invite: Invite,
        way: Open,
        card: Card,
        encoded: bytes,
        now: int,
        fx: Effects,
    ) -> None:
        """Ask the owner of an open invite to be let in."""
        person = self._person
        packages = tuple(person.inbox.key_package(now, fx) for _ in range(2))
        own = person.inbox.card(packages, now)
        person.inbox.send_grants(person.next_n, fx)
        request = ContactRequest(way.inbox, own, acceptance.text, now // 1000)
        data = encode_letter(sign_request(person.identity.account_private, request))
        append = letter(way.inbox, way.token, card.inbox_key, data, person.chance(16))
        person.errands.add(fx, person.next_n(), way.inbox, invite.relay, append, "request")
        known = person.contacts.get(card.account)
        contact = Contact(card.account, card.name, "asked", encoded, came=f"you asked them on {day_of(now)}")
        if known is None or known.standing != "contact":
            person.put_contact(contact, fx)
        chat = pair_id(person.identity.account, card.account)
        self._set(replace(acceptance, stage="asked", name=card.name, chat=chat), fx)
