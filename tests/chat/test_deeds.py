"""Edits, deletions, reactions: what each of two people sees, whoever was faster, and whatever comes first."""

from __future__ import annotations

import os
from typing import Any

import pytest

from support.mischief import ignored, post, remove
from support.village import Village, Villager
from whimbrel.chat import composing, content
from whimbrel.chat.attachments import UNWANTED
from whimbrel.chat.composing import Attachment
from whimbrel.chat.content import Disposition, MimiContent, NestedPart, SinglePart
from whimbrel.chat.extensions import Media, Mention, unpack_mentions
from whimbrel.chat.records import MessageRow
from whimbrel.chat.refusal import CannotDo
from whimbrel.crypto.payload import PayloadKind

THUMB, HEART = "\N{THUMBS UP SIGN}", "\N{HEAVY BLACK HEART}\N{VARIATION SELECTOR-16}"


@pytest.fixture
def two(village: Village) -> list[Villager]:
    return village.friends("Ada", "Bo")


def act(who: Villager, deed: str, message: bytes, *how: Any) -> Any:
    """Have somebody do something to a message, as the client has it done."""
    row = who.home.database.message(message)
    assert row is not None
    return who.do(
        lambda person, now, fx: getattr(person.acts, deed)(person.chats[row.chat], row, *how, now, fx)
    )


def said(who: Villager, message: bytes) -> MessageRow | None:
    return who.home.database.message(message)


def text(who: Villager, message: bytes) -> str | None:
    row = said(who, message)
    return row.text if row is not None else None


def reactions(who: Villager, message: bytes) -> list[tuple[str, str]]:
    found = who.home.database.reactions_to([message]).get(message, [])
    return sorted((who.person.name_of(row.sender), row.text) for row in found)


def by_hand(who: Villager, chat: str, value: MimiContent) -> bytes:
    """Put any content into the log with a real membership; its id."""
    body = content.encode(value)
    post(who, chat, PayloadKind.CONTENT, body)
    return composing.id_of(body, who.person.identity.account, who.chat(chat).id)


def salt() -> bytes:
    return os.urandom(16)


# -------------------------------------------------------------------------------------------------- editing


def test_an_edit_shows_at_once_here_and_then_at_the_other(village: Village, two: list[Villager]) -> None:
    ada, bo = two
    id = ada.send("Bo", "at eight")
    village.settle()
    act(ada, "edit", id, "at nine", ())
    assert (text(ada, id), text(bo, id)) == ("at nine", "at eight")
    assert said(ada, id).edit
    village.settle()
    assert text(bo, id) == "at nine"
    assert said(bo, id).edit == said(ada, id).edit
    assert [row.n for row in bo.home.database.search("nine")] == [said(bo, id).n]
    assert bo.home.database.search("eight") == []
    assert ada.person.waiting() == bo.person.waiting() == 0


def test_the_last_of_several_edits_counts_also_when_the_clock_was_set_back(
    village: Village, two: list[Villager]
) -> None:
    ada, bo = two
    id = ada.send("Bo", "one")
    village.settle()
    for words in ("two", "three"):
        act(ada, "edit", id, words, ())
        village.settle()
        village.now -= 3_600_000
    assert text(ada, id) == text(bo, id) == "three"
    assert len(ada.home.database.deeds_to(id)) == len(bo.home.database.deeds_to(id)) == 1


def test_edits_that_wait_become_one(village: Village, two: list[Villager]) -> None:
    ada, bo = two
    id = ada.send("Bo", "one")
    village.settle()
    before = ada.chat("Bo").line.state.seq
    for words in ("two", "three", "four"):
        act(ada, "edit", id, words, ())
    assert act(ada, "edit", id, "four", ()) is None
    village.settle()
    assert ada.chat("Bo").line.state.seq == before + 2, (
        "the first was on its way, the second gave way to the third"
    )
    assert text(bo, id) == "four"


