"""A relay that lies, repeats, withholds, refuses for ever or answers nonsense: it is noticed, and nothing breaks."""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from support.mischief import append, entry, line_of, sealed_post
from support.village import Village, Villager
from whimbrel.chat import composing, content
from whimbrel.chat import line as line_module
from whimbrel.chat.line_state import Standing
from whimbrel.chat.records import OutboxRow
from whimbrel.crypto.payload import PayloadKind
from whimbrel.wire import cbor
from whimbrel.wire.answers import (
    Altered,
    Answer,
    Appended,
    Chunk,
    Created,
    Done,
    Extent,
    Failure,
    Fetched,
    Head,
    Record,
    RouteList,
    Status,
    Watched,
)
from whimbrel.wire.operations import Append, Fetch, Operation

Lie = Callable[[Operation, Answer], Answer]


def lying(village: Village, lie: Lie) -> Callable[[], None]:
    """From now on the relay's answers are what `lie` makes of them; calls off with what it gives."""
    real = village.relay.ask
    village.relay.ask = lambda operation: lie(operation, real(operation))  # type: ignore[method-assign]

    def end() -> None:
        village.relay.ask = real  # type: ignore[method-assign]

    return end


def show(who: Villager, chat: str, *records: Record, head: Head | None = None) -> None:
    state = line_of(who, chat).state
    last = records[-1] if records else None
    head = head or Head(last.seq, last.turn, last.h, state.n) if last else head
    assert head is not None
    fetched = Fetched(records, head, more=False, ended=False)
    who.do(lambda person, now, fx: person.records(state.relay, state.log, fetched, now, fx))


def new_records(village: Village, who: Villager, chat: str) -> tuple[Record, ...]:
    state = line_of(who, chat).state
    what = village.relay.ask(Fetch(state.log, state.read, state.seq))
    assert isinstance(what, Fetched)
    return what.records


def send_some(village: Village, who: Villager, chat: str, *texts: str) -> None:
    """Into the log, and nobody has read them yet."""
    for text in texts:
        who.send(chat, text)
        while who.asks:
            who.step()


# ------------------------------------------------------------------------------------------ what is shown


def test_records_again_and_in_pieces_are_read_once(village: Village) -> None:
    ada, bo = village.friends("Ada", "Bo")
    send_some(village, ada, "Bo", "1", "2", "3")
    records = new_records(village, bo, "Ada")
    for some in (records[:1], records[:2], records[:1], records, records, records[1:]):
        show(bo, "Ada", *some)
    village.settle()
    assert bo.texts("Ada") == ["1", "2", "3"]
    assert not bo.troubles()


def test_a_gap_on_our_side_is_filled(village: Village) -> None:
    ada, bo = village.friends("Ada", "Bo")
    send_some(village, ada, "Bo", "1", "2", "3", "4")
    records = new_records(village, bo, "Ada")
    show(bo, "Ada", *records[-2:])
    assert not line_of(bo, "Ada").caught_up
    while bo.asks:
        bo.step()
    assert bo.texts("Ada") == ["1", "2", "3", "4"]
    assert not bo.troubles()


@pytest.mark.parametrize(
    "what", ["left out", "swapped", "other entry", "other turn", "advance", "other h", "invented"]
)
def test_another_history_is_noticed_and_what_was_read_is_kept(village: Village, what: str) -> None:
    ada, bo = village.friends("Ada", "Bo")
    ada.send("Bo", "before")
    village.settle()
    send_some(village, ada, "Bo", "1", "2", "3")
    one, two, three = new_records(village, bo, "Ada")[-3:]
    shown = {
        "left out": (one, replace(three, seq=two.seq)),
        "swapped": (replace(two, seq=one.seq), replace(one, seq=two.seq), three),
        "other entry": (replace(one, id=two.id, entry=two.entry),),
        "other turn": (replace(one, turn=one.turn + 1),),
        "advance": (replace(one, advance=True),),
        "other h": (replace(one, h=os.urandom(32)),),
        "invented": (replace(one, id=os.urandom(32), entry=None),),
    }[what]
    log = line_of(bo, "Ada").state.log
    show(bo, "Ada", *shown)
    assert "chain" in bo.troubles()
    bo.crash()
    old = bo.chat("Ada").line_on(log)
    assert old is not None
    assert old.state.standing in (Standing.LOST, Standing.CLOSED)
    assert bo.texts("Ada")[0] == "before"
    village.settle(patience=200_000)
    assert line_of(bo, "Ada").state.log != log
    assert set(bo.texts("Ada")) == set(ada.texts("Bo")) == {"before", "1", "2", "3"}


