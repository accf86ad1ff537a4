"""People and relays that do not keep to the rules: nothing is lost, nothing breaks, and it is said."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import Any

import cbor2
import pytest

from support.mischief import (
    append,
    big,
    commit,
    entry,
    ignored,
    line_of,
    post,
    promote,
    remove,
    sealed_post,
    signed_change,
)
from support.village import Village, Villager
from whimbrel.chat import composing, content
from whimbrel.chat.composing import Attachment
from whimbrel.chat.line_state import Standing
from whimbrel.chat.receipts_report import MessageStatus, encode_report
from whimbrel.crypto.leaf import Roles, encode_roles
from whimbrel.crypto.payload import PayloadKind, encode_key_packages
from whimbrel.wire import codec
from whimbrel.wire.answers import Appended, Failure, Status
from whimbrel.wire.operations import Alter, Change, EntryKind, Get, Grant, Pointer
from whimbrel.wire.purpose import token_hash


@pytest.fixture
def birds(village: Village) -> tuple[Villager, Villager, Villager]:
    """Ada's group, in which Bo is a member and Mal is one, too."""
    ada, bo, mal = village.friends("Ada", "Bo", "Mal")
    ada.group("birds", "Bo", "Mal")
    village.settle()
    return ada, bo, mal


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


def said(text: str, **more: Any) -> bytes:
    return content.encode(composing.say(os.urandom(16), text, **more))


# ---------------------------------------------------------------------------------------------- entries


def test_entries_of_garbage_are_skipped_by_all(village: Village, birds: Any) -> None:
    ada, bo, mal = birds
    for kind in (EntryKind.MLS, EntryKind.SEALED, 9):
        append(mal, "birds", entry(os.urandom(300), kind))
    village.settle()
    assert len(ignored(ada)) == len(ignored(bo))
    assert len(ignored(ada)) >= 3
    assert not ada.troubles()
    assert not bo.troubles()
    still_talk(village, [ada, bo, mal], "birds")


def test_payloads_of_garbage_and_of_unknown_kinds_are_skipped(village: Village, birds: Any) -> None:
    ada, bo, mal = birds
    for kind in (*PayloadKind, 8, 65535):
        if kind != PayloadKind.LEFT:
            for body in (b"", b"\x80", os.urandom(200), cbor2.dumps([1] * 50)):
                post(mal, "birds", kind, body)
    raw = line_of(mal, "birds").group.encrypt(b"not even padded")
    mal.do(lambda person, now, fx: None)
    append(mal, "birds", entry(raw))
    village.settle()
    assert not ada.troubles()
    assert not ada.texts("birds")
    assert "no payload" in ignored(ada)
    still_talk(village, [ada, bo, mal], "birds")


def test_an_entry_that_was_posted_again_is_no_second_message(village: Village, birds: Any) -> None:
    ada, bo, mal = birds
    sealed = sealed_post(mal, "birds", PayloadKind.CONTENT, said("once"))
    for _ in range(3):
        append(mal, "birds", entry(sealed))
    village.settle()
    assert ada.texts("birds") == bo.texts("birds") == ["once"]
    still_talk(village, [ada, bo, mal], "birds")


def test_a_post_of_one_group_is_none_in_another(village: Village, birds: Any) -> None:
    ada, _bo, mal = birds
    mal.group("nest", "Ada", "Bo")
    village.settle()
    append(mal, "nest", entry(sealed_post(mal, "birds", PayloadKind.CONTENT, said("elsewhere"))))
    village.settle()
    assert ada.texts("nest") == ada.texts("birds") == []


def test_own_tags_of_others_cannot_be_used_against_them(village: Village, birds: Any) -> None:
    ada, bo, mal = birds
    ada.send("birds", "one"), ada.send("birds", "two")
    village.settle()
    state = line_of(ada, "birds").state
    for count in range(state.sent):
        append(mal, "birds", entry(os.urandom(300), tag=line_of(ada, "birds").own_tag(count)))
    village.settle()
    assert not ada.troubles()
    still_talk(village, [ada, bo, mal], "birds")


# ---------------------------------------------------------------------------------------------- pointers


