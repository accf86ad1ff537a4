"""Crashes, full disks, damage: what is there afterwards is a whole batch or none, and what is wrong is said."""

import os
import random
import resource
import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from support.store import (
    PAIR,
    message,
    message_id,
    new_home,
    pair_chat,
    program,
    same_home,
    texts,
    waiting,
)
from whimbrel.chat.records import (
    AddMessage,
    AddOutbox,
    DropOutboxFor,
    EditMessage,
    MessageRow,
    PutChat,
    PutFact,
    Save,
    SetMessageState,
)
from whimbrel.store.database import Database
from whimbrel.store.errors import HomeDamaged, HomeFull, HomeReadOnly, StoreError

# -- the program dies

WRITER = """
import sys
from pathlib import Path
from support.store import message, same_home, waiting, message_id
from whimbrel.chat.records import AddMessage, AddOutbox, PutFact
from whimbrel.store.home import open_home
from whimbrel.store.database import no_fault
import os, signal

path, die_at, batch = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
count = [0]
def fault(place):
    count[0] += place == die_at
    if count[0] == 3:
        os.kill(os.getpid(), signal.SIGKILL)

home = open_home(path, create=False, find_keyring=lambda interactive: None, fault=fault)
number = len(home.database.messages()) // batch
while True:
    number += 1
    rows = [message(number * 1000 + i, f"batch {number}") for i in range(batch)]
    home.database.commit(
        [PutFact("batches", b"%d" % number)]
        + [AddMessage(row) for row in rows]
        + [AddOutbox(waiting(b"%d" % number, message=rows[0].id))],
        [(b"group", b"state", b"%d" % number)],
    )
    print(number, flush=True)
"""


def whole_batches(path: Path, batch: int) -> int:
    """How many batches are there; fails when one is there in part."""
    with same_home(path) as home:
        number = int(home.database.facts().get("batches", b"0"))
        found = texts(home.database)
        assert found == [f"batch {n}" for n in range(1, number + 1) for _ in range(batch)]
        assert [row.body for row in home.database.outbox()] == [b"%d" % n for n in range(1, number + 1)]
        assert home.database.mls_rows(b"group") == ([(b"state", b"%d" % number)] if number else [])
        home.database._rows("INSERT INTO messages_fts (messages_fts, rank) VALUES ('integrity-check', 1)")
        assert home.database._rows("PRAGMA integrity_check") == [("ok",)]
        return number


@pytest.mark.processes
def test_a_program_killed_in_the_middle_of_its_commits_leaves_whole_batches(tmp_path: Path) -> None:
    new_home(tmp_path).close()
    chance = random.Random(7)
    before = 0
    for _ in range(8):
        writer = program(WRITER, tmp_path, "never", 20)
        assert writer.stdout is not None
        answered = [writer.stdout.readline() for _ in range(chance.randrange(1, 25))]
        writer.kill()
        answered += writer.stdout.readlines()
        writer.wait()
        last = max(int(line) for line in answered if line.endswith("\n"))
        there = whole_batches(tmp_path, 20)
        # What was answered is there; one more may be, that was written and not answered.
        assert before < last <= there <= last + 1
        before = there


@pytest.mark.processes
@pytest.mark.parametrize(("die_at", "there"), [("before-commit", 2), ("after-commit", 3)])
def test_the_commit_is_the_moment_at_which_a_batch_is_there(tmp_path: Path, die_at: str, there: int) -> None:
    new_home(tmp_path).close()
    writer = program(WRITER, tmp_path, die_at, 5)
    answered, _ = writer.communicate(timeout=60)
    assert writer.returncode == -signal.SIGKILL
    assert answered == "1\n2\n"
    assert whole_batches(tmp_path, 5) == there


@pytest.mark.processes
def test_a_home_whose_maker_was_killed_is_made_by_the_next_program(tmp_path: Path) -> None:
    making = (
        "import os, signal, sys; from pathlib import Path\n"
        "from whimbrel.store import home, disk\n"
        "step = [0]\n"
        "def die_after(function):\n"
        "    def dying(*arguments):\n"
        "        function(*arguments)\n"
        "        step[0] += 1\n"
        "        if step[0] == int(sys.argv[2]): os.kill(os.getpid(), signal.SIGKILL)\n"
        "    return dying\n"
        "home.keys.write_key_file = die_after(home.keys.write_key_file)\n"
        "home._write_description = die_after(home._write_description)\n"
        "home.sync_folder = die_after(home.sync_folder)\n"
        "home.open_home(Path(sys.argv[1]), create=True, find_keyring=lambda interactive: None)\n"
    )
    for step in (1, 2, 3, 4):
        path = tmp_path / str(step)
        maker = program(making, path, step)
        maker.communicate(timeout=60)
        assert maker.returncode == -signal.SIGKILL
        with new_home(path) as home:
            home.database.commit([PutFact("name", b"Ada")])
        with same_home(path) as home:
            assert home.database.facts() == {"name": b"Ada"}


