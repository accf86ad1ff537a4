"""Rows of the database as the records of the chat layer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from whimbrel.chat.records import (
    ChatRow,
    ChatSettingsRow,
    ContactRow,
    DeedRow,
    FileRow,
    MessageRow,
    OutboxRow,
    ReceiptRow,
)

# One row as sqlcipher3 gives it; the columns are those named beside each function, in that order.
Columns = Sequence[Any]

UNREAD: Final = "mine = 0 AND event IS NULL AND state <> 'read'"  # in the words of the index messages_unread
CHAT: Final = (
    "id, kind, name, state, last_at,"
    f" (SELECT count(*) FROM messages WHERE chat = chats.id AND {UNREAD.replace('state', 'messages.state')}), hidden"
)
CONTACT: Final = "account, name, state, standing"
MESSAGE: Final = (
    "n, id, chat, sender, mine, at, event, text, content, reply_to, state, seq,"
    " edit, deleted, forwarded, newer, mentions, mentions_me, expires, vanishes"
)
FILE: Final = "id, message, part, name, size, type, state, state_blob, blob, description, media"
DEED: Final = "id, chat, target, sender, mine, kind, at, text, content, state, seq, came"
CHAT_SETTINGS: Final = "chat, pinned, archived, muted, muted_until, unread_mark, draft"
OUTBOX: Final = "n, chat, kind, message, body, not_before"
RECEIPT: Final = "message, account, state, at"


def chat_of(columns: Columns) -> ChatRow:
    id, kind, name, state, last_at, unread, hidden = columns
    return ChatRow(id, kind, name, state, last_at, unread, bool(hidden))


def contact_of(columns: Columns) -> ContactRow:
    return ContactRow(*columns)


def message_of(columns: Columns) -> MessageRow:
    n, id, chat, sender, mine, at, event, text, content, reply_to, state, seq, edit, *marks = columns
    deleted, forwarded, newer, mentions, mentions_me, expires, vanishes = marks
    return MessageRow(
        id=id,
        chat=chat,
        sender=sender,
        mine=bool(mine),
        at=at,
        text=text,
        content=content,
        state=state,
        event=event,
        reply_to=reply_to,
        seq=seq,
        n=n,
        edit=edit,
        deleted=bool(deleted),
        forwarded=bool(forwarded),
        newer=bool(newer),
        mentions=mentions,
        mentions_me=bool(mentions_me),
        expires=expires,
        vanishes=vanishes,
    )


def deed_of(columns: Columns) -> DeedRow:
    id, chat, target, sender, mine, *rest = columns
    return DeedRow(id, chat, target, sender, bool(mine), *rest)


def chat_settings_of(columns: Columns) -> ChatSettingsRow:
    chat, pinned, archived, muted, muted_until, unread_mark, draft = columns
    return ChatSettingsRow(
        chat, bool(pinned), bool(archived), bool(muted), muted_until, bool(unread_mark), draft
    )


def file_of(columns: Columns) -> FileRow:
    return FileRow(*columns)


def outbox_of(columns: Columns) -> OutboxRow:
    n, chat, kind, message, body, not_before = columns
    return OutboxRow(chat, kind, body, message, not_before, n)


def receipt_of(columns: Columns) -> ReceiptRow:
    return ReceiptRow(*columns)
