"""Two people: an invite, a chat, receipts, and what happens when things break in between."""

from __future__ import annotations

import random
import shutil
from dataclasses import replace

import pytest

from support.village import Village
from whimbrel.chat.line_state import Standing
from whimbrel.crypto.accounts import pair_id
from whimbrel.wire import codec
from whimbrel.wire.answers import Failure, Fetched, Head, Status
from whimbrel.wire.operations import Append, Create, Fetch
from whimbrel.wire.texts import parse_invite


def test_an_invite_makes_a_chat_in_which_both_can_write(village: Village) -> None:
    ada, bo = village.person("Ada"), village.person("Bo")
    assert bo.accept(ada.invite()) == "done"
    ada.send("Bo", "are you there?")
    bo.send("Ada", "yes")
    village.settle()
    assert ada.texts("Bo") == ["are you there?", "yes"] or ada.texts("Bo") == ["yes", "are you there?"]
    assert sorted(bo.texts("Ada")) == sorted(ada.texts("Bo"))
    assert ada.chat("Bo").id == bo.chat("Ada").id
    assert ada.news
    assert not ada.troubles()
    assert not bo.troubles()


def test_who_opened_an_invite_writes_before_the_log_was_read(village: Village) -> None:
    """The claim's answer says where the log ends. Where connections are few, reading it first would cost one."""
    ada, bo = village.person("Ada"), village.person("Bo")
    invite = ada.invite()
    bo.do(lambda person, now, fx: person.doors.accept(invite, "", now, fx))
    while bo.asks:
        ask = bo.asks.pop(0)
        answer = village.relays[ask.relay].ask(ask.operation)
        bo.do(lambda person, now, fx, ask=ask, answer=answer: person.answer(ask.tag, answer, now, fx))
        if bo.person.chats and bo.chat("Ada").line.state.standing is Standing.OPEN:
            break
    bo.asks.clear()
    bo.send("Ada", "hello")
    log = bo.chat("Ada").line.state.log
    assert [
        a.operation.log for a in bo.asks if isinstance(a.operation, Append) and not a.operation.advance
    ] == [log]


def test_a_message_becomes_sent_then_delivered(village: Village) -> None:
    ada, bo = village.friends("Ada", "Bo")
    ada.send("Bo", "hello")
    assert [row.state for row in ada.rows("Bo")] == ["queued"]
    village.settle()
    assert [row.state for row in ada.rows("Bo")] == ["delivered"]
    assert [row.state for row in bo.rows("Ada")] == ["delivered"]


def test_who_opens_an_invite_later_is_told_that_it_was_opened_already(village: Village) -> None:
    ada, bo, cy = village.person("Ada"), village.person("Bo"), village.person("Cy")
    invite = ada.invite()
    assert bo.accept(invite) == "done"
    assert cy.accept(invite) == "used"
    assert not cy.person.chats
    assert [c.name for c in ada.person.contacts.values()] == ["Bo"]


def test_both_open_each_others_invites_and_have_one_chat(village: Village) -> None:
    ada, bo = village.person("Ada"), village.person("Bo")
    for_bo, for_ada = ada.invite(), bo.invite()
    ada.do(lambda person, now, fx: person.doors.accept(for_ada, "", now, fx))
    bo.do(lambda person, now, fx: person.doors.accept(for_bo, "", now, fx))
    village.settle()
    ada.send("Bo", "one"), bo.send("Ada", "two")
    village.settle()
    assert len(ada.person.chats) == len(bo.person.chats) == 1
    assert ada.chat("Bo").line.state.log == bo.chat("Ada").line.state.log
    assert sorted(ada.texts("Bo")) == sorted(bo.texts("Ada")) == ["one", "two"]


def test_an_open_invite_leads_to_a_request_that_is_accepted(village: Village) -> None:
    ada, bo, cy = village.person("Ada"), village.person("Bo"), village.person("Cy")
    invite = ada.do(lambda person, now, fx: person.doors.invites.make_open(now, fx))
    village.settle()
    assert (bo.accept(invite), cy.accept(invite)) == ("asked", "asked")
    assert sorted((c.name, c.standing) for c in ada.person.contacts.values()) == [
        ("Bo", "asking"),
        ("Cy", "asking"),
    ]
    request = ada.contact("Bo")
    id = pair_id(ada.person.identity.account, request.account)
    ada.do(lambda person, now, fx: person.make_pair(replace(request, standing="contact"), id, now, fx))
    village.settle()
    ada.send("Bo", "come in")
    village.settle()
    assert bo.texts("Ada") == ["come in"]
    assert bo.contact("Ada").standing == "contact"
    assert not cy.person.chats


def test_a_text_of_a_megabyte_of_combining_characters_arrives(village: Village) -> None:
    ada, bo = village.friends("Ada", "Bo")
    text = "a" + "\u0301" * 400_000
    ada.send("Bo", text)
    ada.send("Bo", "after it")
    village.settle()
    assert bo.texts("Ada") == [text, "after it"]