def test_the_relay_takes_no_pointer_without_its_blob(village: Village, birds: Any) -> None:
    ada, bo, mal = birds
    there = big(mal, "birds", os.urandom(300))
    nobody = Pointer(os.urandom(32), 100, os.urandom(32))
    for body, needs, why in (
        (os.urandom(300), (), Status.MALFORMED),
        (os.urandom(300), (there.blob,), Status.MALFORMED),
        (codec.encode_pointer(there), (), Status.MALFORMED),
        (codec.encode_pointer(nobody), (there.blob,), Status.MALFORMED),
        (codec.encode_pointer(nobody), (nobody.blob,), Status.MISSING),
    ):
        for advance in (False, True):
            answer = append(mal, "birds", entry(body, EntryKind.POINTER), needs=needs, advance=advance)
            assert isinstance(answer, Failure)
            assert answer.status is why
    village.settle()
    assert not ignored(ada)
    still_talk(village, [ada, bo, mal], "birds")


def test_pointers_to_blobs_that_are_not_what_they_say_are_skipped(village: Village, birds: Any) -> None:
    ada, bo, mal = birds
    sealed = sealed_post(mal, "birds", PayloadKind.CONTENT, said("in a blob"))
    right = big(mal, "birds", sealed)
    wrong = [
        replace(right, size=right.size + 1),
        replace(right, size=1),
        replace(right, hash=os.urandom(32)),
        replace(right, size=(1 << 63) - 1),
        replace(right, size=2 * 1024**3),
    ]
    for pointer in [*wrong, right]:
        append(mal, "birds", entry(codec.encode_pointer(pointer), EntryKind.POINTER), needs=(pointer.blob,))
    village.settle()
    assert ada.texts("birds") == bo.texts("birds") == ["in a blob"]
    assert len(ignored(ada)) == len(wrong)
    assert not ada.troubles()
    still_talk(village, [ada, bo, mal], "birds")


def test_a_pointer_to_something_enormous_is_not_fetched(village: Village, birds: Any) -> None:
    ada, bo, mal = birds
    gets = []
    real = village.relay.ask
    village.relay.ask = lambda operation: gets.append(operation) or real(operation)  # type: ignore[method-assign]
    pointer = replace(big(mal, "birds", os.urandom(300)), size=1 << 40)
    answer = append(
        mal, "birds", entry(codec.encode_pointer(pointer), EntryKind.POINTER), needs=(pointer.blob,)
    )
    assert isinstance(answer, Appended)
    village.settle()
    assert not [one for one in gets if isinstance(one, Get) and one.blob == pointer.blob]
    still_talk(village, [ada, bo, mal], "birds")


def test_blobs_of_two_pointers_are_not_taken_for_each_other(village: Village, birds: Any) -> None:
    ada, bo, mal = birds
    ada.crash()
    pointers = []
    for n in range(2):
        sealed = sealed_post(mal, "birds", PayloadKind.CONTENT, said(f"{n}" * 80_000))
        pointers.append(big(mal, "birds", sealed))
    pointing = [entry(codec.encode_pointer(pointer), EntryKind.POINTER) for pointer in pointers]
    append(mal, "birds", pointing[0], needs=(pointers[0].blob,))
    for _ in range(200):  # the relay pushes while the blob is on its way
        ada.step()
        if line_of(ada, "birds").wants is not None:
            break
    append(mal, "birds", pointing[1], needs=(pointers[1].blob,))
    post(mal, "birds", PayloadKind.CONTENT, said("last"))
    watching = next(w for w in ada.person.watching() if w.log == line_of(ada, "birds").state.log)
    from whimbrel.wire.operations import Fetch

    what = village.relay.ask(Fetch(watching.log, watching.read, watching.after))
    for _ in range(3):
        ada.do(lambda person, now, fx: person.records(watching.relay, watching.log, what, now, fx))
    village.settle()
    assert [len(text) for text in ada.texts("birds")] == [80_000, 80_000, 4]
    still_talk(village, [ada, bo, mal], "birds")


# ---------------------------------------------------------------------------------------------- messages


def test_only_the_own_messages_can_be_edited_and_deleted(village: Village, birds: Any) -> None:
    ada, bo, mal = birds
    id = ada.send("birds", "mine")
    ada.send("Mal", "between us")
    village.settle()
    private = ada.rows("Mal")[-1].id
    for target in (id, private, os.urandom(32)):
        post(
            mal,
            "birds",
            PayloadKind.CONTENT,
            content.encode(composing.edit(os.urandom(16), target, "hacked")),
        )
        post(mal, "birds", PayloadKind.CONTENT, content.encode(composing.delete(os.urandom(16), target)))
    village.settle()
    assert ada.texts("birds") == bo.texts("birds") == ["mine"]
    assert ada.texts("Mal") == ["between us"]


