"""Members who have the keys of a group and use them for what honest members would not: who they are not, what others may."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import Any

import pytest

from support.mischief import (
    append,
    commit,
    damage_path_keys,
    entry,
    ignored,
    impostor,
    line_of,
    promote,
    right_change,
    signed_change,
)
from support.village import Village, Villager
from whimbrel.chat import composing, content
from whimbrel.crypto import mls
from whimbrel.crypto.payload import Payload, PayloadKind, encode_payload
from whimbrel.wire import proofs
from whimbrel.wire.answers import Appended, Failure, Status
from whimbrel.wire.operations import Alter, Change, Grant
from whimbrel.wire.purpose import public_of, token_hash


@pytest.fixture
def birds(village: Village) -> tuple[Villager, Villager, Villager]:
    """Ada's group, in which Bo is a member and Mal is one, too."""
    ada, bo, mal = village.friends("Ada", "Bo", "Mal")
    ada.group("birds", "Bo", "Mal")
    village.settle()
    return ada, bo, mal


def said(text: str) -> bytes:
    return content.encode(composing.say(os.urandom(16), text))


def still_talk(village: Village, people: list[Villager], chat: str) -> None:
    """Everybody can still write and everybody reads it, in one state, also after a restart."""
    for one in people:
        one.crash()
    texts = [f"{one.name} is still here {village.now}" for one in people]
    for one, text in zip(people, texts, strict=True):
        one.send(chat, text)
    village.settle(patience=200_000)
    for one in people:
        assert set(texts) <= set(one.texts(chat)), one.name
    assert len({line_of(one, chat).group.epoch_authenticator() for one in people}) == 1


# ------------------------------------------------------------------------------------- in another's place


def forged_post(mal: Villager, chat: str, victim: Villager, text: str) -> bytes:
    """A post that says to come from the victim's leaf."""
    state = line_of(mal, chat).state
    payload = Payload(PayloadKind.CONTENT, state.seq, state.h, said(text))
    return impostor(mal, chat, victim).encrypt(encode_payload(payload))


def test_a_post_from_the_leaf_of_another_says_nothing(village: Village, birds: Any) -> None:
    ada, bo, mal = birds
    for victim, reader in ((ada, bo), (bo, ada)):
        forged = forged_post(mal, "birds", victim, "I give up")
        with pytest.raises(mls.Invalid, match="signature"):  # everything else about it is right
            line_of(reader, "birds").group.process(forged)
        assert isinstance(append(mal, "birds", entry(forged)), Appended)
    village.settle()
    for one in birds:
        assert not one.texts("birds")
        assert not one.troubles()
    assert len(ignored(ada)) == len(ignored(bo)) == 2
    still_talk(village, [ada, bo, mal], "birds")


def test_keys_used_up_in_anothers_name_cost_none_of_their_messages(village: Village, birds: Any) -> None:
    """Every member has the keys of every leaf. A forged post takes the key that the victim's next post will have:
    whoever forgot that key before the signature was checked could not read the true one."""
    ada, bo, mal = birds
    ada.send("birds", "before")
    village.settle()
    for _ in range(3):
        append(mal, "birds", entry(forged_post(mal, "birds", ada, "not Ada")))
    village.settle()
    texts = [f"truly Ada {n}" for n in range(5)]
    for text in texts:
        ada.send("birds", text)
    village.settle()
    assert bo.texts("birds") == mal.texts("birds") == ["before", *texts]


def test_a_commit_from_the_leaf_of_another_changes_nothing(village: Village, birds: Any) -> None:
    ada, bo, mal = birds
    victim = next(m.index for m in line_of(mal, "birds").members if m.account == bo.person.identity.account)
    group = impostor(mal, "birds", ada)
    body, _ = group.commit([], [victim], None, False, None)
    with pytest.raises(mls.Invalid, match="signature"):
        line_of(bo, "birds").group.process(body)
    append(mal, "birds", entry(body), advance=True)
    village.settle()
    assert ada.chat("birds").accounts() == bo.chat("birds").accounts()
    assert len(ada.chat("birds").accounts()) == 3
    assert not ada.troubles() + bo.troubles()
    still_talk(village, [ada, bo, mal], "birds")


# ---------------------------------------------------------------------------- changes beside, and on their own


def locks(village: Village, chat: str, who: Villager) -> tuple[object, ...]:
    """What the relay holds everybody to in this log."""
    log = village.relay.storage.log(line_of(who, chat).state.log)
    assert log is not None
    return log.n, log.read, log.write, log.admins


