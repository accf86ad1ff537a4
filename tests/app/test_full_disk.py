"""A disk that is full, or only reads: said plainly, and when there is room again all goes on by itself."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.disks import fill, only_to_be_read, small_disk
from support.homes import Home, RelayProcess, befriend

pytestmark = pytest.mark.processes

LONG = "x" * 30_000


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    with small_disk(tmp_path / "disk", 8) as disk:
        yield disk


@pytest.fixture
def relay(tmp_path: Path) -> Iterator[RelayProcess]:
    with RelayProcess(tmp_path / "relay") as relay:
        yield relay


@pytest.fixture
def ada(tmp_path: Path, relay: RelayProcess) -> Home:
    ada = Home(tmp_path / "ada")
    ada.make_account("Ada", relay.address)
    return ada


@pytest.fixture
def bo(disk: Path, relay: RelayProcess, ada: Home) -> Home:
    """Bo's home is on the small disk."""
    bo = Home(disk / "bo")
    bo.make_account("Bo", relay.address)
    befriend(ada, bo)
    return bo


def wrong(home: Home) -> list[str]:
    return [entry["code"] for entry in home.run("status").one["wrong"]]


def beginnings(home: Home, chat: str) -> list[str]:
    return [text.split()[0] for text in home.texts(chat)]


def test_a_full_disk_is_said_and_nothing_is_lost_or_doubled(disk: Path, ada: Home, bo: Home) -> None:
    said = [f"{n}" for n in range(6)]
    with bo.app("--no-relay"):
        ada.run("send", "Bo", "before").ok()
        bo.wait_for_text("Ada", "before")
        filler = fill(disk)
        for text in said:
            ada.run("send", "Bo", f"{text} {LONG}").ok()
        bo.wait_for(lambda: wrong(bo), lambda codes: "home-full" in codes)
        for words in (["send", "Ada", "hm"], ["invite"], ["group", "new", "Rope", "Ada"]):
            error = bo.run(*words).failed(6)
            assert error["error"] == "home-full"
            assert "room" in error["do"]
        assert beginnings(bo, "Ada") == ["before"], "what is there can be read"
        filler.unlink()
        bo.wait_for(lambda: beginnings(bo, "Ada"), lambda found: len(found) > len(said))
        assert beginnings(bo, "Ada") == ["before", *said]
        assert wrong(bo) == []
        bo.run("send", "Ada", "room again").ok()
    assert ada.wait_for_text("Bo", "room again")
    assert beginnings(bo, "Ada") == ["before", *said, "room"]
    assert [chat["name"] for chat in bo.run("chats").all] == ["Ada"], "what was refused has not happened"


def test_an_app_starts_and_ends_on_a_full_disk(disk: Path, ada: Home, bo: Home) -> None:
    ada.run("send", "Bo", "one").ok()
    assert bo.texts("Ada") == ["one"]
    ada.run("send", "Bo", f"two {LONG}").ok()
    filler = fill(disk)
    with bo.app("--no-relay"):  # ends with exit code 0
        bo.wait_for(lambda: wrong(bo), lambda codes: codes == ["home-full"])
        assert beginnings(bo, "Ada") == ["one"]
    assert bo.run("send", "Ada", "hm").failed(6)["error"] == "home-full"
    assert beginnings(bo, "Ada") == ["one"]
    assert Home(disk / "cy").run("init", "--name", "Cy").failed(6)["error"] == "home-full"
    filler.unlink()
    assert beginnings(bo, "Ada") == ["one", "two"]
    Home(disk / "cy").make_account("Cy", None)


def test_a_file_goes_on_when_there_is_room_again(disk: Path, tmp_path: Path, ada: Home, bo: Home) -> None:
    photo = tmp_path / "photo.raw"
    photo.write_bytes(bytes(range(256)) * 4 * 1024 * 5)  # 5 MB of the 8
    assert photo.stat().st_size < 8 << 20
    with bo.app("--no-relay"):
        ballast = disk / "ballast"
        ballast.write_bytes(bytes(4 << 20))
        ada.run("send", "Bo", "a photo", "--file", str(photo)).ok()
        bo.wait_for(lambda: wrong(bo), lambda codes: "file" in codes)
        error = bo.run("send", "Ada", "--file", str(photo)).failed(6)
        assert error["error"] == "home-full"
        ballast.unlink()
        bo.wait_for(lambda: wrong(bo), lambda codes: codes == [])
        message = bo.wait_for_text("Ada", "a photo")
        [saved] = bo.run("save", message["id"], str(tmp_path)).all
    assert Path(saved["path"]).read_bytes() == photo.read_bytes()


def test_a_home_with_its_own_relay_on_a_full_disk(tmp_path: Path, relay: RelayProcess, ada: Home) -> None:
    # A relay takes nothing more from 256 MB of free space on: the disk is larger than that.
    with small_disk(tmp_path / "large", 300) as disk:
        bo = Home(disk / "bo")
        bo.make_account("Bo")
        with bo.app():
            invite = bo.run("invite").one["invite"]
            ada.run("accept", invite).ok()
            ada.run("send", "Bo", "before").ok()
            filler = fill(disk)
            assert ada.run("send", "Bo", "waits", "--wait", "1").one["state"] == "queued"
            assert bo.run("send", "Ada", "hm").failed(6)["error"] == "home-full"
        assert bo.texts("Ada") == ["before"]
        filler.unlink()
        with bo.app():
            bo.wait_for(lambda: ada.run("send", "Bo", "after").one["state"], lambda state: state == "sent")
            bo.wait_for(lambda: bo.texts("Ada"), lambda texts: "after" in texts)
            assert bo.texts("Ada")[:2] == ["before", "waits"]


def test_a_disk_that_only_reads_is_said_and_changes_nothing(disk: Path, ada: Home, bo: Home) -> None:
    ada.run("send", "Bo", "one").ok()
    assert bo.texts("Ada") == ["one"]
    only_to_be_read(disk)
    before = {path: path.read_bytes() for path in bo.path.rglob("*") if path.is_file()}
    for words in (["send", "Ada", "hm"], ["read", "Ada"], ["app"], ["init", "--name", "Bo"]):
        error = bo.run(*words).failed(6)
        assert error["error"] == "home-read-only", words
        assert error["do"]
    error = Home(disk / "cy").run("init", "--name", "Cy").failed(6)
    assert error["error"] == "home-read-only"
    assert {path: path.read_bytes() for path in bo.path.rglob("*") if path.is_file()} == before
    only_to_be_read(disk, False)
    bo.run("send", "Ada", "written again").ok()


def test_a_home_that_is_deleted_under_a_running_app_ends_it(disk: Path, ada: Home, bo: Home) -> None:
    app = bo.app("--no-relay")
    bo.path.rename(disk / "elsewhere")
    end = time.monotonic() + 30
    while app.process.poll() is None:
        assert time.monotonic() < end, "the app goes on in a home that is gone"
        time.sleep(0.1)
    error = app.next_line()
    assert app.process.returncode == 6, error
    assert error["error"] == "home-gone"
    assert str(bo.path) in error["message"]
    assert error["do"]
    # Nothing was made in the old place, and the home is whole in the other one.
    assert not bo.path.exists()
    assert Home(disk / "elsewhere").run("send", "Ada", "from elsewhere").one["state"] == "sent"
