"""What a home remembers: each change, alone and in batches."""

import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from support.store import (
    BO,
    GROUP,
    PAIR,
    group_chat,
    message,
    message_id,
    new_home,
    pair_chat,
    same_home,
    texts,
    waiting,
)
from whimbrel.chat.records import (
    AddMessage,
    AddOutbox,
    ChatRow,
    ContactRow,
    DropChat,
    DropOutbox,
    DropOutboxFor,
    EditMessage,
    FileRow,
    MarkRead,
    MessageState,
    PutChat,
    PutContact,
    PutFact,
    PutFile,
    PutReceipt,
    ReceiptRow,
    SetMessageSeq,
    SetMessageState,
    SetOutboxTime,
)
from whimbrel.store.database import Database, no_fault
from whimbrel.store.errors import Ambiguous


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    with new_home(tmp_path / "home") as home:
        home.database.commit([PutChat(pair_chat()), PutChat(group_chat())])
        yield home.database


# -- messages


def test_messages_come_back_as_they_were_in_the_order_in_which_they_were_added(database: Database) -> None:
    late = message(1, "ja", mine=True, at=5)
    full = replace(message(2, "né\0\n🎉", event=None), reply_to=late.id, seq=7, content=b"\0\xff")
    assert database.commit([AddMessage(late), AddMessage(full)]) == [1, 2]
    assert database.messages(PAIR) == [replace(late, n=1), replace(full, n=2)]


def test_a_double_vanishes_and_changes_nothing(database: Database) -> None:
    database.commit([AddMessage(message(1, "first"))])
    again = replace(message(1, "second"), chat=GROUP)
    first, other, second = database.commit([AddMessage(again), AddMessage(message(2)), AddMessage(again)])
    assert (first, second) == (0, 0)
    assert [row.n for row in database.messages()] == [1, other]
    assert texts(database) == ["first", "message 2"]
    assert database.known_message(message_id(1))
    assert not database.known_message(message_id(3))
    assert database.search("second") == []


def test_a_number_is_never_used_again(database: Database) -> None:
    database.commit([AddMessage(message(1)), AddMessage(message(2, chat=GROUP))])
    database.commit([DropChat(GROUP)])
    assert database.commit([AddMessage(message(3))]) == [3]


def test_a_page_is_the_newest_messages_or_the_first_after_one_or_the_newest_before_one(
    database: Database,
) -> None:
    database.commit([AddMessage(message(number)) for number in range(1, 11)])

    def numbers(**page: int) -> list[int]:
        return [row.n for row in database.messages(PAIR, **page)]

    assert numbers() == list(range(1, 11))
    assert numbers(limit=3) == [8, 9, 10]
    assert numbers(after_n=4, limit=3) == [5, 6, 7]
    assert numbers(before_n=4, limit=2) == [2, 3]
    assert numbers(after_n=2, before_n=5) == [3, 4]
    assert numbers(after_n=10) == numbers(limit=0) == []


def test_events_stand_between_the_messages_for_who_asks_for_them(database: Database) -> None:
    database.commit(
        [
            AddMessage(message(1, chat=GROUP)),
            AddMessage(message(2, '{"who":"Cy"}', chat=GROUP, event="joined")),
            AddMessage(message(3, chat=PAIR)),
        ]
    )
    assert [row.n for row in database.messages(GROUP)] == [1]
    assert [(row.n, row.event) for row in database.messages(GROUP, events=True)] == [(1, None), (2, "joined")]
    assert [row.n for row in database.messages(events=True)] == [1, 2, 3]


def test_a_message_is_found_by_its_id_and_by_the_beginning_of_it(database: Database) -> None:
    ids = [bytes([0xAB, 0xC0]) * 16, bytes([0xAB, 0xCF]) * 16, bytes([0xFF]) * 32]
    database.commit([AddMessage(replace(message(n), id=id)) for n, id in enumerate(ids)])
    assert database.message(ids[1]) == replace(message(1), id=ids[1], n=2)
    for beginning, n in (("abc0", 1), ("ABCF", 2), ("abcfa", 2), ("f", 3), ("ff" * 32, 3)):
        found = database.message(beginning)
        assert found is not None
        assert found.n == n
    for nothing in ("", "ac", "abd", "ff" * 33, "xyz", "0x", "a b", "é", "\0"):
        assert database.message(nothing) is None
    for several in ("a", "abc"):
        with pytest.raises(Ambiguous) as raised:
            database.message(several)
        assert raised.value.candidates == ids[:2]


