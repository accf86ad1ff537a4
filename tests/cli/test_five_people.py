"""A group of five, files, and a relay that is restarted in the middle; real processes, apps running."""

import os
from contextlib import ExitStack
from pathlib import Path

import pytest

from support.homes import Home, RelayProcess, befriend

pytestmark = pytest.mark.processes

NAMES = ["Ada", "Bo", "Cleo", "Dora", "Emil"]


def present(home: Home, group: str) -> list[str]:
    """Who is in the group, as this home sees it."""
    shown = home.run("group", "show", group)
    return sorted(m["name"] for m in shown.lines[-1].get("members", ()) if m["present"])


def test_five_people_write_change_and_lose_their_relay_for_a_moment(tmp_path: Path) -> None:
    with ExitStack() as stack:
        relay = stack.enter_context(RelayProcess(tmp_path / "relay"))
        homes = {name: Home(tmp_path / name) for name in NAMES}
        for name, home in homes.items():
            stack.enter_context(home.app())
            home.make_account(name, relay.address)
        ada = homes["Ada"]
        for name in NAMES[1:]:
            befriend(ada, homes[name])

        ada.run("group", "new", "Rowing", *NAMES[1:4]).ok()
        for name in NAMES[:4]:
            homes[name].wait_for(
                lambda home=homes[name]: present(home, "Rowing"), lambda who: who == NAMES[:4]
            )
        said = []
        for name in NAMES[:4]:
            said.append(f"{name} is in")
            homes[name].run("send", "Rowing", said[-1]).ok()
        for name in NAMES[:4]:
            for text in said:
                homes[name].wait_for_text("Rowing", text)

        relay.restart()
        said.append("after the restart")
        homes["Bo"].run("send", "Rowing", said[-1], "--wait", "20").ok()
        ada.run("group", "add", "Rowing", "Emil", "--wait", "20").ok()
        for name in NAMES:
            homes[name].wait_for(lambda home=homes[name]: present(home, "Rowing"), lambda who: who == NAMES)

        relay.kill()
        for n in range(3):
            assert homes["Cleo"].run("send", "Rowing", f"waits {n}", "--wait", "0").one["state"] == "queued"
        relay.start()
        said += [f"waits {n}" for n in range(3)]
        chart = tmp_path / "chart.bin"
        chart.write_bytes(os.urandom(1_500_000))
        homes["Emil"].run("send", "Rowing", "the chart", "--file", str(chart), "--wait", "20").ok()
        said.append("the chart")
        for name in NAMES:
            for text in ("waits 2", "the chart"):
                homes[name].wait_for_text("Rowing", text)

        ada.run("group", "remove", "Rowing", "Dora").ok()
        others = [name for name in NAMES if name != "Dora"]
        for name in others:
            homes[name].wait_for(lambda home=homes[name]: present(home, "Rowing"), lambda who: who == others)
        homes["Bo"].run("send", "Rowing", "without Dora").ok()
        for name in others:
            came = homes[name].wait_for_text("Rowing", "without Dora")
            assert came["from"] == "Bo"

        for name in NAMES[:3]:
            texts = homes[name].texts("Rowing")
            assert sorted(texts) == sorted([*said, "without Dora"]), name
            assert [text for text in texts if text.startswith("waits")] == ["waits 0", "waits 1", "waits 2"]
        assert "without Dora" not in homes["Dora"].texts("Rowing")

        folder = tmp_path / "saved"
        folder.mkdir()
        came = homes["Bo"].wait_for_text("Rowing", "the chart")
        [saved] = homes["Bo"].run("save", came["id"], str(folder)).all
        assert Path(saved["path"]).read_bytes() == chart.read_bytes()
        for home in homes.values():
            assert home.run("status").one["wrong"] == []
