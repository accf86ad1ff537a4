"""Watch sets: what is answered, what is pushed, handles, ends, and listeners that cannot take more."""

from dataclasses import replace

import pytest
from relay_paper import Hearer, PaperRelay, Room, denied, entry, status, text_of

from whimbrel.relay.settings import DAY, Limits
from whimbrel.wire.answers import Failure, Fetched, Status, Watched
from whimbrel.wire.operations import OWN, Signal, Watch
from whimbrel.wire.stored import entry_id


def texts(heard: list[tuple[int, Fetched | Failure]]) -> list[tuple[int, str]]:
    return [
        (slot, text_of(record.entry))
        for slot, what in heard
        if isinstance(what, Fetched)
        for record in what.records
    ]


def test_a_watch_answers_what_a_fetch_would_and_then_pushes(room: Room) -> None:
    room.post("before")
    hearer = Hearer()
    watched = room.watch(hearer, slot=7)
    assert texts(list(watched.results)) == [(7, "before")]
    room.post("after")
    assert texts(hearer.heard()) == [(7, "after")]


def test_a_push_goes_also_to_the_session_that_appended(room: Room) -> None:
    hearer = Hearer()
    room.watch(hearer)
    room.relay.ask(room.append("mine"), listener=hearer)
    assert texts(hearer.heard()) == [(1, "mine")]


def test_the_answer_leaves_away_what_is_ones_own_and_pushes_come_whole(relay: PaperRelay, room: Room) -> None:
    mine, theirs = entry("mine"), entry("theirs")
    room.post(mine, theirs)
    hearer = Hearer()
    [watched] = relay.ask(Watch(items=(room.item(),), own=(entry_id(mine)[:OWN],)), listener=hearer)
    [(_, what)] = watched.results
    assert [record.entry for record in what.records] == [None, theirs]
    again = entry("more of mine")
    room.post(again)
    assert texts(hearer.heard()) == [(1, "more of mine")]
    [late] = relay.ask(Watch(watched.handle, own=(entry_id(again)[:OWN],)), listener=hearer)
    [(_, what)] = late.results
    assert [record.entry for record in what.records] == [mine, theirs, None], "each watch says it anew"


def test_nothing_is_pushed_before_it_is_on_disk(relay: PaperRelay, room: Room) -> None:
    hearer = Hearer()
    room.watch(hearer)
    answers = relay.begin(room.append("text"))
    assert (answers, hearer.heard()) == ([], [])
    relay.turn()
    assert len(answers) == len(hearer.heard()) == 1


def test_what_a_watch_has_answered_is_not_pushed_again(relay: PaperRelay, room: Room) -> None:
    """The append and the watch share a group: the answer has the record already."""
    hearer = Hearer()
    answers = relay.ask(room.append("text"), Watch(items=(room.item(),)), listener=hearer)
    assert texts(list(answers[1].results)) == [(1, "text")]
    assert hearer.heard() == []
    room.post("next")
    assert texts(hearer.heard()) == [(1, "next")]


def test_an_append_after_the_watch_in_one_group_is_pushed(relay: PaperRelay, room: Room) -> None:
    hearer = Hearer()
    answers = relay.ask(Watch(items=(room.item(),)), room.append("text"), listener=hearer)
    assert texts(list(answers[0].results)) == []
    assert texts(hearer.heard()) == [(1, "text")]


def test_logs_of_one_set_are_known_by_their_slots(relay: PaperRelay) -> None:
    rooms = [Room(relay, name=f"room {i}") for i in range(3)]
    hearer = Hearer()
    watched = relay.one(Watch(items=tuple(room.item(10 + i) for i, room in enumerate(rooms))), hearer)
    assert [slot for slot, _ in watched.results] == [10, 11, 12]
    for i, room in enumerate(rooms):
        room.post(f"text {i}")
    assert texts(hearer.heard()) == [(10, "text 0"), (11, "text 1"), (12, "text 2")]


def test_items_that_are_denied_say_so_and_do_not_stop_the_others(relay: PaperRelay, room: Room) -> None:
    hearer = Hearer()
    wrong = (replace(room.item(2), read=b"?" * 32), replace(room.item(3), log=b"?" * 32))
    watched = relay.one(Watch(items=(*wrong, room.item(1))), hearer)
    results = dict(watched.results)
    assert denied(results[2])
    assert denied(results[3])
    assert isinstance(results[1], Fetched)
    room.post("text")
    assert texts(hearer.heard()) == [(1, "text")]


# ------------------------------------------------------------------------------------------------ handles


