"""Sending with uploads, forwarding, deleting: what is on both disks, through the client, over a real relay."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from support.neighbours import Neighbours, ask, neighbours, until
from whimbrel.chat.attachments import UNWANTED
from whimbrel.chat.records import PutFact
from whimbrel.client.errors import ServiceError
from whimbrel.client.service import Service

THUMB = "\N{THUMBS UP SIGN}"


@pytest_asyncio.fixture
async def street(tmp_path: Path) -> AsyncIterator[Neighbours]:
    async with neighbours(tmp_path) as street:
        yield street


async def upload(service: Service, data: bytes, name: str = "pier.jpg") -> str:
    """What POST /files does with a body."""

    async def content() -> AsyncIterator[bytes]:
        yield data

    return await service.uploads.take(name, "image/jpeg", len(data), content())


def copies(service: Service) -> list[str]:
    return sorted(path.name for path in service.shell.home.folder("files").iterdir())


async def shown(service: Service, chat: str) -> list[dict[str, Any]]:
    return [item for item in await ask(service, "messages", chat=chat) if "event" not in item]


async def comes(service: Service, chat: str, **what: Any) -> dict[str, Any]:
    """The newest message of a chat, once it is like this."""
    async with asyncio.timeout(20):
        while True:
            changed = service.shell.next_change()
            items = await shown(service, chat)
            if items and all(items[-1][name] == value for name, value in what.items()):
                return items[-1]
            await changed.wait()


async def test_uploads_are_sent_with_what_is_known_of_them(street: Neighbours) -> None:
    known = {"width": 640, "height": 480, "thumbhash": "AAEC"}
    first, second = (
        await upload(street.ada, os.urandom(100_000)),
        await upload(street.ada, b"x", "notes.txt"),
    )
    [sent] = await ask(
        street.ada,
        "send",
        chat="Bo",
        text="the pier",
        uploads=[first, second],
        descriptions=["in the evening"],
        media=[json.dumps(known), ""],
        wait=20.0,
    )
    assert sent["state"] == "sent"
    came = await comes(street.bo, "Ada", id=sent["id"])
    picture, notes = came["files"]
    assert (picture["description"], picture["media"]) == ("in the evening", known)
    assert (notes["name"], notes["description"], "media" in notes) == ("notes.txt", "", False)
    with pytest.raises(ServiceError, match="not here any more"):
        await ask(street.ada, "send", chat="Bo", uploads=[first])
    street.ada.shell.transfers.sweep()
    assert len(copies(street.ada)) == 2, "they belong to the message now"


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        ({"media": ["{"]}, "media"),
        ({"media": ['{"width": -1}']}, "media"),
        ({"media": [json.dumps({"waveform": [0] * 65})]}, "media"),
        ({"media": ["", ""]}, "parameters"),
        ({"descriptions": ["a", "b"]}, "parameters"),
        ({"uploads": ["nothing"]}, "no-upload"),
        ({"mentions": ["0:2:Bo"]}, "mention"),
        ({"text": "@Bo", "mentions": ["0:3:Cy"]}, "mention"),
        ({"text": "@Bo", "mentions": ["0:3:Bo", "1:2:Bo"]}, "mention"),
        ({"text": "@Bo", "mentions": ["-1:3:Bo"]}, "mention"),
        ({"text": "@Bo", "mentions": ["0:99999999999999999999:Bo"]}, "mention"),
        ({"reply_to": "ff" * 32}, "not-found"),
    ],
)
async def test_what_does_not_hold_is_refused_and_nothing_is_sent(
    street: Neighbours, wrong: dict[str, Any], code: str
) -> None:
    id = await upload(street.ada, b"x")
    with pytest.raises(ServiceError) as raised:
        await ask(street.ada, "send", chat="Bo", **({"uploads": [id]} | wrong))
    assert raised.value.code == code
    assert await shown(street.ada, "Bo") == []
    assert street.ada.uploads.size(id) == 1, "what waits goes on waiting"


async def test_a_message_of_another_chat_cannot_be_answered(street: Neighbours) -> None:
    [sent] = await ask(street.ada, "send", chat="Rope", text="in the group")
    with pytest.raises(ServiceError, match="not in this chat"):
        await ask(street.ada, "send", chat="Bo", text="wrong place", reply_to=sent["id"])


async def test_a_forwarded_file_is_another_blob_under_another_key(street: Neighbours) -> None:
    data = os.urandom(200_000)
    [sent] = await ask(
        street.ada,
        "send",
        chat="Bo",
        uploads=[await upload(street.ada, data)],
        media=['{"width":3,"height":4}'],
    )
    await comes(street.bo, "Ada", id=sent["id"])
    handed = [
        item async for item in street.bo.call("forward", {"message": sent["id"], "chats": ["Rope", "Ada"]})
    ]
    assert [item["name"] for item in handed] == ["Rope", "Ada"]
    here = street.bo.shell.home
    rows = [here.database.files_of(bytes.fromhex(id))[0] for id in (sent["id"], *(i["id"] for i in handed))]
    assert len({row.blob for row in rows}) == len({row.state_blob[108:140] for row in rows}) == 3
    sealed = {(here.folder("files") / row.blob.hex()).read_bytes()[:64] for row in rows}
    assert len(sealed) == 3
    came = await comes(street.ada, "Rope", id=handed[0]["id"])
    assert (came["forwarded"], came["files"][0]["media"]) == (True, {"width": 3, "height": 4})
    target = here.path / "saved"
    target.mkdir()
    [saved] = await ask(street.ada, "save", message=handed[0]["id"], dir=str(target))
    assert Path(saved["path"]).read_bytes() == data


async def test_an_empty_file_can_be_forwarded(street: Neighbours) -> None:
    [sent] = await ask(
        street.ada, "send", chat="Bo", uploads=[await upload(street.ada, b"", "nothing")], wait=20.0
    )
    [handed] = await ask(street.ada, "forward", message=sent["id"], chats=["Rope"])
    came = await comes(street.bo, "Rope", id=handed["id"])
    assert came["files"][0]["size"] == 0


async def test_sealed_copies_go_with_their_messages_on_both_sides(street: Neighbours) -> None:
    [sent] = await ask(
        street.ada, "send", chat="Bo", text="look", uploads=[await upload(street.ada, b"x" * 70_000)]
    )
    came = await comes(street.bo, "Ada", id=sent["id"])
    await ask(street.bo, "fetch_file", file=came["files"][0]["id"])
    await until(
        lambda: street.bo.shell.home.database.file(bytes.fromhex(came["files"][0]["id"])).state == "here"
    )
    assert len(copies(street.ada)) == len(copies(street.bo)) == 1
    [answer] = await ask(street.bo, "send", chat="Ada", text="nice", reply_to=sent["id"])
    await ask(street.ada, "delete", message=sent["id"], everyone=True)
    await until(lambda: not copies(street.ada) and not copies(street.bo))
    item = await comes(street.ada, "Bo", id=answer["id"])
    assert item["quote"]["what"] == "deleted"
    await ask(street.ada, "delete", message=sent["id"])
    item = await comes(street.ada, "Bo", id=answer["id"])
    assert (item["quote"]["what"], item["quote"]["text"]) == ("gone", "")
    for service in (street.ada, street.bo):
        assert not any(name.startswith(UNWANTED) for name in service.shell.home.database.facts())


async def test_what_was_to_be_removed_is_removed_at_the_next_start(street: Neighbours) -> None:
    """The program ended between the transaction and the removal."""
    await ask(street.ada, "send", chat="Bo", text="kept", uploads=[await upload(street.ada, b"x")], wait=20.0)
    [kept] = copies(street.ada)
    shell = street.ada.shell
    (shell.home.folder("files") / ("ab" * 32)).write_bytes(b"sealed")
    (shell.home.folder("files") / ("ab" * 32 + ".part")).write_bytes(b"sealed")
    shell.home.database.commit([PutFact(UNWANTED + name, b"") for name in ("ab" * 32, kept)])
    shell.transfers.sweep()
    assert copies(street.ada) == [kept], "one that a message names stays"
    assert not any(name.startswith(UNWANTED) for name in shell.home.database.facts())


async def test_both_write_at_once_after_an_invite_was_opened(street: Neighbours) -> None:
    """Before either has handed the other anything else, and with nothing in the log but the Welcome."""
    for one, other, name, friend in (
        (street.ada, street.bo, "Ada", "Bo"),
        (street.bo, street.ada, "Bo", "Ada"),
    ):
        await ask(one, "send", chat=friend, text=f"hello {friend}")
        await comes(other, name, text=f"hello {friend}")
    waiting = {row.kind for chat in street.bo.person().chats.values() for row in chat.outbox}
    assert "stock" in waiting, "it took as long as key packages wait, and shows nothing"


async def test_who_opened_an_invite_adds_the_inviter_to_a_group_at_once(tmp_path: Path) -> None:
    """The package behind the invite is used up, and those in stock let the first words go first: they are waited for."""
    async with neighbours(tmp_path) as street:
        await ask(street.ada, "invite")
        await ask(street.bo, "group_new", name="Quick", persons=["Ada"])
        await ask(street.bo, "send", chat="Quick", text="all aboard", wait=20.0)
        await comes(street.ada, "Quick", text="all aboard")


async def test_a_message_taken_back_while_its_file_goes_up_is_never_sent(street: Neighbours) -> None:
    street.ada.shell.transfers._put = _never  # type: ignore[method-assign]
    [sent] = await ask(
        street.ada, "send", chat="Bo", text="no", uploads=[await upload(street.ada, b"x" * 70_000)]
    )
    assert sent["state"] == "queued"
    [done] = await ask(street.ada, "delete", message=sent["id"], everyone=True)
    assert done["state"] == "gone"
    assert copies(street.ada) == []
    await ask(street.ada, "send", chat="Bo", text="yes")
    await comes(street.bo, "Ada", text="yes")
    assert [item["text"] for item in await shown(street.bo, "Ada")] == ["yes"]
    chats = street.ada.person().chats.values()
    assert [row for chat in chats for row in chat.outbox if row.message is not None] == []


async def _never(*_: Any) -> None:
    await asyncio.Event().wait()


async def test_a_chat_is_cleared_here_alone_and_a_group_that_was_left_goes(street: Neighbours) -> None:
    await ask(
        street.ada, "send", chat="Rope", text="one", uploads=[await upload(street.ada, b"x")], wait=20.0
    )
    await comes(street.bo, "Rope", text="one")
    [done] = await ask(street.ada, "erase_chat", chat="Rope")
    assert done["dropped"] is False
    assert (await shown(street.ada, "Rope"), copies(street.ada)) == ([], [])
    assert len(await shown(street.bo, "Rope")) == 1
    await ask(street.bo, "group_leave", group="Rope")
    await until(lambda: next(c for c in street.bo.person().chats.values() if c.name == "Rope").line is None)
    group = next(c for c in street.bo.person().chats.values() if c.name == "Rope").lines[0].state.group
    database = street.bo.shell.home.database
    assert database.mls_rows(group)
    [done] = await ask(street.bo, "erase_chat", chat="Rope")
    assert done["dropped"] is True
    assert database.mls_rows(group) == [], "its keys are gone, too"
    assert all(chat.name != "Rope" for chat in street.bo.person().chats.values())


async def test_windows_are_told_what_became_of_messages(street: Neighbours) -> None:
    [sent] = await ask(street.ada, "send", chat="Bo", text="one")
    await comes(street.bo, "Ada", text="one")
    told: list[dict[str, Any]] = []

    async def follow() -> None:
        async for change in street.bo.call("follow", {}):
            told.append(change)

    task = asyncio.create_task(follow())  # noqa: TID251 - a window that looks on
    try:
        await until(lambda: told)
        await ask(street.bo, "react", message=sent["id"], emoji=THUMB)
        await ask(street.ada, "edit", message=sent["id"], text="two")
        await until(lambda: any(c.get("message", {}).get("text") == "two" for c in told))
        assert any(c.get("message", {}).get("reactions") for c in told)
        await ask(street.ada, "delete", message=sent["id"], everyone=True)
        await until(lambda: any(c.get("message", {}).get("deleted") for c in told))
        await ask(street.bo, "delete", message=sent["id"])
        await until(lambda: any(c.get("no_message") == sent["id"] for c in told))
    finally:
        task.cancel()


async def test_what_vanishes_leaves_the_disk_and_the_windows(street: Neighbours) -> None:
    await ask(street.ada, "timer", chat="Bo", seconds=300)
    await until(lambda: all(s.person().chats[c.id].timer == 300 for s, c in both(street)))
    [sent] = await ask(
        street.ada,
        "send",
        chat="Bo",
        text="not for long",
        uploads=[await upload(street.ada, b"x" * 70_000)],
        wait=20.0,
    )
    came = await comes(street.bo, "Ada", id=sent["id"])
    assert (came["expires"], came["vanishes"]) == (300, None)
    await ask(street.bo, "fetch_file", file=came["files"][0]["id"])
    await until(
        lambda: street.bo.shell.home.database.file(bytes.fromhex(came["files"][0]["id"])).state == "here"
    )
    await ask(street.bo, "seen", chat="Ada", n=came["n"])
    for service, chat in ((street.ada, "Bo"), (street.bo, "Ada")):
        (item,) = await shown(service, chat)
        assert item["vanishes"] is not None
        assert len(copies(service)) == 1
    gone: list[str] = []

    async def follow() -> None:
        async for change in street.bo.call("follow", {}):
            gone.append(change.get("no_message", ""))

    task = asyncio.create_task(follow())  # noqa: TID251 - a window that looks on
    try:
        await until(lambda: gone)
        clock = street.bo.shell._clock
        street.bo.shell._clock = lambda: clock() + 299
        await street.bo.shell.nudge()
        assert len(await shown(street.bo, "Ada")) == 1
        assert street.bo.shell._rest() < 2.0, "the next turn comes by itself when it is time"
        street.bo.shell._clock = lambda: clock() + 301
        await until(lambda: sent["id"] in gone)
        assert await shown(street.bo, "Ada") == []
        assert copies(street.bo) == []
    finally:
        task.cancel()


def both(street: Neighbours) -> list[tuple[Service, Any]]:
    """The chat of the two, as each has it."""
    return [
        (service, next(chat for chat in service.person().chats.values() if chat.kind == "pair"))
        for service in (street.ada, street.bo)
    ]
