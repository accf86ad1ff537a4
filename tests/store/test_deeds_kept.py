"""What the store makes of deeds, of messages that go, and of how chats are kept."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from support.store import BO, GROUP, PAIR, group_chat, message, message_id, new_home, pair_chat
from whimbrel.chat.records import (
    AddMessage,
    BeginVanishing,
    ChatSettingsRow,
    DeedRow,
    DropChat,
    DropDeed,
    EditMessage,
    EmptyChat,
    EmptyMessage,
    FileRow,
    ForgetMessage,
    ForgetOld,
    HideMessage,
    MarkRead,
    PutChat,
    PutChatSettings,
    PutDeed,
    PutFile,
    PutReceipt,
    ReceiptRow,
    ShortenVanishing,
)
from whimbrel.store.database import Database

CY = b"C" * 32


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    with new_home(tmp_path) as home:
        home.database.commit([PutChat(pair_chat()), PutChat(group_chat())])
        yield home.database


def deed(number: int, target: int, **more: object) -> DeedRow:
    row = DeedRow(
        b"deed %d" % number, PAIR, message_id(target), BO, False, "reaction", number, "!", b"c", "sent", 1, 5
    )
    return replace(row, **more)  # type: ignore[arg-type]


def file(id: bytes, target: int, blob: bytes = b"") -> PutFile:
    return PutFile(
        FileRow(id, message_id(target), 1, "chart of the bay.png", 1, "image/png", "here", b"the key", blob)
    )


def all_of(database: Database) -> bytes:
    """Everything in every table, the search index as well."""
    tables = [name for (name,) in database._rows("SELECT name FROM sqlite_schema WHERE type = 'table'")]
    assert "messages_fts_data" in tables
    rows = [row for name in tables for row in database._rows(f"SELECT * FROM {name}")]
    return b"\n".join(
        value if isinstance(value, bytes) else str(value).encode() for row in rows for value in row
    )


SECRETS = (b"lighthouse", b"in full", b"edited since", b"chart of", b"the key", b"thumbs up")


@pytest.fixture
def told(database: Database) -> Database:
    """A message with everything that can hang on one."""
    row = replace(message(1, "meet at the lighthouse"), content=b"said in full", expires=60)
    database.commit(
        [
            AddMessage(row),
            AddMessage(message(2, "another one")),
            EditMessage(row.id, "the old lighthouse", b"edited since"),
            file(b"f", 1, b"blob"),
            PutDeed(deed(1, 1, text="thumbs up")),
            PutReceipt(ReceiptRow(row.id, BO, "read", 9)),
        ]
    )
    assert all(secret in all_of(database) for secret in SECRETS)
    return database


def test_of_a_message_that_is_forgotten_nothing_stays_but_that_it_is_gone(told: Database) -> None:
    told.commit([ForgetMessage(message_id(1), PAIR, 7)])
    assert not [secret for secret in SECRETS if secret in all_of(told)]
    assert told.is_gone(message_id(1))
    assert [row.id for row in told.messages()] == [message_id(2)]
    assert told.commit([AddMessage(message(1, "meet at the lighthouse"))]) == [0]
    assert [row.id for row in told.messages()] == [message_id(2)]


def test_a_message_deleted_for_everyone_keeps_its_place_and_nothing_else(told: Database) -> None:
    told.commit([EmptyMessage(message_id(1))])
    assert not [secret for secret in SECRETS if secret in all_of(told)]
    row = told.message(message_id(1))
    assert row is not None
    assert (row.n, row.deleted, row.text, row.content, row.state) == (1, True, "", b"", "read")
    assert not told.is_gone(message_id(1))
    assert {chat.id: chat.unread for chat in told.chats()} == {PAIR: 1, GROUP: 0}


def test_of_a_chat_that_is_cleared_nothing_stays(told: Database) -> None:
    told.commit([AddMessage(message(3, chat=GROUP)), EmptyChat(PAIR, 7)])
    assert not [secret for secret in SECRETS if secret in all_of(told)]
    assert [row.id for row in told.messages()] == [message_id(3)]
    assert told.is_gone(message_id(1))
    assert {chat.id for chat in told.chats()} == {PAIR, GROUP}


def test_a_dropped_chat_takes_its_deeds_settings_and_what_is_gone_along(told: Database) -> None:
    told.commit(
        [
            PutChatSettings(ChatSettingsRow(PAIR, draft="never said")),
            PutChatSettings(ChatSettingsRow(GROUP, pinned=True)),
            PutDeed(deed(9, 99)),
            ForgetMessage(message_id(2), PAIR, 7),
            DropChat(PAIR),
        ]
    )
    assert not [secret for secret in (*SECRETS, b"never said") if secret in all_of(told)]
    assert told.chat_settings() == {GROUP: ChatSettingsRow(GROUP, pinned=True)}
    assert told.deeds_to(message_id(99)) == []
    assert not told.is_gone(message_id(2))


def test_a_hidden_message_can_be_shown_again(database: Database) -> None:
    database.commit([AddMessage(message(1, "the heron")), HideMessage(message_id(1))])
    row = database.message(message_id(1))
    assert row is not None
    assert (row.deleted, row.text, row.content) == (True, "", b"content 1")
    assert database.search("heron") == []
    database.commit([EditMessage(message_id(1), "the heron", None)])
    assert database.message(message_id(1)) == replace(message(1, "the heron"), n=1)
    assert len(database.search("heron")) == 1


def test_of_each_person_the_last_reaction_to_each_message_is_told(database: Database) -> None:
    rows = [
        deed(1, 1, text="a"),
        deed(2, 1, sender=CY, text="b"),
        deed(3, 1, text="c"),
        deed(4, 2, text="d"),
        deed(5, 2, text=""),
        deed(6, 3, text="e", kind="edit"),
    ]
    database.commit([PutDeed(row) for row in rows])
    found = database.reactions_to([message_id(n) for n in range(1, 5)])
    assert found == {message_id(1): [rows[1], rows[2]]}
    assert database.deeds_to(message_id(1)) == [rows[0], rows[1], rows[2]]
    assert database.deed(b"deed 6") == rows[5]
    database.commit([DropDeed(b"deed 3", message_id(1))])
    assert database.reactions_to([message_id(1)]) == {message_id(1): [rows[0], rows[1]]}
    assert database.reactions_to([]) == {}


def test_own_deeds_that_nobody_is_known_to_have_are_told(database: Database) -> None:
    rows = [deed(n, n, mine=True, state=state) for n, state in enumerate(("queued", "sent", "delivered"))]
    database.commit([PutDeed(row) for row in (*rows, deed(7, 1))])
    assert database.own_deeds(PAIR) == rows[:2]
    assert database.own_deeds(GROUP) == []


def test_a_time_runs_from_the_first_moment_that_it_is_told(database: Database) -> None:
    timed = replace(message(1), expires=60)
    fixed = replace(message(2), vanishes=5_000)
    database.commit([AddMessage(timed), AddMessage(fixed), AddMessage(message(3))])
    database.commit([BeginVanishing(message_id(n), 1_000) for n in (1, 2, 3)])
    database.commit([BeginVanishing(message_id(1), 9_000), MarkRead(PAIR, 3, 10_000)])
    assert [row.vanishes for row in database.messages()] == [61_000, 5_000, None]
    assert database.next_vanishing() == 5_000
    assert [row.id for row in database.vanished(61_000, 9)] == [message_id(2), message_id(1)]
    assert [row.id for row in database.vanished(61_000, 1)] == [message_id(2)]
    assert database.vanished(4_999, 9) == []


def test_reading_begins_the_time_of_what_was_not_read(database: Database) -> None:
    rows = [replace(message(n, state=state), expires=60) for n, state in ((1, "delivered"), (2, "read"))]
    database.commit([AddMessage(row) for row in rows])
    database.commit([AddMessage(replace(message(3, mine=True), expires=60)), MarkRead(PAIR, 9, 1_000)])
    assert [row.vanishes for row in database.messages()] == [61_000, None, None]


def test_a_clock_that_was_set_back_shortens_what_would_stay_too_long(database: Database) -> None:
    rows = [
        replace(message(1), expires=60, vanishes=10**12),
        replace(message(2), expires=60, vanishes=30_000),
        replace(message(3), vanishes=10**12),
    ]
    database.commit([AddMessage(row) for row in rows])
    assert database.vanishing_late(1_000)
    database.commit([ShortenVanishing(1_000)])
    assert [row.vanishes for row in database.messages()] == [61_000, 30_000, 10**12]
    assert not database.vanishing_late(1_000)


def test_what_is_gone_for_long_and_deeds_to_nothing_are_forgotten(database: Database) -> None:
    database.commit([AddMessage(message(n)) for n in (1, 2, 3)])
    database.commit([ForgetMessage(message_id(1), PAIR, 10), ForgetMessage(message_id(2), PAIR, 20)])
    database.commit([PutDeed(deed(1, 3)), PutDeed(deed(2, 77)), PutDeed(deed(3, 78, came=20))])
    assert not database.has_old(5)
    assert database.has_old(15)
    database.commit([ForgetOld(15)])
    assert [database.is_gone(message_id(n)) for n in (1, 2)] == [False, True]
    assert [bool(database.deeds_to(message_id(n))) for n in (3, 77, 78)] == [True, False, True]
    assert not database.has_old(15)


def test_files_and_messages_are_told_many_at_a_time(database: Database) -> None:
    database.commit([AddMessage(message(n)) for n in (1, 2)])
    database.commit([file(b"f", 1, b"blob"), file(b"g", 2, b"blob"), file(b"h", 2, b"other")])
    ids = [message_id(n) for n in (1, 2, 3)]
    assert {id: len(files) for id, files in database.files_of_all(ids).items()} == {ids[0]: 1, ids[1]: 2}
    assert sorted(database.messages_with(b"blob")) == sorted(ids[:2])
    assert database.messages_with(b"none") == []
    assert set(database.messages_by_id(ids)) == set(ids[:2])
    assert {row.id for row in database.files_of_chat(PAIR)} == {b"f", b"g", b"h"}


def test_reactions_that_were_rows_among_the_messages_become_deeds(tmp_path: Path) -> None:
    """A store of version 1 with a reaction in it, as it was kept then, and a file whose blob stands in its transfer."""
    from whimbrel.chat.attachments import Transfer
    from whimbrel.store import database as module

    path, key = tmp_path / "store.db", bytes(32)
    path.touch()
    first, everything = module.migrations()[:1], module.migrations
    try:
        module.migrations = lambda: first  # type: ignore[assignment]
        old = Database(path, key, create=True)
    finally:
        module.migrations = everything
    old._connection.execute(
        "INSERT INTO messages (id, chat, sender, mine, at, event, text, content, reply_to, state, seq)"
        " VALUES (x'01', x'02', x'03', 0, 9, 'reaction', '!', x'04', x'05', 'delivered', 6)"
    )
    transfer = Transfer(b"c" * 32, b"r" * 32, b"B" * 32, b"k" * 32, 5, b"h" * 32)
    old._connection.execute(
        "INSERT INTO files VALUES (x'01', x'05', 0, 'a', 5, 'b', 'here', ?)", (transfer.encode(),)
    )
    old.close()
    new = Database(path, key)
    assert new.messages(events=True) == []
    (reaction,) = new.deeds_to(b"\5")
    assert (reaction.id, reaction.sender, reaction.text, reaction.at) == (b"\1", b"\3", "!", 9)
    assert new.messages_with(b"B" * 32) == [b"\5"]
    new.close()
