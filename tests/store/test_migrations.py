"""Stores of every version that there was open in this one; one of a later version is left alone."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from make_store import KEY, MLS_ROWS, STORES, make
from sqlcipher3 import dbapi2 as sql

from support.store import BO, GROUP, PAIR, message_id, new_home, same_home
from whimbrel.chat.records import PutFact
from whimbrel.store import database as module
from whimbrel.store.database import Database, migrations
from whimbrel.store.errors import HomeNewer

VERSIONS = range(1, len(migrations()) + 1)

Steps = Callable[..., None]


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> Steps:
    """Pretend that these migrations follow the ones that there are."""

    def pretend(*further: str) -> None:
        monkeypatch.setattr(module, "migrations", lambda: (*migrations(), *further))

    return pretend


def test_there_is_a_store_of_every_version() -> None:
    assert sorted(int(path.stem) for path in STORES.glob("*.db")) == list(VERSIONS)


@pytest.mark.parametrize("version", VERSIONS)
def test_a_store_of_each_version_opens_with_everything_in_it(tmp_path: Path, version: int) -> None:
    path = Path(shutil.copy(STORES / f"{version}.db", tmp_path / "store.db"))
    database = Database(path, KEY)
    assert database._rows("PRAGMA user_version") == [(len(migrations()),)]
    assert database.facts() == {"account": b"\0\1\2"}
    assert [(chat.id, chat.name, chat.unread) for chat in database.chats()] == [
        (GROUP, "Birds", 1),
        (PAIR, "Bo", 1),
    ]
    assert [contact.account for contact in database.contacts()] == [BO]
    assert [row.text for row in database.messages(events=True)] == [
        "The whimbrel flies to Africa",
        "Café at nine?",
        '{"who":"Cy"}',
        "curlews",
    ]
    assert [row.n for row in database.search("cafe")] == [2]
    assert [row.n for row in database.search("curlews")] == [4]
    assert [(row.name, row.size) for row in database.files_of(message_id(2))] == [("chart.png", 2**33)]
    assert [(row.body, row.not_before) for row in database.outbox()] == [(b"body", 5)]
    assert [(row.account, row.state) for row in database.receipts_of(message_id(2))] == [(BO, "delivered")]
    assert [(row.sender, row.text) for row in database.deeds_to(message_id(4))] == (
        [(BO, "\N{BIRD}")] if version > 1 else []
    )
    assert database.is_gone(message_id(5)) == (version > 1)
    assert [settings.draft for settings in database.chat_settings().values()] == (
        ["to be said"] if version > 1 else []
    )
    assert database.picture(bytes(32)) == (b"picture" if version > 2 else None)
    assert sorted(database.mls_rows(b"group") + database.mls_rows(b"device")) == sorted(
        (key, value) for _, key, value in MLS_ROWS
    )
    database.close()


@pytest.mark.parametrize("version", VERSIONS)
def test_an_old_store_ends_up_with_the_tables_of_a_new_one(tmp_path: Path, version: int) -> None:
    """Also fails when the file of a version that was released is changed afterwards."""

    def tables(path: Path) -> list[object]:
        database = Database(path, KEY)
        found = database._rows("SELECT type, name, tbl_name, sql FROM sqlite_schema ORDER BY type, name")
        database.close()
        return found

    old = Path(shutil.copy(STORES / f"{version}.db", tmp_path / "old.db"))
    make(tmp_path / "new.db")
    assert tables(old) == tables(tmp_path / "new.db")


def test_a_migration_is_made_once_and_in_order(tmp_path: Path, steps: Steps) -> None:
    make(tmp_path / "store.db")
    steps(
        "CREATE TABLE words (word TEXT) STRICT; INSERT INTO words SELECT text FROM messages WHERE n = 1;",
        "INSERT INTO words SELECT upper(word) FROM words;",
    )
    for _ in range(2):
        database = Database(tmp_path / "store.db", KEY)
        assert database._rows("SELECT word FROM words") == [
            ("The whimbrel flies to Africa",),
            ("THE WHIMBREL FLIES TO AFRICA",),
        ]
        assert database._rows("PRAGMA user_version") == [(len(migrations()) + 2,)]
        database.close()


def test_a_migration_that_fails_changes_nothing_and_the_ones_before_it_stay(
    tmp_path: Path, steps: Steps
) -> None:
    make(tmp_path / "store.db")
    steps(
        "CREATE TABLE one (a) ;", "CREATE TABLE two (a); INSERT INTO two VALUES (1); SELECT * FROM nowhere;"
    )
    with pytest.raises(sql.OperationalError, match="nowhere"):
        Database(tmp_path / "store.db", KEY)
    steps("CREATE TABLE one (a) ;", "CREATE TABLE two (a, b);")
    database = Database(tmp_path / "store.db", KEY)
    assert database._rows("PRAGMA table_info(two)")[1][1] == "b"
    database.close()


def test_a_store_of_a_newer_version_is_left_as_it_is(tmp_path: Path, steps: Steps) -> None:
    new_home(tmp_path).close()
    steps("CREATE TABLE what_is_not_known_here (a);")
    with same_home(tmp_path) as home:
        home.database.commit([PutFact("name", b"Ada")])
    steps()
    before = (tmp_path / "store.db").read_bytes()
    with pytest.raises(HomeNewer) as raised:
        same_home(tmp_path)
    assert "newest version" in raised.value.do
    assert (tmp_path / "store.db").read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["home.json", "key", "lock", "store.db"]
    steps("CREATE TABLE what_is_not_known_here (a);")
    with same_home(tmp_path) as home:
        assert home.database.facts() == {"name": b"Ada"}


def test_the_files_of_the_schema_are_numbered_without_gaps() -> None:
    folder = Path(module.__file__).parent / "schema"
    assert sorted(path.name for path in folder.iterdir()) == [f"{n:04}.sql" for n in VERSIONS]
