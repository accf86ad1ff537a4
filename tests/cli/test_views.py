"""What people see: the views of the commands, given what the client says."""

import io
from pathlib import Path
from typing import Any

import pytest

from support.homes import plain
from whimbrel.cli.catalogue import COMMANDS
from whimbrel.cli.command import Ask, Words, read_words
from whimbrel.cli.keeping import SETTINGS_HELP
from whimbrel.cli.output import Paper

ADA, BO, ROWING = "ad" * 32, "b0" * 32, "60" * 32
MESSAGE: dict[str, Any] = {
    "id": "3f0a9c2d17" + "0" * 54,
    "chat": BO,
    "from": "Bo",
    "mine": False,
    "at": "2026-11-23T21:04:05.123Z",
    "text": "are you there?",
    "files": [],
    "reply_to": None,
    "state": "read",
}


@pytest.fixture(autouse=True)
def in_utc(monkeypatch: pytest.MonkeyPatch) -> None:
    import time

    monkeypatch.setenv("TZ", "UTC")
    time.tzset()


def shown(typed: str, *items: dict[str, Any], chats: list[dict[str, Any]] | None = None) -> str:
    """What a command prints when the client answers with these items."""
    name = next(name for name in sorted(COMMANDS, key=len, reverse=True) if typed.startswith(name))
    command = COMMANDS[name]
    assert isinstance(command, Ask)
    values = read_words(command, typed.removeprefix(name).split())
    stream = io.StringIO()
    view = command.view(Paper(stream), Words(name, Path("/home/ada/.whimbrel"), False, 5.0, values))
    for chat in chats or []:
        view.chat(chat)  # type: ignore[attr-defined]
    for item in items:
        view.item(item)
    view.end()
    return stream.getvalue()


def test_a_conversation_reads_as_one() -> None:
    mine = MESSAGE | {
        "id": "91be20c4aa" + "0" * 54,
        "mine": True,
        "from": "Ada",
        "text": "yes\nhere",
        "state": "delivered",
    }
    mine |= {"reply_to": MESSAGE["id"], "at": "2026-11-23T21:05:00Z"}
    mine |= {"files": [{"id": "00", "name": "map.pdf", "size": 2_345_678, "type": "application/pdf"}]}
    tomorrow = MESSAGE | {"id": "aa" * 32, "at": "2026-11-24T00:00:00Z", "text": "", "reply_to": "77" * 32}
    assert shown("read Bo", MESSAGE, mine, tomorrow) == (
        "Monday 23 November 2026\n"
        "21:04  Bo  3f0a9c2d17\n"
        "       are you there?\n"
        "21:05  you  91be20c4aa delivered\n"
        "       > are you there?\n"
        "       yes\n"
        "       here\n"
        "       [file] map.pdf  2.3 MB, application/pdf\n"
        "Tuesday 24 November 2026\n"
        "00:00  Bo  aaaaaaaaaa\n"
        "       > 7777777777\n"
    )


def test_the_times_are_those_of_the_local_zone(monkeypatch: pytest.MonkeyPatch) -> None:
    import time

    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    assert shown("read Bo", MESSAGE).startswith("Tuesday 24 November 2026\n06:04  Bo")


def test_messages_of_all_chats_are_told_apart_by_the_names_of_the_chats() -> None:
    chats = [{"id": BO, "name": "Bo"}, {"id": ROWING, "name": "Tuesday rowing"}]
    text = shown("read", MESSAGE, MESSAGE | {"chat": ROWING}, MESSAGE | {"chat": "77" * 32}, chats=chats)
    assert [line for line in text.splitlines() if line.startswith("──")] == [
        "── Bo ──",
        "── Tuesday rowing ──",
        "── 7777777777 ──",
    ]


def test_what_others_wrote_cannot_speak_to_the_terminal() -> None:
    hostile = "\x1b]0;x\x07\u202egnp.exe\r\n"
    text = shown(
        "read Bo",
        MESSAGE
        | {
            "from": hostile,
            "text": hostile,
            "files": [{"id": "0", "name": hostile, "size": 0, "type": hostile}],
        },
    )
    text += shown("chats", {"id": BO, "name": hostile, "kind": "pair", "unread": 0, "last": None})
    text += shown("save 3f", {"path": f"/tmp/{hostile}"})
    text += shown("forward 3f x", {"chat": BO, "name": hostile, "id": "3f" * 32, "state": "sent"})
    text += shown("clear x", {"chat": BO, "name": hostile, "dropped": True})
    reactions = [{"emoji": hostile, "people": [BO]}]
    quote = {"what": "text", "text": hostile}
    text += shown("read Bo", MESSAGE | {"reactions": reactions, "reply_to": "77" * 32, "quote": quote})
    text += shown("verify Bo", {"name": hostile, "safety_number": "0" * 60, "verified": False})
    text += shown("requests", {"id": BO, "name": hostile, "text": hostile, "came": hostile})
    text += shown("accept x", {"chat": BO, "name": hostile})
    text += shown(
        "group show x",
        {"id": BO, "name": hostile, "members": [{"name": hostile, "role": "member", "present": True}]},
    )
    text += shown("block x", {"name": hostile})
    text += shown("timer x off", GROUP | {"name": hostile})
    text += shown(
        "read Bo --events",
        {"event": "called", "chat": BO, "at": MESSAGE["at"], "before": hostile, "name": hostile},
    )
    text += shown(
        "read Bo --events",
        {"event": "joined", "chat": BO, "at": MESSAGE["at"], "person": hostile, "from": hostile},
    )
    for character in "\x1b\x07\r\u202e":
        assert character not in text