def test_a_relay_that_lost_what_it_had_is_noticed(village: Village) -> None:
    ada, bo = village.friends("Ada", "Bo")
    for n in range(3):
        ada.send("Bo", f"{n}")
    village.settle()
    state = line_of(bo, "Ada").state
    old = Head(state.seq - 2, state.turn, os.urandom(32), state.n)
    end = lying(village, lambda op, a: Fetched((), old, False, False) if isinstance(op, Fetch) else a)
    show(bo, "Ada", head=old)
    while bo.asks:
        bo.step()
    end()
    assert "behind" in bo.troubles()


def test_a_late_answer_that_is_behind_is_no_lie(village: Village) -> None:
    ada, bo = village.friends("Ada", "Bo")
    ada.send("Bo", "hello")
    village.settle()
    state = line_of(bo, "Ada").state
    show(bo, "Ada", head=Head(state.seq - 1, state.turn, os.urandom(32), state.n))
    village.settle()
    assert not bo.troubles()
    assert line_of(bo, "Ada").caught_up


def test_an_entry_that_the_relay_says_it_has_and_then_has_not_is_noticed(village: Village) -> None:
    ada, bo = village.friends("Ada", "Bo")
    village.settle()

    state = line_of(ada, "Bo").state
    real = village.relay.ask

    def ask(operation: Any) -> Any:
        if isinstance(operation, Append) and operation.log == state.log:
            head = real(Fetch(state.log, state.read, 0)).head
            return Appended(head.seq + 1, head.seq + len(operation.entries), head.turn, os.urandom(32))
        return real(operation)

    village.relay.ask = ask  # type: ignore[method-assign]
    ada.send("Bo", "swallowed")
    ada.step()
    village.relay.ask = real  # type: ignore[method-assign]
    bo.send("Ada", "something else")
    village.settle()
    assert "shown" in ada.troubles()
    village.settle(patience=600_000)
    assert {"swallowed", "something else"} == set(ada.texts("Bo")) == set(bo.texts("Ada"))


def test_expired_posts_are_passed_over_and_an_expired_commit_is_told(village: Village) -> None:
    ada, bo = village.friends("Ada", "Bo")
    send_some(village, ada, "Bo", "1", "2", "3")
    one, two, three = new_records(village, bo, "Ada")[-3:]
    show(bo, "Ada", replace(one, entry=None), two, three)
    assert bo.texts("Ada") == ["2", "3"]
    ada.do(lambda person, now, fx: person.intend(ada.chat("Bo"), "update", [], fx))
    while ada.asks:
        ada.step()
    commit = new_records(village, bo, "Ada")[-1]
    assert commit.advance
    show(bo, "Ada", *new_records(village, bo, "Ada")[:-1], replace(commit, entry=None))
    assert "expired" in bo.troubles()


# ---------------------------------------------------------------------------------------- what is answered


HEAD = Head(3, 1, bytes(32), 1)
NONSENSE: tuple[Answer, ...] = (
    Done(),
    Created(HEAD),
    Altered(HEAD),
    Appended(1, 1, 1, bytes(32)),
    Appended(1 << 62, 1 << 62, 1 << 62, bytes(32)),
    Fetched((), HEAD, False, False),
    Fetched((), HEAD, True, True),
    Watched(bytes(16), ()),
    Chunk(b"x", 1),
    Chunk(b"x" * 500, 1 << 40),
    Extent(1, ((0, 1),), 5),
    RouteList((), 1, bytes(64)),
    *(Failure(status) for status in Status if status is not Status.OK),
    Failure(Status.WRONG_TURN, head=HEAD),
    Failure(Status.WRONG_TURN, head=Head(1 << 62, 1 << 62, bytes(32), 1 << 62)),
    Failure(Status.WRONG_TURN, head=Head(0, 0, bytes(32), 0)),
    Failure(Status.EXPIRED, first=1 << 62),
    Failure(Status.MISSING, missing=(bytes(32),)),
)


