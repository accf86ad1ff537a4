"""Living on another relay: the inbox moves, who knows the old one is told, and what still goes to the old one arrives."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from support.neighbours import Neighbours, ask, neighbours, until
from whimbrel.client.errors import ServiceError
from whimbrel.client.methods import network
from whimbrel.client.service import Service
from whimbrel.crypto.cards import decode_card
from whimbrel.relay.server import Relay
from whimbrel.relay.settings import RelaySettings


@pytest.fixture
async def street(tmp_path: Path) -> AsyncIterator[Neighbours]:
    async with neighbours(tmp_path) as street:
        yield street


@pytest.fixture
async def elsewhere(tmp_path: Path) -> AsyncIterator[Relay]:
    relay = Relay(RelaySettings(tmp_path / "elsewhere", "127.0.0.1", 0))
    await relay.start()
    yield relay
    await relay.close()


@asynccontextmanager
async def cleo_at(relay: Relay, folder: Path) -> AsyncIterator[Service]:
    async with Service.open(folder / "cleo", embedded=False, wait=0) as cleo:
        await ask(cleo, "init", name="Cleo", relay=relay.address)
        yield cleo


def lives_at(service: Service) -> bytes:
    return service.person().inbox.here().relay


def known_at(service: Service, name: str) -> bytes:
    """The relay at which somebody believes another one lives."""
    contact = next(c for c in service.person().contacts.values() if c.name == name)
    return contact.joiner(service.shell.now())[0].relay


def leaf_at(service: Service, chat: str, account: bytes) -> bytes:
    """The relay that somebody's leaf in a group names."""
    line = next(c for c in service.person().chats.values() if c.name == chat).line
    assert line is not None
    return next(m for m in line.members if m.account == account).leaf.reach[0].relay


async def test_contacts_and_groups_hear_of_it_and_new_chats_are_made_there(
    street: Neighbours, elsewhere: Relay
) -> None:
    ada, bo = street.ada, street.bo
    [status] = await ask(ada, "set_relay", address=elsewhere.address)
    assert (lives_at(ada), status["relay"]) == (elsewhere.identity, "elsewhere")
    me = ada.person().identity.account
    await until(lambda: known_at(bo, "Ada") == elsewhere.identity)
    await until(lambda: leaf_at(bo, "Rope", me) == elsewhere.identity)
    await until(lambda: leaf_at(bo, "Ada", me) == elsewhere.identity)
    card = decode_card(next(c for c in bo.person().contacts.values() if c.name == "Ada").card)
    assert card.reach[0].relay == elsewhere.identity
    before = ada.person().inbox.here().seq
    await ask(bo, "group_new", name="Boats", persons=["Ada"])
    await until(lambda: any(chat.name == "Boats" for chat in ada.person().chats.values()))
    assert ada.person().inbox.here().seq > before, "the letter came to where Ada lives now"
    await ask(bo, "send", chat="Boats", text="welcome")
    await until(lambda: street.texts(ada, "Boats") == ["welcome"])
    await ask(ada, "group_new", name="Notes", persons=["Bo"])
    notes = next(chat for chat in ada.person().chats.values() if chat.name == "Notes")
    assert notes.line is not None
    assert notes.line.state.relay == elsewhere.identity
    for text in ("still here", "and here"):
        await ask(ada, "send", chat="Rope", text=text)
    await until(lambda: street.texts(bo, "Rope") == ["still here", "and here"])


async def test_what_goes_to_the_old_inbox_still_arrives_also_after_a_restart(
    street: Neighbours, elsewhere: Relay, tmp_path: Path
) -> None:
    ada = street.ada
    [one] = await ask(ada, "invite")
    [many] = await ask(ada, "invite", open=True)
    await ask(ada, "set_relay", address=elsewhere.address)
    [left] = ada.person().inbox.left
    assert left.relay == street.relay.identity
    ada.shell._begin_again()
    assert [state.log for state in ada.person().inbox.left] == [left.log]
    async with cleo_at(street.relay, tmp_path) as cleo:
        [accepted] = await ask(cleo, "accept", invite=one["invite"])
        await until(lambda: any(c.name == "Cleo" for c in ada.person().contacts.values()))
        await ask(cleo, "send", chat="Ada", text="by an old invite")
        await until(lambda: "by an old invite" in [row.text for row in ada.shell.home.database.messages()])
        assert accepted["name"] == "Ada"
    async with Service.open(tmp_path / "dan", embedded=False, wait=0) as dan:
        await ask(dan, "init", name="Dan", relay=street.relay.address)
        await ask(dan, "accept", invite=many["invite"], text="may I?")
        await until(lambda: any(c.standing == "asking" for c in ada.person().contacts.values()))
        await ask(ada, "requests", action="accept", name="Dan")
        await until(lambda: any(chat.name == "Ada" for chat in dan.person().chats.values()))


