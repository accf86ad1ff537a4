"""The link as stories: what happens, and what it wants done because of that. To the millisecond, with no loop."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from link_table import (
    LETTERS,
    NEAR,
    OTHER,
    RESET,
    STREAM,
    Table,
    append,
    delivered,
    done,
    fetched,
    item,
    of,
    put,
    sent,
)

from whimbrel.link.events import (
    Cancelled,
    Close,
    Deliver,
    DeliverRecords,
    Dial,
    NetworkChanged,
    Report,
    RoutesChanged,
    Send,
    Submitted,
    WatchSet,
    WayLost,
)
from whimbrel.link.link import FRAME_MAX, Link
from whimbrel.link.queue import size_of
from whimbrel.link.trouble import Reason, Stage, Trouble
from whimbrel.wire.answers import Chunk, Done, Failure, Status, Watched
from whimbrel.wire.codec import encode_operation
from whimbrel.wire.operations import Fetch, Get, Operation, Proof, Put, Stat
from wire.wire_values import operations


def test_operations_travel_in_the_first_flight_and_the_sealed_answer_makes_the_way_up() -> None:
    table = Table()
    table.tell()
    first = of(table.actions, Dial)[0]
    assert first.operations == ()
    table = Table()
    actions = table.submit(append("a"), append("b"))
    assert of(actions, Dial) == [Dial(1, STREAM, (append("a"), append("b")))]
    assert of(actions, Report) == [Report(None, None)]
    actions = table.answer(1, 0, done(1), done(2))
    assert of(actions, Deliver) == [Deliver(1, done(1)), Deliver(2, done(2))]
    assert of(actions, Report) == [Report(STREAM, None)]


def test_what_comes_while_nobody_has_answered_goes_in_one_request_when_the_way_is_up() -> None:
    table = Table()
    table.tell()
    assert table.submit(append("a")) == []
    assert table.submit(append("b")) == []
    actions = table.answer(1, 0)
    assert of(actions, Send) == [Send(1, 1, (append("a"), append("b")))]


def test_what_was_not_answered_goes_again_in_its_order_on_the_next_way() -> None:
    table = Table(NEAR)
    way = table.up()
    for name in "abcd":
        table.submit(append(name))
    table.answer(way, 2, done())  # b
    actions = table.lose(way)
    assert of(actions, Report) == [Report(None, RESET)]
    actions = table.wait(0.1)
    assert of(actions, Dial)[0].operations == (append("a"), append("c"), append("d"))
    table.answer(2, 0, done(), done(), done())
    assert sorted(delivered(table.actions)) == [1, 2, 3, 4]


def test_an_answer_that_comes_by_a_way_already_given_up_is_not_taken() -> None:
    table = Table(NEAR)
    way = table.up()
    table.submit(append("a"))
    table.lose(way)
    assert delivered(table.answer(way, 1, done())) == []
    table.wait(0.1)
    assert delivered(table.answer(2, 0, done())) == [1]
    assert delivered(table.answer(2, 0, done())) == [], "nor one that is repeated"


def test_two_attempts_carry_the_same_and_the_first_answer_counts() -> None:
    table = Table(STREAM, OTHER)
    table.submit(append("a"))
    actions = table.wait(0.4)
    assert [d.candidate for d in of(table.actions, Dial)] == [STREAM, OTHER]
    assert of(actions, Dial)[0].operations == (append("a"),)
    actions = table.answer(1, 0, done())
    assert delivered(actions) == [1]
    assert of(actions, Close) == [Close(2)]
    assert table.answer(2, 0, done()) == []


def test_what_only_a_hopeful_attempt_carries_is_sent_by_the_way_that_is_up() -> None:
    table = Table(STREAM, OTHER)
    table.link.dialer.memory.came_up("", OTHER.text)  # it worked last time, so it is dialled first
    table.submit(append("a"))
    table.now += 0.1
    table.submit(append("b"))
    assert of(table.wait(0.3), Dial) == [Dial(2, STREAM, (append("a"), append("b")))]
    actions = table.answer(1, 0, done())
    assert of(actions, Close) == [], "the other one would be better, and may still come"
    assert sent(actions) == [[append("b")]]


def test_a_better_way_takes_over_and_the_lesser_one_ends_what_it_carries() -> None:
    table = Table(LETTERS, STREAM)
    table.tell()
    table.lose(1)  # the stream fails
    table.wait(0.3)
    assert of(table.actions, Dial)[-1].candidate == LETTERS
    table.answer(2, 0)
    climb: list[Dial] = []
    while not climb:
        climb = of(table.wait(0.1), Dial)
    assert table.now <= 20
    assert [d.candidate for d in climb] == [STREAM]
    table.submit(append("a"))
    actions = table.answer(climb[0].way, 0)
    assert of(actions, Report) == [Report(STREAM, None)]
    assert of(actions, Close) == [], "it still carries a"
    actions = table.answer(2, 1, done())
    assert delivered(actions) == [1]
    assert of(actions, Close) == [Close(2)]
    assert sent(table.submit(append("b"))) == [[append("b")]]
    assert of(table.actions, Send)[-1].way == climb[0].way


def test_busy_means_again_later_and_is_never_delivered() -> None:
    table = Table()
    way = table.up()
    table.submit(append("a"), append("b"))
    actions = table.answer(way, 1, Failure(Status.BUSY, retry_after=3), done())
    assert delivered(actions) == [2]
    assert table.wait(2.999) == []
    assert sent(table.wait(0.001)) == [[append("a")]]
    assert delivered(table.answer(way, 2, done())) == [1]


def test_busy_is_an_answer_to_a_members_commit() -> None:
    """A relay takes one a minute, and while it waits nothing else can be encrypted: its owner makes it again later."""
    table = Table()
    way = table.up()
    table.submit(replace(append("a"), advance=True))
    busy = Failure(Status.BUSY, retry_after=60)
    assert of(table.answer(way, 1, busy), Deliver) == [Deliver(1, busy)]
    proof = Proof(bytes(32), bytes(64))
    table.submit(replace(append("b"), advance=True, admin=proof))
    assert delivered(table.answer(way, 2, busy)) == []


def test_other_failures_are_answers() -> None:
    table = Table()
    way = table.up()
    table.submit(append("a"))
    assert of(table.answer(way, 1, Failure(Status.DENIED)), Deliver) == [Deliver(1, Failure(Status.DENIED))]


def test_many_go_together_but_not_more_than_a_frame_holds() -> None:
    table = Table()
    table.tell()
    table.submit(*(append(str(i), 60_000) for i in range(20)))
    requests = sent(table.answer(1, 0))
    assert [len(r) for r in requests] == [8, 8, 4]
    assert [o for r in requests for o in r] == [append(str(i), 60_000) for i in range(20)]
    assert all(sum(size_of(o) for o in r) <= FRAME_MAX for r in requests)


def test_more_than_the_network_should_hold_waits_for_answers() -> None:
    table = Table()
    way = table.up()
    for i in range(20):
        table.submit(append(str(i)))
    assert len(of(table.actions, Send)) == 8
    actions = table.answer(way, 1, done())
    assert sent(actions) == [[append(str(i)) for i in range(8, 20)]], "what waited goes together"


def test_an_urgent_operation_goes_before_those_that_wait() -> None:
    table = Table()
    table.tell()
    table.submit(append("a"))
    table.submit(append("u"), urgent=True)
    assert sent(table.answer(1, 0)) == [[append("u"), append("a")]]


def test_an_operation_that_no_way_could_carry_is_answered_at_once() -> None:
    table = Table()
    actions = table.submit(append("a", 1_110_000))
    assert of(actions, Deliver) == [Deliver(1, Failure(Status.TOO_LARGE))]


def test_nobody_waits_for_a_cancelled_ticket() -> None:
    table = Table(NEAR)
    table.tell()
    table.submit(append("a"), append("b"))
    table.tell(Cancelled(1))
    assert sent(table.answer(1, 0)) == [[append("b")]]
    table.tell(Cancelled(2))
    assert delivered(table.answer(1, 1, done())) == []
    assert table.link.unanswered == 0
    assert table.tell(Cancelled(77)) == []


# ------------------------------------------------------------------------------------------- bulk


def test_chunks_go_one_by_one_in_a_window_that_grows_while_answers_are_quick() -> None:
    table = Table()
    way = table.up()
    table.submit(*(put(n) for n in range(300)))
    for n in range(1, 201):
        table.now += 0.01
        table.answer(way, n, Done())
    assert 20 <= len(of(table.actions, Send)) - 200 <= 32
    assert all(len(r) == 1 for r in sent(table.actions))


def test_a_message_does_not_wait_behind_a_file() -> None:
    table = Table()
    table.up()
    table.submit(*(put(n) for n in range(3000)))
    bulk = sum(size_of(o) for r in sent(table.actions) for o in r)
    assert bulk < 140_000, "of 200 MB only so much is inside the network"
    assert sent(table.submit(append("hello"))) == [[append("hello")]]


def test_slow_answers_make_the_window_small_again() -> None:
    table = Table()
    way = table.up()
    table.submit(*(put(n) for n in range(500)))
    answered = 0
    for pause in [0.01] * 60 + [3.0] * 60:
        table.now += pause
        answered += 1
        table.answer(way, answered, Done())
    assert len(of(table.actions, Send)) - answered <= 2


def test_a_chunk_that_was_answered_is_never_sent_again() -> None:
    table = Table(NEAR)
    way = table.up()
    table.submit(*(put(n) for n in range(40)))
    for n in (1, 3):
        table.answer(way, n, Done())
    under_way = len(of(table.actions, Send)) - 2
    table.lose(way)
    table.wait(0.1)
    dial = of(table.actions, Dial)[-1]
    assert dial.operations == (), "no file in a first flight"
    table.answer(dial.way, 0)
    for n in range(1, 39):
        table.answer(dial.way, n, Done())
    chunks = [o.n for a in of(table.actions, Send) for o in a.operations if isinstance(o, Put)]
    assert sorted(set(chunks)) == list(range(40))
    assert len(chunks) == 40 + under_way
    assert chunks.count(0) == chunks.count(2) == 1, "these were answered"
    assert sorted(delivered(table.actions)) == list(range(1, 41))


def test_downloads_count_what_comes_back() -> None:
    table = Table()
    way = table.up()
    table.submit(*(Get(bytes(32), n) for n in range(100)))
    assert len(of(table.actions, Send)) == 1
    table.now += 0.01
    table.answer(way, 1, Chunk(bytes(65552), 1 << 20))
    assert len(of(table.actions, Send)) == 2
    table.answer(way, 2, Chunk(bytes(65552), 1 << 20))
    assert len(of(table.actions, Send)) == 4


def test_letters_have_a_lane_for_messages_and_two_for_files() -> None:
    table = Table(LETTERS)
    way = table.up()
    table.submit(*(put(n) for n in range(10)), append("a"))
    assert [len(r) for r in sent(table.actions)] == [1, 1, 1]
    table.submit(append("b"), append("c"))
    assert len(of(table.actions, Send)) == 3
    n = next(a.n for a in of(table.actions, Send) if a.operations == (append("a"),))
    assert sent(table.answer(way, n, done())) == [[append("b"), append("c")]]


# ------------------------------------------------------------------------------------------- losses


def test_silence_with_something_unanswered_ends_a_way_after_ten_seconds() -> None:
    table = Table()
    way = table.up()
    table.submit(append("a"))
    assert of(table.wait(9.9), Close) == []
    assert all(d.operations == (append("a"),) for d in of(table.actions, Dial)[1:]), (
        "others are dialled before"
    )
    actions = table.wait(0.5)
    assert of(actions, Close) == [Close(way)]
    assert of(actions, Report) == [Report(None, Trouble(Stage.RECEIVE, Reason.SILENT))]


def test_a_way_with_nothing_to_answer_may_be_silent_for_ever() -> None:
    table = Table()
    table.up()
    assert table.wait(100_000) == []


def test_a_slow_way_is_given_the_time_that_its_bytes_need() -> None:
    table = Table()
    way = table.up()
    table.submit(put(0))
    assert Close(way) not in table.wait(45), "64 KiB at 14 kbit/s take 38 seconds"
    assert delivered(table.answer(way, 1, Done())) == [1]
    table.now += 60
    assert table.wait(1000) == []


def test_one_request_is_not_forgotten_because_others_are_answered() -> None:
    table = Table()
    way = table.up()
    table.submit(append("lost"))
    while Close(way) not in table.actions and table.now < 100:
        table.submit(append("b"))
        table.wait(0.2)
        for asked in of(table.actions, Send)[1:]:
            table.answer(way, asked.n, *(done() for _ in asked.operations))
    before = table.actions[: table.actions.index(Close(way))]
    assert len(of(before, Dial)) == 1, "the way itself is not doubted"
    assert 55 <= table.now <= 65


def test_an_attempt_that_leads_nowhere_ends_after_its_time_and_says_so() -> None:
    table = Table()
    table.tell()
    actions = table.wait(15)
    assert of(actions, Close) == [Close(1)]
    assert of(table.actions, Report)[-1] == Report(None, Trouble(Stage.CONNECT, Reason.TIMED_OUT))


def test_answers_that_do_not_fit_what_was_asked_end_the_way() -> None:
    table = Table()
    way = table.up()
    table.submit(append("a"), append("b"))
    actions = table.answer(way, 1, done())
    assert of(actions, Close) == [Close(way)]
    assert delivered(actions) == []
    assert table.link.unanswered == 2


def test_a_relay_that_dies_every_second_loses_no_operation() -> None:
    table = Table(NEAR)
    table.tell()
    for second in range(60):
        dial = of(table.actions, Dial)[-1]
        table.answer(dial.way, 0, *(done() for _ in dial.operations))
        table.submit(append(str(second)))
        table.lose(dial.way)
        table.wait(0.07)  # nothing listens yet
        table.lose(of(table.actions, Dial)[-1].way, Trouble(Stage.CONNECT, Reason.REFUSED))
        table.wait(0.3)
    dial = of(table.actions, Dial)[-1]
    table.answer(dial.way, 0, *(done() for _ in dial.operations))
    assert delivered(table.actions) == list(range(1, 61))


def test_new_routes_and_a_new_network_are_used_at_once() -> None:
    table = Table(STREAM)
    table.tell()
    table.lose(1, Trouble(Stage.CONNECT, Reason.REFUSED))
    actions = table.tell(RoutesChanged((STREAM, OTHER)), NetworkChanged("train"))
    assert [d.candidate for d in of(actions, Dial)] == [STREAM]
    assert [d.candidate for d in of(table.wait(0.4), Dial)] == [OTHER]


def test_on_a_new_network_what_is_up_has_to_show_that_it_still_is() -> None:
    table = Table(STREAM)
    table.tell(WatchSet({1: item(1, after=3)}))
    [dial] = of(table.actions, Dial)
    table.answer(dial.way, 0, Watched(b"h" * 16, ((1, fetched(head=3)),)))
    table.wait(3600.0)  # nothing to ask, nothing to lose
    [[probe]] = sent(table.tell(NetworkChanged("train")))
    assert probe == Fetch(b"L" * 32, b"R" * 32, 3)
    # The last network took the connection along: ten seconds later another is dialled, not after a quarter of an hour.
    actions = table.wait(11.0)
    assert of(actions, Close) == [Close(dial.way)]
    assert len(of(actions, Dial)) == 1


def test_a_way_that_answers_on_the_new_network_stays() -> None:
    table = Table(STREAM)
    table.tell(WatchSet({1: item(1, after=3)}))
    [dial] = of(table.actions, Dial)
    table.answer(dial.way, 0, Watched(b"h" * 16, ((1, fetched(head=3)),)))
    table.tell(NetworkChanged("train"))
    assert of(table.answer(dial.way, 1, fetched(head=3)), DeliverRecords) == []
    actions = table.wait(3600.0)
    assert not of(actions, Close)
    assert not of(actions, Dial)


def test_a_link_without_any_way_waits() -> None:
    link = Link(())
    actions, wake_at = link.next(0.0, [Submitted(1, append("a"))])
    assert actions == [Report(None, None)]
    assert wake_at is None
    assert link.next(1.0, [WayLost(9, RESET)]) == ([], None)


@given(operations)
def test_no_operation_is_larger_than_the_link_takes_it_for(operation: Operation) -> None:
    assert len(encode_operation(operation)) <= size_of(operation)


def test_small_operations_are_not_taken_for_large_ones() -> None:
    assert size_of(Stat(bytes(32))) <= 512
    assert size_of(append("a", 300)) <= 700
