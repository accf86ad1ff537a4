"""Parts of chunks: small pieces in any order, on the disk as they are answered, and the same upload as whole chunks."""

from __future__ import annotations

import itertools
import os
import random
import sqlite3
from pathlib import Path

import pytest
from relay_paper import PaperRelay, Room, admit, denied, status
from test_relay_blobs import BLOB, SIZE, files, fill, missing, put
from test_relay_blobs import PARTS as CHUNKS

from whimbrel.relay.settings import DAY, Limits
from whimbrel.relay.storage import Storage
from whimbrel.wire import parts
from whimbrel.wire.answering import STARTED_MAX
from whimbrel.wire.answers import Chunk, Done, Extent, Failure, Part, Status
from whimbrel.wire.operations import PART, SEALED_CHUNK, Get, Put, Stat

CHUNK = bytes(n % 251 for n in range(SEALED_CHUNK))


def part(room: Room, at: int, length: int, n: int = 0, chunk: bytes = CHUNK, blob: bytes = BLOB) -> Put:
    return Put(blob, room.id, room.write, SIZE, n, chunk[at : at + length], at)


def in_parts(room: Room, most: int, n: int = 0, there: bytes = b"") -> list[Put]:
    return [part(room, at, length, n) for at, length in parts.missing(SIZE, n, there, most)]


def stat(relay: PaperRelay) -> Extent:
    extent = relay.one(Stat(BLOB))
    assert isinstance(extent, Extent)
    return extent


@pytest.mark.parametrize("most", [1024, 7168, 8000, 65536])
def test_a_chunk_comes_in_parts_of_any_size_and_order(relay: PaperRelay, room: Room, most: int) -> None:
    asked = in_parts(room, most)
    random.Random(most).shuffle(asked)
    for one in asked:
        assert stat_of_chunk(relay) == ()
        assert relay.one(Get(BLOB, 0)) == missing(BLOB)
        assert relay.one(one) == Done()
    assert stat_of_chunk(relay) == ((0, 1),)
    assert stat(relay).started == ()
    assert relay.one(Get(BLOB, 0)) == Chunk(CHUNK, SIZE)


def stat_of_chunk(relay: PaperRelay) -> tuple[tuple[int, int], ...]:
    extent = relay.one(Stat(BLOB))
    return extent.ranges if isinstance(extent, Extent) else ()


def test_a_blob_of_parts_and_whole_chunks_becomes_whole(relay: PaperRelay, room: Room) -> None:
    last = CHUNKS[3]
    assert relay.ask(put(room, 1), *in_parts(room, 20_000), put(room, 2)) == [Done()] * 6
    assert len(last) == 500, "a chunk of one mark has no parts"
    assert relay.one(put(room, 3)) == Done()
    assert files(relay) == {f"whole/{BLOB[:1].hex()}/{BLOB.hex()}"}
    assert relay.one(Get(BLOB, 0)) == Chunk(CHUNK, SIZE)
    assert relay.one(Get(BLOB, 1)) == Chunk(CHUNKS[1], SIZE)


def test_the_last_part_of_a_blob_makes_it_whole(relay: PaperRelay, room: Room) -> None:
    relay.ask(*(put(room, n) for n in (1, 2, 3)), *in_parts(room, 30_000)[1:])
    assert room.post("tree", needs=(BLOB,)) == missing(BLOB)
    assert relay.one(in_parts(room, 30_000)[0]) == Done()
    assert status(room.post("tree", needs=(BLOB,))) is Status.OK


def test_an_upload_is_resumed_at_the_part_after_a_crash(relay: PaperRelay, room: Room) -> None:
    relay.ask(put(room, 1), part(room, 0, 4096), part(room, 8192, 2048), part(room, 65536, 16))
    relay.crash()
    extent = stat(relay)
    assert extent.ranges == ((1, 2),)
    [(n, there)] = extent.started
    assert n == 0
    assert parts.ranges(int.from_bytes(there, "little"), SEALED_CHUNK) == [
        (0, 4096),
        (8192, 10240),
        (65536, SEALED_CHUNK),
    ]
    for one in in_parts(room, 8192, there=there):
        assert relay.one(one) == Done()
    assert relay.one(Get(BLOB, 0)) == Chunk(CHUNK, SIZE)


