"""Groups: who is in, who may change that, and what many changes at once come to."""

from __future__ import annotations

import random

import pytest

from support.village import Village, Villager
from whimbrel.wire import cbor


def names(villager: Villager, group: str) -> list[str]:
    """Who is in a group, as this person sees it."""
    return sorted(villager.person.name_of(account) for account in villager.chat(group).accounts())


def intend(villager: Villager, group: str, kind: str, action: str | None, whom: Villager) -> None:
    account = whom.person.identity.account
    value = [action, account] if action else [account]
    villager.do(lambda person, now, fx: person.intend(villager.chat(group), kind, value, fx))


def add(villager: Villager, group: str, whom: str) -> None:
    contact = villager.contact(whom)
    villager.do(lambda person, now, fx: person.add_to_group(villager.chat(group), contact, now, fx))


def check_same_state(people: list[Villager], group: str) -> None:
    """All are in the same epoch of the same group, with the same members."""
    lines = [one.chat(group).line for one in people]
    assert len({line.group.epoch_authenticator() for line in lines}) == 1
    assert len({tuple(names(one, group)) for one in people}) == 1
    assert all(not one.troubles() for one in people), [one.troubles() for one in people]


def test_five_talk_and_all_read_all(village: Village) -> None:
    ada, *_ = people = village.friends("Ada", "Bo", "Cy", "Di", "Ed")
    ada.group("birds", "Bo", "Cy", "Di", "Ed")
    village.settle()
    for one in people:
        one.send("birds", f"from {one.name}")
    village.settle()
    said = sorted(f"from {one.name}" for one in people)
    for one in people:
        assert sorted(one.texts("birds")) == said
        assert names(one, "birds") == ["Ada", "Bo", "Cy", "Di", "Ed"]
    check_same_state(people, "birds")
    assert {row.state for row in ada.rows("birds") if row.mine} == {"delivered"}


def test_members_who_do_not_know_each_other_learn_their_names(village: Village) -> None:
    ada, bo, cy = village.person("Ada"), village.person("Bo"), village.person("Cy")
    assert bo.accept(ada.invite()) == cy.accept(ada.invite()) == "done"
    ada.group("birds", "Bo", "Cy")
    village.settle()
    assert names(bo, "birds") == names(cy, "birds") == ["Ada", "Bo", "Cy"]
    assert bo.contact("Cy").standing == "known"


def test_who_is_added_later_reads_from_there_on_and_who_is_removed_no_further(village: Village) -> None:
    ada, bo, cy = people = village.friends("Ada", "Bo", "Cy")
    ada.group("birds", "Bo")
    village.settle()
    ada.send("birds", "before")
    village.settle()
    add(ada, "birds", "Cy")
    village.settle()
    bo.send("birds", "with three")
    village.settle()
    assert cy.texts("birds") == ["with three"]
    check_same_state(people, "birds")
    intend(ada, "birds", "remove", None, bo)
    village.settle()
    ada.send("birds", "without Bo")
    village.settle()
    assert bo.texts("birds") == ["before", "with three"]
    assert cy.texts("birds") == ["with three", "without Bo"]
    assert bo.chat("birds").line is None
    assert "removed" in bo.events("birds")
    assert names(cy, "birds") == ["Ada", "Cy"]
    with pytest.raises(Exception, match="not a member"):
        bo.send("birds", "still there?")


def test_a_promoted_member_may_change_and_a_demoted_one_not(village: Village) -> None:
    ada, bo, cy = people = village.friends("Ada", "Bo", "Cy")
    ada.group("birds", "Bo")
    village.settle()
    intend(bo, "birds", "roles", "promote", bo)
    village.settle()
    assert [news for news in bo.news if news["event"] == "refused"]
    intend(ada, "birds", "roles", "promote", bo)
    village.settle()
    add(bo, "birds", "Cy")
    village.settle()
    check_same_state(people, "birds")
    intend(bo, "birds", "roles", "demote", ada)
    village.settle()
    assert ada.chat("birds").line.roles.admins == (bo.person.identity.account,)
    intend(bo, "birds", "remove", None, ada)
    village.settle()
    assert names(cy, "birds") == ["Bo", "Cy"]
    assert "removed" in ada.events("birds")


