"""The folder, its key, and who may open it."""

import json
import os
import shutil
import stat
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keyring
import keyring.backend
import keyring.backends.fail
import keyring.backends.null
import keyring.errors
import pytest
from hypothesis import given
from hypothesis import strategies as some

from support.store import new_home, no_keyring, program, same_home
from whimbrel.chat.records import PutFact
from whimbrel.store import keys
from whimbrel.store.errors import (
    HomeDamaged,
    HomeFull,
    HomeKeyMissing,
    HomeKeyWrong,
    HomeLocked,
    HomeMissing,
    HomeNewer,
    HomeReadOnly,
    StoreError,
)
from whimbrel.store.home import home_exists, open_home

# Passphrases cost time by design; the tests pay once for each, not more.
PASSPHRASE = "correct horse battery staple"


class MemoryKeyring:
    """A keyring that keeps what it is given while the test runs."""

    def __init__(self) -> None:
        self.kept: dict[tuple[str, str], str] = {}

    def get_password(self, service: str, username: str) -> str | None:
        return self.kept.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        self.kept[service, username] = password


class ForgetfulKeyring(MemoryKeyring):
    def set_password(self, service: str, username: str, password: str) -> None:
        pass


class RefusingKeyring(MemoryKeyring):
    def set_password(self, service: str, username: str, password: str) -> None:
        raise keyring.errors.KeyringLocked("no")

    def get_password(self, service: str, username: str) -> str | None:
        raise keyring.errors.KeyringLocked("no")


class SilentKeyring(MemoryKeyring):
    """Never answers, like one that shows a dialog where nobody sees it."""

    def __init__(self) -> None:
        super().__init__()
        self.given_up = threading.Event()

    def set_password(self, service: str, username: str, password: str) -> None:
        self.given_up.wait(60)

    def get_password(self, service: str, username: str) -> str | None:
        self.given_up.wait(60)
        return None


def has(some_keyring: keys.Keyring | None) -> Callable[[bool], keys.Keyring | None]:
    return lambda interactive: some_keyring


# -- where the key is


def test_a_passphrase_comes_before_the_keyring_and_the_keyring_before_a_file(tmp_path: Path) -> None:
    places = {}
    for name, passphrase, ring in (
        ("all", PASSPHRASE, MemoryKeyring()),
        ("no passphrase", None, MemoryKeyring()),
        ("empty passphrase", "", MemoryKeyring()),
        ("nothing", None, None),
    ):
        with open_home(tmp_path / name, create=True, passphrase=passphrase, find_keyring=has(ring)) as home:
            places[name] = home.key_place
            assert ((tmp_path / name / "key").exists()) == (home.key_place == "file")
            assert bool(ring and ring.kept) == (home.key_place == "keyring")
    assert places == {
        "all": "passphrase",
        "no passphrase": "keyring",
        "empty passphrase": "keyring",
        "nothing": "file",
    }


def test_a_home_says_where_its_key_is(tmp_path: Path) -> None:
    with new_home(tmp_path) as home:
        assert "file `key`" in home.where_the_key_is
    assert json.loads((tmp_path / "home.json").read_text())["key"]["place"] == "file"


def test_a_home_with_a_passphrase_opens_with_it_only(tmp_path: Path) -> None:
    with open_home(tmp_path, create=True, passphrase="caf\u00e9", find_keyring=no_keyring) as home:
        home.database.commit([PutFact("name", b"Ada")])
    # The same letters typed on another machine, where the accent is a sign of its own.
    with open_home(tmp_path, create=False, passphrase="cafe\u0301", find_keyring=no_keyring) as home:
        assert home.database.facts() == {"name": b"Ada"}
    with pytest.raises(HomeKeyWrong) as wrong:
        open_home(tmp_path, create=True, passphrase="cafe", find_keyring=no_keyring)
    assert "WHIMBREL_PASSPHRASE" in wrong.value.do
    for nothing in (None, ""):
        with pytest.raises(HomeKeyMissing) as missing:
            open_home(tmp_path, create=True, passphrase=nothing, find_keyring=has(MemoryKeyring()))
        assert "WHIMBREL_PASSPHRASE" in missing.value.do


