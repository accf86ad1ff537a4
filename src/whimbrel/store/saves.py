"""Each change that the chat layer asks for, as the statements that make it. Runs inside the caller's transaction."""

from __future__ import annotations

from typing import Any, Final, assert_never

from whimbrel.chat.records import (
    AddMessage,
    AddOutbox,
    BeginVanishing,
    ChatRow,
    DeedRow,
    DropChat,
    DropDeed,
    DropOutbox,
    DropOutboxFor,
    EditMessage,
    EmptyChat,
    EmptyMessage,
    FileRow,
    ForgetMessage,
    ForgetOld,
    HideMessage,
    KeepPicture,
    MarkRead,
    MessageRow,
    OutboxRow,
    PutChat,
    PutChatSettings,
    PutContact,
    PutDeed,
    PutFact,
    PutFile,
    PutPicture,
    PutReceipt,
    ReceiptRow,
    Save,
    SetMessageSeq,
    SetMessageState,
    SetOutboxTime,
    ShortenVanishing,
)
from whimbrel.store.rows import UNREAD

# How far a message or a receipt has come, so that a step back can be told from a step forward.
_RANK: Final = (
    "CASE {} WHEN 'queued' THEN 1 WHEN 'sent' THEN 2 WHEN 'delivered' THEN 3 WHEN 'read' THEN 4 ELSE 0 END"
)
# When a message's own time ends that runs from a moment on, and whether it has one that does not run yet.
_ENDS: Final = "? + expires * 1000"
_TIMED: Final = "expires IS NOT NULL AND vanishes IS NULL"
_FORWARD: Final = f"(:state = 'failed' OR {_RANK.format(':state')} > {_RANK.format('state')})"

# To take one message's words out of the search index costs up to 1 ms. From so many on it is quicker to note that
# they are gone and to write the whole index anew, which also leaves nothing of them in it (10,000 of 20,000
# messages: 0.1 s instead of 2.6 s).
MANY_MESSAGES: Final = 500

# How many of a chat's newest messages are remembered as gone when all are removed. Only what nobody is known to have is
# ever offered again, and that is never much.
GONE_OF_A_CHAT: Final = 1000


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
        case EditMessage(id, text, edit, mentions, mentions_me, newer):
            cursor.execute(
                "UPDATE messages SET text = ?, edit = ?, mentions = ?, mentions_me = ?, newer = ?, deleted = 0"
                " WHERE id = ?",
                (text, edit, mentions, int(mentions_me), int(newer), id),
            )
        case HideMessage(id):
            cursor.execute("UPDATE messages SET text = '', deleted = 1 WHERE id = ?", (id,))
        case EmptyMessage(id):
            _empty_message(cursor, id)
        case ForgetMessage(id, chat, at):
            cursor.execute("INSERT OR IGNORE INTO gone (id, chat, at) VALUES (?, ?, ?)", (id, chat, at))
            _drop_what_belongs_to(cursor, id)
            cursor.execute("DELETE FROM messages WHERE id = ?", (id,))
        case EmptyChat(chat, at):
            _empty_chat(cursor, chat, at)
        case ForgetOld(before):
            cursor.execute("DELETE FROM gone WHERE at < ?", (before,))
            cursor.execute(
                "DELETE FROM deeds WHERE came < ? AND NOT EXISTS (SELECT 1 FROM messages WHERE id = target)",
                (before,),
            )
        case BeginVanishing(id, at):
            cursor.execute(f"UPDATE messages SET vanishes = {_ENDS} WHERE id = ? AND {_TIMED}", (at, id))
        case ShortenVanishing(now):
            cursor.execute(
                f"UPDATE messages SET vanishes = {_ENDS} WHERE vanishes > {_ENDS} AND expires IS NOT NULL",
                (now, now),
            )
        case PutDeed(row):
            _put_deed(cursor, row)
        case DropDeed(id):
            cursor.execute("DELETE FROM deeds WHERE id = ?", (id,))
        case PutChatSettings(row):
            cursor.execute(
                "REPLACE INTO chat_settings (chat, pinned, archived, muted, muted_until, unread_mark, draft)"
                " VALUES (?, ?, ?, ?, ?, ?, ?)",
                (
                    row.chat,
                    int(row.pinned),
                    int(row.archived),
                    int(row.muted),
                    row.muted_until,
                    int(row.unread_mark),
                    row.draft,
                ),
            )
        case PutFile(row):
            _put_file(cursor, row)
        case PutPicture(chat, id, data):
            cursor.execute("REPLACE INTO pictures (chat, id, data) VALUES (?, ?, ?)", (chat, id, data))
        case KeepPicture(chat, id):
            cursor.execute("DELETE FROM pictures WHERE chat = ? AND id IS NOT ?", (chat, id))
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
        case MarkRead(chat, up_to_n, at):
            _mark_read(cursor, chat, up_to_n, at)
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
        "INSERT INTO messages (id, chat, sender, mine, at, event, text, content, reply_to, state, seq,"
        " edit, deleted, forwarded, newer, mentions, mentions_me, expires, vanishes)"
        " SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19"
        " WHERE NOT EXISTS (SELECT 1 FROM gone WHERE id = ?1)"
        " ON CONFLICT (id) DO NOTHING RETURNING n",
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
            row.edit,
            int(row.deleted),
            int(row.forwarded),
            int(row.newer),
            row.mentions,
            int(row.mentions_me),
            row.expires,
            row.vanishes,
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
    _drop_messages(cursor, id)
    for table in ("outbox", "deeds", "gone", "chat_settings", "pictures"):
        cursor.execute(f"DELETE FROM {table} WHERE chat = ?", (id,))
    cursor.execute("DELETE FROM chats WHERE id = ?", (id,))


