"""How commands end: closed pipes, Ctrl-C, homes that are taken, locked, newer or damaged, and errors nobody foresaw."""

import fcntl
import json
import os
import subprocess
import time
from pathlib import Path

import pytest

from support.homes import COMMAND, Home, environment
from support.terminal import Terminal

pytestmark = pytest.mark.processes


@pytest.fixture
def ada(tmp_path: Path) -> Home:
    home = Home(tmp_path / "ada")
    home.make_account("Ada")
    return home


def test_a_closed_pipe_ends_quietly(ada: Home) -> None:
    ada.run("group", "new", "Notes").ok()
    with ada.app():
        for n in range(20):
            ada.run("send", "Notes", f"{n} " + "x" * 5000).ok()
        for words in ("read", "read --json", "--help"):
            line = f"set -o pipefail; '{COMMAND}' --home '{ada.path}' {words} | head -n 1"
            ran = subprocess.run(
                ["bash", "-c", line], capture_output=True, env=environment(None), check=False
            )
            assert ran.stderr == b"", words
            assert ran.stdout.count(b"\n") == 1
            assert ran.returncode in (0, 141)


def test_a_closed_pipe_ends_quietly_without_the_app_too(ada: Home) -> None:
    ada.run("group", "new", "Notes").ok()
    for _ in range(3):
        ada.run("send", "Notes", "x" * 50_000).ok()
    line = f"'{COMMAND}' --home '{ada.path}' read | head -c 10"
    ran = subprocess.run(["bash", "-c", line], capture_output=True, env=environment(None), check=False)
    assert ran.stderr == b""
    assert len(ada.texts("Notes")) == 3


def test_ctrl_c_ends_with_130_and_nothing_said_and_the_home_stays_whole(ada: Home) -> None:
    ada.run("group", "new", "Notes").ok()
    following = ada.start("read", "--follow")
    _until_taken(ada)
    assert following.interrupt() == (130, "")
    ada.run("send", "Notes", "still here").ok()
    assert ada.texts("Notes") == ["still here"]


def test_commands_at_the_same_time_wait_for_each_other(ada: Home) -> None:
    ada.run("group", "new", "Notes").ok()
    programs = [ada.start("send", "Notes", f"text {n}") for n in range(4)]
    assert {program.next_line()["state"] for program in programs} == {"sent"}
    assert [program.process.wait(30) for program in programs] == [0] * 4
    assert sorted(ada.texts("Notes")) == [f"text {n}" for n in range(4)]


def test_a_command_goes_on_through_an_app_that_starts_meanwhile(ada: Home) -> None:
    following = ada.start("read", "--follow", "--timeout", "1")
    _until_taken(ada)
    waiting = ada.start("chats")
    time.sleep(0.3)
    assert following.process.wait(30) == 0
    with ada.app():
        assert waiting.process.wait(30) == 0


def test_a_home_that_something_else_keeps_is_told_with_6(ada: Home) -> None:
    with open(ada.path / "lock") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        start = time.monotonic()
        error = ada.run("chats", "--wait", "0").failed(6)
        assert error["error"] == "home-locked"
        assert 5 < time.monotonic() - start < 30
        assert ada.run("app").failed(6)["error"] == "home-locked"


def test_an_app_waits_for_a_command_that_has_the_home_open(ada: Home) -> None:
    following = ada.start("read", "--follow", "--timeout", "2")
    _until_taken(ada)
    with ada.app():
        assert following.process.wait(30) == 0
        ada.run("chats").ok()


@pytest.mark.parametrize("redirect", [">&-", "2>&-", "<&-", ">&- 2>&- <&-", "2>/dev/full"])
def test_a_missing_or_full_stream_is_no_reason_for_a_traceback(ada: Home, redirect: str) -> None:
    for words in ("--help", "chats", "chats --json", "nonsense"):
        line = f"'{COMMAND}' --home '{ada.path}' {words} {redirect}"
        ran = subprocess.run(["bash", "-c", line], capture_output=True, env=environment(None), check=False)
        assert b"Traceback" not in ran.stdout + ran.stderr
        assert ran.returncode == (2 if words == "nonsense" else 0)


