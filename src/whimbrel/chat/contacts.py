"""People this account knows: what they are called, how they came, and how they are let into a group."""

from __future__ import annotations

from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any

from whimbrel.chat.line_state import Joiner
from whimbrel.chat.records import ContactRow, PutContact, Standing
from whimbrel.chat.rules import Refused, seat
from whimbrel.crypto import mls
from whimbrel.crypto.cards import Card, decode_card
from whimbrel.crypto.errors import Malformed
from whimbrel.crypto.sealing import seal
from whimbrel.wire import cbor

STOCK = 3
"""Fresh key packages that two contacts hold of each other, each for one use."""
KEY_PACKAGE_AGE = 400 * 24 * 3600
"""Seconds after which a key package is not used any more: as long as a relay keeps what would bring its owner up."""


class NoKeyPackage(Exception):
    """There is no key package that this person could be let in with, or no key that a letter could be sealed to."""

    def __init__(self, name: str) -> None:
        super().__init__(f"there is nothing by which {name} could be let in")


@dataclass(frozen=True, slots=True)
class Contact:
    """A person. `known`: met in a group, never accepted. The card is as its owner signed it."""

    account: bytes
    name: str
    standing: Standing
    card: bytes = b""
    stock: tuple[bytes, ...] = ()
    """Fresh key packages that they handed us, each for one use."""
    came: str = ""
    """How they came, in words."""
    verified: bool = False
    text: str = ""
    """What they wrote when they asked."""
    was: Standing | None = None
    """Of somebody who is blocked: what they were before."""
    before: str = ""
    """What they were called before their last card."""
    spent: tuple[bytes, ...] = ()
    """SHA-256 of the key packages in the card that are used up: those of an invite or a request are for one use each."""
    ways: tuple[tuple[bytes, tuple[str, ...]], ...] = ()
    """Bridges that they handed on, by relay, as they are dialled."""
    refused: tuple[str, ...] = ()
    """Places (host and port) of bridges of theirs that are not wanted."""
    told: bytes = b""
    """SHA-256 of the ways that they were told last; empty: none."""

    def save(self) -> PutContact:
        state: list[Any] = [
            1,
            self.card,
            list(self.stock),
            self.came,
            self.verified,
            self.text,
            self.was,
            self.before,
            list(self.spent),
            [[relay, list(routes)] for relay, routes in self.ways],
            list(self.refused),
            self.told,
        ]
        return PutContact(ContactRow(self.account, self.name, cbor.encode(state), self.standing))

    @staticmethod
    def from_row(row: ContactRow) -> Contact:
        state: list[Any] = cbor.decode(row.state)
        state += [None, "", [], [], [], b""][len(state) - 6 :]  # what the first homes did not have yet
        _, card, stock, came, verified, text, was, before, spent, ways, refused, told = state
        ways = tuple((relay, tuple(routes)) for relay, routes in ways)
        rest = (tuple(stock), came, verified, text, was, before, tuple(spent), ways, tuple(refused), told)
        return Contact(row.account, row.name, row.standing, card, *rest)

    def opened_card(self) -> Card | None:
        return decode_card(self.card) if self.card else None

    def with_card(self, card: Card, encoded: bytes) -> Contact:
        """This person as a card of theirs says. Of two cards the newer counts."""
        known = self.opened_card()
        if known is not None and known.made_at >= card.made_at:
            return self
        before = self.name if card.name != self.name else self.before
        return replace(self, card=encoded, name=card.name, before=before, spent=())

    def _without(self, package: bytes, card: Card) -> Contact:
        """This person when a key package is used up, unless it is one for any number of uses."""
        spent = self.spent
        if package in card.key_packages and not mls.inspect_key_package(package).last_resort:
            spent = (*spent, sha256(package).digest())
        return replace(self, stock=tuple(p for p in self.stock if p != package), spent=spent)

    def joiner(self, now: int) -> tuple[Joiner, Contact]:
        """How to let them in, and this contact without the key package that it uses up."""
        card = self.opened_card()
        if card is None:
            raise NoKeyPackage(self.name)
        try:
            seal(card.inbox_key, "letter", b"")
        except Malformed:
            raise NoKeyPackage(self.name) from None
        stock = self.stock
        spent = set(self.spent)
        fitting: list[Joiner] = []
        for package in (*self.stock, *(p for p in card.key_packages if sha256(p).digest() not in spent)):
            joiner = self._fits(package, card, now)
            if joiner is None:
                stock = tuple(p for p in stock if p != package)
            else:
                fitting.append(joiner)
        if not fitting:
            raise NoKeyPackage(self.name)
        # Those from before they moved to another relay come last: what leads there may not be reached from here.
        lives_at = {way.inbox for way in card.reach}
        joiner = min(fitting, key=lambda one: one.inbox not in lives_at)
        return joiner, replace(self, stock=stock)._without(joiner.key_package, card)

    def can_be_let_in(self, now: int) -> bool:
        """Whether there is a key package of theirs now."""
        try:
            return bool(self.joiner(now))
        except NoKeyPackage:
            return False

    def _fits(self, package: bytes, card: Card, now: int) -> Joiner | None:
        try:
            info = mls.inspect_key_package(package)
            owner = seat(-1, info.signature_key, info.credential, info.leaf_extension)
        except (mls.MlsError, Refused):
            return None
        too_old = now // 1000 - owner.leaf.made_at > KEY_PACKAGE_AGE
        if owner.account != self.account or not owner.leaf.reach or too_old or info.suite != mls.HYBRID:
            return None
        way = owner.leaf.reach[0]
        return Joiner(self.account, package, way.relay, way.routes, way.inbox, way.token, card.inbox_key)