@pytest.mark.parametrize(
    ("before", "asked", "after"),
    [
        ("queued", "sent", "sent"),
        ("queued", "read", "read"),
        ("sent", "delivered", "delivered"),
        ("delivered", "read", "read"),
        ("sent", "queued", "sent"),
        ("read", "delivered", "read"),
        ("read", "sent", "read"),
        ("queued", "failed", "failed"),
        ("delivered", "failed", "failed"),
        ("failed", "queued", "queued"),
        ("failed", "delivered", "delivered"),
    ],
)
def test_a_state_moves_forward_or_fails(
    database: Database, before: MessageState, asked: MessageState, after: MessageState
) -> None:
    database.commit([AddMessage(message(1, mine=True, state=before)), SetMessageState(message_id(1), asked)])
    found = database.message(message_id(1))
    assert found is not None
    assert found.state == after


def test_an_edit_changes_what_is_said_and_nothing_else(database: Database) -> None:
    database.commit([AddMessage(message(1, "the old words")), AddMessage(message(2))])
    database.commit([EditMessage(message_id(1), "new ones", b"new"), SetMessageSeq(message_id(1), 9)])
    assert database.message(message_id(1)) == replace(
        message(1, "new ones"), edit=b"new", seq=9, n=1, state="delivered"
    )
    database.commit([EditMessage(message_id(1), "the old words", None)])
    assert database.message(message_id(1)) == replace(message(1, "the old words"), seq=9, n=1)
    assert [row.n for row in database.search("old")] == [1]
    assert database.search("new") == []


# -- chats


def test_a_chat_knows_its_newest_message_and_how_many_are_unread(database: Database) -> None:
    database.commit(
        [
            AddMessage(message(1, at=100)),
            AddMessage(message(2, at=300)),
            AddMessage(message(3, at=200)),
            AddMessage(message(4, at=400, event="joined")),
            AddMessage(message(1, at=999)),
        ]
    )
    chat = database.chat(PAIR)
    assert chat == replace(pair_chat(), last_at=200, unread=3)
    database.commit([AddMessage(message(5, mine=True, at=500)), AddMessage(message(6, at=600, state="read"))])
    assert database.chat(PAIR) == replace(pair_chat(), last_at=600, unread=3)


def test_reading_marks_up_to_a_message_and_not_the_later_ones(database: Database) -> None:
    database.commit([AddMessage(message(number, mine=number == 3)) for number in range(1, 6)])
    assert database.unread_messages(PAIR, 4) == [message_id(1), message_id(2), message_id(4)]
    database.commit([MarkRead(PAIR, 4, 1_000)])
    assert database.unread_messages(PAIR, 5) == [message_id(5)]
    states = [row.state for row in database.messages(PAIR)]
    assert states == ["read", "read", "queued", "read", "delivered"]
    chat = database.chat(PAIR)
    assert chat is not None
    assert chat.unread == 1


def test_putting_a_chat_again_keeps_what_was_counted(database: Database) -> None:
    database.commit([AddMessage(message(1, at=100))])
    database.commit([PutChat(ChatRow(PAIR, "pair", "Bob", b"later", last_at=1, unread=9, hidden=True))])
    assert database.chat(PAIR) == ChatRow(PAIR, "pair", "Bob", b"later", last_at=100, unread=1, hidden=True)


def test_a_chat_put_after_its_first_messages_counts_them(database: Database) -> None:
    late = b"late" * 8
    database.commit(
        [AddMessage(message(1, chat=late, at=100)), PutChat(ChatRow(late, "pair", "Cy", b"", last_at=7))]
    )
    assert database.chat(late) == ChatRow(late, "pair", "Cy", b"", last_at=100, unread=1)


def test_the_chat_with_the_newest_message_comes_first(database: Database) -> None:
    database.commit([AddMessage(message(1, at=100)), AddMessage(message(2, chat=GROUP, at=200))])
    assert [chat.id for chat in database.chats()] == [GROUP, PAIR]
    database.commit([AddMessage(message(3, at=300))])
    assert [chat.id for chat in database.chats()] == [PAIR, GROUP]


@pytest.mark.parametrize("count", [3, 700], ids=["few messages", "many messages"])
def test_a_dropped_chat_takes_everything_of_it_along_and_nothing_else(database: Database, count: int) -> None:
    kept = message(10_000, "kept secret")
    database.commit([AddMessage(kept), PutFile(file(b"f0", kept.id)), AddOutbox(waiting(b"kept"))])
    for number in range(3):
        database.commit(
            [
                AddMessage(message(number, "xylophone", chat=GROUP)),
                PutFile(file(b"f%d" % (number + 1), message_id(number))),
                PutReceipt(ReceiptRow(message_id(number), BO, "read", 1)),
                AddOutbox(waiting(b"dropped", chat=GROUP)),
            ]
        )
    database.commit([AddMessage(message(number, "xylophone", chat=GROUP)) for number in range(3, count)])
    database.commit([DropChat(GROUP)])
    assert database.chat(GROUP) is None
    assert texts(database) == ["kept secret"]
    assert database.search("xylophone") == []
    assert [row.text for row in database.search("secret")] == ["kept secret"]
    assert database.file(b"f0") is not None
    assert database.file(b"f1") is None
    assert database.receipts_of(message_id(1)) == []
    assert [row.body for row in database.outbox()] == [b"kept"]
    check_index(database)


