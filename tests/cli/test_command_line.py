"""What is typed: where options may stand, what is asked of the client, wrong use, help."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, get_type_hints

import pytest

from whimbrel.cli import calls
from whimbrel.cli.catalogue import COMMANDS
from whimbrel.cli.keeping import SETTINGS_HELP
from whimbrel.cli.main import main
from whimbrel.client.shapes import SettingsItem


class Asked:
    """Stands where the calls would go."""

    def __init__(self) -> None:
        self.home: Path | None = None
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.wait = -1.0

    def carry_out(self, home: Path, calls: list[calls.Call], wait: float) -> None:
        self.home, self.wait = home, wait
        self.calls = [(call.method, call.parameters) for call in calls]


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Asked:
    asked = Asked()
    monkeypatch.setattr(calls, "carry_out", asked.carry_out)
    monkeypatch.delenv("WHIMBREL_HOME", raising=False)
    return asked


HERE = str(Path.cwd())


@pytest.mark.parametrize(
    ("typed", "method", "parameters"),
    [
        ("init --name Ada", "init", {"name": "Ada"}),
        ("init --name Ada --relay whimbrel:x", "init", {"name": "Ada", "relay": "whimbrel:x"}),
        ("invite", "invite", {"open": False}),
        ("invite --open --qr", "invite", {"open": True}),
        ("invite --network", "invite", {"open": False, "where": "network"}),
        ("accept whimbrel:ab cd ef", "accept", {"invite": "whimbrel:ab cd ef"}),
        ("requests", "requests", {}),
        ("requests accept Cleo", "requests", {"action": "accept", "name": "Cleo"}),
        ("chats", "chats", {}),
        ("contacts", "contacts", {}),
        ("verify Bo", "verify", {"name": "Bo", "confirm": False}),
        ("verify --confirm Bo", "verify", {"name": "Bo", "confirm": True}),
        (
            "verify Bo --code WHIMBREL-SAFETY:1:A:B",
            "verify",
            {"name": "Bo", "confirm": False, "code": "WHIMBREL-SAFETY:1:A:B"},
        ),
        ("set-relay whimbrel:ab cd", "set_relay", {"address": "whimbrel:abcd"}),
        ("ways", "ways", {}),
        ("ways add whimbrel:ab cd", "ways_add", {"text": "whimbrel:abcd"}),
        ("ways remove wss://a.example/x", "ways_remove", {"route": "wss://a.example/x"}),
        ("ways whose wss://a.example/x", "ways_whose", {"text": "wss://a.example/x"}),
        ("lock", "lock", {}),
        ("cut-off", "cut_off", {}),
        ("erase Ada", "erase_everything", {"confirm": "Ada"}),
        ("group new Rowing Bo Cleo", "group_new", {"name": "Rowing", "persons": ["Bo", "Cleo"]}),
        ("group new Notes", "group_new", {"name": "Notes", "persons": []}),
        ("group add Rowing Bo", "group_add", {"group": "Rowing", "person": "Bo"}),
        ("group remove Rowing Bo", "group_remove", {"group": "Rowing", "person": "Bo"}),
        ("group promote Rowing Bo", "group_promote", {"group": "Rowing", "person": "Bo"}),
        ("group demote Rowing Bo", "group_demote", {"group": "Rowing", "person": "Bo"}),
        ("group leave Rowing", "group_leave", {"group": "Rowing"}),
        ("group show Rowing", "group_show", {"group": "Rowing"}),
        ("group set Rowing --name Sailing", "group_set", {"group": "Rowing", "name": "Sailing"}),
        (
            "group set --post admins Rowing --add everybody --change everybody",
            "group_set",
            {"group": "Rowing", "post": "admins", "add": "everybody", "change": "everybody"},
        ),
        (
            "group set Rowing --picture gull.png",
            "group_set",
            {"group": "Rowing", "picture_file": f"{HERE}/gull.png"},
        ),
        ("group set Rowing --picture none", "group_set", {"group": "Rowing", "picture": ""}),
        ("timer Bo 1d", "timer", {"chat": "Bo", "seconds": 86_400}),
        ("timer Bo 30m", "timer", {"chat": "Bo", "seconds": 1_800}),
        ("timer Rowing off", "timer", {"chat": "Rowing", "seconds": 0}),
        ("block Bo", "block", {"person": "Bo"}),
        ("unblock Bo", "unblock", {"person": "Bo"}),
        ("rename Adelaide", "rename", {"name": "Adelaide"}),
        ("contacts --blocked", "contacts", {}),
        ("move Rowing", "move", {"chat": "Rowing", "agree": False}),
        ("move Bo --relay whimbrel:x", "move", {"chat": "Bo", "agree": False, "relay": "whimbrel:x"}),
        ("move Rowing --agree", "move", {"chat": "Rowing", "agree": True}),
        ("send Bo hello", "send", {"chat": "Bo", "text": "hello", "files": [], "wait": 5.0}),
        ("send Bo -- --json", "send", {"chat": "Bo", "text": "--json", "files": [], "wait": 5.0}),
        ("send -- -Bo -", "send", {"chat": "-Bo", "text": "", "files": [f"{HERE}/x"], "wait": 5.0}),
        (
            "send Bo --file x hello",
            "send",
            {"chat": "Bo", "text": "hello", "files": [f"{HERE}/x"], "wait": 5.0},
        ),
        (
            "send --wait 0 Bo hi --reply-to 3f",
            "send",
            {"chat": "Bo", "text": "hi", "files": [], "reply_to": "3f", "wait": 0.0},
        ),
        (
            "read Bo --limit 3 --since 3f",
            "read",
            {"chat": "Bo", "follow": False, "since": "3f", "limit": 3, "events": False},
        ),
        ("save 3f", "save", {"message": "3f", "dir": HERE}),
        ("save 3f /tmp", "save", {"message": "3f", "dir": "/tmp"}),
        ("search old harbour --in Bo", "search", {"words": "old harbour", "chat": "Bo"}),
        ("chats --archived", "chats", {}),
        ("pin Bo", "chat_set", {"chat": "Bo", "pinned": True}),
        ("unpin Bo", "chat_set", {"chat": "Bo", "pinned": False}),
        ("mute Bo", "chat_set", {"chat": "Bo", "muted": True}),
        ("unmute Bo", "chat_set", {"chat": "Bo", "muted": False}),
        ("archive Bo", "chat_set", {"chat": "Bo", "archived": True}),
        ("unarchive Bo", "chat_set", {"chat": "Bo", "archived": False}),
        ("settings", "set_settings", {}),
        ("settings receipts", "set_settings", {}),
        ("settings receipts off", "set_settings", {"receipts": False}),
        ("settings theme dark", "set_settings", {"theme": "dark"}),
        ("settings fetch-up-to 10MB", "set_settings", {"fetch_up_to": 10_000_000}),
        ("settings lock-after 5m", "set_settings", {"lock_after": 300}),
        ("settings list-width 400", "set_settings", {"list_width": 400}),
        ("kept", "kept", {}),
        ("status", "status", {}),
    ],
)
def test_each_command_asks_one_method(
    asked: Asked, typed: str, method: str, parameters: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    words = typed.split()
    if words[-1] == "-":  # the text comes from stdin, which is empty here; a file makes it something to send
        words = ["send", "--file", "x", *words[1:]]
        monkeypatch.setattr("sys.stdin", open("/dev/null"))  # noqa: SIM115 - closed with the test's process
    assert main([*words[:1], "--json", *words[1:]]) == 0
    assert asked.calls == [(method, parameters)]


def test_a_chat_is_muted_for_as_long_as_is_said(asked: Asked) -> None:
    before = datetime.now(UTC)
    assert main(["mute", "Bo", "--for", "8h", "--json"]) == 0
    [(_, given)] = asked.calls
    assert given["muted"] is True
    until = datetime.fromisoformat(given["muted_until"]) - before
    assert timedelta(hours=7, minutes=59) < until < timedelta(hours=8, minutes=1)


def test_the_settings_of_commands_are_those_of_the_home() -> None:
    assert [name.replace("-", "_") for name in SETTINGS_HELP] == list(get_type_hints(SettingsItem))


def test_following_all_chats_for_people_asks_for_their_names_first(asked: Asked) -> None:
    assert main(["read", "--follow", "--events", "--timeout", "1.5"]) == 0
    assert asked.calls == [("chats", {}), ("read", {"follow": True, "events": True, "timeout": 1.5})]


@pytest.mark.parametrize(
    "typed",
    [
        "--home {} --json chats",
        "chats --home {} --json",
        "--json chats --home={}",
        "--home=/elsewhere chats --json --home {}",
    ],
)
def test_home_and_json_stand_before_or_after_the_name(asked: Asked, tmp_path: Path, typed: str) -> None:
    assert main(typed.format(tmp_path).split()) == 0
    assert asked.home == tmp_path


def test_the_home_is_typed_or_in_the_environment_or_the_usual_one(
    asked: Asked, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    main(["chats"])
    assert asked.home == tmp_path / ".whimbrel"
    monkeypatch.setenv("WHIMBREL_HOME", str(tmp_path / "other"))
    main(["chats"])
    assert asked.home == tmp_path / "other"
    main(["--home", "~/third", "chats"])
    assert asked.home == tmp_path / "third"


@pytest.mark.parametrize(
    "typed",
    [
        "send",
        "send Bo",
        "send Bo a b",
        "send Bo a --nonsense",
        "send Bo a --wait soon",
        "send Bo a --wait -1",
        "send Bo a --wait nan",
        "send Bo a --wait inf",
        "read --limit 0",
        "read --limit many",
        "read --limit 99999999999999999999",
        "read Bo --since",
        "requests accept",
        "requests embrace Bo",
        "init",
        "group",
        "group destroy Rowing",
        "group add Rowing",
        "group set Rowing",
        "group set Rowing --post nobody",
        "timer Bo",
        "timer Bo soon",
        "block",
        "rename",
        "verify",
        "search",
        "nonsense",
        "app --port 65536",
        "app --port x",
        "app --relay-listen 7100",
        "relay --listen 127.0.0.1:7100",
        "relay --data",
        "chats --home",
        "completion tcsh",
        "pin",
        "mute Bo --for soon",
        "mute Bo --for 0h",
        "settings shoe-size 43",
        "settings receipts maybe",
        "settings list-width 5m",
        "settings fetch-up-to everything",
    ],
)
def test_wrong_use_is_told_and_ends_with_2(
    asked: Asked, typed: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--json", *typed.split()]) == 2
    line = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert line["error"] == "wrong-use"
    assert line["message"]
    assert line["do"]
    assert asked.calls == []
    assert main(typed.split()) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert line["message"] in captured.err


@pytest.mark.parametrize("name", COMMANDS)
def test_help_of_every_command_has_an_example_that_is_right(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*name.split(), "--help"]) == 0
    text = capsys.readouterr().out
    assert f"usage: whimbrel {name}" in text
    assert "--home DIR" in text
    examples = text[text.index("Examples:") :]
    assert f"whimbrel {name}" in examples
    assert COMMANDS[name].examples


def test_the_overview_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    text = capsys.readouterr().out
    for name, command in COMMANDS.items():
        assert f"{name} " in text
        assert command.summary in text


def test_a_mistyped_command_is_guessed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sned"]) == 2
    assert "`whimbrel send`" in capsys.readouterr().err


def test_an_unforeseen_error_is_a_sentence_and_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*arguments: object) -> None:
        raise ZeroDivisionError("details")

    monkeypatch.setattr(calls, "carry_out", fail)
    assert main(["--home", str(tmp_path), "chats", "--json"]) == 1
    line = json.loads(capsys.readouterr().out)
    assert line["error"] == "unexpected"
    assert str(tmp_path / "last-error.txt") in line["message"]
    assert "ZeroDivisionError: details" in (tmp_path / "last-error.txt").read_text()


def test_ctrl_c_ends_quietly_with_130(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(*arguments: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(calls, "carry_out", interrupted)
    assert main(["chats", "--json"]) == 130
    assert capsys.readouterr() == ("", "")


def test_passphrases_come_out_of_the_environment_and_never_out_of_words(
    asked: Asked, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("WHIMBREL_PASSPHRASE", raising=False)
    monkeypatch.delenv("WHIMBREL_NEW_PASSPHRASE", raising=False)
    assert main(["unlock"]) == 2
    monkeypatch.setenv("WHIMBREL_PASSPHRASE", "the old one")
    monkeypatch.setenv("WHIMBREL_NEW_PASSPHRASE", "the new one")
    assert main(["unlock"]) == 0
    assert asked.calls == [("unlock", {"passphrase": "the old one"})]
    assert main(["passphrase"]) == 0
    assert asked.calls == [("set_passphrase", {"old": "the old one", "new": "the new one"})]
    assert main(["passphrase", "--first"]) == 0
    assert asked.calls == [("set_passphrase", {"new": "the new one"})]
    assert main(["unlock", "word"]) == 2
