"""The shell over real homes and a real relay: what goes wrong in one place stays there."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from support.neighbours import Neighbours, ask, neighbours, until
from whimbrel.chat.conversation import Conversation
from whimbrel.chat.doors import Doors
from whimbrel.chat.person import Person
from whimbrel.chat.welcomes import Welcomes
from whimbrel.client.errors import ServiceError
from whimbrel.link.link import Link
from whimbrel.store.database import Database
from whimbrel.store.errors import HomeGone, home_full
from whimbrel.wire.operations import Get


@pytest_asyncio.fixture
async def street(tmp_path: Path) -> AsyncIterator[Neighbours]:
    async with neighbours(tmp_path) as street:
        yield street


class Unforeseen(Exception):
    """What nobody foresaw."""


def codes(items: list[dict[str, Any]]) -> list[str]:
    return [wrong["code"] for wrong in items[0]["wrong"]]


async def test_a_chat_whose_records_always_raise_is_put_aside_and_the_rest_goes_on(
    street: Neighbours, monkeypatch: pytest.MonkeyPatch
) -> None:
    usual = Conversation.records

    def records(chat: Conversation, *rest: Any) -> None:
        if chat.name == "Rope" and chat.around is street.bo.person():
            raise Unforeseen
        usual(chat, *rest)

    monkeypatch.setattr(Conversation, "records", records)
    await ask(street.ada, "send", chat="Rope", text="raises")
    await until(lambda: any(t["code"] == "internal" for t in street.bo.shell.trouble))
    await ask(street.ada, "send", chat="Bo", text="reads well")
    await until(lambda: street.texts(street.bo, "Ada") == ["reads well"])
    [status] = await ask(street.bo, "status")
    [wrong] = [wrong for wrong in status["wrong"] if wrong["code"] == "internal"]
    rope = next(chat for chat in street.bo.person().chats.values() if chat.name == "Rope")
    assert wrong["chat"] == rope.id.hex()
    assert "Rope" in wrong["text"]
    assert all(w.log != rope.lines[0].state.log for w in street.bo.person().watching())


async def test_what_was_put_aside_is_read_after_the_next_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from whimbrel.client.service import Service

    async with neighbours(tmp_path) as street:
        with monkeypatch.context() as patch:

            def records(chat: Conversation, *rest: Any) -> None:
                raise Unforeseen

            patch.setattr(Conversation, "records", records)
            await ask(street.ada, "send", chat="Rope", text="waits", wait=0.0)
            await until(lambda: any(t["code"] == "internal" for t in street.bo.shell.trouble))
            # Ada cannot read her own either; both are started again by a version that can.
        street.bo.shell._setbacks.aside.clear()
        street.bo.shell._begin_again()
        street.ada.shell._setbacks.aside.clear()
        street.ada.shell._begin_again()
        await until(lambda: street.texts(street.bo, "Rope") == ["waits"])
    async with Service.open(tmp_path / "bo", embedded=False, wait=5.0) as bo:
        assert [item["text"] for item in await ask(bo, "read", chat="Rope")] == ["waits"]


async def test_a_chat_that_cannot_send_holds_up_no_other_and_its_message_waits(
    street: Neighbours, monkeypatch: pytest.MonkeyPatch
) -> None:
    usual = Conversation.pump

    def pump(chat: Conversation, *rest: Any) -> None:
        if chat.name == "Rope" and len(chat.outbox):
            raise Unforeseen
        usual(chat, *rest)

    monkeypatch.setattr(Conversation, "pump", pump)
    [sent] = await ask(street.ada, "send", chat="Rope", text="stuck", wait=0.0)
    assert sent["state"] == "queued"
    [sent] = await ask(street.ada, "send", chat="Bo", text="goes", wait=10.0)
    assert sent["state"] == "sent"
    await until(lambda: street.texts(street.bo, "Ada") == ["goes"])
    assert codes(await ask(street.ada, "status")) == ["internal"]
    assert street.texts(street.ada, "Rope") == ["stuck"]


async def test_a_letter_that_always_raises_is_passed_over_alone(
    street: Neighbours, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    usual = Welcomes.letter

    def letter(welcomes: Welcomes, *rest: Any) -> None:
        if raising:
            raise Unforeseen
        usual(welcomes, *rest)

    raising = True
    monkeypatch.setattr(Welcomes, "letter", letter)
    await ask(street.ada, "group_new", name="Lost", persons=["Bo"])
    await until(lambda: any(t["code"] == "internal" for t in street.bo.shell.trouble))
    raising = False
    await ask(street.ada, "group_new", name="Found", persons=["Bo"])
    await until(lambda: any(chat.name == "Found" for chat in street.bo.person().chats.values()))
    assert not any(chat.name == "Lost" for chat in street.bo.person().chats.values())


async def test_what_cannot_be_named_is_tried_again_and_told(
    street: Neighbours, monkeypatch: pytest.MonkeyPatch
) -> None:
    usual, failures = Doors.pump, 2

    def pump(doors: Doors, *rest: Any) -> None:
        nonlocal failures
        if failures and doors is street.bo.person().doors:
            failures -= 1
            raise Unforeseen
        usual(doors, *rest)

    monkeypatch.setattr(Doors, "pump", pump)
    await ask(street.ada, "send", chat="Bo", text="one")
    await until(lambda: "one" in street.texts(street.bo, "Ada"))
    assert failures == 0
    assert codes(await ask(street.bo, "status")) == ["internal"]


async def test_a_wish_that_raises_is_told_to_who_wished_it_and_to_nobody_else(street: Neighbours) -> None:
    def deed(*_: Any) -> None:
        raise Unforeseen

    for _ in range(5):
        with pytest.raises(Unforeseen):
            await street.ada.shell.do(deed)
    [sent] = await ask(street.ada, "send", chat="Bo", text="goes", wait=10.0)
    assert sent["state"] == "sent"
    assert codes(await ask(street.ada, "status")) == []


async def test_a_link_that_stumbles_over_its_relay_is_made_anew(
    street: Neighbours, monkeypatch: pytest.MonkeyPatch
) -> None:
    usual, failures = Link.next, 2

    def next(link: Link, *rest: Any) -> Any:
        nonlocal failures
        if failures:
            failures -= 1
            raise Unforeseen
        return usual(link, *rest)

    monkeypatch.setattr(Link, "next", next)
    await ask(street.ada, "send", chat="Bo", text="gets through", wait=10.0)
    await until(lambda: street.texts(street.bo, "Ada") == ["gets through"])
    assert failures == 0


async def test_a_store_that_takes_nothing_loses_and_doubles_nothing(
    street: Neighbours, monkeypatch: pytest.MonkeyPatch
) -> None:
    usual, full = Database.commit, True
    await ask(street.ada, "send", chat="Rope", text="before")
    await until(lambda: street.texts(street.bo, "Rope") == ["before"])

    def commit(database: Database, *rest: Any) -> Any:
        if full and database is street.bo.shell.home.database:
            raise home_full(street.bo.shell.home.path)
        return usual(database, *rest)

    monkeypatch.setattr(Database, "commit", commit)
    for n in range(5):
        await ask(street.ada, "send", chat="Bo", text=f"{n}")
    await until(lambda: "home-full" in [t["code"] for t in street.bo.shell.trouble])
    started = asyncio.get_running_loop().time()
    with pytest.raises(ServiceError) as refused:
        await ask(street.bo, "send", chat="Ada", text="not taken")
    assert (refused.value.code, refused.value.exit) == ("home-full", 6)
    assert asyncio.get_running_loop().time() - started < 0.5, "who wishes is told at once"
    # What is there can be read, although it cannot be marked as read.
    assert [item["text"] for item in await ask(street.bo, "read", chat="Rope")] == ["before"]
    assert street.texts(street.bo, "Ada") == []
    assert len(street.bo.shell._events) < 20
    full = False
    await until(lambda: street.texts(street.bo, "Ada") == ["0", "1", "2", "3", "4"], patience=40)
    assert codes(await ask(street.bo, "status")) == []
    [sent] = await ask(street.bo, "send", chat="Ada", text="taken", wait=10.0)
    assert sent["state"] == "sent"
    assert "not taken" not in street.texts(street.bo, "Ada")


async def test_a_person_who_is_restored_goes_on_from_where_the_store_is(
    street: Neighbours, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever turn fails, in whichever order: everything is read once."""
    usual, turns = Person.pump, 0

    def pump(person: Person, *rest: Any) -> None:
        nonlocal turns
        usual(person, *rest)
        turns += 1
        if turns % 3 == 0 and person is street.bo.person():
            raise home_full(street.bo.shell.home.path)

    monkeypatch.setattr(Person, "pump", pump)
    said = [f"{n}" for n in range(20)]
    for text in said:
        await ask(street.ada, "send", chat="Bo", text=text)
    await until(lambda: len(street.texts(street.bo, "Ada")) >= 20, patience=60)
    assert street.texts(street.bo, "Ada") == said