def test_only_ones_own_messages_are_edited_and_not_into_nothing(two: list[Villager]) -> None:
    ada, bo = two
    id = ada.send("Bo", "hello")
    ada.village.settle()
    with pytest.raises(CannotDo, match="Only who wrote"):
        act(bo, "edit", id, "mine now", ())
    with pytest.raises(CannotDo, match="nothing in it"):
        act(ada, "edit", id, "", ())
    with pytest.raises(CannotDo, match="Only who wrote"):
        act(bo, "delete", id)


def test_an_edit_or_deletion_of_somebody_elses_message_changes_nothing(
    village: Village, two: list[Villager]
) -> None:
    ada, bo = two
    id = ada.send("Bo", "as Ada said it")
    village.settle()
    by_hand(bo, "Ada", composing.edit(salt(), id, "as Bo likes it"))
    by_hand(bo, "Ada", composing.delete(salt(), id))
    village.settle()
    assert (text(ada, id), said(ada, id).edit, said(ada, id).deleted) == ("as Ada said it", None, False)
    assert len(ignored(ada)) == 2
    assert ada.home.database.deeds_to(id) == []


def test_deeds_that_come_before_their_message_wait_for_it(village: Village, two: list[Villager]) -> None:
    ada, bo = two
    value = composing.dated(composing.say(salt(), "first words"), village.now)
    body = content.encode(value)
    id = composing.id_of(body, bo.person.identity.account, bo.chat("Ada").id)
    by_hand(bo, "Ada", composing.dated(composing.edit(salt(), id, "second words"), village.now + 1))
    by_hand(bo, "Ada", composing.dated(composing.react(salt(), id, THUMB), village.now))
    village.settle()
    assert said(ada, id) is None
    by_hand(bo, "Ada", value)
    village.settle()
    assert text(ada, id) == "second words"
    assert reactions(ada, id) == [("Bo", THUMB)]


def test_a_strangers_early_edit_does_not_wait_for_a_message_of_another(
    village: Village, two: list[Villager]
) -> None:
    """All in one batch of records: nothing of it is in the store when the message is read."""
    ada, bo = two
    body = content.encode(composing.dated(composing.say(salt(), "mine"), village.now))
    id = composing.id_of(body, ada.person.identity.account, ada.chat("Bo").id)
    by_hand(bo, "Ada", composing.edit(salt(), id, "yours"))
    by_hand(bo, "Ada", composing.delete(salt(), id))
    cy = village.person("Cy")
    assert cy.accept(ada.invite()) == "done"
    ada.do(
        lambda person, now, fx: fx.save()  # Ada has not read what Bo did when she writes
    )
    village.settle()
    assert {row.kind for row in ada.home.database.deeds_to(id)} == {"edit", "delete"}
    by_hand(bo, "Ada", content.decode(body))  # the same bytes by somebody else are another message
    village.settle()
    assert said(ada, id) is None
    assert "mine" in ada.texts("Bo")


def test_edits_name_people_and_keep_the_files(village: Village, two: list[Villager]) -> None:
    ada, bo = two
    photo = a_file("pier.jpg")
    sent = with_file(ada, "Bo", "the pier", photo)
    village.settle()
    account = bo.person.identity.account
    act(ada, "edit", sent, "@Bo the old pier", (Mention(0, 3, account),))
    village.settle()
    row = said(bo, sent)
    assert unpack_mentions(row.mentions) == (Mention(0, 3, account),)
    assert row.mentions_me
    assert [file.name for file in bo.home.database.files_of(sent)] == ["pier.jpg"]
    edit = content.decode(row.edit)
    assert [file.blob for file in composing.attachments_of(edit)] == [photo.blob]
    act(ada, "edit", sent, "", ())
    village.settle()
    assert text(bo, sent) == ""
    assert [file.name for file in bo.home.database.files_of(sent)] == ["pier.jpg"]


def a_file(name: str, **more: Any) -> Attachment:
    return Attachment(b"", os.urandom(32), os.urandom(32), 4, os.urandom(32), name, "image/jpeg", **more)