@pytest.mark.parametrize("seed", range(8))
def test_no_answer_breaks_anything(village: Village, seed: int) -> None:
    """All flows at once, with answers of any kind to whatever is asked: nothing is raised, and nothing storms."""
    ada, bo, cy = village.friends("Ada", "Bo", "Cy")
    ada.group("birds", "Bo", "Cy")
    village.settle()
    chance = random.Random(seed)
    end = lying(village, lambda op, a: chance.choice(NONSENSE) if chance.random() < 0.5 else a)
    for one in (ada, bo, cy):
        invite = one.do(lambda person, now, fx: person.doors.invites.make(now, fx))
        for other in (ada, bo, cy):
            if other is not one:
                other.do(lambda person, now, fx, invite=invite: person.doors.accept(invite, "", now, fx))
    ada.do(lambda person, now, fx: person.make_group("more", [ada.contact("Bo")], now, fx))
    sent: dict[str, list[str]] = {"Ada": [], "Bo": [], "Cy": []}
    for n in range(5):
        for one in (ada, bo, cy):
            if one.chat("birds").line is not None:
                sent[one.name].append("x" * 70_000 if n == 3 else f"{n}")
                one.send("birds", sent[one.name][-1])
                one.do(lambda person, now, fx, one=one: person.intend(one.chat("birds"), "update", [], fx))
            for _ in range(30):
                one.step()
            if chance.random() < 0.3:
                one.crash()
    end()
    for one in (ada, bo, cy):
        one.crash()
    village.settle(steps=20_000, patience=8_000_000)
    for one in (ada, bo, cy):
        own = [row.text for row in one.rows("birds") if row.mine]
        assert own == sent[one.name], "what was said is kept, whatever became of it"


@pytest.mark.parametrize("answer", NONSENSE, ids=lambda answer: type(answer).__name__)
def test_an_append_that_is_never_answered_well_waits_without_storming(
    village: Village, answer: Answer
) -> None:
    ada, bo = village.friends("Ada", "Bo")
    asked = []

    def lie(operation: Operation, real: Answer) -> Answer:
        if isinstance(operation, Append):
            asked.append(operation)
            return answer
        return real

    real = village.relay.ask
    village.relay.ask = lambda op: lie(op, None) if isinstance(op, Append) else real(op)  # type: ignore
    ids = [ada.send("Bo", f"{n}") for n in range(3)]
    village.settle(patience=300_000)
    assert len(asked) < 40
    village.relay.ask = real  # type: ignore[method-assign]
    told = bool(ada.troubles())
    states = {row.id: row.state for row in ada.rows("Bo")}
    if line := ada.chat("Bo").line:
        village.settle(patience=300_000)
        if line.state.standing is Standing.OPEN:
            lied = isinstance(answer, Appended)
            assert lied or bo.texts("Ada") == ["0", "1", "2"]
    assert told or isinstance(answer, Appended | Failure) or set(states.values()) <= {"delivered", "queued"}
    assert set(ids) <= set(states)


@pytest.mark.parametrize("status", [Status.FULL, Status.DENIED, Status.MISSING, Status.WRONG_TURN])
def test_what_waits_for_a_relay_that_refuses_goes_out_in_order_when_it_does_not(
    village: Village, status: Status
) -> None:
    ada, bo = village.friends("Ada", "Bo")
    real = village.relay.ask
    village.relay.ask = lambda op: Failure(status) if isinstance(op, Append) else real(op)  # type: ignore
    for n in range(10):
        ada.send("Bo", f"{n}")
        village.settle(patience=20_000)
        if n == 5:
            ada.crash()
    assert ada.troubles()
    assert {row.state for row in ada.rows("Bo")} == {"queued"}
    village.relay.ask = real  # type: ignore[method-assign]
    village.settle(patience=200_000)
    assert bo.texts("Ada") == [f"{n}" for n in range(10)]


def test_a_flooder_is_removed_although_posts_are_refused(village: Village) -> None:
    ada, bo, mal = village.friends("Ada", "Bo", "Mal")
    ada.group("birds", "Bo", "Mal")
    village.settle()
    real = village.relay.ask

    def ask(op: Any) -> Any:
        return Failure(Status.FULL) if isinstance(op, Append) and op.admin is None else real(op)

    village.relay.ask = ask  # type: ignore[method-assign]
    for n in range(100):
        ada.send("birds", f"{n}")
    account = mal.person.identity.account
    ada.do(lambda person, now, fx: person.intend(ada.chat("birds"), "remove", [account], fx))
    village.settle()
    assert len(ada.chat("birds").accounts()) == 2
    village.relay.ask = real  # type: ignore[method-assign]
    village.settle(patience=200_000)
    assert bo.texts("birds") == [f"{n}" for n in range(100)]


