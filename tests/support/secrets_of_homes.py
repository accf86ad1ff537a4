"""Everything in a home that nobody but its person may know, and all else in it that looks like a key or an id."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cbor2

from whimbrel.chat.attachments import Transfer
from whimbrel.chat.contacts import Contact
from whimbrel.chat.identity import Identity
from whimbrel.chat.inbox import InboxState
from whimbrel.chat.line_state import LineState
from whimbrel.crypto.leaf import decode_leaf
from whimbrel.store.database import Database
from whimbrel.store.home import open_home
from whimbrel.wire import cbor
from whimbrel.wire.purpose import public_of, token_hash

SHORTEST = 16
"""Bytes of a value that is no accident when it is found."""


@dataclass
class Secrets:
    """What is learnt from homes, by what it is."""

    values: dict[str, bytes] = field(default_factory=dict)
    """Named secrets: no relay may have any of them."""
    unnamed: dict[bytes, str] = field(default_factory=dict)
    """Every byte string in the homes, however deep it lies in what is stored, and where it lay."""
    inboxes: list[bytes] = field(default_factory=list)
    logs: list[bytes] = field(default_factory=list)
    groups: set[bytes] = field(default_factory=set)
    """Ids of MLS groups."""
    hashes: list[bytes] = field(default_factory=list)
    """Hashes of write tokens in force: those a relay must have."""

    def learn(self, home: Path) -> None:
        """From a home whose app has ended."""
        with open_home(home, create=False, find_keyring=lambda interactive: None) as opened:
            store = opened.database
            me = Identity.decode(store.facts()["identity"])
            self._identity(me)
            self._inbox(me.name, store.facts()["inbox"])
            self._chats(me.name, store)
            self._messages(store)
            for row in store.contacts():
                self._contact(me.name, Contact.from_row(row))
            for scope in store.mls_scopes():
                for key, value in store.mls_rows(scope):
                    self._mls(f"{me.name}, {key!r} of {scope.hex()[:8]}", cbor2.loads(value[1:]), scope)
            for name, fact in store.facts().items():
                self.unnamed |= dict.fromkeys(strings(fact), f"fact {name} of {me.name}")
            for table in ("chats", "contacts", "outbox", "files", "messages"):
                for row in store._rows(f"SELECT * FROM {table}"):
                    self.unnamed |= dict.fromkeys(strings(row), f"{table} of {me.name}")
        self._add(str(home), path=os.fsencode(home))

    def _identity(self, me: Identity) -> None:
        self._add(me.name, account=me.account, account_private=me.account_private, device=me.device)
        self._add(me.name, device_private=me.device_private, device_secret=me.device_secret)
        self._add(me.name, device_list=me.device_list, credential=me.credential())

    def _inbox(self, name: str, packed: bytes) -> None:
        relay, routes, *rest = cbor.decode(packed)
        inbox = InboxState(relay, tuple(routes), *rest)
        self.inboxes.append(inbox.log)
        self._add(name, inbox_private=inbox.key_private, inbox_key=inbox.key_public[:64])
        self._add(name, card_key=inbox.card_key, card=inbox.card[:64], inbox_admin=inbox.admin)
        self._add(name, inbox_read=inbox.read, inbox_write=inbox.write)

    def _chats(self, name: str, store: Database) -> None:
        for chat in store.chats():
            self._add(f"{name} in {chat.name}", chat=chat.id)
            for i, packed in enumerate(cbor.decode(chat.state)[3]):
                line = LineState.unpack(packed)
                self._add(
                    f"{name} in {chat.name}, {i}", read=line.read, write=line.write, log_key=line.log_key
                )
                self.logs.append(line.log)
                self.groups.add(line.group)
                self.hashes.append(token_hash(line.write))

    def _messages(self, store: Database) -> None:
        for message in store.messages():
            self._add(message.id.hex(), message=message.id)
            for file in store.files_of(message.id):
                transfer = Transfer.decode(file.state_blob)
                self._add(f"{file.name} {file.id.hex()}", file_key=transfer.key, file_hash=transfer.hash)

    def _contact(self, name: str, contact: Contact) -> None:
        self._add(f"{contact.name} known to {name}", account=contact.account)
        card = contact.opened_card()
        if card is not None:
            for reach in card.reach:
                self._add(f"{contact.name} known to {name}", token=reach.token, card_key=reach.card_key)
        for i, package in enumerate((*contact.stock, *(card.key_packages if card else ()))):
            # Its first bytes say the suite; what is particular about it comes after.
            self._add(f"{contact.name} known to {name}", **{f"key_package_{i}": package[16:200]})

    def _mls(self, whose: str, value: Any, scope: bytes) -> None:
        """All that OpenMLS keeps: private keys, the secrets of this epoch, ratchets; and the leaves with what is in them."""
        for n, one in enumerate(octets(value)):
            if len(one) < SHORTEST or one == scope:
                continue
            self._add(whose, **{f"mls_{n}": one})
            try:
                leaf = decode_leaf(one)
            except Exception:
                continue
            for reach in leaf.reach:
                self._add(whose, **{f"mls_{n}_token": reach.token, f"mls_{n}_card_key": reach.card_key})

    def _add(self, whose: str, **values: bytes) -> None:
        for what, value in values.items():
            assert len(value) >= 8, (whose, what)
            self.values[f"{what} of {whose} ({value[:4].hex()})"] = value

    def public_log_keys(self) -> set[bytes]:
        """The public halves of log keys: what a relay knows its admins by."""
        return {public_of(value) for what, value in self.values.items() if what.startswith("log_key of")}


def strings(value: Any) -> list[bytes]:
    """The byte strings in a stored value: itself, or what it is made of when it is CBOR, and so on inside."""
    if isinstance(value, str | int | float | None):
        return []
    if isinstance(value, dict):
        return [one for pair in value.items() for part in pair for one in strings(part)]
    if isinstance(value, list | tuple):
        return [one for part in value for one in strings(part)]
    try:
        inside = cbor.decode(value)
    except Exception:
        inside = value
    if isinstance(inside, list | tuple | dict):
        return strings(inside)
    return [value] if len(value) >= SHORTEST else []


def octets(value: Any) -> list[bytes]:
    """The byte strings in a row of OpenMLS, which writes them as lists of numbers, too."""
    if isinstance(value, bytes):
        return [value]
    if isinstance(value, dict):
        return [one for part in value.values() for one in octets(part)]
    if isinstance(value, list):
        if len(value) >= SHORTEST and all(type(one) is int and 0 <= one < 256 for one in value):
            return [bytes(value)]
        return [one for part in value for one in octets(part)]
    return []
