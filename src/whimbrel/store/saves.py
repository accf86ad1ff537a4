"""Each change that the chat layer asks for, as the statements that make it. Runs inside the caller's transaction."""

from __future__ import annotations

from typing import Any, Final, assert_never

from whimbrel.chat.records import (
    AddMessage,
    AddOutbox,
    ChatRow,
    DropChat,
    DropOutbox,
    DropOutboxFor,
    EditMessage,
    FileRow,
    MarkRead,
    MessageRow,
    OutboxRow,
    PutChat,
    PutContact,
    PutFact,
    PutFile,
    PutReceipt,
    ReceiptRow,
    Save,
    SetMessageSeq,
    SetMessageState,
    SetOutboxTime,
)
from whimbrel.store.rows import UNREAD

# How far a message or a receipt has come, so that a step back can be told from a step forward.
_RANK: Final = (
    "CASE {} WHEN 'queued' THEN 1 WHEN 'sent' THEN 2 WHEN 'delivered' THEN 3 WHEN 'read' THEN 4 ELSE 0 END"
)
_FORWARD: Final = f"(:state = 'failed' OR {_RANK.format(':state')} > {_RANK.format('state')})"

# To take one message's words out of the search index costs up to 1 ms. From so many on it is quicker to note that
# they are gone and to write the whole index anew, which also leaves nothing of them in it (10,000 of 20,000
# messages: 0.1 s instead of 2.6 s).
MANY_MESSAGES: Final = 500


def apply(cursor: Any, save: Save) -> int | None:
    """Make one change. Gives the number of an added message, 0 for a double, None for all other changes."""
    match save:
        case AddMessage(row):
            return _add_message(cursor, row)
        case PutFact(name, None):
            cursor.execute("DELETE FROM facts WHERE name = ?", (name,))
        case PutFact(name, value):
            cursor.execute("REPLACE INTO facts (name, value) VALUES (?, ?)", (name, value))
        case PutChat(row):
            _put_chat(cursor, row)
        case DropChat(id):
            _drop_chat(cursor, id)
        case PutContact(row):
            cursor.execute(
                "REPLACE INTO contacts (account, name, state, standing) VALUES (?, ?, ?, ?)",
                (row.account, row.name, row.state, row.standing),
            )
        case SetMessageState(id, state):
            cursor.execute(
                f"UPDATE messages SET state = :state WHERE id = :id AND {_FORWARD}",
                {"id": id, "state": state},
            )
        case SetMessageSeq(id, seq):
            cursor.execute("UPDATE messages SET seq = ? WHERE id = ?", (seq, id))
        case EditMessage(id, text, content, state):
            cursor.execute(
                "UPDATE messages SET text = ?, content = ?, state = coalesce(?, state) WHERE id = ?",
                (text, content, state, id),
            )
        case PutFile(row):
            _put_file(cursor, row)
        case AddOutbox(row):
            _add_outbox(cursor, row)
        case DropOutbox(n):
            cursor.execute("DELETE FROM outbox WHERE n = ?", (n,))
        case DropOutboxFor(message):
            cursor.execute("DELETE FROM outbox WHERE message = ?", (message,))
        case SetOutboxTime(n, not_before):
            cursor.execute("UPDATE outbox SET not_before = ? WHERE n = ?", (not_before, n))
        case PutReceipt(row):
            _put_receipt(cursor, row)
        case MarkRead(chat, up_to_n):
            _mark_read(cursor, chat, up_to_n)
        case _:
            assert_never(save)
    return None


def put_mls(cursor: Any, scope: bytes, key: bytes, value: bytes | None) -> None:
    if value is None:
        cursor.execute("DELETE FROM mls WHERE scope = ? AND key = ?", (scope, key))
    else:
        cursor.execute("REPLACE INTO mls (scope, key, value) VALUES (?, ?, ?)", (scope, key, value))


def _add_message(cursor: Any, row: MessageRow) -> int:
    cursor.execute(
        "INSERT INTO messages (id, chat, sender, mine, at, event, text, content, reply_to, state, seq)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO NOTHING RETURNING n",
        (
            row.id,
            row.chat,
            row.sender,
            int(row.mine),
            row.at,
            row.event,
            row.text,
            row.content,
            row.reply_to,
            row.state,
            row.seq,
        ),
    )
    if (added := cursor.fetchone()) is None:
        return 0
    if row.event is None:
        # The newest message's time, not the latest time: a sender's clock that is days ahead does not hold a chat
        # at the top of the list for days.
        cursor.execute("UPDATE chats SET last_at = ? WHERE id = ?", (row.at, row.chat))
    n: int = added[0]
    return n


def _put_chat(cursor: Any, row: ChatRow) -> None:
    cursor.execute(
        "INSERT INTO chats (id, kind, name, state, last_at, hidden) VALUES (?1, ?2, ?3, ?4, coalesce("
        "(SELECT at FROM messages WHERE chat = ?1 AND event IS NULL ORDER BY n DESC LIMIT 1), ?5), ?6)"
        " ON CONFLICT (id) DO UPDATE SET kind = excluded.kind, name = excluded.name, state = excluded.state,"
        " hidden = excluded.hidden",
        (row.id, row.kind, row.name, row.state, row.last_at, int(row.hidden)),
    )


def _drop_chat(cursor: Any, id: bytes) -> None:
    for table in ("receipts", "files"):
        cursor.execute(
            f"DELETE FROM {table} WHERE message IN (SELECT id FROM messages WHERE chat = ?)", (id,)
        )
    cursor.execute("SELECT count(*) FROM messages WHERE chat = ?", (id,))
    many = cursor.fetchone()[0] > MANY_MESSAGES
    if many:
        cursor.execute("INSERT INTO messages_fts (messages_fts, rank) VALUES ('secure-delete', 0)")
    cursor.execute("DELETE FROM messages WHERE chat = ?", (id,))
    if many:
        cursor.execute("INSERT INTO messages_fts (messages_fts) VALUES ('optimize')")
        cursor.execute("INSERT INTO messages_fts (messages_fts, rank) VALUES ('secure-delete', 1)")
    cursor.execute("DELETE FROM outbox WHERE chat = ?", (id,))
    cursor.execute("DELETE FROM chats WHERE id = ?", (id,))


def _put_file(cursor: Any, row: FileRow) -> None:
    cursor.execute(
        "REPLACE INTO files (id, message, part, name, size, type, state, state_blob) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (row.id, row.message, row.part, row.name, row.size, row.type, row.state, row.state_blob),
    )


def _add_outbox(cursor: Any, row: OutboxRow) -> None:
    cursor.execute(
        "REPLACE INTO outbox (n, chat, kind, message, body, not_before) VALUES (?, ?, ?, ?, ?, ?)",
        (row.n or None, row.chat, row.kind, row.message, row.body, row.not_before),
    )


def _put_receipt(cursor: Any, row: ReceiptRow) -> None:
    forward = f"{_RANK.format('excluded.state')} > {_RANK.format('receipts.state')}"
    cursor.execute(
        "INSERT INTO receipts (message, account, state, at) VALUES (?, ?, ?, ?)"
        f" ON CONFLICT (message, account) DO UPDATE SET state = excluded.state, at = excluded.at WHERE {forward}",
        (row.message, row.account, row.state, row.at),
    )


def _mark_read(cursor: Any, chat: bytes, up_to_n: int) -> None:
    cursor.execute(
        f"UPDATE messages SET state = 'read' WHERE chat = ? AND n <= ? AND {UNREAD}", (chat, up_to_n)
    )