# -- the small tables


def test_facts_are_kept_replaced_and_forgotten(database: Database) -> None:
    database.commit([PutFact("account", b"1"), PutFact("name", b"Ada"), PutFact("account", b"2")])
    assert database.facts() == {"account": b"2", "name": b"Ada"}
    database.commit([PutFact("name", None), PutFact("never there", None)])
    assert database.facts() == {"account": b"2"}


def test_rows_of_mls_are_kept_by_scope_and_key(database: Database) -> None:
    database.commit([], [(b"g1", b"b", b"1"), (b"g1", b"a", b"2"), (b"g2", b"a", b"3"), (b"g1", b"b", b"4")])
    assert database.mls_rows(b"g1") == [(b"a", b"2"), (b"b", b"4")]
    assert database.mls_scopes() == [b"g1", b"g2"]
    database.commit([], [(b"g1", b"a", None), (b"g1", b"never there", None), (b"g2", b"a", None)])
    assert database.mls_rows(b"g1") == [(b"b", b"4")]
    assert database.mls_scopes() == [b"g1"]


def test_contacts_are_listed_by_name_and_change_their_standing(database: Database) -> None:
    bo, cy = ContactRow(BO, "Bo", b"b", "asking"), ContactRow(b"C" * 32, "Al", b"c", "contact")
    database.commit([PutContact(bo), PutContact(cy)])
    assert database.contacts() == [cy, bo]
    accepted = replace(bo, standing="contact", name="Aa")
    database.commit([PutContact(accepted)])
    assert database.contacts() == [accepted, cy]
    assert database.contact(BO) == accepted
    assert database.contact(b"nobody") is None


def test_files_are_listed_in_the_order_of_their_parts(database: Database) -> None:
    one = FileRow(b"1", message_id(1), 2, "b.txt", 2**40, "text/plain", "offered", b"")
    two = FileRow(b"2", message_id(1), 1, "a.jpg", 0, "image/jpeg", "coming", b"progress")
    other = FileRow(b"3", message_id(2), 1, "", 5, "", "going", b"")
    database.commit([PutFile(one), PutFile(two), PutFile(other)])
    assert database.files_of(message_id(1)) == [two, one]
    assert database.files_of(message_id(9)) == []
    assert {row.id for row in database.files_under_way()} == {b"2", b"3"}
    whole = replace(two, state="here", state_blob=b"")
    database.commit([PutFile(whole)])
    assert database.file(b"2") == whole
    assert [row.id for row in database.files_under_way()] == [b"3"]


def test_what_waits_leaves_in_order_and_not_before_its_time(database: Database) -> None:
    database.commit(
        [
            AddOutbox(waiting(b"a", message=message_id(1))),
            AddOutbox(waiting(b"b", chat=GROUP, not_before=50)),
            AddOutbox(waiting(b"c", not_before=10)),
        ]
    )

    def bodies(**which: int | bytes) -> list[bytes]:
        return [row.body for row in database.outbox(**which)]

    assert bodies() == [b"a", b"b", b"c"]
    assert bodies(now=10) == [b"a", b"c"]
    assert bodies(now=9, chat=PAIR) == [b"a"]
    first, second, third = database.outbox()
    assert first == replace(waiting(b"a", message=message_id(1)), n=first.n)

    database.commit([SetOutboxTime(first.n, 99), AddOutbox(replace(second, body=b"B"))])
    assert bodies() == [b"a", b"B", b"c"]
    assert bodies(now=50) == [b"B", b"c"]

    database.commit([DropOutboxFor(message_id(1)), DropOutbox(third.n)])
    assert bodies() == [b"B"]
    database.commit([AddOutbox(waiting(b"d"))])
    assert database.outbox()[-1].n > third.n


def test_a_receipt_never_says_less_than_before(database: Database) -> None:
    ada, bo = b"A" * 32, BO
    database.commit(
        [
            PutReceipt(ReceiptRow(message_id(1), bo, "read", 5)),
            PutReceipt(ReceiptRow(message_id(1), bo, "delivered", 6)),
            PutReceipt(ReceiptRow(message_id(1), ada, "delivered", 7)),
            PutReceipt(ReceiptRow(message_id(1), ada, "read", 8)),
        ]
    )
    assert database.receipts_of(message_id(1)) == [
        ReceiptRow(message_id(1), bo, "read", 5),
        ReceiptRow(message_id(1), ada, "read", 8),
    ]


