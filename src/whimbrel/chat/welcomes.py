"""Welcomes and requests: what letters to our inbox bring, and how a group is entered.

What a letter says is believed only as far as it was asked for. Whoever made a Welcome may have made it to break
something: it is tried on a copy, and it takes no place that is in use.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256

from whimbrel.chat.acceptances import Acceptances
from whimbrel.chat.contacts import STOCK, Contact
from whimbrel.chat.conversation import Conversation
from whimbrel.chat.days import day_of
from whimbrel.chat.effects import Effects
from whimbrel.chat.healing import on_joining
from whimbrel.chat.household import Household
from whimbrel.chat.line import Line, derived_change, epoch_tokens
from whimbrel.chat.line_state import LineState, Standing
from whimbrel.chat.records import PutFact
from whimbrel.chat.rules import Refused, check_group, may_add
from whimbrel.crypto import mls
from whimbrel.crypto.accounts import pair_id
from whimbrel.crypto.cards import Card, decode_card
from whimbrel.crypto.envelopes import (
    BlobRef,
    ContactRequest,
    ReAdd,
    WelcomeEnvelope,
    decode_letter,
    encode_letter,
    roster_hash,
)
from whimbrel.crypto.errors import CryptoError
from whimbrel.crypto.files import chunk_count, open_whole
from whimbrel.crypto.leaf import Roles
from whimbrel.wire.answers import Answer, Chunk
from whimbrel.wire.errors import WireError
from whimbrel.wire.operations import Change, Get

GENERATION_MAX = 1 << 40
"""Generations are about seconds of Unix time: a higher one would leave no room for the next."""
LINES_MAX = 16
"""Lines of one conversation; who makes more does not mean to talk."""
IN_BLOBS_MAX = 64 * 1024 * 1024
"""Bytes of a Welcome's tree, or of itself, in a blob at most: some ten thousand members."""
FIRST_WORDS = 3_000
"""Milliseconds for which key packages let the first texts of a new contact go first: where connections freeze by volume, they would
use up the one by which those come."""
WAITING_MAX = 8
"""Welcomes of one sender that cannot be opened yet."""


class _NotOurs(Refused):
    """A Welcome that was made with a key package that this device has no more, or never had."""


