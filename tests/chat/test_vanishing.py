"""Messages that go after a time: whose time runs from when, over restarts, clocks that jump, answers and files."""

from __future__ import annotations

import os
from typing import Any

import pytest

from support.mischief import post
from support.village import Village, Villager
from whimbrel.chat import composing, content
from whimbrel.chat.attachments import UNWANTED, file_row
from whimbrel.chat.composing import Attachment
from whimbrel.chat.content import Expiration
from whimbrel.crypto.payload import PayloadKind

SECOND, MINUTE, DAY = 1_000, 60_000, 24 * 3_600_000
TIMER = 300


@pytest.fixture
def two(village: Village) -> list[Villager]:
    """Two people in whose chat messages vanish five minutes after reading."""
    ada, bo = village.friends("Ada", "Bo")
    ada.do(lambda person, now, fx: person.change_group(ada.chat("Bo"), {"timer": TIMER}, fx))
    village.settle()
    assert ada.chat("Bo").timer == bo.chat("Ada").timer == TIMER
    return [ada, bo]


def reads(who: Villager, chat: str) -> None:
    id, n = who.chat(chat).id, who.rows(chat)[-1].n
    ids = who.home.database.unread_messages(id, n)
    who.do(lambda person, now, fx: person.acts.read_up_to(id, n, ids, now, fx))


def after(village: Village, milliseconds: int) -> None:
    village.now += milliseconds
    for who in village.people.values():
        who.do(lambda person, now, fx: None)


def test_an_own_message_goes_a_time_after_it_was_sent_and_the_others_after_it_was_read(
    village: Village, two: list[Villager]
) -> None:
    ada, bo = two
    id = ada.send("Bo", "not for long")
    assert ada.home.database.message(id).vanishes is None, "it has not left"
    village.settle()
    sent = ada.home.database.message(id)
    assert (sent.expires, sent.vanishes) == (TIMER, pytest.approx(village.now + TIMER * SECOND, abs=MINUTE))
    assert bo.home.database.message(id).vanishes is None, "it was not read"
    assert ada.person.vanishing.next_time() == sent.vanishes
    assert ada.person.next_time() <= sent.vanishes
    after(village, sent.vanishes - village.now - 1)
    assert ada.texts("Bo") == ["not for long"]
    after(village, 1)
    assert ada.texts("Bo") == []
    assert ada.home.database.search("long") == []
    after(village, 30 * DAY)
    assert bo.texts("Ada") == ["not for long"]
    reads(bo, "Ada")
    assert bo.home.database.message(id).vanishes == village.now + TIMER * SECOND
    after(village, TIMER * SECOND - 1)
    assert bo.texts("Ada") == ["not for long"]
    after(village, 1)
    assert bo.texts("Ada") == []


def test_reading_it_again_gives_it_no_more_time(village: Village, two: list[Villager]) -> None:
    ada, bo = two
    ada.send("Bo", "once")
    village.settle()
    reads(bo, "Ada")
    after(village, 200 * SECOND)
    ada.send("Bo", "twice")
    village.settle(patience=SECOND)
    reads(bo, "Ada")
    after(village, 100 * SECOND)
    assert bo.texts("Ada") == ["twice"]


def test_the_time_goes_on_while_the_program_does_not_run(village: Village, two: list[Villager]) -> None:
    ada, bo = two
    ada.send("Bo", "hello")
    village.settle()
    reads(bo, "Ada")
    village.now += DAY
    bo.crash()
    assert bo.texts("Ada") == ["hello"]
    assert bo.person.next_time() < village.now
    bo.do(lambda person, now, fx: None)
    assert bo.texts("Ada") == []
    assert bo.home.database.next_vanishing() is None


@pytest.mark.parametrize("restart", [False, True])
def test_a_clock_that_is_set_back_keeps_nothing_longer_than_it_was_given(
    village: Village, two: list[Villager], restart: bool
) -> None:
    ada, bo = two
    ada.send("Bo", "hello")
    village.settle()
    village.now += 1000 * DAY  # the clock was wrong when it was read
    reads(bo, "Ada")
    village.now -= 1000 * DAY
    if restart:
        bo.crash()
    bo.do(lambda person, now, fx: None)
    assert bo.home.database.next_vanishing() == village.now + TIMER * SECOND
    after(village, TIMER * SECOND)
    assert bo.texts("Ada") == []


def test_what_vanished_stays_away_and_answers_to_it_stay(village: Village, two: list[Villager]) -> None:
    ada, bo = two
    id = ada.send("Bo", "the first")
    village.settle()
    value = content.decode(bo.home.database.message(id).content)
    reads(bo, "Ada")
    after(village, 200 * SECOND)
    answer = bo.do(lambda person, now, fx: person.send(bo.chat("Ada"), "the answer", [], id, now, fx))
    bo.do(
        lambda person, now, fx: person.acts.react(
            bo.chat("Ada"), bo.home.database.message(id), "\N{THUMBS UP SIGN}", now, fx
        )
    )
    village.settle(patience=SECOND)
    after(village, 100 * SECOND)
    assert bo.texts("Ada") == ["the answer"]
    assert bo.home.database.message(answer).reply_to == id
    assert bo.home.database.deeds_to(id) == []
    assert bo.home.database.receipts_of(id) == []
    post(ada, "Bo", PayloadKind.CONTENT, content.encode(value))
    village.settle(patience=SECOND)
    assert bo.texts("Ada") == ["the answer"]
    bo.village.now += 401 * DAY
    bo.do(lambda person, now, fx: None)
    assert not bo.home.database.is_gone(id), "by then nobody offers it any more"