def test_the_last_admin_who_leaves_hands_that_on(village: Village) -> None:
    ada, bo, cy = village.friends("Ada", "Bo", "Cy")
    ada.group("birds", "Bo", "Cy")
    village.settle()
    ada.do(lambda person, now, fx: person.leave(ada.chat("birds"), fx))
    village.settle()
    assert names(bo, "birds") == names(cy, "birds") == ["Bo", "Cy"]
    check_same_state([bo, cy], "birds")
    assert len(bo.chat("birds").line.roles.admins) == 1
    assert ada.chat("birds").left
    assert ada.chat("birds").line is None


def test_a_group_of_one_is_a_notebook(village: Village) -> None:
    ada = village.person("Ada")
    ada.group("notes")
    village.settle()
    ada.send("notes", "milk")
    village.settle()
    assert ada.texts("notes") == ["milk"]
    assert [row.state for row in ada.rows("notes")] == ["sent"]


@pytest.mark.parametrize("seed", range(6))
def test_changes_at_the_same_moment_end_in_the_same_state_and_posters_get_through(
    village: Village, seed: int
) -> None:
    people = village.friends("Ada", "Bo", "Cy", "Di", "Ed", "Flo", "Gus")
    ada, *others = people
    five = people[:5]
    ada.group("birds", "Bo", "Cy", "Di", "Ed")
    village.settle()
    for one in others[:4]:
        intend(ada, "birds", "roles", "promote", one)
    village.settle()
    chance = random.Random(seed)
    sent: dict[str, list[str]] = {one.name: [] for one in five}
    for turn in range(12):
        for one in five:
            one.do(lambda person, now, fx, one=one: person.intend(one.chat("birds"), "update", [], fx))
        if turn % 3 == 0:
            add(chance.choice(five), "birds", "Flo")
            add(chance.choice(five), "birds", "Gus")
        elif turn % 3 == 2:
            intend(chance.choice(five), "birds", "remove", None, people[5])
            intend(chance.choice(five), "birds", "remove", None, people[6])
        for one in five:
            one.send("birds", f"{one.name} {turn}")
            sent[one.name].append(f"{one.name} {turn}")
        for _ in range(chance.randrange(40)):
            who = chance.choice(five)
            who.step(lose=lambda ask: chance.random() < 0.2)
            if chance.random() < 0.03:
                who.crash()
    for one in five:
        one.crash()
    village.settle(patience=3_600_000)
    check_same_state(five, "birds")
    everything = sorted(text for texts in sent.values() for text in texts)
    for one in five:
        assert sorted(one.texts("birds")) == everything
        for other in five:
            said = [text for text in one.texts("birds") if text.startswith(other.name + " ")]
            assert said == sent[other.name]


def test_many_are_added_at_once_and_the_tree_travels_as_a_blob(village: Village) -> None:
    ada = village.person("Ada")
    crowd = [village.person(f"P{n}") for n in range(24)]
    for one in crowd:
        assert one.accept(ada.invite()) == "done"
    ada.group("crowd", *(one.name for one in crowd))
    village.settle()
    ada.send("crowd", "welcome, all")
    village.settle()
    assert all(one.texts("crowd") == ["welcome, all"] for one in crowd)
    check_same_state([ada, *crowd], "crowd")


def test_an_intention_that_has_become_pointless_falls_away(village: Village) -> None:
    ada, bo, _ = village.friends("Ada", "Bo", "Cy")
    ada.group("birds", "Bo", "Cy")
    village.settle()
    intend(ada, "birds", "remove", None, bo)
    intend(ada, "birds", "remove", None, bo)
    village.settle()
    assert not ada.chat("birds").outbox
    assert names(ada, "birds") == ["Ada", "Cy"]
    assert cbor.decode(cbor.encode([])) == []


def test_who_was_removed_or_left_can_be_let_in_again(village: Village) -> None:
    ada, bo, cy = people = village.friends("Ada", "Bo", "Cy")
    ada.group("birds", "Bo", "Cy")
    village.settle()
    for turn in range(3):
        bo.send("birds", f"in {turn}")
        village.settle()
        if turn % 2:
            bo.do(lambda person, now, fx: person.leave(bo.chat("birds"), fx))
        else:
            intend(ada, "birds", "remove", None, bo)
        village.settle()
        assert names(cy, "birds") == ["Ada", "Cy"]
        assert bo.chat("birds").line is None
        bo.crash()
        ada.send("birds", f"out {turn}")
        add(ada, "birds", "Bo")
        village.settle()
        check_same_state(people, "birds")
    ada.send("birds", "all here?")
    village.settle()
    assert bo.texts("birds") == ["in 0", "in 1", "in 2", "all here?"]


