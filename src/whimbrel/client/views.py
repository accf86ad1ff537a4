"""How things are told: the JSON shapes of the commands, and nothing else."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from whimbrel.chat.contacts import Contact
from whimbrel.chat.conversation import Conversation
from whimbrel.chat.line_state import Standing
from whimbrel.chat.person import Person
from whimbrel.chat.records import ChatRow, FileRow, MessageRow
from whimbrel.chat.troubles import text_of, way_back
from whimbrel.wire import cbor
from whimbrel.wire.errors import Malformed

Item = dict[str, Any]


def moment(milliseconds: int) -> str | None:
    """RFC 3339 in UTC, to the millisecond; None for no time."""
    if milliseconds <= 0:
        return None
    at = datetime.fromtimestamp(milliseconds / 1000, UTC)
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def chat_item(row: ChatRow) -> Item:
    return {
        "id": row.id.hex(),
        "name": row.name,
        "kind": row.kind,
        "unread": row.unread,
        "last": moment(row.last_at),
    }


def contact_item(contact: Contact, row: ChatRow | None) -> Item:
    """A contact, with the chat that one has with them."""
    return {
        "id": contact.account.hex(),
        "name": contact.name,
        "kind": "pair",
        "unread": row.unread if row is not None else 0,
        "last": moment(row.last_at) if row is not None else None,
        "chat": row.id.hex() if row is not None else None,
        "standing": contact.standing,
        "verified": contact.verified,
        "came": contact.came,
    }


def message_item(person: Person, row: MessageRow, files: list[FileRow]) -> Item:
    return {
        "id": row.id.hex(),
        "chat": row.chat.hex(),
        "from": person.name_of(row.sender) or row.sender.hex()[:8],
        "mine": row.mine,
        "at": moment(row.at),
        "text": row.text,
        "files": [
            {"id": file.id.hex(), "name": file.name, "size": file.size, "type": file.type} for file in files
        ],
        "reply_to": row.reply_to.hex() if row.reply_to is not None else None,
        "state": row.state,
    }


def event_item(person: Person, row: MessageRow) -> Item:
    """Something that happened: who did it and whom it was about."""
    item: Item = {
        "event": row.event,
        "id": row.id.hex(),
        "chat": row.chat.hex(),
        "from": person.name_of(row.sender) or row.sender.hex()[:8],
        "mine": row.mine,
        "at": moment(row.at),
    }
    if row.event == "reaction":
        return item | {"text": row.text, "reply_to": row.reply_to.hex() if row.reply_to else None}
    try:
        _, _, whom, _, _, *rest = cbor.decode(row.content)
    except (Malformed, ValueError):
        return item
    if rest and rest[0]:
        item |= {"code": rest[0], "text": text_of(rest[0])}
    names = [person.name_of(account) or account.hex()[:8] for account in whom]
    chat = person.chats.get(row.chat)
    return item | {
        "person": ", ".join(names),
        "people": names,
        "name": chat.name if chat is not None else "",
    }


def lasting_troubles(person: Person) -> list[Item]:
    """What is wrong with conversations, as they remember it, and what happens next."""
    if person.retired:
        return [{"code": "retired", "text": text_of("retired"), "chat": None, "at": 0}]
    wrong: list[Item] = []
    if person.inbox.is_refused():
        text = "The relay does not take your inbox: nobody can let you in. Ask its owner for a place, or for a new invite."
        wrong.append({"code": "no-inbox", "text": text, "chat": None, "at": 0})
    for chat in person.chats.values():
        newest = chat.latest
        for line in chat.lines:
            code, standing = line.state.trouble, line.state.standing
            if not code or standing is Standing.CLOSED or (standing is Standing.LOST and line is not newest):
                continue
            text = f"{chat.name}: {text_of(code)}"
            if standing is Standing.LOST:
                text += " " + way_back(code, person.identity.account in line.roles.admins)
            wrong.append({"code": code, "text": text, "chat": chat.id, "at": line.state.lost.at})
        if chat.offered is not None:
            text = (
                f"{chat.name}: an admin moved it, and other people are in it there. "
                f"`whimbrel read --events` says who; `whimbrel move --agree` goes on with them."
            )
            wrong.append({"code": "move-offered", "text": text, "chat": chat.id, "at": 0})
    return wrong


def group_item(person: Person, chat: Conversation) -> Item:
    """A group: who is in it, and who is about to be."""
    line = chat.line or chat.latest
    members: list[Item] = []
    if line is not None:
        for account in line.accounts():
            members.append(_member(person, account, account in line.roles.admins, True))
    for row in chat.outbox:
        if row.kind == "add":
            members += [_member(person, joiner[0], False, False) for joiner in cbor.decode(row.body)]
    return {"id": chat.id.hex(), "name": chat.name, "members": members}


def _member(person: Person, account: bytes, admin: bool, present: bool) -> Item:
    name = person.name_of(account) or account.hex()[:8]
    return {
        "name": name,
        "role": "admin" if admin else "member",
        "present": present,
        "me": account == person.identity.account,
        "id": account.hex(),
    }
