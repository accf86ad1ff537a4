"""A relay whose disk is full or only reads: it says so, damages nothing, and goes on when there is room again."""

from pathlib import Path

import pytest

from support.disks import fill, only_to_be_read, small_disk
from support.homes import Home, Program, RelayProcess, befriend

pytestmark = pytest.mark.processes


def refused(disk: Path) -> dict[str, str]:
    """What a relay says that does not start on this disk."""
    relay = Program(["relay", "--data", str(disk / "relay"), "--listen", "127.0.0.1:0"])
    said = relay.next_line()
    assert relay.process.wait(30) in (1, 6)
    assert "Traceback" not in relay.errors()
    assert said["do"]
    return said


def test_a_full_disk_of_the_relay_costs_time_and_nothing_else(tmp_path: Path) -> None:
    """The disk is so small that what a relay keeps free of it is more than there is: it takes nothing from the beginning
    of the filling on, and apps wait."""
    with small_disk(tmp_path / "disk", 400) as disk, RelayProcess(disk / "relay") as relay:
        ada, bo = Home(tmp_path / "ada"), Home(tmp_path / "bo")
        with ada.app(), bo.app():
            ada.make_account("Ada", relay.address)
            bo.make_account("Bo", relay.address)
            befriend(ada, bo)
            ada.run("send", "Bo", "before").ok()
            bo.wait_for_text("Ada", "before")
            filler = fill(disk)
            ada.run("send", "Bo", "while it is full", "--wait", "3")
            bo.run("send", "Ada", "and back", "--wait", "3")
            assert "before" in bo.texts("Ada"), "what is there is shown"
            relay.kill()
            message = refused(disk)["message"]
            assert "No space left" in message or "SQLITE_FULL" in message
            filler.unlink()
            relay.start()
            bo.wait_for_text("Ada", "while it is full", 120)
            ada.wait_for_text("Bo", "and back", 120)
            assert sorted(bo.texts("Ada")) == sorted(["before", "while it is full", "and back"])
            assert sorted(ada.texts("Bo")) == sorted(bo.texts("Ada"))


def test_a_relay_does_not_start_on_a_disk_that_only_reads_and_changes_nothing(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 64) as disk:
        with RelayProcess(disk / "relay"):
            pass
        before = {path: path.read_bytes() for path in (disk / "relay").rglob("*") if path.is_file()}
        only_to_be_read(disk)
        assert "Read-only" in refused(disk)["message"]
        only_to_be_read(disk, False)
        assert {path: path.read_bytes() for path in before} == before
        with RelayProcess(disk / "relay"):
            pass