def test_what_happened_cannot_be_edited(village: Village, birds: Any) -> None:
    ada, _bo, mal = birds
    promote(ada, "birds", mal)
    village.settle()
    mal.do(
        lambda person, now, fx: person.intend(mal.chat("birds"), "roles", ["set", [["name", "words"]]], fx)
    )
    village.settle()
    events = [row for row in ada.rows("words", True) if row.event == "renamed"]
    assert [row.sender for row in events] == [mal.person.identity.account]
    edit = composing.edit(os.urandom(16), events[0].id, "never happened")
    post(mal, "words", PayloadKind.CONTENT, content.encode(edit))
    village.settle()
    assert [row for row in ada.rows("words", True) if row.event == "renamed"] == events


def test_an_edit_that_is_read_together_with_its_message_counts(village: Village, birds: Any) -> None:
    ada, bo, mal = birds
    first = said("frist")
    id = composing.id_of(first, mal.person.identity.account, mal.chat("birds").id)
    one = entry(sealed_post(mal, "birds", PayloadKind.CONTENT, first))
    edit = content.encode(composing.edit(os.urandom(16), id, "first"))
    two = entry(sealed_post(mal, "birds", PayloadKind.CONTENT, edit))
    append(mal, "birds", one, two)
    village.settle()
    assert ada.texts("birds") == bo.texts("birds") == ["first"]


def test_receipts_count_for_own_messages_of_this_chat_only(village: Village, birds: Any) -> None:
    ada, bo, mal = birds
    private = ada.send("Bo", "for Bo")
    village.settle()
    assert [row.state for row in ada.rows("Bo")] == ["delivered"]
    bos = bo.send("birds", "of Bo")
    village.settle()
    ids = [(private, MessageStatus.READ), (bos, MessageStatus.READ), (os.urandom(32), 2), (bos, 77)]
    post(mal, "birds", PayloadKind.RECEIPTS, encode_report(ids))
    village.settle()
    assert [row.state for row in ada.rows("Bo")] == ["delivered"]
    assert [row.state for row in ada.rows("birds")] == ["delivered"]


def test_a_file_that_is_here_stays_here_when_its_message_comes_again(village: Village, birds: Any) -> None:
    ada, _bo, mal = birds
    file = Attachment(
        village.relay.identity, os.urandom(32), os.urandom(32), 5, os.urandom(32), "a.txt", "text/plain"
    )
    body = said("look", attachments=[file])
    post(mal, "birds", PayloadKind.CONTENT, body)
    village.settle()
    row = ada.rows("birds")[-1]
    here = next(iter(ada.home.database.files_of(row.id)))
    ada.do(lambda person, now, fx: person.file_is_here(here, fx))
    post(mal, "birds", PayloadKind.CONTENT, body)
    village.settle()
    assert [file.state for file in ada.home.database.files_of(row.id)] == ["here"]


def test_files_of_odd_sizes_and_names_do_no_harm(village: Village, birds: Any) -> None:
    ada, bo, mal = birds
    file = Attachment(village.relay.identity, os.urandom(32), os.urandom(32), 5, os.urandom(32), "a", "b")
    for odd in (
        replace(file, size=0),
        replace(file, size=(1 << 64) - 1),
        replace(file, size=1 << 63),
        replace(file, name="../../etc/passwd\x00\u202e"),
        replace(file, name="x" * 60_000),
        replace(file, type="t" * 60_000),
    ):
        post(mal, "birds", PayloadKind.CONTENT, said("odd", attachments=[odd]))
    dated = content.encode(composing.dated(composing.say(os.urandom(16), "old"), 1))
    post(mal, "birds", PayloadKind.CONTENT, dated)
    future = content.encode(composing.dated(composing.say(os.urandom(16), "new"), (1 << 53) - 1))
    post(mal, "birds", PayloadKind.CONTENT, future)
    village.settle()
    assert len(ada.texts("birds")) == 8
    assert ada.rows("birds")[-1].at <= village.now
    still_talk(village, [ada, bo, mal], "birds")


def test_thousands_of_messages_at_once_get_their_receipts(village: Village) -> None:
    _ada, bo = village.friends("Ada", "Bo")
    line = line_of(bo, "Ada")
    chat = bo.chat("Ada")
    from whimbrel.chat.receipts_report import decode_report

    ids = [os.urandom(32) for _ in range(10_000)]
    bo.do(lambda person, now, fx: chat.receipts(ids, MessageStatus.DELIVERED, now, fx))
    told = [id for row in chat.outbox if row.kind == "receipts" for id, _ in decode_report(row.body)]
    assert told == ids
    assert line.state.standing is Standing.OPEN


