"""What a contact, or somebody in one group with us, has on their disk of the others whom we know: nothing."""

from __future__ import annotations

import cbor2

from support.secrets_of_homes import octets, strings
from support.village import Village, Villager


def everything_in(home: Villager) -> bytes:
    """All values in somebody's store, one after the other, taken apart as far as they are made of others."""
    database = home.home.database
    tables = [name for (name,) in database._rows("SELECT name FROM sqlite_master WHERE type = 'table'")]
    found: list[bytes] = []
    for table in tables:
        for row in database._rows(f"SELECT * FROM {table}"):
            found += [
                value.encode() if isinstance(value, str) else value
                for value in row
                if isinstance(value, str | bytes)
            ]
            found += strings(row)
    for scope in database.mls_scopes():
        for _, value in database.mls_rows(scope):
            found += octets(cbor2.loads(value[1:]))
    return b"\x00\xff".join(found)


def marks_of(who: Villager) -> dict[str, bytes]:
    """What somebody could be known by."""
    me, inbox = who.person.identity, who.person.inbox.here()
    return {
        "name": who.name.encode(),
        "account": me.account,
        "device": me.device,
        "inbox": inbox.log,
        "inbox key": inbox.key_public[:64],
        "card": inbox.card_id,
        "card key": inbox.card_key,
    }


def test_a_contact_learns_nothing_of_the_other_contacts(village: Village) -> None:
    ada, bo, cleo = (village.person(name) for name in ("Adalberta", "Bonifatius", "Cleomenes"))
    assert bo.accept(ada.invite()) == "done"
    assert cleo.accept(ada.invite()) == "done"
    ada.group("birds", "Bonifatius")
    ada.group("bees", "Cleomenes")
    village.settle()
    for chat in ("Bonifatius", "Cleomenes", "birds", "bees"):
        ada.send(chat, f"for {chat}" if chat != "Cleomenes" else "for you alone")
    village.settle()
    assert bo.texts("birds") == ["for birds"]
    for one, other, group in ((bo, cleo, "bees"), (cleo, bo, "birds")):
        kept = everything_in(one)
        for what, mark in marks_of(other).items():
            assert mark not in kept, (one.name, what)
        chats = [other.chat(group), other.chat("Adalberta")]
        for secret in (
            group.encode(),
            *(c.id for c in chats),
            *(line.state.log for c in chats for line in c.lines),
        ):
            assert secret not in kept, (one.name, secret)
        # The search does find: what they share with Ada is there.
        for what, mark in marks_of(ada).items():
            assert mark in kept, what