def test_output_that_cannot_be_written_is_told(ada: Home) -> None:
    ada.run("group", "new", "Notes").ok()
    for words in ("--help", "chats", "chats --json", "completion bash"):
        line = f"'{COMMAND}' --home '{ada.path}' {words} >/dev/full"
        ran = subprocess.run(["bash", "-c", line], capture_output=True, env=environment(None), check=False)
        assert ran.returncode == 1
        if "--json" not in words:
            assert b"No space left" in ran.stderr
        assert b"Traceback" not in ran.stderr


def test_a_folder_that_is_gone_is_told(ada: Home, tmp_path: Path) -> None:
    line = f"mkdir '{tmp_path}/gone' && cd '{tmp_path}/gone' && rmdir ../gone && '{COMMAND}' --home x --json chats"
    ran = subprocess.run(["bash", "-c", line], capture_output=True, env=environment(None), check=False)
    assert json.loads(ran.stdout)["error"] == "no-folder"


def test_a_passphrase_is_asked_for_on_a_terminal_only(tmp_path: Path) -> None:
    locked = Home(tmp_path / "locked", {"WHIMBREL_PASSPHRASE": "correct horse"})
    locked.make_account("Ada")
    assert locked.run("chats").all == []

    assert Home(locked.path).run("chats").failed(6)["error"] == "home-key"
    wrong = Home(locked.path, {"WHIMBREL_PASSPHRASE": "wrong"}).run("chats").failed(6)
    assert wrong["error"] == "home-key"
    assert "correct horse" not in json.dumps(wrong)

    with Terminal(locked.path, "status") as terminal:
        terminal.wait_for("Passphrase")
        terminal.type("wrong\n")
        terminal.wait_for("Passphrase of this home: \nPassphrase")
        terminal.type("correct horse\n")
        terminal.wait_for("Ada")
        assert terminal.end() == 0
        assert "correct horse" not in terminal.shown


def test_homes_that_cannot_be_opened_say_why_with_6(ada: Home, tmp_path: Path) -> None:
    about = ada.path / "home.json"
    whole = about.read_text()
    facts = json.loads(whole)
    facts["version"] = 999
    about.write_text(json.dumps(facts))
    assert ada.run("chats").failed(6)["error"] == "home-newer"
    about.write_text("{")
    assert ada.run("chats").failed(6)["error"] == "home-damaged"
    about.write_text(whole)

    (ada.path / "key").chmod(0o644)
    error = ada.run("chats").failed(6)
    assert error["error"] == "home-key"
    assert "chmod" in error["do"]
    (ada.path / "key").chmod(0o600)
    assert ada.run("chats").all == []

    with (ada.path / "store.db").open("r+b") as store:
        store.seek(100)
        store.write(os.urandom(8000))
    error = ada.run("chats").failed(6)
    assert error["error"] == "home-damaged"
    said = ada.run("chats", as_json=False)
    assert said.code == 6
    assert said.out == ""
    assert error["message"] in said.err


def test_only_a_new_account_makes_a_home(tmp_path: Path) -> None:
    nowhere = Home(tmp_path / "mistyped")
    for words in (["chats"], ["status"], ["send", "Bo", "hi"]):
        assert nowhere.run(*words).failed(1)["error"] == "no-account"
    assert not nowhere.path.exists()
    file = tmp_path / "file"
    file.write_text("no folder")
    assert Home(file).run("init", "--name", "Ada").failed(6)["message"]
    assert file.read_text() == "no folder"


