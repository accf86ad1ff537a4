"""What groups look like: set, fetched, kept, moved along; and references that lead nowhere good."""

from __future__ import annotations

import os
from dataclasses import replace
from hashlib import sha256
from typing import Any

import pytest

from support.mischief import big, line_of, promote, remove
from support.village import Village, Villager, VillageRelay
from whimbrel.chat.effects import Effects
from whimbrel.chat.person import Person
from whimbrel.chat.refusal import CannotDo
from whimbrel.crypto.files import seal_whole
from whimbrel.crypto.leaf import EVERYBODY, PICTURE_MAX, Picture
from whimbrel.wire.answers import Failure, Status
from whimbrel.wire.operations import Get, Keep, Put

DAY = 24 * 3_600_000
GULL = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 600
"""Three chunks, about."""


@pytest.fixture
def birds(village: Village) -> tuple[Villager, Villager, Villager]:
    ada, bo, cy, _ = village.friends("Ada", "Bo", "Cy", "Di")
    ada.group("birds", "Bo", "Cy")
    village.settle()
    return ada, bo, cy


def show(who: Villager, chat: str, data: bytes | None) -> None:
    who.do(lambda person, now, fx: person.pictures.set(who.chat(chat), data, fx))
    who.village.settle()


def looks(who: Villager, chat: str) -> bytes | None:
    """What this person sees of a group's picture."""
    named = line_of(who, chat).roles.picture
    return who.home.database.picture(named.hash) if named is not None else None


def kept(who: Villager, chat: str) -> list[bytes]:
    return who.home.database.pictures(who.chat(chat).id)


def asked_of(village: Village, relay: VillageRelay, monkeypatch: Any) -> list[Any]:
    """All operations that a relay gets from now on."""
    asked: list[Any] = []
    ask = relay.ask

    def noted(operation: Any) -> Any:
        asked.append(operation)
        return ask(operation)

    monkeypatch.setattr(relay, "ask", noted)
    return asked


def test_all_see_what_somebody_sets_and_what_follows_it(village: Village, birds: Any) -> None:
    ada, _, cy = birds
    show(ada, "birds", GULL)
    for one in birds:
        assert looks(one, "birds") == GULL
        assert "picture" in one.events("birds")
    with pytest.raises(CannotDo, match="Only an admin"):
        show(cy, "birds", b"mine")
    show(ada, "birds", b"another")
    for one in birds:
        assert looks(one, "birds") == b"another"
        assert kept(one, "birds") == [sha256(b"another").digest()], "what it was before is not kept"
    show(ada, "birds", None)
    for one in birds:
        assert looks(one, "birds") is None
        assert kept(one, "birds") == []
    assert not [one.troubles() for one in birds if one.troubles()]


def test_who_comes_later_sees_it_and_a_restart_forgets_nothing(village: Village, birds: Any) -> None:
    ada, *_ = birds
    di = village.people["Di"]
    show(ada, "birds", GULL)
    contact = ada.contact("Di")
    ada.do(lambda person, now, fx: person.add_to_group(ada.chat("birds"), contact, now, fx))
    village.settle()
    assert looks(di, "birds") == GULL
    di.crash()
    village.settle()
    assert looks(di, "birds") == GULL


def test_a_picture_that_was_wished_and_not_sent_yet_survives_a_crash(village: Village, birds: Any) -> None:
    ada, bo, _ = birds
    ada.do(lambda person, now, fx: person.pictures.set(ada.chat("birds"), GULL, fx))
    ada.crash()
    village.settle()
    assert looks(ada, "birds") == looks(bo, "birds") == GULL


def test_where_everybody_changes_a_member_sets_it(village: Village, birds: Any) -> None:
    ada, _, cy = birds
    ada.do(lambda person, now, fx: person.change_group(ada.chat("birds"), {"may_change": EVERYBODY}, fx))
    village.settle()
    show(cy, "birds", GULL)
    assert [looks(one, "birds") for one in birds] == [GULL] * 3


