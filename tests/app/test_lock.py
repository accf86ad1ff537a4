"""The lock of a running app: what it refuses, what goes on, how it comes by itself, and the end of everything."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from support.homes import Home
from support.neighbours import Neighbours, ask, neighbours, until
from whimbrel.client import lock
from whimbrel.client.errors import ServiceError
from whimbrel.client.service import METHODS, Service
from whimbrel.store import keys

PASSPHRASE = "a rope and a boat"
OPEN = {"lock", "unlock", "status", "follow"}


@pytest.fixture(autouse=True)
def cheap(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keys, "RECOMMENDED_COST", keys.Argon2Cost(passes=1, memory_kib=64, lanes=1))


@pytest.fixture
async def street(tmp_path: Path) -> AsyncIterator[Neighbours]:
    async with neighbours(tmp_path) as street:
        await ask(street.ada, "set_passphrase", new=PASSPHRASE)
        yield street


async def refused(service: Service, method: str, **parameters: Any) -> str:
    with pytest.raises(ServiceError) as raised:
        await ask(service, method, **parameters)
    return raised.value.code


async def test_without_a_passphrase_nothing_is_locked(tmp_path: Path) -> None:
    async with neighbours(tmp_path) as street:
        assert await refused(street.ada, "lock") == "no-passphrase"
        assert not street.ada.locked


async def test_while_locked_every_method_but_a_few_is_refused(street: Neighbours) -> None:
    await ask(street.ada, "lock")
    for method in METHODS:
        if method not in OPEN:
            assert await refused(street.ada, method) == "locked", method
    assert set(METHODS) > OPEN


async def test_while_locked_nothing_is_said_but_that(street: Neighbours) -> None:
    await ask(street.bo, "send", chat="Ada", text="before")
    street.ada.shell.note("x", "Rope: something is wrong")
    await ask(street.ada, "lock")
    [status] = await ask(street.ada, "status")
    assert (status["locked"], status["wrong"], status["name"]) == (True, [], "Ada")
    told = []
    followed = street.ada.call("follow", {})

    async def listen() -> None:
        async for item in followed:
            told.append(item)

    listening = asyncio.get_running_loop().create_task(listen())
    await ask(street.bo, "send", chat="Ada", text="while it was locked")
    await until(lambda: "while it was locked" in street.texts(street.ada, "Bo"))
    await asyncio.sleep(0.5)
    assert told[0] == {"locked": True}
    assert all(set(item) <= {"locked", "ready", "status"} for item in told), told
    assert "while it was" not in str(told)
    count = len(told)
    await ask(street.ada, "unlock", passphrase=PASSPHRASE)
    await until(lambda: {"locked": False} in told[count:])
    await until(lambda: {"ready": True} in told[count:])
    listening.cancel()


async def test_messages_go_on_arriving_and_are_not_read(street: Neighbours) -> None:
    reading = street.ada.call("read", {"chat": "Bo", "follow": True})

    async def read() -> list[Any]:
        return [item async for item in reading]

    task = asyncio.get_running_loop().create_task(read())
    await asyncio.sleep(0.05)
    await ask(street.ada, "lock")
    with pytest.raises(ServiceError, match="locked"):
        await asyncio.wait_for(task, 5)
    await ask(street.bo, "send", chat="Ada", text="are you there?")
    await until(lambda: "are you there?" in street.texts(street.ada, "Bo"))
    [row] = [r for r in street.ada.shell.home.database.messages() if r.text == "are you there?"]
    assert row.state == "delivered"


async def test_only_the_passphrase_opens_it_and_guesses_go_one_by_one(
    street: Neighbours, monkeypatch: pytest.MonkeyPatch
) -> None:
    await ask(street.ada, "lock")
    at_once = most = 0
    usual = street.ada.shell.home.check_passphrase

    def counted(passphrase: str) -> None:
        nonlocal at_once, most
        at_once += 1
        most = max(most, at_once)
        try:
            usual(passphrase)
        finally:
            at_once -= 1

    monkeypatch.setattr(street.ada.shell.home, "check_passphrase", counted)
    guesses = [
        refused(street.ada, "unlock", passphrase=guess)
        for guess in ("", "a rope", "A rope and a boat", "x" * 99)
    ]
    assert await asyncio.gather(*guesses) == ["wrong-passphrase"] * 4
    assert most == 1
    assert street.ada.locked
    assert await refused(street.ada, "set_passphrase", new="another one", old=PASSPHRASE) == "locked"
    await ask(street.ada, "unlock", passphrase=PASSPHRASE)
    assert [chat["name"] for chat in await ask(street.ada, "chats")]


async def test_files_and_tickets_are_closed_too(street: Neighbours) -> None:
    ticket = street.ada.windows.ticket(b"file", 0.0)
    await ask(street.ada, "lock")
    assert not street.ada.windows.is_ticket(ticket, b"file", 0.0)

    async def content() -> AsyncIterator[bytes]:
        yield b"x"

    with pytest.raises(ServiceError, match="locked"):
        await street.ada.shelf.take(None, "a", "", 1, content())
    with pytest.raises(ServiceError, match="locked"):
        street.ada.shelf.stored("0f" * 32)
    with pytest.raises(ServiceError, match="locked"):
        street.ada.shelf.picture("0f" * 32)


async def test_it_locks_by_itself_when_nobody_is_there(
    street: Neighbours, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The time is in the test's hands: the clock of the wall runs ahead, as after a sleep of the computer."""
    monkeypatch.setattr(lock, "LOOK_EVERY", 0.02)
    ahead = 0.0
    usual = street.ada.shell._clock
    street.ada.shell._clock = lambda: usual() + ahead
    await ask(street.ada, "set_settings", lock_after=300)
    await ask(street.ada, "touch")
    ahead = 250.0
    await asyncio.sleep(1.2)
    assert not street.ada.locked
    await ask(street.ada, "touch")
    ahead = 500.0
    await asyncio.sleep(0.2)
    assert not street.ada.locked, "somebody was there in between"
    ahead = 560.0
    await until(lambda: street.ada.locked)


