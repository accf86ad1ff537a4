"""Re-add: a device that lost its place in a group asks an admin to take its leaf out and to let it in by a fresh key package.

The request goes to admins' inboxes, and when they do not act also to other members, who post it in the group. Who is
asked need not believe more than the roster says: the request is signed by a device for which a member's account signed.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256

from whimbrel.chat.conversation import Conversation
from whimbrel.chat.effects import Effects
from whimbrel.chat.household import Household
from whimbrel.chat.inbox import letter
from whimbrel.chat.line import Line
from whimbrel.chat.line_state import Joiner
from whimbrel.chat.records import OutboxRow
from whimbrel.chat.rules import Refused, Seat, seat_of
from whimbrel.crypto import mls
from whimbrel.crypto.accounts import open_credential
from whimbrel.crypto.cards import Card
from whimbrel.crypto.envelopes import (
    ReAdd,
    WelcomeEnvelope,
    credential_of,
    decode_letter,
    encode_letter,
    sign_re_add,
)
from whimbrel.crypto.leaf import Reach
from whimbrel.wire import cbor
from whimbrel.wire.operations import ID

ADMINS_AT_ONCE, MEMBERS_AT_ONCE = 2, 2
"""How many are asked at a time: admins at first, other members, too, from the second time on."""
GRANTED_KEPT = 1_000
"""Granted requests that a conversation remembers, so that none is granted twice."""
LEAST_PAUSE = 60_000
"""Milliseconds in which one device is let in again only once: each time costs everybody a commit."""


class ReAdds:
    """Requests to be let in again, ours and those of others."""

    def __init__(self, person: Household) -> None:
        self._person = person
        self._asked_senders: set[bytes] = set()

    # ----------------------------------------------------------------------------------------------- ours

    def ask(self, chat: Conversation, line: Line, now: int, fx: Effects) -> bool:
        """Ask to be let in again. False: there is nobody yet whom we could ask; their cards are asked for."""
        whom = self._whom(line)
        if not whom:
            self._person.met(chat, line, fx, [m.account for m in line.members])
            return False
        state = line.state
        data = self._request(chat.id, state.seq, state.h, line.own_device, now, fx)
        for way, inbox_key in whom:
            self._send(way, inbox_key, data, chat.id, fx)
        return True

    def ask_sender(self, envelope: WelcomeEnvelope, card: Card, now: int, fx: Effects) -> None:
        """Somebody let us in by a key package that we have no more: ask them to do it again, by a fresh one."""
        if envelope.conversation in self._asked_senders or not card.reach:
            return
        self._asked_senders.add(envelope.conversation)
        device = self._person.identity.device
        used = self._device_of(envelope)
        data = self._request(envelope.conversation, 0, bytes(ID), used or device, now, fx)
        self._send(card.reach[0], card.inbox_key, data, envelope.conversation, fx)

    def _device_of(self, envelope: WelcomeEnvelope) -> bytes | None:
        """The device that we were in a conversation, if we know it."""
        chat = self._person.chats.get(envelope.conversation)
        line = chat.latest if chat is not None else None
        return line.own_device if line is not None else None

    def _request(
        self, conversation: bytes, seq: int, h: bytes, replaces: bytes, now: int, fx: Effects
    ) -> bytes:
        person = self._person
        package = person.inbox.key_package(now, fx)
        person.inbox.send_grants(person.next_n, fx)
        inbox_key = person.inbox.here().key_public
        request = ReAdd(conversation, package, seq, h, now // 1000, replaces, inbox_key)
        return encode_letter(
            sign_re_add(person.identity.device_private, person.identity.credential(), request)
        )

    def _send(self, way: Reach, inbox_key: bytes, data: bytes, chat: bytes, fx: Effects) -> None:
        person = self._person
        person.hear_of(way.relay, way.routes, fx)
        append = letter(way.inbox, way.token, inbox_key, data, person.chance(16))
        person.errands.add(fx, person.next_n(), way.inbox, way.relay, append, "re-add", chat)

    def _whom(self, line: Line) -> list[tuple[Reach, bytes]]:
        """Whom to ask now: others each time, as long as there are others."""
        person, asked = self._person, line.state.lost.asked
        members: dict[bytes, Seat] = {}
        for member in line.members:
            contact = person.contacts.get(member.account)
            known = contact is not None and contact.card and member.leaf.reach
            if known and member.account != person.identity.account:
                members.setdefault(member.account, member)
        admins = [member for account, member in members.items() if account in line.roles.admins]
        others = [member for account, member in members.items() if account not in line.roles.admins]
        chosen = _turn(admins, asked, ADMINS_AT_ONCE)
        if asked or not chosen:
            chosen += _turn(others, asked, MEMBERS_AT_ONCE)
        ways = []
        for member in chosen:
            card = person.contacts[member.account].opened_card()
            if card is not None:
                ways.append((member.leaf.reach[0], card.inbox_key))
        return ways

    # ---------------------------------------------------------------------------------- those of others

    def asked(self, request: ReAdd, now: int, fx: Effects) -> None:
        """A request in our inbox. Raises Refused, CryptoError, MlsError when it does not hold."""
        chat = self._person.chats.get(request.conversation)
        line = chat.line if chat is not None else None
        if chat is None or line is None:
            raise Refused("a request to be let into a conversation that we are not in")
        self._check(chat, line, request, now)
        if self._person.identity.account in line.roles.admins:
            self._grant(chat, request, now, fx)
        else:
            chat.put(OutboxRow(chat.id, "pass-on", encode_letter(request)), fx)

    def passed_on(self, chat: Conversation, data: bytes, now: int, fx: Effects) -> None:
        """A request that a member posted in the group. Raises Refused, CryptoError, MlsError when it does not hold."""
        line, request = chat.line, decode_letter(data)
        if not isinstance(request, ReAdd) or request.conversation != chat.id or line is None:
            raise Refused("a request for something else")
        if self._person.identity.account in line.roles.admins:
            self._check(chat, line, request, now)
            self._grant(chat, request, now, fx)

    def _check(self, chat: Conversation, line: Line, request: ReAdd, now: int) -> None:
        credential, leaf = credential_of(request), seat_of(request.key_package)
        info = mls.inspect_key_package(request.key_package)
        there = [m for m in line.members if m.device == request.replaces]
        if not there or there[0].account != credential.account:
            raise Refused("a request by somebody who is no member")
        if (leaf.device, leaf.account) != (request.device, credential.account) or not leaf.leaf.reach:
            raise Refused("a request with the key package of somebody else")
        member = next(m for m in line.group.members() if m.signature_key == request.replaces)
        if credential.number < open_credential(member.credential, request.replaces).number:
            raise Refused("a request by a device that another one has replaced")
        if info.suite != line.group.suite or info.last_resort:
            raise Refused("a request whose key package is not for one use in this group")
        if any(package == _mark(request) for package, _, _ in chat.let_in_again):
            raise Refused("a request that was granted before")
        if any(
            device == request.replaces and 0 <= now - at < LEAST_PAUSE for _, device, at in chat.let_in_again
        ):
            raise Refused("a device that was let in again just now")

    def _grant(self, chat: Conversation, request: ReAdd, now: int, fx: Effects) -> None:
        leaf = seat_of(request.key_package)
        way = leaf.leaf.reach[0]
        joiner = Joiner(
            leaf.account,
            request.key_package,
            way.relay,
            way.routes,
            way.inbox,
            way.token,
            request.inbox_key,
        )
        granted = (_mark(request), request.replaces, now)
        chat.let_in_again = [*chat.let_in_again[-(GRANTED_KEPT - 1) :], granted]
        chat.put(OutboxRow(chat.id, "re-add", cbor.encode([request.replaces, joiner.pack()])), fx)
        fx.save(chat.save())


def _mark(request: ReAdd) -> bytes:
    return sha256(request.key_package).digest()[:16]


def _turn(members: Sequence[Seat], asked: int, count: int) -> list[Seat]:
    """`count` of these, others each time."""
    start = asked * count % len(members) if members else 0
    return [*members[start:], *members[:start]][:count]