def test_a_handle_stands_for_the_set_and_only_changes_are_sent(relay: PaperRelay) -> None:
    rooms = [Room(relay, name=f"room {i}") for i in range(3)]
    first = relay.one(Watch(items=tuple(room.item(i) for i, room in enumerate(rooms))), Hearer())
    rooms[1].post("one")
    rooms[2].post("two")
    hearer = Hearer()
    again = relay.one(Watch(handle=first.handle, drop=(2,)), hearer)
    assert again.handle == first.handle
    assert texts(list(again.results)) == [(1, "one")]
    rooms[0].post("zero")
    rooms[2].post("not watched any more")
    assert texts(hearer.heard()) == [(0, "zero")]


def test_a_cursor_moves_only_by_what_the_app_says(relay: PaperRelay, room: Room) -> None:
    handle = room.watch(Hearer()).handle
    room.post("one")
    lost = relay.one(Watch(handle=handle))
    again = relay.one(Watch(handle=handle))
    assert lost == again
    assert texts(list(again.results)) == [(1, "one")]
    moved = relay.one(Watch(handle=handle, items=(room.item(after=1),)))
    # The slot was named, so it is answered, although there is nothing new.
    assert moved.results == ((1, room.fetch(1)),)
    assert relay.one(Watch(handle=handle)).results == ()


def test_a_handle_that_is_not_known_is_unknown(relay: PaperRelay, room: Room) -> None:
    assert status(relay.one(Watch(handle=b"h" * 16))) is Status.UNKNOWN
    handle = room.watch(Hearer()).handle
    relay.restart()
    assert status(relay.one(Watch(handle=handle))) is Status.UNKNOWN


def test_a_set_lives_seven_days_after_its_last_use(relay: PaperRelay, room: Room) -> None:
    handle = relay.one(Watch(items=(room.item(),))).handle
    relay.now += 6 * DAY
    assert isinstance(relay.one(Watch(handle=handle)), Watched)
    relay.now += 7 * DAY + 1
    relay.one(Watch(items=(room.item(),)))
    assert status(relay.one(Watch(handle=handle))) is Status.UNKNOWN


def test_the_newest_listener_has_the_set(relay: PaperRelay, room: Room) -> None:
    old, new = Hearer(), Hearer()
    handle = room.watch(old).handle
    relay.one(Watch(handle=handle), new)
    room.post("text")
    assert (texts(old.heard()), texts(new.heard())) == ([], [(1, "text")])
    assert old.attached is None


def test_a_watch_that_comes_late_or_again_takes_nothing_and_changes_nothing(relay: PaperRelay) -> None:
    """A way that was given up goes on saying what it was told to, and a bridge can say it once more."""
    rooms = [Room(relay, name=f"room {i}") for i in range(2)]
    old, new, late = Hearer(), Hearer(), Hearer()
    first = relay.one(Watch(items=(rooms[0].item(0),), count=3), old)
    relay.one(Watch(handle=first.handle, items=(rooms[0].item(0), rooms[1].item(1)), count=5), new)
    for count in (1, 4, 5):
        said = relay.one(Watch(handle=first.handle, drop=(0,), count=count), late)
        assert isinstance(said, Failure)
        assert (said.status, said.retry_after) == (Status.BUSY, 0)
    rooms[0].post("zero")
    rooms[1].post("one")
    assert texts(new.heard()) == [(0, "zero"), (1, "one")]
    assert late.heard() == []
    assert isinstance(relay.one(Watch(handle=first.handle, count=6), late), Watched)
    rooms[0].post("more")
    assert texts(late.heard()) == [(0, "more")]
    assert isinstance(relay.one(Watch(handle=first.handle), late), Watched), (
        "of a program that does not count"
    )


def test_what_fails_with_one_listener_is_told_to_the_others(relay: PaperRelay, room: Room) -> None:
    class Broken(Hearer):
        def push(self, *_: object) -> None:
            raise ValueError("it cannot be written")

    room.watch(Broken())
    beside = Hearer()
    room.watch(beside)
    other = Room(relay, name="other")
    hearer = Hearer()
    other.watch(hearer)
    relay.ask(room.append("text"), other.append("there"))
    assert texts(beside.heard()) == [(1, "text")]
    assert texts(hearer.heard()) == [(1, "there")]
    assert len(relay.complaints) == 1


def test_a_listener_that_cannot_take_it_yet_hears_later_that_a_log_was_dropped(
    relay: PaperRelay, room: Room
) -> None:
    hearer = Hearer()
    room.watch(hearer)
    hearer.can = False
    relay.one(room.drop())
    assert hearer.heard() == []
    hearer.can = True
    relay.watching.catch_up(hearer)
    assert [status(what) for _, what in hearer.heard()] == [Status.DENIED]


