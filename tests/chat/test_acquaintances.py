"""Names that change, and people whom somebody does not want to hear from."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import Any

import pytest

from support.mischief import ignored, line_of, post, promote
from support.village import Village, Villager
from whimbrel.chat.refusal import CannotDo
from whimbrel.crypto.cards import decode_card, encode_card
from whimbrel.crypto.payload import PayloadKind
from whimbrel.wire import cbor

WEEK = 7 * 24 * 3_600_000


def rename(who: Villager, name: str) -> None:
    who.do(lambda person, now, fx: person.acquaintances.rename(name, now, fx))


def block(who: Villager, whom: str) -> None:
    account = who.contact(whom).account
    who.do(lambda person, now, fx: person.acquaintances.block(account, fx))


def unblock(who: Villager, whom: str) -> None:
    account = who.contact(whom).account
    who.do(lambda person, now, fx: person.acquaintances.unblock(account, fx))


def called(who: Villager, chat: str) -> list[Any]:
    """What the chat shows of names that changed: before and after."""
    rows = [row for row in who.rows(chat, True) if row.event == "called"]
    found = [dict(cbor.decode(row.content)[6]) for row in rows]
    return [(value["before"], value["name"]) for value in found]


# ---------------------------------------------------------------------------------------------------- names


def test_who_is_called_otherwise_is_so_for_all_and_each_chat_says_it(village: Village) -> None:
    ada, bo, cy = village.friends("Ada", "Bo", "Cy")
    ada.group("birds", "Bo", "Cy")
    village.settle()
    rename(bo, "Robert")
    village.settle()
    for one in (ada, cy):
        assert one.contact("Robert").account == bo.person.identity.account
        assert one.chat("Robert").peer == bo.person.identity.account
        assert called(one, "Robert") == called(one, "birds") == [("Bo", "Robert")]
    assert bo.person.identity.name == "Robert"
    bo.crash()
    assert bo.person.identity.name == "Robert"
    bo.send("birds", "it is me")
    village.settle()
    assert ada.texts("birds") == ["it is me"]
    assert (
        line_of(ada, "birds").group.epoch_authenticator() == line_of(bo, "birds").group.epoch_authenticator()
    )
    assert not ada.troubles() + bo.troubles() + cy.troubles()


def test_the_last_of_several_names_counts(village: Village) -> None:
    ada, bo = village.friends("Ada", "Bo")
    for name in ("Rob", "Robert", "Bob"):  # within one second, before anything has left
        rename(bo, name)
    village.settle()
    assert ada.contact("Bob").name == "Bob"
    rename(bo, "Bo")
    village.settle()
    assert called(ada, "Bo") == [("Bo", "Rob"), ("Rob", "Bob"), ("Bob", "Bo")]


def test_who_comes_later_learns_the_new_name(village: Village) -> None:
    ada, bo, cy = village.person("Ada"), village.person("Bo"), village.person("Cy")
    assert bo.accept(ada.invite()) == cy.accept(ada.invite()) == "done"
    ada.group("birds", "Bo")
    village.settle()
    rename(bo, "Robert")
    village.settle()
    contact = ada.contact("Cy")
    ada.do(lambda person, now, fx: person.add_to_group(ada.chat("birds"), contact, now, fx))
    village.settle()
    assert cy.contact("Robert").account == bo.person.identity.account


def test_the_card_of_the_former_name_lives_on_for_who_was_told_of_it(village: Village) -> None:
    """An open invite on paper leads to it, and so do leaves of others' memory."""
    ada, bo = village.person("Ada"), village.person("Bo")
    invite = ada.do(lambda person, now, fx: person.doors.invites.make_open(now, fx))
    village.settle()
    rename(ada, "Adelaide")
    village.settle()
    for _ in range(6):
        village.now += WEEK + 1000
        village.settle()
        village.relay.expire_blobs()
    assert bo.accept(invite) == "asked"
    village.settle()
    assert ada.contact("Bo").standing == "asking"


def test_an_invite_that_was_made_before_brings_the_new_name_all_the_same(village: Village) -> None:
    ada, bo, cy = village.person("Ada"), village.person("Bo"), village.person("Cy")
    invite = ada.invite()
    former = ada.do(lambda person, now, fx: person.doors.invites.make_open(now, fx))
    village.settle()
    rename(ada, "Adelaide")
    village.settle()
    assert bo.accept(invite) == "done"
    village.settle()
    assert bo.contact("Adelaide").account == ada.person.identity.account
    open_now = ada.do(lambda person, now, fx: person.doors.invites.make_open(now, fx))
    assert (former.name, open_now.name) == ("Ada", "Adelaide")
    assert open_now.secret.token == former.secret.token
    assert cy.accept(open_now) == "asked"
    assert cy.contact("Adelaide").standing == "asked"
    village.settle()
    assert ada.contact("Cy").standing == "asking"
    assert not ada.troubles() + bo.troubles() + cy.troubles()


