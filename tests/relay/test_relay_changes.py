"""Admins' changes and what they do to tokens: numbers, signatures, windows of read tokens."""

from dataclasses import replace

import pytest
from relay_paper import IDENTITY, PaperRelay, Room, denied, status

from whimbrel.wire import proofs
from whimbrel.wire.answers import Altered, Appended, Failure, Fetched, Status
from whimbrel.wire.codec import encode_signed_change
from whimbrel.wire.operations import Alter, Change, Grant
from whimbrel.wire.purpose import public_of, token_hash

READ_2, READ_3, WRITE_2 = b"2" * 32, b"3" * 32, b"x" * 32


def rekey(room: Room, text: str, read: bytes, write: bytes) -> Appended:
    """A commit that takes both tokens over, as a removal does."""
    answer = room.post(text, advance=True, change=room.change(read=read, write=write))
    assert isinstance(answer, Appended)
    room.turn += 1
    room.n += 1
    room.read, room.write = read, write
    return answer


def test_a_change_beside_an_append_takes_effect_after_it(room: Room) -> None:
    old_read, old_write = room.read, room.write
    room.post("before")
    rekey(room, "commit", READ_2, WRITE_2)
    room.post("after")
    # The old token reads up to and including the commit, the new one what follows it.
    before = room.fetch(read=old_read)
    assert [record.seq for record in before.records] == [1, 2]
    assert (before.ended, before.more) == (True, False)
    assert room.texts(read=READ_2) == ["after"]
    assert status(room.post("x", write=old_write)) is Status.WRONG_TURN


def test_what_the_old_token_sees_of_the_head_is_where_it_ended(room: Room) -> None:
    old = room.read
    rekey(room, "commit", READ_2, WRITE_2)
    room.post("secret")
    fetched = room.fetch(read=old)
    assert (fetched.head.seq, fetched.head.turn, fetched.head.n) == (1, 1, 1)


def test_a_reader_goes_on_from_token_to_token(relay: PaperRelay, room: Room) -> None:
    first = room.read
    room.post("1")
    rekey(room, "2", READ_2, WRITE_2)
    room.post("3")
    rekey(room, "4", READ_3, b"y" * 32)
    room.post("5")
    relay.restart()
    seen, after = [], 0
    for token in (first, READ_2, READ_3):
        fetched = room.fetch(after, read=token)
        seen += [record.seq for record in fetched.records]
        assert fetched.ended is (token != READ_3)
        after = seen[-1]
    assert seen == [1, 2, 3, 4, 5]


def test_an_old_read_token_whose_window_is_read_out_is_denied(room: Room) -> None:
    old = room.read
    rekey(room, "commit", READ_2, WRITE_2)
    room.post("secret")
    assert denied(room.fetch(1, read=old))
    assert denied(room.fetch(2, read=old))
    assert denied(room.fetch(2**62, read=old))


def test_a_token_never_opens_what_was_before_it(room: Room) -> None:
    room.post("one", "two")
    rekey(room, "commit", READ_2, WRITE_2)
    room.post("after")
    assert room.texts(0, read=READ_2) == ["after"]
    assert room.fetch(1, read=READ_2) == Failure(Status.EXPIRED, first=4)


def test_pages_of_an_old_token_end_where_it_ends(room: Room) -> None:
    old = room.read
    for i in range(5):
        room.post(str(i))
    rekey(room, "commit", READ_2, WRITE_2)
    room.post("secret")
    first = room.fetch(0, read=old, limit=4)
    second = room.fetch(4, read=old, limit=4)
    assert (len(first.records), first.more, first.ended) == (4, True, False)
    assert (len(second.records), second.more, second.ended) == (2, False, True)


def test_a_repeat_of_a_known_append_with_its_change_is_answered_again(room: Room) -> None:
    commit = room.append("commit", advance=True, change=room.change(read=READ_2, write=WRITE_2))
    first = room.relay.one(commit)
    assert isinstance(first, Appended)
    assert room.relay.one(commit) == first
    # Not so with another change: `appended` would say that it holds.
    assert denied(room.relay.one(replace(commit, change=room.change(n=2, write=b"z" * 32))))
    assert room.fetch(1, read=READ_2).head.n == 1