# -- a model of the store, with faults

_numbers = some.integers(0, 5)
_saves = some.one_of(
    some.builds(lambda n, mine: AddMessage(message(n, mine=mine)), _numbers, some.booleans()),
    some.builds(
        lambda n, state: SetMessageState(message_id(n), state),
        _numbers,
        some.sampled_from(["queued", "sent", "delivered", "read", "failed"]),
    ),
    some.builds(lambda n, text: EditMessage(message_id(n), text, b""), _numbers, some.text(max_size=5)),
    some.builds(lambda n: AddOutbox(waiting(b"%d" % n, message=message_id(n))), _numbers),
    some.builds(lambda n: DropOutboxFor(message_id(n)), _numbers),
    some.builds(lambda n: PutFact("fact", b"%d" % n if n else None), _numbers),
)


class Model:
    """What the store should hold, said in a few lines of Python."""

    def __init__(self) -> None:
        self.messages: dict[bytes, tuple[str, str]] = {}
        self.outbox: list[bytes] = []
        self.fact: bytes | None = None

    def apply(self, save: Save) -> None:
        order = ["queued", "sent", "delivered", "read"]
        match save:
            case AddMessage(MessageRow(id=id, text=text, state=state)):
                self.messages.setdefault(id, (text, state))
            case SetMessageState(id, state) if id in self.messages:
                text, before = self.messages[id]
                if "failed" in (before, state) or order.index(state) > order.index(before):
                    self.messages[id] = (text, state)
            case EditMessage(id, text) if id in self.messages:
                self.messages[id] = (text, self.messages[id][1])
            case AddOutbox(row):
                self.outbox.append(row.message or b"")
            case DropOutboxFor(id):
                self.outbox = [waits for waits in self.outbox if waits != id]
            case PutFact(_, value):
                self.fact = value


class Fault(Exception):
    pass


@pytest.fixture(scope="module")
def folders() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp())
    yield folder
    shutil.rmtree(folder)


@settings(max_examples=60)
@given(some.lists(some.tuples(some.lists(_saves, max_size=8), some.booleans()), max_size=6))
def test_batches_that_fail_never_happened_and_the_others_did(
    folders: Path, batches: list[tuple[list[Save], bool]]
) -> None:
    failing = False

    def fault(place: str) -> None:
        if failing and place == "before-commit":
            raise Fault

    path = Path(tempfile.mkdtemp(dir=folders)) / "store.db"
    path.touch()
    database = Database(path, bytes(32), create=True, fault=fault)
    model = Model()
    for saves, failing in batches:
        if failing:
            with pytest.raises(Fault):
                database.commit(saves)
        else:
            database.commit(saves)
            for save in saves:
                model.apply(save)
    database.close()
    database = Database(path, bytes(32))
    assert {row.id: (row.text, row.state) for row in database.messages()} == model.messages
    assert [row.message for row in database.outbox()] == model.outbox
    assert database.facts().get("fact") == model.fact
    database._rows("INSERT INTO messages_fts (messages_fts, rank) VALUES ('integrity-check', 1)")
    database.close()


# -- the disk is full, or may not be written to

FILLER = """
import resource, sys
from pathlib import Path
from support.store import message, same_home
from whimbrel.chat.records import AddMessage
from whimbrel.store.errors import HomeFull

home = same_home(Path(sys.argv[1]))
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), resource.RLIM_INFINITY))
for number in range(1000):
    try:
        home.database.commit([AddMessage(message(number * 100 + i, f"batch {number}")) for i in range(10)])
    except HomeFull as error:
        print(number, error.do, flush=True)
        break
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
home.database.commit([AddMessage(message(999_999, "there is room again"))])
home.close()
"""


@pytest.mark.processes
def test_where_files_cannot_grow_nothing_is_half_written_and_it_goes_on_when_they_can(tmp_path: Path) -> None:
    new_home(tmp_path).close()
    filler = program(FILLER, tmp_path, 400_000)
    answer, _ = filler.communicate(timeout=60)
    assert filler.returncode == 0
    number, _, do = answer.partition(" ")
    assert int(number) > 1
    assert "room" in do
    with same_home(tmp_path) as home:
        wanted = [f"batch {n}" for n in range(int(number)) for _ in range(10)]
        assert texts(home.database) == [*wanted, "there is room again"]


def test_a_full_database_says_so_and_goes_on_when_there_is_room(tmp_path: Path) -> None:
    with new_home(tmp_path) as home:
        database = home.database
        (pages,) = database._rows("PRAGMA page_count")[0]
        database._rows(f"PRAGMA max_page_count = {pages + 2}")
        with pytest.raises(HomeFull):
            database.commit([AddMessage(message(n, "x" * 500)) for n in range(200)])
        assert database.messages() == []
        database._rows("PRAGMA max_page_count = 1000000")
        database.commit([AddMessage(message(1))])
        assert len(database.messages()) == 1


