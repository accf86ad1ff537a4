"""Two homes, one relay, real processes: every command, with `--json` and without, with the app running and without."""

import os
import re
import shutil
import stat
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from support.homes import Home, RelayProcess, befriend

pytestmark = pytest.mark.processes


@dataclass
class Two:
    ada: Home
    bo: Home
    relay: RelayProcess


@pytest.fixture(scope="module")
def friends(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a relay and the homes of Ada and Bo, who are contacts; everything at rest."""
    folder = tmp_path_factory.mktemp("friends")
    with RelayProcess(folder / "relay") as relay:
        ada, bo = Home(folder / "ada"), Home(folder / "bo")
        ada.make_account("Ada", relay.address)
        bo.make_account("Bo", relay.address)
        befriend(ada, bo)
        assert relay.end() == 0
    return folder


@pytest.fixture(params=["without the app", "with the app"])
def two(request: pytest.FixtureRequest, friends: Path, tmp_path: Path) -> Iterator[Two]:
    """A copy of them, up. In the second round both have the app running all the time."""
    for name in ("relay", "ada", "bo"):
        shutil.copytree(friends / name, tmp_path / name)
    with ExitStack() as stack:
        relay = stack.enter_context(RelayProcess(tmp_path / "relay"))
        ada, bo = Home(tmp_path / "ada"), Home(tmp_path / "bo")
        if request.param == "with the app":
            for home in (ada, bo):
                stack.enter_context(home.app())
        yield Two(ada, bo, relay)


def test_messages_replies_and_receipts(two: Two) -> None:
    sent = two.ada.run("send", "Bo", "are you there?").one
    assert sent["state"] == "sent"
    assert re.fullmatch("[0-9a-f]{64}", sent["id"])
    came = two.bo.wait_for_text("Ada", "are you there?")
    assert came["id"] == sent["id"]
    assert came["from"] == "Ada"
    assert came["mine"] is False
    assert came["files"] == []
    assert came["reply_to"] is None
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", came["at"])

    answer = two.bo.run("send", "Ada", "yes", "--reply-to", sent["id"][:12]).one
    assert two.ada.wait_for_text("Bo", "yes")["reply_to"] == sent["id"]

    own = two.ada.wait_for(lambda: two.ada.run("read", "Bo").all[0], lambda line: line["state"] == "read")
    assert own["mine"] is True

    after = two.ada.run("read", "Bo", "--since", sent["id"]).all
    assert [line["id"] for line in after] == [answer["id"]]
    newest = two.ada.run("read", "--limit", "1").all
    assert [line["id"] for line in newest] == [answer["id"]]

    text = two.ada.say("read", "Bo")
    assert "are you there?" in text
    assert "> are you there?" in text
    assert two.ada.say("send", "Bo", "in words").startswith("Sent (")


def test_chats_and_contacts_are_a_line_each(two: Two) -> None:
    two.bo.run("send", "Ada", "one")
    two.bo.run("send", "Ada", "two")
    [chat] = two.ada.wait_for(lambda: two.ada.run("chats").all, lambda lines: lines[0]["unread"] == 2)
    assert {name: chat[name] for name in ("name", "kind", "unread")} == {
        "name": "Bo",
        "kind": "pair",
        "unread": 2,
    }
    assert re.fullmatch(r".*T.*Z", chat["last"])
    [contact] = two.ada.run("contacts").all
    assert contact["name"] == "Bo"
    assert re.match(r"Bo +2 new +\d{4}-\d\d-\d\d \d\d:\d\d +[0-9a-f]{10}\n", two.ada.say("chats"))
    assert two.ada.say("contacts").startswith("Bo")
    two.ada.run("read", "Bo")
    assert two.ada.run("chats").all[0]["unread"] == 0


def test_both_see_the_same_safety_number_and_confirm_it(two: Two) -> None:
    one, other = two.ada.run("verify", "Bo").one, two.bo.run("verify", "Ada").one
    assert one["safety_number"] == other["safety_number"]
    assert re.fullmatch("[0-9]{60}", one["safety_number"])
    assert one["verified"] is False
    assert "--confirm" in two.ada.say("verify", "Bo")
    assert two.ada.run("verify", "Bo", "--confirm").one["verified"] is True
    assert two.ada.run("verify", "Bo").one["verified"] is True
    assert two.bo.run("verify", "Ada").one["verified"] is False
    assert "compared" in two.ada.say("verify", "Bo")


def test_files_arrive_whole_with_their_names(two: Two, tmp_path: Path) -> None:
    letters = tmp_path / "brief für Bo ✉.txt"
    letters.write_bytes(os.urandom(200_000))
    nothing = tmp_path / "nothing"
    nothing.write_bytes(b"")
    sent = two.ada.run("send", "Bo", "two files", "--file", str(letters), "--file", str(nothing)).one
    assert sent["state"] == "sent"
    came = two.bo.wait_for_text("Ada", "two files")
    assert [(file["name"], file["size"]) for file in came["files"]] == [
        (letters.name, 200_000),
        ("nothing", 0),
    ]
    assert came["files"][0]["type"] == "text/plain"

    folder = tmp_path / "saved"
    folder.mkdir()
    lines = two.bo.run("save", came["id"][:10], str(folder)).all
    assert [Path(line["path"]).read_bytes() for line in lines] == [letters.read_bytes(), b""]
    assert {Path(line["path"]).parent for line in lines} == {folder}
    again = two.bo.say("save", came["id"][:10], str(folder)).splitlines()
    assert not {Path(path) for path in again} & {Path(line["path"]) for line in lines}
    assert Path(again[0]).read_bytes() == letters.read_bytes()
    assert "[file] brief für Bo ✉.txt  200.0 kB, text/plain" in two.bo.say("read", "Ada")


def test_search_finds_words_here_and_there(two: Two) -> None:
    two.ada.run("send", "Bo", "the old harbour at dawn")
    two.ada.run("send", "Bo", "nothing of the kind")
    two.bo.wait_for_text("Ada", "nothing of the kind")
    for home, other in ((two.ada, "Bo"), (two.bo, "Ada")):
        assert [line["text"] for line in home.run("search", "harb").all] == ["the old harbour at dawn"]
        assert [line["text"] for line in home.run("search", "old", "dawn", "--in", other).all] == [
            "the old harbour at dawn"
        ]
        assert home.run("search", "lighthouse").all == []
        assert "harbour" in home.say("search", "harbour")
        assert home.say("search", "lighthouse") == "Nothing found.\n"


def test_messages_are_edited_reacted_to_forwarded_and_deleted(two: Two, tmp_path: Path) -> None:
    photo = tmp_path / "pier.jpg"
    photo.write_bytes(os.urandom(70_000))
    words = ("send", "Bo", "see you at eight, @Bo", "--mention", "Bo")
    id = two.ada.run(*words, "--file", str(photo), "--caption", "the pier").one["id"]
    came = two.bo.wait_for_text("Ada", "see you at eight, @Bo")
    assert [(one["start"], one["length"]) for one in came["mentions"]] == [(18, 3)]
    assert [file["description"] for file in came["files"]] == ["the pier"]
    assert "--mention" in two.ada.run("send", "Bo", "hello", "--mention", "Bo").failed(2)["do"]

    assert two.bo.run("react", id[:10], "\N{THUMBS UP SIGN}").one == {"message": id, "state": "sent"}
    assert two.bo.say("react", id[:10], "\N{THUMBS UP SIGN}").startswith("Nothing to do")
    assert two.bo.run("react", id[:10], "yes").failed(1)["error"] == "emoji"
    assert two.ada.say("edit", id[:10], "see you at nine").startswith("Edited (")
    assert "who wrote" in two.bo.run("edit", id[:10], "see you never").failed(1)["message"]
    edited = two.bo.wait_for_text("Ada", "see you at nine")
    assert (edited["id"], edited["edited"], edited["files"][0]["name"]) == (id, True, "pier.jpg")
    liked = two.ada.wait_for(lambda: two.ada.run("read", "Bo").all[0], lambda line: line["reactions"])
    assert [(one["emoji"], one["mine"]) for one in liked["reactions"]] == [("\N{THUMBS UP SIGN}", False)]
    assert "edited" in two.ada.say("read", "Bo")

    assert two.bo.run("note", "for later").one["state"] == "sent"
    handed = two.bo.run("forward", id[:10], "Note to self", "Ada").all
    assert [line["name"] for line in handed] == ["Note to self", "Ada"]
    note = two.bo.run("read", "Note to self").all[-1]
    assert (note["text"], note["forwarded"]) == ("see you at nine", True)
    two.bo.run("save", note["id"], str(tmp_path)).ok()
    assert (tmp_path / "pier (2).jpg").read_bytes() == photo.read_bytes()

    two.bo.run("react", id[:10]).ok()
    assert "react" not in two.ada.wait_for(
        lambda: two.ada.say("read", "Bo"), lambda text: "\N{THUMBS UP SIGN}" not in text
    )
    assert two.ada.say("delete", id[:10], "--everyone").startswith("Deleted for everyone")
    gone = two.bo.wait_for(lambda: two.bo.run("read", "Ada").all[0], lambda line: line["deleted"])
    assert (gone["id"], gone["text"], gone["files"]) == (id, "", [])
    assert two.bo.run("forward", id[:10], "Note to self").failed(2)["error"] == "no-message"
    assert two.bo.say("delete", id[:10]).startswith("Deleted here")
    assert id not in {line["id"] for line in two.bo.run("read", "Ada").all}
    assert "gone from this home" in two.bo.say("clear", "Ada")
    assert two.bo.run("read", "Ada").all == []
    assert len(two.ada.run("read", "Bo").all) == 2


def test_a_group_of_two_grows_shrinks_and_changes_hands(two: Two) -> None:
    made = two.ada.run("group", "new", "Tuesday rowing", "Bo").one
    assert made["name"] == "Tuesday rowing"
    assert re.fullmatch("[0-9a-f]{64}", made["id"])

    def members(home: Home) -> list[tuple[str, str, bool]]:
        shown = home.run("group", "show", "Tuesday rowing")
        return sorted((m["name"], m["role"], m["present"]) for m in shown.lines[-1].get("members", ()))

    both = [("Ada", "admin", True), ("Bo", "member", True)]
    two.ada.wait_for(lambda: members(two.ada), lambda found: found == both)
    two.bo.wait_for(lambda: members(two.bo), lambda found: found == both)
    two.bo.run("send", "Tuesday rowing", "who brings the boat?").ok()
    two.ada.wait_for_text("Tuesday rowing", "who brings the boat?")
    assert {chat["kind"] for chat in two.ada.run("chats").all} == {"pair", "group"}
    assert re.search(r"Ada +admin", two.ada.say("group", "show", "Tuesday rowing"))

    refused = two.bo.run("group", "remove", "Tuesday rowing", "Ada").failed(5)
    assert "admin" in refused["message"]
    two.ada.run("group", "promote", "Tuesday rowing", "Bo").ok()
    two.bo.wait_for(lambda: members(two.bo), lambda found: ("Bo", "admin", True) in found)
    two.ada.run("group", "demote", "Tuesday rowing", "Bo").ok()
    two.bo.wait_for(lambda: members(two.bo), lambda found: ("Bo", "member", True) in found)
    two.ada.run("group", "remove", "Tuesday rowing", "Bo").ok()
    assert members(two.ada) == [("Ada", "admin", True)]
    two.bo.wait_for(
        lambda: two.bo.run("send", "Tuesday rowing", "still here?", "--wait", "1").code,
        lambda code: code == 5,
    )
    two.ada.run("send", "Tuesday rowing", "just me").ok()
    two.ada.run("group", "add", "Tuesday rowing", "Bo").ok()
    two.bo.wait_for(lambda: members(two.bo), lambda found: found == both)
    two.ada.run("send", "Tuesday rowing", "welcome back").ok()
    two.bo.wait_for_text("Tuesday rowing", "welcome back")
    assert "just me" not in two.bo.texts("Tuesday rowing")

    events = [
        line["event"] for line in two.bo.run("read", "Tuesday rowing", "--events").all if "event" in line
    ]
    assert {"joined", "promoted", "demoted", "removed"} <= set(events)
    assert "was removed by Ada" in two.bo.say("read", "Tuesday rowing", "--events")

    assert "You" in two.bo.say("group", "leave", "Tuesday rowing")
    two.ada.wait_for(lambda: members(two.ada), lambda found: found == [("Ada", "admin", True)])


def test_a_group_of_one_keeps_notes(two: Two) -> None:
    two.ada.run("group", "new", "Notes").ok()
    assert two.ada.run("send", "Notes", "buy rope").one["state"] == "sent"
    assert two.ada.texts("Notes") == ["buy rope"]


def test_an_open_invite_leads_to_a_request(two: Two, tmp_path: Path) -> None:
    cleo = Home(tmp_path / "cleo")
    cleo.make_account("Cleo", two.relay.address)
    invite = two.ada.run("invite", "--open").one["invite"]
    assert cleo.run("accept", invite).one["name"] == "Ada"
    [asking] = two.ada.wait_for(lambda: two.ada.run("requests").all, bool)
    assert asking["name"] == "Cleo"
    assert "Cleo" in two.ada.say("requests")
    assert two.ada.run("requests", "accept", "Cleo").one["name"] == "Cleo"
    assert two.ada.run("requests").all == []
    cleo.wait_for(lambda: cleo.run("send", "Ada", "thank you").code, lambda code: code == 0)
    two.ada.wait_for_text("Cleo", "thank you")

    dora = Home(tmp_path / "dora")
    dora.make_account("Dora", two.relay.address)
    dora.run("accept", invite)
    two.ada.wait_for(lambda: two.ada.run("requests").all, bool)
    assert two.ada.say("requests", "refuse", "Dora") == "Dora was refused. They are not told.\n"
    assert two.ada.say("requests") == "Nobody asks.\n"


def test_following_shows_what_comes_until_its_time_is_over(two: Two) -> None:
    with two.bo.app() if not (two.bo.path / "socket").exists() else ExitStack():
        following = two.bo.start("read", "--follow", "--timeout", "30")
        two.ada.run("send", "Bo", "one").ok()
        assert following.next_line()["text"] == "one"
        two.ada.run("send", "Bo", "two").ok()
        assert following.next_line()["text"] == "two"
        code, errors = following.interrupt()
        assert (code, errors) == (130, "")
    assert two.bo.run("read", "--follow", "--timeout", "0.1").code == 0


def test_status_names_the_way_and_what_waits(two: Two) -> None:
    status = two.ada.run("status").one
    assert status["name"] == "Ada"
    assert [way["up"] for way in status["ways"]] == [True]
    assert status["waiting"] == 0
    assert status["wrong"] == []
    text = two.ada.say("status")
    assert "There is a way to the relay" in text
    assert "Nothing waits to be sent." in text


def test_without_a_way_a_message_is_queued_and_goes_by_itself(two: Two) -> None:
    two.relay.kill()
    ran = two.ada.run("send", "Bo", "later", "--wait", "0.5")
    assert ran.one["state"] == "queued"
    if not (two.ada.path / "socket").exists():
        assert "No way to the relay" in ran.err
    assert "Queued" in two.ada.say("send", "Bo", "in order", "--wait", "0.5")
    status = two.ada.run("status", "--wait", "0.5").one
    assert status["waiting"] >= 2
    assert two.ada.texts("Bo", "--wait", "0.5") == ["later", "in order"]
    two.relay.start()
    two.ada.wait_for(lambda: two.ada.run("status").one["waiting"], lambda waiting: waiting == 0)
    two.bo.wait_for_text("Ada", "in order")
    assert two.bo.texts("Ada") == ["later", "in order"]


def test_what_cannot_be_done_is_told_with_its_exit_code(two: Two, tmp_path: Path) -> None:
    assert two.ada.run("send", "Nobody", "hi").failed(3)["error"] == "not-found"
    assert two.ada.run("read", "Nobody").failed(3)
    assert two.ada.run("read", "--since", "ffffffffff").failed(3)
    assert two.ada.run("verify", "Nobody").failed(3)
    assert two.ada.run("save", "ffffffffff").failed(3)
    assert two.ada.run("send", "Bo", "--file", str(tmp_path / "not there")).failed(3)
    assert two.ada.run("group", "new", "G", "Nobody").failed(3)
    assert two.ada.run("requests", "accept", "Nobody").failed(3)
    assert two.ada.run("accept", "whimbrel:nonsense").failed(1)["do"]
    assert two.ada.run("init", "--name", "Ada").failed(1)["message"]
    said = two.ada.run("send", "Nobody", "hi", as_json=False)
    assert said.out == ""
    assert "Nobody" in said.err
    assert "whimbrel" in said.err


def test_two_chats_of_one_name_are_told_apart_by_their_ids(two: Two) -> None:
    ids = [two.ada.run("group", "new", "Notes").one["id"] for _ in range(2)]
    error = two.ada.run("send", "Notes", "which?").failed(4)
    assert len(error["candidates"]) == 2
    assert all(any(id_ in candidate for candidate in error["candidates"]) for id_ in ids)
    assert two.ada.run("send", ids[0][:12], "this one").one["state"] == "sent"
    said = two.ada.run("send", "Notes", "which?", as_json=False)
    assert all(id_ in said.err for id_ in ids)


def test_an_invite_is_for_one_person_once(two: Two, tmp_path: Path) -> None:
    invite = two.ada.run("invite").one["invite"]
    cleo, dora = Home(tmp_path / "cleo"), Home(tmp_path / "dora")
    cleo.make_account("Cleo", two.relay.address)
    dora.make_account("Dora", two.relay.address)
    wrapped = "\n".join(re.findall(".{1,20}", invite)).upper()
    assert cleo.run("accept", "-", stdin=wrapped).one["name"] == "Ada"
    assert "already" in dora.run("accept", invite).failed(1)["message"]
    assert dora.run("accept", invite[:-3]).failed(1)["message"]
    assert dora.run("accept", invite.replace(invite[40], "b" if invite[40] != "b" else "c", 1)).failed(1)


def test_an_invite_is_also_drawn(two: Two) -> None:
    ran = two.ada.run("invite", "--qr", as_json=False)
    lines = ran.out.splitlines()
    assert lines[-1].startswith("whimbrel:")
    assert len(lines) > 20
    assert "\x1b" not in ran.out
    assert "once" in ran.err


def test_the_home_is_for_its_owner_only(two: Two) -> None:
    assert stat.S_IMODE(two.ada.path.stat().st_mode) == 0o700
    for path in two.ada.path.rglob("*"):
        mode = stat.S_IMODE(path.stat().st_mode)
        assert mode & 0o077 == 0, (path, oct(mode))


def test_hostile_names_are_refused_or_harmless(two: Two, tmp_path: Path) -> None:
    path = tmp_path / "..\x1b]0;owned\x07\u202egnp.exe"
    path.write_bytes(b"x")
    two.ada.run("send", "Bo", "look\x1b[2J\u202eback", "--file", str(path)).ok()
    came = two.bo.wait_for(lambda: two.bo.run("read", "Ada").all, bool)[-1]
    assert came["text"] == "look\x1b[2J\u202eback"
    text = two.bo.say("read", "Ada")
    assert "\x1b" not in text
    assert "\u202e" not in text
    folder = tmp_path / "saved"
    folder.mkdir()
    [saved] = two.bo.run("save", came["id"], str(folder)).all
    assert Path(saved["path"]).parent == folder
    assert not re.search("[\x00-\x1f\u202e]", Path(saved["path"]).name)


def test_how_a_chat_is_kept_stays_and_nobody_else_learns_of_it(two: Two) -> None:
    assert two.bo.run("pin", "Ada").one["pinned"]
    muted = two.bo.run("mute", "Ada", "--for", "8h").one
    assert muted["muted"]
    assert muted["muted_until"] is not None
    assert two.bo.run("archive", "Ada").one["archived"]
    [chat] = two.bo.run("chats").all
    assert (chat["pinned"], chat["muted"], chat["archived"]) == (True, True, True)
    two.ada.run("send", "Bo", "still put away").ok()
    two.bo.wait_for_text("Ada", "still put away")
    assert two.bo.run("chats").one["archived"]
    two.bo.run("unmute", "Ada").ok()
    two.ada.run("send", "Bo", "back again").ok()
    two.bo.wait_for_text("Ada", "back again")
    assert not two.bo.run("chats").one["archived"]
    assert not two.bo.run("unpin", "Ada").one["pinned"]
    [chat] = two.ada.run("chats").all
    assert not chat["pinned"]
    assert not chat["muted"]


def test_settings_and_what_is_kept_are_told(two: Two) -> None:
    assert two.bo.run("settings").one["receipts"] is True
    assert two.bo.run("settings", "receipts", "off").one["receipts"] is False
    assert two.bo.run("settings").one["receipts"] is False
    assert two.bo.run("settings", "list-width", "5").failed(2)["error"] == "setting"
    kept = {item["what"]: item for item in two.bo.run("kept").all}
    assert kept["contacts"]["count"] == 1
    assert kept["messages"]["bytes"] > 0
