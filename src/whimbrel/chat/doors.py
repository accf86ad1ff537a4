"""Doors: how people come in. One-use invites, open invites, requests, and the letters that bring a Welcome.

A one-use invite stands for a log that is ready to be claimed; a *door* is such a log while we watch it. An open
invite leads to our inbox instead. What a letter says is believed only as far as it was asked for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from whimbrel.chat.contacts import Contact, NoKeyPackage
from whimbrel.chat.conversation import Conversation
from whimbrel.chat.effects import Effects, Tag, Watching
from whimbrel.chat.founding import found
from whimbrel.chat.inbox import OPEN_ENTRIES, OPEN_SIZE, letter
from whimbrel.chat.line import Line
from whimbrel.chat.line_state import Joiner, LineState, Standing
from whimbrel.chat.records import PutFact
from whimbrel.chat.rules import Refused, check_group
from whimbrel.crypto import mls
from whimbrel.crypto.accounts import pair_id
from whimbrel.crypto.cards import Card, decode_card, open_card
from whimbrel.crypto.envelopes import (
    BlobRef,
    ContactRequest,
    Position,
    WelcomeEnvelope,
    decode_letter,
    encode_letter,
    sign_request,
)
from whimbrel.crypto.errors import CryptoError
from whimbrel.crypto.files import chunk_count, open_whole
from whimbrel.crypto.invites import SeedKeys, from_seed, ready_log
from whimbrel.crypto.leaf import Roles
from whimbrel.crypto.sealing import seal
from whimbrel.wire import cbor, codec, proofs
from whimbrel.wire.admission import Admission, Limits, decode_admission, encode_admission, narrow
from whimbrel.wire.answers import Answer, Appended, Chunk, Failure, Fetched
from whimbrel.wire.errors import WireError
from whimbrel.wire.operations import Append, Create, Entry, EntryKind, Get
from whimbrel.wire.routes import Route, parse_route
from whimbrel.wire.texts import NAME_MAX, Invite, OneUse, Open, parse_invite

if TYPE_CHECKING:
    from whimbrel.chat.person import Person

GUEST_DAYS, GUEST_LOGS, GUEST_MEGABYTES = 400, 200, 2_000
"""What a guest gets on the relay of whoever invited them: until when, how many conversations, how much space."""
GENERATION_MAX = 1 << 40
"""Generations are about seconds of Unix time: a higher one would leave no room for the next."""
LINES_MAX = 16
"""Lines of one conversation; who makes more does not mean to talk."""
IN_BLOBS_MAX = 64 * 1024 * 1024
"""Bytes of a Welcome's tree, or of itself, in a blob at most: some ten thousand members."""
WAITING_MAX = 8
"""Welcomes of one sender whose blobs have not come yet."""


@dataclass(frozen=True, slots=True)
class Door:
    """A one-use invite of ours that nobody has opened yet."""

    log: bytes
    seed: bytes
    relay: bytes
    made_at: int

    @property
    def keys(self) -> SeedKeys:
        return from_seed(self.seed)


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


