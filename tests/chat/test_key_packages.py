"""Key packages of contacts: each is for one use, also those that came in a card, and texts go before fresh ones."""

from __future__ import annotations

from dataclasses import replace

import pytest

from support.village import Village, Villager
from whimbrel.chat.contacts import STOCK, Contact
from whimbrel.chat.records import ContactRow
from whimbrel.chat.refusal import CannotDo
from whimbrel.wire import cbor


def open_half_way(village: Village) -> tuple[Villager, Villager]:
    """Bo opened Ada's invite, and no more than a second has gone by."""
    ada, bo = village.person("Ada"), village.person("Bo")
    invite = ada.invite()
    bo.do(lambda person, now, fx: person.doors.accept(invite, "", now, fx))
    village.settle(patience=1_000)
    return ada, bo


def test_the_key_package_behind_an_invite_is_used_up_by_who_opened_it(village: Village) -> None:
    ada, bo = open_half_way(village)
    assert bo.contact("Ada").standing == "contact"
    with pytest.raises(CannotDo, match="no key package"):
        bo.group("Quick", "Ada")
    village.settle()
    assert len(bo.contact("Ada").stock) == STOCK
    bo.group("Later", "Ada")
    bo.send("Later", "all aboard")
    village.settle()
    assert ada.texts("Later") == ["all aboard"]
    assert not ada.troubles()
    assert not bo.troubles()


def test_texts_go_before_fresh_key_packages(village: Village) -> None:
    ada, bo = open_half_way(village)
    bo.send("Ada", "I am here")
    ada.send("Bo", "I see you")
    village.settle(patience=1_000)
    assert sorted(ada.texts("Bo")) == sorted(bo.texts("Ada")) == ["I am here", "I see you"]
    assert not ada.contact("Bo").stock
    assert not bo.contact("Ada").stock
    village.settle()
    assert len(ada.contact("Bo").stock) == len(bo.contact("Ada").stock) == STOCK


def test_each_package_of_a_card_is_for_one_use(village: Village) -> None:
    ada, bo = open_half_way(village)
    before = ada.contact("Bo")
    card = before.opened_card()
    assert card is not None
    taken, rest = [], before
    while rest.can_be_let_in(village.now) and len(taken) < 5:
        joiner, rest = rest.joiner(village.now)
        taken.append(joiner.key_package)
    # Bo's card is the one that everybody may ask for: its last package is for any number of uses.
    assert len(set(taken)) < len(taken)
    assert rest.spent == ()
    # Ada's stood behind an invite.
    assert len(bo.contact("Ada").spent) == 1
    assert not bo.contact("Ada").can_be_let_in(village.now)


def test_what_is_spent_is_kept_and_forgotten_with_a_newer_card(village: Village) -> None:
    _, bo = open_half_way(village)
    known = bo.contact("Ada")
    card = known.opened_card()
    assert card is not None
    bo.crash()
    assert bo.contact("Ada") == known
    newer = known.with_card(replace(card, made_at=card.made_at + 1), known.card)
    assert newer.spent == ()
    assert newer.can_be_let_in(village.now)


@pytest.mark.parametrize("fields", [6, 8, 9])
def test_contacts_of_older_homes_are_read(village: Village, fields: int) -> None:
    _, bo = open_half_way(village)
    row = bo.contact("Ada").save().row
    older = cbor.encode(cbor.decode(row.state)[:fields])
    read = Contact.from_row(ContactRow(row.account, row.name, older, row.standing))
    assert (read.card, read.came) == (bo.contact("Ada").card, bo.contact("Ada").came)
    assert len(read.spent) == (1 if fields == 9 else 0)
