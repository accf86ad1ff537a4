"""The clock of a machine is set while its app runs, by a day and by a year, either way: nobody waits for it."""

import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from support import clock_set
from support.homes import Home, RelayProcess, befriend

pytestmark = pytest.mark.processes

DAY = 24 * 3600
YEAR = 365 * DAY


class Clock:
    """How wrong somebody's clock is."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self.set(0)

    def set(self, seconds: int) -> None:
        beside = self._file.with_suffix(".new")
        beside.write_text(str(seconds))
        beside.replace(self._file)

    @property
    def start(self) -> tuple[str, ...]:
        return (sys.executable, str(clock_set.__file__), str(self._file))


@pytest.fixture(scope="module")
def clock(tmp_path_factory: pytest.TempPathFactory) -> Clock:
    return Clock(tmp_path_factory.mktemp("clock") / "wrong-by")


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory, clock: Clock) -> Iterator[tuple[Home, Home]]:
    """Ada, whose clock jumps, and Bo, whose clock is right; each with an app that runs."""
    folder = tmp_path_factory.mktemp("homes")
    with RelayProcess(folder / "relay") as relay:
        ada, bo = Home(folder / "ada", start=clock.start), Home(folder / "bo")
        ada.make_account("Ada", relay.address)
        bo.make_account("Bo", relay.address)
        befriend(ada, bo)
        with ada.app("--no-relay"), bo.app("--no-relay"):
            yield ada, bo


def state_of(home: Home, chat: str, text: str) -> str:
    [state] = [line["state"] for line in home.run("read", chat).all if line["text"] == text]
    return str(state)


@pytest.mark.parametrize("jump", [DAY, -DAY, YEAR, -YEAR])
def test_messages_and_receipts_go_on_whatever_the_clock_shows(
    clock: Clock, two: tuple[Home, Home], jump: int
) -> None:
    ada, bo = two
    said = []
    for wrong_by in (0, jump, 0):
        clock.set(wrong_by)
        n = f"{jump}: {len(said)}"
        for home, name, other in ((ada, "Ada", "Bo"), (bo, "Bo", "Ada")):
            assert home.run("send", other, f"{n} of {name}").one["state"] == "sent"
            said.append(f"{n} of {name}")
        bo.wait_for_text("Ada", f"{n} of Ada")
        ada.wait_for_text("Bo", f"{n} of Bo")
        # A receipt waits two seconds for company; it must not wait for a clock.
        ada.wait_for(lambda n=n: state_of(ada, "Bo", f"{n} of Ada"), lambda state: state == "read")
        bo.wait_for(lambda n=n: state_of(bo, "Ada", f"{n} of Bo"), lambda state: state == "read")
        # The next receipt is to leave at a time of this clock, which is set again before it has come.
        bo.run("send", "Ada", f"{n} at last").ok()
        said.append(f"{n} at last")
        ada.wait_for_text("Bo", f"{n} at last")
    clock.set(0)
    for text in said:
        writer, reader = (ada, "Bo") if text.endswith("Ada") else (bo, "Ada")
        bo.wait_for(lambda w=writer, r=reader, t=text: state_of(w, r, t), lambda state: state == "read")
    for texts in (bo.texts("Ada"), ada.texts("Bo")):
        assert [text for text in texts if text.startswith(f"{jump}:")] == said
    for line in bo.run("read", "Ada").all:
        assert datetime.fromisoformat(line["at"]) <= datetime.now(UTC), "nothing comes from the future"
    for home in two:
        status = home.run("status").one
        assert status["wrong"] == []
        assert all(way["up"] for way in status["ways"])