@pytest.mark.parametrize("data", [b"", bytes(PICTURE_MAX + 1)])
def test_a_picture_of_another_size_than_pictures_have_is_not_set(birds: Any, data: bytes) -> None:
    ada, *_ = birds
    with pytest.raises(CannotDo, match="256 KB"):
        show(ada, "birds", data)
    assert kept(ada, "birds") == []


def test_in_a_conversation_of_two_there_is_none(village: Village) -> None:
    ada, _ = village.friends("Ada", "Bo")
    with pytest.raises(CannotDo, match="no group"):
        show(ada, "Bo", GULL)


def test_two_set_one_at_the_same_moment_and_all_see_the_same(village: Village, birds: Any) -> None:
    ada, bo, _ = birds
    promote(ada, "birds", bo)
    village.settle()
    for who, data in ((ada, b"gull"), (bo, b"tern")):
        who.do(lambda person, now, fx, who=who, data=data: person.pictures.set(who.chat("birds"), data, fx))
    village.settle()
    assert len({looks(one, "birds") for one in birds}) == 1
    for one in birds:
        assert len(kept(one, "birds")) == 1


# --------------------------------------------------------------------------------------------- on the relay


def test_an_admin_keeps_it_alive_for_as_long_as_the_group_uses_it(
    village: Village, birds: Any, monkeypatch: Any
) -> None:
    ada, *_ = birds
    show(ada, "birds", GULL)
    blob = line_of(ada, "birds").roles.picture.blob
    asked = asked_of(village, village.relay, monkeypatch)
    for _ in range(10):
        village.now += 5 * DAY
        village.settle()
        village.relay.expire_blobs()
    keeps = [op for op in asked if isinstance(op, Keep) and op.blobs == (blob,)]
    assert 5 <= len(keeps) <= 10, "once a week or so, and by one admin alone"
    assert blob in village.relay.sizes


def test_a_relay_that_lost_it_gets_it_again(village: Village, birds: Any) -> None:
    ada, *_ = birds
    di = village.people["Di"]
    show(ada, "birds", GULL)
    village.settle()
    blob = line_of(ada, "birds").roles.picture.blob
    del village.relay.sizes[blob]
    village.relay.blobs = {place: chunk for place, chunk in village.relay.blobs.items() if place[0] != blob}
    village.now += 8 * DAY
    village.settle()
    contact = ada.contact("Di")
    ada.do(lambda person, now, fx: person.add_to_group(ada.chat("birds"), contact, now, fx))
    village.settle()
    assert looks(di, "birds") == GULL


def test_what_cannot_be_had_now_is_asked_for_again(village: Village, birds: Any, monkeypatch: Any) -> None:
    ada, bo, _ = birds
    ask = village.relay.ask
    busy = {"now": True}

    def sometimes(operation: Any) -> Any:
        return Failure(Status.BUSY) if isinstance(operation, Get) and busy["now"] else ask(operation)

    monkeypatch.setattr(village.relay, "ask", sometimes)
    show(ada, "birds", GULL)
    assert looks(bo, "birds") is None
    busy["now"] = False
    village.settle(patience=2 * 3_600_000)
    assert looks(bo, "birds") == GULL


def test_a_group_that_moves_takes_it_along_to_another_relay(village: Village, birds: Any) -> None:
    ada, bo, cy = birds
    show(ada, "birds", GULL)
    home = village.relay_at_home("Ada")
    ada.do(lambda person, now, fx: person.move(ada.chat("birds"), home, now, fx))
    village.settle()
    for one in (ada, bo, cy):
        picture = line_of(one, "birds").roles.picture
        assert picture.relay == line_of(one, "birds").state.relay == home.identity
        assert looks(one, "birds") == GULL
    assert village.relays[home.identity].sizes[picture.blob] > len(GULL)
    assert one.events("birds").count("picture") == 1


# --------------------------------------------------------------------------------------- strange references