# -- batches


def test_a_batch_that_fails_in_the_middle_changes_nothing(database: Database) -> None:
    too_large = replace(message(2), at=2**63)
    with pytest.raises(OverflowError):
        database.commit(
            [PutFact("seen", b"1"), AddMessage(message(1)), AddMessage(too_large)], [(b"g", b"k", b"v")]
        )
    assert database.facts() == {}
    assert database.messages() == []
    assert database.mls_rows(b"g") == []
    assert database.commit([AddMessage(message(1))]) == [1]


def test_who_reads_in_another_thread_sees_whole_batches_only(database: Database) -> None:
    seen: set[int] = set()
    done = threading.Event()

    def read() -> None:
        while not done.is_set():
            seen.add(len(database.messages()))

    reader = threading.Thread(target=read)
    reader.start()
    for batch in range(30):
        database.commit([AddMessage(message(batch * 20 + n)) for n in range(20)])
    done.set()
    reader.join()
    assert len(seen) > 2
    assert {count % 20 for count in seen} == {0}


def test_a_test_can_stop_the_program_before_and_after_a_commit(tmp_path: Path) -> None:
    class Stop(BaseException):
        pass

    places: list[str] = []
    stop_at = ""

    def fault(place: str) -> None:
        places.append(place)
        if place == stop_at:
            raise Stop

    with new_home(tmp_path) as home:
        key = (tmp_path / "key").read_text()
        assert home.database._fault is no_fault
    database = Database(tmp_path / "store.db", bytes.fromhex(key), fault=fault)
    stop_at = "before-commit"
    with pytest.raises(Stop):
        database.commit([PutFact("one", b"1")])
    assert database.facts() == {}
    stop_at = "after-commit"
    with pytest.raises(Stop):
        database.commit([PutFact("two", b"2")])
    assert database.facts() == {"two": b"2"}
    assert places == ["before-commit", "before-commit", "after-commit"]
    database.close()


def test_everything_is_there_after_closing_and_opening(tmp_path: Path) -> None:
    with new_home(tmp_path) as home:
        home.database.commit([PutChat(pair_chat()), AddMessage(message(1))], [(b"g", b"k", b"v")])
        before = home.database.messages(), home.database.chats()
    with same_home(tmp_path) as home:
        assert (home.database.messages(), home.database.chats()) == before
        assert home.database.mls_rows(b"g") == [(b"k", b"v")]


def test_the_database_is_opened_as_durable_and_as_discreet_as_it_should_be(database: Database) -> None:
    settings = {"journal_mode": "wal", "synchronous": 2, "secure_delete": 1, "locking_mode": "exclusive"}
    for setting, wanted in settings.items():
        assert database._rows(f"PRAGMA {setting}") == [(wanted,)], setting
    assert int(database._rows("PRAGMA temp_store")[0][0]) == 2


def test_nothing_of_what_is_written_stands_in_clear_on_the_disk(tmp_path: Path) -> None:
    with new_home(tmp_path) as home:
        row = replace(message(1, "meet me at the lighthouse"), content=b"the content in full")
        home.database.commit(
            [
                PutChat(replace(pair_chat(), name="Bo the keeper")),
                AddMessage(row),
                PutFile(replace(file(b"1", row.id), name="chart of the bay.png")),
            ]
        )
        while_open = everything_in(tmp_path)
    for on_disk in (while_open, everything_in(tmp_path)):
        assert len(on_disk) > 50_000
        for secret in (b"lighthouse", b"content in full", b"keeper", b"chart of", b"SQLite format", row.id):
            assert secret not in on_disk


def test_words_that_were_edited_away_leave_the_search_index(database: Database) -> None:
    def in_index(word: bytes) -> bool:
        return any(word in block for (block,) in database._rows("SELECT block FROM messages_fts_data"))

    database.commit([AddMessage(message(1, "xylophone")), AddMessage(message(2, "zeppelin"))])
    assert in_index(b"xylophone")
    database.commit([EditMessage(message_id(1), "", b"")])
    assert not in_index(b"xylophone")
    assert in_index(b"zeppelin")
    check_index(database)


def file(id: bytes, message: bytes) -> FileRow:
    return FileRow(id, message, 1, "a.txt", 1, "text/plain", "here", b"")


def check_index(database: Database) -> None:
    """Raises when the search index and the messages do not agree."""
    database._rows("INSERT INTO messages_fts (messages_fts, rank) VALUES ('integrity-check', 1)")


def everything_in(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())
