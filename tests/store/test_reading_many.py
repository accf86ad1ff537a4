"""Many rows at a time: what the page asks of a store, by index, whatever the number."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from support.store import GROUP, PAIR, group_chat, message, message_id, pair_chat
from whimbrel.chat.records import (
    AddMessage,
    ChatRow,
    ChatSettingsRow,
    FileRow,
    PutChat,
    PutChatSettings,
    PutFile,
)
from whimbrel.store.database import Database
from whimbrel.store.reading import AT_ONCE, GLIMPSE, Reading

KEY = bytes(32)


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    (tmp_path / "store.db").touch()
    database = Database(tmp_path / "store.db", KEY, create=True)
    database.commit([PutChat(pair_chat()), PutChat(group_chat())])
    yield database
    database.close()


def test_more_ids_than_fit_one_statement_are_all_found(database: Database) -> None:
    count = 2 * AT_ONCE + 1
    database.commit([AddMessage(message(number)) for number in range(1, count + 1)])
    ids = [message_id(number) for number in range(count, 0, -1)]
    assert [row.id for row in database.reading.messages_by_id(ids)] == ids[::-1]
    assert database.reading.messages_by_id([]) == []
    assert len(database.reading.messages_by_id([ids[0], ids[0]])) == 1


def test_an_overview_has_what_a_list_shows(database: Database) -> None:
    long = "word " * 100
    database.commit(
        [
            AddMessage(message(1, at=100)),
            AddMessage(message(2, at=200, mine=True)),
            AddMessage(replace(message(3, at=300, text=long), mentions_me=True)),
            PutChatSettings(ChatSettingsRow(PAIR, pinned=True, draft="well")),
        ]
    )
    pair, group = database.reading.overviews()
    assert (pair.chat, pair.last_at, pair.unread, pair.first_unread) == (PAIR, 300, 2, message_id(1))
    assert pair.mentioned
    assert pair.last is not None
    assert (pair.last.id, pair.last.text) == (message_id(3), long[:GLIMPSE])
    assert pair.settings == ChatSettingsRow(PAIR, pinned=True, draft="well")
    assert (group.chat, group.last, group.unread, group.settings) == (GROUP, None, 0, ChatSettingsRow(GROUP))
    assert database.reading.overviews([GROUP]) == [group]
    assert database.reading.overviews([]) == []


def test_hidden_chats_are_not_listed(database: Database) -> None:
    database.commit([AddMessage(message(1)), PutChat(ChatRow(PAIR, "pair", "Bo", b"", hidden=True))])
    assert [row.chat for row in database.reading.overviews()] == [GROUP]
    assert database.reading.overviews([PAIR]) == []


def test_files_come_in_their_order_for_each_message(database: Database) -> None:
    def file(number: int, part: int) -> FileRow:
        return FileRow(
            bytes([number, part]) * 16, message_id(number), part, f"{part}.jpg", 5, "image/jpeg", "here"
        )

    files = [file(1, 1), file(2, 0), file(1, 0)]
    database.commit([AddMessage(message(1)), AddMessage(message(2)), *map(PutFile, files)])
    found = database.reading.files_of([message_id(1), message_id(2), message_id(3)])
    assert found == {message_id(1): [file(1, 0), file(1, 1)], message_id(2): [file(2, 0)]}


def test_no_question_looks_through_all_messages_or_files(database: Database) -> None:
    plans: list[tuple[str, str]] = []

    def explained(query: str, *values: Any) -> list[Any]:
        plans.extend((query, row[3]) for row in database._rows(f"EXPLAIN QUERY PLAN {query}", *values))
        return database._rows(query, *values)

    database.commit([AddMessage(message(number)) for number in range(1, 20)])
    reading = Reading(explained)
    reading.overviews()
    reading.overviews([PAIR, GROUP])
    reading.messages_by_id([message_id(1)])
    reading.files_of([message_id(1)])
    reading.answers_to([message_id(1)])
    reading.place_of(PAIR, message_id(1))
    reading.settings_of(PAIR)
    assert len(plans) > 10
    # The two indexes that may be walked hold only what is unread.
    walked = re.compile(
        r"SCAN (?!messages USING (COVERING )?INDEX messages_(unread|mentioning)|c\b|chats|chat_settings)"
    )
    assert [(query, plan) for query, plan in plans if walked.match(plan)] == []


def test_what_is_under_way_is_not_looked_for_among_all_files(database: Database) -> None:
    asked: list[str] = []
    usual = database._rows
    database._rows = lambda query, *values: (asked.append(query), usual(query, *values))[1]  # type: ignore[method-assign]
    database.files_under_way()
    [plan] = usual(f"EXPLAIN QUERY PLAN {asked[0]}")
    assert plan[3] == "SCAN files USING INDEX files_under_way"