@pytest.mark.parametrize("crash", [False, True])
def test_a_welcome_that_comes_before_the_own_removal_was_read_waits_for_it(
    village: Village, crash: bool
) -> None:
    ada, bo, cy = people = village.friends("Ada", "Bo", "Cy")
    ada.group("birds", "Bo", "Cy")
    village.settle()

    def without_bo() -> None:
        while ada.step() or cy.step():
            pass

    for times in (1, 2, 3):
        for turn in range(times):
            intend(ada, "birds", "remove", None, bo)
            without_bo()
            cy.send("birds", f"without Bo {times} {turn}")
            without_bo()
            add(ada, "birds", "Bo")
            without_bo()
            cy.send("birds", f"with Bo {times} {turn}")
            without_bo()
        assert bo.chat("birds").line is not None
        bo.step()  # reads the letters first
        if crash:
            bo.crash()
        village.settle()
        check_same_state(people, "birds")
        assert not [news for news in bo.news if news["event"] == "ignored"]
    assert bo.texts("birds") == [f"with Bo {times} {turn}" for times in (1, 2, 3) for turn in range(times)]
    assert bo.events("birds").count("removed") == 6


def test_who_leaves_while_the_admin_steps_down_is_removed_by_the_next_admin(village: Village) -> None:
    ada, bo, cy = village.friends("Ada", "Bo", "Cy")
    ada.group("birds", "Bo", "Cy")
    village.settle()
    cy.do(lambda person, now, fx: person.leave(cy.chat("birds"), fx))
    while cy.step():
        pass
    while bo.step():  # who is no admin yet reads the goodbye
        pass
    intend(ada, "birds", "roles", "promote", bo)
    intend(ada, "birds", "roles", "demote", ada)
    village.settle()
    assert bo.chat("birds").line.roles.admins == (bo.person.identity.account,)
    assert names(bo, "birds") == names(ada, "birds") == ["Ada", "Bo"]
    check_same_state([ada, bo], "birds")


def test_admins_who_leave_and_step_down_at_once_leave_an_admin_behind(village: Village) -> None:
    ada, bo, cy = village.friends("Ada", "Bo", "Cy")
    ada.group("birds", "Bo", "Cy")
    village.settle()
    intend(ada, "birds", "roles", "promote", bo)
    village.settle()
    bo.do(lambda person, now, fx: person.leave(bo.chat("birds"), fx))
    intend(ada, "birds", "roles", "demote", ada)
    village.settle(patience=600_000)
    assert names(ada, "birds") == names(cy, "birds") == ["Ada", "Cy"]
    assert ada.chat("birds").line.roles.admins
    check_same_state([ada, cy], "birds")


def test_what_happened_twice_in_one_batch_is_told_twice(village: Village) -> None:
    ada, bo, cy = village.friends("Ada", "Bo", "Cy")
    ada.group("birds", "Bo", "Cy")
    village.settle()
    for _ in range(2):
        intend(ada, "birds", "roles", "promote", bo)
        intend(ada, "birds", "roles", "demote", bo)
    while ada.step():
        pass
    village.settle()
    assert cy.events("birds")[-4:] == ["promoted", "demoted"] * 2


def test_what_was_sent_before_a_removal_is_not_offered_again_after_it_nor_told_to_have_failed(
    village: Village,
) -> None:
    ada, bo, cy = village.friends("Ada", "Bo", "Cy")
    ada.group("birds", "Bo", "Cy")
    village.settle()
    bo.send("birds", "just before")
    while bo.step():
        pass
    intend(ada, "birds", "remove", None, bo)
    while ada.step() or cy.step():
        pass
    add(ada, "birds", "Bo")
    while ada.step() or cy.step():
        pass
    intend(ada, "birds", "remove", None, bo)
    village.settle()
    assert bo.events("birds").count("removed") == 2
    assert [row.state for row in bo.rows("birds")] == ["sent"]
    assert ada.texts("birds") == cy.texts("birds") == ["just before"]
