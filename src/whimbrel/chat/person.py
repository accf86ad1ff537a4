"""A person's whole account as a state machine: what came in and what the person wants, what to remember and to ask.

Pure but for MLS and HPKE drawing their own randomness: time, chance and what was remembered are handed in. The
shell (`client`) saves the effects of a batch in one transaction and then carries out the rest. When saving fails,
the shell throws the Person away and restores one from what is on disk.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from hashlib import sha256
from typing import Any

from whimbrel.chat import composing, content
from whimbrel.chat.acquaintances import Acquaintances
from whimbrel.chat.acts import OWN_NOTES, Acts, own_notes_id
from whimbrel.chat.attachments import STAGED, Transfer, file_row, unwanted
from whimbrel.chat.composing import Attachment
from whimbrel.chat.contacts import STOCK, Contact, NoKeyPackage
from whimbrel.chat.content import Expiration
from whimbrel.chat.conversation import Conversation, may_set, packed_wishes, put_chunk
from whimbrel.chat.doors import Doors
from whimbrel.chat.effects import Desk, Effects, Tag, Watching
from whimbrel.chat.errands import KIND, PATIENCE_ENDS, Errand, Errands
from whimbrel.chat.extensions import Mention, pack_mentions
from whimbrel.chat.founding import found
from whimbrel.chat.handing_on import HandingOn
from whimbrel.chat.identity import Chance, Identity
from whimbrel.chat.inbox import Inbox, InboxState, letter
from whimbrel.chat.line import Closed, LetIn, Line, Removed
from whimbrel.chat.line_state import Joiner, LineState, Standing
from whimbrel.chat.moving import move_of
from whimbrel.chat.pictures import Pictures
from whimbrel.chat.records import (
    AddMessage,
    ChatRow,
    ContactRow,
    DropChat,
    FileRow,
    FileState,
    MessageRow,
    OutboxRow,
    PutFact,
    PutFile,
)
from whimbrel.chat.refusal import CannotDo
from whimbrel.chat.relays import Relay, fitting, from_others, streams
from whimbrel.chat.route_lists import RouteLists
from whimbrel.chat.rules import Refused, Seat, check_looks, may_add, may_post
from whimbrel.chat.set_back import SetBack
from whimbrel.chat.troubles import text_of
from whimbrel.chat.vanishing import Vanishing
from whimbrel.chat.ways_back import WaysBack
from whimbrel.crypto import mls
from whimbrel.crypto.cards import decode_card, open_card
from whimbrel.crypto.envelopes import BlobRef, Position, WelcomeEnvelope, encode_letter
from whimbrel.crypto.errors import CryptoError
from whimbrel.crypto.files import seal_whole
from whimbrel.crypto.leaf import LeafExtension, Roles, encode_leaf, encode_roles
from whimbrel.crypto.payload import encode_key_packages
from whimbrel.wire import cbor
from whimbrel.wire.answers import Answer, Chunk, Failure, Fetched, Status
from whimbrel.wire.errors import WireError
from whimbrel.wire.operations import SEALED_CHUNK, Get

INLINE = 40_000
"""Bytes of tree and Welcome that still travel inside the letter; larger ones are blobs."""
Place = bytes | tuple[bytes, int]
"""A part of the account: a chat, a log or a lane of errands by its id, or a letter by its log and seq."""


class Person:
    """The account of this home. Implements what conversations need of their `Surroundings`."""

    def __init__(self, identity: Identity, desk: Desk, chance: Chance) -> None:
        self.identity = identity
        self.desk = desk
        self.chance = chance
        self.engine = identity.engine()
        self.errands = Errands()
        self.inbox = Inbox(identity, self.engine, self.errands, chance)
        self.doors = Doors(self)
        self.chats: dict[bytes, Conversation] = {}
        self.contacts: dict[bytes, Contact] = {}
        self.relays: dict[bytes, Relay] = {}
        self.fetch_up_to = -1
        """Bytes up to which a file is fetched without being asked for."""
        self.company: Mapping[bytes, int] = {}
        """When something leaves for a relay to which nothing does just now (milliseconds); told by whoever has the connections."""
        self.aside: set[Place] = set()
        """What raised again and again, found by the shell: it is left alone until the next start, and the rest goes on."""
        self.doing: Place | None = None
        """What is in hand, so that the shell knows what raised."""
        self._n = 0
        self._fed: set[bytes] = set()
        self._cards_asked: set[bytes] = set()
        self.retired = False
        """Another copy of this home took its place: this one does nothing more."""
        self.ways_back = WaysBack(self)
        self.acts = Acts(self)
        self.acquaintances = Acquaintances(self)
        self.pictures = Pictures(self)
        self.handing_on = HandingOn(self)
        self.route_lists = RouteLists(self)
        self.vanishing = Vanishing(desk)
        self.set_back = SetBack(self)

    # -------------------------------------------------------------------------------------- beginnings

    @staticmethod
    def make(name: str, relay: Relay, desk: Desk, chance: Chance, now: int, fx: Effects) -> Person:
        """A new account, with an inbox on this relay."""
        if relay.admission is None:
            raise CannotDo(
                "no-place", "That relay did not give you a place.", "Ask its owner for an address."
            )
        person = Person(Identity.make(name, chance, now), desk, chance)
        fx.save(PutFact("identity", person.identity.encode()))
        person.add_relay(relay, fx)
        person.inbox.make(relay.identity, relay.routes, relay.admission, person.next_n(), now, fx)
        person.inbox.publish_card(person.next_n, now, fx)
        person.inbox.send_grants(person.next_n, fx)
        fx.watch_changed = True
        return person

    @staticmethod
    def restore(
        facts: dict[str, bytes],
        chats: Iterable[ChatRow],
        contacts: Iterable[ContactRow],
        outbox: Iterable[OutboxRow],
        desk: Desk,
        chance: Chance,
    ) -> Person:
        """The account as it was remembered."""
        person = Person(Identity.decode(facts["identity"]), desk, chance)
        person.engine.feed(desk.mls_rows(b""))
        person.inbox.restore(facts)
        person.doors.restore(facts)
        person.route_lists.restore(facts)
        person.handing_on.restore(facts)
        person.retired = "retired" in facts
        for identity, routes, admission, embedded in cbor.decode(facts.get("relays", b"\x80")):
            person.relays[identity] = Relay(identity, tuple(routes), admission, embedded)
        for contact in contacts:
            person.contacts[contact.account] = Contact.from_row(contact)
        for chat in chats:
            person.chats[chat.id] = Conversation.restore(person, chat)
        for row in outbox:
            person._n = max(person._n, row.n)
            if row.kind == KIND:
                person.errands.restore(row)
            elif row.chat in person.chats:
                person.chats[row.chat].outbox.put(row)
        return person

    def move_in(self, relay: bytes, now: int, fx: Effects) -> None:
        """Take the place that an invite offers, if we only have a relay inside this home and nobody knows it yet:
        others would not reach it."""
        place = self.relays[relay]
        lives_alone = self.relays[self.inbox.here().relay].embedded and not self.contacts and not self.chats
        if place.admission is None or not lives_alone:
            return
        self.inbox.leave(relay, place.routes, place.admission, self.next_n(), now, fx)
        self.inbox.publish_card(self.next_n, now, fx)
        self.inbox.send_grants(self.next_n, fx)
        self.doors.invites.forget_open(fx)
        fx.watch_changed = True

    def next_n(self) -> int:
        self._n += 1
        return self._n

    def add_relay(self, relay: Relay, fx: Effects) -> None:
        """Remember a relay; what is known of it already is not forgotten for less."""
        known = self.relays.get(relay.identity)
        relay = replace(relay, routes=fitting(relay.routes))
        if known is not None:
            relay = replace(
                relay,
                routes=fitting((*relay.routes, *known.routes)),
                admission=relay.admission or known.admission,
                embedded=relay.embedded or known.embedded,
            )
        if relay != known:
            self._keep_relay(relay, fx)

    def set_ways(self, relay: bytes, routes: Sequence[str], fx: Effects) -> None:
        """These and no others lead to a relay that is known."""
        known = self.relays[relay]
        if tuple(routes) != known.routes:
            self._keep_relay(replace(known, routes=tuple(routes)), fx)

    def _keep_relay(self, relay: Relay, fx: Effects) -> None:
        self.relays[relay.identity] = relay
        packed = [[r.identity, list(r.routes), r.admission, r.embedded] for r in self.relays.values()]
        fx.save(PutFact("relays", cbor.encode(packed)))
        fx.watch_changed = True
        self.handing_on.changed()

    def ways_to(self, relay: bytes) -> tuple[str, ...]:
        """Every way to a relay that is tried: those that this account knows, then those of contacts."""
        return (*self.relays[relay].routes, *(route for route, _ in self.handing_on.of_others(relay)))

    def hear_of(self, relay: bytes, routes: Sequence[str], fx: Effects) -> None:
        """Ways to a relay as somebody else tells them: they never take the place of those that we know, and of our own
        relay we know better. Not all are taken (`relays.from_others`)."""
        known = self.relays.get(relay)
        if known is None:
            self.add_relay(Relay(relay, tuple(from_others(routes)), None), fx)
        elif known.admission is None and not known.embedded:
            self.add_relay(Relay(relay, (*known.routes, *from_others(routes)), None), fx)

    # ------------------------------------------------------------------------------- what conversations need

    def load_group(self, group: bytes) -> mls.Group:
        if group not in self._fed:
            self._fed.add(group)
            self.engine.feed(self.desk.mls_rows(group))
        loaded = self.engine.load_group(group)
        if loaded is None:
            raise CryptoError("the group's state is not in the store")
        return loaded

    def forget_group(self, group: bytes) -> None:
        """Delete what MLS keeps of a group that this device is no member of any more."""
        if group not in self._fed:
            self._fed.add(group)
            self.engine.feed(self.desk.mls_rows(group))
        self.engine.delete_group(group)

    def name_of(self, account: bytes) -> str:
        if account == self.identity.account:
            return self.identity.name
        contact = self.contacts.get(account)
        return contact.name if contact is not None else ""

    def let_in(
        self, chat: Conversation, line: Line, let_in: LetIn, now: int, fx: Effects, lane: bytes = b""
    ) -> None:
        """Send each joiner their Welcome. `lane`: after which errands, when there are any to wait for."""
        state = line.state
        tree: bytes | BlobRef = let_in.tree
        welcome: bytes | BlobRef = let_in.welcome
        if len(let_in.tree) + len(let_in.welcome) > INLINE:
            lane = lane or self.chance(32)
            tree = self._in_a_blob(state, let_in.write, let_in.tree, lane, fx)
            if len(let_in.welcome) > INLINE:
                welcome = self._in_a_blob(state, let_in.write, let_in.welcome, lane, fx)
        envelope = WelcomeEnvelope(
            conversation=chat.id,
            generation=state.generation,
            kind="pair" if chat.kind == "pair" else "group",
            move=move_of(state),
            log=state.log,
            relay=state.relay,
            routes=streams(self.relays[state.relay].routes),
            read=let_in.read,
            write=let_in.write,
            position=Position(let_in.seq, let_in.turn, let_in.h),
            change_n=let_in.n,
            welcome=welcome,
            tree=tree,
            card=self.inbox.here().card,
        )
        data = encode_letter(envelope)
        for joiner in let_in.joiners:
            self.hear_of(joiner.relay, joiner.routes, fx)
            try:
                append = letter(joiner.inbox, joiner.token, joiner.inbox_key, data, self.chance(16))
            except (CryptoError, ValueError) as error:
                text = f"{self.name_of(joiner.account)} could not be let in: {error}."
                fx.tell("trouble", code="welcome", text=text)
                continue
            self.errands.add(
                fx,
                self.next_n(),
                lane or joiner.inbox,
                joiner.relay,
                append,
                "welcome",
                chat.id,
                joiner.account,
            )

    def _in_a_blob(self, state: LineState, token: bytes, data: bytes, lane: bytes, fx: Effects) -> BlobRef:
        """What does not fit a letter, sealed in a blob of the log, and how to find and open it."""
        ref = BlobRef(self.chance(32), len(data), sha256(data).digest(), self.chance(32))
        sealed = b"".join(seal_whole(ref.key, data))
        for n in range(-(-len(sealed) // SEALED_CHUNK)):
            put = put_chunk(ref.id, state.log, token, sealed, n)
            self.errands.add(fx, self.next_n(), lane, state.relay, put, "blob")
        return ref

    def take_stock(self, account: bytes, packages: Sequence[bytes], fx: Effects) -> None:
        contact = self.contacts.get(account)
        if contact is not None:
            fresh = tuple(p for p in packages if p not in contact.stock)
            self.put_contact(replace(contact, stock=(*contact.stock, *fresh)[-2 * STOCK :]), fx)

    def give_stock(self, chat: Conversation, count: int, now: int, fx: Effects, wait: int = 0) -> None:
        """Hand a contact fresh key packages, inside the chat with them. `wait`: milliseconds for which texts go first."""
        packages = [self.inbox.key_package(now, fx) for _ in range(count)]
        self.inbox.send_grants(self.next_n, fx)
        body = encode_key_packages(packages)
        chat.put(OutboxRow(chat.id, "stock", body, not_before=now + wait if wait else 0), fx)

    def met(self, chat: Conversation, line: Line, fx: Effects, anew: Sequence[bytes] = ()) -> None:
        """Learn the names of members that nobody introduced, from the cards that their leaves name. `anew`: accounts whose
        cards are asked for though we may have one: their device may be another one now."""
        self.looks(chat, line, fx)
        for member in line.members:
            account, known = member.account, self.contacts.get(member.account)
            if account == self.identity.account or not member.leaf.reach:
                continue
            if account in anew and known is not None and known.stock:
                self.put_contact(replace(known, stock=()), fx)
            way = member.leaf.reach[0]
            wanted = account in anew or (known is None and way.card not in self._cards_asked)
            if wanted:
                self._cards_asked.add(way.card)
                self.hear_of(way.relay, way.routes, fx)
                fx.ask(way.relay, Get(way.card, 0), "card", account, way.card_key)

    def is_blocked(self, account: bytes) -> bool:
        known = self.contacts.get(account)
        return known is not None and known.standing == "blocked"

    def picture(self, id: bytes) -> bytes | None:
        return self.pictures.data(id)

    def looks(self, chat: Conversation, line: Line, fx: Effects) -> None:
        self.pictures.look(chat, line, fx)

    def own_card(self) -> bytes:
        return self.inbox.here().card

    def ways_told(self, account: bytes) -> bytes:
        return self.handing_on.told(account)

    def heard_ways(self, chat: Conversation, account: bytes, body: bytes, seq: int, fx: Effects) -> None:
        self.handing_on.heard(chat, account, body, seq, fx)

    def own_leaf(self, before: LeafExtension) -> bytes:
        """Our leaf extension with the card that we have now, and the inbox where we live now."""
        here = self.inbox.here()
        moved = {state.log for state in self.inbox.left}
        reach = []
        for way in before.reach:
            if way.inbox == here.log:
                reach.append(replace(way, card=here.card_id, card_key=here.card_key))
            else:
                reach.append(self.inbox.reach() if way.inbox in moved else way)
        return encode_leaf(replace(before, reach=tuple(reach)))

    def heard_card(
        self, chat: Conversation, line: Line, account: bytes, body: bytes, seq: int, now: int, fx: Effects
    ) -> None:
        self.acquaintances.heard(chat, line, account, body, seq, now, fx)

    def asked_again(self, chat: Conversation, by: bytes, request: bytes, now: int, fx: Effects) -> None:
        """A member passes on that somebody asks to be let in again."""
        try:
            self.ways_back.re_adds.passed_on(chat, request, now, fx)
        except (CryptoError, mls.MlsError, Refused) as error:
            fx.tell("ignored", chat=chat.id, why=f"a request that does not hold: {error}")

    def moved_on(self, chat: Conversation, line: Line, closed: Closed, now: int, fx: Effects) -> None:
        """An admin closed a log: the conversation goes on elsewhere."""
        self.ways_back.moves.closed(chat, line, closed, now, fx)

    def replaced(self, chat: Conversation, line: Line, removed: Removed, now: int, fx: Effects) -> None:
        """Our leaf went, and one of our account came in its place."""
        if self.identity.device in removed.instead:
            line.lose("replaced")
            return
        chat.note(line, "lost", removed.by, [self.identity.account], now, fx, "retired")
        fx.tell("trouble", code="retired", text=text_of("retired"))
        self.retired = True
        fx.save(PutFact("retired", b"1"))
        fx.watch_changed = True

    def _come_back_as_new(self, now: int, fx: Effects) -> None:
        """This home was copied or restored: what it knows of its groups is old, or another copy uses it, too. It stops being
        that device, everywhere at once, and asks to be let in again as another one of the same account."""
        self.identity = self.identity.renewed(self.chance, now)
        fx.save(PutFact("identity", self.identity.encode()))
        self.engine = self.identity.engine()
        self._fed.clear()
        self.doors.invites.forget_all(fx)
        self.inbox.begin_anew(self.identity, self.engine, self.next_n, now, fx)
        for chat in self.chats.values():
            chat.begin_anew()
            fx.save(chat.save())
        fx.watch_changed = True

    # ---------------------------------------------------------------------------------- what relays say

    def watching(self) -> list[Watching]:
        """Every log to be watched, on whichever relay."""
        if self.retired:
            return []
        logs = [*self.inbox.watching(), *self.doors.invites.watching()]
        for chat in self.chats.values():
            if chat.id not in self.aside:
                logs += chat.watching()
        return [watching for watching in logs if watching.log not in self.aside] if self.aside else logs

    def _line(self, relay: bytes, log: bytes) -> tuple[Conversation, Line] | None:
        for chat in self.chats.values():
            for line in chat.lines:
                if line.state.log == log and line.state.relay == relay:
                    return chat, line
        return None

    def records(self, relay: bytes, log: bytes, what: Fetched | Failure, now: int, fx: Effects) -> None:
        """What a watched log has after its cursor, or why the relay does not show it."""
        inbox = self.inbox.here()
        if log == inbox.log and relay == inbox.relay:
            self._letters(what, now, fx)
        elif (left := self.inbox.left_on(relay, log)) is not None:
            self._letters_to_where_we_lived(left, what, now, fx)
        elif log in self.doors.invites.logs():
            self.doors.invites.records(log, what, now, fx)
        elif (found := self._line(relay, log)) is not None:
            chat, line = found
            first = not line.caught_up
            if isinstance(what, Fetched):
                chat.records(line, what, now, fx)
                if first and line.caught_up and chat.kind == "group":
                    self.met(chat, line, fx)
            else:
                self._not_shown(chat, line, what, fx)

    def _not_shown(self, chat: Conversation, line: Line, what: Failure, fx: Effects) -> None:
        hopeless = what.status in (Status.DENIED, Status.EXPIRED)
        if not hopeless or line.state.standing is not Standing.OPEN:
            return
        line.lose(what.status.name.lower())
        if line is not chat.latest:  # the conversation goes on elsewhere already
            line.state.standing = Standing.CLOSED
        fx.save(chat.save())
        fx.watch_changed = True

    def _letters(self, what: Fetched | Failure, now: int, fx: Effects) -> None:
        inbox = self.inbox.here()
        if isinstance(what, Failure):
            if what.status is Status.EXPIRED and what.first is not None and what.first > inbox.seq:
                inbox.seq, inbox.h = what.first - 1, b""
                self.inbox.save(fx)
                fx.watch_changed = True
                fx.tell("trouble", code="inbox", text="Letters to you expired before this device read them.")
            elif what.status is Status.DENIED:
                self.set_back.forgotten(fx)
            return
        self.set_back.look(what.head, fx)
        for record in what.records:
            if record.seq <= inbox.seq:
                continue
            self.doing = (inbox.log, record.seq)
            if not self.inbox.follow(record):
                text = "The relay shows another history of your inbox than before: letters may be missing."
                fx.tell("trouble", code="inbox", text=text)
            if record.entry is not None and self.doing not in self.aside:
                try:
                    data = self.inbox.open(record.entry, inbox.log)
                except (WireError, CryptoError) as error:
                    fx.tell("ignored", seq=record.seq, why=str(error))
                    continue
                self.doors.welcomes.letter(data, now, fx)
        self.inbox.save(fx)

    def _letters_to_where_we_lived(
        self, left: InboxState, what: Fetched | Failure, now: int, fx: Effects
    ) -> None:
        if isinstance(what, Failure):
            if what.status is Status.EXPIRED and what.first is not None and what.first > left.seq:
                left.seq = what.first - 1
                self.inbox.save_left(fx)
                fx.watch_changed = True
            elif what.status is Status.DENIED:
                self.inbox.forget_left(left, fx)
                fx.watch_changed = True
            return
        for record in what.records:
            if record.seq <= left.seq:
                continue
            self.doing = (left.log, record.seq)
            left.seq, left.h = record.seq, record.h
            if record.entry is not None and self.doing not in self.aside:
                try:
                    data = self.inbox.open(record.entry, left.log)
                except (WireError, CryptoError) as error:
                    fx.tell("ignored", seq=record.seq, why=str(error))
                    continue
                self.doors.welcomes.letter(data, now, fx)
        self.inbox.save_left(fx)

    def answer(self, tag: Tag, answer: Answer, now: int, fx: Effects) -> None:
        """The relay's answer to what was asked with this tag."""
        match tag:
            case ("append", chat_id, log, first_id):
                if (place := self._place(chat_id, log)) is not None:
                    place[0].answered(place[1], first_id, answer, now, fx)
                    self.doors.acceptances.after_append(place[0], place[1], answer, now, fx)
            case ("flight-blob", chat_id, log, blob, n):
                if (place := self._place(chat_id, log)) is not None:
                    place[0].blob_put(place[1], blob, n, answer, now, fx)
            case ("pointer", chat_id, log, blob, before):
                if (place := self._place(chat_id, log)) is not None:
                    self._pointer(*place, blob, before, answer, now, fx)
            case ("look", chat_id, log, read, seq, least):
                if (place := self._place(chat_id, log)) is not None:
                    place[0].looked(place[1], read, seq, least, answer, now, fx)
            case ("errand", lane, n, mark):
                self._errand(lane, n, mark, answer, now, fx)
            case ("inbox-head", seq, n):
                self.set_back.answered(seq, n, answer, fx)
            case ("picture", chat_id, blob, before):
                self.pictures.fetched(chat_id, blob, before, answer, now, fx)
            case ("picture-kept", chat_id, blob, n):
                self.pictures.kept(chat_id, blob, n, answer, now, fx)
            case ("routes", log):
                self.route_lists.answered(log, answer, fx)
            case ("card", account, key):
                self._card(account, key, answer, fx)
            case ("door", *rest):
                self.doors.answer(tuple(rest), answer, now, fx)

    def _place(self, chat_id: bytes, log: bytes) -> tuple[Conversation, Line] | None:
        chat = self.chats.get(chat_id)
        line = next((line for line in chat.lines if line.state.log == log), None) if chat else None
        return (chat, line) if chat is not None and line is not None else None

    def _pointer(
        self,
        chat: Conversation,
        line: Line,
        blob: bytes,
        before: Sequence[bytes],
        answer: Answer,
        now: int,
        fx: Effects,
    ) -> None:
        """A chunk of the blob that an entry points to."""
        if line.wants is None or line.wants.blob != blob:
            return
        size, n = line.wants.size, len(before)
        right = min(SEALED_CHUNK, size - n * SEALED_CHUNK)
        if not isinstance(answer, Chunk) or (answer.size, len(answer.chunk)) != (size, right):
            chat.blob(line, blob, None, now, fx)
            return
        chunks = [*before, answer.chunk]
        if len(chunks) * SEALED_CHUNK < size:
            get = Get(blob, n + 1)
            fx.ask(line.state.relay, get, "pointer", chat.id, line.state.log, blob, chunks)
        else:
            chat.blob(line, blob, b"".join(chunks), now, fx)

    def _card(self, account: bytes, key: bytes, answer: Answer, fx: Effects) -> None:
        """The card of somebody met in a group: now they have a name."""
        if not isinstance(answer, Chunk):
            return
        try:
            encoded = open_card(key, [answer.chunk])
            card = decode_card(encoded)
        except CryptoError:
            return
        known = self.contacts.get(account)
        if card.account != account:
            return
        if known is None:
            self.put_contact(Contact(account, card.name, "known", encoded), fx)
        elif (there := known.with_card(card, encoded)) != known:
            self.put_contact(there, fx)

    def _errand(self, lane: bytes, n: int, mark: bytes, answer: Answer, now: int, fx: Effects) -> None:
        errand = self.errands.find(lane, n, mark)
        if errand is None:
            return
        if isinstance(answer, Failure) and self._card_is_gone(errand, answer.status):
            self.errands.done(errand, fx)
            self._bring_card_back(answer.status, now, fx)
            return
        if errand.tag[0] == "keep-old" and isinstance(answer, Failure) and answer.status is Status.MISSING:
            self.errands.done(errand, fx)
            self.inbox.forget_old(errand.tag[1], fx)
            return
        done = errand.is_done_by(answer)
        if not done and not (isinstance(answer, Failure) and answer.status is Status.EXISTS):
            goes_on = self.errands.later(errand, now, fx)
            if errand.tag[0] == "grant" and isinstance(answer, Failure) and answer.status is Status.DENIED:
                self.set_back.ask(fx)
            if errand.tries == PATIENCE_ENDS:
                code = answer.status.name.lower() if isinstance(answer, Failure) else "unknown"
                fx.tell("trouble", code=code, text=self._refused_for_long(errand))
            if goes_on:
                return
        self.errands.done(errand, fx)
        if done:
            self._errand_done(errand, fx)

    def _card_is_gone(self, errand: Errand, status: Status) -> bool:
        """Whether the relay has our card no more, or something else in its place."""
        if errand.tag[0] == "keep":
            return status is Status.MISSING
        return (
            status is Status.EXISTS
            and errand.tag[0] == "card-put"
            and self.inbox.is_of_card(errand.operation)
        )

    def _bring_card_back(self, status: Status, now: int, fx: Effects) -> None:
        """The very same card goes back to its place, where all who were told of it look. Where somebody else has put
        something there (the id is known to all who may read it), another card takes its place."""
        if status is Status.MISSING:
            self.inbox.put_card_back(self.next_n, fx)
        else:
            self.inbox.renew_card(self.next_n, now, fx)
            self.doors.invites.forget_open(fx)

    def _refused_for_long(self, errand: Errand) -> str:
        if errand.tag[0] == "welcome":
            return f"{self.name_of(errand.tag[2])} could not be let in: their relay refuses the letter."
        return f"The relay refuses what must be done there ({errand.tag[0]})."

    def _errand_done(self, errand: Errand, fx: Effects) -> None:
        if errand.tag[0] in ("ready", "inbox"):
            fx.watch_changed = True
        if errand.tag[0] == "founded":
            place = self._place(errand.tag[1], errand.tag[2])
            if place is not None and place[1].state.standing is Standing.FOUNDING:
                place[1].state.standing = Standing.OPEN
                self.ways_back.founded(*place)
                self.handing_on.changed()
                fx.save(place[0].save())
                fx.watch_changed = True

    # ------------------------------------------------------------------------------------- moving on

    def pump(self, now: int, fx: Effects, hurry: bool = False) -> None:
        """Whatever is due leaves."""
        self.doing = None
        if self.retired:
            self.vanishing.pump(now, fx)
            return
        if not fx.saves and any(chat.is_copied for chat in self.chats.values()):
            self._come_back_as_new(now, fx)
        self.vanishing.pump(now, fx)
        self.ways_back.tend(now, fx)
        self.doing = None
        self.pictures.tend(now, fx)
        self.route_lists.tend(now, fx)
        self.handing_on.tend(now, fx)
        if self.inbox.keep_is_due(now):
            self.inbox.keep(self.next_n, now, fx)
        for chat in self.chats.values():
            if chat.id not in self.aside:
                self.doing = chat.id
                chat.pump(now, fx, hurry)
        for lane in self.errands.lanes():
            if lane not in self.aside:
                self.doing = lane
                self.errands.pump(lane, now, fx)
        self.doing = None
        self.doors.pump(now, fx)
        self.inbox.send_grants(self.next_n, fx)  # of leaves that were made in this turn

    def next_time(self) -> int | None:
        """When something is due next (milliseconds)."""
        if self.retired:
            return self.vanishing.next_time()
        chats = (chat.next_time() for chat in self.chats.values() if chat.id not in self.aside)
        times = (
            self.vanishing.next_time(),
            self.pictures.next_time(),
            self.route_lists.next_time(),
            self.errands.next_time(self.aside),
            self.ways_back.next_time(),
            *chats,
        )
        return min((time for time in times if time is not None), default=None)

    def waiting(self) -> int:
        """What waits to leave, but for key packages in stock and ways: no person waits for those."""
        rows = (row for chat in self.chats.values() for row in chat.outbox)
        return len(self.errands) + sum(row.kind not in ("stock", "ways") for row in rows)

    def busy(self, now: int, hurry: bool = False) -> bool:
        """Whether something that this home began is under way or due: it waits for a relay, not for a person or a time.

        With `hurry` nothing waits for company, as in `pump`.
        """
        chats = any(chat.busy(now, hurry) for chat in self.chats.values() if chat.id not in self.aside)
        return chats or self.errands.busy(now, self.aside) or self.doors.busy()

    # ----------------------------------------------------------------------------------- what people do

    def put_contact(self, contact: Contact, fx: Effects) -> None:
        known = self.contacts.get(contact.account)
        if known is None or known.standing != contact.standing:
            self.handing_on.changed()
        self.contacts[contact.account] = contact
        fx.save(contact.save())
        for chat in self.chats.values():
            if chat.peer == contact.account and chat.name != contact.name:
                chat.name = contact.name
                fx.save(chat.save())

    def send(
        self,
        chat: Conversation,
        text: str,
        files: Sequence[Attachment],
        reply_to: bytes | None,
        now: int,
        fx: Effects,
        *,
        mentions: Sequence[Mention] = (),
        forwarded: bool = False,
    ) -> bytes:
        """Queue a message; its id. With files it leaves when they are whole on the relay (`file_is_there`)."""
        self.check_may_write(chat)
        me, timer = self.identity.account, chat.timer
        try:
            said = composing.say(
                self.chance(16),
                text,
                files,
                reply_to,
                Expiration(True, timer) if timer else None,
                mentions,
                forwarded,
            )
            body = content.encode(composing.dated(said, now))
        except content.ContentError as error:
            raise CannotDo("too-large", f"That cannot be sent: {error}.") from None
        id = composing.id_of(body, me, chat.id)
        row = OutboxRow(chat.id, "content", cbor.encode([body, [file.blob for file in files]]), id)
        message = MessageRow(
            id,
            chat.id,
            me,
            True,
            now,
            text,
            body,
            "queued",
            reply_to=reply_to,
            forwarded=forwarded,
            mentions=pack_mentions(mentions),
            expires=timer or None,
        )
        fx.save(AddMessage(message))
        if files:
            fx.save(*(file_row(id, chat.id, number, file, "going") for number, file in enumerate(files)))
            fx.save(PutFact("files:" + id.hex(), row.body))
            fx.save(*(PutFact(STAGED + file.blob.hex(), None) for file in files))
        else:
            chat.put(row, fx)
        return id

    def check_may_write(self, chat: Conversation, reacting: bool = False) -> None:
        """Raises CannotDo when nothing leaves for this chat, or this account may not write there; all members may react."""
        if self.retired or (chat.line is None and chat.lost is None):
            raise self._not_written_to(chat)
        if chat.is_blocked:
            raise CannotDo("blocked", f"You blocked {chat.name}.", "Unblock them to write to them.")
        if not reacting and chat.line is not None and not may_post(chat.line.roles, self.identity.account):
            raise CannotDo(
                "may-not-post", f"Only admins write in {chat.name}.", "You can react to what they write."
            )

    def stage_file(self, blob: bytes, fx: Effects) -> None:
        """A sealed copy is about to be made; until it is sent with a message, nothing else speaks of it."""
        fx.save(PutFact(STAGED + blob.hex(), b""))

    def place_for(self, transfer: Transfer) -> tuple[bytes, bytes] | None:
        """The log (and its write token) that a file's space counts against; None when there is none any more."""
        chat = self.chats.get(transfer.chat)
        line = chat.line if chat is not None else None
        if (
            line is not None and line.state.relay != transfer.relay
        ):  # the chat moved to another relay meanwhile
            here = self.inbox.here()
            return (here.log, here.write) if here.relay == transfer.relay else None
        if line is None or line.state.standing is not Standing.OPEN:
            return None
        return line.state.log, line.state.write

    def relay_for_files(self, chat: Conversation) -> bytes:
        """The relay that a file for this chat goes to."""
        if self.retired or chat.line is None:
            raise self._not_written_to(chat)
        return chat.line.state.relay

    def _not_written_to(self, chat: Conversation) -> CannotDo:
        """Why nothing leaves for this chat."""
        if self.retired:
            return CannotDo("retired", text_of("retired"), "Go on in the other copy.")
        if chat.lost is not None:
            text = f"{chat.name} is being mended; `whimbrel status` says why."
            return CannotDo("lost", text, "Texts can be sent now and wait; send files a little later.")
        return CannotDo("not-a-member", f"You are not a member of {chat.name} any more.")

    def fetch_file(self, row: FileRow, fx: Effects) -> None:
        self._file_is(row, "coming", fx)

    def file_is_here(self, row: FileRow, fx: Effects) -> None:
        self._file_is(row, "here", fx)

    def file_is_lost(self, row: FileRow, fx: Effects) -> None:
        self._file_is(row, "failed", fx)

    def _file_is(self, row: FileRow, state: FileState, fx: Effects) -> bool:
        """False: its message was deleted meanwhile, and what came of it is not wanted."""
        if all(file.id != row.id for file in self.desk.files_of(row.message)):
            fx.save(*unwanted([row]))
            return False
        fx.save(PutFile(replace(row, state=state)))
        return True

    def file_is_there(self, row: FileRow, body: bytes, fx: Effects) -> None:
        """A file of ours is whole on the relay; with the last one of a message, the message leaves."""
        if not self._file_is(row, "here", fx):
            return
        others = [other for other in self.desk.files_of(row.message) if other.id != row.id]
        chat = self.chats.get(Transfer.decode(row.state_blob).chat)
        if chat is not None and all(other.state != "going" for other in others):
            fx.save(PutFact("files:" + row.message.hex(), None))
            chat.put(OutboxRow(chat.id, "content", body, row.message), fx)

    def keep_ways(self, relay: bytes, ways: bytes, fx: Effects) -> None:
        """What is known of the ways to a relay: which one worked."""
        fx.save(PutFact("ways:" + relay.hex(), ways))

    def keep_document(self, relay: bytes, document: bytes, fx: Effects) -> None:
        """A relay's newest key document."""
        fx.save(PutFact("keys:" + relay.hex(), document))

    def make_group(self, name: str, people: Sequence[Contact], now: int, fx: Effects) -> Conversation:
        """A new group with these people in it, on our own relay."""
        me = self.identity.account
        roles = Roles((me,), name=name)
        chat = Conversation(self, self.chance(32), "group", name)
        self._found(chat, roles, [self._joiner(person, now, fx) for person in people], now, fx)
        return chat

    def note_to_self(self, now: int, fx: Effects) -> Conversation:
        """The conversation that this account has with itself, made when it is first wanted."""
        me = self.identity.account
        chat = self.chats.get(own_notes_id(me))
        if chat is None:
            chat = Conversation(self, own_notes_id(me), "self", OWN_NOTES)
            self._found(chat, Roles((me,)), [], now, fx)
        return chat

    def make_pair(self, contact: Contact, id: bytes, now: int, fx: Effects) -> Conversation:
        """A conversation of two with somebody whose request was accepted."""
        both = tuple(sorted((self.identity.account, contact.account)))
        chat = self.chats.get(id) or Conversation(self, id, "pair", contact.name, contact.account)
        joiner = self._joiner(contact, now, fx)
        self._found(chat, Roles(both), [joiner], now, fx)
        self.give_stock(chat, STOCK, now, fx)
        return chat

    def _found(
        self, chat: Conversation, roles: Roles, joiners: Sequence[Joiner], now: int, fx: Effects
    ) -> None:
        home = self.relays[self.inbox.here().relay]
        founded = found(self, roles, joiners, now)
        state, create = founded.on_new_log(
            home.identity, chat.next_generation(now), self.chance(32), home.admission
        )
        state.healing.at = now
        self.inbox.send_grants(self.next_n, fx)
        line = chat.add_line(state)
        self.chats[chat.id] = chat
        fx.save(chat.save())
        self.errands.add(fx, self.next_n(), state.log, state.relay, create, "founded", chat.id, state.log)
        if founded.welcome is not None:
            at = (0, 0, state.h, 0, state.read, state.write)
            self.let_in(
                chat, line, LetIn(founded.welcome, tuple(joiners), founded.tree, *at), now, fx, state.log
            )
        fx.watch_changed = True

    def _joiner(self, contact: Contact, now: int, fx: Effects) -> Joiner:
        try:
            joiner, rest = contact.joiner(now)
        except NoKeyPackage:
            raise CannotDo(
                "no-key-package",
                f"{contact.name} cannot be added now: there is no key package of theirs.",
                "Try again after they have been online.",
            ) from None
        self.put_contact(rest, fx)
        return joiner

    def add_to_group(self, chat: Conversation, contact: Contact, now: int, fx: Effects) -> None:
        """Let somebody in. Raises CannotDo: no member, no right, nothing by which they could be let in."""
        roles = self._roles_to_change(chat)
        if not may_add(roles, self.identity.account):
            raise self._not_an_admin(chat, roles)
        joiner = self._joiner(contact, now, fx)
        chat.put(OutboxRow(chat.id, "add", cbor.encode([joiner.pack()])), fx)

    def intend(self, chat: Conversation, kind: str, value: Any, fx: Effects) -> None:
        """Queue a change of the group ('remove' [accounts], 'roles' [action, what], 'update')."""
        chat.put(OutboxRow(chat.id, kind, cbor.encode(value)), fx)

    def change_group(self, chat: Conversation, wishes: dict[str, Any], fx: Effects) -> None:
        """Queue a change of what a group is like: `name`, `timer`, `may_post`, `may_add`, `may_change` (and `picture`, see
        `pictures`); of a conversation of two the timer alone. Raises CannotDo for what this account may not change, or what no group can be like."""
        roles = self._roles_to_change(chat)
        if chat.kind != "group" and set(wishes) - {"timer"}:
            raise CannotDo("no-group", f"{chat.name} is no group.", "Of a chat of two only the timer is set.")
        if not may_set(roles, self.identity.account, wishes):
            raise self._not_an_admin(chat, roles)
        try:
            encode_roles(replace(roles, **wishes))
            check_looks(roles, replace(roles, **wishes), chat.kind == "pair")
        except (ValueError, Refused) as error:
            raise CannotDo("group", f"A group cannot be so: {error}.") from None
        self.intend(chat, "roles", ["set", packed_wishes(wishes)], fx)

    def _roles_to_change(self, chat: Conversation) -> Roles:
        line = chat.line
        if self.retired or line is None:
            raise self._not_written_to(chat)
        return line.roles

    def _not_an_admin(self, chat: Conversation, roles: Roles) -> CannotDo:
        admins = ", ".join(self.name_of(account) or account.hex()[:8] for account in roles.admins)
        return CannotDo(
            "not-an-admin", f"Only an admin may change {chat.name}.", f"Ask one of them: {admins}."
        )

    def leave(self, chat: Conversation, fx: Effects) -> None:
        """Say goodbye. An admin steps down before that (`Conversation._steps_down`)."""
        if chat.line is None:
            raise self._not_written_to(chat)
        chat.put(OutboxRow(chat.id, "left", b"\x80"), fx)

    def move(self, chat: Conversation, relay: Relay | None, now: int, fx: Effects) -> None:
        """Move a conversation to a new group and log, on this relay or the best one there is. Raises CannotDo."""
        self.ways_back.moves.begin(chat, relay, now, fx)

    def agree_to_move(self, chat: Conversation, now: int, fx: Effects) -> None:
        """Go on where an admin moved a conversation to, with other people in it than before. Raises CannotDo."""
        self.ways_back.moves.agree(chat, now, fx)

    def forget(self, chat: Conversation, fx: Effects) -> None:
        """A chat that never came to be."""
        self.chats.pop(chat.id, None)
        fx.save(DropChat(chat.id))
        fx.watch_changed = True

    def seats(self, chat: Conversation) -> list[Seat]:
        line = chat.line or chat.latest
        return line.members if line is not None else []
