"""Chats as a list shows them: from what the engine holds of them and one overview of the store, without asking MLS."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Literal

from whimbrel.chat.conversation import Conversation
from whimbrel.chat.glance import Glance
from whimbrel.chat.person import Person
from whimbrel.chat.records import ChatSettingsRow, FileRow
from whimbrel.client.message_views import event_item, what_of
from whimbrel.client.shapes import ChatItem, PreviewItem
from whimbrel.client.views import moment, name_in
from whimbrel.store.reading import Last, Overview, Reading

if TYPE_CHECKING:
    from whimbrel.client.shell import Shell

Standing = Literal["open", "asked", "left", "removed", "lost", "move-offered", "blocked"]


def chat_items(shell: Shell, chats: Sequence[bytes] | None = None) -> list[ChatItem]:
    """All chats that are shown, or those of these, as `told` puts them in order."""
    person, reading = shell.person, shell.home.database.reading
    if person is None:
        return []
    rows = told(reading.overviews(chats))
    files = files_of_last(reading, rows)
    now = shell.now()
    return [chat_item(person, row, files, now) for row in rows if row.chat in person.chats]


def told(rows: Iterable[Overview]) -> list[Overview]:
    """In the order of the list: pinned ones first, and the one with the newest message before the others."""
    return sorted(rows, key=lambda row: (not row.settings.pinned, -row.last_at, row.chat))


def files_of_last(reading: Reading, rows: Iterable[Overview]) -> dict[bytes, list[FileRow]]:
    """The files of the newest message of each."""
    return reading.files_of(row.last.id for row in rows if row.last is not None and row.last.has_files)


def chat_item(person: Person, row: Overview, files: dict[bytes, list[FileRow]], now: int) -> ChatItem:
    chat = person.chats[row.chat]
    peer = person.contacts.get(chat.peer) if chat.peer is not None else None
    standing = standing_of(person, chat)
    glance, settings = chat.glance(), row.settings
    muted = is_muted(settings, now)
    is_open = standing == "open"
    last = moment(row.last_at)
    return {
        "id": row.chat.hex(),
        "name": name_of(person, chat),
        "kind": chat.kind,
        "unread": row.unread,
        "last": last,
        "preview": preview_item(person, row, row.last, files, last) if row.last is not None else None,
        "person": chat.peer.hex() if chat.peer is not None else None,
        "verified": peer is not None and peer.verified,
        "standing": standing,
        "pinned": settings.pinned,
        "archived": settings.archived,
        "muted": muted,
        "muted_until": moment(settings.muted_until) if muted else None,
        "unread_mark": settings.unread_mark,
        "mentioned": row.mentioned,
        "draft": settings.draft,
        "first_unread": row.first_unread.hex() if row.first_unread is not None else None,
        "timer": glance.timer if glance is not None else 0,
        "picture": picture_of(person, chat, glance),
        "members": glance.members if glance is not None else 1,
        "may_post": is_open and (glance is None or glance.may_post),
        "may_add": is_open and chat.kind == "group" and glance is not None and glance.may_add,
        "may_change": is_open and glance is not None and glance.may_change,
        "admin": chat.kind == "group" and glance is not None and glance.admin,
    }


def picture_of(person: Person, chat: Conversation, glance: Glance | None) -> str | None:
    """The group's picture, once it is here."""
    if glance is None or not glance.picture or glance.picture not in person.desk.pictures(chat.id):
        return None
    return glance.picture.hex()


def name_of(person: Person, chat: Conversation) -> str:
    """A chat of two is called as the other person is."""
    return (person.name_of(chat.peer) if chat.peer is not None else "") or chat.name


def standing_of(person: Person, chat: Conversation) -> Standing:
    """How things stand between this account and a chat."""
    peer = person.contacts.get(chat.peer) if chat.peer is not None else None
    if peer is not None and peer.standing == "blocked":
        return "blocked"
    if chat.offered is not None:
        return "move-offered"
    if chat.left:
        return "left"
    if chat.kind == "self" or chat.line is not None:
        return "open"
    if chat.lost is not None:
        return "lost"
    if chat.latest is None or (peer is not None and peer.standing == "asked"):
        return "asked"
    return "removed"


def is_muted(settings: ChatSettingsRow, now: int) -> bool:
    """Muted for good, or for a while that is not over."""
    return settings.muted and (not settings.muted_until or now < settings.muted_until)


def preview_item(
    person: Person, chat: Overview, row: Last, files: dict[bytes, list[FileRow]], at: str | None
) -> PreviewItem:
    """`at`: when the chat's newest message was sent, in words; nearly always that is this one."""
    item: PreviewItem = {
        "id": row.id.hex(),
        "n": row.n,
        "at": (at if row.at == chat.last_at else moment(row.at)) or "",
        "sender": name_in(person, row.sender),
        "mine": bool(row.mine),
        "text": "" if row.deleted else row.text,
        "what": "event",
        "state": row.state,
    }
    if row.event is not None:
        item["event"] = event_item(person, row)
    else:
        item["what"] = what_of(row, files.get(row.id, ()))
    return item