def test_a_listener_that_watches_anew_gives_its_old_set_up(relay: PaperRelay, room: Room) -> None:
    hearer = Hearer()
    first = room.watch(hearer, slot=1)
    room.watch(hearer, slot=2)
    room.post("text")
    assert texts(hearer.heard()) == [(2, "text")]
    assert status(relay.one(Watch(handle=first.handle))) is Status.UNKNOWN


def test_a_detached_set_is_told_nothing_and_is_taken_up_again(relay: PaperRelay, room: Room) -> None:
    hearer = Hearer()
    handle = room.watch(hearer).handle
    assert hearer.attached is not None
    relay.watching.detach(hearer.attached)
    room.post("meanwhile")
    assert hearer.heard() == []
    back = Hearer()
    assert texts(list(relay.one(Watch(handle=handle), back).results)) == [(1, "meanwhile")]
    room.post("again")
    assert texts(back.heard()) == [(1, "again")]
    assert relay.watching.items == 1


def test_a_set_has_a_limit(tmp_path) -> None:  # type: ignore[no-untyped-def]
    relay = PaperRelay(tmp_path, Limits(watch_items=2))
    rooms = [Room(relay, name=f"{i}") for i in range(3)]
    items = tuple(room.item(i) for i, room in enumerate(rooms))
    assert status(relay.one(Watch(items=items))) is Status.FULL
    handle = relay.one(Watch(items=items[:2])).handle
    assert status(relay.one(Watch(handle=handle, items=items[2:]))) is Status.FULL


def test_sets_make_room_for_newer_ones_but_never_those_that_somebody_has(tmp_path) -> None:  # type: ignore[no-untyped-def]
    relay = PaperRelay(tmp_path, Limits(watch_sets=3))
    room = Room(relay)
    hearers = [Hearer() for _ in range(2)]
    kept = [room.watch(hearer).handle for hearer in hearers]
    first = relay.one(Watch(items=(room.item(),))).handle
    second = relay.one(Watch(items=(room.item(),))).handle
    assert status(relay.one(Watch(handle=first))) is Status.UNKNOWN
    assert isinstance(relay.one(Watch(handle=second)), Watched)
    third = Hearer()
    assert isinstance(room.watch(third), Watched)
    assert room.watch(Hearer()) == Failure(Status.BUSY, retry_after=60)
    room.post("text")
    assert all(texts(hearer.heard()) == [(1, "text")] for hearer in (*hearers, third))
    assert all(isinstance(relay.one(Watch(handle=handle), hearer), Watched) for handle, hearer in zip(kept, hearers, strict=True))  # fmt: skip


# ------------------------------------------------------------------------------------------ ends of tokens


def test_a_watch_whose_token_ends_hears_so_and_nothing_more(room: Room) -> None:
    hearer = Hearer()
    room.watch(hearer)
    room.post("removal", advance=True, change=room.change(read=b"2" * 32, write=b"x" * 32))
    [(slot, fetched)] = hearer.heard()
    assert isinstance(fetched, Fetched)
    assert (slot, fetched.ended, len(fetched.records)) == (1, True, 1)
    room.post("secret", turn=1, write=b"x" * 32)
    assert hearer.heard() == []


def test_a_change_on_its_own_that_ends_the_token_is_told_too(room: Room) -> None:
    room.post("one")
    hearer = Hearer()
    room.watch(hearer, after=1)
    room.alter(read=b"2" * 32)
    [(_, fetched)] = hearer.heard()
    assert isinstance(fetched, Fetched)
    assert (fetched.ended, fetched.records, fetched.head.n) == (True, (), 1)


def test_who_watches_with_an_old_token_gets_its_end_at_once(room: Room) -> None:
    old = room.read
    room.post("removal", advance=True, change=room.change(read=b"2" * 32, write=b"x" * 32))
    hearer = Hearer()
    watched = room.watch(hearer, read=old)
    [(_, fetched)] = watched.results
    assert fetched.ended
    room.post("secret", turn=1, write=b"x" * 32)
    assert hearer.heard() == []
    # The answer may have been lost: the end is said again until the app gives the slot another token or drops it.
    again = room.relay.one(Watch(handle=watched.handle), hearer)
    assert again.results == watched.results
    moved = room.relay.one(Watch(handle=watched.handle, items=(room.item(read=b"2" * 32, after=1),)), hearer)
    assert texts(list(moved.results)) == [(1, "secret")]
    room.post("pushed again", turn=1, write=b"x" * 32)
    assert texts(hearer.heard()) == [(1, "pushed again")]


