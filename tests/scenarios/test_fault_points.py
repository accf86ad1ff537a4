"""The client dies right before and right after every time it saves: nothing is lost, and nothing comes twice.

Each attempt dies one place later than the one before and begins with what that one left behind; the last one lives.
"""

import os
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from support.crashes import Ended, at_every_place, run
from support.homes import RelayProcess
from support.residents import Resident, befriend, eventually, residents
from whimbrel.wire.operations import CHUNK

pytestmark = pytest.mark.processes


def live(resident: Resident, method: str, **parameters: Any) -> list[dict[str, Any]]:
    """One call that does not die, on a home without an app."""
    ended = run(resident.home.path, method, **parameters)
    assert ended.error is None, ended
    return ended.items


def die(resident: Resident, place: int, method: str, **parameters: Any) -> Ended:
    return run(resident.home.path, method, place, **parameters)


def texts(person: Resident, chat: str) -> list[str]:
    return [line["text"] for line in live(person, "read", chat=chat)]


def test_while_a_message_is_sent(tmp_path: Path) -> None:
    with RelayProcess(tmp_path / "relay") as relay, residents(tmp_path, relay, "Ada", "Bo") as (ada, bo):
        befriend(ada, bo)
        ada.end()
        places = at_every_place(lambda place: die(ada, place, "send", chat="Bo", text=f"message {place}"))
        assert places >= 6
        sent = texts(ada, "Bo")
        assert sent[-1] == f"message {places + 1}"
        # Those that were not saved before the end are not there; of the others, the one that ended well is the last.
        assert 1 < len(sent) == len(set(sent)) <= places + 1
        eventually(lambda: bo.texts("Ada") == sent)


def test_while_messages_are_received_and_read(tmp_path: Path) -> None:
    with RelayProcess(tmp_path / "relay") as relay, residents(tmp_path, relay, "Ada", "Bo") as (ada, bo):
        befriend(ada, bo)
        bo.end()

        def receive(place: int) -> Ended:
            ada.ask("send", chat="Bo", text=f"message {place}")
            return die(bo, place, "read", chat="Ada")

        places = at_every_place(receive)
        assert places >= 4
        assert texts(bo, "Ada") == [f"message {place}" for place in range(1, places + 2)]
        eventually(lambda: {line["state"] for line in ada.read("Bo")} == {"read"})


def test_while_an_invite_is_made_and_while_it_is_opened(tmp_path: Path) -> None:
    """Bo, and everybody after him, opens an invite and dies on the way; then Ada dies while she learns of it."""
    with RelayProcess(tmp_path / "relay") as relay, residents(tmp_path, relay, "Ada") as [ada]:
        ada.end()
        assert at_every_place(lambda place: die(ada, place, "invite")) >= 6
        guests: list[Resident] = []

        def open_one(place: int) -> Ended:
            guest = Resident(f"Bo {place}", tmp_path / f"bo{place}")
            guests.append(guest)
            [made] = live(ada, "invite")
            live(guest, "init", name=guest.name, relay=relay.address)
            ended = die(guest, place, "accept", invite=made["invite"])
            if not live(guest, "contacts"):
                [accepted] = live(guest, "accept", invite=made["invite"])
                assert "state" not in accepted
            live(guest, "send", chat="Ada", text=f"here I am, {place}")
            return ended

        places = at_every_place(open_one)
        assert places >= 10
        # All of them came while Ada was away.
        assert at_every_place(lambda place: die(ada, place, "catch_up")) >= 2
        assert {line["name"] for line in live(ada, "contacts")} == {guest.name for guest in guests}
        for place, guest in enumerate(guests, start=1):
            assert texts(ada, guest.name) == [f"here I am, {place}"]
        live(ada, "send", chat=guests[0].name, text="welcome")
        assert texts(guests[0], "Ada") == ["here I am, 1", "welcome"]


def test_while_a_group_is_made_and_changed(tmp_path: Path) -> None:
    with RelayProcess(tmp_path / "relay") as relay, residents(tmp_path, relay, "Ada", "Bo", "Cleo") as people:
        ada, bo, cleo = people
        befriend(ada, bo, cleo)
        ada.end()
        places = at_every_place(
            lambda place: die(ada, place, "group_new", name=f"Group {place}", persons=["Bo"])
        )
        assert places >= 6
        made = {line["name"] for line in live(ada, "chats") if line["kind"] == "group"}
        assert f"Group {places + 1}" in made
        eventually(lambda: {line["name"] for line in bo.ask("chats") if line["kind"] == "group"} == made)
        group = f"Group {places + 1}"

        for method, role in (("group_add", "member"), ("group_promote", "admin")):
            places = at_every_place(lambda place: die(ada, place, method, group=group, person="Cleo"))  # noqa: B023
            assert places >= 1
            eventually(lambda: bo.members(group).get("Cleo") == role)  # noqa: B023
        assert at_every_place(lambda place: there_and_back(ada, place, group, "Cleo")) >= 6
        eventually(lambda: bo.members(group) == {"Ada": "admin", "Bo": "member"})
        for person in (bo, cleo):
            told = [line for line in person.read(group, events=True) if line.get("people") == ["Cleo"]]
            comings = [line["event"] for line in told if line["event"] in ("joined", "removed")]
            assert comings[0] == "joined"
            assert all(one != other for one, other in pairwise(comings)), comings
        live(ada, "send", chat=group, text="the two of us")
        eventually(lambda: bo.texts(group) == ["the two of us"])
        assert "the two of us" not in cleo.texts(group)


def there_and_back(admin: Resident, place: int, group: str, whom: str) -> Ended:
    """The admin dies while they remove somebody; if that happened all the same, they are let in again."""
    ended = die(admin, place, "group_remove", group=group, person=whom)
    if ended.crashed and whom not in {
        member["name"] for member in live(admin, "group_show", group=group)[0]["members"]
    }:
        live(admin, "group_add", group=group, person=whom)
    return ended


def test_while_a_file_is_sent_and_while_it_is_saved(tmp_path: Path) -> None:
    content = os.urandom(5 * CHUNK + 3)
    (tmp_path / "map.bin").write_bytes(content)
    folder = tmp_path / "saved"
    folder.mkdir()
    with RelayProcess(tmp_path / "relay") as relay, residents(tmp_path, relay, "Ada", "Bo") as (ada, bo):
        befriend(ada, bo)
        ada.end()
        bo.end()
        files = [str(tmp_path / "map.bin")]
        places = at_every_place(
            lambda place: die(ada, place, "send", chat="Bo", text=f"map {place}", files=files)
        )
        assert places >= 6
        sent = texts(ada, "Bo")
        lines = live(bo, "read", chat="Ada")
        assert [line["text"] for line in lines] == sent
        assert len(sent) == len(set(sent)) >= 2

        places = at_every_place(lambda place: die(bo, place, "save", message=lines[0]["id"], dir=str(folder)))
        assert places >= 2
        for line in lines:
            [saved] = live(bo, "save", message=line["id"], dir=str(folder))
            assert Path(saved["path"]).read_bytes() == content
        for path in folder.iterdir():
            assert path.read_bytes() == content
        kept = [path for person in (ada, bo) for path in (person.home.path / "files").iterdir()]
        assert len(kept) == 2 * len(sent)  # nothing is left of what came to nothing
