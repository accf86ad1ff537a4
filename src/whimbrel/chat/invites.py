"""Our invites. A one-use invite stands for a log that is ready to be claimed: a *door*, while we watch it. An open invite
leads to our inbox instead."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from whimbrel.chat.days import day_of
from whimbrel.chat.effects import Effects, Watching
from whimbrel.chat.household import Household
from whimbrel.chat.inbox import OPEN_ENTRIES, OPEN_SIZE
from whimbrel.chat.invite_keys import key_of
from whimbrel.chat.records import OutboxRow, PutFact
from whimbrel.chat.relays import bridges_path
from whimbrel.chat.rules import Refused
from whimbrel.chat.welcomes import Welcomes, founded_change
from whimbrel.crypto import mls
from whimbrel.crypto.accounts import pair_id
from whimbrel.crypto.cards import decode_card
from whimbrel.crypto.envelopes import (
    Position,
    WelcomeEnvelope,
    decode_letter,
)
from whimbrel.crypto.errors import CryptoError
from whimbrel.crypto.invites import SeedKeys, from_seed, ready_log
from whimbrel.wire import cbor, codec
from whimbrel.wire.admission import Admission, Limits, decode_admission, narrow
from whimbrel.wire.answers import Failure, Fetched
from whimbrel.wire.errors import Malformed, WireError
from whimbrel.wire.operations import Create
from whimbrel.wire.paths import NAME
from whimbrel.wire.purpose import prf
from whimbrel.wire.routes import Route, parse_route
from whimbrel.wire.texts import NAME_MAX, Invite, OneUse, Open, parse_invite

GUEST_DAYS, GUEST_LOGS, GUEST_MEGABYTES = 400, 200, 2_000
"""What a guest gets on the relay of whoever invited them: until when, how many conversations, how much space."""
ENOUGH = 4
"""Machines that a newcomer should know: where connections freeze, twenty a minute are needed, and one may be dialled four times."""
PATH_NAME = "invite path"
"""The purpose under which an invite's name in bridges' paths is derived from its secret."""


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


class Invites:
    """The invites that a Person has given out."""

    def __init__(self, person: Household, welcomes: Welcomes) -> None:
        self._person = person
        self._welcomes = welcomes
        self._doors: dict[bytes, Door] = {}
        self._open: Invite | None = None

    def restore(self, facts: dict[str, bytes]) -> None:
        for name, value in facts.items():
            if name.startswith("invite:"):
                log = bytes.fromhex(name[7:])
                self._doors[log] = Door(log, *cbor.decode(value))
            elif name == "open-invite":
                self._open = parse_invite(value.decode())

    def watching(self) -> list[Watching]:
        """The doors whose log was made: a relay says of any other that it does not know it, and nobody asks again."""
        return [
            Watching(door.relay, door.log, door.keys.read, 0)
            for door in self._doors.values()
            if not any(errand.tag[0] == "ready" for errand in self._person.errands.in_lane(door.log))
        ]

    def logs(self) -> list[bytes]:
        """The logs that stand ready."""
        return list(self._doors)

    def is_ours(self, invite: Invite) -> bool:
        key = key_of(invite)
        return key in self._doors or (self._open is not None and key == key_of(self._open))

    def make(self, now: int, fx: Effects) -> Invite:
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
        return Invite(
            home.identity, handed_on(home.routes, prf(seed, PATH_NAME)[:NAME]), name, OneUse(seed), place
        )

    def _place(self, admission: bytes, now: int) -> Admission:
        """A smaller admission for a guest who has no relay of their own that others could reach."""
        until = now // 1000 + GUEST_DAYS * 24 * 3600
        limits = Limits(inboxes=1, logs=GUEST_LOGS, megabytes=GUEST_MEGABYTES, until=until)
        return narrow(decode_admission(admission), self._person.chance(8), limits)

    def make_open(self, now: int, fx: Effects) -> Invite:
        """The open invite, the same each time: whoever has it may ask."""
        person, known = self._person, self._open
        if known is None:
            inbox = person.inbox.here()
            token = person.inbox.grant(OPEN_ENTRIES, OPEN_SIZE)
            person.inbox.send_grants(person.next_n, fx)
            secret = Open(inbox.card_id, inbox.card_key, inbox.log, token)
            self._open = Invite(inbox.relay, (), short_name(person.identity.name), secret)
        assert self._open is not None
        name = prf(self.open_token() or b"", PATH_NAME)[:NAME]
        self._open = replace(self._open, routes=handed_on(person.relays[self._open.relay].routes, name))
        if self._open != known:
            fx.save(PutFact("open-invite", self._open.text.encode()))
        return self._open

    def renamed(self, fx: Effects) -> None:
        """This account is called otherwise: the open invite says so from now on. Those that were given away lead to the card
        of before, which is kept."""
        secret = self._open.secret if self._open is not None else None
        if self._open is not None and isinstance(secret, Open):
            inbox = self._person.inbox.here()
            leads = replace(secret, card=inbox.card_id, card_key=inbox.card_key)
            self._open = replace(self._open, name=short_name(self._person.identity.name), secret=leads)
            fx.save(PutFact("open-invite", self._open.text.encode()))

    def open_token(self) -> bytes | None:
        """The token in the open invite, if there is one."""
        secret = self._open.secret if self._open is not None else None
        return secret.token if isinstance(secret, Open) else None

    def forget_open(self, fx: Effects) -> None:
        """The inbox that it leads to is not ours any more."""
        self._open = None
        fx.save(PutFact("open-invite", None))

    def forget_all(self, fx: Effects) -> None:
        """The device whose key packages lie behind them is no more."""
        self.forget_open(fx)
        for door in list(self._doors.values()):
            self._forget_door(door, fx)

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
            chat, line = self._welcomes.join(placed, card, now, fx)
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
        self._welcomes.welcome_contact(card, envelope.card, f"came by your invite of {day}", chat, now, fx)
        own = self._person.inbox.here()
        if own.old_cards and door.made_at // 1000 <= decode_card(own.card).made_at:
            chat.put(OutboxRow(chat.id, "card", b""), fx)  # the one behind the invite has a former name

    def _forget_door(self, door: Door, fx: Effects) -> None:
        del self._doors[door.log]
        fx.save(PutFact("invite:" + door.log.hex(), None))
        fx.watch_changed = True


def handed_on(texts: Sequence[str], name: bytes) -> tuple[Route, ...]:
    """Ways for an invite: by a bridge's path under this name (5 bytes), so that one which leaks is cut without the others. Where there are
    bridges enough, the relay's own ways stay out: who reads an invite does not learn the address of all its people."""
    routes = [parse_route(text) for text in texts]
    bridges = [route for route in routes if bridges_path(route) is not None]
    enough = len({(route.host, route.port) for route in bridges}) >= ENOUGH
    return tuple(_under(route, name) for route in (bridges if enough else routes))


def _under(route: Route, name: bytes) -> Route:
    path = bridges_path(route)
    try:
        return replace(route, path=path.handed_on(name).text) if path is not None else route
    except (Malformed, ValueError):  # it was handed on too often, or is too long now
        return route


def short_name(name: str) -> str:
    """As much of a name as an invite takes."""
    while len(name.encode()) > NAME_MAX:
        name = name[:-1]
    return name
