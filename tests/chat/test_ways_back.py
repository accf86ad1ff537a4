"""The two ways back: a conversation that is damaged moves, a device that is lost is let in again, and all of it is said."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from support.mischief import damage_path_keys, entry, line_of, promote
from support.village import Village, Villager
from whimbrel.chat import healing
from whimbrel.chat.line_state import Healing, Standing
from whimbrel.chat.re_adding import LEAST_PAUSE
from whimbrel.chat.refusal import CannotDo
from whimbrel.chat.ways_back import ASK_AGAIN, GRACE, STAGGER
from whimbrel.wire.answers import Failure, Status
from whimbrel.wire.operations import Append, Fetch

LONG = 2 * STAGGER + 60_000


def talk(village: Village, people: list[Villager], chat: dict[str, str] | str, word: str) -> None:
    """Everybody writes, everybody reads it, all are in one epoch with the same people."""
    name = chat if isinstance(chat, dict) else {one.name: chat for one in people}
    texts = [f"{word} by {one.name}" for one in people]
    for one, text in zip(people, texts, strict=True):
        one.send(name[one.name], text)
    village.settle(patience=60_000)
    for one in people:
        assert [text for text in one.texts(name[one.name]) if text in texts].sort() == texts.sort()
        assert set(texts) <= set(one.texts(name[one.name])), one.name
        assert len(one.texts(name[one.name])) == len(set(one.texts(name[one.name]))), "something twice"
    lines = [line_of(one, name[one.name]) for one in people]
    assert len({line.group.epoch_authenticator() for line in lines}) == 1
    assert len({tuple(sorted(line.accounts())) for line in lines}) == 1


def wait(village: Village, milliseconds: int) -> None:
    village.now += milliseconds
    village.settle(patience=LONG)


def pair_names(one: Villager, other: Villager) -> dict[str, str]:
    return {one.name: other.name, other.name: one.name}


def forget_log(village: Village, log: bytes) -> None:
    """The relay has lost a whole log."""
    real = village.relay.ask
    denied = Failure(Status.DENIED)
    village.relay.ask = lambda op: denied if getattr(op, "log", None) == log else real(op)  # type: ignore[method-assign]


def copy_of(one: Villager, name: str = "copy") -> Path:
    """A copy of somebody's home as it is on disk now."""
    one.home.close()
    target = one.village.folder / f"{one.name} {name}"
    shutil.copytree(one.path, target)
    one.crash()
    return target


def restore(one: Villager, backup: Path) -> None:
    """The home is as it was when the backup was made."""
    one.home.close()
    shutil.rmtree(one.path)
    shutil.copytree(backup, one.path)
    one.crash()


# -------------------------------------------------------------------------------------------------- moving


def test_an_admin_moves_a_pair_and_both_write_on(village: Village) -> None:
    ada, bo = village.friends("Ada", "Bo")
    talk(village, [ada, bo], pair_names(ada, bo), "before")
    old = line_of(ada, "Bo").state.log
    ada.do(lambda person, now, fx: person.move(ada.chat("Bo"), None, now, fx))
    village.settle()
    assert line_of(ada, "Bo").state.log == line_of(bo, "Ada").state.log != old
    assert "moved" in ada.events("Bo")
    assert "moved" in bo.events("Ada")
    talk(village, [ada, bo], pair_names(ada, bo), "after")
    for one, chat in ((ada, "Bo"), (bo, "Ada")):
        before = one.chat(chat).line_on(old)
        assert before is not None
        assert before.state.standing is Standing.CLOSED
        assert not one.troubles()


def test_a_group_moves_to_another_relay_and_the_old_log_is_closed(village: Village) -> None:
    ada, bo, cy = village.friends("Ada", "Bo", "Cy")
    ada.group("birds", "Bo", "Cy")
    village.settle()
    talk(village, [ada, bo, cy], "birds", "before")
    state = line_of(bo, "birds").state
    old, write, turn = state.log, state.write, state.turn
    other = village.relay_at_home("Ada")
    ada.do(lambda person, now, fx: person.move(ada.chat("birds"), other, now, fx))
    village.settle()
    talk(village, [ada, bo, cy], "birds", "after")
    assert {line_of(one, "birds").state.relay for one in (ada, bo, cy)} == {other.identity}
    refused = village.relay.ask(Append(old, write, turn, (entry(os.urandom(300)),)))
    assert isinstance(refused, Failure)
    assert all("moved" in one.events("birds") for one in (ada, bo, cy))