def test_key_packages_of_somebody_else_are_not_used_for_a_contact(village: Village, birds: Any) -> None:
    ada, bo, mal = birds
    stolen = bo.do(lambda person, now, fx: person.inbox.key_package(now, fx))
    post(
        mal, "Ada", PayloadKind.KEY_PACKAGES, encode_key_packages([stolen, os.urandom(3000), b"\x00" * 9] * 2)
    )
    village.settle()
    ada.group("two", "Mal")
    village.settle()
    assert [ada.person.name_of(a) for a in ada.chat("two").accounts()] == ["Ada", "Mal"]
    ada.send("two", "hello")
    village.settle()
    assert mal.texts("two") == ["hello"]


def test_a_pair_is_called_what_the_contact_is_called(village: Village) -> None:
    ada, _bo, mal = village.friends("Ada", "Bo", "Mal")
    roles = line_of(mal, "Ada").roles
    mal.do(lambda person, now, fx: person.intend(mal.chat("Ada"), "roles", ["set", [["name", "Bo"]]], fx))
    village.settle()
    assert [news["why"] for news in mal.news if news["event"] == "refused"], (
        "not even our own program does it"
    )
    body, _ = commit(mal, "Ada", roles=encode_roles(replace(roles, name="Bo")))
    append(mal, "Ada", entry(body), advance=True)
    village.settle()
    assert line_of(ada, "Mal").roles == roles
    assert ignored(ada) == ["a conversation of two with a name, a picture, or rights"]
    assert sorted(chat.name for chat in ada.person.chats.values()) == ["Bo", "Mal"]


# ---------------------------------------------------------------------------------------------- commits


def test_commits_of_a_member_who_is_no_admin_change_nothing(village: Village, birds: Any) -> None:
    ada, bo, mal = birds
    ed = village.person("Ed")
    assert mal.accept(ed.invite()) == "done"
    joiner, _ = mal.contact("Ed").joiner(village.now)
    victim = next(m.index for m in line_of(mal, "birds").members if m.account == bo.person.identity.account)
    own = Roles((mal.person.identity.account,), name="birds")
    for wish in (
        {"adds": [joiner.key_package]},
        {"removes": [victim]},
        {"roles": encode_roles(own)},
        {"roles": b"nonsense"},
        {"roles": b""},
    ):
        body, _ = commit(mal, "birds", **wish)
        append(mal, "birds", entry(body), advance=True)
        village.settle()
    epoch = {line_of(one, "birds").group.epoch for one in birds}
    assert len(epoch) == 1
    assert ada.chat("birds").accounts() == bo.chat("birds").accounts()
    assert len(ada.chat("birds").accounts()) == 3
    assert not ada.troubles()
    still_talk(village, [ada, bo, mal], "birds")


def test_a_valid_commit_that_does_not_advance_the_turn_is_ignored_by_all(
    village: Village, birds: Any
) -> None:
    ada, bo, mal = birds
    body, _ = commit(mal, "birds", update=True)
    append(mal, "birds", entry(body))
    village.settle()
    assert any("advance" in why for why in ignored(ada))
    assert not ada.troubles()
    still_talk(village, [ada, bo, mal], "birds")


def test_posts_that_advance_the_turn_only_use_it_up(village: Village, birds: Any) -> None:
    ada, bo, mal = birds
    ada.send("birds", "in between")
    append(mal, "birds", entry(sealed_post(mal, "birds", PayloadKind.CONTENT, said("advance"))), advance=True)
    village.settle()
    append(mal, "birds", entry(os.urandom(300)), advance=True)
    village.settle()
    assert sorted(bo.texts("birds")) == ["advance", "in between"]
    still_talk(village, [ada, bo, mal], "birds")


def test_a_removal_without_its_change_is_told(village: Village, birds: Any) -> None:
    ada, bo, mal = birds
    promote(ada, "birds", mal)
    village.settle()
    victim = next(m.index for m in line_of(mal, "birds").members if m.account == bo.person.identity.account)
    body, _ = commit(mal, "birds", removes=[victim])
    append(mal, "birds", entry(body), advance=True)
    del village.people["Mal"]  # who is an admin, and could let Bo in again
    mal.home.close()
    village.settle()
    assert "change" in ada.troubles()
    assert "removed" in bo.events("birds")
    assert bo.chat("birds").line is None