def test_the_same_part_again_is_done_and_other_bytes_exist(relay: PaperRelay, room: Room) -> None:
    assert relay.one(part(room, 1024, 3072)) == Done()
    other = bytes(SEALED_CHUNK)
    assert relay.one(part(room, 1024, 3072)) == Done()
    assert relay.one(part(room, 2048, 1024)) == Done()
    for at, length in itertools.product((0, 2048), (4096, 65536)):
        assert status(relay.one(part(room, at, length, chunk=other))) is Status.EXISTS
    assert relay.one(part(room, 0, 8192)) == Done()
    assert status(relay.one(put(room, 0, chunk=other))) is Status.EXISTS
    # The whole chunk, where some of it has come in part; and parts of it afterwards.
    assert relay.one(put(room, 0, chunk=CHUNK)) == Done()
    assert stat(relay).started == ()
    assert relay.one(part(room, 30720, 1024)) == Done()
    assert status(relay.one(part(room, 30720, 1024, chunk=other))) is Status.EXISTS
    assert relay.one(Get(BLOB, 0)) == Chunk(CHUNK, SIZE)
    assert status(relay.one(Put(BLOB, room.id, room.write, SIZE + 1, 0, CHUNK[:1024], 0))) is Status.EXISTS


def test_parts_under_way_are_joined_or_compared(relay: PaperRelay, room: Room) -> None:
    relay.hold_disk = True
    first = relay.begin(part(room, 0, 4096))
    same, overlapping = relay.begin(part(room, 0, 4096)), relay.begin(part(room, 2048, 4096))
    other = relay.begin(part(room, 3072, 2048, chunk=bytes(SEALED_CHUNK)))
    whole, other_whole = relay.begin(put(room, 0, chunk=CHUNK)), relay.begin(put(room, 0))
    elsewhere = relay.begin(part(room, 8192, 1024, chunk=bytes(SEALED_CHUNK)))
    relay.turn()
    assert [status(answer) for answer in (*other, *other_whole)] == [Status.EXISTS] * 2
    assert [status(answer) for answer in elsewhere] == [Status.EXISTS], "of the whole chunk under way"
    assert first == same == overlapping == whole == []
    relay.hold_disk = False
    relay.run_disk()
    relay.turn()
    assert first == same == overlapping == whole == [Done()]
    assert relay.one(Get(BLOB, 0)) == Chunk(CHUNK, SIZE)


def test_a_part_is_answered_only_when_it_is_on_disk(relay: PaperRelay, room: Room) -> None:
    relay.hold_disk = True
    answers = relay.begin(part(room, 0, 1024))
    relay.turn()
    assert stat(relay).started == ()
    relay.run_disk()
    assert answers == []
    relay.turn()
    assert answers == [Done()]
    assert stat(relay).started == ((0, b"\x01".ljust(9, b"\0")),)