def test_what_is_under_way_while_it_moves_arrives_once(village: Village) -> None:
    """Bo is offline and writes; the conversation moves; Bo comes back. Cy's post lands in the old log before it is closed."""
    ada, bo, cy = village.friends("Ada", "Bo", "Cy")
    ada.group("birds", "Bo", "Cy")
    village.settle()
    bo.send("birds", "by Bo, offline")
    cy.send("birds", "by Cy, in the old log")
    while cy.asks:
        cy.step()
    ada.do(lambda person, now, fx: person.move(ada.chat("birds"), None, now, fx))
    village.settle(patience=120_000)
    for one in (ada, bo, cy):
        assert sorted(one.texts("birds")) == ["by Bo, offline", "by Cy, in the old log"], one.name


def test_only_admins_move_and_nobody_else_is_followed(village: Village) -> None:
    ada, bo, mal = village.friends("Ada", "Bo", "Mal")
    ada.group("birds", "Bo", "Mal")
    village.settle()
    with pytest.raises(CannotDo, match="admin"):
        mal.do(lambda person, now, fx: person.move(mal.chat("birds"), None, now, fx))
    # Mal's program does not keep to that.
    line = line_of(mal, "birds")
    real = line.roles
    mal.person.ways_back.moves._movable = lambda chat: line  # type: ignore[method-assign]
    line._roster = (real.__class__((*real.admins, mal.person.identity.account), name=real.name), line.members)
    mal.do(lambda person, now, fx: person.move(mal.chat("birds"), None, now, fx))
    village.settle()
    assert line_of(bo, "birds").state.log == line_of(ada, "birds").state.log == line.state.log
    assert any("no admin" in news.get("why", "") for news in bo.news)
    talk(village, [ada, bo], "birds", "still here")


def test_two_admins_move_at_once_and_all_end_in_one_place(village: Village) -> None:
    ada, bo, cy = village.friends("Ada", "Bo", "Cy")
    ada.group("birds", "Bo", "Cy")
    village.settle()
    promote(ada, "birds", bo)
    village.settle()
    for one in (ada, bo):
        one.do(lambda person, now, fx, one=one: person.move(one.chat("birds"), None, now, fx))
    cy.send("birds", "and I?")
    village.settle(patience=120_000)
    assert len({line_of(one, "birds").state.log for one in (ada, bo, cy)}) == 1
    talk(village, [ada, bo, cy], "birds", "after")
    assert all(one.texts("birds").count("and I?") == 1 for one in (ada, bo, cy))


def test_a_move_with_other_people_waits_until_the_person_agrees(village: Village) -> None:
    ada, bo, cy, dora = village.friends("Ada", "Bo", "Cy", "Dora")
    ada.group("birds", "Bo", "Cy", "Dora")
    village.settle()
    old = line_of(bo, "birds").state.log
    without = [dora.person.identity.account]
    ada.do(lambda person, now, fx: person.ways_back.moves.begin(ada.chat("birds"), None, now, fx, without))
    village.settle()
    for one in (bo, cy):
        assert line_of(one, "birds").state.log == old if one.chat("birds").line else True
        assert "move-offered" in one.events("birds")
    bo.do(lambda person, now, fx: person.agree_to_move(bo.chat("birds"), now, fx))
    village.settle()
    bo.send("birds", "I agreed")
    village.settle()
    assert "I agreed" in ada.texts("birds")
    assert "I agreed" not in cy.texts("birds")
    with pytest.raises(CannotDo):
        bo.do(lambda person, now, fx: person.agree_to_move(bo.chat("birds"), now, fx))


# ------------------------------------------------------------------------------------------ damaged relays


def test_a_relay_that_lost_a_conversation_costs_a_move_and_nothing_else(village: Village) -> None:
    ada, bo = village.friends("Ada", "Bo")
    talk(village, [ada, bo], pair_names(ada, bo), "before")
    old = line_of(ada, "Bo").state.log
    forget_log(village, old)
    ada.send("Bo", "into the void")
    village.settle(patience=LONG)
    assert "denied" in ada.troubles()
    talk(village, [ada, bo], pair_names(ada, bo), "after")
    assert bo.texts("Ada").count("into the void") == 1
    assert line_of(ada, "Bo").state.log != old
    assert "lost" in ada.events("Bo")