def _drop_messages(cursor: Any, chat: bytes) -> None:
    for table in ("receipts", "files"):
        cursor.execute(
            f"DELETE FROM {table} WHERE message IN (SELECT id FROM messages WHERE chat = ?)", (chat,)
        )
    cursor.execute("SELECT count(*) FROM messages WHERE chat = ?", (chat,))
    many = cursor.fetchone()[0] > MANY_MESSAGES
    if many:
        cursor.execute("INSERT INTO messages_fts (messages_fts, rank) VALUES ('secure-delete', 0)")
    cursor.execute("DELETE FROM messages WHERE chat = ?", (chat,))
    if many:
        cursor.execute("INSERT INTO messages_fts (messages_fts) VALUES ('optimize')")
        cursor.execute("INSERT INTO messages_fts (messages_fts, rank) VALUES ('secure-delete', 1)")


def _empty_chat(cursor: Any, chat: bytes, at: int) -> None:
    cursor.execute(
        "INSERT OR IGNORE INTO gone (id, chat, at) SELECT id, chat, ? FROM messages"
        f" WHERE chat = ? AND event IS NULL ORDER BY n DESC LIMIT {GONE_OF_A_CHAT}",
        (at, chat),
    )
    _drop_messages(cursor, chat)
    cursor.execute("DELETE FROM deeds WHERE chat = ?", (chat,))


def _empty_message(cursor: Any, id: bytes) -> None:
    """Own deletions that nobody is known to have are kept: they may have to be offered again."""
    cursor.execute("DELETE FROM files WHERE message = ?", (id,))
    cursor.execute("DELETE FROM deeds WHERE target = ? AND kind <> 'delete'", (id,))
    cursor.execute(
        "UPDATE messages SET text = '', content = x'', edit = NULL, reply_to = NULL, deleted = 1, forwarded = 0, newer = 0,"
        " mentions = x'', mentions_me = 0, state = CASE WHEN mine = 0 THEN 'read' ELSE state END WHERE id = ?",
        (id,),
    )


def _drop_what_belongs_to(cursor: Any, message: bytes) -> None:
    for table in ("receipts", "files"):
        cursor.execute(f"DELETE FROM {table} WHERE message = ?", (message,))
    cursor.execute("DELETE FROM deeds WHERE target = ?", (message,))


def _put_deed(cursor: Any, row: DeedRow) -> None:
    cursor.execute(
        "REPLACE INTO deeds (id, chat, target, sender, mine, kind, at, text, content, state, seq, came)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            row.id,
            row.chat,
            row.target,
            row.sender,
            int(row.mine),
            row.kind,
            row.at,
            row.text,
            row.content,
            row.state,
            row.seq,
            row.came,
        ),
    )


def _put_file(cursor: Any, row: FileRow) -> None:
    cursor.execute(
        "REPLACE INTO files (id, message, part, name, size, type, state, state_blob, blob, description, media)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            row.id,
            row.message,
            row.part,
            row.name,
            row.size,
            row.type,
            row.state,
            row.state_blob,
            row.blob,
            row.description,
            row.media,
        ),
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


def _mark_read(cursor: Any, chat: bytes, up_to_n: int, at: int) -> None:
    cursor.execute(
        f"UPDATE messages SET vanishes = {_ENDS} WHERE chat = ? AND n <= ? AND {UNREAD} AND {_TIMED}",
        (at, chat, up_to_n),
    )
    cursor.execute(
        f"UPDATE messages SET state = 'read' WHERE chat = ? AND n <= ? AND {UNREAD}", (chat, up_to_n)
    )
