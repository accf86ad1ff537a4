"""Who may write, let in and change in a group, and what comes of it when somebody does who may not."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import Any

import pytest

from support.mischief import append, commit, entry, ignored, line_of, post
from support.village import Village, Villager
from whimbrel.chat import composing, content
from whimbrel.chat.refusal import CannotDo
from whimbrel.crypto.leaf import ADMINS, EVERYBODY, encode_roles
from whimbrel.crypto.payload import PayloadKind
from whimbrel.wire import cbor
from whimbrel.wire.answers import Appended

DAY = 24 * 3600


@pytest.fixture
def birds(village: Village) -> tuple[Villager, Villager, Villager]:
    """Ada's group, in which Bo and Cy are members. Di knows all of them and is not in it."""
    ada, bo, cy, _ = village.friends("Ada", "Bo", "Cy", "Di")
    ada.group("birds", "Bo", "Cy")
    village.settle()
    return ada, bo, cy


def change(who: Villager, chat: str, **wishes: Any) -> None:
    who.do(lambda person, now, fx: person.change_group(who.chat(chat), wishes, fx))
    who.village.settle()


def add(who: Villager, chat: str, whom: str) -> None:
    contact = who.contact(whom)
    who.do(lambda person, now, fx: person.add_to_group(who.chat(chat), contact, now, fx))
    who.village.settle()


def details(who: Villager, chat: str, event: str) -> list[dict[str, Any]]:
    """What is remembered of all events of a kind, oldest first."""
    rows = [cbor.decode(row.content) for row in who.rows(chat, True) if row.event == event]
    return [dict(row[6]) for row in rows]


def all_agree(people: tuple[Villager, ...], chat: str) -> None:
    lines = [line_of(one, chat) for one in people]
    assert len({line.group.epoch_authenticator() for line in lines}) == 1
    assert len({encode_roles(line.roles) for line in lines}) == 1
    assert not [one.troubles() for one in people if one.troubles()]


# ------------------------------------------------------------------------------------------------- posting


def test_where_admins_write_others_are_told_so_and_nothing_leaves(village: Village, birds: Any) -> None:
    ada, bo, _ = birds
    change(ada, "birds", may_post=ADMINS)
    assert details(bo, "birds", "rights") == [{"post": ADMINS}]
    with pytest.raises(CannotDo, match="Only admins write") as refused:
        bo.send("birds", "hello?")
    assert refused.value.code == "may-not-post"
    assert bo.texts("birds") == []
    ada.send("birds", "news")
    village.settle()
    assert bo.texts("birds") == ["news"]
    assert {row.state for row in ada.rows("birds") if row.mine} == {"delivered"}, "receipts go on"
    change(ada, "birds", may_post=EVERYBODY)
    bo.send("birds", "hello!")
    village.settle()
    assert ada.texts("birds")[-1] == "hello!"
    all_agree(birds, "birds")


def test_what_was_queued_before_only_admins_might_write_has_failed(village: Village, birds: Any) -> None:
    ada, bo, cy = birds
    ada.do(lambda person, now, fx: person.change_group(ada.chat("birds"), {"may_post": ADMINS}, fx))
    bo.send("birds", "too late?")  # at the same moment: one of the two comes first
    village.settle()
    state = next(row.state for row in bo.rows("birds") if row.mine)
    heard = [one.texts("birds") for one in (ada, cy)]
    assert (state, heard) in [("failed", [[], []]), ("delivered", [["too late?"]] * 2)]
    assert bo.person.waiting() == 0


def test_a_text_of_somebody_who_may_not_write_is_passed_over_by_all(village: Village, birds: Any) -> None:
    ada, bo, cy = birds
    change(ada, "birds", may_post=ADMINS)
    ada.send("birds", "news")
    village.settle()
    news = ada.rows("birds")[0].id
    salt = os.urandom(16)
    for value in (
        composing.say(salt, "psst"),
        composing.edit(salt, news, "other news"),
        composing.delete(salt, news),
    ):
        post(bo, "birds", PayloadKind.CONTENT, content.encode(value))
        village.settle()
    assert ada.texts("birds") == cy.texts("birds") == ["news"]
    for one in (ada, cy):
        assert ignored(one) == ["a post where only admins may write"] * 3
    all_agree(birds, "birds")


