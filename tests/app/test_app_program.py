"""`whimbrel app` as a process: its ready line, its page, its end, the first start, and two on one home."""

import http.client
import json
import os
import resource
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from support.homes import COMMAND, Home, befriend, environment
from support.terminal import Terminal
from whimbrel.app.channel import SOCKET_NAME

pytestmark = pytest.mark.processes


class Browser:
    """As much of a browser as the page needs: one cookie, one secret."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self.host = parts.netloc
        status, headers, _ = self.get(f"/?{parts.query}")
        assert status == 303, status
        self.cookie = headers["Set-Cookie"].partition(";")[0]
        self.secret = headers["Location"].partition("#")[2]

    def get(self, path: str, **headers: str) -> tuple[int, http.client.HTTPMessage, bytes]:
        return self._ask("GET", path, None, headers)

    def call(self, method: str, **params: object) -> list[dict[str, object]]:
        headers = {"Cookie": self.cookie, "X-Whimbrel": self.secret, "Content-Type": "application/json"}
        status, _, body = self._ask("POST", f"/api/{method}", json.dumps(params), headers)
        assert status == 200, body
        return [json.loads(line) for line in body.splitlines()]

    def _ask(
        self, method: str, path: str, body: str | None, headers: dict[str, str]
    ) -> tuple[int, http.client.HTTPMessage, bytes]:
        connection = http.client.HTTPConnection(self.host, timeout=30)
        try:
            connection.request(method, path, body, headers)
            response = connection.getresponse()
            return response.status, response.headers, response.read()
        finally:
            connection.close()


@pytest.fixture
def ada(tmp_path: Path) -> Home:
    return Home(tmp_path / "ada")


def test_the_first_line_is_the_ready_line_and_its_url_opens_the_page_once(ada: Home) -> None:
    with ada.app() as app:
        ada.make_account("Ada")
        browser = Browser(app.url)
        status, _, body = browser.get("/", Cookie=browser.cookie)
        assert status == 200
        assert b"Whimbrel" in body
        assert browser.get("/")[0] == 403
        [item, end] = browser.call("status")
        assert item["item"]["name"] == "Ada"  # type: ignore[index]
        assert end == {"end": True}
        with pytest.raises(AssertionError, match="403"):
            Browser(app.url)


def test_the_page_and_the_commands_see_the_same(ada: Home) -> None:
    with ada.app() as app:
        ada.make_account("Ada")
        browser = Browser(app.url)
        browser.call("group_new", name="Notes")
        ada.run("send", "Notes", "from a command").ok()
        browser.call("send", chat="Notes", text="from the page")
        assert ada.texts("Notes") == ["from a command", "from the page"]
        error = browser.call("send", chat="Nobody", text="x")[-1]["error"]
        assert error["exit"] == 3  # type: ignore[index]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_ends_it_in_order(ada: Home, number: signal.Signals) -> None:
    app = ada.app()
    ada.make_account("Ada")
    following = ada.start("read", "--follow")
    time.sleep(0.5)
    app.process.send_signal(number)
    assert app.process.wait(20) == 0
    assert app.errors() == ""
    assert not (ada.path / SOCKET_NAME).exists()
    line = following.next_line()
    assert line["error"] == "app-stopped"
    assert following.process.wait(20) == 1
    assert ada.run("status").one["name"] == "Ada"


def test_killed_it_leaves_a_home_that_works(ada: Home) -> None:
    app = ada.app()
    ada.make_account("Ada")
    ada.run("group", "new", "Notes").ok()
    ada.run("send", "Notes", "kept").ok()
    app.kill()
    assert ada.texts("Notes") == ["kept"]
    with ada.app():
        assert ada.texts("Notes") == ["kept"]


def test_a_second_app_on_a_home_is_told_of_the_first_and_gets_a_link_to_its_page(ada: Home) -> None:
    with ada.app():
        error = ada.run("app").failed(6)
        assert error["error"] == "app-runs"
        assert "runs already" in error["message"]
        browser = Browser(error["do"].split()[-1])
        assert browser.get("/", Cookie=browser.cookie)[0] == 200


def test_a_port_can_be_chosen_and_a_taken_one_is_told(ada: Home, tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        error = ada.run("app", "--port", str(port)).failed(1)
        assert error["error"] == "port-taken"
        assert str(port) in error["message"]
    with ada.app("--port", str(port)) as app:
        assert urlsplit(app.url).port == port


def test_without_a_terminal_nothing_asks_and_the_app_waits_for_an_account(ada: Home) -> None:
    with ada.app():
        assert ada.run("chats").failed(1)["error"] == "no-account"
        ada.make_account("Ada")
        assert ada.run("chats").all == []


def test_on_a_terminal_the_first_start_asks_for_a_name_and_says_what_to_type_next(ada: Home) -> None:
    with Terminal(ada.path) as terminal:
        terminal.wait_for("What should others call you?")
        terminal.type("Ada\n")
        shown = terminal.wait_for("Ctrl-C ends it")
        assert f"whimbrel --home {ada.path} invite --qr" in shown
        assert "http://127.0.0.1:" in shown
        assert "\x1b[1m" in shown
        assert ada.run("status").one["name"] == "Ada"
        assert terminal.interrupt() == 0
    with Terminal(ada.path, extra={"NO_COLOR": "1"}) as terminal:
        shown = terminal.wait_for("Ctrl-C ends it")
        assert "What should others call you?" not in shown
        assert "\x1b" not in shown


def test_ctrl_c_at_the_question_for_the_name_ends_quietly(ada: Home) -> None:
    with Terminal(ada.path) as terminal:
        terminal.wait_for("What should others call you?")
        assert terminal.interrupt() == 130


def test_the_relay_inside_keeps_its_address_from_run_to_run(ada: Home, tmp_path: Path) -> None:
    """An invite made by a command, with no app running, is good when the app runs later."""
    ada.make_account("Ada")
    ran = ada.run("invite")
    assert "this computer" in ran.one["note"]
    bo = Home(tmp_path / "bo")
    bo.make_account("Bo")
    with ada.app(), bo.app():
        assert bo.run("accept", ran.one["invite"]).one["name"] == "Ada"
        bo.run("send", "Ada", "hello from the next door").ok()
        ada.wait_for_text("Bo", "hello from the next door")


def test_without_the_relay_inside_nothing_of_it_listens(ada: Home, tmp_path: Path) -> None:
    with ada.app():
        ada.make_account("Ada")
        up = ada.run("status").one["ways"]
        assert [way["up"] for way in up] == [True]
    with ada.app("--no-relay"):
        assert [way["up"] for way in ada.run("status").one["ways"]] != [True]


def test_two_people_with_apps_and_relays_inside(ada: Home, tmp_path: Path) -> None:
    bo = Home(tmp_path / "bo")
    with ada.app(), bo.app():
        ada.make_account("Ada")
        bo.make_account("Bo")
        befriend(ada, bo)
        for n in range(5):
            ada.run("send", "Bo", f"ada {n}").ok()
            bo.run("send", "Ada", f"bo {n}").ok()
        ada.wait_for_text("Bo", "bo 4")
        bo.wait_for_text("Ada", "ada 4")
        assert [text for text in ada.texts("Bo") if text.startswith("bo")] == [f"bo {n}" for n in range(5)]
        assert [text for text in bo.texts("Ada") if text.startswith("ada")] == [f"ada {n}" for n in range(5)]


def test_a_home_with_a_very_long_path(tmp_path: Path) -> None:
    ada = Home(tmp_path / ("d" * 100) / ("e" * 100))
    ada.path.parent.mkdir(parents=True)
    with ada.app():
        ada.make_account("Ada")
        assert ada.run("chats").all == []


_LOADED = """
import sys
from whimbrel.cli.main import main
code = main(sys.argv[1:])
heavy = {"asyncio", "aiohttp", "cryptography", "sqlcipher3", "cbor2", "whimbrel.client.service", "whimbrel.wire"}
sys.exit(f"loaded: {heavy & set(sys.modules)}" if heavy & set(sys.modules) else code)
"""


@pytest.mark.parametrize("words", [["--help"], ["send", "--help"], ["chats"], ["send", "Notes", "quick"]])
def test_help_and_commands_through_the_app_load_nothing_heavy(ada: Home, words: list[str]) -> None:
    with ada.app():
        ada.make_account("Ada")
        ada.run("group", "new", "Notes").ok()
        line = [sys.executable, "-c", _LOADED, "--home", str(ada.path), *words]
        ran = subprocess.run(line, capture_output=True, env=environment(None), check=False)
        assert (ran.returncode, ran.stderr) == (0, b"")


def test_help_takes_less_than_a_tenth_of_a_second() -> None:
    """Counted in processor time, which other programs on the machine do not lengthen much; the best of a few."""
    taken = []
    for _ in range(5):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([str(COMMAND), "--help"], check=True, capture_output=True, env=environment(None))
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        taken.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    assert min(taken) < 0.1


def test_the_environment_names_the_home(tmp_path: Path) -> None:
    env = environment({"WHIMBREL_HOME": str(tmp_path / "named")})
    ran = subprocess.run(
        [str(COMMAND), "--json", "init", "--name", "Ada"], capture_output=True, env=env, check=True
    )
    assert json.loads(ran.stdout)["name"] == "Ada"
    assert (tmp_path / "named" / "home.json").exists()
    assert os.listdir(tmp_path) == ["named"]