def refer(who: Villager, chat: str, picture: Picture) -> None:
    """A commit of an admin that names any picture at all."""
    line = line_of(who, chat)

    def deed(person: Person, now: int, fx: Effects) -> None:
        line.commit((), os.urandom(32), roles=replace(line.roles, picture=picture))
        fx.save(who.chat(chat).save())

    who.do(deed)
    who.village.settle()
    assert line.roles.picture == picture


@pytest.fixture
def trap(village: Village) -> tuple[Villager, Villager, Villager]:
    """Mal's group, in which Bo and Cy are."""
    mal, bo, cy = village.friends("Mal", "Bo", "Cy")
    mal.group("trap", "Bo", "Cy")
    village.settle()
    return mal, bo, cy


def reference(village: Village, data: bytes, **wrong: Any) -> Picture:
    right = Picture(village.relay.identity, bytes(32), len(data), sha256(data).digest(), os.urandom(32))
    return replace(right, **wrong)


def test_nothing_is_fetched_from_a_relay_that_is_neither_the_chats_nor_ones_own(
    village: Village, trap: Any, monkeypatch: Any
) -> None:
    """Else whoever changes the group would learn the address of all who are in it."""
    mal, bo, cy = trap
    theirs = village.relay_at_home("Mal")
    asked = asked_of(village, village.relays[theirs.identity], monkeypatch)
    for one in (bo, cy):
        one.do(lambda person, now, fx: person.hear_of(theirs.identity, theirs.routes, fx))
    refer(mal, "trap", reference(village, GULL, relay=theirs.identity))
    assert line_of(bo, "trap").roles.picture.relay == theirs.identity, "all agree on what the group says"
    assert asked == []
    assert [looks(one, "trap") for one in (bo, cy)] == [None, None]
    mal.send("trap", "look!")
    village.settle()
    assert bo.texts("trap") == ["look!"]


def test_a_picture_that_is_not_what_was_said_is_not_kept(village: Village, trap: Any) -> None:
    mal, bo, cy = trap
    key = os.urandom(32)
    sealed = big(mal, "trap", b"".join(seal_whole(key, GULL)))
    right = reference(village, GULL, blob=sealed.blob, key=key)
    for wrong in (
        {"hash": bytes(32)},
        {"key": bytes(32)},
        {"size": len(GULL) - 1},
        {"size": PICTURE_MAX},
        {"blob": os.urandom(32)},
        {"blob": line_of(mal, "trap").state.log},
    ):
        refer(mal, "trap", replace(right, **wrong))
        assert [looks(one, "trap") for one in (bo, cy)] == [None, None], wrong
        assert kept(bo, "trap") == []
    refer(mal, "trap", right)
    assert [looks(one, "trap") for one in (bo, cy)] == [GULL, GULL]
    assert not bo.troubles()


def test_a_blob_of_any_size_costs_no_more_than_a_picture(
    village: Village, trap: Any, monkeypatch: Any
) -> None:
    mal, _, _ = trap
    key = os.urandom(32)
    sealed = big(mal, "trap", b"".join(seal_whole(key, bytes(3_000_000))))
    asked = asked_of(village, village.relay, monkeypatch)
    refer(mal, "trap", reference(village, GULL, blob=sealed.blob, key=key, size=PICTURE_MAX))
    gets = [op for op in asked if isinstance(op, Get) and op.blob == sealed.blob]
    assert len(gets) <= 3 * 5, "five chunks each, for those who did not make it"


def test_who_was_removed_fetches_nothing_more(village: Village, birds: Any, monkeypatch: Any) -> None:
    ada, bo, cy = birds
    show(ada, "birds", GULL)
    remove(ada, "birds", cy)
    village.settle()
    asked = asked_of(village, village.relay, monkeypatch)
    show(ada, "birds", b"without Cy")
    assert looks(bo, "birds") == b"without Cy"
    assert sum(isinstance(op, Put) for op in asked) == 1
    assert sum(isinstance(op, Get) for op in asked) == 1
    assert kept(cy, "birds") == [sha256(GULL).digest()], "what Cy saw last"