def test_a_home_cannot_be_made_where_there_is_no_room(tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (30_000, hard))
    try:
        with pytest.raises(HomeFull):
            new_home(tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    new_home(tmp_path).close()


READER = """
import os, sys
from pathlib import Path
from support.store import new_home, same_home
from whimbrel.store.database import migrations
from whimbrel.store.errors import StoreError

migrations()
if os.geteuid() == 0:  # root may write anywhere
    os.setgroups([]); os.setgid(65534); os.setuid(65534)
for open_it in (same_home, new_home):
    try:
        open_it(Path(sys.argv[1]))
    except StoreError as error:
        print(type(error).__name__)
"""


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """Every user can get here, also one without the rights of whoever runs the tests."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    yield folder
    for path in [folder, *folder.rglob("*")]:
        path.chmod(0o700)
    shutil.rmtree(folder)


@pytest.mark.processes
def test_a_folder_that_cannot_be_written_is_said_to_be_so(open_folder: Path) -> None:
    home = open_folder / "home"
    new_home(home).close()
    (home / "lock").unlink()
    if os.geteuid() == 0:
        for path in [home, *home.iterdir()]:
            os.chown(path, 65534, 65534)
    home.chmod(0o500)
    answer, _ = program(READER, home).communicate(timeout=60)
    assert answer.split() == ["HomeReadOnly", "HomeReadOnly"]


@pytest.mark.processes
def test_where_no_folder_can_be_made_a_home_cannot(open_folder: Path) -> None:
    open_folder.chmod(0o555)
    answer, _ = program(READER, open_folder / "home").communicate(timeout=60)
    assert answer.split() == ["HomeMissing", "HomeReadOnly"]


def test_a_database_that_cannot_be_written_is_said_to_be_so(tmp_path: Path) -> None:
    with new_home(tmp_path) as home:
        home.database._rows("PRAGMA query_only = ON")
        with pytest.raises(HomeReadOnly) as raised:
            home.database.commit([AddMessage(message(1))])
        assert "Nothing was changed" in raised.value.message


# -- what is on the disk is not what was written


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("written")
    with new_home(path) as home:
        home.database.commit([PutChat(pair_chat())])
        home.database.commit([AddMessage(message(n, f"whimbrel {n}")) for n in range(200)])
    return path


def copy_of(home: Path, to: Path) -> Path:
    shutil.copytree(home, to, dirs_exist_ok=True)
    to.chmod(0o700)
    return to


def read_everything(path: Path) -> list[str]:
    with same_home(path) as home:
        database = home.database
        assert len(database.chats()) == 1
        assert [row.text for row in database.search("whimbrel", limit=500)] == texts(database, PAIR)
        assert all(database.known_message(message_id(n)) for n in range(200))
        return texts(database)


def test_every_page_that_was_changed_is_noticed_and_never_read_as_something_else(
    written: Path, tmp_path: Path
) -> None:
    right = [f"whimbrel {n}" for n in range(200)]
    size = (written / "store.db").stat().st_size
    chance = random.Random(5)
    noticed = 0
    pages = range(0, size, 4096)
    for page in pages:
        home = copy_of(written, tmp_path / str(page))
        with open(home / "store.db", "r+b") as file:
            place = page + chance.randrange(4096)
            file.seek(place)
            old = file.read(1)
            file.seek(place)
            file.write(bytes([old[0] ^ 1 << chance.randrange(8)]))
        try:
            assert read_everything(home) == right
        except HomeDamaged:
            noticed += 1
    # Pages of tables that were not read (the empty ones) are the others.
    assert noticed >= len(pages) / 2


@pytest.mark.parametrize("size", [0, 1, 100, 4095, 4096, 5000, 40_960])
def test_a_database_that_was_cut_is_damaged_and_never_an_empty_home(
    written: Path, tmp_path: Path, size: int
) -> None:
    home = copy_of(written, tmp_path)
    os.truncate(home / "store.db", size)
    with pytest.raises(HomeDamaged):
        read_everything(home)
    assert (home / "store.db").stat().st_size == size


def test_a_database_replaced_by_something_else_is_damaged(written: Path, tmp_path: Path) -> None:
    home = copy_of(written, tmp_path)
    for content in (b"SQLite format 3\0" + bytes(8176), random.Random(1).randbytes(8192)):
        (home / "store.db").write_bytes(content)
        with pytest.raises(HomeDamaged):
            same_home(home)


def test_after_an_error_the_home_can_be_opened_by_the_next_program(written: Path, tmp_path: Path) -> None:
    home = copy_of(written, tmp_path)
    good = (home / "store.db").read_bytes()
    (home / "store.db").write_bytes(bytes(len(good)))
    with pytest.raises(StoreError):
        same_home(home)
    (home / "store.db").write_bytes(good)
    assert len(read_everything(home)) == 200
