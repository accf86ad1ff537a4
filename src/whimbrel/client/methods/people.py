"""People: invites, requests, contacts, safety numbers."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Literal

from whimbrel.chat.acceptances import Acceptance
from whimbrel.chat.invite_keys import key_of
from whimbrel.client.embedded import note_of, reach_of
from whimbrel.client.errors import WRONG_USE, ServiceError
from whimbrel.client.lookup import find_contact
from whimbrel.client.safety import check_code, code_of
from whimbrel.client.shapes import (
    AcceptedItem,
    BlockItem,
    InviteItem,
    NameItem,
    RequestAnswerItem,
    RequestItem,
    VerifyItem,
)
from whimbrel.client.views import request_item
from whimbrel.crypto.accounts import pair_id, safety_number
from whimbrel.wire.errors import NotOurText, OtherText, TextAltered, TextCut, TextError, TextNewer
from whimbrel.wire.texts import parse_invite

if TYPE_CHECKING:
    from whimbrel.client.service import Service

_NOT_OPENED: Mapping[type[TextError], str] = {
    NotOurText: "invite-not",
    TextCut: "invite-cut",
    TextAltered: "invite-damaged",
    TextNewer: "invite-newer",
    OtherText: "invite-other",
}
"""Why a pasted text is no invite that can be opened, for programs."""
ACCEPT_WAIT = 10.0
"""Seconds that `accept` waits for the relay at least: opening an invite takes a few exchanges."""


async def invite(
    service: Service, open: bool = False, where: Literal["network"] | None = None
) -> AsyncIterator[InviteItem]:
    """An invite to give to somebody: for one person, or open to whoever has it. `where` "network": for somebody on this network;
    the relay in this home is opened to it first, if that is where one's inbox is."""
    service.person()
    home = service.relay_of_inbox()
    if where is not None and home is not None and home.embedded:
        await service.open_to_network()
    made = await service.shell.do(
        lambda person, now, fx: (
            person.doors.invites.make_open(now, fx) if open else person.doors.invites.make(now, fx)
        )
    )
    there = await service.shell.settle(service.wait or 5.0)
    home = service.relay_of_inbox()
    item: InviteItem = {"invite": made.text, "reach": reach_of(home) if home is not None else "this-computer"}
    notes = [] if there else ["It works as soon as your relay was reached; that happens by itself."]
    if home is not None and (note := note_of(home)) is not None:
        notes.append(note)
    if notes:
        item["note"] = " ".join(notes)
    yield item


async def accept(service: Service, invite: str, text: str = "") -> AsyncIterator[AcceptedItem]:
    """Open somebody's invite."""
    service.person()
    try:
        parsed = parse_invite(invite)
    except TextError as error:
        code = _NOT_OPENED.get(type(error), "invite")
        raise ServiceError(code, str(error), "Copy the whole invite, or ask for a new one.") from None
    await service.shell.do(lambda person, now, fx: person.doors.accept(parsed, text, now, fx))
    key = key_of(parsed)

    def stands() -> Acceptance:
        return service.person().doors.acceptances.all[key]

    await service.shell.until(lambda: stands().stage not in ("card", "claim"), max(service.wait, ACCEPT_WAIT))
    acceptance = stands()
    if acceptance.stage in ("used", "failed"):
        raise ServiceError(f"invite-{acceptance.stage}", acceptance.why, "Ask for a new invite.")
    if acceptance.stage == "done":  # an app stays up: one can write at once, and the rest goes by itself
        await service.shell.settle(service.wait)
    item: AcceptedItem = {"chat": acceptance.chat.hex() or None, "name": acceptance.name}
    if acceptance.stage != "done":
        item["state"] = "asked" if acceptance.stage == "asked" else "queued"
    yield item


async def requests(
    service: Service, action: str | None = None, name: str | None = None
) -> AsyncIterator[RequestItem | RequestAnswerItem]:
    """Contacts that ask; accept or refuse one."""
    person = service.person()
    if action is None:
        for contact in person.contacts.values():
            if contact.standing == "asking":
                yield request_item(contact)
        return
    if name is None:
        raise ServiceError("name", f"Whose request is to be {action}ed?", "Give the name.", WRONG_USE)
    asking = find_contact(person, name, ("asking",))
    if action == "refuse":
        refused = replace(asking, standing="refused")
        await service.shell.do(lambda person, now, fx: person.put_contact(refused, fx))
        yield {"name": asking.name, "state": "refused"}
        return
    if action != "accept":
        raise ServiceError("action", f"A request cannot be {action}ed.", "accept or refuse it.", WRONG_USE)
    id = pair_id(person.identity.account, asking.account)
    contact = replace(asking, standing="contact")
    await service.shell.do(lambda person, now, fx: person.make_pair(contact, id, now, fx))
    await service.shell.settle(service.wait or 5.0)
    yield {"chat": id.hex(), "name": asking.name}


async def verify(
    service: Service, name: str, confirm: bool = False, code: str | None = None
) -> AsyncIterator[VerifyItem]:
    """The safety number that both see; with `confirm` it was compared; `code`: what was scanned from their screen is compared."""
    person = service.person()
    contact = find_contact(person, name)
    own = person.identity.account
    if code is not None:
        check_code(person, contact, code)
    if (confirm or code is not None) and not contact.verified:
        contact = replace(contact, verified=True)
        await service.shell.do(lambda person, now, fx: person.put_contact(contact, fx))
    yield {
        "name": contact.name,
        "safety_number": safety_number(own, contact.account),
        "verified": contact.verified,
        "code": code_of(own, contact.account),
    }


EVERY_STANDING = ("contact", "asked", "known", "asking", "refused", "blocked")


async def block(service: Service, person: str) -> AsyncIterator[BlockItem]:
    """Hear nothing more from somebody: no messages in the chat of two, no requests, no groups. In common groups they are heard."""
    account = find_contact(service.person(), person, EVERY_STANDING).account
    await service.shell.do(lambda person, now, fx: person.acquaintances.block(account, fx))
    yield _nearness(service, account)


async def unblock(service: Service, person: str) -> AsyncIterator[BlockItem]:
    """Hear from somebody again who was blocked."""
    account = find_contact(service.person(), person, ("blocked",)).account
    await service.shell.do(lambda person, now, fx: person.acquaintances.unblock(account, fx))
    yield _nearness(service, account)


def _nearness(service: Service, account: bytes) -> BlockItem:
    contact = service.person().contacts[account]
    return {
        "id": account.hex(),
        "name": contact.name,
        "standing": contact.standing,
        "blocked": contact.standing == "blocked",
    }


async def rename(service: Service, name: str) -> AsyncIterator[NameItem]:
    """Be called otherwise: all who have a chat with this account are told."""
    service.person()
    await service.shell.do(lambda person, now, fx: person.acquaintances.rename(name, now, fx))
    await service.shell.settle(service.wait or 2.0)
    identity = service.person().identity
    yield {"name": identity.name, "account": identity.account.hex()}
