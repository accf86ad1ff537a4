"""Blobs: chunks written once, resumed in any order, whole or missing, kept as long as something needs them."""

import os
from pathlib import Path

import pytest
from relay_paper import PaperRelay, Room, admit, denied, entry, status

from whimbrel.relay.settings import DAY, Limits
from whimbrel.wire import codec
from whimbrel.wire.answers import Chunk, Done, Extent, Failure, Status
from whimbrel.wire.operations import SEALED_CHUNK, Entry, EntryKind, Get, Keep, LogKind, Pointer, Put, Stat

BLOB = b"blob".ljust(32, b".")
SIZE = 3 * SEALED_CHUNK + 500
PARTS = [bytes([n + 1]) * min(SEALED_CHUNK, SIZE - n * SEALED_CHUNK) for n in range(4)]


def put(room: Room, n: int, blob: bytes = BLOB, **more: bytes) -> Put:
    chunk = more.get("chunk", PARTS[n])
    return Put(blob, more.get("place", room.id), more.get("token", room.write), SIZE, n, chunk)


def fill(room: Room, blob: bytes = BLOB) -> None:
    answers = room.relay.ask(*[put(room, n, blob) for n in range(4)])
    assert answers == [Done()] * 4


def missing(*blobs: bytes) -> Failure:
    return Failure(Status.MISSING, missing=blobs)


def files(relay: PaperRelay) -> set[str]:
    return {str(path.relative_to(relay.folder / "blobs")) for path in (relay.folder / "blobs").rglob("*") if path.is_file()}  # fmt: skip


@pytest.mark.parametrize("order", [(0, 1, 2, 3), (3, 1, 0, 2), (2, 3, 1, 0)])
def test_chunks_come_in_any_order_and_are_read_as_they_were(
    relay: PaperRelay, room: Room, order: tuple[int, ...]
) -> None:
    for n in order:
        assert relay.one(put(room, n)) == Done()
    assert [relay.one(Get(BLOB, n)) for n in range(4)] == [Chunk(part, SIZE) for part in PARTS]
    assert files(relay) == {f"whole/{BLOB[:1].hex()}/{BLOB.hex()}"}


def test_an_upload_is_resumed_at_the_chunk(relay: PaperRelay, room: Room) -> None:
    assert relay.one(Stat(BLOB)) == missing(BLOB)
    relay.ask(put(room, 0), put(room, 2))
    assert relay.one(Stat(BLOB)).ranges == ((0, 1), (2, 3))
    relay.crash()
    extent = relay.one(Stat(BLOB))
    assert (extent.size, extent.ranges) == (SIZE, ((0, 1), (2, 3)))
    relay.ask(put(room, 1), put(room, 3))
    assert relay.one(Stat(BLOB)).ranges == ((0, 4),)


def test_a_download_may_begin_before_the_upload_has_ended(relay: PaperRelay, room: Room) -> None:
    relay.one(put(room, 1))
    assert relay.one(Get(BLOB, 1)) == Chunk(PARTS[1], SIZE)
    assert relay.one(Get(BLOB, 0)) == missing(BLOB)
    assert relay.one(Get(BLOB, 4)) == missing(BLOB)
    assert relay.one(Get(b"?" * 32, 0)) == missing(b"?" * 32)


def test_the_same_chunk_again_is_done_and_another_exists(relay: PaperRelay, room: Room) -> None:
    relay.one(put(room, 0))
    other = bytes(SEALED_CHUNK)
    assert relay.one(put(room, 0)) == Done()
    assert status(relay.one(put(room, 0, chunk=other))) is Status.EXISTS
    fill(room)
    assert relay.one(put(room, 0)) == Done()
    assert status(relay.one(put(room, 0, chunk=other))) is Status.EXISTS
    assert relay.one(Get(BLOB, 0)).chunk == PARTS[0]
    assert status(relay.one(Put(BLOB, room.id, room.write, 100, 0, bytes(100)))) is Status.EXISTS


def test_a_chunk_under_way_is_not_begun_twice(relay: PaperRelay, room: Room) -> None:
    relay.hold_disk = True
    first = relay.begin(put(room, 0))
    same, other = relay.begin(put(room, 0)), relay.begin(put(room, 0, chunk=bytes(SEALED_CHUNK)))
    relay.turn()
    assert (first, same) == ([], [])
    assert [status(answer) for answer in other] == [Status.EXISTS]
    relay.run_disk()
    relay.turn()
    assert (first, same) == ([Done()], [Done()])


