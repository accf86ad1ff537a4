"""Two apps on one home, and homes that cannot be opened: a clear message, exit code 6, and nothing is changed."""

import os
import shutil
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from support.homes import USUAL, Home, RelayProcess
from whimbrel.store.home import open_home

pytestmark = pytest.mark.processes


@pytest.fixture(scope="module")
def a_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Ada's home on a relay that runs, with a message in it. Nobody uses it: each test has a copy."""
    folder = tmp_path_factory.mktemp("homes")
    with RelayProcess(folder / "relay") as relay:
        home = Home(folder / "ada")
        home.make_account("Ada", relay.address)
        home.run("group", "new", "Notes").ok()
        home.run("send", "Notes", "buy rope").ok()
        yield home.path


@pytest.fixture
def ada(a_home: Path, tmp_path: Path) -> Home:
    return Home(Path(shutil.copytree(a_home, tmp_path / "ada")))


def contents(home: Home) -> dict[str, tuple[int, bytes]]:
    """Everything in a home, its permissions and its bytes; without the lock, which names who has it open."""
    return {
        str(path.relative_to(home.path)): (stat.S_IMODE(path.stat().st_mode), path.read_bytes())
        for path in sorted(home.path.rglob("*"))
        if path.is_file() and path.name != "lock"
    }


def make_newer(home: Home) -> None:
    with open_home(home.path, create=False, find_keyring=lambda interactive: None) as opened:
        opened.database._connection.execute("PRAGMA user_version = 99")


def damage(home: Home) -> None:
    with (home.path / "store.db").open("r+b") as store:
        store.seek(200)
        store.write(os.urandom(4096))


def lose_the_database(home: Home) -> None:
    (home.path / "store.db").unlink()


def lose_the_description(home: Home) -> None:
    (home.path / "home.json").unlink()


def lose_the_key(home: Home) -> None:
    (home.path / "key").unlink()


@pytest.mark.parametrize(
    ("trouble", "code"),
    [
        (make_newer, "home-newer"),
        (damage, "home-damaged"),
        (lose_the_database, "home-damaged"),
        (lose_the_description, "home-damaged"),
        (lose_the_key, "home-key"),
    ],
)
def test_a_home_that_cannot_be_opened_is_left_as_it_is(
    ada: Home, trouble: Callable[[Home], None], code: str
) -> None:
    trouble(ada)
    before = contents(ada)
    for words in (["send", "Notes", "buy more"], ["init", "--name", "Eve"], ["app"]):
        error = ada.run(*words).failed(6)
        assert error["error"] == code
        assert error["message"]
        assert error["do"]
        assert contents(ada) == before, words
    said = ada.run("read", as_json=False)
    assert (said.code, said.out) == (6, "")
    assert error["message"] in said.err
    assert contents(ada) == before


def test_a_wrong_passphrase_opens_nothing_and_changes_nothing(tmp_path: Path) -> None:
    with RelayProcess(tmp_path / "relay") as relay:
        right = Home(tmp_path / "ada", {"WHIMBREL_PASSPHRASE": "correct horse battery"})
        right.make_account("Ada", relay.address)
        before = contents(right)
        for environment in ({"WHIMBREL_PASSPHRASE": "correct horse batterie"}, {}):
            other = Home(right.path, environment)
            for words in (["chats"], ["app"]):
                error = other.run(*words).failed(6)
                assert error["error"] == "home-key"
                assert "passphrase" in error["message"]
                assert contents(right) == before
        assert right.run("status").one["name"] == "Ada"


def test_two_apps_on_one_home(ada: Home) -> None:
    with ada.app():
        again = ada.run("app")
        assert (again.code, again.one["event"]) == (0, "running")
        assert again.one["url"].startswith("http://127.0.0.1:")
        ada.run("send", "Notes", "through the first").ok()
        with open(ada.path / "lock", "rb") as lock:
            assert lock.read().strip()  # says whose it is
    assert ada.texts("Notes") == ["buy rope", "through the first"]


@contextmanager
def read_only(folder: Path) -> Iterator[None]:
    """No file in it can be written or made."""
    folders = [folder, *(path for path in folder.rglob("*") if path.is_dir())]
    files = [path for path in folder.rglob("*") if path.is_file()]
    for path in files:
        path.chmod(0o400)
    for path in folders:
        path.chmod(0o500)
    try:
        yield
    finally:
        for path in folders:
            path.chmod(0o700)
        for path in files:
            path.chmod(0o600)


# Root may write anywhere, unless this is taken from it.
WITHOUT_SPECIAL_RIGHTS = ("setpriv", "--bounding-set=-dac_override,-dac_read_search", *USUAL)


def test_a_home_that_cannot_be_written_says_so(ada: Home) -> None:
    before = contents(ada)
    home = Home(ada.path, start=WITHOUT_SPECIAL_RIGHTS if os.geteuid() == 0 else USUAL)
    with read_only(ada.path):
        for words in (["send", "Notes", "buy more"], ["app"]):
            error = home.run(*words).failed(6)
            assert error["error"] == "home-read-only"
            assert error["do"]
    assert contents(ada) == before
    assert ada.texts("Notes") == ["buy rope"]