def test_the_second_admin_moves_when_the_first_is_away(village: Village) -> None:
    ada, bo, cy = village.friends("Ada", "Bo", "Cy")
    ada.group("birds", "Bo", "Cy")
    village.settle()
    promote(ada, "birds", bo)
    village.settle()
    first, second = sorted((ada, bo), key=lambda one: one.person.identity.account)
    village.people = {one.name: one for one in (second, cy)}
    forget_log(village, line_of(cy, "birds").state.log)
    village.settle(patience=LONG)
    assert "moved" in second.events("birds")
    village.people[first.name] = first
    village.settle(patience=LONG)
    talk(village, [ada, bo, cy], "birds", "after")


def test_a_relay_restored_from_an_old_backup_is_noticed_and_nothing_is_missing(village: Village) -> None:
    ada, bo = village.friends("Ada", "Bo")
    talk(village, [ada, bo], pair_names(ada, bo), "early")
    village.relay.storage.commit()
    database = village.folder / "relay" / "relay.db"
    village.relay.backup(village.folder / "backup")
    talk(village, [ada, bo], pair_names(ada, bo), "late")
    village.relay.restore(village.folder / "backup")
    assert database.exists()
    ada.crash(), bo.crash()
    village.settle(patience=LONG)
    talk(village, [ada, bo], pair_names(ada, bo), "after")
    assert {"behind", "chain", "shown"} & {*ada.troubles(), *bo.troubles()}
    for one, chat in ((ada, "Bo"), (bo, "Ada")):
        assert len(one.texts(chat)) == 6


def test_a_relay_that_forgot_inboxes_and_all_is_mended_without_anybody_doing_anything(
    village: Village,
) -> None:
    """It was set back to a time before the two had accounts. Neither could reach the other if inboxes had new ids."""
    village.relay.backup(village.folder / "backup")
    ada, bo = village.friends("Ada", "Bo")
    talk(village, [ada, bo], pair_names(ada, bo), "before")
    village.relay.restore(village.folder / "backup")
    ada.crash(), bo.crash()
    village.settle(patience=LONG)
    village.settle(patience=10 * LONG)
    talk(village, [ada, bo], pair_names(ada, bo), "after")
    assert "inbox" in ada.troubles()
    cy = village.person("Cy")
    assert cy.accept(ada.invite()) == "done"
    ada.group("birds", "Bo", "Cy")
    village.settle(patience=LONG)
    talk(village, [ada, bo, cy], "birds", "in a group")


def test_grants_that_a_relay_forgot_are_made_again(village: Village) -> None:
    ada, bo = village.friends("Ada", "Bo")
    village.relay.backup(village.folder / "backup")
    cy = village.person("Cy")
    assert cy.accept(ada.invite()) == "done"
    ada.do(lambda person, now, fx: person.doors.invites.make_open(now, fx))
    village.settle()
    village.relay.restore(village.folder / "backup")
    for one in (ada, bo, cy):
        one.crash()
    village.settle(patience=10 * LONG)
    assert "inbox" in ada.troubles()
    cy.group("birds", "Ada")
    village.settle(patience=LONG)
    talk(village, [ada, cy], "birds", "hello")
    talk(village, [ada, cy], pair_names(ada, cy), "hello, you")


# ------------------------------------------------------------------------------------------ lost devices


def test_a_member_for_whom_a_commit_fails_is_let_in_again(village: Village) -> None:
    ada, bo, cy = village.friends("Ada", "Bo", "Cy")
    ada.group("birds", "Bo", "Cy")
    village.settle()
    damage_path_keys(bo, "birds")
    cy.do(lambda person, now, fx: person.intend(cy.chat("birds"), "update", [], fx))
    village.settle()
    bo.send("birds", "does anybody hear me?")
    for n in range(3):
        cy.send("birds", f"Bo cannot read this {n}")
        village.settle()
    village.settle(patience=LONG)
    assert "split" in bo.troubles()
    assert "re-added" in bo.events("birds")
    assert "re-added" in ada.events("birds")
    talk(village, [ada, bo, cy], "birds", "after")
    assert ada.texts("birds").count("does anybody hear me?") == 1


def test_a_lost_member_finds_an_admin_through_another_member(village: Village) -> None:
    """Bo knows the card of Cy alone; Cy is no admin, and posts the request in the group."""
    ada, bo, cy = village.friends("Ada", "Bo", "Cy")
    ada.group("birds", "Bo", "Cy")
    village.settle()
    line_of(bo, "birds").lose("expired")
    del bo.person.contacts[ada.person.identity.account]
    bo.do(lambda person, now, fx: None)
    village.settle(patience=LONG)
    assert "re-added" in cy.events("birds")
    talk(village, [ada, cy], "birds", "without Bo's word")


