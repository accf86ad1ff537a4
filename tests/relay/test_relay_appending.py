"""What a relay does with appends: order, repetition, tokens, turns, quotas."""

from dataclasses import replace

import pytest
from relay_paper import PaperRelay, Room, admit, denied, entry, status

from whimbrel.relay.settings import Limits
from whimbrel.wire import chain, codec
from whimbrel.wire.answers import Appended, Failure, Status
from whimbrel.wire.operations import Create, LogKind
from whimbrel.wire.purpose import token_hash

NOBODY = b"nobody".ljust(32, b"!")


def test_entries_get_seqs_in_their_order(room: Room) -> None:
    first = room.post("one", "two")
    second = room.post("three")
    assert (first.first, first.last, second.first, second.last) == (1, 2, 3, 3)
    assert room.texts() == ["one", "two", "three"]


def test_the_chain_stands_for_all_that_was_appended(room: Room) -> None:
    room.post("one")
    answer = room.post("commit", advance=True)
    h = chain.start(room.id)
    for seq, (text, advance) in enumerate([("one", False), ("commit", True)], 1):
        h = chain.step(h, seq, 0, advance, codec.entry_id(entry(text)), None)
    assert answer.h == h
    assert [record.h for record in room.fetch().records][-1] == h


def test_known_entries_answer_their_seqs_again(room: Room) -> None:
    first = room.post("one", "two")
    room.post("three")
    again = room.post("one", "two")
    assert again == first
    assert room.texts() == ["one", "two", "three"]


def test_known_entries_are_known_after_a_restart_and_a_crash(relay: PaperRelay, room: Room) -> None:
    first = room.post("one")
    relay.crash()
    assert room.post("one") == first
    relay.restart()
    assert room.post("one") == first
    assert room.texts() == ["one"]


@pytest.mark.parametrize("texts", [("one", "new"), ("new", "one"), ("two", "one"), ("one", "two", "new")])
def test_an_append_of_which_only_a_part_is_known_is_malformed(room: Room, texts: tuple[str, ...]) -> None:
    room.post("one")
    room.post("two")
    assert status(room.post(*texts)) is Status.MALFORMED
    assert room.texts() == ["one", "two"]


def test_what_was_known_is_told_to_whoever_has_the_entries_even_with_an_old_token_and_turn(
    room: Room,
) -> None:
    first = room.post("one")
    room.post("commit", advance=True, change=room.change(write=b"x" * 32))
    assert room.post("one", write=NOBODY, turn=77) == first


def test_an_unknown_token_is_denied_and_so_is_a_log_that_does_not_exist(room: Room) -> None:
    assert denied(room.post("one", write=NOBODY))
    assert denied(room.relay.one(replace(room.append("one"), log=NOBODY)))
    assert room.texts() == []


def test_a_read_token_does_not_write_and_a_write_token_does_not_read(room: Room) -> None:
    assert denied(room.post("one", write=room.read))
    assert denied(room.fetch(read=room.write))


def test_an_old_write_token_hears_that_its_turn_has_passed(room: Room) -> None:
    room.post("commit", advance=True, change=room.change(write=b"x" * 32))
    answer = room.post("late")
    assert answer.status is Status.WRONG_TURN
    assert (answer.head.seq, answer.head.turn, answer.head.n) == (1, 1, 1)
    # Also when it knows the new turn: the token is checked before the turn.
    assert status(room.post("late", turn=1)) is Status.WRONG_TURN


def test_an_advance_ends_the_turn_and_what_comes_in_the_old_one_hears_the_head(room: Room) -> None:
    room.post("one")
    room.post("commit", advance=True)
    late = room.post("two")
    assert late == Failure(Status.WRONG_TURN, head=room.fetch(2).head)
    assert late.head.turn == 1
    room.turn = 1
    assert room.post("two").turn == 1
    assert [record.turn for record in room.fetch().records] == [0, 0, 1]


def test_a_turn_that_is_not_here_yet_is_wrong_too(room: Room) -> None:
    assert status(room.post("early", turn=1)) is Status.WRONG_TURN


def test_of_two_commits_in_one_turn_one_comes_through(room: Room) -> None:
    answers = room.relay.ask(
        room.append("mine", advance=True), room.append("yours", advance=True), room.append("text")
    )
    assert [status(answer) for answer in answers] == [Status.OK, Status.WRONG_TURN, Status.WRONG_TURN]
    assert room.texts() == ["mine"]


def test_a_commit_that_was_answered_is_known_in_the_next_turn(room: Room) -> None:
    answer = room.post("commit", advance=True)
    assert room.post("commit", advance=True) == answer
    assert answer.turn == 1


# ------------------------------------------------------------------------------------------------ inboxes


def test_an_inbox_has_no_turns(relay: PaperRelay) -> None:
    inbox = Room(relay, LogKind.INBOX)
    assert status(inbox.post("letter")) is Status.OK
    assert status(inbox.post("letter 2", advance=True)) is Status.MALFORMED
    assert status(inbox.post("letter 2", turn=1)) is Status.WRONG_TURN
    assert inbox.fetch().head.turn == 0