class Doors:
    """All invites, ours and others', of a Person."""

    def __init__(self, person: Person) -> None:
        self._person = person
        self._doors: dict[bytes, Door] = {}
        self.open_invite: Invite | None = None
        self.acceptances: dict[bytes, Acceptance] = {}
        self._asked: set[bytes] = set()
        self._waiting: dict[bytes, WelcomeEnvelope] = {}

    # -------------------------------------------------------------------------------------- remembering

    def restore(self, facts: dict[str, bytes]) -> None:
        for name, value in facts.items():
            kind, _, rest = name.partition(":")
            if kind == "invite":
                log = bytes.fromhex(rest)
                self._doors[log] = Door(log, *cbor.decode(value))
            elif kind == "accept":
                key = bytes.fromhex(rest)
                self.acceptances[key] = Acceptance(key, *cbor.decode(value))
            elif kind == "letter":
                envelope = decode_letter(value)
                if isinstance(envelope, WelcomeEnvelope):
                    self._waiting[bytes.fromhex(rest)] = envelope
            elif name == "open-invite":
                self.open_invite = parse_invite(value.decode())

    def watching(self) -> list[Watching]:
        return [Watching(door.relay, door.log, door.keys.read, 0) for door in self._doors.values()]

    def is_door(self, log: bytes) -> bool:
        return log in self._doors

    def busy(self) -> bool:
        return bool(self._waiting) or any(a.stage in ("card", "claim") for a in self.acceptances.values())

    # -------------------------------------------------------------------------------------- our invites

    def invite(self, now: int, fx: Effects) -> Invite:
        """A one-use invite: a log made ready, with a card that has a key package for this invite alone."""
        person = self._person
        home = person.relays[person.inbox.here().relay]
        seed = person.chance(32)
        keys, body = from_seed(seed), ready_log(seed)
        log = codec.log_id(codec.encode_log_body(body))
        card = person.inbox.card((person.inbox.key_package(now, fx),), now)
        person.inbox.send_grants(person.next_n, fx)
        create = Create(body, home.admission or b"")
        person.errands.add(fx, person.next_n(), log, home.identity, create, "ready")
        person.inbox.put_card(keys.card_id, keys.card_key, card, log, keys.write, person.next_n, fx)
        door = Door(log, seed, home.identity, now)
        self._doors[log] = door
        fx.save(PutFact("invite:" + log.hex(), cbor.encode([seed, door.relay, now])))
        fx.watch_changed = True
        place = None if home.embedded or home.admission is None else self._place(home.admission, now)
        name = short_name(person.identity.name)
        return Invite(home.identity, ways(home.routes), name, OneUse(seed), place)

    def _place(self, admission: bytes, now: int) -> Admission:
        """A smaller admission for a guest who has no relay of their own that others could reach."""
        until = now // 1000 + GUEST_DAYS * 24 * 3600
        limits = Limits(inboxes=1, logs=GUEST_LOGS, megabytes=GUEST_MEGABYTES, until=until)
        return narrow(decode_admission(admission), self._person.chance(8), limits)

    def invite_openly(self, now: int, fx: Effects) -> Invite:
        """The open invite, the same each time: whoever has it may ask."""
        person = self._person
        if self.open_invite is None:
            inbox = person.inbox.here()
            token = person.inbox.grant(OPEN_ENTRIES, OPEN_SIZE)
            person.inbox.send_grants(person.next_n, fx)
            secret = Open(inbox.card_id, inbox.card_key, inbox.log, token)
            routes = ways(person.relays[inbox.relay].routes)
            self.open_invite = Invite(inbox.relay, routes, short_name(person.identity.name), secret)
            fx.save(PutFact("open-invite", self.open_invite.text.encode()))
        return self.open_invite

    def forget_open_invite(self, fx: Effects) -> None:
        """The inbox that it leads to is not ours any more."""
        self.open_invite = None
        fx.save(PutFact("open-invite", None))

    def records(self, log: bytes, what: Fetched | Failure, now: int, fx: Effects) -> None:
        """Somebody opened a one-use invite of ours: the log's first entry is their Welcome."""
        door = self._doors[log]
        if isinstance(what, Failure) or not what.records:
            return
        record = what.records[0]
        self._forget_door(door, fx)
        try:
            if record.entry is None or record.seq != 1 or not record.advance:
                raise Refused("it is not a Welcome")
            envelope = decode_letter(self._person.inbox.open(record.entry, log))
            if not isinstance(envelope, WelcomeEnvelope) or (envelope.log, envelope.relay) != (
                log,
                door.relay,
            ):
                raise Refused("it is not a Welcome to this log")
            card = decode_card(envelope.card)
            if envelope.conversation != pair_id(self._person.identity.account, card.account):
                raise Refused("it is not for the two of us")
            placed = replace(envelope, position=Position(record.seq, record.turn + 1, record.h), change_n=1)
            expected = codec.decode_signed_change(record.change or b"").change
            chat, line = self._join(placed, card, now, fx)
            if expected != founded_change(line):
                fx.tell("trouble", chat=chat.id, code="change", text="The log's locks are not the group's.")
        except (WireError, CryptoError, mls.MlsError, Refused) as error:
            fx.tell(
                "trouble",
                code="invite",
                text=f"An invite of yours was used up, but not by Whimbrel: {error}.",
            )
            return
        day = day_of(door.made_at)
        self._welcome_contact(card, envelope.card, f"came by your invite of {day}", chat, now, fx)

    def _forget_door(self, door: Door, fx: Effects) -> None:
        del self._doors[door.log]
        fx.save(PutFact("invite:" + door.log.hex(), None))
        fx.watch_changed = True

    # ----------------------------------------------------------------------------------- others' invites

    def accept(self, invite: Invite, text: str, now: int, fx: Effects) -> Acceptance:
        """Begin to open an invite; the same one again goes on where it stands."""
        person = self._person
        key = key_of(invite)
        known = self.acceptances.get(key)
        if known is not None and known.stage not in ("used", "failed"):
            return known
        from whimbrel.chat.person import CannotDo, Relay

        if key in self._doors or (self.open_invite is not None and key == key_of(self.open_invite)):
            raise CannotDo("own-invite", "This is an invite of your own.", "Give it to somebody else.")
        place = encode_admission(invite.place) if invite.place is not None else None
        person.add_relay(Relay(invite.relay, tuple(route.text for route in invite.routes), place), fx)
        if place is not None:
            person.move_in(invite.relay, now, fx)
        acceptance = Acceptance(key, invite.text, "card", invite.name, text=text)
        self._set(acceptance, fx)
        return acceptance

    def _set(self, acceptance: Acceptance, fx: Effects) -> None:
        self.acceptances[acceptance.key] = acceptance
        fx.save(acceptance.save())

    def pump(self, fx: Effects) -> None:
        """Ask for what is still missing: cards of invites, trees of Welcomes."""
        for key, acceptance in self.acceptances.items():
            if acceptance.stage == "card" and key not in self._asked:
                self._asked.add(key)
                invite = parse_invite(acceptance.invite)
                fx.ask(invite.relay, Get(card_of(invite)[0], 0), "door", "card", key)
        for key, envelope in self._waiting.items():
            ref = missing_of(envelope)
            if key not in self._asked and ref is not None:
                self._asked.add(key)
                fx.ask(envelope.relay, Get(ref.id, 0), "door", "blob", key, 0, [])

    def answer(self, tag: Tag, answer: Answer, now: int, fx: Effects) -> None:
        match tag:
            case ("card", key):
                self._asked.discard(key)
                if (acceptance := self.acceptances.get(key)) is not None and acceptance.stage == "card":
                    self._card(acceptance, answer, now, fx)
            case ("blob", blob, n, before):
                self._blob(blob, n, before, answer, now, fx)

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
        )
        joiner, _ = contact.joiner(now)
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
            parent=None,
            log=log,
            relay=state.relay,
            routes=person.relays[state.relay].routes,
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
        acceptance = self.acceptances.get(line.state.log)
        if acceptance is None or acceptance.stage != "claim":
            return
        if isinstance(answer, Appended) and line.state.standing is Standing.OPEN:
            chat.hidden = False
            contact = self._person.contacts[chat.peer or b""]
            came = f"you opened their invite on {day_of(now)}"
            self._person.put_contact(replace(contact, standing="contact", came=came), fx)
            fx.save(chat.save())
            self._set(replace(acceptance, stage="done"), fx)
            self._person.give_stock(chat, 3, now, fx)
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

    # --------------------------------------------------------------------------------- letters to the inbox

    def letter(self, data: bytes, now: int, fx: Effects) -> None:
        """An opened letter to our inbox."""
        try:
            value = decode_letter(data)
            if isinstance(value, ContactRequest):
                self._asks(value, now, fx)
            elif isinstance(value, WelcomeEnvelope):
                self._welcome(value, data, now, fx)
            else:
                fx.tell("ignored", why="a letter that nothing here waits for")
        except (CryptoError, WireError, mls.MlsError, Refused) as error:
            fx.tell("ignored", why=f"a letter that does not hold: {error}")

    def _asks(self, request: ContactRequest, now: int, fx: Effects) -> None:
        card = decode_card(request.card)
        known = self._person.contacts.get(card.account)
        if card.account == self._person.identity.account or request.to != self._person.inbox.here().log:
            raise Refused("a request that is not for this inbox")
        if known is not None and known.standing in ("contact", "blocked", "refused"):
            return
        asking = replace(
            known or Contact(card.account, card.name, "asking"),
            name=card.name,
            standing="asking",
            card=request.card,
            came=f"asked by your open invite on {day_of(now)}",
            text=request.text,
        )
        self._person.put_contact(asking, fx)
        fx.tell("request", name=card.name)

    def _welcome(self, envelope: WelcomeEnvelope, data: bytes, now: int, fx: Effects) -> None:
        """A Welcome: taken from contacts, and from those whom we asked."""
        card = decode_card(envelope.card)
        if not self._is_wanted(card.account):
            raise Refused("a Welcome from somebody who is no contact")
        if envelope.kind == "pair" and envelope.conversation != pair_id(
            self._person.identity.account, card.account
        ):
            raise Refused("a conversation of two that is not of these two")
        if missing_of(envelope) is not None:
            self._wait_for_blobs(envelope, card, data, fx)
        else:
            self._enter(envelope, card, now, fx)

    def _is_wanted(self, account: bytes) -> bool:
        """Whether this person may let us in: a contact, or somebody whom we asked (and who may have asked us, too)."""
        known = self._person.contacts.get(account)
        chat = pair_id(self._person.identity.account, account)
        asked = any(a.stage == "asked" and a.chat == chat for a in self.acceptances.values())
        return known is not None and (
            known.standing in ("contact", "asked") or (known.standing == "asking" and asked)
        )

    def _wait_for_blobs(self, envelope: WelcomeEnvelope, card: Card, data: bytes, fx: Effects) -> None:
        """Remember a large Welcome until what it left in blobs was fetched."""
        if any(isinstance(p, BlobRef) and p.size > IN_BLOBS_MAX for p in (envelope.tree, envelope.welcome)):
            raise Refused("a Welcome to a group that is too large")
        key = sha256(data).digest()
        others = [decode_card(e.card).account for k, e in self._waiting.items() if k != key]
        if others.count(card.account) >= WAITING_MAX:
            raise Refused("too many Welcomes of one sender that cannot be fetched")
        self._waiting[key] = envelope
        fx.save(PutFact("letter:" + key.hex(), data))
        self._person.hear_of(envelope.relay, envelope.routes, fx)

    def _blob(self, key: bytes, n: int, before: list[bytes], answer: Answer, now: int, fx: Effects) -> None:
        """A chunk of what a large Welcome left in a blob."""
        envelope = self._waiting.get(key)
        ref = missing_of(envelope) if envelope is not None else None
        if envelope is None or ref is None or n != len(before):
            return
        if not isinstance(answer, Chunk):
            self._give_up_letter(key, fx)
            fx.tell(
                "trouble", code="welcome", text="You were let into a group, but the relay lost what it takes."
            )
            return
        chunks = [*before, answer.chunk]
        if len(chunks) < chunk_count(ref.size):
            fx.ask(envelope.relay, Get(ref.id, n + 1), "door", "blob", key, n + 1, chunks)
            return
        try:
            content = open_whole(ref.key, ref.size, ref.hash, chunks)
            filled = (
                replace(envelope, tree=content)
                if envelope.tree == ref
                else replace(envelope, welcome=content)
            )
            following = missing_of(filled)
            if following is not None:
                self._waiting[key] = filled
                fx.ask(envelope.relay, Get(following.id, 0), "door", "blob", key, 0, [])
                return
            self._give_up_letter(key, fx)
            card = decode_card(envelope.card)
            if not self._is_wanted(card.account):
                raise Refused("a Welcome from somebody who is no contact any more")
            self._enter(filled, card, now, fx)
        except (CryptoError, WireError, mls.MlsError, Refused) as error:
            self._give_up_letter(key, fx)
            fx.tell("ignored", why=f"a Welcome that does not hold: {error}")

    def _give_up_letter(self, key: bytes, fx: Effects) -> None:
        self._waiting.pop(key, None)
        self._asked.discard(key)
        fx.save(PutFact("letter:" + key.hex(), None))

    def _enter(self, envelope: WelcomeEnvelope, card: Card, now: int, fx: Effects) -> None:
        chat, line = self._join(envelope, card, now, fx)
        if chat.kind == "pair":
            came = self._person.contacts[card.account].came or f"let you in on {day_of(now)}"
            self._welcome_contact(card, envelope.card, came, chat, now, fx)
            for acceptance in self.acceptances.values():
                if acceptance.chat == chat.id and acceptance.stage == "asked":
                    self._set(replace(acceptance, stage="done"), fx)
        else:
            self._person.met(chat, line, fx)
            me = self._person.identity.account
            chat.note(line, "joined", card.account, [me], now, fx)
            self._restock(card.account, now, fx)

    def _restock(self, account: bytes, now: int, fx: Effects) -> None:
        """A key package of ours was used: hand its user a fresh one, if we have a chat with them."""
        chat = self._person.chats.get(pair_id(self._person.identity.account, account))
        if chat is not None and chat.line is not None:
            self._person.give_stock(chat, 1, now, fx)

    def _join(
        self, envelope: WelcomeEnvelope, card: Card, now: int, fx: Effects
    ) -> tuple[Conversation, Line]:
        """Join the group of a Welcome and open its line. Refused when the group is not what was said."""
        person = self._person
        assert isinstance(envelope.welcome, bytes)
        assert isinstance(envelope.tree, bytes)
        before = self._line_left(envelope)
        self._check_place(envelope, before)
        roles = self._check_on_a_copy(envelope.welcome, envelope.tree, envelope, card)
        own = person.inbox.use_package(envelope.welcome, fx)
        if own is None:
            raise Refused("a Welcome for a key package that is not ours, or was used")
        if before is not None:
            person.forget_group(before.state.group)
        group = person.engine.join(envelope.welcome, envelope.tree, self._groups(besides=before))
        person.hear_of(envelope.relay, envelope.routes, fx)
        name = card.name if envelope.kind == "pair" else roles.name
        chat = person.chats.get(envelope.conversation)
        if chat is None:
            peer = card.account if envelope.kind == "pair" else None
            chat = Conversation(person, envelope.conversation, envelope.kind, name, peer)
        at = envelope.position
        state = LineState(
            envelope.log,
            envelope.relay,
            group.group_id,
            envelope.generation,
            Standing.OPEN,
            envelope.read,
            envelope.write,
            own.log_key,
            at.seq,
            at.turn,
            at.h,
            envelope.change_n,
        )
        current = chat.line
        line = chat.add_line(state)
        person.chats[chat.id] = chat
        chat.superseded(current, fx)
        fx.save(chat.save())
        fx.watch_changed = True
        return chat, line

    def _line_left(self, envelope: WelcomeEnvelope) -> Line | None:
        """The line that we were removed from, or left, when this Welcome brings us back to the same log."""
        chat = self._person.chats.get(envelope.conversation)
        line = chat.line_on(envelope.log) if chat is not None else None
        over = line is not None and line.state.standing in (Standing.CLOSED, Standing.LOST)
        return line if over else None

    def _check_place(self, envelope: WelcomeEnvelope, before: Line | None) -> None:
        """Refused when a Welcome would put something in the place of what is there already."""
        person = self._person
        if envelope.generation > GENERATION_MAX:
            raise Refused("a generation that leaves no room for the next")
        lines = [line for chat in person.chats.values() for line in chat.lines if line is not before]
        taken = {person.inbox.here().log, *self._doors, *(line.state.log for line in lines)}
        if envelope.log in taken:
            raise Refused("a Welcome to a log that is in use already")
        chat = person.chats.get(envelope.conversation)
        if chat is None:
            return
        if chat.kind != envelope.kind or len(chat.lines) >= LINES_MAX:
            raise Refused("a conversation of another kind, or with too many lines")
        if chat.kind == "group" and before is None:
            raise Refused("a Welcome to a group that we know under another log")

    def _check_on_a_copy(self, welcome: bytes, tree: bytes, envelope: WelcomeEnvelope, card: Card) -> Roles:
        """Join beside all that is ours, and look: whoever made this Welcome may have made it to break something."""
        person = self._person
        copy = person.identity.engine()
        copy.feed(person.desk.mls_rows(b""))
        group = copy.join(welcome, tree, self._groups(besides=self._line_left(envelope)))
        if not group.required_ok:
            raise Refused("a group whose extensions are not ours")
        pair = frozenset((person.identity.account, card.account)) if envelope.kind == "pair" else None
        roles, members = check_group(group, pair)
        if card.account not in roles.admins or card.account not in {m.account for m in members}:
            raise Refused("a Welcome by somebody who may not let people in")
        return roles

    def _groups(self, besides: Line | None) -> list[bytes]:
        """The ids of all MLS groups of ours."""
        lines = (line for chat in self._person.chats.values() for line in chat.lines)
        return [line.state.group for line in lines if line is not besides]

    def _welcome_contact(
        self, card: Card, encoded: bytes, came: str, chat: Conversation, now: int, fx: Effects
    ) -> None:
        """They are a contact from now on; hand them key packages."""
        person = self._person
        known = person.contacts.get(card.account)
        contact = known or Contact(card.account, card.name, "contact")
        person.put_contact(replace(contact, standing="contact", card=encoded, name=card.name, came=came), fx)
        line = chat.line
        if line is not None:
            chat.note(line, "opened", card.account, [card.account], now, fx)
        person.give_stock(chat, 3, now, fx)
        fx.tell("contact", name=card.name)