def test_a_part_that_the_disk_refused_comes_again(
    relay: PaperRelay, room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise OSError(5, "broken")

    relay.one(part(room, 0, 1024))
    with monkeypatch.context() as patch:
        patch.setattr(os, "fdatasync", broken)
        assert status(relay.one(part(room, 1024, 1024))) is Status.BUSY
    assert stat(relay).started == ((0, b"\x01".ljust(9, b"\0")),)
    with monkeypatch.context() as patch:
        patch.setattr(os, "pread", broken)
        assert status(relay.one(part(room, 0, 2048))) is Status.BUSY
    assert relay.one(part(room, 0, 2048)) == Done()


def test_parts_that_fail_to_be_noted_are_not_there(
    relay: PaperRelay, room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    relay.one(part(room, 0, 1024))
    with monkeypatch.context() as patch:
        patch.setattr(Storage, "commit", lambda _: 1 / 0)
        answers = relay.ask(part(room, 1024, 64_528))
    assert [status(answer) for answer in answers] == [Status.BUSY]
    assert stat(relay).started == ((0, b"\x01".ljust(9, b"\0")),)
    assert relay.one(part(room, 1024, 64_528)) == Done()
    assert relay.one(Get(BLOB, 0)) == Chunk(CHUNK, SIZE)


# ---------------------------------------------------------------------------------------------- reading


def test_a_part_of_a_chunk_is_read(relay: PaperRelay, room: Room) -> None:
    assert relay.one(Get(BLOB, 0, 0, 1024)) == missing(BLOB)
    relay.one(part(room, 0, 2048))
    assert relay.one(Get(BLOB, 0, 0, 1024)) == missing(BLOB), "not before the chunk is there"
    relay.one(put(room, 0, chunk=CHUNK))
    found = b""
    for at, length in parts.missing(SIZE, 0, b"", 7168):
        answer = relay.one(Get(BLOB, 0, at, 7168))
        assert answer == Part(CHUNK[at : at + length], SIZE, at)
        found += answer.part
    assert found == CHUNK
    fill(room, b"2" * 32)
    assert relay.one(Get(b"2" * 32, 3, 0, 8192)) == Part(CHUNKS[3], SIZE, 0)
    assert relay.one(Get(b"2" * 32, 3, 1024, 1024)) == Failure(Status.MALFORMED)
    assert relay.one(Get(b"2" * 32, 4, 0, 1024)) == missing(b"2" * 32)


def test_parts_count_in_the_answer_as_what_they_are(tmp_path: Path) -> None:
    relay = PaperRelay(tmp_path, Limits(answer_bytes=10_000))
    room = Room(relay)
    relay.one(put(room, 0))
    answers = relay.ask(*[Get(BLOB, 0, 0, 4096)] * 3)
    assert [status(answer) for answer in answers] == [Status.OK, Status.OK, Status.BUSY]


# ---------------------------------------------------------------------------------------- space and time


def test_the_first_part_takes_the_space_of_the_blob_and_its_end_gives_it_back(
    relay: PaperRelay, room: Room
) -> None:
    relay.one(part(room, 0, 1024))
    assert relay.storage.space(1) == SIZE
    relay.now += 6 * DAY
    relay.one(part(room, 1024, 1024))
    relay.now += 6 * DAY
    relay.expire()
    assert len(stat(relay).started) == 1
    relay.now += 2 * DAY
    relay.expire()
    assert relay.one(Stat(BLOB)) == missing(BLOB)
    assert relay.storage.space(1) == 0
    assert files(relay) == set()
    # Nothing of the parts is remembered: the id may be used again, and with other bytes.
    assert relay.one(part(room, 0, 1024, chunk=bytes(SEALED_CHUNK))) == Done()
    assert stat(relay).started == ((0, b"\x01".ljust(9, b"\0")),)


def test_parts_go_with_a_blob_or_log_that_is_dropped(relay: PaperRelay, room: Room) -> None:
    relay.ask(part(room, 0, 1024), part(room, 0, 1024, blob=b"2" * 32))
    assert relay.one(room.drop(BLOB)) == Done()
    assert denied(relay.one(part(room, 1024, 1024)))
    assert relay.one(room.drop()) == Done()
    assert files(relay) == set()
    assert relay.storage.started(BLOB) == relay.storage.started(b"2" * 32) == []


def test_a_part_needs_the_place_and_token_that_a_chunk_does(relay: PaperRelay, room: Room) -> None:
    other = Room(relay, name="other")
    relay.one(part(room, 0, 1024))
    assert denied(relay.one(Put(BLOB, other.id, other.write, SIZE, 0, CHUNK[1024:2048], 1024)))
    assert denied(relay.one(Put(BLOB, room.id, room.read, SIZE, 0, CHUNK[1024:2048], 1024)))
    assert denied(relay.one(Put(BLOB, b"", admit(), SIZE, 0, CHUNK[1024:2048], 1024)))


def test_only_so_many_chunks_are_in_part(relay: PaperRelay, room: Room) -> None:
    size = 100 * SEALED_CHUNK

    def first(n: int) -> Put:
        return Put(BLOB, room.id, room.write, size, n, bytes(1024), 0)

    relay.hold_disk = True
    begun = [relay.begin(first(n)) for n in range(STARTED_MAX + 3)]
    relay.hold_disk = False
    relay.run_disk()
    relay.turn()
    found = [status(answer) for [answer] in begun]
    assert found == [Status.OK] * STARTED_MAX + [Status.BUSY] * 3
    assert status(relay.one(first(99))) is Status.BUSY
    assert len(stat(relay).started) == STARTED_MAX
    # The others go on, whole chunks too; and when one is complete there is room for another.
    assert relay.one(Put(BLOB, room.id, room.write, size, 99, bytes(SEALED_CHUNK))) == Done()
    assert relay.one(Put(BLOB, room.id, room.write, size, 5, bytes(SEALED_CHUNK))) == Done()
    assert relay.one(first(70)) == Done()


def test_small_parts_take_no_more_room_in_the_queue_than_it_has(tmp_path: Path) -> None:
    relay = PaperRelay(tmp_path, Limits(upload_queue=10 * PART))
    room = Room(relay)
    relay.hold_disk = True
    for n in range(3):
        relay.begin(*[part(room, 65536, 16, n) for _ in range(5)])
    begun = [relay.begin(part(room, 1024 * i, 1024, 1)) for i in range(20)]
    relay.turn()
    busy = [answers for answers in begun if answers]
    assert [status(answer) for [answer] in busy] == [Status.BUSY] * 13


def test_a_folder_of_the_first_version_takes_parts(tmp_path: Path) -> None:
    relay = PaperRelay(tmp_path)
    room = Room(relay)
    relay.one(put(room, 0))
    relay.storage.close()
    with sqlite3.connect(tmp_path / "relay.db") as db:
        db.execute("DROP TABLE parts")
        db.execute("PRAGMA user_version=1")
    db.close()
    relay.start()
    assert relay.one(part(room, 0, 1024, 1)) == Done()
    relay.restart()
    assert stat(relay).ranges == ((0, 1),)
    assert [n for n, _ in stat(relay).started] == [1]


@pytest.mark.parametrize("seed", range(6))
def test_whatever_comes_in_whatever_order_is_as_whoever_came_first_said(
    relay: PaperRelay, room: Room, seed: int
) -> None:
    """Two apps with other bytes for one blob, parts and chunks, crashes in between: no byte ever changes."""
    chance = random.Random(seed)
    size = 2 * SEALED_CHUNK + 5000
    known: dict[tuple[int, int], bytes] = {}
    for _ in range(150):
        n = chance.randrange(3)
        length = parts.length_of(size, n)
        marks = parts.marks_of(size, n)
        first = chance.randrange(marks)
        last = chance.randrange(first + 1, min(marks, first + 20) + 1)
        at, end = first * PART, min(last * PART, length)
        byte = b"\x01" if chance.random() < 0.8 else b"\x02"
        whole = chance.random() < 0.05 or end - at == length
        data = byte * (length if whole else end - at)
        answer = relay.one(Put(BLOB, room.id, room.write, size, n, data, None if whole else at))
        touched = [(n, mark) for mark in (range(marks) if whole else range(first, last))]
        if any(known.get(mark, byte) != byte for mark in touched):
            assert status(answer) is Status.EXISTS
        else:
            assert answer == Done()
            known.update(dict.fromkeys(touched, byte))
        if chance.random() < 0.05:
            relay.crash()
        for n in range(3):
            if all((n, mark) in known for mark in range(parts.marks_of(size, n))):
                got = relay.one(Get(BLOB, n)).chunk
                assert all(
                    got[mark * PART :][:1] == known[n, mark] for mark in range(parts.marks_of(size, n))
                )
    extent = stat(relay)
    started = {
        (n, at // PART + i)
        for n, there in extent.started
        for at, end in parts.ranges(int.from_bytes(there, "little"), parts.length_of(size, n))
        for i in range(-(-(end - at) // PART))
    }
    done = {
        (n, mark)
        for start, end in extent.ranges
        for n in range(start, end)
        for mark in range(parts.marks_of(size, n))
    }
    assert started | done == set(known)


# ---------------------------------------------------------------------------------------------- marks


def test_what_is_missing_of_a_chunk_is_asked_for_once() -> None:
    chance = random.Random(6)
    for size in (1024, 1500, 8192, 65536, SEALED_CHUNK, SEALED_CHUNK + 3000):
        for n in range(-(-size // SEALED_CHUNK)):
            marks = parts.marks_of(size, n)
            there = chance.getrandbits(marks).to_bytes(-(-marks // 8), "little")
            wanted = parts.missing(size, n, there, 5000)
            bits = int.from_bytes(there, "little")
            for at, length in wanted:
                assert length <= 4096
                assert not bits & parts.bits_of(at, at + length)
                bits |= parts.bits_of(at, at + length)
            assert bits == (1 << marks) - 1
    with pytest.raises(ValueError, match="1024"):
        parts.missing(5000, 0, b"", 1000)