def test_a_passphrase_costs_what_rfc_9106_recommends(tmp_path: Path) -> None:
    open_home(tmp_path, create=True, passphrase=PASSPHRASE, find_keyring=no_keyring).close()
    told = json.loads((tmp_path / "home.json").read_text())["key"]
    assert told["argon2id"] == {"passes": 3, "memory_kib": 65536, "lanes": 4}
    assert len(bytes.fromhex(told["salt"])) == 16
    assert PASSPHRASE not in (tmp_path / "home.json").read_text()


def test_a_passphrase_does_not_open_a_home_that_was_made_without(tmp_path: Path) -> None:
    """It is not needed, and does no harm: the home says where its key is."""
    new_home(tmp_path).close()
    with open_home(tmp_path, create=False, passphrase=PASSPHRASE, find_keyring=no_keyring) as home:
        assert home.key_place == "file"


def test_a_home_with_its_key_in_the_keyring_opens_by_that_keyring_only(tmp_path: Path) -> None:
    ring = MemoryKeyring()
    with open_home(tmp_path, create=True, find_keyring=has(ring)) as home:
        home.database.commit([PutFact("name", b"Ada")])
        assert list(ring.kept) == [("whimbrel", home.id)]
    with open_home(tmp_path, create=False, find_keyring=has(ring)) as home:
        assert home.database.facts() == {"name": b"Ada"}
    for other in (None, MemoryKeyring(), RefusingKeyring()):
        with pytest.raises(HomeKeyMissing):
            open_home(tmp_path, create=True, find_keyring=has(other))
    ring.kept = dict.fromkeys(ring.kept, "00" * 32)
    with pytest.raises(HomeKeyWrong):
        open_home(tmp_path, create=False, find_keyring=has(ring))


@pytest.mark.parametrize("kind", [ForgetfulKeyring, RefusingKeyring, SilentKeyring])
def test_a_keyring_that_does_not_keep_the_key_is_passed_over(
    tmp_path: Path, kind: type[MemoryKeyring], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keys, "KEYRING_SECONDS", 0.2)
    ring = kind()
    with open_home(tmp_path, create=True, find_keyring=has(ring)) as home:
        assert home.key_place == "file"
    if isinstance(ring, SilentKeyring):
        ring.given_up.set()


def test_only_a_real_keyring_of_the_system_counts() -> None:
    class Desktop(keyring.backend.KeyringBackend):
        priority = 5

        def get_password(self, service: str, username: str) -> str | None:
            return None

        def set_password(self, service: str, username: str, password: str) -> None:
            pass

    class ClearText(Desktop):
        priority = 0.5

    before = keyring.get_keyring()
    try:
        for backend, counts in (
            (Desktop(), True),
            (ClearText(), False),
            (keyring.backends.fail.Keyring(), False),
            (keyring.backends.null.Keyring(), False),
        ):
            keyring.set_keyring(backend)
            assert keys.find_keyring(interactive=False) is (backend if counts else None)
    finally:
        keyring.set_keyring(before)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644, 0o777])
def test_a_key_file_that_others_can_read_is_refused(tmp_path: Path, mode: int) -> None:
    new_home(tmp_path).close()
    (tmp_path / "key").chmod(mode)
    with pytest.raises(HomeKeyMissing) as raised:
        same_home(tmp_path)
    assert f"chmod 600 {tmp_path / 'key'}" in raised.value.do
    (tmp_path / "key").chmod(0o600)
    same_home(tmp_path).close()


@pytest.mark.parametrize("text", [b"", b"00" * 31, b"zz" * 32, b"\xff" * 64, b"00" * 33])
def test_a_key_file_without_a_key_says_so(tmp_path: Path, text: bytes) -> None:
    new_home(tmp_path).close()
    (tmp_path / "key").write_bytes(text)
    with pytest.raises(HomeKeyMissing):
        same_home(tmp_path)