def test_a_card_of_somebody_else_or_an_older_one_changes_no_name(village: Village) -> None:
    ada, bo, cy = village.friends("Ada", "Bo", "Cy")
    ada.group("birds", "Bo", "Cy")
    village.settle()
    old = bo.person.inbox.here().card
    rename(bo, "Robert")
    village.settle()
    post(bo, "birds", PayloadKind.CARD, old)
    village.settle()
    post(bo, "birds", PayloadKind.CARD, cy.person.inbox.here().card)
    village.settle()
    mine = decode_card(bo.person.inbox.here().card)
    named = replace(mine, name="Ada", made_at=mine.made_at + 1)
    forged = encode_card(named, bo.person.identity.account_private)[:-64] + os.urandom(64)
    post(bo, "birds", PayloadKind.CARD, forged)
    village.settle()
    post(bo, "birds", PayloadKind.CARD, os.urandom(100))
    village.settle()
    assert ada.contact("Robert").account == bo.person.identity.account
    assert ada.contact("Cy").account == cy.person.identity.account
    assert len(ignored(ada)) == 3
    assert called(ada, "birds") == [("Bo", "Robert")]
    assert not ada.troubles()


@pytest.mark.parametrize("name", ["", "  ", "a\nb", "x" * 257, "\u202egnp"])
def test_nobody_is_called_so(village: Village, name: str) -> None:
    ada = village.person("Ada")
    with pytest.raises(CannotDo, match="cannot be used"):
        rename(ada, name)
    assert ada.person.identity.name == "Ada"


# ------------------------------------------------------------------------------------------------- nearness


def test_what_somebody_writes_who_is_blocked_is_neither_kept_nor_answered(village: Village) -> None:
    ada, bo = village.friends("Ada", "Bo")
    bo.send("Ada", "before")
    village.settle()
    block(ada, "Bo")
    bo.send("Ada", "meanwhile")
    account = ada.person.identity.account
    bo.do(lambda person, now, fx: person.change_group(bo.chat("Ada"), {"timer": 3600}, fx))
    village.settle()
    assert ada.texts("Bo") == ["before"]
    assert "timer" not in ada.events("Bo")
    assert [row.state for row in bo.rows("Ada")] == ["delivered", "sent"]
    with pytest.raises(CannotDo, match="You blocked Bo") as refused:
        ada.send("Bo", "no")
    assert refused.value.code == "blocked"
    ada.crash()
    unblock(ada, "Bo")
    assert ada.contact("Bo").standing == "contact"
    bo.send("Ada", "after")
    ada.send("Bo", "hello again")
    village.settle()
    assert ada.texts("Bo") == ["before", "hello again", "after"]
    assert ada.chat("Bo").line.roles.timer == 3600, "what the group is like is the same for both"
    assert bo.contact("Ada").account == account
    assert not ada.troubles() + bo.troubles()


def test_in_a_group_somebody_who_is_blocked_is_heard_as_before(village: Village) -> None:
    ada, bo, cy = village.friends("Ada", "Bo", "Cy")
    bo.group("birds", "Ada", "Cy")
    village.settle()
    block(ada, "Bo")
    bo.send("birds", "all together")
    village.settle()
    assert ada.texts("birds") == cy.texts("birds") == ["all together"]
    bo.do(lambda person, now, fx: person.move(bo.chat("birds"), None, now, fx))
    village.settle()
    bo.send("birds", "from the new place")
    village.settle()
    assert ada.texts("birds")[-1] == "from the new place"
    assert not ada.troubles()


def test_somebody_who_is_blocked_lets_nobody_into_a_group_and_asks_in_vain(village: Village) -> None:
    ada, bo = village.friends("Ada", "Bo")
    block(ada, "Bo")
    bo.group("trap", "Ada")
    village.settle()
    assert len(ada.person.chats) == 1
    invite = ada.do(lambda person, now, fx: person.doors.invites.make_open(now, fx))
    village.settle()
    bo.accept(invite)
    village.settle()
    assert ada.contact("Bo").standing == "blocked"
    assert not [news for news in ada.news if news["event"] == "request"]
    unblock(ada, "Bo")
    bo.group("real", "Ada")
    village.settle()
    assert len(ada.person.chats) == 2


def test_an_invite_for_one_does_not_unblock_whoever_opens_it(village: Village) -> None:
    ada, bo = village.friends("Ada", "Bo")
    block(ada, "Bo")
    assert bo.accept(ada.invite()) == "done"
    village.settle()
    assert ada.contact("Bo").standing == "blocked"
    bo.send("Ada", "let me explain")
    village.settle()
    assert ada.texts("Bo") == []
    unblock(ada, "Bo")
    bo.send("Ada", "thank you")
    village.settle()
    assert ada.texts("Bo") == ["thank you"]


def test_who_was_blocked_while_asking_asks_again_when_unblocked(village: Village) -> None:
    ada, bo = village.person("Ada"), village.person("Bo")
    invite = ada.do(lambda person, now, fx: person.doors.invites.make_open(now, fx))
    village.settle()
    assert bo.accept(invite) == "asked"
    block(ada, "Bo")
    unblock(ada, "Bo")
    assert ada.contact("Bo").standing == "asking"


def test_a_member_who_blocked_an_admin_is_let_in_again_by_them(village: Village) -> None:
    ada, bo = village.friends("Ada", "Bo")
    bo.group("birds", "Ada")
    village.settle()
    promote(bo, "birds", bo)
    block(ada, "Bo")
    ada.chat("birds").line.lose("split")
    ada.do(lambda person, now, fx: None)
    village.settle(patience=2 * 3_600_000)
    bo.send("birds", "welcome back")
    village.settle()
    assert ada.texts("birds") == ["welcome back"]