def test_a_message_whose_file_the_relay_lost_holds_up_no_other(village: Village) -> None:
    ada, bo = village.friends("Ada", "Bo")
    blob = os.urandom(32)
    real = village.relay.ask

    def ask(op: Any) -> Any:
        if isinstance(op, Append) and blob in op.needs:
            return Failure(Status.MISSING, missing=(blob,))
        return real(op)

    village.relay.ask = ask  # type: ignore[method-assign]
    body = content.encode(composing.say(os.urandom(16), "with a file"))
    row = OutboxRow(ada.chat("Bo").id, "content", cbor.encode([body, [blob]]))
    ada.send("Bo", "1")
    ada.do(lambda person, now, fx: ada.chat("Bo").put(row, fx))
    ada.send("Bo", "2")
    village.settle(patience=200_000)
    assert bo.texts("Ada") == ["1", "2"]
    assert "missing" in ada.troubles()


def test_answers_to_what_was_never_asked_change_nothing(village: Village) -> None:
    ada, _ = village.friends("Ada", "Bo")
    state = line_of(ada, "Bo").state
    chat = ada.chat("Bo").id
    tags = (
        ("append", chat, state.log, os.urandom(32)),
        ("append", os.urandom(32), state.log, os.urandom(32)),
        ("flight-blob", chat, state.log, os.urandom(32), 7),
        ("pointer", chat, state.log, os.urandom(32), []),
        ("look", chat, state.log, os.urandom(32), 10**9, 10**9),
        ("errand", os.urandom(32), 5, os.urandom(16)),
        ("errand", os.urandom(32), 5),
        ("card", os.urandom(32), os.urandom(32)),
        ("door", "card", os.urandom(32)),
        ("door", "blob", os.urandom(32), 0, []),
        ("door",),
        ("something else",),
        (),
    )
    for tag in tags:
        for answer in NONSENSE:
            ada.do(lambda person, now, fx, tag=tag, answer=answer: person.answer(tag, answer, now, fx))
    for status in Status:
        if status is not Status.OK:
            ada.do(
                lambda person, now, fx, s=status: person.records(
                    os.urandom(32), state.log, Failure(s), now, fx
                )
            )
    ada.crash()
    assert line_of(ada, "Bo").state.seq == state.seq


def test_what_a_member_saw_otherwise_is_told_once_and_changes_nothing(village: Village) -> None:
    ada, bo = village.friends("Ada", "Bo")
    ada.send("Bo", "1")
    village.settle()
    seen = (line_of(bo, "Ada").state.seq, os.urandom(32))
    for text in ("2", "3"):
        body = content.encode(composing.say(os.urandom(16), text))
        append(ada, "Bo", entry(sealed_post(ada, "Bo", PayloadKind.CONTENT, body, seen)))
    village.settle()
    assert bo.texts("Ada") == ["1", "2", "3"]
    assert bo.troubles() == ["fork"]
    bo.send("Ada", "still here")
    village.settle()
    assert ada.texts("Bo")[-1] == "still here"


def test_what_waits_behind_a_blob_is_bounded_and_read_in_the_end(
    village: Village, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(line_module, "HELD_MAX", 5)
    ada, bo = village.friends("Ada", "Bo")
    send_some(village, ada, "Bo", "\u0301" * 60_000, *(f"{n}" for n in range(30)))
    line = line_of(bo, "Ada")
    for record in new_records(village, bo, "Ada"):
        show(bo, "Ada", record)
        assert len(line._held) <= 5
    assert line.wants is not None
    village.settle()
    assert bo.texts("Ada")[1:] == [f"{n}" for n in range(30)]
    assert line.caught_up
    assert not bo.troubles()


def test_a_relay_that_never_shows_what_it_took_is_given_no_more(
    village: Village, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(line_module, "LANDED_MAX", 5)
    ada, _ = village.friends("Ada", "Bo")
    for n in range(20):
        ada.send("Bo", f"{n}")
        while ada.asks:
            ada.step()
    assert len(line_of(ada, "Bo").state.landed) == 5
    village.settle()
    assert {row.state for row in ada.rows("Bo")} == {"delivered"}
