"""Bridges travel in conversations: each contact is told a few of ours, by paths of their own, and tells us theirs.

Where a relay is blocked for somebody, a bridge that a friend knows may not be. Handed on is what this person was given by hand, and before all the
bridge that runs in this very app (`runs`); that one stands in no invite. What the relay
shows its people, each a few, is not: it would go round until the one knows it who blocks (docs/bridges-learnt.md). Which of ours a contact is told
depends on nothing but who they are. A path that leaks shows to whom it was given (`whose`), and is cut without the others (`wire.paths`).

What others tell is taken from contacts only, kept apart from what this person knows, tried after that, and never leads into a
private network (`wire.routes.PUBLIC`); it can be refused for good.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from hashlib import sha256

from whimbrel.chat.contacts import Contact
from whimbrel.chat.conversation import Conversation
from whimbrel.chat.effects import Effects
from whimbrel.chat.household import Household
from whimbrel.chat.line_state import Standing
from whimbrel.chat.records import OutboxRow, PutFact
from whimbrel.chat.relays import bridges_path, streams
from whimbrel.crypto.errors import CryptoError
from whimbrel.crypto.payload import RELAYS_TOLD, decode_ways, encode_ways
from whimbrel.wire import cbor
from whimbrel.wire.errors import WireError
from whimbrel.wire.paths import NAME, SecretPath
from whimbrel.wire.purpose import prf
from whimbrel.wire.routes import PUBLIC, Route, key_of, parse_route

TOLD = 2
"""Bridges to one relay that a contact is told, and that are taken of a contact."""
OTHERS_MAX = 8
"""Bridges of contacts to one relay that are used."""
ALIKE_MAX = 2
"""Ways to one place that name different keys or paths there."""
REFUSED_MAX = 64
TELL_AFTER = 30_000
"""Milliseconds for which texts and key packages of a new contact go first."""
KIND = "ways"
"""Of the row in the outbox. What it says is found when it leaves (`told`)."""
FACT = "given-bridges"
RUNNING = "running-bridge"
"""The fact with our own bridge's ways. It is told on while the app is not there: each start would be a message to everybody."""