def test_what_is_sent_before_the_other_is_there_waits_and_keeps_its_order(village: Village) -> None:
    ada, bo = village.person("Ada"), village.person("Bo")
    invite = ada.invite()
    bo.do(lambda person, now, fx: person.doors.accept(invite, "", now, fx))
    while not bo.person.chats:
        bo.step()
    for n in range(200):
        bo.send("Ada", f"{n}")
    village.settle()
    assert ada.texts("Bo") == [str(n) for n in range(200)]
    assert village.relay.appends < 100, "posts that wait go together"


@pytest.mark.parametrize("seed", range(12))
def test_nothing_is_lost_or_doubled_when_answers_are_lost_and_both_crash(village: Village, seed: int) -> None:
    ada, bo = village.friends("Ada", "Bo")
    chance = random.Random(seed)
    sent = {"Ada": [], "Bo": []}
    for n in range(60):
        one, to = (ada, "Bo") if chance.random() < 0.5 else (bo, "Ada")
        one.send(to, f"{one.name} {n}")
        sent[one.name].append(f"{one.name} {n}")
        for _ in range(chance.randrange(4)):
            who = chance.choice((ada, bo))
            who.step(lose=lambda ask: chance.random() < 0.3)
            if chance.random() < 0.15:
                who.crash()
    ada.crash(), bo.crash()
    village.settle()
    for one, to in ((ada, "Bo"), (bo, "Ada")):
        texts = one.texts(to)
        assert sorted(texts) == sorted(sent["Ada"] + sent["Bo"])
        other = [text for text in texts if text.startswith(to)]
        assert other == sent[to], "what somebody said stands in the order in which they said it"
        assert not one.troubles()
    assert {row.state for row in ada.rows("Bo") if row.mine} == {"delivered"}


def test_a_copied_home_is_noticed(village: Village) -> None:
    ada, bo = village.friends("Ada", "Bo")
    ada.home.close()
    shutil.copytree(ada.path, village.folder / "backup")
    ada.crash()
    ada.send("Bo", "after the backup")
    village.settle()
    ada.home.close()
    shutil.rmtree(ada.path)
    shutil.copytree(village.folder / "backup", ada.path)
    ada.crash()
    village.settle()
    assert "copied" in ada.troubles()
    assert bo.texts("Ada") == ["after the backup"]


def test_a_relay_that_changes_history_is_noticed(village: Village) -> None:
    ada, bo = village.friends("Ada", "Bo")
    ada.send("Bo", "one")
    record = village.relay.ask(
        Fetch(ada.chat("Bo").line.state.log, ada.chat("Bo").line.state.read, 0)
    ).records[-1]
    forged = replace(record, seq=record.seq + 1, h=bytes(32))
    line = bo.chat("Ada").line
    head = Head(forged.seq, forged.turn, forged.h, 1)
    bo.do(
        lambda person, now, fx: person.records(
            line.state.relay, line.state.log, Fetched((forged,), head, False, False), now, fx
        )
    )
    assert "chain" in bo.troubles()


def test_who_has_only_a_relay_at_home_takes_the_place_that_an_invite_offers(village: Village) -> None:
    ada, bo = village.person("Ada"), village.person("Bo", village.relay_at_home("Bo"))
    assert bo.accept(ada.invite()) == "done"
    assert bo.person.inbox.here().relay == village.relay.identity
    ada.group("birds", "Bo")
    bo.group("bees", "Ada")
    village.settle()
    ada.send("birds", "hello"), bo.send("bees", "hum")
    village.settle()
    assert bo.texts("birds") == ["hello"]
    assert ada.texts("bees") == ["hum"]


def test_who_is_known_already_does_not_move_to_the_relay_of_an_invite(village: Village) -> None:
    ada, bo = village.person("Ada"), village.person("Bo", village.relay_at_home("Bo"))
    cy = village.person("Cy", village.relay_at_home("Cy"))
    assert cy.accept(bo.invite()) == "done"
    before = bo.person.inbox.here().relay
    assert bo.accept(ada.invite()) == "done"
    assert bo.person.inbox.here().relay == before
    ada.send("Bo", "hello")
    village.settle()
    assert bo.texts("Ada") == ["hello"]


def test_an_invite_whose_log_the_relay_could_not_make_at_once_is_watched_once_it_is_made(
    village: Village,
) -> None:
    """A relay whose disk was full for a moment, say: it does not know the log until it is asked again."""
    ada, bo = village.person("Ada"), village.person("Bo")
    made = ada.do(lambda person, now, fx: person.doors.invites.make(now, fx))
    [create] = [ask for ask in ada.asks if isinstance(ask.operation, Create)]
    ada.asks.remove(create)
    ada.do(lambda person, now, fx: person.answer(create.tag, Failure(Status.FULL), now, fx))
    log = codec.log_id(codec.encode_log_body(create.operation.body))
    assert log not in [watching.log for watching in ada.person.watching()]
    village.settle()
    assert log in [watching.log for watching in ada.person.watching()]
    assert bo.accept(parse_invite(made.text)) == "done"
    assert [contact.name for contact in ada.person.contacts.values()] == ["Bo"]