def test_a_device_that_was_away_for_longer_than_entries_live_comes_back(village: Village) -> None:
    ada, bo = village.friends("Ada", "Bo")
    ada.do(lambda person, now, fx: person.intend(ada.chat("Bo"), "update", [], fx))
    village.people = {"Ada": ada}
    village.settle()
    real = village.relay.ask
    log, first = line_of(bo, "Ada").state.log, line_of(ada, "Bo").state.seq + 1

    def expired(operation: Any) -> Any:
        if isinstance(operation, Fetch) and operation.log == log and operation.after < first - 1:
            return Failure(Status.EXPIRED, first=first)
        return real(operation)

    village.relay.ask = expired  # type: ignore[method-assign]
    village.people = {"Ada": ada, "Bo": bo}
    bo.send("Ada", "I am back")
    village.settle(patience=LONG)
    assert "expired" in bo.troubles()
    talk(village, [ada, bo], pair_names(ada, bo), "after")
    assert ada.texts("Bo").count("I am back") == 1


def test_a_restored_home_comes_back_as_a_new_device_everywhere(village: Village) -> None:
    ada, bo, cy = village.friends("Ada", "Bo", "Cy")
    ada.group("birds", "Bo", "Cy")
    village.settle()
    backup = copy_of(bo)
    device = bo.person.identity.device
    bo.invite()  # the inbox's changes are counted at the relay; the restored home does not know of these
    talk(village, [ada, bo, cy], "birds", "after the backup")
    talk(village, [ada, bo], pair_names(ada, bo), "after the backup")
    restore(bo, backup)
    village.settle(patience=LONG)
    assert "copied" in bo.troubles()
    assert bo.person.identity.device != device
    village.settle(patience=LONG)
    talk(village, [ada, bo, cy], "birds", "at the end")
    talk(village, [ada, bo], pair_names(ada, bo), "at the end")
    assert "re-added" in cy.events("birds")
    # What Ada lets Bo into next works, too: the old device's key packages are forgotten.
    ada.group("later", "Bo")
    village.settle(patience=LONG)
    talk(village, [ada, bo], "later", "hello")


def test_of_a_copied_home_one_goes_on_and_the_other_stops(village: Village) -> None:
    ada, bo, cy = village.friends("Ada", "Bo", "Cy")
    ada.group("birds", "Bo", "Cy")
    village.settle()
    copied = copy_of(bo)
    twin = Villager.of(village, "twin of Bo", copied)
    bo.send("birds", "written by the first")
    village.settle(patience=LONG)  # now the twin reads an entry that it never wrote, with its own tag
    village.people["twin of Bo"] = twin
    village.settle(patience=LONG)
    assert "copied" in twin.troubles()
    assert "retired" in bo.troubles()
    assert bo.person.retired
    talk(village, [ada, twin, cy], "birds", "the twin goes on")
    bo.crash()
    assert bo.person.retired
    assert not bo.person.watching()


def test_a_request_is_granted_once(village: Village) -> None:
    ada, bo, cy = village.friends("Ada", "Bo", "Cy")
    ada.group("birds", "Bo", "Cy")
    village.settle()
    line = line_of(bo, "birds")
    heard: list[bytes] = []
    real = ada.person.doors.welcomes.letter

    def listen(data: bytes, now: int, fx: Any) -> None:
        heard.append(data)
        real(data, now, fx)

    ada.person.doors.welcomes.letter = listen  # type: ignore[method-assign]
    line.lose("expired")
    bo.do(lambda person, now, fx: None)
    village.settle(patience=LONG)
    talk(village, [ada, bo, cy], "birds", "after")
    assert heard
    epoch = line_of(ada, "birds").group.epoch
    village.now += 2 * LEAST_PAUSE
    for data in heard:
        ada.do(lambda person, now, fx, data=data: real(data, now, fx))
    village.settle(patience=LONG)
    assert line_of(ada, "birds").group.epoch == epoch
    assert any("granted before" in news.get("why", "") for news in ada.news)