async def test_the_time_begins_with_the_choice(street: Neighbours, monkeypatch: pytest.MonkeyPatch) -> None:
    """Until then no window said that somebody is there, for hours perhaps."""
    monkeypatch.setattr(lock, "LOOK_EVERY", 0.02)
    ahead = 7200.0
    usual = street.ada.shell._clock
    street.ada.shell._clock = lambda: usual() + ahead
    await ask(street.ada, "set_settings", lock_after=300)
    await asyncio.sleep(1.2)
    assert not street.ada.locked
    ahead += 310.0
    await until(lambda: street.ada.locked)


async def test_everything_is_erased_by_name_and_the_program_is_to_end(tmp_path: Path) -> None:
    async with Service.open(tmp_path / "ada", wait=0) as service:
        await ask(service, "init", name="Ada")
        await ask(service, "group_new", name="Notes")
        await ask(service, "send", chat="Notes", text="something to find")
        (tmp_path / "ada" / "holiday.jpg").write_bytes(b"a picture")
        assert await refused(service, "erase_everything", confirm="ada") == "not-confirmed"
        assert not service.over.is_set()
        [item] = await ask(service, "erase_everything", confirm="Ada")
        assert item == {"erased": str(tmp_path / "ada"), "stays": ["holiday.jpg"]}
        assert service.over.is_set()
        assert (tmp_path / "ada" / "relay" / "relay.db").exists()
    assert [path.name for path in (tmp_path / "ada").iterdir()] == ["holiday.jpg"]


@pytest.mark.processes
def test_commands_are_refused_while_the_app_is_locked(tmp_path: Path) -> None:
    ada = Home(tmp_path / "ada", {"WHIMBREL_PASSPHRASE": PASSPHRASE})
    with ada.app():
        ada.make_account("Ada")
        ada.run("group", "new", "Notes").ok()
        assert ada.run("lock").one == {"locked": True}
        assert ada.run("chats").failed(5)["error"] == "locked"
        assert ada.run("send", "Notes", "x").failed(5)["error"] == "locked"
        assert ada.run("status").one["locked"] is True
        ada.extra["WHIMBREL_PASSPHRASE"] = "another one"
        assert ada.run("unlock").failed(5)["error"] == "wrong-passphrase"
        ada.extra["WHIMBREL_PASSPHRASE"] = PASSPHRASE
        assert ada.run("unlock").one == {"locked": False}
        assert [chat["name"] for chat in ada.run("chats").all] == ["Notes"]
        assert ada.run("lock").one == {"locked": True}
    assert [chat["name"] for chat in ada.run("chats").all] == ["Notes"], (
        "without an app nothing is open or locked"
    )


@pytest.mark.processes
def test_erasing_ends_the_app_and_leaves_no_folder(tmp_path: Path) -> None:
    ada = Home(tmp_path / "ada")
    app = ada.app()
    ada.make_account("Ada")
    ada.run("group", "new", "Notes").ok()
    assert ada.run("erase", "Bo").failed(5)["error"] == "not-confirmed"
    assert ada.run("erase", "Ada").one["stays"] == []
    assert app.process.wait(30) == 0
    assert app.errors() == ""
    assert not ada.path.exists()
    assert ada.run("chats").failed(1)["error"] == "no-account"


@pytest.mark.processes
def test_a_home_is_erased_without_an_app_as_well(tmp_path: Path) -> None:
    ada = Home(tmp_path / "ada")
    ada.make_account("Ada")
    ada.run("erase", "Ada").ok()
    assert not ada.path.exists()
