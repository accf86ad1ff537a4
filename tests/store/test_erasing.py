"""The end of a home: everything of it goes, nothing else does, and no crash in between leaves something that can be read."""

import os
import socket
from pathlib import Path

import pytest

from whimbrel.chat.records import PutFact
from whimbrel.store import erasing, home, keys
from whimbrel.store.errors import HomeMissing, StoreError
from whimbrel.store.home import Home, open_home

CHEAP = keys.Argon2Cost(passes=1, memory_kib=64, lanes=1)
BLOB = "ab" * 32


@pytest.fixture(autouse=True)
def cheap(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keys, "RECOMMENDED_COST", CHEAP)


def lived_in(path: Path, passphrase: str | None = None) -> Home:
    """A home with all that may lie in one."""
    made = open_home(path, create=True, passphrase=passphrase, find_keyring=lambda interactive: None)
    made.database.commit([PutFact("a", b"b")])
    files = made.folder("files")
    for name in (BLOB, f"{BLOB}.part", f"{BLOB}.new"):
        (files / name).write_bytes(b"sealed")
    relay = made.folder("relay")
    for name in (
        "relay.db",
        "relay.db-wal",
        "relay.db-shm",
        "identity",
        "path",
        "root",
        "port",
        "clock",
        "clock.new",
    ):
        (relay / name).write_bytes(b"of the relay")
    for folder in ("keys", "blobs/incoming", f"blobs/whole/{BLOB[:2]}"):
        (relay / folder).mkdir(parents=True)
    (relay / "keys" / "17.key").write_bytes(b"a key")
    (relay / "blobs" / "incoming" / BLOB).write_bytes(b"half")
    (relay / "blobs" / "whole" / BLOB[:2] / BLOB).write_bytes(b"whole")
    (path / "last-error.txt").write_text("details")
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(str(path / "socket"))
    listening.close()
    return made


@pytest.mark.parametrize("passphrase", [None, "a rope and a boat"])
def test_everything_goes_and_the_folder_with_it(tmp_path: Path, passphrase: str | None) -> None:
    path = tmp_path / "home"
    ada = lived_in(path, passphrase)
    assert erasing.others(path) == []
    ada.erase()
    ada.close()
    assert not path.exists()
    assert ada.left == []
    with pytest.raises(HomeMissing):
        open_home(path, create=False)


def test_the_key_is_gone_at_once_while_the_rest_is_still_there(tmp_path: Path) -> None:
    path = tmp_path / "home"
    ada = lived_in(path, "a rope and a boat")
    sealed = (path / "home.json").read_text()
    ada.erase()
    assert (path / "store.db").exists()
    assert '"sealed"' in sealed
    assert '"sealed"' not in (path / "home.json").read_text()
    ada.database.commit([PutFact("still", b"open")])
    ada.close()


def test_the_keyring_forgets_it(tmp_path: Path) -> None:
    kept: dict[tuple[str, str], str] = {}

    class Ring:
        def get_password(self, service: str, username: str) -> str | None:
            return kept.get((service, username))

        def set_password(self, service: str, username: str, password: str) -> None:
            kept[service, username] = password

        def delete_password(self, service: str, username: str) -> None:
            del kept[service, username]

    ada = open_home(tmp_path / "home", create=True, find_keyring=lambda interactive: Ring())
    assert kept
    ada.erase()
    assert kept == {}
    ada.close()


def test_what_is_not_ours_stays_and_is_told(tmp_path: Path) -> None:
    path = tmp_path / "home"
    ada = lived_in(path)
    (path / "holiday.jpg").write_bytes(b"a picture of somebody's own")
    (path / "files" / "thesis.odt").write_bytes(b"years of work")
    (path / "files" / "drafts").mkdir()
    (path / "files" / "drafts" / BLOB).write_bytes(b"in a folder of theirs")
    (path / "relay" / "blobs" / "whole" / "notes").mkdir()
    (path / "keys").mkdir()
    assert erasing.others(path) == ["holiday.jpg", "keys"]
    ada.erase()
    ada.close()
    left = sorted(str(found.relative_to(path)) for found in path.rglob("*") if found.is_file())
    assert left == ["files/drafts/" + BLOB, "files/thesis.odt", "holiday.jpg"]
    assert ada.left == ["files/drafts", "files/thesis.odt", "holiday.jpg", "keys", "relay/blobs/whole/notes"]


def test_links_are_removed_or_left_and_never_followed(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    for name in (BLOB, "store.db", "identity", "note"):
        (outside / name).write_bytes(b"of somebody else")
    path = tmp_path / "home"
    ada = lived_in(path)
    (path / "files" / BLOB).unlink()
    (path / "files" / BLOB).symlink_to(outside / BLOB)
    (path / "last-error.txt").unlink()
    (path / "last-error.txt").symlink_to(outside / "note")
    (path / "relay" / "identity").unlink()
    os.link(outside / "identity", path / "relay" / "identity")
    (path / "relay" / "keys" / "17.key").unlink()
    (path / "relay" / "keys").rmdir()
    (path / "relay" / "keys").symlink_to(outside, target_is_directory=True)
    ada.erase()
    ada.close()
    assert {found.name: found.read_bytes() for found in outside.iterdir()} == dict.fromkeys(
        (BLOB, "store.db", "identity", "note"), b"of somebody else"
    )
    assert ada.left == ["relay/keys"], "a folder that is a link is told: what it leads to is not known here"
    assert not (path / "store.db").exists()


class Crash(BaseException):
    """The program is gone."""


@pytest.mark.parametrize("at", range(1, 16))
def test_after_a_crash_the_next_start_goes_on_and_nothing_can_be_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: int
) -> None:
    path = tmp_path / "home"
    ada = lived_in(path, "a rope and a boat")
    ada.erase()
    count = 0
    unlink = os.unlink

    def dies(name: str, dir_fd: int | None = None) -> None:
        nonlocal count
        count += 1
        if count == at:
            raise Crash
        unlink(name, dir_fd=dir_fd)

    with monkeypatch.context() as patch:
        patch.setattr(erasing.os, "unlink", dies)
        with pytest.raises(Crash):
            ada.close()
    if (path / "home.json").exists():
        with pytest.raises(StoreError):
            open_home(path, create=False, passphrase="a rope and a boat")
        assert not (path / "store.db").exists(), "the next start took the rest away"
    again = open_home(path, create=True, passphrase="another home", find_keyring=lambda interactive: None)
    assert again.database.facts() == {}
    assert not (path / "files").exists()
    assert not (path / "relay").exists()
    again.close()


def test_a_lock_of_a_home_that_was_erased_meanwhile_is_not_taken_for_this_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "home"
    open_home(path, create=True, find_keyring=lambda interactive: None).close()
    usual = home.fcntl.flock
    calls = []

    def flock(lock: int, how: int) -> None:
        if not calls:
            (path / "lock").unlink()
        calls.append(lock)
        usual(lock, how)

    monkeypatch.setattr(home.fcntl, "flock", flock)
    with open_home(path, create=False, find_keyring=lambda interactive: None):
        assert len(calls) == 2
        assert os.fstat(calls[1]).st_ino == (path / "lock").stat().st_ino