def test_a_slot_goes_on_from_token_to_token_on_one_stream(room: Room) -> None:
    hearer = Hearer()
    handle = room.watch(hearer).handle
    for turn in range(5):
        read = bytes([turn]) * 32
        room.post(f"commit {turn}", advance=True, change=room.change(read=read))
        [(_, fetched)] = hearer.heard()
        assert isinstance(fetched, Fetched)
        assert fetched.ended
        room.turn, room.n, room.read = turn + 1, turn + 1, read
        after = fetched.records[-1].seq
        renewed = room.relay.one(Watch(handle=handle, items=(room.item(after=after),)), hearer)
        assert [slot for slot, _ in renewed.results] == [1]
        room.post(f"text {turn}")
        assert texts(hearer.heard()) == [(1, f"text {turn}")]


# -------------------------------------------------------------------------------------- slow listeners


def test_who_cannot_take_more_is_told_later_that_there_is_more(relay: PaperRelay, room: Room) -> None:
    slow, quick = Hearer(), Hearer()
    room.watch(slow)
    room.watch(quick)
    slow.can = False
    for i in range(5):
        room.post(str(i))
    assert slow.heard() == []
    assert len(texts(quick.heard())) == 5
    slow.can = True
    relay.watching.catch_up(slow)
    assert slow.heard() == [(1, Fetched((), room.fetch(5).head, more=True, ended=False))]
    room.post("next")
    assert texts(slow.heard()) == [(1, "next")]


def test_a_token_that_ended_meanwhile_shows_no_head_beyond_its_end(relay: PaperRelay, room: Room) -> None:
    slow = Hearer()
    room.watch(slow)
    slow.can = False
    room.post("removal", advance=True, change=room.change(read=b"2" * 32, write=b"x" * 32))
    room.post("secret", turn=1, write=b"x" * 32)
    slow.can = True
    relay.watching.catch_up(slow)
    [(_, fetched)] = slow.heard()
    assert isinstance(fetched, Fetched)
    assert (fetched.more, fetched.head.seq) == (True, 1)
    assert room.fetch().ended
    room.post("more", turn=1, write=b"x" * 32)
    assert slow.heard() == []


def test_what_is_too_much_to_push_is_announced(room: Room) -> None:
    hearer = Hearer()
    room.watch(hearer)
    room.post(*[entry(f"{i}", size=60_000) for i in range(12)])
    [(_, fetched)] = hearer.heard()
    assert isinstance(fetched, Fetched)
    assert (fetched.records, fetched.more, fetched.head.seq) == ((), True, 12)


# --------------------------------------------------------------------------------------------- signals


def test_signals_pass_to_whoever_watches_now_and_are_never_stored(relay: PaperRelay, room: Room) -> None:
    ada, bo, late = Hearer(), Hearer(), Hearer()
    room.watch(ada)
    room.watch(bo, slot=9)
    assert status(relay.one(Signal(room.id, room.write, b"typing"), ada)) is Status.OK
    assert (ada.signals, bo.signals) == ([], [(9, b"typing")])
    room.watch(late)
    assert late.signals == []
    assert room.fetch().head.seq == 0
    assert b"typing" not in (relay.folder / "relay.db").read_bytes()


@pytest.mark.parametrize("token", [b"?" * 32, "read", "granted"])
def test_signals_need_the_write_token(relay: PaperRelay, room: Room, token: bytes | str) -> None:
    room.grant(b"g" * 32)
    hearer = Hearer()
    room.watch(hearer)
    tokens = {"read": room.read, "granted": b"g" * 32}
    answer = relay.one(Signal(room.id, tokens[token] if isinstance(token, str) else token, b"typing"))
    assert denied(answer)
    assert hearer.signals == []


def test_signals_have_a_pace(relay: PaperRelay, room: Room) -> None:
    hearer = Hearer()
    answers = relay.ask(*[Signal(room.id, room.write, b"x")] * 100, listener=hearer)
    assert [status(answer) for answer in answers].count(Status.OK) == relay.limits.signal_burst
    assert status(answers[-1]) is Status.BUSY


# ---------------------------------------------------------------------------------------------- faults


def test_a_watch_in_a_group_that_failed_tells_of_nothing_that_did_not_happen(
    relay: PaperRelay, room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    from whimbrel.relay.storage import StorageError

    hearer = Hearer()

    def no_disk() -> None:
        raise StorageError("gone")

    with monkeypatch.context() as broken:
        broken.setattr(relay.storage, "commit", no_disk)
        answers = relay.ask(room.append("lost"), Watch(items=(room.item(),)), listener=hearer)
    assert [status(answer) for answer in answers] == [Status.BUSY, Status.BUSY]
    assert hearer.heard() == []
    assert room.fetch().head.seq == 0
    watched = room.watch(hearer)
    assert dict(watched.results)[1].records == ()
    room.post("kept")
    assert texts(hearer.heard()) == [(1, "kept")]
