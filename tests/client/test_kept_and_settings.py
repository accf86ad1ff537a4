"""How a home's page behaves, and what is kept in the home: one answer for all windows, after a restart as before."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, get_type_hints

import pytest
import pytest_asyncio

from support.neighbours import Neighbours, ask, neighbours, until
from whimbrel.chat.records import AddMessage, MessageRow, PutFact
from whimbrel.client.errors import WRONG_USE, ServiceError
from whimbrel.client.service import Service
from whimbrel.client.settings import DEFAULTS, FACT, NUMBERS, fault_of
from whimbrel.client.shapes import SettingsItem


@pytest_asyncio.fixture
async def street(tmp_path: Path) -> AsyncIterator[Neighbours]:
    async with neighbours(tmp_path) as street:
        yield street


def test_every_setting_has_a_first_value_that_it_can_have() -> None:
    assert set(DEFAULTS) == set(get_type_hints(SettingsItem))
    assert all(fault_of(name, value) is None for name, value in DEFAULTS.items())


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("theme", "sepia"),
        ("notify", "all"),
        ("sounds", 1),
        ("receipts", "no"),
        ("language", "English, please"),
        ("language", None),
        ("fetch_up_to", -1),
        ("fetch_up_to", True),
        ("lock_after", 24 * 3600 + 1),
        ("list_width", 10),
        ("list_width", 300.5),
    ],
)
def test_a_value_that_a_setting_cannot_have_is_said(name: str, value: Any) -> None:
    assert (fault_of(name, value) or "").startswith(name)


@pytest.mark.parametrize("language", ["", "en", "ru", "fa", "pt-BR", "zh-Hant-TW"])
def test_languages_are_tags(language: str) -> None:
    assert fault_of("language", language) is None


async def test_settings_stay_over_a_restart_and_what_is_not_given_stays(tmp_path: Path) -> None:
    async with Service.open(tmp_path / "home", wait=0) as service:
        assert await ask(service, "settings") == [DEFAULTS]
        await ask(service, "set_settings", language="ru")
        await ask(service, "init", name="Ada")
        [after] = await ask(service, "set_settings", theme="dark", lock_after=300)
        assert after == {**DEFAULTS, "language": "ru", "theme": "dark", "lock_after": 300}
    async with Service.open(tmp_path / "home", wait=0) as service:
        assert await ask(service, "settings") == [after]
        assert service.lock_after == 300


async def test_what_cannot_be_is_refused_and_changes_nothing(tmp_path: Path) -> None:
    async with Service.open(tmp_path / "home", wait=0) as service:
        with pytest.raises(ServiceError) as refused:
            await ask(service, "set_settings", theme="dark", list_width=NUMBERS["list_width"][1] + 1)
        assert (refused.value.code, refused.value.exit) == ("setting", WRONG_USE)
        assert "640" in refused.value.message
        assert await ask(service, "settings") == [DEFAULTS]


async def test_what_another_version_kept_is_passed_over(tmp_path: Path) -> None:
    async with Service.open(tmp_path / "home", wait=0) as service:
        kept = {"theme": "aurora", "sounds": False, "shoe_size": 43}
        service.shell.home.database.commit([PutFact(FACT, json.dumps(kept).encode())])
        assert await ask(service, "settings") == [{**DEFAULTS, "sounds": False}]


async def test_files_are_fetched_unasked_up_to_what_the_settings_say(
    street: Neighbours, tmp_path: Path
) -> None:
    (tmp_path / "small.txt").write_bytes(b"x" * 100)
    (tmp_path / "large.txt").write_bytes(b"x" * 1000)
    await ask(street.bo, "set_settings", fetch_up_to=500)
    for name in ("small.txt", "large.txt"):
        await ask(street.ada, "send", chat="Bo", files=[str(tmp_path / name)])

    async def states() -> list[str]:
        return [item["files"][0]["state"] for item in await ask(street.bo, "messages", chat="Ada")]

    await until(lambda: len(street.texts(street.bo, "Ada")) == 2)
    await until(lambda: not street.bo.shell.transfers.busy())
    assert await states() == ["here", "offered"]


async def test_what_is_on_this_computer_is_counted(street: Neighbours, tmp_path: Path) -> None:
    (tmp_path / "map.pdf").write_bytes(b"x" * 50_000)
    await ask(street.ada, "send", chat="Bo", text="the map", files=[str(tmp_path / "map.pdf")])
    await until(lambda: street.texts(street.bo, "Ada"))
    await until(lambda: not street.bo.shell.transfers.busy())
    chat = next(c.id for c in street.bo.person().chats.values() if c.name == "Ada")
    going = MessageRow(
        b"v" * 32, chat, b"s" * 32, False, 1_700_000_000_000, "", b"", "read", vanishes=2_000_000_000_000
    )
    street.bo.shell.home.database.commit([AddMessage(going)])
    await ask(street.bo, "chat_set", chat="Ada", draft="half a thought")
    kept = {item["what"]: item for item in await ask(street.bo, "kept")}
    assert list(kept) == ["messages", "files", "contacts", "keys", "drafts"]
    assert (kept["messages"]["count"], kept["messages"]["vanishing"]) == (3, 1)
    assert kept["files"]["count"] == 1
    assert 50_000 < kept["files"]["bytes"] < 200_000
    [message] = [item for item in await ask(street.bo, "messages", chat="Ada") if item.get("files")]
    assert kept["files"]["oldest"] == message["at"]
    assert (kept["contacts"]["count"], kept["drafts"]["count"], kept["drafts"]["bytes"]) == (1, 1, 14)
    on_disk = sum(path.stat().st_size for path in (tmp_path / "bo").glob("store.db*"))
    inside = sum(kept[what]["bytes"] for what in ("messages", "contacts", "keys", "drafts"))
    assert inside == on_disk


async def test_a_home_with_its_own_relay_says_so(tmp_path: Path) -> None:
    async with Service.open(tmp_path / "home", wait=0) as service:
        [status] = await ask(service, "status")
        assert (status["relay"], status["name"], status["locked"]) == ("none", None, False)
        await ask(service, "init", name="Ada")
        [status] = await ask(service, "status")
        assert (status["relay"], status["key_place"], status["requests"]) == ("this-computer", "file", 0)
        kept = {item["what"]: item for item in await ask(service, "kept")}
        assert kept["relay"]["bytes"] > 0