def test_a_file_goes_with_its_message_unless_another_one_names_it(
    village: Village, two: list[Villager]
) -> None:
    ada, bo = two
    id, other = ada.send("Bo", "one"), ada.send("Bo", "two")
    village.settle()
    shared, own = (Attachment(b"r" * 32, os.urandom(32), b"k" * 32, 1, b"h" * 32, "a", "b") for _ in range(2))
    chat = bo.chat("Ada").id
    bo.home.database.commit(
        [
            file_row(id, chat, 0, shared, "here"),
            file_row(id, chat, 1, own, "here"),
            file_row(other, chat, 0, shared, "here"),
        ]
    )
    bo.home.database._connection.execute("UPDATE messages SET vanishes = 5 WHERE id = ?", (id,))
    bo.do(lambda person, now, fx: None)
    assert bo.home.database.message(id) is None
    unwanted = {name for name in bo.home.database.facts() if name.startswith(UNWANTED)}
    assert unwanted == {UNWANTED + file.blob.hex() for file in (shared, own)}
    assert bo.home.database.messages_with(shared.blob) == [other]
    assert bo.home.database.messages_with(own.blob) == []


@pytest.mark.parametrize(
    ("expires", "stays"),
    [
        (Expiration(True, 0), True),
        (Expiration(False, 5), False),
        (Expiration(True, (1 << 32) - 1), True),
        (Expiration(False, (1 << 32) - 1), True),
    ],
)
def test_times_that_others_choose_are_taken_as_the_standard_has_them(
    village: Village, two: list[Villager], expires: Expiration, stays: bool
) -> None:
    ada, bo = two
    value = composing.say(os.urandom(16), "as they like", expires=expires)
    post(ada, "Bo", PayloadKind.CONTENT, content.encode(composing.dated(value, village.now)))
    village.settle()
    if stays:
        reads(bo, "Ada")
    after(village, DAY)
    assert (bo.texts("Ada") == ["as they like"]) is stays


def test_a_new_timer_is_for_messages_that_are_sent_from_then_on(
    village: Village, two: list[Villager]
) -> None:
    ada, bo = two
    ada.send("Bo", "short")
    village.settle()
    bo.do(lambda person, now, fx: person.change_group(bo.chat("Ada"), {"timer": 0}, fx))
    village.settle()
    ada.send("Bo", "for good")
    village.settle()
    reads(bo, "Ada")
    after(village, DAY)
    assert ada.texts("Bo") == bo.texts("Ada") == ["for good"]
    events: list[Any] = [row for row in bo.rows("Ada", events=True) if row.event == "timer"]
    assert len(events) == 2, "what happened is not a message, and stays"


def test_the_place_of_a_deleted_message_goes_as_well(village: Village, two: list[Villager]) -> None:
    ada, bo = two
    id = ada.send("Bo", "regretted")
    village.settle(patience=SECOND)
    ada.do(lambda person, now, fx: person.acts.delete(ada.chat("Bo"), ada.home.database.message(id), now, fx))
    village.settle(patience=SECOND)
    assert bo.home.database.message(id).deleted
    after(village, (TIMER + 5) * SECOND)
    assert ada.home.database.message(id) is bo.home.database.message(id) is None


def test_many_go_at_once(village: Village, two: list[Villager]) -> None:
    ada, bo = two
    for n in range(450):
        ada.send("Bo", f"message {n}")
    village.settle()
    reads(bo, "Ada")
    village.now += DAY
    for _ in range(3):
        bo.do(lambda person, now, fx: None)
    assert bo.texts("Ada") == []


def test_notes_to_oneself_are_written_and_vanish_like_others(village: Village) -> None:
    ada = village.person("Ada")
    chat = ada.do(lambda person, now, fx: person.note_to_self(now, fx))
    village.settle()
    assert ada.do(lambda person, now, fx: person.note_to_self(now, fx)) is chat
    assert (chat.kind, chat.accounts()) == ("self", [ada.person.identity.account])
    id = ada.send(chat.name, "the key is under the third stone")
    village.settle()
    assert ada.home.database.message(id).state == "sent"
    ada.crash()
    chat = ada.chat(chat.name)
    assert chat.kind == "self"
    ada.do(lambda person, now, fx: person.acts.react(chat, ada.home.database.message(id), "\N{KEY}", now, fx))
    ada.do(lambda person, now, fx: person.change_group(chat, {"timer": TIMER}, fx))
    village.settle()
    ada.send(chat.name, "gone soon")
    village.settle()
    after(village, DAY)
    assert ada.texts(chat.name) == ["the key is under the third stone"]
    assert not ada.troubles()


def test_notes_to_oneself_go_on_elsewhere_when_the_relay_lost_them(village: Village) -> None:
    ada = village.person("Ada")
    chat = ada.do(lambda person, now, fx: person.note_to_self(now, fx))
    village.settle()
    village.relay.backup(village.folder / "backup")
    ada.send(chat.name, "before")
    village.settle()
    village.relay.restore(village.folder / "backup")
    ada.crash()
    village.settle(patience=DAY)
    ada.send(chat.name, "after")
    village.settle()
    assert [(row.text, row.state) for row in ada.rows(chat.name)] == [("before", "sent"), ("after", "sent")]
    assert ada.chat(chat.name).kind == "self"
    assert "moved" in ada.events(chat.name)
