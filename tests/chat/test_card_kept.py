"""The card on the relay: kept alive while somebody is there, and brought back when nobody was for too long."""

from __future__ import annotations

import os

from support.village import Village, Villager
from whimbrel.chat.inbox import KEEP_EVERY
from whimbrel.crypto.cards import decode_card, open_card
from whimbrel.wire.operations import SEALED_CHUNK
from whimbrel.wire.texts import Invite, Open, parse_invite

DAY = 24 * 3600 * 1000


def open_invite(villager: Villager) -> Invite:
    made = villager.do(lambda person, now, fx: person.doors.invites.make_open(now, fx))
    villager.village.settle()
    return parse_invite(made.text)


def name_on(village: Village, id: bytes, key: bytes) -> str:
    """The name on the card that lies there."""
    chunks = [chunk for (blob, _), chunk in sorted(village.relay.blobs.items()) if blob == id]
    return decode_card(open_card(key, chunks)).name


def days_pass(village: Village, days: int) -> None:
    village.now += days * DAY
    village.relay.expire_blobs()


def test_a_card_lives_while_its_owner_comes_by_now_and_then(village: Village) -> None:
    ada = village.person("Ada")
    here = ada.person.inbox.here()
    for _ in range(10):
        days_pass(village, 20)
        assert name_on(village, here.card_id, here.card_key) == "Ada"
        village.settle()


def test_who_was_away_for_long_brings_the_card_back_where_everybody_looks_for_it(village: Village) -> None:
    ada = village.person("Ada")
    invite = open_invite(ada)
    here = ada.person.inbox.here()
    place = (here.card_id, here.card_key)
    sealed = {n: chunk for (blob, n), chunk in village.relay.blobs.items() if blob == here.card_id}
    days_pass(village, 31)
    assert here.card_id not in village.relay.sizes
    ada.crash()  # away means: not running
    village.settle()
    here = ada.person.inbox.here()
    assert (here.card_id, here.card_key) == place
    back = {n: chunk for (blob, n), chunk in village.relay.blobs.items() if blob == here.card_id}
    assert back == sealed, "one key is for one card: the bytes are the same"
    assert not list(ada.person.errands)
    assert not ada.troubles()
    # The open invite that was printed long ago leads to her again.
    bo = village.person("Bo")
    bo.accept(invite)
    assert [contact.name for contact in ada.person.contacts.values()] == ["Bo"]


def test_a_card_whose_place_somebody_took_gets_another_one(village: Village) -> None:
    ada = village.person("Ada")
    printed = open_invite(ada)
    old = ada.person.inbox.here().card_id
    days_pass(village, 31)
    village.relay.blobs[old, 0] = os.urandom(SEALED_CHUNK // 2)  # by somebody who knows the id
    ada.crash()
    village.settle()
    here = ada.person.inbox.here()
    assert here.card_id != old
    assert name_on(village, here.card_id, here.card_key) == "Ada"
    assert not list(ada.person.errands)
    fresh = open_invite(ada)
    assert isinstance(fresh.secret, Open)
    assert isinstance(printed.secret, Open)
    assert fresh.secret != printed.secret
    bo = village.person("Bo")
    bo.accept(fresh)
    assert [contact.name for contact in ada.person.contacts.values()] == ["Bo"]
    village.now += (KEEP_EVERY + 1) * 1000
    village.settle()
    assert not ada.troubles()