def with_file(who: Villager, chat: str, words: str, *files: Attachment) -> bytes:
    """Send files whose upload is over at once."""
    from dataclasses import replace

    relay = who.person.relay_for_files(who.chat(chat))
    files = tuple(replace(file, relay=relay) for file in files)
    id = who.do(lambda person, now, fx: person.send(who.chat(chat), words, files, None, now, fx))
    line = who.chat(chat).line
    for file in files:
        who.village.relay.ask(put_of(file, line.state))
        body = who.home.database.facts()["files:" + id.hex()]
        row = next(row for row in who.home.database.files_of(id) if row.blob == file.blob)
        who.do(lambda person, now, fx, row=row, body=body: person.file_is_there(row, body, fx))
    return id


def put_of(file: Attachment, state: Any) -> Any:
    from whimbrel.wire.operations import Put

    data = os.urandom(20)
    return Put(file.blob, state.log, state.write, len(data), 0, data)


# ------------------------------------------------------------------------------------------------- deleting


def test_a_message_deleted_for_everyone_leaves_both_disks(village: Village, two: list[Villager]) -> None:
    ada, bo = two
    photo = a_file("pier.jpg")
    id = with_file(ada, "Bo", "the zeppelin", photo)
    village.settle()
    act(bo, "react", id, THUMB)
    act(ada, "edit", id, "the zeppelin over the pier", ())
    village.settle()
    act(ada, "delete", id)
    assert said(ada, id).deleted
    assert said(ada, id).content, "until it is known that it left, it can come back"
    village.settle()
    for who in (ada, bo):
        row = said(who, id)
        assert (row.deleted, row.text, row.content, row.edit) == (True, "", b"", None)
        assert reactions(who, id) == []
        assert who.home.database.files_of(id) == []
        assert UNWANTED + photo.blob.hex() in who.home.database.facts()
        assert who.home.database.search("zeppelin") == []
    assert bo.chat("Ada").id in [chat.id for chat in bo.home.database.chats() if not chat.unread]


def test_what_comes_after_a_deletion_brings_nothing_back(village: Village, two: list[Villager]) -> None:
    ada, bo = two
    id = ada.send("Bo", "gone soon")
    village.settle()
    act(ada, "delete", id)
    village.settle()
    by_hand(ada, "Bo", composing.dated(composing.edit(salt(), id, "back"), village.now + 10**9))
    by_hand(bo, "Ada", composing.react(salt(), id, THUMB))
    village.settle()
    assert (said(bo, id).deleted, text(bo, id), reactions(ada, id)) == (True, "", [])
    assert bo.home.database.deeds_to(id) == []
    for deed, how in (("edit", ("back", ())), ("delete", ()), ("react", (THUMB,))):
        with pytest.raises(CannotDo, match="deleted"):
            act(ada, deed, id, *how)


def test_a_message_that_waits_and_is_deleted_is_never_sent(village: Village, two: list[Villager]) -> None:
    ada, bo = two
    kept = ada.send("Bo", "kept")
    ada.chat("Bo").line.patience = dict.fromkeys([0], village.now + 30_000)  # the relay is full for a while
    village.settle(patience=0)
    id = ada.send("Bo", "better not")
    waits = [row.message for row in ada.person.chats[said(ada, id).chat].outbox]
    if id in waits and not ada.chat("Bo").is_flying(id):
        act(ada, "delete", id)
        assert said(ada, id) is None
    village.settle()
    assert "better not" not in bo.texts("Ada")
    assert said(bo, kept) is not None


def test_deleted_here_stays_with_the_other_and_does_not_come_back(
    village: Village, two: list[Villager]
) -> None:
    ada, bo = two
    id = ada.send("Bo", "for Bo's eyes")
    village.settle()
    value = content.decode(said(bo, id).content)
    act(bo, "delete_here", id)
    assert said(bo, id) is None
    assert bo.home.database.is_gone(id)
    by_hand(ada, "Bo", value)
    by_hand(ada, "Bo", composing.edit(salt(), id, "once more"))
    village.settle()
    assert said(bo, id) is None
    assert bo.home.database.deeds_to(id) == []
    assert text(ada, id) == "for Bo's eyes"


