"""How things are told: the JSON shapes of the commands, and nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from whimbrel.chat.contacts import Contact
from whimbrel.chat.conversation import Conversation
from whimbrel.chat.line_state import Standing
from whimbrel.chat.person import Person
from whimbrel.chat.troubles import text_of, way_back
from whimbrel.client.shapes import ContactItem, GroupItem, MemberItem, RequestItem, Right, WhyNotAdded
from whimbrel.crypto.leaf import EVERYBODY, Roles
from whimbrel.store.reading import Overview
from whimbrel.wire import cbor

Item = dict[str, Any]


def moment(milliseconds: int) -> str | None:
    """RFC 3339 in UTC, to the millisecond; None for no time."""
    if milliseconds <= 0:
        return None
    day, rest = divmod(milliseconds, 86_400_000)
    seconds, rest = divmod(rest, 1000)
    minutes, seconds = divmod(seconds, 60)
    return f"{_day(day)}T{minutes // 60:02}:{minutes % 60:02}:{seconds:02}.{rest:03}Z"


@lru_cache(maxsize=512)
def _day(number: int) -> str:
    """The date so many days after the first of 1970: a list asks for the same ones over and over."""
    return datetime.fromtimestamp(number * 86_400, UTC).isoformat()[:10]


def milliseconds(moment: str) -> int:
    """The time that RFC 3339 writes so; without an offset it is meant in UTC. Raises ValueError."""
    try:
        at = datetime.fromisoformat(moment)
        return int((at if at.tzinfo is not None else at.replace(tzinfo=UTC)).timestamp() * 1000)
    except OverflowError:
        raise ValueError(f"{moment} is out of reach") from None


def name_in(person: Person, account: bytes) -> str:
    """What somebody is called; the beginning of the account key of whom nobody has introduced."""
    return person.name_of(account) or account.hex()[:8]


def contact_item(contact: Contact, row: Overview | None, groups: Sequence[bytes]) -> ContactItem:
    """A contact, with the chat and the groups that one has together."""
    return {
        "id": contact.account.hex(),
        "name": contact.name,
        "kind": "pair",
        "unread": row.unread if row is not None else 0,
        "last": moment(row.last_at) if row is not None else None,
        "chat": row.chat.hex() if row is not None else None,
        "standing": contact.standing,
        "verified": contact.verified,
        "came": contact.came,
        "groups": [group.hex() for group in groups],
        "cannot_be_added": why_not_added(contact),
    }


def why_not_added(contact: Contact) -> WhyNotAdded | None:
    """Why somebody cannot be brought into a group now, as far as that is known without trying."""
    if contact.standing == "asked" or contact.standing == "blocked":
        return contact.standing
    if contact.stock:
        return None
    card = contact.opened_card()
    return None if card is not None and card.key_packages else "no-key-package"


def request_item(contact: Contact) -> RequestItem:
    return {
        "id": contact.account.hex(),
        "name": contact.name,
        "text": contact.text,
        "came": contact.came,
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


def group_item(person: Person, chat: Conversation) -> GroupItem:
    """A group: what it is like, who is in it, and who is about to be."""
    line = chat.line or chat.latest
    roles = line.roles if line is not None else Roles((person.identity.account,))
    members: list[MemberItem] = []
    if line is not None:
        for account in line.accounts():
            members.append(_member(person, account, account in roles.admins, True))
    for row in chat.outbox:
        if row.kind == "add":
            members += [_member(person, joiner[0], False, False) for joiner in cbor.decode(row.body)]
    picture = roles.picture.hash if roles.picture is not None else b""
    return {
        "id": chat.id.hex(),
        "name": chat.name,
        "members": members,
        "post": _right(roles.may_post),
        "add": _right(roles.may_add),
        "change": _right(roles.may_change),
        "timer": roles.timer,
        "picture": picture.hex() if picture in person.desk.pictures(chat.id) else None,
    }


def _right(right: int) -> Right:
    return "everybody" if right == EVERYBODY else "admins"


def _member(person: Person, account: bytes, admin: bool, present: bool) -> MemberItem:
    contact = person.contacts.get(account)
    return {
        "name": name_in(person, account),
        "role": "admin" if admin else "member",
        "present": present,
        "me": account == person.identity.account,
        "id": account.hex(),
        "verified": contact is not None and contact.verified,
        "contact": contact is not None and contact.standing == "contact",
        "blocked": contact is not None and contact.standing == "blocked",
    }