def founded_change(line: Line) -> Any:
    """The change that must have taken over the log that this line is on."""
    from whimbrel.chat.line import derived_change

    return derived_change(1, line.state.read, line.state.write, line.roles, line.members)


def day_of(now: int) -> str:
    """The day of a time in milliseconds, in UTC."""
    from datetime import UTC, datetime

    return datetime.fromtimestamp(now / 1000, UTC).strftime("%Y-%m-%d")


def missing_of(envelope: WelcomeEnvelope) -> BlobRef | None:
    """What of a Welcome lies in a blob and must be fetched first."""
    for part in (envelope.tree, envelope.welcome):
        if isinstance(part, BlobRef):
            return part
    return None


def key_of(invite: Invite) -> bytes:
    """What an invite is known by: the log that a one-use invite stands for, or the card of an open one."""
    secret = invite.secret
    return (
        codec.log_id(codec.encode_log_body(ready_log(secret.seed)))
        if isinstance(secret, OneUse)
        else secret.card
    )


def card_of(invite: Invite) -> tuple[bytes, bytes]:
    """Id and key of the card behind an invite."""
    secret = invite.secret
    if isinstance(secret, Open):
        return secret.card, secret.card_key
    keys = from_seed(secret.seed)
    return keys.card_id, keys.card_key


def ways(texts: Sequence[str]) -> tuple[Route, ...]:
    return tuple(parse_route(text) for text in texts)


def short_name(name: str) -> str:
    """As much of a name as an invite takes."""
    while len(name.encode()) > NAME_MAX:
        name = name[:-1]
    return name
