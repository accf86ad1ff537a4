"""Moves, restored relays and copied homes, with real processes: apps, relays, commands."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from support.homes import Home, RelayProcess, befriend

pytestmark = pytest.mark.processes

NAMES = ["Ada", "Bo", "Cleo"]


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def three(tmp_path: Path, stack: ExitStack, relay: RelayProcess) -> dict[str, Home]:
    """Ada's group with Bo and Cleo in it, an app on each home."""
    homes = {name: Home(tmp_path / name) for name in NAMES}
    for name, home in homes.items():
        stack.enter_context(home.app())
        home.make_account(name, relay.address)
    for name in NAMES[1:]:
        befriend(homes["Ada"], homes[name])
    homes["Ada"].run("group", "new", "Rowing", *NAMES[1:]).ok()
    say_all(homes, "Rowing", "at first")
    return homes


def say_all(homes: dict[str, Home], chat: str, word: str, patience: float = 60) -> None:
    """Everybody writes, everybody reads it, once."""
    for name, home in homes.items():
        home.run("send", chat, f"{word}: {name}", "--wait", "20", patience=patience).ok()
    for reader in homes.values():
        for name in homes:
            reader.wait_for_text(chat, f"{word}: {name}", patience)
        texts = reader.texts(chat)
        assert len(texts) == len(set(texts))


def events(home: Home, chat: str) -> list[str]:
    return [line["event"] for line in home.run("read", chat, "--events").all if "event" in line]


def codes(home: Home) -> list[str]:
    return [wrong["code"] for wrong in home.run("status").one["wrong"]]


def soon(home: Home, look: Callable[[], Any], wanted: Callable[[Any], object]) -> Any:
    return home.wait_for(look, wanted, 60)


def test_a_group_moves_to_another_relay_while_everybody_writes(tmp_path: Path, stack: ExitStack) -> None:
    relay = stack.enter_context(RelayProcess(tmp_path / "relay"))
    other = stack.enter_context(RelayProcess(tmp_path / "other"))
    homes = three(tmp_path, stack, relay)
    assert homes["Bo"].run("move", "Rowing").failed(5)["error"] == "not-an-admin"
    [moved] = homes["Ada"].run("move", "Rowing", "--relay", other.address).all
    assert moved["state"] == "moved"
    assert moved["relay"] != homes["Ada"].run("status").one["ways"][0]["relay"]
    say_all(homes, "Rowing", "after the move")
    for home in homes.values():
        assert "moved" in events(home, "Rowing")
        assert not codes(home)
    assert "new group and log" in homes["Ada"].say("move", "Bo")
    homes["Bo"].run("send", "Ada", "and the two of us").ok()
    homes["Ada"].wait_for_text("Bo", "and the two of us")


def test_a_relay_set_back_to_an_old_backup_is_told_and_nothing_is_missing(
    tmp_path: Path, stack: ExitStack
) -> None:
    relay = stack.enter_context(RelayProcess(tmp_path / "relay"))
    homes = three(tmp_path, stack, relay)
    relay.end()
    shutil.copytree(relay.data, tmp_path / "backup")
    relay.start()
    say_all(homes, "Rowing", "after the backup")
    relay.end()
    shutil.rmtree(relay.data)
    shutil.copytree(tmp_path / "backup", relay.data)
    relay.start()
    for home in homes.values():
        soon(home, lambda home=home: events(home, "Rowing"), lambda seen: {"lost", "moved"} & set(seen))
    say_all(homes, "Rowing", "at the end", 120)
    assert "lost" in events(homes["Ada"], "Rowing")
    for home in homes.values():
        assert len([text for text in home.texts("Rowing") if "after the backup" in text]) == 3


def test_of_a_copied_home_one_goes_on_and_the_other_says_that_it_stopped(
    tmp_path: Path, stack: ExitStack
) -> None:
    relay = stack.enter_context(RelayProcess(tmp_path / "relay"))
    homes = {name: Home(tmp_path / name) for name in NAMES}
    for name, home in homes.items():
        home.make_account(name, relay.address)
    for name in NAMES[1:]:
        befriend(homes["Ada"], homes[name])
        homes["Ada"].run("status").ok()
    homes["Ada"].run("group", "new", "Rowing", *NAMES[1:]).ok()
    for home in homes.values():
        home.run("chats").ok()
    shutil.copytree(homes["Bo"].path, tmp_path / "Bo again")
    twin = Home(tmp_path / "Bo again")
    stack.enter_context(homes["Ada"].app())
    stack.enter_context(homes["Cleo"].app())
    stack.enter_context(homes["Bo"].app())
    homes["Bo"].run("send", "Rowing", "from the first").ok()
    homes["Ada"].wait_for_text("Rowing", "from the first")
    stack.enter_context(twin.app())
    soon(twin, lambda: events(twin, "Rowing"), lambda seen: "re-added" in seen)
    soon(homes["Bo"], lambda: codes(homes["Bo"]), lambda seen: "retired" in seen)
    say_all({"Ada": homes["Ada"], "twin": twin, "Cleo": homes["Cleo"]}, "Rowing", "on with it")
    assert homes["Bo"].run("send", "Rowing", "and I?").code != 0
