"""Groups as commands make them: name, picture, rights, timer; people who are blocked or called otherwise. Real processes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from support.homes import Home, RelayProcess, befriend

pytestmark = pytest.mark.processes

PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 400


@pytest.fixture(scope="module")
def homes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Home]]:
    """Ada, Bo and Cleo with their apps on one relay; Ada knows both."""
    folder = tmp_path_factory.mktemp("groups")
    with ExitStack() as stack:
        relay = stack.enter_context(RelayProcess(folder / "relay"))
        homes = {name: Home(folder / name) for name in ("Ada", "Bo", "Cleo")}
        for name, home in homes.items():
            stack.enter_context(home.app())
            home.make_account(name, relay.address)
        befriend(homes["Ada"], homes["Bo"])
        befriend(homes["Ada"], homes["Cleo"])
        homes["Ada"].run("group", "new", "Rowing", "Bo", "Cleo").ok()
        for name in ("Bo", "Cleo"):
            homes[name].wait_for(lambda home=homes[name]: members(home, "Rowing"), lambda who: len(who) == 3)
        yield homes


def members(home: Home, group: str) -> list[str]:
    shown = home.run("group", "show", group)
    return [m["name"] for m in shown.lines[-1].get("members", ()) if m["present"]]


def events(home: Home, chat: str, kind: str) -> list[dict[str, object]]:
    return [row for row in home.run("read", chat, "--events").lines if row.get("event") == kind]


def test_an_admin_says_what_a_group_is_like_and_all_see_it(homes: dict[str, Home], tmp_path: Path) -> None:
    ada, bo = homes["Ada"], homes["Bo"]
    gull = tmp_path / "gull.png"
    gull.write_bytes(PNG)
    item = ada.run(
        "group", "set", "Rowing", "--name", "Sailing", "--post", "admins", "--picture", str(gull)
    ).one
    assert (item["name"], item["post"], item["add"], item["change"]) == (
        "Sailing",
        "admins",
        "admins",
        "admins",
    )
    assert item["picture"]
    there = bo.wait_for(lambda: bo.run("group", "show", "Sailing").lines[-1], lambda got: got.get("picture"))
    assert there["picture"] == item["picture"]
    assert there["post"] == "admins"
    [renamed] = events(bo, "Sailing", "renamed")
    assert (renamed["name"], renamed["before"], renamed["from"]) == ("Sailing", "Rowing", "Ada")
    assert [event["post"] for event in events(bo, "Sailing", "rights")] == ["admins"]
    assert [event["picture"] for event in events(bo, "Sailing", "picture")] == [item["picture"]]
    refused = bo.run("send", "Sailing", "hello?").failed(5)
    assert refused["error"] == "may-not-post"
    assert bo.run("group", "set", "Sailing", "--name", "Mine").failed(5)["error"] == "not-an-admin"
    assert bo.run("timer", "Sailing", "1d").failed(5)["error"] == "not-an-admin"
    ada.run(
        "group", "set", "Sailing", "--post", "everybody", "--change", "everybody", "--picture", "none"
    ).ok()
    bo.wait_for(
        lambda: bo.run("group", "show", "Sailing").lines[-1], lambda got: got.get("post") == "everybody"
    )
    assert bo.run("timer", "Sailing", "1d").one["timer"] == 86_400
    ada.wait_for(lambda: ada.run("group", "show", "Sailing").lines[-1], lambda got: got["timer"] == 86_400)
    assert bo.run("group", "set", "Sailing", "--name", "Rowing").one["name"] == "Rowing"
    ada.wait_for(lambda: ada.run("group", "show", "Rowing"), lambda ran: ran.code == 0)


def test_what_no_picture_is_or_is_too_large_is_not_set(homes: dict[str, Home], tmp_path: Path) -> None:
    ada = homes["Ada"]
    other = tmp_path / "other.png"
    for data, error in ((b"<svg onload='alert(1)'/>", "not-a-picture"), (PNG * 3, "picture")):
        other.write_bytes(data)
        assert ada.run("group", "set", "Rowing", "--picture", str(other)).failed(2)["error"] == error
    assert (
        ada.run("group", "set", "Rowing", "--picture", str(tmp_path / "no.png")).failed(3)["error"] == "file"
    )
    assert ada.run("group", "set", "Rowing", "--name", "  ").failed(2)["error"] == "name"
    assert ada.run("group", "new", "").failed(2)["error"] == "name"


def test_the_timer_of_a_chat_of_two_is_set_by_both_and_goes_with_new_messages(homes: dict[str, Home]) -> None:
    ada, bo = homes["Ada"], homes["Bo"]
    assert ada.run("timer", "Bo", "2h").one["timer"] == 7_200
    bo.wait_for(
        lambda: events(bo, "Ada", "timer"), lambda found: [one["seconds"] for one in found] == [7_200]
    )
    id = bo.run("send", "Ada", "not for long").one["id"]
    ada.wait_for_text("Bo", "not for long")
    [row] = [row for row in ada.run("read", "Bo").lines if row["id"] == id]
    assert row["expires"] == 7_200
    assert bo.run("timer", "Ada", "off").one["timer"] == 0
    assert ada.run("timer", "Bo", "4m").failed(2)["error"] == "timer"


def test_somebody_who_is_blocked_is_not_heard_until_they_are_unblocked(homes: dict[str, Home]) -> None:
    ada, cleo = homes["Ada"], homes["Cleo"]
    assert ada.run("block", "Cleo").one["blocked"] is True
    assert ada.run("send", "Cleo", "?").failed(5)["error"] == "blocked"
    cleo.run("send", "Ada", "do you hear me?").ok()
    cleo.run("send", "Rowing", "in the group").ok()
    ada.wait_for_text("Rowing", "in the group")
    assert [row["text"] for row in ada.run("read", "Cleo").lines] == []
    [listed] = [row for row in ada.run("contacts").lines if row["name"] == "Cleo"]
    assert listed["standing"] == "blocked"
    assert "Cleo" in ada.run("contacts", "--blocked", as_json=False).out
    assert "Cleo" not in ada.run("contacts", as_json=False).out
    assert ada.run("unblock", "Cleo").one["standing"] == "contact"
    assert ada.run("unblock", "Cleo").failed(3)["error"] == "not-found"
    cleo.run("send", "Ada", "and now?").ok()
    ada.wait_for_text("Cleo", "and now?")
    assert [row["text"] for row in ada.run("read", "Cleo").lines] == ["and now?"]


def test_a_new_name_is_told_to_everybody(homes: dict[str, Home]) -> None:
    ada, bo, cleo = homes["Ada"], homes["Bo"], homes["Cleo"]
    assert cleo.run("rename", "Cleopatra").one["name"] == "Cleopatra"
    assert cleo.run("status").one["name"] == "Cleopatra"
    ada.wait_for(
        lambda: [row["name"] for row in ada.run("contacts").lines], lambda found: "Cleopatra" in found
    )
    bo.wait_for(lambda: members(bo, "Rowing"), lambda who: "Cleopatra" in who)
    [called] = events(ada, "Cleopatra", "called")
    assert (called["before"], called["name"]) == ("Cleo", "Cleopatra")
    assert "Cleo is called Cleopatra now" in ada.run("read", "Cleopatra", "--events", as_json=False).out
    assert cleo.run("rename", "").failed(1)["error"] == "name"