class Welcomes:
    """The letters of a Person, and the Welcomes that wait: for what they left in blobs, or for us to read that we are out.

    Who is removed and let in again may get the new Welcome before reading of the removal: letters come by another log.
    """

    def __init__(
        self, person: Household, acceptances: Acceptances, ready_logs: Callable[[], list[bytes]]
    ) -> None:
        self._person = person
        self._acceptances = acceptances
        self._ready_logs = ready_logs
        self._asked: set[bytes] = set()
        self._waiting: dict[bytes, WelcomeEnvelope] = {}

    def restore(self, facts: dict[str, bytes]) -> None:
        for name, value in facts.items():
            if name.startswith("letter:"):
                envelope = decode_letter(value)
                if isinstance(envelope, WelcomeEnvelope):
                    self._waiting[bytes.fromhex(name[7:])] = envelope

    def busy(self) -> bool:
        return any(missing_of(envelope) is not None for envelope in self._waiting.values())

    def pump(self, now: int, fx: Effects) -> None:
        """Ask for what Welcomes left in blobs, and enter by those whose time has come."""
        in_order = sorted(self._waiting.items(), key=lambda item: item[1].position.seq)
        for key, envelope in in_order:  # who was removed twice meanwhile reads what came between, too
            ref = missing_of(envelope)
            if ref is None:
                if not self._is_early(envelope):
                    self._enter_late(key, envelope, now, fx)
            elif key not in self._asked:
                self._asked.add(key)
                fx.ask(envelope.relay, Get(ref.id, 0), "door", "blob", key, 0, [])

    # ------------------------------------------------------------------------------------------ letters

    def letter(self, data: bytes, now: int, fx: Effects) -> None:
        """An opened letter to our inbox."""
        try:
            value = decode_letter(data)
            if isinstance(value, ContactRequest):
                self._asks(value, now, fx)
            elif isinstance(value, WelcomeEnvelope):
                self._welcome(value, data, now, fx)
            elif isinstance(value, ReAdd):
                self._person.ways_back.re_adds.asked(value, now, fx)
            else:
                fx.tell("ignored", why="a letter that nothing here waits for")
        except (CryptoError, WireError, mls.MlsError, Refused) as error:
            fx.tell("ignored", why=f"a letter that does not hold: {error}")

    def _asks(self, request: ContactRequest, now: int, fx: Effects) -> None:
        card = decode_card(request.card)
        known = self._person.contacts.get(card.account)
        if card.account == self._person.identity.account or request.to not in self._person.inbox.logs():
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
        if not self._is_wanted(card.account, envelope):
            raise Refused("a Welcome from somebody who is no contact")
        if envelope.kind == "pair" and envelope.conversation != pair_id(
            self._person.identity.account, card.account
        ):
            raise Refused("a conversation of two that is not of these two")
        if missing_of(envelope) is not None or self._is_early(envelope):
            self._wait(envelope, card, data, fx)
        else:
            self._enter(envelope, card, now, fx)

    def _is_wanted(self, account: bytes, envelope: WelcomeEnvelope) -> bool:
        """Whether this person may let us in: a contact, somebody whom we asked (and who may have asked us, too), or an admin
        of a conversation that we are in, who lets us in again or moves it."""
        known = self._person.contacts.get(account)
        ours = self._person.chats.get(envelope.conversation)
        latest = ours.latest if ours is not None and not ours.left else None
        if (
            latest is not None
            and latest.state.standing is not Standing.CLOSED
            and account in latest.roles.admins
        ):
            return ours is not None and (ours.kind == "group" or known is None or known.standing != "blocked")
        chat = pair_id(self._person.identity.account, account)
        asked = self._acceptances.asked(chat)
        return known is not None and (
            known.standing in ("contact", "asked") or (known.standing == "asking" and asked)
        )

    # ------------------------------------------------------------------------------------------ waiting

    def _is_early(self, envelope: WelcomeEnvelope) -> bool:
        """Whether it may lead back into a line that we have not read to the place where we were removed."""
        chat = self._person.chats.get(envelope.conversation)
        line = chat.line_on(envelope.log) if chat is not None else None
        if line is None or line.state.relay != envelope.relay or line.state.standing is not Standing.OPEN:
            return False
        return line.state.seq < envelope.position.seq

    def _enter_late(self, key: bytes, envelope: WelcomeEnvelope, now: int, fx: Effects) -> None:
        """What this Welcome waited for has come."""
        self._give_up_letter(key, fx)
        try:
            card = decode_card(envelope.card)
            if not self._is_wanted(card.account, envelope):
                raise Refused("a Welcome from somebody who is no contact any more")
            self._enter(envelope, card, now, fx)
        except (CryptoError, WireError, mls.MlsError, Refused) as error:
            fx.tell("ignored", why=f"a Welcome that does not hold: {error}")

    def _wait(self, envelope: WelcomeEnvelope, card: Card, data: bytes, fx: Effects) -> None:
        """Remember a Welcome until what it left in blobs was fetched, or its time has come."""
        if any(isinstance(p, BlobRef) and p.size > IN_BLOBS_MAX for p in (envelope.tree, envelope.welcome)):
            raise Refused("a Welcome to a group that is too large")
        key = sha256(data).digest()
        others = [decode_card(e.card).account for k, e in self._waiting.items() if k != key]
        if others.count(card.account) >= WAITING_MAX:
            raise Refused("too many Welcomes of one sender that cannot be opened yet")
        self._waiting[key] = envelope
        fx.save(PutFact("letter:" + key.hex(), data))
        self._person.hear_of(envelope.relay, envelope.routes, fx)

    def blob(self, key: bytes, n: int, before: list[bytes], answer: Answer, now: int, fx: Effects) -> None:
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
        except CryptoError as error:
            self._give_up_letter(key, fx)
            fx.tell("ignored", why=f"a Welcome that does not hold: {error}")
            return
        self._waiting[key] = filled
        if (following := missing_of(filled)) is not None:
            fx.ask(envelope.relay, Get(following.id, 0), "door", "blob", key, 0, [])
        elif not self._is_early(filled):
            self._enter_late(key, filled, now, fx)

    def _give_up_letter(self, key: bytes, fx: Effects) -> None:
        self._waiting.pop(key, None)
        self._asked.discard(key)
        fx.save(PutFact("letter:" + key.hex(), None))

    # ------------------------------------------------------------------------------------------ entering

    def _enter(self, envelope: WelcomeEnvelope, card: Card, now: int, fx: Effects) -> None:
        left = self._line_left(envelope)
        again = left is not None and left.state.standing is Standing.LOST
        known = self._person.chats.get(envelope.conversation)
        moved = envelope.move is not None and known is not None
        try:
            chat, line = self.join(envelope, card, now, fx)
        except _NotOurs:
            self._person.ways_back.re_adds.ask_sender(envelope, card, now, fx)
            raise
        if again or moved:
            self._person.met(chat, line, fx)
            if again:
                chat.note(line, "re-added", card.account, [self._person.identity.account], now, fx)
            if chat.kind == "pair":
                self._person.give_stock(chat, STOCK, now, fx)
            else:
                self._restock(card.account, now, fx)
        elif chat.kind == "pair":
            came = self._person.contacts[card.account].came or f"let you in on {day_of(now)}"
            self.welcome_contact(card, envelope.card, came, chat, now, fx)
            self._acceptances.granted(chat.id, fx)
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

    def join(self, envelope: WelcomeEnvelope, card: Card, now: int, fx: Effects) -> tuple[Conversation, Line]:
        """Join the group of a Welcome and open its line. Refused when the group is not what was said."""
        person = self._person
        assert isinstance(envelope.welcome, bytes)
        assert isinstance(envelope.tree, bytes)
        before = self._line_left(envelope)
        self._check_place(envelope, before)
        own = person.inbox.find_package(envelope.welcome)
        if own is None:
            raise _NotOurs("a Welcome for a key package that is not ours, or was used")
        roles, accounts, suite = self._check_on_a_copy(envelope.welcome, envelope.tree, envelope, card)
        standing = person.ways_back.moves.standing(
            person.chats.get(envelope.conversation), envelope.move, accounts, suite
        )
        person.inbox.use_package(envelope.welcome, fx)
        if before is not None:
            person.forget_group(before.state.group)
        group = person.engine.join(envelope.welcome, envelope.tree, self._groups(besides=before))
        person.hear_of(envelope.relay, envelope.routes, fx)
        name = card.name if envelope.kind == "pair" else roles.name
        chat = person.chats.get(envelope.conversation)
        if chat is None:
            peer = card.account if envelope.kind == "pair" else None
            chat = Conversation(person, envelope.conversation, envelope.kind, name, peer)
        elif chat.kind == "group" and standing is Standing.OPEN:  # it may have got another one meanwhile
            chat.name = name
        at = envelope.position
        state = LineState(
            envelope.log,
            envelope.relay,
            group.group_id,
            envelope.generation,
            standing,
            envelope.read,
            envelope.write,
            own.log_key,
            at.seq,
            at.turn,
            at.h,
            envelope.change_n,
        )
        if envelope.move is not None:
            state.move = encode_letter(envelope.move)
        leaves = [member.index for member in group.members()]
        state.healing = on_joining(group.own_index, leaves, own.last_resort, now)
        current = before or chat.line or chat.latest
        line = chat.add_line(state)
        person.chats[chat.id] = chat
        if envelope.move is not None and current is not None and before is None:
            person.ways_back.moves.arrived(chat, line, card.account, current, now, fx)
        elif before is None or before.state.standing is not Standing.CLOSED:
            chat.superseded(
                current, fx
            )  # who was removed, or left, had followed the log: what stands in it, all have
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
        taken = {*person.inbox.logs(), *self._ready_logs(), *(line.state.log for line in lines)}
        chat = person.chats.get(envelope.conversation)
        if chat is not None and (there := chat.line_on(envelope.log)) is not None and there is not before:
            raise Refused("a Welcome that came after a later one")
        if envelope.log in taken:
            raise Refused("a Welcome to a log that is in use already")
        if chat is None:
            return
        if chat.kind != envelope.kind or len(chat.lines) >= LINES_MAX:
            raise Refused("a conversation of another kind, or with too many lines")
        if before is None and (chat.kind == "group" or envelope.move is not None):
            person.ways_back.moves.check(chat, envelope)

    def _check_on_a_copy(
        self, welcome: bytes, tree: bytes, envelope: WelcomeEnvelope, card: Card
    ) -> tuple[Roles, list[bytes], int]:
        """Join beside all that is ours, and look: whoever made this Welcome may have made it to break something. The roles,
        the accounts and the suite of the group."""
        person = self._person
        copy = person.identity.engine()
        copy.feed(person.desk.mls_rows(b""))
        group = copy.join(welcome, tree, self._groups(besides=self._line_left(envelope)))
        if not group.required_ok:
            raise Refused("a group whose extensions are not ours")
        pair = frozenset((person.identity.account, card.account)) if envelope.kind == "pair" else None
        roles, members = check_group(group, pair)
        sender = next((m.account for m in members if m.index == group.welcome_sender), None)
        founds = envelope.position.seq == 0
        if sender != card.account or not (sender in roles.admins or (may_add(roles, sender) and not founds)):
            raise Refused("a Welcome by somebody who may not let people in")
        accounts = list(dict.fromkeys(member.account for member in members))
        if envelope.position.seq == 0 and envelope.move is not None:
            if roster_hash(accounts) != envelope.move.roster_hash:
                raise Refused("a move to a group with others in it than it says")
            if epoch_tokens(group.group_id, group.export) != (envelope.read, envelope.write):
                raise Refused("a move to a log that is not of its group")
        return roles, accounts, group.suite

    def _groups(self, besides: Line | None) -> list[bytes]:
        """The ids of all MLS groups of ours."""
        lines = (line for chat in self._person.chats.values() for line in chat.lines)
        return [line.state.group for line in lines if line is not besides]

    def welcome_contact(
        self, card: Card, encoded: bytes, came: str, chat: Conversation, now: int, fx: Effects
    ) -> None:
        """They are a contact from now on; hand them key packages."""
        person = self._person
        contact = person.contacts.get(card.account) or Contact(card.account, card.name, "contact")
        there = replace(contact.with_card(card, encoded), came=came)
        if contact.standing == "blocked":  # until whoever blocked them says otherwise
            person.put_contact(replace(there, was="contact"), fx)
            return
        person.put_contact(replace(there, standing="contact"), fx)
        line = chat.line
        if line is not None:
            chat.note(line, "opened", card.account, [card.account], now, fx)
        person.give_stock(chat, STOCK, now, fx, wait=FIRST_WORDS)
        fx.tell("contact", name=card.name)


def founded_change(line: Line) -> Change:
    """The change that must have taken over the log that this line is on."""
    return derived_change(1, line.state.read, line.state.write, line.roles, line.members)


def missing_of(envelope: WelcomeEnvelope) -> BlobRef | None:
    """What of a Welcome lies in a blob and must be fetched first."""
    for part in (envelope.tree, envelope.welcome):
        if isinstance(part, BlobRef):
            return part
    return None