def test_a_granted_token_only_appends(relay: PaperRelay) -> None:
    inbox = Room(relay, LogKind.INBOX)
    guest = b"guest".ljust(32, b"g")
    inbox.grant(guest)
    assert status(inbox.post("hello", write=guest)) is Status.OK
    assert denied(inbox.post("more", write=guest, advance=True))
    assert denied(inbox.post("more", write=guest, change=inbox.change(admins=())))
    assert denied(inbox.fetch(read=guest))
    assert inbox.texts() == ["hello"]


def test_a_grant_has_its_own_quota_of_entries(relay: PaperRelay) -> None:
    inbox = Room(relay, LogKind.INBOX)
    guest, other = b"g" * 32, b"o" * 32
    inbox.grant(guest, entries=2)
    inbox.grant(other, entries=1)
    assert status(inbox.post("one", "two", "three", write=guest)) is Status.FULL
    assert status(inbox.post("one", "two", write=guest)) is Status.OK
    assert status(inbox.post("three", write=guest)) is Status.FULL
    assert status(inbox.post("mine", write=other)) is Status.OK
    relay.restart()
    assert status(inbox.post("four", write=guest)) is Status.FULL
    assert inbox.texts() == ["one", "two", "mine"]


def test_a_grant_has_its_own_quota_of_bytes(relay: PaperRelay) -> None:
    inbox = Room(relay, LogKind.INBOX)
    guest = b"g" * 32
    inbox.grant(guest, size=1000)
    assert status(inbox.post(entry("large", size=900), write=guest)) is Status.FULL
    assert status(inbox.post(entry("small", size=500), write=guest)) is Status.OK
    assert status(inbox.post(entry("small 2", size=500), write=guest)) is Status.FULL


def test_a_revoked_grant_is_denied(relay: PaperRelay) -> None:
    inbox = Room(relay, LogKind.INBOX)
    guest = b"g" * 32
    inbox.grant(guest)
    inbox.alter(revokes=(token_hash(guest),))
    assert denied(inbox.post("hello", write=guest))


# ------------------------------------------------------------------------------------------------- limits


def test_advances_by_others_than_admins_come_in_a_burst_and_then_one_a_minute(relay: PaperRelay) -> None:
    room = Room(relay)

    def advance() -> object:
        answer = room.post(f"commit {room.turn}", advance=True)
        room.turn += isinstance(answer, Appended)
        return answer

    assert [status(advance()) for _ in range(11)] == [Status.OK] * 10 + [Status.BUSY]
    busy = advance()
    assert isinstance(busy, Failure)
    assert busy.retry_after == 60
    relay.now += 59
    assert status(advance()) is Status.BUSY
    relay.now += 1
    assert [status(advance()) for _ in range(2)] == [Status.OK, Status.BUSY]
    # Messages go on meanwhile.
    assert status(room.post("text")) is Status.OK


def test_admins_who_prove_themselves_may_advance_at_any_time(room: Room) -> None:
    for _ in range(30):
        answer = room.relay.one(room.proven(room.append(f"commit {room.turn}", advance=True)))
        assert status(answer) is Status.OK
        room.turn += 1
    # And have not used up what the others may.
    assert status(room.post("by a member", advance=True)) is Status.OK


def test_a_proof_by_somebody_else_or_over_something_else_is_denied(room: Room) -> None:
    append = room.append("commit", advance=True)
    assert denied(room.relay.one(room.proven(append, private=b"m" * 32)))
    stolen = replace(room.append("other", advance=True), admin=room.proven(append).admin)
    assert denied(room.relay.one(stolen))
    assert room.texts() == []


def test_a_full_log_takes_no_more_but_from_its_admins(tmp_path) -> None:  # type: ignore[no-untyped-def]
    relay = PaperRelay(tmp_path, Limits(log_bytes=3000, log_reserve=1000))
    room = Room(relay)
    assert status(room.post(entry("one", size=2500))) is Status.OK
    assert status(room.post(entry("two", size=500))) is Status.FULL
    by_admin = room.proven(room.append(entry("two", size=500), advance=True))
    assert status(relay.one(by_admin)) is Status.OK
    room.turn = 1
    assert status(relay.one(room.proven(room.append(entry("three", size=500))))) is Status.FULL


def test_nothing_is_taken_when_the_disk_is_nearly_full(relay: PaperRelay, room: Room) -> None:
    relay.engine.disk_full = True
    assert status(room.post("one")) is Status.FULL
    assert status(relay.one(Create(replace(room.body, nonce=b"2" * 32), admit()))) is Status.FULL
    relay.engine.disk_full = False
    assert status(room.post("one")) is Status.OK


def test_what_was_refused_has_changed_nothing(relay: PaperRelay, room: Room) -> None:
    room.post("one")
    before = room.fetch(1).head
    change = room.change(write=b"x" * 32)
    for refused in (
        room.append("a", write=NOBODY, advance=True, change=change),
        room.append("b", turn=9, advance=True, change=change),
        room.append("c", advance=True, change=change, needs=(b"b" * 32,)),
        room.append("d", advance=True, change=room.change(private=b"m" * 32, write=b"x" * 32)),
        room.append("e", advance=True, change=room.change(n=2, write=b"x" * 32)),
    ):
        assert isinstance(relay.one(refused), Failure)
        assert room.fetch(1).head == before
    assert status(room.post("two")) is Status.OK