def test_no_member_changes_the_locks_of_a_log_without_being_an_admin(village: Village, birds: Any) -> None:
    """Signed with the own log key, with the log key of another log, with one just made, or over another log."""
    ada, bo, mal = birds
    mal.group("nest", "Bo")
    village.settle()
    before = locks(village, "birds", ada)
    state, nest = line_of(mal, "birds").state, line_of(mal, "nest").state
    admins = (public_of(state.log_key),)
    for change in (
        Change(state.n + 1, token_hash(os.urandom(32)), token_hash(os.urandom(32))),
        Change(state.n + 1, admins=admins),
        Change(state.n + 1, grants=(Grant(token_hash(os.urandom(32)), 1000, 10**6),)),
    ):
        for key, log in (
            (state.log_key, state.log),
            (nest.log_key, state.log),
            (os.urandom(32), state.log),
            (state.log_key, nest.log),
        ):
            signed = proofs.sign_change(change, key, state.relay, log)
            told = replace(signed, key=line_of(ada, "birds").members[0].leaf.log_key)
            for one in (signed, told):
                assert refused(village.relay.ask(Alter(state.log, one)))
                body, _ = commit(mal, "birds", update=True)
                assert refused(append(mal, "birds", entry(body), advance=True, change=one))
    drop = proofs.drop_proof(state.log_key, state.relay, state.log, None)
    assert not village.relay.engine.may_drop(village.relay.storage.log(state.log), None, drop)
    assert locks(village, "birds", ada) == before
    village.settle()
    still_talk(village, [ada, bo, mal], "birds")


def refused(answer: object) -> bool:
    return isinstance(answer, Failure) and answer.status is Status.DENIED


@pytest.mark.parametrize("what", ["tokens", "admins", "a grant beside", "old tokens"])
def test_a_removal_with_another_change_than_members_derive_is_told(village: Village, what: str) -> None:
    """An admin removes Bo, and puts a change beside it that leaves Bo, or somebody else, a way in."""
    ada, bo, cy, mal = village.friends("Ada", "Bo", "Cy", "Mal")
    ada.group("birds", "Bo", "Cy", "Mal")
    village.settle()
    promote(ada, "birds", mal)
    village.settle()
    line = line_of(mal, "birds")
    victim = next(m for m in line.members if m.account == bo.person.identity.account)
    staying = [m for m in line.members if m.index != victim.index]
    group = line.group
    body, _ = group.commit([], [victim.index], None, False, None)
    right = right_change(mal, "birds", line.roles, staying).change
    group.clear_pending()
    mal.do(lambda person, now, fx: None)
    old = (token_hash(line.state.read), token_hash(line.state.write))
    wrong = {
        "tokens": replace(right, read_hash=token_hash(os.urandom(32)), write_hash=token_hash(os.urandom(32))),
        "admins": replace(right, admins=(*(right.admins or ()), victim.leaf.log_key)),
        "a grant beside": replace(right, grants=(Grant(token_hash(os.urandom(32)), 100, 10**6),)),
        "old tokens": replace(right, read_hash=old[0], write_hash=old[1]),
    }[what]
    answer = append(mal, "birds", entry(body), advance=True, change=signed_change(mal, "birds", wrong))
    assert isinstance(answer, Appended)
    del village.people["Mal"]  # who is an admin, and could let Bo in again
    mal.home.close()
    for _ in range(60):
        ada.step(), bo.step(), cy.step()
    assert "change" in ada.troubles()
    assert "change" in cy.troubles()
    assert len(ada.chat("birds").accounts()) == len(cy.chat("birds").accounts()) == 3
    assert "removed" in bo.events("birds")
    # The way on: other locks, or, where the relay takes nothing of them any more, another log.
    village.settle(patience=900_000)
    ada.send("birds", "without Bo"), cy.send("birds", "yes")
    village.settle(patience=600_000)
    assert sorted(ada.texts("birds")) == sorted(cy.texts("birds")) == ["without Bo", "yes"]
    # Whatever the locks say, who was removed reads nothing: MLS is what keeps them out.
    assert not bo.texts("birds")
    assert bo.chat("birds").line is None


# ------------------------------------------------------------------------------------ valid for some, not for all


def test_a_commit_that_one_member_cannot_open_is_noticed_and_that_member_comes_back(
    village: Village, birds: Any
) -> None:
    """The committer may seal the secret of its path wrongly for a part of the tree: these cannot follow, the others can,
    and none of the others can tell. The same comes of damage to the own key, as here. Who is split off notices it by what
    follows, says so and is let in again."""
    ada, bo, mal = birds
    village.settle()
    damage_path_keys(bo, "birds")
    epoch = line_of(ada, "birds").group.epoch
    mal.do(lambda person, now, fx: person.intend(mal.chat("birds"), "update", [], fx))
    village.settle()
    assert line_of(ada, "birds").group.epoch > epoch
    for n in range(6):
        mal.send("birds", f"who reads {n}?")
        village.settle()
    assert ada.texts("birds") == [f"who reads {n}?" for n in range(6)]
    assert not ada.troubles() + mal.troubles()
    assert bo.troubles()[0] == "split"
    assert "lost" in bo.events("birds")
    village.settle(patience=900_000)
    still_talk(village, [ada, bo, mal], "birds")
