"""Rows of the database as the records of the chat layer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from whimbrel.chat.records import ChatRow, ContactRow, FileRow, MessageRow, OutboxRow, ReceiptRow

# One row as sqlcipher3 gives it; the columns are those named beside each function, in that order.
Columns = Sequence[Any]

UNREAD: Final = "mine = 0 AND event IS NULL AND state <> 'read'"  # in the words of the index messages_unread
CHAT: Final = (
    "id, kind, name, state, last_at,"
    f" (SELECT count(*) FROM messages WHERE chat = chats.id AND {UNREAD.replace('state', 'messages.state')}), hidden"
)
CONTACT: Final = "account, name, state, standing"
MESSAGE: Final = "n, id, chat, sender, mine, at, event, text, content, reply_to, state, seq"
FILE: Final = "id, message, part, name, size, type, state, state_blob"
OUTBOX: Final = "n, chat, kind, message, body, not_before"
RECEIPT: Final = "message, account, state, at"


def chat_of(columns: Columns) -> ChatRow:
    id, kind, name, state, last_at, unread, hidden = columns
    return ChatRow(id, kind, name, state, last_at, unread, bool(hidden))


def contact_of(columns: Columns) -> ContactRow:
    return ContactRow(*columns)


def message_of(columns: Columns) -> MessageRow:
    n, id, chat, sender, mine, at, event, text, content, reply_to, state, seq = columns
    return MessageRow(id, chat, sender, bool(mine), at, text, content, state, event, reply_to, seq, n)


def file_of(columns: Columns) -> FileRow:
    return FileRow(*columns)


def outbox_of(columns: Columns) -> OutboxRow:
    n, chat, kind, message, body, not_before = columns
    return OutboxRow(chat, kind, body, message, not_before, n)


def receipt_of(columns: Columns) -> ReceiptRow:
    return ReceiptRow(*columns)