def test_a_disk_that_is_full_is_told_with_6_and_nothing_is_lost(ada: Home, tmp_path: Path) -> None:
    """A limit on the size of files stands for the full disk; a write over it fails in the same way."""
    ada.run("group", "new", "Notes").ok()
    limit = (ada.path / "store.db").stat().st_size + 16 * 1024
    line = (
        f"ulimit -f {limit // 1024}; trap '' XFSZ; exec '{COMMAND}' --home '{ada.path}' --json send Notes -"
    )
    ran = subprocess.run(
        ["bash", "-c", line], input=b"x" * 900_000, capture_output=True, env=environment(None), check=False
    )
    assert b"Traceback" not in ran.stderr
    error = json.loads(ran.stdout.splitlines()[-1])
    assert (ran.returncode, error["error"]) == (6, "home-full"), error
    ada.run("send", "Notes", "there is room again").ok()
    assert ada.texts("Notes")[-1] == "there is room again"


def test_no_colours_and_no_control_characters_but_on_a_terminal(ada: Home) -> None:
    ada.run("group", "new", "Notes").ok()
    assert "\x1b" not in ada.say("chats")
    with Terminal(ada.path, "chats") as terminal:
        assert terminal.end() == 0
        assert "\x1b[1m" in terminal.shown
    with Terminal(ada.path, "chats", extra={"NO_COLOR": "yes"}) as terminal:
        assert terminal.end() == 0
        assert "Notes" in terminal.shown
        assert "\x1b" not in terminal.shown


def test_text_comes_from_stdin_where_it_is_a_dash(ada: Home) -> None:
    ada.run("group", "new", "Notes").ok()
    ada.run("send", "Notes", "-", stdin="two\nlines\n").ok()
    ada.run("send", "Notes", "-", stdin=b"\xff\xfe broken").ok()
    ada.run("send", "Notes", "--", "--json").ok()
    assert ada.texts("Notes") == ["two\nlines", "\ufffd\ufffd broken", "--json"]
    assert ada.run("send", "Notes", "-", stdin="").failed(2)["error"] == "wrong-use"


def test_completion_knows_commands_options_files_and_the_chats_of_a_running_app(ada: Home) -> None:
    ada.run("group", "new", "Tuesday rowing").ok()

    def words(*typed: str) -> list[str]:
        return ada.run("completion", "words", "--", *typed, as_json=False).out.splitlines()

    assert "send" in words("")
    assert words("group", "sh") == ["add", "demote", "leave", "new", "promote", "remove", "set", "show"]
    assert "--reply-to" in words("send", "--")
    assert words("send", "Bo", "--file", "") == [":files"]
    assert words("requests", "") == ["accept", "refuse"]
    assert words("send", "") == []
    with ada.app():
        assert words("send", "") == ["Tuesday rowing"]
        assert words("group", "show", "Tu") == ["Tuesday rowing"]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts_are_read_by_their_shells(ada: Home, shell: str) -> None:
    script = ada.say("completion", shell)
    assert "whimbrel completion words" in script
    if shell == "bash":
        subprocess.run(["bash", "-n"], input=script.encode(), check=True)


def test_bash_completes_a_name_with_a_space(ada: Home) -> None:
    ada.run("group", "new", "Tuesday rowing").ok()
    with ada.app():
        script = f"""
            PATH='{COMMAND.parent}':$PATH; export WHIMBREL_HOME='{ada.path}'
            eval "$(whimbrel completion bash)"
            COMP_WORDS=(whimbrel send Tu); COMP_CWORD=2; _whimbrel
            printf '%s' "${{COMPREPLY[*]}}"
        """
        ran = subprocess.run(["bash", "-c", script], capture_output=True, env=environment(None), check=True)
    assert ran.stdout == rb"Tuesday\ rowing"


def _until_taken(home: Home) -> None:
    """Until a command has opened the home."""
    end = time.monotonic() + 30
    while time.monotonic() < end:
        with open(home.path / "lock") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                time.sleep(0.5)
                return
            fcntl.flock(lock, fcntl.LOCK_UN)
        time.sleep(0.05)
    raise AssertionError("nothing opened the home")