@pytest.mark.parametrize(
    ("event", "line"),
    [
        ({"event": "joined", "person": "Cleo", "from": "Bo"}, "Cleo came in, brought by Bo"),
        ({"event": "removed", "person": "Cleo", "from": "Ada", "mine": True}, "Cleo was removed by you"),
        ({"event": "promoted", "person": "Cleo", "from": "Bo"}, "Cleo is an admin now, by Bo"),
        ({"event": "renamed", "name": "Rowers", "from": "Bo"}, "Bo gave it the name Rowers"),
        ({"event": "called", "name": "Robert", "before": "Bo"}, "Bo is called Robert now"),
        (
            {"event": "timer", "seconds": 86_400, "from": "Bo"},
            "Bo set the timer: new messages vanish 1 day after reading",
        ),
        (
            {"event": "timer", "seconds": 0, "mine": True},
            "you switched the timer off: new messages stay",
        ),
        ({"event": "picture", "picture": "ab" * 32, "from": "Bo"}, "Bo changed the picture"),
        ({"event": "picture", "picture": None, "from": "Bo"}, "Bo took the picture away"),
        (
            {"event": "rights", "post": "admins", "add": "everybody", "from": "Bo"},
            "Bo changed who may do what: admins may write, everybody may let people in",
        ),
        ({"event": "from-a-newer-version"}, "from-a-newer-version"),
        ({"event": "{who}", "person": "{name}"}, "{who}"),
        ({"event": "joined", "person": "{event}"}, "{event} came in, brought by somebody"),
    ],
)
def test_events_are_sentences(event: dict[str, Any], line: str) -> None:
    assert (
        shown("read Bo --events", {"chat": BO, "at": MESSAGE["at"], **event}).splitlines()[-1]
        == f"21:04  · {line}"
    )


GROUP = {
    "id": ROWING,
    "name": "Rowing",
    "members": [{"name": "Ada", "role": "admin", "present": True}],
    "post": "everybody",
    "add": "admins",
    "change": "admins",
    "timer": 0,
    "picture": None,
}


def test_of_a_group_only_what_is_particular_is_said() -> None:
    assert shown("group show Rowing", GROUP).splitlines() == ["Rowing  6060606060", "  Ada  admin"]
    particular = GROUP | {"post": "admins", "add": "everybody", "timer": 7 * 86_400, "picture": "ab" * 32}
    assert shown("group set Rowing --name Rowing", particular).splitlines() == [
        "Rowing  6060606060",
        "  Only admins may write.",
        "  Everybody may let people in.",
        "  Messages vanish 7 days after reading.",
        "  It has a picture.",
        "  Ada  admin",
    ]
    assert "vanish 7 days after reading" in shown("timer Rowing 7d", particular)
    assert shown("timer Rowing off", GROUP) == "New messages in Rowing stay.\n"


def test_blocked_people_are_listed_apart() -> None:
    bo = {"id": BO, "name": "Bo", "kind": "pair", "unread": 0, "last": None, "standing": "contact"}
    mal = bo | {"id": ROWING, "name": "Mal", "standing": "blocked"}
    assert "Mal" not in shown("contacts", bo, mal)
    assert "Bo" in shown("contacts", bo, mal)
    assert "Bo" not in shown("contacts --blocked", bo, mal)
    assert "Mal" in shown("contacts --blocked", bo, mal)
    assert shown("contacts --blocked", bo) == "Nobody is blocked.\n"