# ------------------------------------------------------------------------------------------------- reacting


def test_a_person_has_one_reaction_and_can_take_it_back(village: Village, two: list[Villager]) -> None:
    ada, bo = two
    id = ada.send("Bo", "a boat")
    village.settle()
    act(bo, "react", id, THUMB)
    act(ada, "react", id, THUMB)
    assert reactions(bo, id) == [("Bo", THUMB)]
    village.settle()
    assert reactions(ada, id) == reactions(bo, id) == [("Ada", THUMB), ("Bo", THUMB)]
    act(bo, "react", id, HEART)
    village.settle()
    assert reactions(ada, id) == reactions(bo, id) == [("Ada", THUMB), ("Bo", HEART)]
    assert act(bo, "react", id, HEART) is None
    act(bo, "react", id, "")
    assert reactions(bo, id) == [("Ada", THUMB)]
    village.settle()
    assert reactions(ada, id) == reactions(bo, id) == [("Ada", THUMB)]
    assert act(bo, "react", id, "") is None
    assert [row.event for row in ada.rows("Bo", events=True) if row.event] in ([], ["opened"])


def test_a_change_of_mind_before_anything_left_sends_nothing(village: Village, two: list[Villager]) -> None:
    ada, bo = two
    id = ada.send("Bo", "a boat")
    village.settle()
    act(bo, "react", id, THUMB)
    village.settle()
    before = bo.chat("Ada").line.state.seq
    act(bo, "react", id, HEART)
    if not bo.chat("Ada").is_flying(bo.home.database.deeds_to(id)[-1].id):
        assert act(bo, "react", id, THUMB) is None
        village.settle()
        assert bo.chat("Ada").line.state.seq == before
    village.settle()


@pytest.mark.parametrize("words", ["lol", THUMB * 100, "", "\N{RIGHT-TO-LEFT OVERRIDE}" + THUMB, "+1", " "])
def test_what_is_no_emoji_is_no_reaction(village: Village, two: list[Villager], words: str) -> None:
    ada, bo = two
    id = ada.send("Bo", "a boat")
    village.settle()
    act(bo, "react", id, HEART)
    if words:
        with pytest.raises(CannotDo):
            act(bo, "react", id, words)
    part = SinglePart(composing.PLAIN, words.encode())
    body = NestedPart(Disposition.REACTION, "", part)
    by_hand(bo, "Ada", MimiContent(salt(), None, b"", None, id, (("at", 1 << 52),), body))
    village.settle()
    assert reactions(ada, id) == [("Bo", HEART)]


def test_who_may_only_react_cannot_delete_by_calling_it_a_reaction(
    village: Village, two: list[Villager]
) -> None:
    ada, bo = two
    id = bo.send("Ada", "what Bo said")
    village.settle()
    by_hand(bo, "Ada", composing.delete(salt(), id, Disposition.REACTION))
    by_hand(bo, "Ada", composing.delete(salt(), id, Disposition.REACTION, in_reply_to=id))
    village.settle()
    assert (text(ada, id), said(ada, id).deleted) == ("what Bo said", False)


def test_taking_back_by_the_id_of_the_reaction_alone_is_understood(
    village: Village, two: list[Villager]
) -> None:
    """As other programs say it."""
    ada, bo = two
    id = ada.send("Bo", "a boat")
    village.settle()
    reaction = by_hand(bo, "Ada", composing.dated(composing.react(salt(), id, THUMB), village.now))
    village.settle()
    assert reactions(ada, id) == [("Bo", THUMB)]
    gone = composing.delete(salt(), reaction, Disposition.REACTION)
    by_hand(bo, "Ada", composing.dated(gone, village.now + 1))
    village.settle()
    assert reactions(ada, id) == []


