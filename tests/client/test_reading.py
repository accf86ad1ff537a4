"""What is shown of a home: windows of messages, one message, who has read it; nothing of it marks anything as read."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from support.neighbours import Neighbours, ask, neighbours, until
from whimbrel.chat.records import AddMessage, DeedRow, MessageRow, PutDeed
from whimbrel.client.errors import NOT_FOUND, WRONG_USE, ServiceError
from whimbrel.client.service import Service


@pytest_asyncio.fixture
async def street(tmp_path: Path) -> AsyncIterator[Neighbours]:
    async with neighbours(tmp_path) as street:
        yield street


def chat_of(service: Service, name: str) -> bytes:
    return next(chat.id for chat in service.person().chats.values() if chat.name == name)


def remember(service: Service, chat: str, count: int, **more: Any) -> list[MessageRow]:
    """So many messages of the other person, as if they had come long ago."""
    id, store = chat_of(service, chat), service.shell.home.database
    sender = next(iter(service.person().contacts))
    rows = [
        MessageRow(
            bytes([1]) + number.to_bytes(31, "big"),
            id,
            sender,
            False,
            1_700_000_000_000 + number,
            f"text {number}",
            b"",
            "delivered",
            **more,
        )
        for number in range(count)
    ]
    store.commit([AddMessage(row) for row in rows])
    return [row for row in store.messages(id) if row.text.startswith("text ")]


def texts(items: list[dict[str, Any]]) -> list[str]:
    return [item["text"] for item in items if "event" not in item]


async def test_a_window_goes_back_and_forth_over_a_chat_without_marking_it_as_read(
    street: Neighbours,
) -> None:
    rows = remember(street.bo, "Ada", 100)
    newest = await ask(street.bo, "messages", chat="Ada", limit=10)
    assert texts(newest) == [f"text {n}" for n in range(90, 100)]
    earlier = await ask(street.bo, "messages", chat="Ada", before=newest[0]["n"], limit=10)
    assert texts(earlier) == [f"text {n}" for n in range(80, 90)]
    later = await ask(street.bo, "messages", chat="Ada", after=earlier[-1]["n"], limit=5)
    assert texts(later) == [f"text {n}" for n in range(90, 95)]
    around = await ask(street.bo, "messages", chat="Ada", around=rows[50].id.hex(), limit=10)
    assert texts(around) == [f"text {n}" for n in range(45, 55)]
    at_the_start = await ask(street.bo, "messages", chat="Ada", around=rows[1].id.hex(), limit=10)
    assert texts(at_the_start) == [f"text {n}" for n in range(9 + 1)]
    assert len(texts(await ask(street.bo, "messages", chat="Ada"))) == 60
    [chat] = [chat for chat in await ask(street.bo, "chats") if chat["name"] == "Ada"]
    assert (chat["unread"], chat["first_unread"]) == (100, rows[0].id.hex())


async def test_what_happened_stands_between_the_messages(street: Neighbours) -> None:
    await ask(street.ada, "send", chat="Rope", text="hello")
    await until(lambda: street.texts(street.bo, "Rope"))
    joined, hello = await ask(street.bo, "messages", chat="Rope")
    assert (joined["event"], joined["sender"], joined["people"]) == ("joined", "Ada", ["Bo"])
    assert (hello["text"], hello["sender"], hello["from"], hello["mine"]) == ("hello", "Ada", "Ada", False)
    assert joined["n"] < hello["n"]


async def test_only_one_side_of_a_window_is_named(street: Neighbours) -> None:
    with pytest.raises(ServiceError) as refused:
        await ask(street.bo, "messages", chat="Ada", before=5, after=2)
    assert (refused.value.code, refused.value.exit) == ("parameters", WRONG_USE)
    [elsewhere] = remember(street.bo, "Rope", 1)
    with pytest.raises(ServiceError) as missing:
        await ask(street.bo, "messages", chat="Ada", around=elsewhere.id.hex())
    assert missing.value.exit == NOT_FOUND


async def test_a_message_comes_with_its_quote_and_its_reactions(street: Neighbours) -> None:
    first, *_ = rows = remember(street.bo, "Ada", 2)
    store, me = street.bo.shell.home.database, street.bo.person().identity.account
    answer = MessageRow(
        b"a" * 32, first.chat, me, True, 1_700_000_000_500, "yes", b"", "sent", reply_to=first.id
    )
    lost = MessageRow(
        b"b" * 32, first.chat, me, True, 1_700_000_000_600, "no", b"", "sent", reply_to=b"x" * 32
    )
    deeds = [
        DeedRow(bytes([n]) * 32, first.chat, answer.id, who, who == me, "reaction", n, emoji, b"", "sent")
        for n, (who, emoji) in enumerate(
            [(first.sender, "🚣"), (me, "🚣"), (b"c" * 32, "👍"), (b"d" * 32, "")]
        )
    ]
    store.commit([AddMessage(answer), AddMessage(lost), *map(PutDeed, deeds)])
    [item] = await ask(street.bo, "message", id=answer.id.hex())
    assert item["quote"] == {
        "id": first.id.hex(),
        "sender": "Ada",
        "mine": False,
        "text": "text 0",
        "what": "text",
    }
    assert item["reactions"] == [
        {"emoji": "🚣", "people": [first.sender.hex(), me.hex()], "mine": True},
        {"emoji": "👍", "people": [(b"c" * 32).hex()], "mine": False},
    ]
    [item] = await ask(street.bo, "message", id=lost.id.hex())
    assert (item["quote"]["what"], item["quote"]["text"]) == ("gone", "")
    assert len(rows) == 2


async def test_seen_marks_up_to_a_number_and_the_others_learn_of_it(street: Neighbours) -> None:
    for text in ("one", "two", "three"):
        await ask(street.ada, "send", chat="Bo", text=text)
    await until(lambda: len(street.texts(street.bo, "Ada")) == 3)
    _, second, third = await ask(street.bo, "messages", chat="Ada")
    [chat] = await ask(street.bo, "seen", chat="Ada", n=second["n"])
    assert (chat["unread"], chat["first_unread"]) == (1, third["id"])
    store = street.ada.shell.home.database
    await until(lambda: store.message(bytes.fromhex(second["id"])).state == "read")
    assert store.message(bytes.fromhex(third["id"])).state == "delivered"
    [receipt] = await ask(street.ada, "receipts", message=second["id"])
    assert (receipt["name"], receipt["state"]) == ("Bo", "read")


async def test_without_receipts_nobody_is_told_what_was_read(street: Neighbours) -> None:
    await ask(street.bo, "set_settings", receipts=False)
    await ask(street.ada, "send", chat="Bo", text="one")
    await until(lambda: street.texts(street.bo, "Ada") == ["one"])
    [one] = await ask(street.bo, "messages", chat="Ada")
    [chat] = await ask(street.bo, "seen", chat="Ada", n=one["n"])
    assert chat["unread"] == 0
    await ask(street.bo, "set_settings", receipts=True)
    await ask(street.ada, "send", chat="Bo", text="two")
    await until(lambda: street.texts(street.bo, "Ada") == ["one", "two"])
    _, two = await ask(street.bo, "messages", chat="Ada")
    await ask(street.bo, "seen", chat="Ada", n=two["n"])
    store = street.ada.shell.home.database
    await until(lambda: store.message(bytes.fromhex(two["id"])).state == "read")
    assert store.message(bytes.fromhex(one["id"])).state == "delivered"


async def test_a_search_goes_on_backwards(street: Neighbours) -> None:
    remember(street.bo, "Ada", 30)
    newest = await ask(street.bo, "search", words="text", limit=10)
    assert texts(newest) == [f"text {n}" for n in range(20, 30)]
    before = await ask(street.bo, "search", words="text", limit=10, before=newest[0]["n"], chat="Ada")
    assert texts(before) == [f"text {n}" for n in range(10, 20)]
    assert await ask(street.bo, "search", words="text", chat="Rope") == []


async def test_of_a_deleted_message_nothing_is_told(street: Neighbours) -> None:
    [row] = remember(street.bo, "Ada", 1, deleted=True, forwarded=True, mentions=b"\x80")
    [item] = await ask(street.bo, "message", id=row.id.hex())
    assert (item["deleted"], item["text"], item["forwarded"], item["mentions"]) == (True, "", False, [])
    [chat] = [chat for chat in await ask(street.bo, "chats") if chat["name"] == "Ada"]
    assert (chat["preview"]["what"], chat["preview"]["text"]) == ("deleted", "")
