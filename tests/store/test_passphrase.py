"""A passphrase that is chosen or changed later: which places open the home afterwards, also after a crash in the middle."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from whimbrel.chat.records import PutFact
from whimbrel.store import disk, home, keys
from whimbrel.store.errors import HomeKeyMissing, HomeKeyWrong
from whimbrel.store.home import Home, open_home

CHEAP = keys.Argon2Cost(passes=1, memory_kib=64, lanes=1)


@pytest.fixture(autouse=True)
def cheap(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keys, "RECOMMENDED_COST", CHEAP)


class Ring:
    """A keyring, perhaps one that does not answer."""

    def __init__(self) -> None:
        self.kept: dict[tuple[str, str], str] = {}
        self.works = True

    def _answer(self) -> None:
        if not self.works:
            raise RuntimeError("the keyring is locked")

    def get_password(self, service: str, username: str) -> str | None:
        self._answer()
        return self.kept.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        self._answer()
        self.kept[service, username] = password

    def delete_password(self, service: str, username: str) -> None:
        self._answer()
        del self.kept[service, username]


def opened(path: Path, passphrase: str | None = None, ring: Ring | None = None, create: bool = False) -> Home:
    found = open_home(path, create=create, passphrase=passphrase, find_keyring=lambda interactive: ring)
    if create:
        found.database.commit([PutFact("what was kept", b"before")])
    assert found.database.facts()["what was kept"] == b"before"
    return found


def refuses(path: Path, passphrase: str | None, ring: Ring | None = None) -> bool:
    try:
        opened(path, passphrase, ring).close()
    except (HomeKeyWrong, HomeKeyMissing):
        return True
    return False


def test_from_a_key_file_to_a_passphrase_and_to_another_one(tmp_path: Path) -> None:
    path = tmp_path / "home"
    with opened(path, create=True) as ada:
        key = (path / "key").read_bytes().strip()
        ada.set_passphrase(None, "a rope and a boat")
        assert ada.key_place == "passphrase"
        assert "passphrase" in ada.where_the_key_is
        assert not (path / "key").exists()
        assert key not in (path / "home.json").read_bytes()
        ada.database.commit([PutFact("it goes on", b"")])
    assert refuses(path, None)
    assert refuses(path, "another one")
    with opened(path, "a rope and a boat") as ada:
        with pytest.raises(HomeKeyWrong):
            ada.set_passphrase("a rope", "two oars")
        with pytest.raises(HomeKeyWrong):
            ada.set_passphrase(None, "two oars")
        ada.check_passphrase("a rope and a boat")
        ada.set_passphrase("a rope and a boat", "two oars")
        ada.check_passphrase("two oars")
        with pytest.raises(HomeKeyWrong):
            ada.check_passphrase("a rope and a boat")
    assert refuses(path, "a rope and a boat")
    opened(path, "two oars").close()


def test_each_passphrase_has_a_salt_of_its_own(tmp_path: Path) -> None:
    salts = set()
    with opened(tmp_path / "home", create=True) as ada:
        for old, new in (
            (None, "the same one"),
            ("the same one", "the same one"),
            ("the same one", "the same one"),
        ):
            ada.set_passphrase(old, new)
            salts.add(json.loads((tmp_path / "home" / "home.json").read_text())["key"]["salt"])
    assert len(salts) == 3


def test_out_of_the_keyring(tmp_path: Path) -> None:
    ring, path = Ring(), tmp_path / "home"
    with opened(path, ring=ring, create=True) as ada:
        assert ada.key_place == "keyring"
        ada.set_passphrase(None, "a rope and a boat")
        assert not ada.old_key_is_left
    assert ring.kept == {}
    assert refuses(path, None, ring)
    opened(path, "a rope and a boat", ring).close()


def test_a_keyring_that_keeps_silent_is_emptied_by_a_later_start(tmp_path: Path) -> None:
    ring, path = Ring(), tmp_path / "home"
    with opened(path, ring=ring, create=True) as ada:
        take = keys.take_from_keyring
        key = take(ring, ada.id, False)
        ring.works = False
        with pytest.raises(HomeKeyMissing):
            ada.set_passphrase(None, "a rope and a boat")
        assert ada.key_place == "keyring"
        ring.works = True

        class OneWay(Ring):
            def delete_password(self, service: str, username: str) -> None:
                raise RuntimeError("not now")

        one_way = OneWay()
        one_way.kept = ring.kept
        ada._find_keyring = lambda interactive: one_way
        ada.set_passphrase(None, "a rope and a boat")
        assert ada.old_key_is_left
    assert ring.kept
    assert refuses(path, None, ring), "the place that is being left opens nothing"
    opened(path, "a rope and a boat", ring).close()
    assert ring.kept == {}
    with opened(path, "a rope and a boat", ring) as ada:
        assert not ada.old_key_is_left
    assert len(key) == 32


class Crash(BaseException):
    """The program is gone."""


def steps(monkeypatch: pytest.MonkeyPatch, at: int) -> Callable[[], int]:
    """Lets the program die before step `at` of what is written or removed. Gives how many steps there were."""
    count = 0

    def step() -> None:
        nonlocal count
        count += 1
        if count == at:
            raise Crash

    for module, name in (
        (disk, "write_whole"),
        (disk, "sync_folder"),
        (home, "write_whole"),
        (home, "write_whole_over_a_secret"),
        (home, "destroy"),
    ):
        usual = getattr(module, name)

        def counted(*given: object, usual: Callable[..., None] = usual) -> None:
            step()
            usual(*given)
            step()

        monkeypatch.setattr(module, name, counted)
    return lambda: count


def test_after_a_crash_at_any_step_exactly_one_of_the_two_opens_it(tmp_path: Path) -> None:
    at, total = 0, 1
    ended = set()
    while at < total:
        at += 1
        path = tmp_path / str(at)
        ada = opened(path, create=True)
        with pytest.MonkeyPatch.context() as patch:
            count = steps(patch, at)
            try:
                ada.set_passphrase(None, "a rope and a boat")
            except Crash:
                total = at + 1
            else:
                total = count()
        ada.close()
        by_file = not refuses(path, None)
        assert not refuses(path, "a rope and a boat"), at
        assert by_file == (path / "key").exists(), "what opens nothing any more is not left lying about"
        ended.add(by_file)
    assert at > 5
    assert ended == {True, False}


def test_a_changed_passphrase_after_a_crash_at_any_step(tmp_path: Path) -> None:
    at, total = 0, 1
    ended = set()
    while at < total:
        at += 1
        path = tmp_path / str(at)
        ada = opened(path, "the first one", create=True)
        with pytest.MonkeyPatch.context() as patch:
            count = steps(patch, at)
            try:
                ada.set_passphrase("the first one", "the second one")
            except Crash:
                total = at + 1
            else:
                total = count()
        ada.close()
        first, second = not refuses(path, "the first one"), not refuses(path, "the second one")
        assert first != second, at
        ended.add(first)
    assert ended == {True, False}
