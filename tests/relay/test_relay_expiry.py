"""What a relay forgets, and what it keeps."""

from relay_paper import PaperRelay, Room

from whimbrel.relay.settings import DAY
from whimbrel.wire import chain
from whimbrel.wire.answers import Failure, Status
from whimbrel.wire.operations import LogKind


def shape(room: Room, after: int = 0) -> list[tuple[int, bool]]:
    """(seq, whether the entry is there) of what can be fetched."""
    return [(record.seq, record.entry is not None) for record in room.fetch(after).records]


def talk(room: Room) -> None:
    """Three turns of two texts each, then one text: commits at 3 and 6."""
    for turn in range(2):
        room.post(f"{turn} a", f"{turn} b")
        room.post(f"commit {turn}", advance=True)
        room.turn += 1
    room.post("last")


def test_entries_live_thirty_days_and_leave_their_ids(relay: PaperRelay, room: Room) -> None:
    talk(room)
    ids = [record.id for record in room.fetch().records]
    relay.now += 29 * DAY
    relay.expire()
    assert all(there for _, there in shape(room))
    relay.now += 2 * DAY
    relay.expire()
    assert shape(room) == [(1, False), (2, False), (3, True), (4, False), (5, False), (6, True), (7, True)]
    assert [record.id for record in room.fetch().records] == ids


def test_the_chain_holds_across_expired_entries(relay: PaperRelay, room: Room) -> None:
    talk(room)
    relay.now += 31 * DAY
    relay.expire()
    h = chain.start(room.id)
    for record in room.fetch().records:
        h = chain.step(h, record.seq, record.turn, record.advance, record.id, record.change)
        assert h == record.h


def test_an_expired_entry_is_still_known(relay: PaperRelay, room: Room) -> None:
    first = room.post("0 a", "0 b")
    room.post("commit", advance=True)
    relay.now += 31 * DAY
    relay.expire()
    assert room.post("0 a", "0 b") == first


def test_ids_go_after_sixty_days_and_advances_after_four_hundred(relay: PaperRelay, room: Room) -> None:
    talk(room)
    relay.now += 61 * DAY
    relay.expire()
    assert shape(room) == [(3, True), (6, True), (7, True)]
    relay.now += 345 * DAY
    relay.expire()
    # The last turn stays, with the advance that began it.
    assert shape(room) == [(6, True), (7, True)]


def test_what_is_wholly_gone_is_said_to_have_expired(relay: PaperRelay, room: Room) -> None:
    talk(room)
    relay.now += 61 * DAY
    relay.expire()
    assert room.fetch(1) == Failure(Status.EXPIRED, first=3)
    assert shape(room, 2) == [(3, True), (6, True), (7, True)]
    # From 3 on there are only gaps, and every commit in its place: the reader goes on.
    assert shape(room, 3) == [(6, True), (7, True)]
    assert shape(room, 0) == [(3, True), (6, True), (7, True)]


def test_a_quiet_conversation_keeps_its_last_turn_for_ever(relay: PaperRelay, room: Room) -> None:
    room.post("hello")
    relay.now += 2000 * DAY
    relay.expire()
    assert shape(room) == [(1, True)]
    relay.restart()
    assert room.post("again").first == 2


def test_an_inbox_forgets_everything_but_where_it_stands(relay: PaperRelay) -> None:
    inbox = Room(relay, LogKind.INBOX)
    for i in range(3):
        inbox.post(f"letter {i}")
    relay.now += 31 * DAY
    relay.expire()
    assert shape(inbox) == [(1, False), (2, False), (3, False)]
    relay.now += 30 * DAY
    relay.expire()
    assert shape(inbox) == [(3, False)]
    h = inbox.fetch().head.h
    relay.restart()
    assert inbox.fetch().head.h == h
    assert inbox.post("letter 3").first == 4


def test_expired_entries_give_their_space_back(relay: PaperRelay, room: Room) -> None:
    talk(room)
    log = relay.storage.log(room.id)
    assert log is not None
    before = log.used
    relay.now += 31 * DAY
    relay.expire()
    log = relay.storage.log(room.id)
    assert log is not None
    assert log.used < before / 2
    used = log.used
    relay.expire()
    relay.restart()
    log = relay.storage.log(room.id)
    assert log is not None
    assert log.used == used


def test_a_round_takes_many_small_steps(relay: PaperRelay) -> None:
    rooms = [Room(relay, LogKind.INBOX, f"{i}") for i in range(60)]
    for room in rooms:
        for i in range(8):
            room.post(f"{i}")
    relay.now += 31 * DAY
    relay.storage.settle()
    steps = 1
    while relay.expiry.step(int(relay.now)):
        steps += 1
    relay.desk.changed()
    relay.turn()
    assert steps > 3
    assert all(not there for room in rooms for _, there in shape(room))


def test_a_long_log_is_gone_through_over_several_steps(relay: PaperRelay) -> None:
    inbox = Room(relay, LogKind.INBOX)
    for i in range(9):
        inbox.post(*[f"{i} {j}" for j in range(100)])
    relay.now += 31 * DAY
    relay.expire()
    rows = relay.storage.settled_rows(1, 0, 1000)
    assert len(rows) == 900
    assert all(row[4] is None for row in rows)