def test_what_became_of_a_message_stands_beside_it() -> None:
    people = [ADA, BO]
    edited = MESSAGE | {"edited": True, "expires": 3600, "reactions": [{"emoji": "👍", "people": people}]}
    mine = MESSAGE | {"mine": True, "forwarded": True, "vanishes": "2026-11-24T21:00:00Z", "newer": True}
    mine |= {"reactions": [{"emoji": "❤️", "people": [BO]}, {"emoji": "🎉", "people": people}]}
    gone = MESSAGE | {"text": "", "deleted": True, "reply_to": "77" * 32}
    gone |= {"quote": {"what": "gone", "text": ""}}
    photo = {"id": "0", "name": "pier.jpg", "size": 1, "type": "image/jpeg", "description": "the pier"}
    answer = MESSAGE | {"reply_to": "77" * 32, "quote": {"what": "picture", "text": ""}, "files": [photo]}
    assert shown("read Bo", edited, mine, gone, answer).splitlines()[1:] == [
        "21:04  Bo  3f0a9c2d17 edited, vanishes 1 hour after reading",
        "       are you there?",
        "       [👍 2]",
        "21:04  you  3f0a9c2d17 read forwarded, vanishes 2026-11-24 21:00",
        "       are you there?",
        "       There is something in it that a newer version shows.",
        "       [❤️  🎉 2]",
        "21:04  Bo  3f0a9c2d17 deleted",
        "       > a message that is gone",
        "21:04  Bo  3f0a9c2d17",
        "       > a picture",
        "       are you there?",
        "       [file] pier.jpg  1 B, image/jpeg",
        "              the pier",
    ]


def test_what_came_of_a_deed_is_a_sentence() -> None:
    id = MESSAGE["id"]
    assert shown("edit 3f x", {"message": id, "state": "sent"}) == "Edited (3f0a9c2d17).\n"
    assert "by itself" in shown("edit 3f x", {"message": id, "state": "queued"})
    assert shown("delete 3f", {"message": id, "state": "gone"}).startswith("Deleted here (3f0a9c2d17).")
    assert shown("delete 3f --everyone", {"message": id, "state": "sent"}).startswith("Deleted for everyone")
    assert shown("react 3f 👍", {"message": id, "state": "sent"}) == "Reacted (3f0a9c2d17).\n"
    assert shown("react 3f", {"message": id, "state": "sent"}) == "Taken back (3f0a9c2d17).\n"
    assert shown("react 3f", {"message": id, "state": "same"}).startswith("Nothing to do")
    taken = {"chat": BO, "name": "Bo", "id": id, "state": "sent"}
    assert shown("forward 3f Bo", taken) == "Forwarded to Bo (3f0a9c2d17).\n"
    assert "gone from this home" in shown("clear Bo", {"chat": BO, "name": "Bo", "dropped": False})


def test_lists_stand_in_columns_whatever_the_letters() -> None:
    names = ["Bo", "ばしょう", "مها", "Zoë", "👍🏽"]
    text = shown(
        "chats",
        *({"id": BO, "name": name, "kind": "pair", "unread": 1, "last": MESSAGE["at"]} for name in names),
    )
    from whimbrel.cli.foreign import width

    columns = {width(line[: line.index("1 new")]) for line in text.splitlines()}
    assert len(columns) == 1


def a_chat(name: str, **more: Any) -> dict[str, Any]:
    return {"id": BO, "name": name, "kind": "pair", "unread": 0, "last": MESSAGE["at"], **more}


def test_how_a_chat_is_kept_stands_beside_it() -> None:
    text = shown(
        "chats",
        a_chat("Bo", pinned=True, muted=True, unread=2, mentioned=True),
        a_chat("Cleo", unread_mark=True),
        a_chat("Dot", standing="blocked"),
        a_chat("Eve", archived=True, unread=1),
    )
    lines = text.splitlines()
    assert lines[0].split() == [
        "Bo",
        "2",
        "new,",
        "names",
        "you",
        "pinned,",
        "muted",
        "2026-11-23",
        "21:04",
        BO[:10],
    ]
    assert lines[1].split()[:2] == ["Cleo", "marked"]
    assert lines[2].split()[:2] == ["Dot", "blocked"]
    assert lines[3] == "1 archived: `whimbrel chats --archived` shows them, too."
    everything = shown("chats --archived", a_chat("Eve", archived=True, unread=1))
    assert everything.split()[:4] == ["Eve", "1", "new", "archived"]


def test_what_is_done_with_a_chat_is_said() -> None:
    assert shown("pin Bo", a_chat("Bo")) == "Bo stands above the other chats.\n"
    assert shown("mute Bo", a_chat("Bo")) == "You are not told of what comes in Bo.\n"
    until = shown("mute Bo --for 8h", a_chat("Bo", muted_until="2026-11-24T05:04:05Z"))
    assert until == "You are not told of what comes in Bo until 2026-11-24 05:04.\n"
    assert "comes back" in shown("archive Bo", a_chat("Bo"))


