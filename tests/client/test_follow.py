"""What changes, as those see it who look on: windows stay in step, nobody misses anything, and who is slow gets the newest."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any, cast

import pytest
import pytest_asyncio

from support.neighbours import Neighbours, ask, neighbours, until
from whimbrel.chat.records import AddMessage, EmptyChat, ForgetMessage, MessageRow
from whimbrel.client.changes import IDS_MAX, LAZY, Changes
from whimbrel.client.service import Service

Item = dict[str, Any]


@pytest_asyncio.fixture
async def street(tmp_path: Path) -> AsyncIterator[Neighbours]:
    async with neighbours(tmp_path) as street:
        yield street


class Window:
    """One who looks on, and has so far what a page would show."""

    def __init__(self, service: Service, items: AsyncGenerator[Item, None]) -> None:
        self._service, self._items = service, items
        self.all: list[Item] = []
        self.messages: dict[str, Item] = {}
        self.chats: dict[str, Item] = {}

    async def next(self) -> Item:
        item = await anext(self._items)
        assert len(item) == 1, "each item says one thing"
        self.all.append(item)
        if message := item.get("message"):
            self.messages[message["id"]] = message
        if chat := item.get("chat"):
            self.chats[chat["id"]] = chat
        return item

    async def until(self, key: str, holds: Any = lambda value: True) -> Any:
        """The next item of this kind of which something holds."""
        async with asyncio.timeout(20):
            while True:
                item = await self.next()
                if key in item and holds(item[key]):
                    return item[key]

    async def caught_up(self) -> None:
        """Take all that was to be told until now."""
        width = 300 + len(self.all) % 100
        await ask(self._service, "set_settings", list_width=width)
        await self.until("settings", lambda settings: settings["list_width"] == width)

    def texts(self) -> list[str]:
        return [message["text"] for message in sorted(self.messages.values(), key=lambda m: m["n"])]


@asynccontextmanager
async def window(service: Service) -> AsyncIterator[Window]:
    items = cast(AsyncGenerator[Item, None], service.call("follow", {}))
    async with aclosing(items):
        one = Window(service, items)
        assert await one.next() == {"ready": True}
        yield one


async def test_what_comes_is_told_to_every_window_alike(street: Neighbours) -> None:
    async with window(street.bo) as one, window(street.bo) as other:
        await ask(street.ada, "send", chat="Bo", text="hello")
        for each in (one, other):
            await each.until("message", lambda message: message["text"] == "hello")
        await ask(street.ada, "send", chat="Rope", text="all")
        for each in (one, other):
            await each.until("message", lambda message: message["text"] == "all")
        for each in (one, other):
            await each.caught_up()
        assert one.texts() == other.texts() == ["hello", "all"]
        [listed] = [chat for chat in await ask(street.bo, "chats") if chat["name"] == "Rope"]
        assert one.chats[listed["id"]] == other.chats[listed["id"]] == listed


async def test_what_one_window_does_the_other_shows(street: Neighbours) -> None:
    await ask(street.ada, "send", chat="Bo", text="hello")
    await until(lambda: street.texts(street.bo, "Ada"))
    async with window(street.bo) as other:
        [hello] = await ask(street.bo, "messages", chat="Ada")
        await ask(street.bo, "seen", chat="Ada", n=hello["n"])
        assert (await other.until("chat"))["unread"] == 0
        await ask(street.bo, "chat_set", chat="Ada", draft="well", pinned=True)
        chat = await other.until("chat")
        assert (chat["draft"], chat["pinned"]) == ("well", True)
        await ask(street.bo, "set_settings", theme="dark")
        assert (await other.until("settings"))["theme"] == "dark"
        await ask(street.bo, "send", chat="Ada", text="mine")
        assert (await other.until("message"))["text"] == "mine"


async def test_nothing_falls_between_what_is_loaded_and_what_is_followed(street: Neighbours) -> None:
    """Messages come all the while: each stands in what was loaded after `ready`, or is told."""
    number, stop = 0, asyncio.Event()

    async def writes() -> None:
        nonlocal number
        while not stop.is_set():
            await ask(street.ada, "send", chat="Bo", text=f"text {number}", wait=0.0)
            number += 1

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(writes())
        for _ in range(5):
            await until(lambda: len(street.texts(street.bo, "Ada")) >= 3)
            async with window(street.bo) as one:
                loaded = {item["text"] for item in await ask(street.bo, "messages", chat="Ada", limit=500)}
                last = await one.until("message", lambda message, known=loaded: message["text"] not in known)
                there = street.texts(street.bo, "Ada")
                told = {message["text"] for message in one.messages.values()}
                assert set(there[: there.index(last["text"])]) <= loaded | told
        stop.set()


async def test_a_slow_window_is_given_the_newest_of_each_once(street: Neighbours) -> None:
    [sent] = await ask(street.bo, "send", chat="Ada", text="hello")
    async with window(street.bo) as slow:
        for draft in ("a", "ab", "abc"):
            await ask(street.bo, "chat_set", chat="Ada", draft=draft)
        store = street.bo.shell.home.database
        await until(lambda: store.message(bytes.fromhex(sent["id"])).state == "delivered")
        assert (await slow.until("message"))["state"] == "delivered"
        await slow.caught_up()
        drafts = [
            item["chat"]["draft"] for item in slow.all if "chat" in item and item["chat"]["name"] == "Ada"
        ]
        assert drafts[0] == "abc"
        states = [item["message"]["state"] for item in slow.all if "message" in item]
        assert states == ["delivered"]


async def test_a_window_that_reads_nothing_costs_no_more_than_so_many_ids(street: Neighbours) -> None:
    ada = next(c.id for c in street.bo.person().chats.values() if c.name == "Ada")
    sender = street.ada.person().identity.account
    async with window(street.bo) as idle:
        for start in range(0, 3 * IDS_MAX, 500):
            rows = [
                MessageRow(n.to_bytes(32, "big"), ada, sender, False, n, f"{n}", b"", "read")
                for n in range(start, start + 500)
            ]
            await street.bo.shell.do(lambda person, now, fx, rows=rows: fx.save(*map(AddMessage, rows)))
        [follower] = street.bo.shell.changes._followers
        changed = follower._changed
        assert len(changed.messages) + len(changed.moving) + len(changed.chats) <= IDS_MAX
        assert await idle.next() == {"ready": True}
        newest = await ask(street.bo, "messages", chat="Ada", limit=1)
        assert newest[0]["text"] == str(3 * IDS_MAX - 1)


async def test_who_goes_away_is_forgotten(street: Neighbours) -> None:
    async with window(street.bo), window(street.bo):
        assert len(street.bo.shell.changes._followers) == 2
    assert street.bo.shell.changes._followers == []


async def test_following_ends_with_the_app(tmp_path: Path) -> None:
    async with neighbours(tmp_path) as street:
        items = street.bo.call("follow", {})
        assert await anext(items) == {"ready": True}
    async with asyncio.timeout(5):
        assert all("ready" not in item for item in [item async for item in items])


async def test_what_vanished_is_told_by_its_id(street: Neighbours) -> None:
    [sent] = await ask(street.bo, "send", chat="Ada", text="hello")
    id, chat = (
        bytes.fromhex(sent["id"]),
        next(c.id for c in street.bo.person().chats.values() if c.name == "Ada"),
    )
    async with window(street.bo) as one:
        await street.bo.shell.do(lambda person, now, fx: fx.save(ForgetMessage(id, chat, now)))
        assert await one.until("no_message") == sent["id"]
        assert (await one.until("chat"))["preview"] is None
        await street.bo.shell.do(lambda person, now, fx: fx.save(EmptyChat(chat, now)))
        assert await one.until("ready")


async def test_with_what_was_said_otherwise_its_quotes_are_told(street: Neighbours) -> None:
    [said] = await ask(street.ada, "send", chat="Bo", text="at noon")
    await until(lambda: street.texts(street.bo, "Ada") == ["at noon"])
    [answer] = await ask(street.bo, "send", chat="Ada", text="fine", reply_to=said["id"])
    async with window(street.bo) as one:
        await ask(street.ada, "edit", message=said["id"], text="at one")
        quoting = await one.until(
            "message", lambda m: m["id"] == answer["id"] and m["quote"]["text"] == "at one"
        )
        assert quoting["quote"]["what"] == "text"
        assert one.messages[said["id"]]["text"] == "at one"
        await ask(street.ada, "delete", message=said["id"], everyone=True)
        await one.until("message", lambda m: m["id"] == answer["id"] and m["quote"]["what"] == "deleted")


async def test_a_chat_that_is_heard_again_is_told(
    street: Neighbours, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = street.bo.shell.now()
    clock = {"now": now}
    monkeypatch.setattr(street.bo.shell, "now", lambda: clock["now"])
    soon = f"{_rfc(now + 300)}"
    async with window(street.bo) as one:
        await ask(street.bo, "chat_set", chat="Ada", muted=True, muted_until=soon)
        assert (await one.until("chat"))["muted"]
        clock["now"] = now + 300
        assert not (await one.until("chat"))["muted"]


def _rfc(milliseconds: int) -> str:
    from whimbrel.client.views import moment

    return moment(milliseconds) or ""


async def test_requests_and_their_answers_are_told(street: Neighbours, tmp_path: Path) -> None:
    [made] = await ask(street.bo, "invite", open=True)
    async with (
        window(street.bo) as one,
        Service.open(tmp_path / "cleo", embedded=False, wait=0) as cleo,
    ):
        await ask(cleo, "init", name="Cleo", relay=street.relay.address)
        await ask(cleo, "accept", invite=made["invite"], text="hello, from the harbour")
        request = await one.until("request")
        assert (request["name"], request["text"]) == ("Cleo", "hello, from the harbour")
        assert (await one.until("status", lambda status: status["requests"] == 1))["requests"] == 1
        await ask(street.bo, "requests", action="accept", name="Cleo")
        assert await one.until("no_request") == request["id"]
        assert (await one.until("chat", lambda chat: chat["name"] == "Cleo"))["person"] == request["id"]
    assert not any("no_chat" in item for item in one.all)


async def test_a_chat_is_told_again_only_when_it_looks_otherwise(street: Neighbours) -> None:
    chat = next(c for c in street.bo.person().chats.values() if c.name == "Rope")
    async with window(street.bo) as one:
        for _ in range(3):
            await street.bo.shell.do(lambda person, now, fx: fx.save(chat.save()))
            await one.caught_up()
        told = [item["chat"]["name"] for item in one.all if "chat" in item]
        assert told.count("Rope") == 1


async def test_who_is_called_otherwise_is_so_in_every_chat(street: Neighbours) -> None:
    await ask(street.ada, "send", chat="Rope", text="it is me")
    await until(lambda: street.texts(street.bo, "Rope"))
    async with window(street.bo) as one:
        await ask(street.ada, "rename", name="Adelaide")
        await one.until("chat", lambda chat: chat["name"] == "Adelaide")
        listed = [chat for chat in await ask(street.bo, "chats") if chat["kind"] == "group"]
        [message] = [m for m in await ask(street.bo, "messages", chat="Rope") if m.get("text") == "it is me"]
        assert (message["sender"], listed[0]["preview"]["sender"]) == ("Adelaide", "Adelaide")


async def test_a_way_that_goes_down_is_told(street: Neighbours) -> None:
    async with window(street.bo) as one:
        await street.relay.close()
        status = await one.until("status", lambda status: not any(way["up"] for way in status["ways"]))
        assert status["name"] == "Bo"


async def test_a_file_that_comes_is_told_with_its_progress_and_not_too_often(
    street: Neighbours, tmp_path: Path
) -> None:
    await ask(street.bo, "set_settings", fetch_up_to=0)
    (tmp_path / "film.bin").write_bytes(bytes(3_000_000))
    async with window(street.bo) as one:
        await ask(street.ada, "send", chat="Bo", files=[str(tmp_path / "film.bin")])
        message = await one.until("message", lambda message: message["files"])
        [file] = message["files"]
        assert (file["name"], file["size"], file["state"], file["done"]) == (
            "film.bin",
            3_000_000,
            "offered",
            0,
        )
        started = asyncio.get_running_loop().time()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(ask(street.bo, "save", message=message["id"], dir=str(tmp_path)))
            here = await one.until("message", lambda message: message["files"][0]["state"] == "here")
        took = asyncio.get_running_loop().time() - started
        assert here["files"][0]["done"] == 3_000_000
        dones = [item["message"]["files"][0]["done"] for item in one.all if "message" in item]
        assert dones == sorted(dones)
        assert len(dones) <= took / LAZY + 5
    assert (tmp_path / "film (2).bin").stat().st_size == 3_000_000


async def test_before_there_is_an_account_its_beginning_is_told(tmp_path: Path) -> None:
    async with Service.open(tmp_path / "home", wait=0) as service, window(service) as one:
        await ask(service, "set_settings", language="ru")
        assert (await one.until("settings"))["language"] == "ru"
        await ask(service, "init", name="Ada")
        assert (await one.until("status", lambda status: status["name"]))["name"] == "Ada"


async def test_while_the_app_is_locked_nothing_else_is_told(tmp_path: Path) -> None:
    async with Service.open(tmp_path / "home", passphrase="correct horse", wait=0) as service:
        await ask(service, "init", name="Ada")
        await ask(service, "group_new", name="Birds")
        async with window(service) as one:
            await one.caught_up()
            service.lock.close()
            assert await one.until("locked") is True
            chat = next(iter(service.person().chats.values()))
            await service.shell.do(lambda person, now, fx: fx.save(chat.save()))
            await one.until("status")
            assert not any("chat" in item for item in one.all[one.all.index({"locked": True}) :])
            async with window_of_locked(service) as late:
                await service.lock.open("correct horse")
                assert await late.until("locked") is False
                assert await late.until("ready")
            assert await one.until("locked") is False
            assert await one.until("ready")


async def test_a_mute_that_ends_while_the_app_is_locked_is_told_afterwards(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with Service.open(tmp_path / "home", passphrase="correct horse", wait=0) as service:
        await ask(service, "init", name="Ada")
        await ask(service, "group_new", name="Birds")
        now = service.shell.now()
        clock = {"now": now}
        monkeypatch.setattr(service.shell, "now", lambda: clock["now"])
        async with window(service) as one:
            await ask(service, "chat_set", chat="Birds", muted=True, muted_until=_rfc(now + 200))
            assert (await one.until("chat", lambda chat: chat["muted"]))["name"] == "Birds"
            service.lock.close()
            assert await one.until("locked") is True
            clock["now"] = now + 60_000
            async with asyncio.TaskGroup() as tasks:  # it waits, and nobody has to wait for it
                unlocked = tasks.create_task(one.until("locked"))
                await asyncio.sleep(0.3)
                assert not unlocked.done()
                await service.lock.open("correct horse")
            assert await one.until("ready")
            [chat] = [chat for chat in await ask(service, "chats") if chat["name"] == "Birds"]
            assert not chat["muted"]


@asynccontextmanager
async def window_of_locked(service: Service) -> AsyncIterator[Window]:
    items = cast(AsyncGenerator[Item, None], service.call("follow", {}))
    async with aclosing(items):
        one = Window(service, items)
        assert await one.next() == {"locked": True}
        assert await one.next() == {"ready": True}
        yield one


async def test_what_can_wait_is_told_at_most_so_often() -> None:
    changes = Changes()
    with changes.follower() as follower:
        times = []
        for _ in range(3):
            changes.progressed(b"m")
            changes.status()
            changed = await follower.next()
            assert list(changed.moving) == [b"m"]
            assert changed.status
            times.append(asyncio.get_running_loop().time())
        assert all(later - before >= LAZY for before, later in pairwise(times))
