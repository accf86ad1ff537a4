"""Messages and what happens between them, as they are told: many at a time, each with files, reactions and its quote."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, cast

from whimbrel.chat.extensions import unpack_mentions
from whimbrel.chat.person import Person
from whimbrel.chat.records import DeedRow, FileRow, MessageRow
from whimbrel.chat.troubles import text_of
from whimbrel.client.shapes import (
    EventItem,
    FileItem,
    MediaItem,
    MentionItem,
    MessageItem,
    QuoteItem,
    ReactionItem,
)
from whimbrel.client.views import moment, name_in
from whimbrel.store.reading import Last
from whimbrel.wire import cbor
from whimbrel.wire.errors import Malformed

if TYPE_CHECKING:
    from whimbrel.client.shell import Shell

QUOTED = 300
"""Characters of a quoted text at most."""

What = Literal["text", "picture", "video", "voice", "file", "deleted"]
_EVENT_DETAILS = ("seconds", "name", "before", "picture", "post", "add", "change")
"""What events say besides, by the names that the conversation gives it."""
_RIGHTS = ("admins", "everybody")


def row_items(shell: Shell, rows: Sequence[MessageRow]) -> list[MessageItem | EventItem]:
    """The items of these rows, in their order, from a few questions to the store."""
    person = shell.person
    assert person is not None, "rows belong to an account"
    store = shell.home.database
    messages = [row for row in rows if row.event is None]
    answered = {row.id: row for row in store.reading.messages_by_id(_quoted(messages))}
    ids = [row.id for row in messages]
    files = store.reading.files_of([*ids, *answered])
    reactions = store.reactions_to(ids)
    items: list[MessageItem | EventItem] = []
    for row in rows:
        if row.event is not None:
            items.append(event_item(person, row))
            continue
        item = message_item(person, row)
        item["files"] = [file_item(shell, file) for file in files.get(row.id, ())]
        item["reactions"] = reaction_items(reactions.get(row.id, ()))
        if row.reply_to is not None and not row.deleted:
            item["quote"] = quote_item(person, row, answered.get(row.reply_to), files)
        items.append(item)
    return items


def _quoted(rows: Iterable[MessageRow]) -> list[bytes]:
    return [row.reply_to for row in rows if row.reply_to is not None and not row.deleted]


def message_item(person: Person, row: MessageRow) -> MessageItem:
    """A message alone, without what hangs on it. Of one that is deleted nothing is told but that it was there."""
    name = name_in(person, row.sender)
    there = not row.deleted
    return {
        "id": row.id.hex(),
        "chat": row.chat.hex(),
        "n": row.n,
        "from": name,
        "sender": name,
        "person": row.sender.hex(),
        "mine": row.mine,
        "at": moment(row.at) or "",
        "text": row.text if there else "",
        "files": [],
        "reply_to": row.reply_to.hex() if row.reply_to is not None and there else None,
        "quote": None,
        "state": row.state,
        "edited": row.edit is not None and there,
        "deleted": row.deleted,
        "forwarded": row.forwarded and there,
        "newer": row.newer and there,
        "reactions": [],
        "mentions": mention_items(row.mentions) if there else [],
        "expires": row.expires,
        "vanishes": moment(row.vanishes) if row.vanishes is not None else None,
    }


def file_item(shell: Shell, row: FileRow) -> FileItem:
    item: FileItem = {
        "id": row.id.hex(),
        "name": row.name,
        "size": row.size,
        "type": row.type,
        "state": row.state,
        "done": row.size if row.state == "here" else min(shell.transfers.done(row.id), row.size),
        "description": row.description,
    }
    if row.media:
        item["media"] = media_item(row.media)
    if shell.transfers.is_paused(row.id):
        item["paused"] = True
    return item


def reaction_items(given: Iterable[DeedRow]) -> list[ReactionItem]:
    """One for each emoji, in the order in which they came."""
    found: dict[str, ReactionItem] = {}
    for deed in given:
        item = found.setdefault(deed.text, {"emoji": deed.text, "people": [], "mine": False})
        item["people"].append(deed.sender.hex())
        item["mine"] = item["mine"] or deed.mine
    return list(found.values())


def mention_items(packed: bytes) -> list[MentionItem]:
    return [
        {"start": one.start, "length": one.length, "person": one.account.hex()}
        for one in unpack_mentions(packed)
    ]


def media_item(kept: bytes) -> MediaItem:
    """What is known of a file, as its row keeps it."""
    return cast(MediaItem, json.loads(kept)) if kept else {}


def quote_item(
    person: Person, row: MessageRow, answered: MessageRow | None, files: Mapping[bytes, Sequence[FileRow]]
) -> QuoteItem:
    """What a message answers, as it is now. A message of another chat is none that it could answer."""
    assert row.reply_to is not None
    if answered is None or answered.chat != row.chat or answered.event is not None:
        return {
            "id": row.reply_to.hex(),
            "sender": "",
            "mine": False,
            "text": "",
            "what": "gone",
        }
    return {
        "id": answered.id.hex(),
        "sender": name_in(person, answered.sender),
        "mine": answered.mine,
        "text": "" if answered.deleted else answered.text[:QUOTED],
        "what": what_of(answered, files.get(answered.id, ())),
    }


def what_of(row: MessageRow | Last, files: Sequence[FileRow]) -> What:
    """What stands for a message in one line."""
    if row.deleted:
        return "deleted"
    if not files:
        return "text"
    first = files[0]
    kind = first.type.split("/", 1)[0].lower()
    if kind == "image":
        return "picture"
    if kind == "video":
        return "video"
    if kind == "audio" and media_item(first.media).get("voice"):
        return "voice"
    return "file"


def event_item(person: Person, row: MessageRow | Last) -> EventItem:
    """Something that happened: who did it and whom it was about."""
    name = name_in(person, row.sender)
    item: EventItem = {
        "event": row.event or "",
        "id": row.id.hex(),
        "chat": row.chat.hex(),
        "n": row.n,
        "from": name,
        "sender": name,
        "person_id": row.sender.hex(),
        "mine": row.mine,
        "at": moment(row.at) or "",
    }
    try:
        _, _, whom, _, _, *rest = cbor.decode(row.content)
    except (Malformed, ValueError):
        return item
    if rest and rest[0]:
        item["code"], item["text"] = rest[0], text_of(rest[0])
    names = [name_in(person, account) for account in whom]
    chat = person.chats.get(row.chat)
    item["people"], item["person"] = names, ", ".join(names)
    item["name"] = chat.name if chat is not None else ""
    more = rest[1] if len(rest) > 1 else ()
    details = {key: _as_told(key, value) for key, value in more if key in _EVENT_DETAILS}
    return cast(EventItem, {**item, **details})


def _as_told(key: str, value: Any) -> Any:
    if key in ("post", "add", "change"):
        return _RIGHTS[value]
    return value.hex() if isinstance(value, bytes) else value
