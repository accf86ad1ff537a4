"""What is on disk and when: groups, crashes, failures, one owner, and no token anywhere."""

import sqlite3
from pathlib import Path

import pytest
from relay_paper import Hearer, PaperRelay, Room, entry, status

from whimbrel.relay import storage as storages
from whimbrel.relay.storage import Storage, StorageError, StorageInUse, StorageNewer
from whimbrel.wire.answers import Status
from whimbrel.wire.operations import Fetch


def test_all_that_has_arrived_shares_one_commit(relay: PaperRelay) -> None:
    rooms = [Room(relay, name=f"{i}") for i in range(20)]
    before = relay.counts.commits
    waiting = [relay.begin(room.append("text")) for room in rooms]
    assert all(not answers for answers in waiting)
    relay.turn()
    assert all(len(answers) == 1 for answers in waiting)
    assert relay.counts.commits == before + 1


def test_what_only_reads_waits_for_nothing_but_a_group_that_is_open(relay: PaperRelay, room: Room) -> None:
    fetch = Fetch(room.id, room.read, 0)
    assert len(relay.begin(fetch)) == 1
    relay.begin(room.append("text"))
    reading = relay.begin(fetch)
    # It has seen the text, which is not on disk yet.
    assert reading == []
    relay.turn()
    assert len(reading[0].records) == 1


def test_what_was_answered_is_there_after_a_crash_and_what_was_not_is_not(
    relay: PaperRelay, room: Room
) -> None:
    for i in range(5):
        room.post(f"text {i}")
    relay.begin(room.append("never answered"))
    relay.crash()
    assert room.texts() == [f"text {i}" for i in range(5)]
    assert room.post("text 5").first == 6


@pytest.mark.parametrize("limit", [1, 3, 7])
def test_young_and_settled_records_read_as_one(
    relay: PaperRelay, room: Room, limit: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(storages, "SETTLE", 4)
    other = Room(relay, name="other")
    for i in range(23):
        room.post(f"{i}")
        other.post(f"other {i}")
    seen: list[int] = []
    while page := room.fetch(seen[-1] if seen else 0, limit=limit).records:
        seen += [record.seq for record in page]
    assert seen == list(range(1, 24))
    assert other.texts() == [f"other {i}" for i in range(23)]
    relay.crash()
    assert room.texts(20) == ["20", "21", "22"]


def test_a_group_that_the_disk_refuses_has_not_happened(
    relay: PaperRelay, room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    room.post("kept")
    hearer = Hearer()
    room.watch(hearer, after=1)

    def refuse() -> None:
        raise StorageError("refused", full=True)

    with monkeypatch.context() as broken:
        broken.setattr(relay.storage, "commit", refuse)
        answers = relay.ask(room.append("lost"), room.append("commit", advance=True))
    assert [status(answer) for answer in answers] == [Status.FULL, Status.FULL]
    assert hearer.heard() == []
    assert len(relay.complaints) == 1
    assert (room.texts(), room.fetch(1).head.turn) == (["kept"], 0)
    # The same comes again and is new.
    assert room.post("lost").first == 2


def test_a_full_disk_is_told_and_survived(relay: PaperRelay, room: Room) -> None:
    room.post("kept")
    relay.storage.settle()
    relay.storage.commit()
    pages = relay.storage._db.execute("PRAGMA page_count").fetchone()[0]
    relay.storage._db.execute(f"PRAGMA max_page_count={pages + 4}")
    answers = [room.post(entry(f"large {i}", size=20_000)) for i in range(3)]
    assert Status.FULL in [status(answer) for answer in answers]
    relay.storage._db.execute("PRAGMA max_page_count=1000000")
    assert status(room.post("after")) is Status.OK
    assert room.texts()[-1] == "after"


def test_a_fault_of_ours_in_one_request_ends_nobody_elses_service(
    relay: PaperRelay, room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    def faulty(*_: object) -> None:
        raise ZeroDivisionError

    with monkeypatch.context() as broken:
        broken.setattr(relay.engine, "fetch", faulty)
        answers = relay.ask(room.append("lost"), Fetch(room.id, room.read, 0))
    assert [status(answer) for answer in answers] == [Status.BUSY, Status.BUSY]
    assert room.texts() == []
    assert status(room.post("kept")) is Status.OK


def test_heads_that_were_forgotten_are_read_again(relay: PaperRelay, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storages, "HEADS", 2)
    rooms = [Room(relay, name=f"{i}") for i in range(6)]
    for i in range(3):
        for room in rooms:
            assert room.post(f"{i}").first == i + 1
    assert [room.texts() for room in rooms] == [["0", "1", "2"]] * 6


def test_two_relays_never_share_a_folder(relay: PaperRelay) -> None:
    with pytest.raises(StorageInUse):
        Storage(relay.folder / "relay.db")


def test_a_folder_of_a_newer_version_is_left_alone(tmp_path: Path) -> None:
    Storage(tmp_path / "relay.db").close()
    db = sqlite3.connect(tmp_path / "relay.db")
    db.execute("PRAGMA user_version=99")
    db.close()
    with pytest.raises(StorageNewer, match="newer"):
        Storage(tmp_path / "relay.db")


def test_a_file_that_is_no_data_file_is_a_typed_error(tmp_path: Path) -> None:
    (tmp_path / "relay.db").write_bytes(b"not a database at all" * 100)
    with pytest.raises(StorageError, match="cannot be used"):
        Storage(tmp_path / "relay.db")


def test_the_data_file_is_its_owners_only(relay: PaperRelay) -> None:
    assert (relay.folder / "relay.db").stat().st_mode & 0o777 == 0o600


def test_no_token_is_ever_on_the_disk(relay: PaperRelay, room: Room) -> None:
    granted = bytes(range(32))
    room.grant(granted)
    room.post("by the owner")
    room.post("by a guest", write=granted)
    room.post("wrong", write=b"guessed token".ljust(32, b"?"))
    new_read, new_write = bytes(range(32, 64)), bytes(range(64, 96))
    room.post("commit", advance=True, change=room.change(read=new_read, write=new_write))
    room.watch(Hearer(), read=new_read)
    for stopped in (False, True):
        if stopped:
            relay.storage.close()
        everything = b"".join(path.read_bytes() for path in relay.folder.rglob("*") if path.is_file())
        assert b"by the owner" in everything  # entries are sealed by whoever appends; here they are not
        for token in (room.read, room.write, granted, new_read, new_write, b"guessed token"):
            assert token not in everything
            assert token.hex().encode() not in everything
