"""Apps and commands that are started on one home at the same moment: one app stays, every command is done, once."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from support.homes import PATIENCE_S, Home, Program, RelayProcess

pytestmark = pytest.mark.processes


@pytest.fixture
def ada(tmp_path: Path) -> Iterator[Home]:
    with RelayProcess(tmp_path / "relay") as relay:
        ada = Home(tmp_path / "ada")
        ada.make_account("Ada", relay.address)
        ada.run("group", "new", "Notes").ok()
        yield ada


def test_of_three_apps_one_stays_and_no_command_is_lost_or_done_twice(ada: Home) -> None:
    with ThreadPoolExecutor(7) as pool:
        apps: list[Program] = list(pool.map(lambda _: ada.start("app", "--no-relay"), range(3)))
        # On a busy machine the home may be another's for longer than a command waits for its turn by itself.
        send = ("send", "Notes", "--wait", f"{PATIENCE_S}")
        sent = list(pool.map(lambda n: ada.run(*send, f"{n}", patience=2 * PATIENCE_S), range(4)))
        lines = list(pool.map(Program.next_line, apps))
    for ran in sent:
        assert ran.one["state"] in ("sent", "queued")
    ready = [app for app, line in zip(apps, lines, strict=True) if line.get("event") == "ready"]
    assert len(ready) == 1, lines
    for app, line in zip(apps, lines, strict=True):
        if app not in ready:
            assert line["event"] == "running"
            assert line["url"].startswith("http://127.0.0.1:")
            assert app.process.wait(PATIENCE_S) == 0
    assert sorted(ada.texts("Notes")) == ["0", "1", "2", "3"]
    assert ready[0].end() == 0
    assert sorted(ada.texts("Notes")) == ["0", "1", "2", "3"]
