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

# How far a message or a receipt has come, so that a step back can be told from a step forward.
_RANK: Final = (
    "CASE {} WHEN 'queued' THEN 1 WHEN 'sent' THEN 2 WHEN 'delivered' THEN 3 WHEN 'read' THEN 4 ELSE 0 END"
)
_FORWARD: Final = f"(:state = 'failed' OR {_RANK.format(':state')} > {_RANK.format('state')})"
_UNREAD: Final = "mine = 0 AND event IS NULL AND state <> 'read'"


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
        unread = int(not row.mine and row.state != "read")
        cursor.execute(
            "UPDATE chats SET last_at = ?, unread = unread + ? WHERE id = ?", (row.at, unread, row.chat)
        )
    n: int = added[0]
    return n


def _put_chat(cursor: Any, row: ChatRow) -> None:
    cursor.execute(
        "INSERT INTO chats (id, kind, name, state, last_at, unread, hidden) VALUES (?, ?, ?, ?, ?, ?, ?)"
        " ON CONFLICT (id) DO UPDATE SET kind = excluded.kind, name = excluded.name, state = excluded.state,"
        " hidden = excluded.hidden",
        (row.id, row.kind, row.name, row.state, row.last_at, row.unread, int(row.hidden)),
    )


def _drop_chat(cursor: Any, id: bytes) -> None:
    for table in ("receipts", "files"):
        cursor.execute(
            f"DELETE FROM {table} WHERE message IN (SELECT id FROM messages WHERE chat = ?)", (id,)
        )
    for table in ("messages", "outbox"):
        cursor.execute(f"DELETE FROM {table} WHERE chat = ?", (id,))
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
        f"UPDATE messages SET state = 'read' WHERE chat = ? AND n <= ? AND {_UNREAD}", (chat, up_to_n)
    )
    cursor.execute(
        f"UPDATE chats SET unread = (SELECT count(*) FROM messages WHERE chat = ?1 AND {_UNREAD}) WHERE id = ?1",
        (chat,),
    )
