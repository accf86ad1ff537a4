"""Moves: a conversation goes on under a new group and log (docs/protocol/conversation.md, "Two ways back").

An admin founds the new group at home with everybody in it, makes the new log, sends the Welcomes, and closes the old
log, where it lives, with an entry that says where the conversation went. What had no receipt is offered again there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from whimbrel.chat.contacts import NoKeyPackage
from whimbrel.chat.conversation import Conversation, put_chunk
from whimbrel.chat.effects import Effects
from whimbrel.chat.founding import found
from whimbrel.chat.household import Household
from whimbrel.chat.line import Closed, LetIn, Line
from whimbrel.chat.line_state import Joiner, LineState, Standing
from whimbrel.chat.refusal import CannotDo
from whimbrel.chat.relays import Relay
from whimbrel.chat.rules import Refused
from whimbrel.crypto import mls
from whimbrel.crypto.envelopes import (
    Move,
    Parent,
    WelcomeEnvelope,
    decode_letter,
    encode_letter,
    roster_hash,
    sign_move,
)
from whimbrel.crypto.errors import CryptoError
from whimbrel.crypto.leaf import Roles


class Moves:
    """The moves of a Person's conversations, own ones and those of other admins."""

    def __init__(self, person: Household) -> None:
        self._person = person

    # ------------------------------------------------------------------------------------------- our own

    def begin(
        self,
        chat: Conversation,
        relay: Relay | None,
        now: int,
        fx: Effects,
        without: Sequence[bytes] = (),
    ) -> Line:
        """Move a conversation, to this relay or to the best one that we have a place on.

        `without`: accounts that are left out. Raises CannotDo: no member, no admin, no place, somebody without a key package.
        """
        before = self._movable(chat)
        relay = relay or self._place_for(before)
        people = [a for a in before.accounts() if a not in without]
        joiners = self._joiners(chat, before, people, now, fx)
        me = self._person.identity.account
        roles = replace(before.roles, admins=tuple(a for a in before.roles.admins if a in people or a == me))
        self._person.add_relay(relay, fx)
        picture, chunks = self._person.pictures.brought_along(roles.picture, relay.identity)
        line = self._found(chat, before, relay, replace(roles, picture=picture), chunks, joiners, now, fx)
        if picture is not None and chat.line is line:
            self._person.pictures.look(chat, line, fx)
        return line

    def _movable(self, chat: Conversation) -> Line:
        line = chat.latest
        if line is None or chat.left or line.state.standing is Standing.CLOSED:
            raise CannotDo("not-a-member", f"You are not a member of {chat.name} any more.")
        if line.state.standing is Standing.FOUNDING:
            raise CannotDo(
                "moving", f"{chat.name} is on its way to a new log already.", "It goes on by itself."
            )
        if self._person.identity.account not in line.roles.admins:
            names = ", ".join(self._name(account) for account in line.roles.admins)
            raise CannotDo(
                "not-an-admin", f"Only an admin may move {chat.name}.", f"Ask one of them: {names}."
            )
        return line

    def _place_for(self, before: Line) -> Relay:
        """The relay it is on, if we have a place there; else our own."""
        known = self._person.relays.get(before.state.relay)
        if known is not None and known.admission is not None:
            return known
        return self._person.relays[self._person.inbox.here().relay]

    def _joiners(
        self, chat: Conversation, before: Line, people: Sequence[bytes], now: int, fx: Effects
    ) -> list[Joiner]:
        found_all, missing = [], []
        for account in people:
            contact = self._person.contacts.get(account)
            if account == self._person.identity.account:
                continue
            try:
                if contact is None:
                    raise NoKeyPackage(self._name(account))
                found_all.append(contact.joiner(now))
            except NoKeyPackage:
                missing.append(account)
        if missing:
            self._person.met(chat, before, fx, missing)
            names = ", ".join(self._name(account) for account in missing)
            raise CannotDo(
                "no-key-package",
                f"{chat.name} cannot be moved now: there is no key package of {names}.",
                "Try again in a minute; what is missing has been asked for.",
            )
        for _, rest in found_all:
            self._person.put_contact(rest, fx)
        return [joiner for joiner, _ in found_all]

    def _name(self, account: bytes) -> str:
        return self._person.name_of(account) or account.hex()[:8]

    def _found(
        self,
        chat: Conversation,
        before: Line,
        relay: Relay,
        roles: Roles,
        picture: Sequence[bytes],
        joiners: Sequence[Joiner],
        now: int,
        fx: Effects,
    ) -> Line:
        """`picture`: the chunks of the one that the roles name."""
        person, old = self._person, before.state
        founded = found(person, roles, joiners, now)
        generation = chat.next_generation(now)
        state, create = founded.on_new_log(relay.identity, generation, person.chance(32), relay.admission)
        move = Move(
            chat.id,
            generation,
            Parent(old.log, old.seq, old.h),
            state.log,
            relay.identity,
            person.relays[relay.identity].routes,
            mls.HYBRID,
            roster_hash(member.account for member in founded.members),
        )
        state.move = encode_letter(sign_move(person.identity.account_private, move))
        state.healing.at = now
        person.inbox.send_grants(person.next_n, fx)
        line = chat.add_line(state)
        person.errands.add(fx, person.next_n(), state.log, state.relay, create, "founded", chat.id, state.log)
        if roles.picture is not None:
            sealed = b"".join(picture)
            for n in range(len(picture)):
                put = put_chunk(roles.picture.blob, state.log, state.write, sealed, n)
                person.errands.add(fx, person.next_n(), state.log, state.relay, put, "blob")
        if founded.welcome is not None:
            at = (0, 0, state.h, 0, state.read, state.write)
            let_in = LetIn(founded.welcome, tuple(joiners), founded.tree, *at)
            person.let_in(chat, line, let_in, now, fx, state.log)
        chat.note(line, "moved", person.identity.account, [], now, fx)
        self._took_over(chat, line, before, fx)
        return line

    def founded(self, chat: Conversation, line: Line) -> None:
        """The new log stands: the one before is closed, where it lives."""
        for old in chat.lines:
            if line.state.move and old is not line and old.state.standing is Standing.OPEN:
                old.state.closing = line.state.move

    def _took_over(self, chat: Conversation, line: Line, before: Line | None, fx: Effects) -> None:
        """If a new line is the one that counts: what was lost before it is over, and what nobody has is offered again."""
        chat.superseded(before, fx)
        for old in chat.lines:
            if old is not line and old.state.standing is Standing.LOST and chat.line is line:
                old.state.standing = Standing.CLOSED
        fx.save(chat.save())
        fx.watch_changed = True

    # ----------------------------------------------------------------------------------- those of others

    def check(self, chat: Conversation, envelope: WelcomeEnvelope) -> None:
        """Refused when a Welcome to another log of this conversation is no move by one of its admins."""
        latest, move = chat.latest, envelope.move
        if latest is None:
            return
        if move is None:
            raise Refused("a Welcome to a group that we know under another log")
        admins = latest.roles.admins
        devices = {member.device for member in latest.members if member.account in admins}
        if move.signer not in devices and move.signer not in admins:
            raise Refused("a move by somebody who is no admin")

    def standing(
        self, chat: Conversation | None, move: Move | None, there: Sequence[bytes], suite: int
    ) -> Standing:
        """How the line begins to which a move led, with these accounts in it: other people, or a weaker suite, are for the
        person to agree to. Refused when it is not what the mover signed."""
        if move is not None and move.suite != suite:
            raise Refused("a move to a group of another suite than it says")
        latest = chat.latest if chat is not None else None
        if move is None or latest is None:
            return Standing.OPEN
        same = set(latest.accounts()) == set(there) and suite == mls.HYBRID
        return Standing.OPEN if same else Standing.OFFERED

    def arrived(
        self, chat: Conversation, line: Line, by: bytes, before: Line | None, now: int, fx: Effects
    ) -> None:
        """We are in the group that a conversation moved to."""
        if line.state.standing is Standing.OFFERED:
            known = set(before.accounts()) if before is not None else set[bytes]()
            others = sorted(known.symmetric_difference(line.accounts()))
            chat.note(line, "move-offered", by, others, now, fx)
            fx.save(chat.save())
            return
        chat.note(line, "moved", by, [], now, fx)
        self._took_over(chat, line, before, fx)

    def agree(self, chat: Conversation, now: int, fx: Effects) -> None:
        """The person agrees to go on with other people than before. Raises CannotDo when nothing is offered."""
        line, before = chat.offered, chat.line or chat.latest
        if line is None:
            raise CannotDo("nothing-offered", f"Nobody offers to move {chat.name}.")
        line.state.standing = Standing.OPEN
        chat.name = line.roles.name or chat.name
        chat.note(line, "moved", self._person.identity.account, [], now, fx)
        self._took_over(chat, line, before, fx)

    def closed(self, chat: Conversation, line: Line, closed: Closed, now: int, fx: Effects) -> None:
        """An admin closed a log that we read."""
        try:
            move = decode_letter(closed.move)
        except CryptoError:
            move = None
        if not isinstance(move, Move) or (move.conversation, move.parent.log) != (chat.id, line.state.log):
            fx.tell("ignored", chat=chat.id, seq=line.state.seq, why="a move of something else")
            return
        if chat.line_on(move.log) is not None or line is not chat.latest:
            line.give_up_flight()
            line.state.standing = Standing.CLOSED
        else:
            line.lose("moved")
        fx.watch_changed = True


def move_of(state: LineState) -> Move | None:
    """The move that led to a line, if one did."""
    letter = decode_letter(state.move) if state.move else None
    return letter if isinstance(letter, Move) else None