def test_a_missing_key_file_and_one_of_another_home_are_told_apart(tmp_path: Path) -> None:
    new_home(tmp_path / "ada").close()
    new_home(tmp_path / "bo").close()
    shutil.copy(tmp_path / "bo" / "key", tmp_path / "ada" / "key")
    with pytest.raises(HomeKeyWrong):
        same_home(tmp_path / "ada")
    (tmp_path / "ada" / "key").unlink()
    with pytest.raises(HomeKeyMissing):
        same_home(tmp_path / "ada")
    assert not (tmp_path / "ada" / "key").exists()


# -- the folder


def test_a_home_is_for_its_owner_only(tmp_path: Path) -> None:
    umask = os.umask(0)
    try:
        with new_home(tmp_path / "made here" / "home") as home:
            home.database.commit([PutFact("name", b"Ada")])
            home.folder("files")
            modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in home.path.iterdir()}
            modes["."] = stat.S_IMODE(home.path.stat().st_mode)
    finally:
        os.umask(umask)
    assert modes == {
        ".": 0o700,
        "files": 0o700,
        "home.json": 0o600,
        "key": 0o600,
        "lock": 0o600,
        "store.db": 0o600,
        "store.db-wal": 0o600,
    }


def test_a_folder_that_others_could_enter_is_closed_to_them(tmp_path: Path) -> None:
    new_home(tmp_path).close()
    tmp_path.chmod(0o755)
    same_home(tmp_path).close()
    assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o700