def test_a_reaction_counts_where_only_admins_write(village: Village, birds: Any) -> None:
    ada, bo, cy = birds
    change(ada, "birds", may_post=ADMINS)
    ada.send("birds", "news")
    village.settle()
    news = ada.rows("birds")[0].id
    heart = content.encode(composing.react(os.urandom(16), news, "❤️"))
    post(bo, "birds", PayloadKind.CONTENT, heart)
    village.settle()
    assert not ignored(ada) + ignored(cy)
    assert ada.texts("birds") == ["news"]


# ------------------------------------------------------------------------------------------------- letting in


def test_where_everybody_lets_in_a_member_does_and_the_one_let_in_is_there(
    village: Village, birds: Any
) -> None:
    ada, bo, cy = birds
    di = village.people["Di"]
    with pytest.raises(CannotDo, match="Only an admin"):
        add(bo, "birds", "Di")
    change(ada, "birds", may_add=EVERYBODY)
    add(bo, "birds", "Di")
    assert len(di.chat("birds").accounts()) == 4
    di.send("birds", "good morning")
    village.settle()
    for one in (ada, bo, cy):
        assert one.texts("birds") == ["good morning"]
    assert di.chat("birds").line.roles.admins == (ada.person.identity.account,)
    all_agree((*birds, di), "birds")
    change(ada, "birds", may_add=ADMINS)
    ada.do(
        lambda person, now, fx: person.intend(ada.chat("birds"), "remove", [di.person.identity.account], fx)
    )
    village.settle()
    assert di.chat("birds").line is None
    with pytest.raises(CannotDo, match="Only an admin"):
        add(bo, "birds", "Di")


def test_a_member_who_lets_in_hands_over_no_more_than_that(village: Village, birds: Any) -> None:
    """Who was let in by a member can be let in by another one again, and is removed by admins alone."""
    ada, bo, cy = birds
    di = village.people["Di"]
    change(ada, "birds", may_add=EVERYBODY)
    add(cy, "birds", "Di")
    account = di.person.identity.account
    cy.do(lambda person, now, fx: person.intend(cy.chat("birds"), "remove", [account], fx))
    village.settle()
    assert [news["why"] for news in cy.news if news["event"] == "refused"]
    ada.do(lambda person, now, fx: person.intend(ada.chat("birds"), "remove", [account], fx))
    village.settle()
    add(bo, "birds", "Di")
    di.send("birds", "again")
    village.settle()
    assert ada.texts("birds") == ["again"]
    all_agree((*birds, di), "birds")


# --------------------------------------------------------------------------------------------------- changing


def test_where_everybody_changes_name_and_timer_are_anybodys(village: Village, birds: Any) -> None:
    ada, bo, cy = birds
    with pytest.raises(CannotDo, match="Only an admin"):
        change(bo, "birds", name="ducks")
    change(ada, "birds", may_change=EVERYBODY)
    change(bo, "birds", name="ducks", timer=DAY)
    for one in birds:
        assert one.chat("ducks").line.roles.timer == DAY
        assert details(one, "ducks", "renamed") == [{"name": "ducks", "before": "birds"}]
        assert details(one, "ducks", "timer") == [{"seconds": DAY}]
    for wishes in ({"may_post": ADMINS}, {"name": "mine", "may_change": ADMINS}):
        with pytest.raises(CannotDo, match="Only an admin"):
            change(cy, "ducks", **wishes)
    all_agree(birds, "ducks")


@pytest.mark.parametrize(
    "wishes", [{"timer": 299}, {"timer": 90 * DAY + 1}, {"name": "a\nb"}, {"name": "n" * 257}, {"name": " "}]
)
def test_what_no_group_can_be_like_is_not_even_tried(birds: Any, wishes: dict[str, Any]) -> None:
    ada, *_ = birds
    with pytest.raises(CannotDo, match="cannot be so"):
        change(ada, "birds", **wishes)


def test_two_wishes_at_the_same_moment_both_come_true(village: Village, birds: Any) -> None:
    ada, bo, _ = birds
    change(ada, "birds", may_change=EVERYBODY)
    for who, wish in ((ada, {"name": "ducks"}), (bo, {"timer": 3600})):
        who.do(lambda person, now, fx, who=who, wish=wish: person.change_group(who.chat("birds"), wish, fx))
    village.settle()
    for one in birds:
        roles = one.chat("ducks").line.roles
        assert (roles.name, roles.timer) == ("ducks", 3600)
    all_agree(birds, "ducks")