def test_a_chunk_is_answered_only_when_it_is_on_disk(relay: PaperRelay, room: Room) -> None:
    relay.hold_disk = True
    answers = relay.begin(put(room, 0))
    relay.turn()
    assert answers == []
    assert relay.one(Stat(BLOB)).ranges == ()
    relay.run_disk()
    assert answers == []
    relay.turn()
    assert answers == [Done()]


def test_the_disk_may_fail_and_the_chunk_comes_again(
    relay: PaperRelay, room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise OSError(5, "broken")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fdatasync", broken)
        assert status(relay.one(put(room, 0))) is Status.BUSY
    assert relay.one(Stat(BLOB)).ranges == ()
    assert relay.one(put(room, 0)) == Done()


def test_only_so_much_waits_for_the_disk(tmp_path: Path) -> None:
    relay = PaperRelay(tmp_path, Limits(upload_queue=2 * SEALED_CHUNK))
    room = Room(relay)
    relay.hold_disk = True
    begun = [relay.begin(put(room, n)) for n in range(3)]
    relay.turn()
    assert [[status(answer) for answer in answers] for answers in begun] == [[], [], [Status.BUSY]]
    relay.hold_disk = False
    relay.run_disk()
    relay.turn()
    assert relay.one(put(room, 2)) == Done()


# ------------------------------------------------------------------------------------------ who may, where


def test_a_blob_needs_a_place_and_its_token(relay: PaperRelay, room: Room) -> None:
    other = Room(relay, name="other")
    assert denied(relay.one(put(room, 0, token=b"?" * 32)))
    assert denied(relay.one(put(room, 0, place=b"?" * 32)))
    assert denied(relay.one(put(room, 0, token=room.read)))
    relay.one(put(room, 0))
    # Nobody else goes on with an upload, whatever place they have.
    assert denied(relay.one(put(room, 1, place=other.id, token=other.write)))
    assert denied(relay.one(put(room, 1, place=b"", token=admit())))
    room.alter(write=b"x" * 32)
    assert status(relay.one(put(room, 1))) is Status.WRONG_TURN


def test_an_admission_is_a_place_too(relay: PaperRelay, room: Room) -> None:
    assert relay.one(put(room, 0, place=b"", token=admit())) == Done()
    assert denied(relay.one(put(room, 1)))


def test_a_guest_of_an_inbox_puts_within_the_grant(relay: PaperRelay) -> None:
    inbox = Room(relay, LogKind.INBOX)
    inbox.grant(b"g" * 32, entries=10, size=SIZE + 1000)
    token = b"g" * 32
    assert relay.one(put(inbox, 0, token=token)) == Done()
    assert status(relay.one(put(inbox, 0, b"2" * 32, token=token))) is Status.FULL
    for n in (1, 2, 3):
        relay.one(put(inbox, n, token=token))
    # What was put here is paid already; the entry that needs it costs its own bytes only.
    assert status(inbox.post("welcome", write=token, needs=(BLOB,))) is Status.OK
    assert status(inbox.post(entry("large", size=900), write=token)) is Status.FULL


def test_a_guest_pays_for_blobs_elsewhere_that_its_entry_keeps(relay: PaperRelay, room: Room) -> None:
    fill(room)
    inbox = Room(relay, LogKind.INBOX, "inbox")
    inbox.grant(b"g" * 32, entries=10, size=SIZE)
    assert status(inbox.post("welcome", write=b"g" * 32, needs=(BLOB,))) is Status.FULL
    inbox.n = 1
    inbox.grant(b"h" * 32, entries=10, size=SIZE + 1000)
    assert status(inbox.post("welcome", write=b"h" * 32, needs=(BLOB,))) is Status.OK


def test_a_log_holds_only_so_many_bytes_of_blobs(tmp_path: Path) -> None:
    relay = PaperRelay(tmp_path, Limits(log_blobs=SIZE + 100, blob_bytes=SIZE))
    room = Room(relay)
    fill(room)
    assert status(relay.one(put(room, 0, b"2" * 32))) is Status.FULL
    relay.one(room.drop(BLOB))
    assert relay.one(put(room, 0, b"2" * 32)) == Done()
    assert status(relay.one(Put(b"3" * 32, room.id, room.write, SIZE + 1, 0, PARTS[0]))) is Status.TOO_LARGE


# ----------------------------------------------------------------------------------------------- needs


def test_an_append_that_needs_blobs_waits_until_they_are_whole(relay: PaperRelay, room: Room) -> None:
    fill(room)
    other = b"2" * 32
    relay.one(put(room, 0, other))
    assert room.post("tree", needs=(BLOB, other, b"3" * 32)) == missing(other, b"3" * 32)
    assert room.texts() == []
    fill(room, other)
    assert status(room.post("tree", needs=(BLOB, other))) is Status.OK


def pointing(blob: bytes, name: bytes = b"p") -> bytes:
    body = codec.encode_pointer(Pointer(blob, SIZE, b"h" * 32))
    return codec.encode_entry(Entry(EntryKind.POINTER, name.ljust(16, b"."), body))


def test_an_entry_that_points_to_a_blob_comes_with_that_blob(relay: PaperRelay, room: Room) -> None:
    fill(room)
    fill(room, other := b"2" * 32)
    nonsense = entry("no pointer", kind=EntryKind.POINTER)
    for refused in (
        room.append(pointing(BLOB)),
        room.append(pointing(BLOB), advance=True),
        room.append(pointing(BLOB), needs=(other,)),
        room.append("one", pointing(BLOB, b"q"), pointing(BLOB)),
        room.append("one", pointing(BLOB), pointing(other), needs=(BLOB,)),
        room.append(nonsense, needs=(BLOB,)),
        room.proven(room.append(pointing(BLOB), advance=True)),
        room.append(pointing(BLOB), change=room.change()),
    ):
        assert relay.one(refused) == Failure(Status.MALFORMED)
    assert room.post(pointing(b"3" * 32), needs=(b"3" * 32,)) == missing(b"3" * 32)
    assert room.texts() == []
    answer = room.post("one", pointing(BLOB), pointing(other), needs=(other, BLOB))
    assert (answer.first, answer.last) == (1, 3)
    # Known entries are known, whatever comes beside them this time.
    assert room.post(pointing(BLOB)).first == 2


def test_the_blob_that_an_entry_points_to_is_in_the_same_log(relay: PaperRelay, room: Room) -> None:
    elsewhere = Room(relay, name="elsewhere")
    fill(elsewhere)
    assert status(room.post("one", needs=(BLOB,))) is Status.OK
    assert room.post(pointing(BLOB), needs=(BLOB,), advance=True) == Failure(Status.MALFORMED)
    fill(room, other := b"2" * 32)
    assert status(room.post(pointing(other), needs=(other,), advance=True)) is Status.OK
    # The admins of the other log can take their own blob away, and nothing that a commit stands on.
    assert relay.one(elsewhere.drop(BLOB)) == Done()
    assert denied(relay.one(elsewhere.drop(other)))
    assert relay.one(Get(other, 0)) == Chunk(PARTS[0], SIZE)


def test_a_blob_lives_as_long_as_the_entry_that_needs_it(relay: PaperRelay, room: Room) -> None:
    for name in (b"1", b"2", b"3"):
        fill(room, name * 32)
    room.post("text", needs=(b"1" * 32,))
    room.post("commit", advance=True, needs=(b"2" * 32,))
    room.turn = 1
    room.post("next commit", advance=True)
    relay.now += 31 * DAY
    relay.expire()
    there = [status(relay.one(Stat(name * 32))) for name in (b"1", b"2", b"3")]
    assert there == [Status.MISSING, Status.OK, Status.MISSING]
    relay.now += 400 * DAY
    relay.expire()
    relay.expire()
    assert status(relay.one(Stat(b"2" * 32))) is Status.MISSING
    assert files(relay) == set()
    assert relay.storage.space(1) == 0


def test_keeping_lets_blobs_live_on(relay: PaperRelay, room: Room) -> None:
    fill(room)
    fill(room, b"2" * 32)
    relay.now += 29 * DAY
    assert relay.one(Keep(room.id, room.write, (BLOB,))) == Done()
    relay.now += 29 * DAY
    relay.expire()
    assert status(relay.one(Stat(BLOB))) is Status.OK
    assert status(relay.one(Stat(b"2" * 32))) is Status.MISSING


def test_only_its_own_place_keeps_a_blob(relay: PaperRelay, room: Room) -> None:
    other = Room(relay, name="other")
    fill(room)
    until = relay.one(Stat(BLOB)).until
    relay.now += DAY
    assert relay.one(Keep(other.id, other.write, (BLOB,))) == missing(BLOB)
    assert relay.one(Keep(b"", admit(), (BLOB,))) == missing(BLOB)
    assert denied(relay.one(Keep(room.id, room.read, (BLOB,))))
    assert relay.one(Keep(room.id, room.write, (BLOB, b"?" * 32))) == missing(b"?" * 32)
    assert relay.one(Stat(BLOB)).until == until


def test_an_upload_that_is_never_finished_is_given_up(relay: PaperRelay, room: Room) -> None:
    relay.one(put(room, 0))
    relay.now += 6 * DAY
    relay.one(put(room, 1))
    relay.now += 6 * DAY
    relay.expire()
    assert relay.one(Stat(BLOB)).ranges == ((0, 2),)
    relay.now += 2 * DAY
    relay.expire()
    assert files(relay) == set()
    assert relay.one(put(room, 0)) == Done()


# ------------------------------------------------------------------------------------- drop, crash, restart


def test_a_dropped_blob_is_gone_for_good(relay: PaperRelay, room: Room) -> None:
    fill(room)
    assert denied(relay.one(room.drop(BLOB, private=b"?" * 32)))
    assert relay.one(room.drop(BLOB)) == Done()
    assert relay.one(room.drop(BLOB)) == Done()
    assert relay.one(Get(BLOB, 0)) == missing(BLOB)
    assert denied(relay.one(put(room, 0)))
    assert files(relay) == set()


def test_an_admin_drops_only_blobs_of_the_own_log(relay: PaperRelay, room: Room) -> None:
    other = Room(relay, name="other")
    fill(room)
    assert denied(relay.one(other.drop(BLOB)))
    assert status(relay.one(Stat(BLOB))) is Status.OK


def test_a_chunk_that_comes_to_the_disk_after_the_drop_leaves_no_file(relay: PaperRelay, room: Room) -> None:
    relay.hold_disk = True
    answers = relay.begin(put(room, 0))
    relay.turn()
    relay.ask(room.drop(BLOB))
    relay.hold_disk = False
    relay.run_disk()
    relay.turn()
    assert [status(answer) for answer in answers] == [Status.BUSY]
    assert denied(relay.one(put(room, 0)))
    assert files(relay) == set()


def test_the_blobs_of_a_dropped_log_go_with_it(relay: PaperRelay, room: Room) -> None:
    fill(room)
    relay.one(room.drop())
    assert relay.one(Stat(BLOB)) == missing(BLOB)
    assert files(relay) == set()


def test_a_crash_between_the_last_chunk_and_the_last_name_is_made_good(relay: PaperRelay, room: Room) -> None:
    for n in range(3):
        relay.one(put(room, n))
    real, relay.blobs.finish = relay.blobs.finish, lambda blob: None  # type: ignore[method-assign]
    relay.hold_disk = True
    relay.begin(put(room, 3))
    relay.turn()
    relay.run_disk()  # written and synced
    relay.turn()  # and the storage knows
    relay.crash()
    assert real is not relay.blobs.finish
    assert relay.one(Stat(BLOB)).ranges == ((0, 4),)
    assert room.post("tree", needs=(BLOB,)) == missing(BLOB)
    relay.hold_disk = False
    relay.one(put(room, 3))
    assert status(room.post("tree", needs=(BLOB,))) is Status.OK
    assert files(relay) == {f"whole/{BLOB[:1].hex()}/{BLOB.hex()}"}


def test_files_that_the_storage_does_not_know_are_swept_at_the_start(relay: PaperRelay, room: Room) -> None:
    fill(room)
    stray = relay.folder / "blobs" / "incoming" / ("ab" * 32)
    stray.write_bytes(b"left over")
    lost = relay.folder / "blobs" / "whole" / BLOB[:1].hex() / ("cd" * 32)
    lost.write_bytes(b"left over")
    assert relay.blobs.sweep(relay.storage.blob_ids()) == 2
    assert relay.one(Get(BLOB, 0)).chunk == PARTS[0]
    assert not stray.exists()
    assert not lost.exists()


def test_a_blob_whose_file_is_lost_is_missing_and_no_crash(relay: PaperRelay, room: Room) -> None:
    fill(room)
    path = relay.folder / "blobs" / "whole" / BLOB[:1].hex() / BLOB.hex()
    path.write_bytes(path.read_bytes()[:100])
    assert relay.one(Get(BLOB, 3)) == missing(BLOB)
    path.unlink()
    assert relay.one(Get(BLOB, 0)) == missing(BLOB)
    assert status(relay.one(put(room, 0))) is Status.BUSY


def test_ranges_are_right_for_a_blob_with_many_gaps(relay: PaperRelay, room: Room) -> None:
    size = 20 * SEALED_CHUNK
    there = [0, 1, 2, 7, 8, 9, 15, 16, 19]
    for n in there:
        relay.one(Put(BLOB, room.id, room.write, size, n, bytes(SEALED_CHUNK)))
    extent = relay.one(Stat(BLOB))
    assert isinstance(extent, Extent)
    assert extent.ranges == ((0, 3), (7, 10), (15, 17), (19, 20))