def test_who_is_no_member_is_not_let_in_by_asking(village: Village) -> None:
    ada, _, mal = village.friends("Ada", "Bo", "Mal")
    ada.group("birds", "Bo", "Mal")
    village.settle()
    line = line_of(mal, "birds")
    chat = mal.chat("birds")
    ada.do(
        lambda person, now, fx: person.intend(ada.chat("birds"), "remove", [mal.person.identity.account], fx)
    )
    while ada.asks:
        ada.step()
    line.lose("expired")
    mal.do(lambda person, now, fx: person.ways_back.re_adds.ask(chat, line, now, fx))
    village.settle(patience=LONG)
    assert mal.person.identity.account not in ada.chat("birds").accounts()
    assert any("no member" in news.get("why", "") for news in ada.news)


def test_a_request_that_brings_nothing_is_made_again_and_then_an_admin_moves(village: Village) -> None:
    ada, bo = village.friends("Ada", "Bo")
    village.people = {"Bo": bo}
    line_of(bo, "Ada").lose("split")
    for pause in ASK_AGAIN:
        wait(village, pause)
    lost = [line for line in bo.chat("Ada").lines if line.state.lost.asked]
    assert lost[0].state.lost.asked >= 3
    assert "moved" in bo.events("Ada")
    village.people = {"Bo": bo, "Ada": ada}
    village.settle(patience=LONG)
    talk(village, [ada, bo], pair_names(ada, bo), "after")


def test_who_misses_the_letter_of_a_move_asks_for_another(village: Village) -> None:
    ada, bo, cy = village.friends("Ada", "Bo", "Cy")
    ada.group("birds", "Bo", "Cy")
    village.settle()
    ada.do(lambda person, now, fx: person.move(ada.chat("birds"), None, now, fx))
    inbox = bo.person.inbox.here().log
    real = village.relay.ask
    swallowed = []

    def swallow(operation: Any) -> Any:
        if isinstance(operation, Append) and operation.log == inbox and not swallowed:
            swallowed.append(operation)
            return real(Append(operation.log, operation.write, 0, (entry(os.urandom(400), 3),)))
        return real(operation)

    village.relay.ask = swallow  # type: ignore[method-assign]
    village.settle()
    assert swallowed
    wait(village, GRACE)
    talk(village, [ada, bo, cy], "birds", "after")


# ------------------------------------------------------------------------------------------------- healing


def test_who_writes_much_or_after_a_week_makes_keys_anew(village: Village) -> None:
    ada, bo = village.friends("Ada", "Bo")
    epoch = line_of(ada, "Bo").group.epoch
    for n in range(healing.POSTS_MAX // 20):
        for m in range(20):
            ada.send("Bo", f"{n} {m}")
        village.settle()
    assert line_of(ada, "Bo").group.epoch == epoch + 1
    assert line_of(ada, "Bo").state.healing.posts < 100
    village.now += healing.AGE_MAX + 1
    bo.send("Ada", "after a week")
    village.settle()
    assert line_of(bo, "Ada").group.epoch == epoch + 3  # Ada writes, too: a receipt
    bo.send("Ada", "and then not again")
    village.settle()
    assert line_of(ada, "Bo").group.epoch == epoch + 3
    talk(village, [ada, bo], pair_names(ada, bo), "after")


def test_leaves_far_apart_heal_first() -> None:
    leaves = list(range(64))
    order = sorted(leaves, key=lambda leaf: healing.place_among(leaf, leaves))
    assert order[:4] == [0, 32, 16, 48]
    assert sorted(order) == leaves
    now = 1_790_000_000_000
    assert healing.on_joining(32, leaves, False, now) == Healing(0, 0, now + 2 * healing.STEP)
    assert healing.on_joining(63, leaves, False, now) == Healing(0, 0, 0)
    assert healing.on_joining(1, [0, 1], False, now) == Healing(0, now, 0)
    assert healing.on_joining(1, [0, 1], True, now) == Healing(0, 0, 0)


def test_after_coming_in_by_a_last_resort_package_keys_are_made_anew_with_the_first_post(
    village: Village,
) -> None:
    ada, bo = village.friends("Ada", "Bo")
    contact = ada.contact("Bo")
    ada.do(
        lambda person, now, fx: person.put_contact(
            contact.__class__(**{f: getattr(contact, f) for f in contact.__slots__} | {"stock": ()}), fx
        )
    )
    ada.group("birds", "Bo")
    village.settle()
    epoch = line_of(bo, "birds").group.epoch
    bo.send("birds", "first")
    village.settle()
    assert line_of(ada, "birds").group.epoch == epoch + 1
    talk(village, [ada, bo], "birds", "after")
