"""The list of chats, and how each is kept on this computer: pinned, muted, archived, marked, with a draft."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from support.neighbours import Neighbours, ask, neighbours, until
from whimbrel.chat.conversation import Conversation
from whimbrel.chat.line import Line
from whimbrel.chat.records import AddMessage, ChatRow, MessageRow, PutChat
from whimbrel.client.errors import WRONG_USE, ServiceError
from whimbrel.client.service import Service

Item = dict[str, Any]


@pytest_asyncio.fixture
async def street(tmp_path: Path) -> AsyncIterator[Neighbours]:
    async with neighbours(tmp_path) as street:
        yield street


async def chat(service: Service, name: str) -> Item:
    [found] = [item for item in await ask(service, "chats") if item["name"] == name]
    return found


async def names(service: Service) -> list[str]:
    return [item["name"] for item in await ask(service, "chats")]


async def write(street: Neighbours, to: str, text: str, in_chat: str) -> None:
    """Ada writes, and Bo has it."""
    await ask(street.ada, "send", chat=to, text=text)
    await until(lambda: text in street.texts(street.bo, in_chat))


async def test_the_last_line_stands_beside_the_name(street: Neighbours) -> None:
    await write(street, "Rope", "are you there?", "Rope")
    rope = await chat(street.bo, "Rope")
    assert (rope["kind"], rope["members"], rope["admin"], rope["standing"]) == ("group", 2, False, "open")
    assert (rope["preview"]["text"], rope["preview"]["sender"], rope["preview"]["mine"]) == (
        "are you there?",
        "Ada",
        False,
    )
    assert rope["unread"] == 1
    ada = await chat(street.bo, "Ada")
    assert (ada["kind"], ada["person"]) == ("pair", street.ada.person().identity.account.hex())
    assert (await chat(street.ada, "Rope"))["admin"] is True


async def test_pinned_chats_stand_first(street: Neighbours) -> None:
    await write(street, "Bo", "one", "Ada")
    await write(street, "Rope", "two", "Rope")
    assert await names(street.bo) == ["Rope", "Ada"]
    [item] = await ask(street.bo, "chat_set", chat="Ada", pinned=True)
    assert item["pinned"]
    assert await names(street.bo) == ["Ada", "Rope"]
    await ask(street.bo, "chat_set", chat="Ada", pinned=False)
    assert await names(street.bo) == ["Rope", "Ada"]


async def test_an_archived_chat_comes_back_when_something_new_arrives_unless_it_is_muted(
    street: Neighbours,
) -> None:
    await ask(street.bo, "chat_set", chat="Ada", archived=True)
    await ask(street.bo, "chat_set", chat="Rope", archived=True, muted=True)
    await ask(street.bo, "send", chat="Ada", text="own words do not bring it back")
    assert (await chat(street.bo, "Ada"))["archived"]
    await write(street, "Bo", "but yours do", "Ada")
    await write(street, "Rope", "nothing wakes this one", "Rope")
    assert not (await chat(street.bo, "Ada"))["archived"]
    assert (await chat(street.bo, "Rope"))["archived"]


async def test_what_is_muted_for_a_while_is_heard_again_by_itself(
    street: Neighbours, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = street.bo.shell.now()
    until_then = datetime.fromtimestamp(now / 1000, UTC) + timedelta(hours=8)
    [item] = await ask(street.bo, "chat_set", chat="Ada", muted=True, muted_until=until_then.isoformat())
    assert (item["muted"], item["muted_until"][:16]) == (True, until_then.isoformat()[:16])
    monkeypatch.setattr(street.bo.shell, "now", lambda: now + 8 * 3_600_000)
    item = await chat(street.bo, "Ada")
    assert (item["muted"], item["muted_until"]) == (False, None)
    monkeypatch.undo()
    [item] = await ask(street.bo, "chat_set", chat="Ada", muted=True)
    assert (item["muted"], item["muted_until"]) == (True, None)
    [item] = await ask(street.bo, "chat_set", chat="Ada", muted=False)
    assert not item["muted"]


@pytest.mark.parametrize(
    "moment", ["tomorrow", "", "0000-01-01T00:00:00Z", "1960-01-01T00:00:00Z", "2026-13-01"]
)
async def test_a_time_that_is_none_is_refused(street: Neighbours, moment: str) -> None:
    with pytest.raises(ServiceError) as refused:
        await ask(street.bo, "chat_set", chat="Ada", muted_until=moment)
    assert (refused.value.code, refused.value.exit) == ("time", WRONG_USE)


async def test_seen_takes_the_mark_away(street: Neighbours) -> None:
    [item] = await ask(street.bo, "chat_set", chat="Ada", unread_mark=True)
    assert item["unread_mark"]
    [item] = await ask(street.bo, "seen", chat="Ada", n=0)
    assert not item["unread_mark"]


async def test_a_draft_is_there_after_a_restart_and_only_encrypted_on_the_disk(tmp_path: Path) -> None:
    async with neighbours(tmp_path) as street:
        await ask(street.bo, "chat_set", chat="Ada", draft="half a thought about herons")
        # What only a reader of the list knows is remembered, too: no group is opened for it.
    async with Service.open(tmp_path / "bo", embedded=False, wait=0) as bo:
        assert (await chat(bo, "Ada"))["draft"] == "half a thought about herons"
    for file in (tmp_path / "bo").rglob("*"):
        assert not file.is_file() or b"herons" not in file.read_bytes()


async def test_after_a_restart_the_list_asks_nothing_of_mls(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with neighbours(tmp_path) as street:
        await ask(street.ada, "chats")
        before = [await chat(street.ada, name) for name in ("Bo", "Rope")]

    def loaded(line: Line) -> Any:
        raise AssertionError("a group was loaded")

    monkeypatch.setattr(Line, "group", property(loaded))
    async with Service.open(tmp_path / "ada", embedded=False, wait=0) as ada:
        assert [await chat(ada, name) for name in ("Bo", "Rope")] == before


async def test_a_home_of_before_asks_mls_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first homes did not remember beside a chat who is in it."""
    packed = Conversation.save

    def as_before(chat: Conversation) -> PutChat:
        from dataclasses import replace

        from whimbrel.wire import cbor

        row = packed(chat).row
        return PutChat(replace(row, state=cbor.encode(cbor.decode(row.state)[:6])))

    with monkeypatch.context() as patch:
        patch.setattr(Conversation, "save", as_before)
        async with neighbours(tmp_path) as street:
            pass
    for _ in range(2):
        async with Service.open(tmp_path / "ada", embedded=False, wait=0) as ada:
            assert (await chat(ada, "Rope"))["members"] == 2
    monkeypatch.setattr(Line, "group", property(lambda line: pytest.fail("a group was loaded")))
    async with Service.open(tmp_path / "ada", embedded=False, wait=0) as ada:
        assert (await chat(ada, "Rope"))["members"] == 2
    assert street.ada.shell.home.path == tmp_path / "ada"