async def test_a_home_that_is_gone_ends_the_client(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()

    async def live() -> None:
        async with neighbours(tmp_path) as street:
            (tmp_path / "bo").rename(tmp_path / "elsewhere" / "bo")
            with pytest.raises(ServiceError) as refused:
                await ask(street.bo, "send", chat="Ada", text="into nothing")
            assert (refused.value.code, refused.value.exit) == ("home-gone", 6)
            await asyncio.sleep(20)

    with pytest.raises(ExceptionGroup) as ended:
        await live()
    error: BaseException = ended.value
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    assert isinstance(error, HomeGone)


async def test_what_waits_for_the_next_letter_goes_with_whatever_leaves_before(
    street: Neighbours, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where letters are few: the text waits for none of its own when something else goes to the relay."""
    monkeypatch.setattr(street.ada.shell, "hurry", False)
    monkeypatch.setattr(Link, "leaves_at", lambda link, now: None if link.unanswered else now + 60)
    [sent] = await ask(street.ada, "send", chat="Bo", text="in company", wait=0.0)
    assert sent["state"] == "queued"
    await asyncio.sleep(0.5)
    assert street.texts(street.bo, "Ada") == []
    relay = street.ada.person().inbox.here().relay
    await street.ada.shell.do(lambda person, now, fx: fx.ask(relay, Get(bytes(32), 0), "whatever"))
    await until(lambda: street.texts(street.bo, "Ada") == ["in company"])