@pytest.mark.parametrize("n", [2, 3, 2**62])
def test_a_change_with_another_number_is_denied_and_changes_nothing(room: Room, n: int) -> None:
    assert denied(room.post("commit", advance=True, change=room.change(n=n, write=WRITE_2)))
    assert denied(room.relay.one(Alter(room.id, room.change(n=n, write=WRITE_2))))
    assert room.fetch().head.seq == 0
    assert status(room.post("one")) is Status.OK


def test_a_change_that_no_admin_signed_is_denied_and_changes_nothing(room: Room) -> None:
    stranger = b"s" * 32
    good = room.change(write=WRITE_2)
    for change in (
        room.change(private=stranger, write=WRITE_2),
        replace(good, signature=bytes(64)),
        replace(good, key=public_of(stranger)),
        replace(good, change=Change(1, write_hash=token_hash(b"z" * 32))),
        proofs.sign_change(good.change, room.admin, IDENTITY, b"another log".ljust(32, b".")),
        proofs.sign_change(good.change, room.admin, b"another relay".ljust(32, b"."), room.id),
    ):
        assert denied(room.post("commit", advance=True, change=change))
        assert denied(room.relay.one(Alter(room.id, change)))
    assert room.fetch().head == room.created.head
    assert status(room.post("one")) is Status.OK


def test_admins_are_those_of_the_head(room: Room) -> None:
    second = public_of(room.second_admin)
    room.alter(admins=(second,))
    assert denied(room.alter(write=WRITE_2))
    answer = room.relay.one(Alter(room.id, room.change(private=room.second_admin, write=WRITE_2)))
    assert isinstance(answer, Altered)
    assert answer.head.n == 2


def test_a_change_on_its_own_is_answered_again_when_it_comes_again(relay: PaperRelay, room: Room) -> None:
    change = Alter(room.id, room.change(grants=(Grant(token_hash(b"g" * 32), 5, 5000),)))
    first = relay.one(change)
    assert isinstance(first, Altered)
    assert relay.one(change) == first
    relay.restart()
    assert relay.one(change) == first
    room.n = 1
    room.alter(write=WRITE_2)
    # It is the last one no more, and not the next one either.
    assert denied(relay.one(change))


def test_a_repeated_grant_does_not_fill_the_quota_again(relay: PaperRelay, room: Room) -> None:
    grant = Alter(room.id, room.change(grants=(Grant(token_hash(b"g" * 32), 1, 5000),)))
    relay.one(grant)
    assert status(room.post("one", write=b"g" * 32)) is Status.OK
    relay.one(grant)
    assert status(room.post("two", write=b"g" * 32)) is Status.FULL


def test_a_read_token_that_was_closed_cannot_come_back(room: Room) -> None:
    first = room.read
    rekey(room, "commit", READ_2, WRITE_2)
    assert denied(room.alter(read=first))


def test_a_change_of_nothing_uses_up_its_number(room: Room) -> None:
    assert room.alter().head.n == 1
    assert room.alter().head.n == 2
    assert room.texts() == []


def test_the_change_stands_beside_its_entry_and_in_the_chain(room: Room) -> None:
    change = room.change(read=READ_2, write=WRITE_2)
    old = room.read
    room.post("commit", advance=True, change=change)
    [record] = room.fetch(read=old).records
    assert record.change == encode_signed_change(change)


def test_who_was_removed_neither_writes_nor_reads_nor_changes(room: Room) -> None:
    removed_read, removed_write, removed_admin = room.read, room.write, room.admin
    commit = room.change(read=READ_2, write=WRITE_2, admins=(public_of(room.second_admin),))
    room.post("removal", advance=True, change=commit)
    room.turn, room.n = 1, 1
    room.post("secret", write=WRITE_2)
    assert status(room.post("graffiti", write=removed_write)) is Status.WRONG_TURN
    assert denied(room.fetch(1, read=removed_read))
    assert denied(room.relay.one(Alter(room.id, room.change(private=removed_admin, read=b"q" * 32))))
    proof = room.proven(room.append("graffiti", write=WRITE_2, advance=True), private=removed_admin)
    assert denied(room.relay.one(proof))
    assert room.texts(read=READ_2) == ["secret"]
    assert isinstance(room.fetch(read=READ_2), Fetched)
