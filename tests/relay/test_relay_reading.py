"""Fetching: cursors, pages, budgets, and how much of a log one answer brings."""

from dataclasses import replace

from relay_paper import PaperRelay, Room, denied, entry, status

from whimbrel.relay.settings import Limits
from whimbrel.wire.answers import Failure, Fetched, Status
from whimbrel.wire.codec import MESSAGE_MAX, encode_answers
from whimbrel.wire.operations import CHUNK, OWN, Fetch, Get, Put
from whimbrel.wire.stored import entry_id


def test_an_empty_log_has_nothing_and_says_where_it_stands(room: Room) -> None:
    fetched = room.fetch()
    assert fetched == Fetched((), room.created.head, more=False, ended=False)


def test_a_cursor_brings_what_follows_it(room: Room) -> None:
    room.post("one", "two", "three")
    assert room.texts(1) == ["two", "three"]
    assert room.texts(3) == []


def test_pages_say_that_there_is_more(relay: PaperRelay, room: Room) -> None:
    for i in range(10):
        room.post(str(i))
        if i == 4:
            relay.storage.settle()  # half of them old, half of them young
    seen, after, pages = [], 0, 0
    while True:
        page = room.fetch(after, limit=3)
        seen += [record.seq for record in page.records]
        after, pages = seen[-1], pages + 1
        if not page.more:
            break
    assert (seen, pages) == (list(range(1, 11)), 4)


def test_a_cursor_beyond_the_head_shows_the_head_behind_it(room: Room) -> None:
    room.post("one")
    fetched = room.fetch(100)
    assert (fetched.records, fetched.head.seq, fetched.ended) == ((), 1, False)


def test_what_is_the_readers_own_comes_back_as_its_id(relay: PaperRelay, room: Room) -> None:
    mine, theirs = entry("mine", size=50_000), entry("theirs")
    room.post(mine, theirs)
    plain = room.fetch()
    for settled in (False, True):  # young ones and old ones
        if settled:
            relay.storage.settle()
        [fetched] = relay.ask(Fetch(room.id, room.read, 0, own=(entry_id(mine)[:OWN], b"?" * OWN)))
        assert [record.entry for record in fetched.records] == [None, theirs]
        whole = tuple(
            replace(record, entry=there.entry)
            for record, there in zip(fetched.records, plain.records, strict=True)
        )
        assert replace(fetched, records=whole) == plain, "ids, places and the chain are the same"
    assert room.fetch() == plain, "and for everybody else"


def test_entries_that_stay_away_take_no_room(relay: PaperRelay, room: Room) -> None:
    own = [entry(f"{i}", size=60_000) for i in range(30)]
    for one in own:
        room.post(one)
    [fetched] = relay.ask(Fetch(room.id, room.read, 0, own=tuple(entry_id(one)[:OWN] for one in own)))
    assert (len(fetched.records), fetched.more) == (30, False)


def test_an_answer_never_outgrows_a_letter(relay: PaperRelay, room: Room) -> None:
    for i in range(30):
        room.post(entry(f"{i}", size=60_000))
    answers = relay.ask(*[Fetch(room.id, room.read, 0) for _ in range(40)])
    assert len(encode_answers(answers)) <= MESSAGE_MAX
    first = answers[0]
    assert first.more
    assert 10 < len(first.records) < 19
    assert all(answer.more and not answer.records for answer in answers[2:])


def test_a_thousand_fetches_in_one_letter_are_answered_or_busy(relay: PaperRelay, room: Room) -> None:
    room.post(*[entry(f"{i}", size=4000) for i in range(100)])
    answers = relay.ask(*[Fetch(room.id, room.read, i % 100) for i in range(1024)])
    assert len(encode_answers(answers)) <= MESSAGE_MAX
    assert {status(answer) for answer in answers} <= {Status.OK, Status.BUSY}


def test_more_chunks_than_a_letter_holds_are_asked_for_again(relay: PaperRelay, room: Room) -> None:
    blob, chunk = b"b" * 32, b"c" * (CHUNK + 16)
    assert status(relay.one(Put(blob, room.id, room.write, len(chunk), 0, chunk))) is Status.OK
    answers = relay.ask(*[Get(blob, 0)] * 20)
    assert [status(answer) for answer in answers] == [Status.OK] * 16 + [Status.BUSY] * 4
    assert answers[-1] == Failure(Status.BUSY, retry_after=0)
    assert len(encode_answers(answers)) <= MESSAGE_MAX


def test_the_relay_gives_fewer_records_at_a_time_than_asked_for(tmp_path) -> None:  # type: ignore[no-untyped-def]
    relay = PaperRelay(tmp_path, Limits(fetch_records=2))
    room = Room(relay)
    room.post("one", "two", "three")
    page = room.fetch(limit=1000)
    assert (len(page.records), page.more) == (2, True)


def test_an_unknown_token_and_an_unknown_log_are_denied_alike(room: Room) -> None:
    room.post("one")
    assert denied(room.fetch(read=b"?" * 32))
    assert denied(room.relay.one(Fetch(b"?" * 32, room.read, 0)))