# ------------------------------------------------------------------------------------- when it cannot leave


def test_own_deeds_that_never_left_are_taken_back_when_one_is_removed(village: Village) -> None:
    ada, bo, cy = village.friends("Ada", "Bo", "Cy")
    ada.group("birds", "Bo", "Cy")
    village.settle()
    ids = {words: cy.send("birds", words) for words in ("edited", "deleted", "liked")}
    village.settle()
    remove(ada, "birds", cy)
    while ada.step() or bo.step():
        pass
    act(cy, "edit", ids["edited"], "edited away", ())
    act(cy, "delete", ids["deleted"])
    act(cy, "react", ids["liked"], THUMB)
    assert [text(cy, id) for id in ids.values()] == ["edited away", "", "liked"]
    assert reactions(cy, ids["liked"]) == [("Cy", THUMB)]
    village.settle()
    for who in (ada, bo, cy):
        assert [text(who, id) for id in ids.values()] == ["edited", "deleted", "liked"], who.name
        assert not any(said(who, id).deleted or said(who, id).edit for id in ids.values())
        assert reactions(who, ids["liked"]) == []
    with pytest.raises(CannotDo, match="not a member"):
        act(cy, "react", ids["liked"], THUMB)


def test_deeds_of_which_nobody_knows_go_along_when_a_conversation_moves(
    village: Village, two: list[Villager]
) -> None:
    ada, bo = two
    ids = [ada.send("Bo", words) for words in ("one", "two", "three")]
    village.settle()
    village.relay.backup(village.folder / "backup")
    act(ada, "edit", ids[0], "one and a half", ())
    act(ada, "delete", ids[1])
    act(ada, "react", ids[2], HEART)
    while ada.step():  # it is in the log; Bo has not read it
        pass
    assert ada.person.waiting() == 0
    village.relay.restore(village.folder / "backup")
    ada.crash()  # after a start it is asked how far the log goes
    village.settle(patience=3 * 24 * 3_600_000)
    for who in (ada, bo):
        assert [text(who, id) for id in ids] == ["one and a half", "", "three"], who.name
        assert said(who, ids[1]).deleted
        assert reactions(who, ids[2]) == [("Ada", HEART)]


# -------------------------------------------------------------------------------------- what else travels


def test_mentions_media_captions_and_forwarding_travel(village: Village, two: list[Villager]) -> None:
    ada, bo = two
    account, media = bo.person.identity.account, Media(1280, 720, thumbhash=b"t" * 25)
    id = with_file(ada, "Bo", "", a_file("pier.jpg", description="The pier", media=media))
    chat = ada.chat("Bo")
    named = ada.do(
        lambda person, now, fx: person.send(
            chat, "hi @Bo", (), None, now, fx, mentions=[Mention(3, 3, account)], forwarded=True
        )
    )
    village.settle()
    (file,) = bo.home.database.files_of(id)
    assert file.description == "The pier"
    assert file.media == b'{"width":1280,"height":720,"thumbhash":"dHR0dHR0dHR0dHR0dHR0dHR0dHR0dHR0dA=="}'
    row = said(bo, named)
    assert (row.forwarded, row.mentions_me) == (True, True)
    assert unpack_mentions(row.mentions) == (Mention(3, 3, account),)
    assert not said(ada, named).mentions_me


def test_a_message_with_something_of_a_newer_version_says_so(village: Village, two: list[Villager]) -> None:
    ada, bo = two
    poll = NestedPart(Disposition.RENDER, "", SinglePart("application/vnd.whimbrel.poll", b"?"))
    id = by_hand(bo, "Ada", MimiContent(salt(), None, b"", None, None, (), poll))
    village.settle()
    assert (said(ada, id).newer, text(ada, id)) == (True, "")
    by_hand(bo, "Ada", composing.edit(salt(), id, "in words"))
    village.settle()
    assert (said(ada, id).newer, text(ada, id)) == (False, "in words")