async def test_who_is_named_in_something_unread_is_told_so(street: Neighbours) -> None:
    rope = next(c.id for c in street.bo.person().chats.values() if c.name == "Rope")
    sender = street.ada.person().identity.account
    row = MessageRow(
        b"m" * 32, rope, sender, False, 1_700_000_000_000, "@Bo", b"", "delivered", mentions_me=True
    )
    street.bo.shell.home.database.commit([AddMessage(row)])
    item = await chat(street.bo, "Rope")
    assert item["mentioned"]
    [item] = await ask(street.bo, "seen", chat="Rope", n=item["preview"]["n"])
    assert not item["mentioned"]


async def test_two_thousand_chats_are_listed_each_with_its_own(street: Neighbours) -> None:
    store, sender = street.bo.shell.home.database, street.ada.person().identity.account
    person = street.bo.person()
    ids = [b"chat" + number.to_bytes(28, "big") for number in range(2_000)]
    for number, id in enumerate(ids):
        person.chats[id] = Conversation(person, id, "group", f"Group {number}")
    store.commit([PutChat(ChatRow(id, "group", person.chats[id].name, b"")) for id in ids])
    store.commit(
        AddMessage(
            MessageRow(
                b"text" + id[4:], id, sender, False, 1_700_000_000_000 + n, f"in {n}", b"", "delivered"
            )
        )
        for n, id in enumerate(ids)
    )
    listed = [item for item in await ask(street.bo, "chats") if item["name"].startswith("Group ")]
    assert [item["name"] for item in listed] == [f"Group {n}" for n in reversed(range(2_000))]
    assert all(item["preview"]["text"] == f"in {item['name'].split()[1]}" for item in listed)
    assert all(item["unread"] == 1 and item["first_unread"] == item["preview"]["id"] for item in listed)


async def test_contacts_are_told_with_the_groups_that_one_has_together(street: Neighbours) -> None:
    [bo] = await ask(street.ada, "contacts")
    rope = next(c.id for c in street.ada.person().chats.values() if c.name == "Rope")
    assert (bo["name"], bo["standing"], bo["groups"]) == ("Bo", "contact", [rope.hex()])
    assert bo["chat"] == (await chat(street.ada, "Bo"))["id"]