def test_no_home_is_made_unless_asked_for(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir(mode=0o755)
    (tmp_path / "file").write_text("")
    for name in ("not there", "empty", "file"):
        with pytest.raises(HomeMissing) as raised:
            same_home(tmp_path / name)
        assert "whimbrel init" in raised.value.do
        assert not home_exists(tmp_path / name)
    assert not (tmp_path / "not there").exists()
    assert list((tmp_path / "empty").iterdir()) == []
    for name in ("file", "file/below"):
        with pytest.raises(HomeMissing):
            new_home(tmp_path / name)


def test_one_program_at_a_time_has_a_home_open(tmp_path: Path) -> None:
    with new_home(tmp_path):
        assert home_exists(tmp_path)
        with pytest.raises(HomeLocked) as raised:
            same_home(tmp_path)
        assert raised.value.pid == os.getpid()
        assert str(os.getpid()) in raised.value.message
    same_home(tmp_path).close()


@pytest.mark.processes
def test_another_program_is_named_and_a_killed_one_leaves_no_lock(tmp_path: Path) -> None:
    new_home(tmp_path).close()
    other = program(
        "import sys; from pathlib import Path; from support.store import same_home\n"
        "home = same_home(Path(sys.argv[1])); print('open', flush=True); sys.stdin.read()",
        tmp_path,
    )
    assert other.stdout is not None
    assert other.stdout.readline() == "open\n"
    with pytest.raises(HomeLocked) as raised:
        same_home(tmp_path)
    assert raised.value.pid == other.pid
    other.kill()
    other.communicate()
    same_home(tmp_path).close()


def test_a_failed_opening_leaves_no_lock(tmp_path: Path) -> None:
    new_home(tmp_path).close()
    key = (tmp_path / "key").read_bytes()
    (tmp_path / "key").unlink()
    with pytest.raises(HomeKeyMissing):
        same_home(tmp_path)
    keys.write_key_file(tmp_path / "key", bytes.fromhex(key.decode()))
    same_home(tmp_path).close()


def test_a_home_whose_making_was_cut_short_is_made_again(tmp_path: Path) -> None:
    with new_home(tmp_path) as home:
        first = home.id
    described = json.loads((tmp_path / "home.json").read_text())
    (tmp_path / "home.json").write_text(json.dumps(described | {"ready": False}))
    with pytest.raises(HomeMissing):
        same_home(tmp_path)
    with new_home(tmp_path) as home:
        assert home.id != first
        home.database.commit([PutFact("name", b"Ada")])
    with new_home(tmp_path) as home:
        assert home.database.facts() == {"name": b"Ada"}


# -- what is newer, damaged, or cannot be written


def test_a_home_of_a_newer_version_is_left_as_it_is(tmp_path: Path) -> None:
    new_home(tmp_path).close()
    described = json.loads((tmp_path / "home.json").read_text())
    (tmp_path / "home.json").write_text(json.dumps({"version": 2, "id": described["id"]}))
    before = contents(tmp_path)
    with pytest.raises(HomeNewer):
        new_home(tmp_path)
    assert contents(tmp_path) == before


def test_a_home_without_its_database_or_its_description_is_damaged(tmp_path: Path) -> None:
    for name in ("store.db", "home.json"):
        path = tmp_path / name / "home"
        new_home(path).close()
        (path / name).unlink()
        for open_it in (new_home, same_home):
            with pytest.raises(HomeDamaged):
                open_it(path)
        assert not (path / name).exists()


_json = some.recursive(
    some.none() | some.booleans() | some.integers() | some.text(max_size=5),
    lambda inner: some.lists(inner, max_size=3) | some.dictionaries(some.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@pytest.fixture(scope="module")
def described_home(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, object]]:
    path = tmp_path_factory.mktemp("described")
    open_home(path, create=True, passphrase=PASSPHRASE, find_keyring=no_keyring).close()
    return path, json.loads((path / "home.json").read_text())


@given(data=some.data())
def test_any_description_opens_a_home_or_gives_a_typed_error(
    described_home: tuple[Path, dict[str, object]], data: some.DataObject
) -> None:
    path, described = described_home
    changed = json.loads(json.dumps(described))
    inner = data.draw(some.sampled_from([changed, changed["key"], changed["key"]["argon2id"]]))
    # Of the costs only what is refused is tried: the others take their time.
    numbers = some.integers(max_value=0) | some.text() | some.booleans() | some.floats()
    values = _json if inner is not changed["key"]["argon2id"] else numbers
    inner[data.draw(some.sampled_from(sorted(inner)))] = data.draw(values)
    (path / "home.json").write_text(json.dumps(changed))
    with pytest.raises(StoreError):
        same_home(path)


@pytest.mark.parametrize("text", [b"", b"{", b"[]", b"null", b"\xff\xfe", b'{"version":1}', b"[" * 100_000])
def test_a_description_that_is_no_description_is_damage(tmp_path: Path, text: bytes) -> None:
    new_home(tmp_path).close()
    (tmp_path / "home.json").write_bytes(text)
    with pytest.raises(HomeDamaged):
        same_home(tmp_path)


@pytest.mark.parametrize("changed", [{"id": "a\ud800"}, {"key": {"sealed": "00"}}, {"key": {"sealed": ""}}])
def test_a_description_that_was_damaged_inside_is_damage_or_a_wrong_key(
    described_home: tuple[Path, dict[str, Any]], changed: dict[str, Any]
) -> None:
    path, described = described_home
    key = described["key"] | changed.get("key", {})
    (path / "home.json").write_text(json.dumps(described | changed | {"key": key}))
    with pytest.raises(StoreError):
        open_home(path, create=False, passphrase=PASSPHRASE, find_keyring=no_keyring)


def test_every_error_says_what_happened_and_what_to_do() -> None:
    kinds = StoreError.__subclasses__()
    assert {HomeFull, HomeReadOnly, HomeLocked, HomeDamaged} <= set(kinds)
    error = HomeDamaged("It is broken.", "Mend it.")
    assert (str(error), error.message, error.do) == ("It is broken.", "It is broken.", "Mend it.")


def test_a_home_is_closed_when_its_block_ends(tmp_path: Path) -> None:
    with pytest.raises(KeyError), new_home(tmp_path) as home:
        raise KeyError
    home.close()
    same_home(tmp_path).close()


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name != "lock"}