@pytest.mark.parametrize("how", ["a change beside an entry", "a change alone"])
def test_an_admin_who_changes_locks_beside_the_group_cannot_keep_others_from_removing_them(
    village: Village, birds: Any, how: str
) -> None:
    ada, bo, mal = birds
    promote(ada, "birds", mal)
    village.settle()
    state = line_of(mal, "birds").state
    change = signed_change(mal, "birds", Change(state.n + 1, grants=(Grant(os.urandom(32), 5, 5000),)))
    if how == "a change alone":
        answer = village.relay.ask(Alter(state.log, change))
    else:
        answer = append(mal, "birds", entry(os.urandom(300)), change=change)
    assert not isinstance(answer, Failure)
    village.settle()
    remove(ada, "birds", mal)
    village.settle(patience=200_000)
    assert len(ada.chat("birds").accounts()) == 2
    assert line_of(ada, "birds").state.standing is Standing.OPEN
    still_talk(village, [ada, bo], "birds")


def test_an_admin_who_locks_everybody_out_is_told_and_the_conversation_moves_without_a_storm(
    village: Village, birds: Any
) -> None:
    ada, bo, mal = birds
    promote(ada, "birds", mal)
    village.settle()
    state = line_of(mal, "birds").state
    locks = Change(state.n + 1, token_hash(os.urandom(32)), token_hash(os.urandom(32)))
    village.relay.ask(Alter(state.log, signed_change(mal, "birds", locks)))
    bo.send("birds", "let me through")
    before = village.relay.appends
    village.settle(steps=3_000, patience=100_000)
    assert village.relay.appends - before < 20
    assert bo.troubles()
    # An admin who is left with nothing to write to moves the conversation; nothing of it is lost.
    village.settle(patience=900_000)
    assert ada.texts("birds") == ["let me through"]
    assert village.relay.appends - before < 60


def test_somebody_who_was_removed_writes_no_more(village: Village, birds: Any) -> None:
    ada, bo, mal = birds
    write, turn = line_of(mal, "birds").state.write, line_of(mal, "birds").state.turn
    late = sealed_post(mal, "birds", PayloadKind.CONTENT, said("late"))
    log = line_of(mal, "birds").state.log
    remove(ada, "birds", mal)
    village.settle()
    from whimbrel.wire.operations import Append

    for at in (turn, turn + 1):
        answer = village.relay.ask(Append(log, write, at, (entry(late),)))
        assert isinstance(answer, Failure)
        assert answer.status is Status.WRONG_TURN
    # Even with the token, from somebody inside, what was made in the old epoch says nothing.
    answer = append(bo, "birds", entry(late))
    assert isinstance(answer, Appended)
    village.settle()
    assert "late" not in ada.texts("birds") + bo.texts("birds")
    still_talk(village, [ada, bo], "birds")


def test_an_intention_that_cannot_be_is_refused_and_blocks_nothing(village: Village, birds: Any) -> None:
    ada, bo, mal = birds
    me = ada.person.identity.account
    for kind, value in (
        ("remove", [me]),
        ("remove", [me, bo.person.identity.account]),
        ("roles", ["set", [["name", "x" * 5000]]]),
        ("roles", ["set", [["name", "\u202e"]]]),
        ("roles", ["demote", me]),
    ):
        ada.do(
            lambda person, now, fx, kind=kind, value=value: person.intend(ada.chat("birds"), kind, value, fx)
        )
        village.settle()
    assert not ada.chat("birds").outbox
    assert [news for news in ada.news if news["event"] == "refused"]
    still_talk(village, [ada, bo, mal], "birds")


def test_an_admin_with_the_log_key_of_another_breaks_no_change(village: Village, birds: Any) -> None:
    ada, bo, mal = birds
    key = next(
        m.leaf.log_key for m in line_of(mal, "birds").members if m.account == ada.person.identity.account
    )
    copied = mal.person.identity.leaf(
        key, (mal.person.inbox._reach(mal.person.inbox.grant(5, 5000)),), village.now
    )
    group = line_of(mal, "birds").group
    body, _ = group.commit([], [], None, True, copied)
    append(mal, "birds", entry(body), advance=True)
    group.clear_pending()
    for one in (ada, bo):
        while one.step():
            pass
    promote(ada, "birds", mal)
    for _ in range(50):
        ada.step(), bo.step()
    remove(ada, "birds", mal)
    for _ in range(50):
        ada.step(), bo.step()
    assert len(ada.chat("birds").accounts()) == len(bo.chat("birds").accounts()) == 2
    still_talk(village, [ada, bo], "birds")