def test_settings_stand_with_what_they_can_be() -> None:
    item = {name.replace("-", "_"): "x" for name in SETTINGS_HELP} | {
        "receipts": False,
        "sounds": True,
        "language": "",
    }
    lines = shown("settings", item).splitlines()
    assert len(lines) == len(SETTINGS_HELP)
    [receipts] = shown("settings receipts", item).splitlines()
    assert receipts.split()[:2] == ["receipts", "off"]
    assert lines[1].split()[:2] == ["language", "-"]


def test_what_is_kept_is_said_with_its_size() -> None:
    text = shown(
        "kept",
        {"what": "messages", "count": 12, "bytes": 3_000_000, "oldest": MESSAGE["at"], "vanishing": 1},
        {"what": "relay", "count": 1, "bytes": 5_000, "oldest": None},
        {"what": "from-a-newer-version", "count": 1, "bytes": 1, "oldest": None},
    )
    lines = text.splitlines()
    assert lines[0].split() == ["messages", "12", "3.0", "MB", "since", "2026-11-23", "21:04"]
    assert lines[1].split() == ["the", "relay", "inside", "this", "home", "5.0", "kB"]
    assert lines[3] == "One message goes when the time is over that was set for the chat."
    assert "encrypted" in lines[4]


def test_empty_lists_say_what_to_do() -> None:
    assert "whimbrel invite" in shown("chats")
    assert "whimbrel invite" in shown("contacts")
    assert shown("requests") == "Nobody asks.\n"
    assert shown("read Bo") == "No messages.\n"
    assert shown("search harbour") == "Nothing found.\n"


def test_a_safety_number_stands_in_groups_that_can_be_read_aloud() -> None:
    digits = "".join(str(n % 10) for n in range(60))
    text = shown("verify Bo", {"name": "Bo", "safety_number": digits, "verified": False})
    assert text.splitlines()[:3] == [
        "  01234  56789  01234  56789",
        "  01234  56789  01234  56789",
        "  01234  56789  01234  56789",
    ]
    assert "--confirm" in text
    assert "--confirm" not in shown("verify Bo", {"name": "Bo", "safety_number": digits, "verified": True})


def test_what_waits_is_said_to_be_safe() -> None:
    assert "Nothing is lost" in shown("send Bo hi", {"id": MESSAGE["id"], "state": "queued"})
    assert shown("send Bo hi", {"id": MESSAGE["id"], "state": "sent"}) == "Sent (3f0a9c2d17).\n"


def test_a_qr_code_is_read_back_from_the_lines(capsys: pytest.CaptureFixture[str]) -> None:
    """The modules that are drawn are those of the code of the text, in a quiet zone of two."""
    import segno

    text = "whimbrel:" + "abcdefgh234567" * 10
    lines = shown("invite --qr", {"invite": text}).splitlines()
    assert lines[-1] == text
    drawn = lines[:-1]
    rows = []
    for line in drawn:
        rows.append([character in " ▄" for character in line])
        rows.append([character in " ▀" for character in line])
    wanted = [
        [bool(module) for module in row]
        for row in segno.make(text.upper(), error="l", micro=False).matrix_iter(border=2)
    ]
    assert rows[: len(wanted)] == wanted
    assert "once" in capsys.readouterr().err


def test_colours_are_for_terminals_that_want_them(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    assert Paper(Terminal()).bold("x") == "\x1b[1mx\x1b[0m"
    assert plain(Paper(Terminal()).bold("x")) == "x"
    assert Paper(io.StringIO()).bold("x") == "x"
    monkeypatch.setenv("NO_COLOR", "1")
    assert Paper(Terminal()).bold("x") == "x"
    monkeypatch.delenv("NO_COLOR")
    monkeypatch.setenv("TERM", "dumb")
    assert Paper(Terminal()).bold("x") == "x"


def test_status_says_what_is_so_and_what_happens_by_itself() -> None:
    way = {
        "relay": "ab" * 32,
        "embedded": False,
        "up": False,
        "way": None,
        "since": None,
        "trouble": "The relay is silent.",
    }
    item = {
        "name": "Ada",
        "account": ADA,
        "ways": [
            way,
            way
            | {
                "up": True,
                "embedded": True,
                "way": "ws://127.0.0.1:1",
                "since": MESSAGE["at"],
                "trouble": None,
            },
        ],
        "waiting": 2,
        "wrong": [{"code": "chain", "text": "Bo: the relay shows another history.", "chat": BO, "at": None}],
        "key": "The key is in the keyring.",
        "home": "/home/ada/.whimbrel",
    }
    text = shown("status", item)
    assert "There is no way to the relay ababababab now. The relay is silent. Whimbrel goes on trying" in text
    assert "There is a way to the relay inside this home since 2026-11-23 21:04: ws://127.0.0.1:1" in text
    assert "2 things wait to be sent. It happens by itself" in text
    assert "another history" in text
    assert "whimbrel init" in shown("status", item | {"name": None})