def test_in_a_conversation_of_two_both_set_the_timer_and_nothing_else(village: Village) -> None:
    ada, bo = village.friends("Ada", "Bo")
    change(ada, "Bo", timer=3600)
    assert bo.chat("Ada").line.roles.timer == 3600
    change(bo, "Ada", timer=0)
    assert ada.chat("Bo").line.roles.timer == 0
    assert details(ada, "Bo", "timer") == details(bo, "Ada", "timer") == [{"seconds": 3600}, {"seconds": 0}]
    for wishes in ({"name": "us"}, {"may_post": ADMINS}):
        with pytest.raises(CannotDo, match="no group"):
            change(ada, "Bo", **wishes)


def test_a_group_that_moves_stays_as_it_is(village: Village, birds: Any) -> None:
    ada, bo, _ = birds
    change(ada, "birds", timer=DAY, may_add=EVERYBODY, may_post=ADMINS)
    before = ada.chat("birds").line.roles
    ada.do(lambda person, now, fx: person.move(ada.chat("birds"), None, now, fx))
    village.settle()
    assert len(bo.chat("birds").lines) == 2
    assert bo.chat("birds").line.roles == before
    all_agree(birds, "birds")


# -------------------------------------------------------------------------------- members who do it all the same


MISCHIEF: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("takes a right", {}, {"may_post": ADMINS}),
    ("gives a right", {}, {"may_add": EVERYBODY}),
    ("sets the timer", {}, {"timer": 300}),
    ("renames", {}, {"name": "mine"}),
    ("takes a right where all may change", {"may_change": EVERYBODY}, {"may_post": ADMINS}),
    ("renames with spaces where all may change", {"may_change": EVERYBODY}, {"name": " "}),
]


@pytest.mark.parametrize(("free", "wish"), [row[1:] for row in MISCHIEF], ids=[row[0] for row in MISCHIEF])
def test_a_commit_of_somebody_who_may_not_is_refused_by_all(
    village: Village, birds: Any, free: dict[str, Any], wish: dict[str, Any]
) -> None:
    ada, bo, cy = birds
    if free:
        change(ada, "birds", **free)
    before = line_of(ada, "birds").roles
    body, _ = commit(cy, "birds", roles=encode_roles(replace(before, **wish)))
    assert isinstance(append(cy, "birds", entry(body), advance=True), Appended)
    village.settle()
    assert line_of(ada, "birds").roles == line_of(bo, "birds").roles == before
    assert len(ignored(ada)) == len(ignored(bo)) == 1
    assert ignored(ada) == ignored(bo)
    ada.send("birds", "still here")
    village.settle()
    assert bo.texts("birds") == cy.texts("birds") == ["still here"]


def test_roles_that_are_none_are_refused_by_all_even_from_an_admin(village: Village, birds: Any) -> None:
    ada, bo, cy = birds
    good = cbor.decode(encode_roles(line_of(ada, "birds").roles))
    strange = [
        [*good[:6], 60, None],
        [*good[:6], 0, [b"https://example.org/picture", bytes(32), 9, bytes(32), bytes(32)]],
        [*good[:6], 0, [bytes(32), bytes(32), 1 << 30, bytes(32), bytes(32)]],
        [*good[:5], "gnp.\u202eexe", 0, None],
        good[:6],
    ]
    for roles in strange:
        body, _ = commit(ada, "birds", roles=cbor.encode(roles))
        assert isinstance(append(ada, "birds", entry(body), advance=True), Appended)
        village.settle()
    for one in (bo, cy):
        assert len(ignored(one)) == len(strange)
        assert all("cannot be read" in why for why in ignored(one))
        assert encode_roles(line_of(one, "birds").roles) == cbor.encode(good)
    ada.send("birds", "still here")
    village.settle()
    assert bo.texts("birds") == cy.texts("birds") == ["still here"]


def test_a_member_who_lets_in_an_admins_device_or_takes_the_group_over_is_refused(
    village: Village, birds: Any
) -> None:
    ada, bo, cy = birds
    di = village.people["Di"]
    change(ada, "birds", may_add=EVERYBODY)
    joiner, _ = cy.contact("Di").joiner(village.now)
    me = cy.person.identity.account
    roles = encode_roles(replace(line_of(ada, "birds").roles, admins=(me, di.person.identity.account)))
    body, _ = commit(cy, "birds", adds=[joiner.key_package], roles=roles)
    append(cy, "birds", entry(body), advance=True)
    village.settle()
    assert ignored(bo) == ignored(ada) != []
    assert len(ada.chat("birds").accounts()) == 3
    assert not any(chat.id == ada.chat("birds").id for chat in di.person.chats.values())