async def test_a_new_invite_leads_to_where_one_lives_now(
    street: Neighbours, elsewhere: Relay, tmp_path: Path
) -> None:
    await ask(street.ada, "set_relay", address=elsewhere.address)
    [item] = await ask(street.ada, "invite")
    async with Service.open(tmp_path / "eve", wait=0) as eve:
        await ask(eve, "init", name="Eve")
        await ask(eve, "accept", invite=item["invite"])
        await until(lambda: any(chat.name == "Ada" for chat in eve.person().chats.values()))
        assert lives_at(eve) == elsewhere.identity, "a guest gets a place there"
        await ask(eve, "send", chat="Ada", text="hello from there")
        await until(lambda: "hello from there" in [r.text for r in street.ada.shell.home.database.messages()])


async def test_there_and_back_again(street: Neighbours, elsewhere: Relay) -> None:
    ada, bo = street.ada, street.bo
    first = ada.person().inbox.here().log
    await ask(ada, "set_relay", address=elsewhere.address)
    await ask(ada, "set_relay", address=elsewhere.address)
    assert len(ada.person().inbox.left) == 1, "to move to where one lives changes nothing"
    await ask(ada, "set_relay", address=street.relay.address)
    assert lives_at(ada) == street.relay.identity
    assert ada.person().inbox.here().log != first
    assert {state.relay for state in ada.person().inbox.left} == {street.relay.identity, elsewhere.identity}
    here = ada.person().inbox.here().log
    bos = next(c for c in bo.person().contacts.values() if c.name == "Ada")
    await until(lambda: _inbox(bo, bos.account) == here)
    await ask(bo, "group_new", name="Boats", persons=["Ada"])
    await until(lambda: any(chat.name == "Boats" for chat in ada.person().chats.values()))


def _inbox(service: Service, account: bytes) -> bytes:
    return service.person().contacts[account].joiner(service.shell.now())[0].inbox


async def test_out_of_the_relay_in_the_home(tmp_path: Path, elsewhere: Relay) -> None:
    async with Service.open(tmp_path / "ada", wait=0) as ada:
        await ask(ada, "init", name="Ada")
        await ask(ada, "group_new", name="Notes")
        assert (await ask(ada, "status"))[0]["relay"] == "this-computer"
        await ask(ada, "set_relay", address=elsewhere.address)
        await ask(ada, "send", chat="Notes", text="where it was")
    async with Service.open(tmp_path / "ada", wait=0) as ada:
        assert (await ask(ada, "status"))[0]["relay"] == "elsewhere"
        [sent] = await ask(ada, "send", chat="Notes", text="and still is", wait=20.0)
        assert sent["state"] == "sent"


async def test_a_relay_that_does_not_answer_changes_nothing(
    street: Neighbours, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(network, "REACHED", 0.5)
    gone = Relay(RelaySettings(tmp_path / "gone", "127.0.0.1", 0))
    await gone.start()
    address = gone.address
    await gone.close()
    before = ada_inbox = street.ada.person().inbox.here().log
    with pytest.raises(ServiceError) as raised:
        await ask(street.ada, "set_relay", address=address)
    assert raised.value.code == "no-way"
    assert street.ada.person().inbox.here().log == before == ada_inbox
    for wrong, code in (("whimbrel:nonsense", "address"), ("", "address")):
        with pytest.raises(ServiceError) as raised:
            await ask(street.ada, "set_relay", address=wrong)
        assert raised.value.code == code
