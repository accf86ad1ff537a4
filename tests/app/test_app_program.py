"""`whimbrel app` as a process: its ready line, its page, its end, the first start, and two on one home."""

import http.client
import json
import os
import re
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
from whimbrel.cli.app import may_open_a_browser

pytestmark = pytest.mark.processes


class Browser:
    """As much of a browser as the page needs: one cookie, one secret."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self.host = parts.netloc
        status, headers, body = self.get(f"/?{parts.query}")
        assert status == 200, status
        self.cookie = headers["Set-Cookie"].partition(";")[0]
        found = re.search(rb'content="0;url=/#([\w-]+)"', body)
        assert found is not None
        self.secret = found[1].decode()

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


def test_started_twice_it_opens_the_page_of_the_one_that_runs(ada: Home) -> None:
    with ada.app():
        line = ada.run("app").one
        assert line["event"] == "running"
        browser = Browser(line["url"])
        assert browser.get("/", Cookie=browser.cookie)[0] == 200


def test_windows_stay_in_over_a_restart_of_the_app(ada: Home) -> None:
    with ada.app() as app:
        ada.make_account("Ada")
        browser = Browser(app.url)
    with ada.app() as app:
        assert urlsplit(app.url).netloc == browser.host
        [item, _] = browser.call("status")
        assert item["item"]["name"] == "Ada"  # type: ignore[index]
        [item, _] = browser.call("cut_off")
        with pytest.raises(AssertionError, match="403"):
            browser.call("status")
        again = Browser(f"http://{browser.host}{item['item']['path']}")  # type: ignore[index]
        assert again.call("status")[-1] == {"end": True}


def test_a_window_that_follows_does_not_hold_up_the_end(ada: Home) -> None:
    app = ada.app()
    ada.make_account("Ada")
    browser = Browser(app.url)
    connection = http.client.HTTPConnection(browser.host, timeout=30)
    connection.request("GET", "/api/follow", headers={"Cookie": browser.cookie, "X-Whimbrel": browser.secret})
    response = connection.getresponse()
    assert json.loads(response.readline().removeprefix(b"data: ")) == {"item": {"ready": True}}
    began = time.monotonic()
    assert app.end() == 0
    assert time.monotonic() - began < 10
    response.read()
    connection.close()


def test_a_port_that_somebody_else_has_by_now_costs_the_windows_that_were_open_there(ada: Home) -> None:
    """Whoever listens there may have been told their secrets."""
    with ada.app() as app:
        ada.make_account("Ada")
        before = Browser(app.url)
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(("127.0.0.1", int(before.host.rpartition(":")[2])))
        taken.listen()
        with ada.app() as app:
            after = Browser(app.url)
            assert after.host != before.host
            assert (after.secret != before.secret, after.cookie != before.cookie) == (True, True)
    with ada.app() as app:
        assert urlsplit(app.url).netloc == after.host


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


def test_on_a_terminal_it_says_where_its_page_is_and_asks_nothing(ada: Home) -> None:
    with Terminal(ada.path) as terminal:
        shown = terminal.wait_for("Ctrl-C ends it")
        assert "http://127.0.0.1:" in shown
        assert f"--home {ada.path}" in shown
        assert "\x1b[1m" in shown
        assert "?token=" in shown
        browser = Browser(shown[shown.index("http://") :].split()[0])
        assert browser.call("status")[0]["item"]["name"] is None  # type: ignore[index]
        [item, _] = browser.call("init", name="Ada")
        assert item["item"]["name"] == "Ada"  # type: ignore[index]
        with Terminal(ada.path) as second:
            shown = second.wait_for("Whimbrel runs already")
            assert second.end() == 0
        assert terminal.interrupt() == 0
    with Terminal(ada.path, extra={"NO_COLOR": "1"}) as terminal:
        assert "\x1b" not in terminal.wait_for("Ctrl-C ends it")


def browser_that_notes(folder: Path) -> dict[str, str]:
    """An environment with a screen, as far as programs ask, and a browser that notes what it is given."""
    folder.mkdir()
    program = folder / "noting-browser"
    program.write_text(f'#!/bin/sh\necho "$1" >> {folder / "opened"}\n')
    program.chmod(0o755)
    return {"DISPLAY": ":99", "BROWSER": f"{program} %s"}


def test_with_a_screen_the_page_is_opened_in_the_browser(ada: Home, tmp_path: Path) -> None:
    environment = browser_that_notes(tmp_path / "desk")
    opened = tmp_path / "desk" / "opened"
    with Terminal(ada.path, "app", extra=environment) as terminal:
        terminal.wait_for("Your browser opens its page")
        ada.wait_for(opened.exists, bool)
        browser = Browser(opened.read_text().splitlines()[0])
        assert browser.call("status")[-1] == {"end": True}
        with Terminal(ada.path, "app", extra=environment) as second:
            second.wait_for("Whimbrel runs already")
            assert second.end() == 0
        ada.wait_for(lambda: len(opened.read_text().splitlines()), lambda lines: lines == 2)
        assert terminal.interrupt() == 0
    with Terminal(ada.path, "app", "--no-browser", extra=environment) as terminal:
        assert "Your browser" not in terminal.wait_for("Ctrl-C ends it")
        assert terminal.interrupt() == 0
    assert len(opened.read_text().splitlines()) == 2


@pytest.mark.parametrize(
    ("platform", "environment", "opens"),
    [
        ("linux", {}, False),
        ("linux", {"DISPLAY": ":0"}, True),
        ("linux", {"WAYLAND_DISPLAY": "wayland-0"}, True),
        ("darwin", {}, True),
        ("darwin", {"SSH_CONNECTION": "10.0.0.1 1 10.0.0.2 22"}, False),
        ("win32", {}, True),
    ],
)
def test_a_browser_is_opened_only_where_somebody_would_see_it(
    platform: str, environment: dict[str, str], opens: bool
) -> None:
    assert may_open_a_browser(platform, environment) == opens


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