class HandingOn:
    """What one account tells its contacts of bridges, and what they told it."""

    def __init__(self, person: Household) -> None:
        self._person = person
        self._told_all = False
        self._given: frozenset[str] = frozenset()
        self._running: dict[bytes, str] = {}

    def restore(self, facts: dict[str, bytes]) -> None:
        self._given = frozenset(cbor.decode(facts.get(FACT, b"\x80")))
        self._running = dict(cbor.decode(facts.get(RUNNING, b"\x80")))

    def given(self, routes: Iterable[str], fx: Effects) -> None:
        """Somebody gave these ways to this person, who may hand them on. (Only the bridges among those to known relays count.)"""
        known = {route for relay in self._person.relays.values() for route in relay.routes}
        self._given = (self._given & known) | frozenset(routes)
        fx.save(PutFact(FACT, cbor.encode(sorted(self._given))))
        self.changed()

    def runs(self, ways: Mapping[bytes, str], fx: Effects) -> None:
        """A bridge runs in this app, with these ways to our relays, as it gives them out itself; or none does any more."""
        if dict(ways) != self._running:
            self._running = dict(ways)
            fx.save(PutFact(RUNNING, cbor.encode([list(way) for way in sorted(self._running.items())])))
            self.changed()

    @property
    def running(self) -> Mapping[bytes, str]:
        """What contacts are told of the bridge in this app."""
        return self._running

    def names_refused(self) -> frozenset[bytes]:
        """By which names paths were handed on to people who are blocked now: our own bridge does not know them any more."""
        return frozenset(
            self._name(contact.account)
            for contact in self._person.contacts.values()
            if contact.standing == "blocked"
        )

    # ------------------------------------------------------------------------------------- what we tell

    def changed(self) -> None:
        """Our ways are others now, or there is a new contact: see who is to be told."""
        self._told_all = False

    def tend(self, now: int, fx: Effects) -> None:
        """Let those be told what is another thing than they were told last."""
        if self._told_all:
            return
        self._told_all = True
        for chat in self._person.chats.values():
            contact = self._contact_of(chat)
            if contact is None or chat.line is None or chat.line.state.standing is not Standing.OPEN:
                continue
            body = self.told(contact.account)
            mark = sha256(body).digest() if body else b""
            if mark == contact.told:
                continue
            flight = chat.line.state.flight
            flying = flight.rows if flight is not None else ()
            if not any(row.kind == KIND and row.n not in flying for row in chat.outbox):
                chat.put(OutboxRow(chat.id, KIND, b"", not_before=now + TELL_AFTER), fx)
            self._person.put_contact(replace(contact, told=mark), fx)

    def told(self, account: bytes) -> bytes:
        """What a contact is told: an encoded list of ways; empty when they were never told any and there is nothing to tell."""
        ways = {
            relay: tuple(route.text for route in routes)
            for relay, routes in list(self._for(account))[:RELAYS_TOLD]
        }
        contact = self._person.contacts.get(account)
        return encode_ways(ways) if ways or (contact is not None and contact.told) else b""

    def _for(self, account: bytes) -> Iterator[tuple[bytes, list[Route]]]:
        """By relay: a few of our bridges, the same each time, with this contact's paths."""
        name = self._name(account)
        for relay in self._person.relays.values():
            if relay.embedded:
                continue
            own = {
                path.place: (route, path)
                for route in _parsed(streams(relay.routes))
                if route.text in self._given and (path := bridges_path(route))
            }
            running = [
                (route, path)
                for route in _parsed([self._running.get(relay.identity, "")])
                if (path := bridges_path(route))
            ]
            others = chosen(self._person.identity.account_private, account, own)
            given = []
            for route, path in [*running, *(own[place] for place in others)][:TOLD]:
                try:
                    given.append(replace(route, path=path.handed_on(name).text))
                except (ValueError, WireError):
                    continue  # it was handed on too often, or is too long now
            if given:
                yield relay.identity, given

    def _name(self, account: bytes) -> bytes:
        return self._prf("whose path", account)[:NAME]

    def _prf(self, purpose: str, *parts: bytes) -> bytes:
        return prf(self._person.identity.account_private, purpose, *parts)

    def whose(self, path: SecretPath) -> tuple[Contact, bytes] | None:
        """The contact to whom we gave this path, or from whom somebody had it, and the relay to which it leads."""
        for relay in self._person.relays.values():
            texts = (*relay.routes, self._running.get(relay.identity, ""))
            own = [found for route in _parsed(texts) if (found := bridges_path(route))]
            if path.place not in (one.place for one in own):
                continue
            for contact in self._person.contacts.values():
                if self._name(contact.account) in path.names:
                    return contact, relay.identity
        return None

    # ------------------------------------------------------------------------------- what they tell us

    def heard(self, chat: Conversation, account: bytes, body: bytes, seq: int, fx: Effects) -> None:
        """A contact told us bridges, in the chat with them. They take the place of what they told before."""
        contact = self._contact_of(chat)
        if contact is None or contact.account != account:
            return
        try:
            told = decode_ways(body)
        except CryptoError as error:
            fx.tell("ignored", chat=chat.id, seq=seq, why=str(error))
            return
        refused = self._refused()
        ways = tuple((relay, kept) for relay, routes in told.items() if (kept := _taken(routes, refused)))
        if ways != contact.ways:
            self._person.put_contact(replace(contact, ways=ways), fx)
            fx.watch_changed = True

    def of_others(self, relay: bytes) -> list[tuple[str, Contact]]:
        """Bridges of contacts to a relay that lead elsewhere than our own ways, and from whom each is. Verified contacts come first."""
        known = self._person.relays.get(relay)
        own = {_place(route) for route in _parsed(known.routes)} if known is not None else set()
        own |= {_place(route) for route in _parsed(tuple(self._running.values()))}  # that would be a circle
        refused = self._refused()
        there: dict[str, set[tuple[object, ...]]] = {}
        found: list[tuple[str, Contact]] = []
        for contact in sorted(
            (c for c in self._person.contacts.values() if c.ways and c.standing == "contact"),
            key=lambda c: (not c.verified, self._prf("whose first", c.account)),
        ):
            for route in _parsed(dict(contact.ways).get(relay, ())):
                # Who names a place with a false key or path does not take it from whoever told it rightly.
                path = bridges_path(route)
                told, place = (route.wrappers, path and path.place), _place(route)
                alike = there.setdefault(place, set())
                if place in own or place in refused or told in alike or len(alike) >= ALIKE_MAX:
                    continue
                if len(found) < OTHERS_MAX:
                    alike.add(told)
                    found.append((route.text, contact))
        return found

    def _refused(self) -> frozenset[str]:
        """Places that are taken from nobody, whoever it was that told them when they were refused."""
        return frozenset(place for contact in self._person.contacts.values() for place in contact.refused)

    def refuse(self, place: str, fx: Effects) -> list[bytes]:
        """A bridge (host and port) that contacts told is not wanted, now and when they tell it again. The relays to which it led."""
        relays: list[bytes] = []
        for contact in list(self._person.contacts.values()):
            led = [
                relay for relay, routes in contact.ways if any(_place(r) == place for r in _parsed(routes))
            ]
            if not led:
                continue
            refused = (*(one for one in contact.refused if one != place), place)[-REFUSED_MAX:]
            ways = tuple(
                (relay, left)
                for relay, routes in contact.ways
                if (left := _taken(routes, frozenset(refused)))
            )
            self._person.put_contact(replace(contact, refused=refused, ways=ways), fx)
            relays += led
            fx.watch_changed = True
        return list(dict.fromkeys(relays))

    def _contact_of(self, chat: Conversation) -> Contact | None:
        """Whose chat of two this is, if they are a contact."""
        contact = self._person.contacts.get(chat.peer) if chat.peer is not None else None
        return contact if contact is not None and contact.standing == "contact" else None


