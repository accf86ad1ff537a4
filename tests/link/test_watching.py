"""Watching over any way: each record once and in order, by as few words to the relay as possible."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
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
    seqs,
)

from whimbrel.link.events import (
    Abandon,
    Action,
    Close,
    DeliverRecords,
    DeliverSignal,
    Dial,
    RecordsCame,
    Repositioned,
    Send,
    SignalCame,
    WatchSet,
)
from whimbrel.link.watching import Watching
from whimbrel.wire.answers import Failure, Fetched, Status, Watched
from whimbrel.wire.operations import OWN, OWN_MAX, Fetch, Watch, WatchItem
from whimbrel.wire.stored import entry_id

HANDLE, NEW_HANDLE = b"h" * 16, b"n" * 16


def watch(table: Table, *items: WatchItem) -> list[Action]:
    return table.tell(WatchSet({i.slot: i for i in items}))


def watches(actions: Sequence[Action]) -> list[Watch]:
    """What is asked, without the count: that has tests of its own."""
    operations = [o for a in actions if isinstance(a, Send | Dial) for o in a.operations]
    return [replace(o, count=0) for o in operations if isinstance(o, Watch)]


def fetches(actions: Sequence[Action]) -> list[Fetch]:
    operations = [o for a in of(actions, Send) for o in a.operations]
    return [o for o in operations if isinstance(o, Fetch)]


def watched(*results: tuple[int, Fetched | Failure], handle: bytes = HANDLE) -> Watched:
    return Watched(handle, results)


def push(table: Table, way: int, slot: int, what: Fetched | Failure) -> list[Action]:
    return table.tell(RecordsCame(way, slot, what))


@pytest.fixture
def up() -> tuple[Table, int]:
    """A stream to a relay near by, watching slot 1 up to record 3."""
    table = Table(NEAR)
    watch(table, item(1))
    table.answer(1, 0, watched((1, fetched(1, 2, 3))))
    return table, 1


def test_the_first_flight_asks_for_everything_and_pushes_go_on_from_there() -> None:
    table = Table(NEAR)
    actions = watch(table, item(1), item(2, after=7, log=b"M"))
    assert watches(actions) == [Watch(None, (item(1), item(2, after=7, log=b"M")))]
    actions = table.answer(1, 0, watched((1, fetched(1, 2)), (2, fetched(head=7))))
    assert seqs(actions) == [1, 2]
    assert len(of(actions, DeliverRecords)) == 2, "that nothing is new is news the first time"
    assert seqs(push(table, 1, 1, fetched(3))) == [3]
    assert seqs(push(table, 1, 2, fetched(8, 9))) == [8, 9]
    assert table.link.is_settled


def test_what_the_cursor_has_passed_is_left_out(up: tuple[Table, int]) -> None:
    table, way = up
    assert seqs(push(table, way, 1, fetched(2, 3, 4))) == [4]
    assert push(table, way, 1, fetched(4)) == []


def test_records_that_do_not_follow_are_fetched_and_not_delivered(up: tuple[Table, int]) -> None:
    table, way = up
    actions = push(table, way, 1, fetched(6))
    assert seqs(actions) == []
    assert fetches(actions) == [Fetch(b"L" * 32, b"R" * 32, 3)]
    assert not table.link.is_settled
    assert push(table, way, 1, fetched(7)) == [], "one fetch at a time"
    actions = table.answer(way, 1, fetched(4, 5, 6))
    assert seqs(actions) == [4, 5, 6]
    assert fetches(actions) == [Fetch(b"L" * 32, b"R" * 32, 6)], "7 came while it was under way"
    assert seqs(table.answer(way, 2, fetched(7))) == [7]
    assert table.link.is_settled


def test_what_is_missing_because_it_expired_is_passed_over_when_the_fetch_says_so(
    up: tuple[Table, int],
) -> None:
    table, way = up
    push(table, way, 1, fetched(9))
    assert seqs(table.answer(way, 1, fetched(8, 9))) == [8, 9]
    assert seqs(push(table, way, 1, fetched(10))) == [10]


def test_more_is_fetched_until_there_is_no_more() -> None:
    table = Table(NEAR)
    watch(table, item(1))
    actions = table.answer(1, 0, watched((1, fetched(1, 2, head=9, more=True))))
    assert seqs(actions) == [1, 2]
    assert fetches(actions)[0].after == 2
    assert seqs(push(table, 1, 1, fetched(10))) == [], "it would stand before what is missing"
    actions = table.answer(1, 1, fetched(3, 4, head=10, more=True))
    assert fetches(actions)[0].after == 4
    actions = table.answer(1, 2, fetched(5, 6, 7, 8, 9, 10))
    assert seqs(table.actions) == list(range(1, 11))
    assert fetches(actions) == []
    assert table.link.is_settled


def test_an_announcement_without_records_is_fetched(up: tuple[Table, int]) -> None:
    table, way = up
    assert fetches(push(table, way, 1, fetched(head=50, more=True)))[0].after == 3


def test_a_new_way_says_only_what_has_changed(up: tuple[Table, int]) -> None:
    table, way = up
    watch(table, item(1), item(2, log=b"M"))
    assert watches(table.actions)[-1] == Watch(HANDLE, (item(2, log=b"M"), item(1, after=3)))
    table.answer(way, 1, watched((2, fetched(head=0))))
    push(table, way, 1, fetched(4))
    table.lose(way)
    assert watches(table.wait(0.1)) == [Watch(HANDLE, (item(1, after=4),))]
    assert seqs(table.answer(2, 0, watched((1, fetched(5))))) == [5]


def test_a_relay_that_forgot_the_set_hears_it_in_full(up: tuple[Table, int]) -> None:
    table, way = up
    table.lose(way)
    table.wait(0.1)
    actions = table.answer(2, 0, Failure(Status.UNKNOWN))
    assert watches(actions) == [Watch(None, (item(1, after=3),))]
    assert not table.link.is_settled
    actions = table.answer(2, 1, watched((1, fetched(4)), handle=NEW_HANDLE))
    assert seqs(actions) == [4]
    assert table.link.is_settled


def test_a_handle_that_a_dead_way_may_still_use_is_not_used_on_a_stream(up: tuple[Table, int]) -> None:
    table, way = up
    watch(table, item(1), item(2, log=b"M"))
    table.lose(way)  # with the change under way: it may arrive late and take the set away
    asked = watches(table.wait(0.1))
    assert asked == [Watch(None, (item(1, after=3), item(2, log=b"M")))]


def test_nor_is_it_when_other_letters_with_it_were_answered_since() -> None:
    """A letter that was given up is said again by the system, or waits at a bridge, for minutes: it takes the set from whoever has it then."""
    watching = Watching()
    watching.set({1: item(1)})
    first = watching.leg(held=True)
    watching.request(first, 0.0)
    first.asking = 1
    watching.answered(first, 0.1, watched((1, fetched(head=0))), first=True)
    watching.request(first, 1.0)
    first.asking = 2
    watching.dropped(first)  # with the watch under way
    watching.not_asked(first)

    second = watching.leg(held=True)
    asked = watching.request(second, 2.0)
    assert asked is not None
    assert asked.handle == HANDLE, "letters take the set back"
    second.asking = 3
    watching.answered(second, 2.1, watched(), first=True)
    stream = watching.leg(held=False)
    asked = watching.request(stream, 3.0)
    assert asked is not None
    assert (asked.handle, [one.slot for one in asked.items]) == (None, [1])
    stream.asking = 4
    watching.answered(stream, 3.1, watched((1, fetched(head=0)), handle=NEW_HANDLE), first=True)
    again = watching.request(watching.leg(held=False), 4.0)
    assert again is not None
    assert again.handle == NEW_HANDLE, "nothing was ever given up with that one"


def test_only_one_attempt_carries_the_watch() -> None:
    table = Table(STREAM, OTHER)
    watch(table, item(1))
    actions = table.wait(0.4)
    assert [len(d.operations) for d in of(table.actions, Dial)] == [1, 0]
    assert watches(actions) == []
    actions = table.answer(2, 0)
    assert watches(actions) == [Watch(None, (item(1),))], "the second is up and asks at once"


def test_who_takes_over_after_another_has_asked_asks_again() -> None:
    """The relay tells whoever asked last: what the first attempt was answered may be over since the second one asked."""
    table = Table(STREAM, OTHER)
    watch(table, item(1))
    table.wait(0.4)
    attempts = [d.way for d in of(table.actions, Dial)]
    assert [len(watches([d])) for d in of(table.actions, Dial)] == [1, 0]
    actions = table.answer(attempts[1], 0)
    assert len(watches(actions)) == 1, "it is up and asks"
    table.answer(attempts[1], 1, watched((1, fetched(1)), handle=NEW_HANDLE))
    actions = table.answer(attempts[0], 0, watched((1, fetched(1))))
    [again] = [a for a in of(actions, Send) if watches([a])]
    assert again.way == attempts[0]


def test_each_watch_has_a_higher_count_than_all_before_it() -> None:
    watching = Watching()
    watching.set({1: item(1)})
    counts = []
    for held in (False, True, False):
        leg = watching.leg(held)
        asked = watching.request(leg, 0.0)
        assert asked is not None
        counts.append(asked.count)
    assert counts == [1, 2, 3]
    assert watching.is_overtaken(watching.leg(held=False)) is False, "it has not asked yet, and will"


def test_a_watch_that_came_too_late_is_asked_for_again(up: tuple[Table, int]) -> None:
    table, way = up
    before = [o for a in table.actions if isinstance(a, Send | Dial) for o in a.operations]
    watch(table, item(1), item(2, log=b"M"))
    actions = table.answer(way, 1, Failure(Status.BUSY, retry_after=0))
    [again] = [o for a in of(actions, Send) for o in a.operations if isinstance(o, Watch)]
    assert again.handle == HANDLE
    assert again.count > max(o.count for o in before if isinstance(o, Watch))


def test_a_slot_that_goes_is_dropped_and_its_late_records_are_not_delivered(up: tuple[Table, int]) -> None:
    table, way = up
    assert watches(watch(table)) == [Watch(HANDLE, (), (1,))]
    assert push(table, way, 1, fetched(4)) == []
    table.answer(way, 1, watched())
    assert table.link.is_settled


def test_a_slot_that_gets_another_log_takes_nothing_of_the_old_one(up: tuple[Table, int]) -> None:
    table, way = up
    watch(table, item(1, log=b"M", after=3))
    actions = push(table, way, 1, fetched(4))
    assert seqs(actions) == []
    assert fetches(actions) == [Fetch(b"M" * 32, b"R" * 32, 3)], (
        "it may have been of the new log all the same"
    )


def test_the_owner_moves_a_cursor_back_and_forward(up: tuple[Table, int]) -> None:
    table, way = up
    actions = table.tell(Repositioned(1, 1))
    assert watches(actions) == [Watch(HANDLE, (item(1, after=1),))]
    assert seqs(table.answer(way, 1, watched((1, fetched(2, 3))))) == [2, 3]
    actions = watch(table, item(1, after=10))
    assert watches(actions) == [Watch(HANDLE, (item(1, after=10),))]
    assert seqs(push(table, way, 1, fetched(9, 10))) == []
    assert seqs(push(table, way, 1, fetched(11))) == [11]
    assert watches(watch(table, item(1, after=2))) == [], "an older cursor of the owner's is only late"


def test_an_answer_from_further_on_than_the_owner_is_now_is_not_taken(up: tuple[Table, int]) -> None:
    table, way = up
    watch(table, item(1), item(2, log=b"M"))  # asks for 1 from record 3 on
    table.tell(Repositioned(1, 1))
    actions = table.answer(way, 1, watched((1, fetched(4, 5)), (2, fetched(head=0))))
    assert seqs(actions) == []
    (again,) = of(actions, Send)
    assert again.operations[0] == Fetch(b"L" * 32, b"R" * 32, 1)
    assert watches([again]) == [Watch(HANDLE, (item(1, after=1),))]
    table.answer(way, again.n, fetched(2, 3, 4), watched((1, fetched(2, 3, 4, 5))))
    assert seqs(table.actions) == [1, 2, 3, 2, 3, 4, 5]


def test_another_read_token_is_told_and_the_cursor_stays(up: tuple[Table, int]) -> None:
    table, way = up
    actions = push(table, way, 1, fetched(4, ended=True))
    assert seqs(actions) == [4]
    assert of(actions, DeliverRecords)[0].what.ended  # type: ignore[union-attr]
    actions = watch(table, item(1, read=b"S"))
    assert watches(actions)[-1].items == (item(1, after=4, read=b"S"),)
    n = of(table.actions, Send)[-1].n
    assert seqs(table.answer(way, n, watched((1, fetched(5))))) == [5]


def test_another_read_token_shows_the_head_anew_though_nothing_came(up: tuple[Table, int]) -> None:
    """What the token before showed was the head at its end: who reads waits for where the log stands now."""
    table, way = up
    last = fetched(4, ended=True)
    push(table, way, 1, last)
    watch(table, item(1, read=b"S"))
    n = of(table.actions, Send)[-1].n
    actions = table.answer(way, n, watched((1, replace(last, records=(), ended=False))))
    [told] = of(actions, DeliverRecords)
    assert (told.what.records, told.what.head) == ((), last.head)  # type: ignore[union-attr]


def test_what_was_written_here_need_not_come_back_until_it_was_read(up: tuple[Table, int]) -> None:
    table, way = up
    written = append("mine")
    table.submit(written)
    id = entry_id(written.entries[0])
    [fetch] = fetches(push(table, way, 1, fetched(9)))  # a gap: what is missing is asked for
    assert fetch.own == (id[:OWN],)
    came = tuple(replace(record, id=id if record.seq == 4 else record.id) for record in fetched(4, 5).records)
    n = of(table.actions, Send)[-1].n
    [fetch] = fetches(table.answer(way, n, replace(fetched(9, more=True), records=came)))
    assert fetch.own == (), "it was read"


def test_what_was_refused_is_to_be_seen_whole() -> None:
    watching = Watching()
    watching.set({1: item(1)})
    written = replace(append("mine"), log=item(1).log)
    watching.writes(written)
    leg = watching.leg(held=True)
    own = (entry_id(written.entries[0])[:OWN],)
    assert watching.request(leg, 0.0).own == own  # type: ignore[union-attr]
    watching.has_not_written(written)
    assert watching.request(leg, 0.0).own == ()  # type: ignore[union-attr]
    watching.writes(written)
    watching.set({})
    watching.set({1: item(1)})
    assert watching.request(watching.leg(held=True), 0.0).own == (), "a log that is not watched any more"  # type: ignore[union-attr]


def test_of_very_many_the_newest_are_named() -> None:
    watching = Watching()
    watching.set({1: item(1)})
    for n in range(100):
        watching.writes(replace(append(f"{n}"), log=item(1).log))
    own = watching.request(watching.leg(held=True), 0.0).own  # type: ignore[union-attr]
    last = replace(append("99"), log=item(1).log)
    assert (len(own), own[-1]) == (OWN_MAX, entry_id(last.entries[0])[:OWN])


def test_a_failure_ends_a_slot_once_and_the_owner_wakes_it(up: tuple[Table, int]) -> None:
    table, way = up
    failure = Failure(Status.EXPIRED, first=40)
    actions = push(table, way, 1, failure)
    assert of(actions, DeliverRecords) == [DeliverRecords(1, failure)]
    assert push(table, way, 1, failure) == []
    table.lose(way)
    assert watches(table.wait(0.1)) == []
    table.answer(2, 0)
    assert table.link.is_settled
    assert watches(watch(table, item(1))) == [], "the same again is no new wish"
    actions = table.tell(Repositioned(1, 39))
    assert watches(actions) == [Watch(HANDLE, (item(1, after=39),))]


def test_a_busy_slot_is_asked_again_later(up: tuple[Table, int]) -> None:
    table, way = up
    actions = push(table, way, 1, Failure(Status.BUSY, retry_after=4))
    assert of(actions, DeliverRecords) == []
    assert watches(table.wait(3.9)) == []
    assert watches(table.wait(0.2)) == [Watch(HANDLE, (item(1, after=3),))]


def test_a_busy_relay_is_asked_again_with_the_same_handle(up: tuple[Table, int]) -> None:
    table, way = up
    watch(table, item(1), item(2, log=b"M"))
    table.answer(way, 1, Failure(Status.BUSY, retry_after=2))
    assert watches(table.wait(1.9)) == []
    assert watches(table.wait(0.2)) == [Watch(HANDLE, (item(2, log=b"M"), item(1, after=3)))]


def test_a_set_of_thousands_is_told_in_parts() -> None:
    table = Table(NEAR)
    items = [item(n, log=bytes([n % 256]), read=bytes([n // 256])) for n in range(1200)]
    watch(table, *items)
    told = 0
    for n in range(3):
        asked = watches(table.actions)[-1]
        told += len(asked.items)
        assert (asked.handle is None) == (n == 0)
        table.answer(1, n, watched(*((i.slot, fetched(head=0)) for i in asked.items)))
    assert told == 1200
    assert len(watches(table.actions)) == 3
    assert table.link.is_settled


def test_signals_come_through_for_what_is_watched_now(up: tuple[Table, int]) -> None:
    table, way = up
    assert table.tell(SignalCame(way, 1, b"typing")) == [DeliverSignal(1, b"typing")]
    assert table.tell(SignalCame(way, 2, b"typing")) == []


def test_pushes_of_a_way_that_does_not_count_any_more_do_not_count() -> None:
    table = Table(LETTERS, STREAM)
    table.tell()
    table.lose(1)
    table.wait(0.3)
    table.answer(2, 0)
    assert push(table, 2, 1, fetched(1)) == []
    assert push(table, 99, 1, fetched(1)) == []


# ------------------------------------------------------------------------------------------- letters


@pytest.fixture
def letters() -> Table:
    """An exchange, watching slot 1 up to record 3, its first answer taken."""
    table = Table(LETTERS)
    watch(table, item(1))
    table.answer(1, 0, watched((1, fetched(1, 2, 3))))
    return table


def test_the_first_letter_is_answered_at_once_and_the_next_one_is_held(letters: Table) -> None:
    assert [w.wait for w in watches(letters.actions)] == [0, 25]
    assert watches(letters.actions)[1] == Watch(HANDLE, (item(1, after=3),), wait=25)
    assert letters.link.is_settled
    letters.now += 5
    actions = letters.answer(1, 1, watched((1, fetched(4))))
    assert seqs(actions) == [4]
    assert watches(actions) == [Watch(HANDLE, (item(1, after=4),), wait=25)]


def test_a_held_letter_with_no_news_is_sent_again_with_the_handle_alone(letters: Table) -> None:
    letters.now += 25
    actions = letters.answer(1, 1, watched())
    assert watches(actions) == [Watch(HANDLE, (), wait=25)]


def test_a_relay_that_does_not_hold_is_not_asked_without_a_pause(letters: Table) -> None:
    letters.now += 0.05
    assert watches(letters.answer(1, 1, watched())) == []
    assert watches(letters.wait(0.9)) == []
    assert len(watches(letters.wait(0.2))) == 1


def test_operations_go_beside_the_held_letter(letters: Table) -> None:
    actions = letters.submit(append("a"))
    assert of(actions, Send)[0].operations == (append("a"),)
    assert delivered(letters.answer(1, 2, done())) == [1]


def test_a_held_letter_that_is_out_of_date_is_replaced(letters: Table) -> None:
    actions = watch(letters, item(1), item(2, log=b"M"))
    assert of(actions, Abandon) == [Abandon(1, 1)]
    assert watches(actions) == [Watch(HANDLE, (item(2, log=b"M"), item(1, after=3)), wait=0)]
    assert not letters.link.is_settled
    actions = letters.answer(1, 2, watched((2, fetched(head=0))))
    assert watches(actions)[0].wait == 25
    assert letters.link.is_settled


def test_a_log_whose_token_has_ended_leaves_the_set_with_the_next_letter(letters: Table) -> None:
    letters.now += 5
    actions = letters.answer(1, 1, watched((1, fetched(4, ended=True))))
    assert of(actions, DeliverRecords) == [DeliverRecords(1, fetched(4, ended=True))]
    assert watches(actions) == [Watch(HANDLE, (), (1,), wait=25)]
    letters.now += 5
    assert of(letters.answer(1, 2, watched((1, fetched(head=4, ended=True)))), DeliverRecords) == []


def test_the_relay_may_take_its_time_with_a_held_letter_and_no_longer(letters: Table) -> None:
    letters.answer(1, 1, watched((1, fetched(head=3))))
    letters.now += 60  # nobody is there any more
    letters.answer(1, 2, watched((1, fetched(head=3))))
    before = letters.now
    letters.wait(34)
    assert len(of(letters.actions, Dial)) == 1
    letters.wait(3)
    assert len(of(letters.actions, Dial)) == 2
    assert letters.now - before < 40


def test_a_held_letter_whose_connection_died_is_not_kept_alive_by_what_comes_by_others(
    letters: Table,
) -> None:
    """While people write, the answers to that come by another connection of the same way."""
    letters.answer(1, 1, watched((1, fetched(head=3))))
    held = of(letters.actions, Send)[-1]
    assert watches([held])[0].wait > 0
    for _ in range(20):
        [text] = [a for a in of(letters.submit(append("text")), Send) if not watches([a])]
        letters.answer(1, text.n, done())
        letters.wait(2.0)
        if len(of(letters.actions, Dial)) > 1 or 1 in [c.way for c in of(letters.actions, Close)]:
            break
    assert letters.now < 40


def test_an_answer_that_was_lost_is_asked_for_again_from_the_cursor(letters: Table) -> None:
    letters.lose(1, RESET)
    letters.wait(2)
    assert watches(letters.actions)[-1] == Watch(HANDLE, (item(1, after=3),))


def test_an_attempt_with_the_watch_that_is_answered_far_too_late_is_left_to_end() -> None:
    table = Table(STREAM, OTHER)
    watch(table, item(1))
    while len(of(table.actions, Dial)) < 2:
        table.wait(0.1)
    [asked] = [d.way for d in of(table.actions, Dial) if watches([d])]
    other = 3 - asked
    table.answer(other, 0)
    n = next(a.n for a in of(table.actions, Send) if watches([a]))
    # Nothing has come yet: nobody is there for whom the way would be asked again and again.
    table.answer(other, n, watched((1, fetched())))
    table.wait(8)
    actions = table.answer(asked, 0, watched((1, fetched(1))))
    assert Close(asked) in actions
    assert seqs(actions) == []
    assert seqs(push(table, other, 1, fetched(1, 2))) == [1, 2], "by the way that counts"