def chosen(secret: bytes, account: bytes, places: Iterable[bytes]) -> list[bytes]:
    """Which of our bridges (by the place in their paths) a contact is told: a few, the same each time, others for others."""
    return sorted(places, key=lambda place: prf(secret, "which bridges", account, place))[:TOLD]


def place_of(route: str) -> str | None:
    """Host and port of a way, by which bridges of others are refused; None when it is no way."""
    return next((_place(one) for one in _parsed([route])), None)


def _taken(texts: Sequence[str], refused: frozenset[str]) -> tuple[str, ...]:
    """What of these is used: streams by TLS to bridges, with nothing around them but the key of a bridge without a name, in as many places as a contact may tell."""
    found: dict[str, str] = {}
    for route in _parsed(texts):
        inner = route.wrappers[1:] if route.wrappers[:1] == (PUBLIC,) else route.wrappers
        if route.transport != "wss" or not _is_bare(inner) or not bridges_path(route):
            continue
        place = _place(route)
        if place not in refused and len(found) < TOLD:
            try:
                found.setdefault(place, replace(route, wrappers=(PUBLIC, *inner)).text)
            except WireError:
                continue  # too long with it
    return tuple(found.values())


def _is_bare(wrappers: tuple[str, ...]) -> bool:
    """Whether a way goes through nothing; it may name the server's key."""
    if not wrappers:
        return True
    try:
        return len(wrappers) == 1 and bool(key_of(wrappers[0]))
    except WireError:
        return False


def _parsed(texts: Sequence[str]) -> Iterator[Route]:
    for text in texts:
        try:
            yield parse_route(text)
        except WireError:
            continue


def _place(route: Route) -> str:
    return f"{route.host}:{route.port}"
