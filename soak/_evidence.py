"""What the homes hold when everything is over, read from the disk while nobody has them open, and what must be true of it."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from _crowd import Client, Failed, Said
from whimbrel.chat.line_state import Standing
from whimbrel.chat.person import Person
from whimbrel.chat.records import MessageRow
from whimbrel.client.desk import StoreDesk
from whimbrel.store.home import open_home
from whimbrel.wire import cbor


@dataclass(frozen=True)
class Group:
    """Where a device stands in a group. Two that are equal have the same keys: the epoch authenticator (RFC 9420 §8.7) says so."""

    authenticator: bytes
    roster: tuple[bytes, ...]
    admins: tuple[bytes, ...]
    name: str
    log: bytes
    seq: int
    turn: int
    h: bytes


@dataclass
class Evidence:
    """One home."""

    name: str
    names: dict[bytes, str]
    rows: dict[str, list[MessageRow]]
    """By chat (a name for a pair, the id in hex for a group), messages and events in the order in which this home shows them."""
    groups: dict[str, Group]
    waiting: int
    troubles: list[str]

    def messages(self, chat: str) -> list[MessageRow]:
        return [row for row in self.rows.get(chat, []) if row.event is None]

    def texts_of(self, chat: str, sender: str) -> list[str]:
        return [row.text for row in self.messages(chat) if self.names.get(row.sender) == sender]

    def log_order(self, chat: str) -> list[str]:
        """The texts of a chat in the order of the relay's log, as this home remembers it."""
        rows = [row for row in self.messages(chat) if row.state != "failed"]
        # Own messages that went together remember the place of their last one; among them the order is that of saying.
        return [row.text for row in sorted(rows, key=lambda row: (row.seq, row.n))]

    def history(self, chat: str) -> list[tuple[str, str, tuple[str, ...]]]:
        """What happened to a group: what, by whom, to whom."""
        told = []
        for row in self.rows.get(chat, []):
            if row.event not in (None, "reaction"):
                _, by, whom, *_ = cbor.decode(row.content)
                told.append((str(row.event), self.names[by], tuple(self.names[one] for one in whom)))
        return told


def look_into(folder: Path, names: Iterable[str]) -> dict[str, Evidence]:
    """Every home, after its program has ended."""
    found = {name: _look_into(folder / name, name) for name in names}
    accounts = {name: evidence.names for name, evidence in found.items()}
    everybody = {
        account: name for name, known in accounts.items() for account, said in known.items() if said == name
    }
    for evidence in found.values():
        evidence.names = everybody
    return found


def _look_into(path: Path, name: str) -> Evidence:
    with open_home(path, create=False, find_keyring=lambda interactive: None) as home:
        store = home.database
        person = Person.restore(
            store.facts(), store.chats(), store.contacts(), store.outbox(), StoreDesk(home), os.urandom
        )
        rows, groups, troubles = {}, {}, []
        for chat in person.chats.values():
            key = chat.name if chat.kind == "pair" else chat.id.hex()
            rows[key] = store.messages(chat.id, events=True)
            troubles += [f"{chat.name}: {line.state.trouble}" for line in chat.lines if line.state.trouble]
            troubles += [f"{chat.name}: lost" for line in chat.lines if line.state.standing is Standing.LOST]
            line = chat.line
            if line is not None:
                state = line.state
                groups[key] = Group(
                    line.group.epoch_authenticator(),
                    tuple(line.accounts()),
                    tuple(line.roles.admins),
                    line.roles.name,
                    state.log,
                    state.seq,
                    state.turn,
                    state.h,
                )
        return Evidence(name, {person.identity.account: name}, rows, groups, person.waiting(), troubles)


# ----------------------------------------------------------------------------------------- what must hold


def check_all_agree(found: dict[str, Evidence], group: str, members: Sequence[str]) -> Group:
    """No fork of keys: all who are in have the same epoch, roster, roles, and the same place in the same log."""
    stands = {name: found[name].groups.get(group) for name in members}
    distinct = set(stands.values())
    if len(distinct) != 1 or None in distinct:
        raise Failed(f"they do not agree: {stands}")
    [stand] = distinct
    assert stand is not None
    return stand


def check_pairs_agree(found: dict[str, Evidence], names: Sequence[str]) -> None:
    """The same for each two of them."""
    for i, one in enumerate(names):
        for other in names[i + 1 :]:
            here, there = found[one].groups.get(other), found[other].groups.get(one)
            if here is None or here != there:
                raise Failed(f"{one} and {other} do not agree: {here}, {there}")


def check_nothing_is_wrong(found: dict[str, Evidence]) -> None:
    for evidence in found.values():
        if evidence.waiting or evidence.troubles:
            raise Failed(f"{evidence.name}: {evidence.waiting} wait, {evidence.troubles}")


def check_messages(
    found: dict[str, Evidence], sender: Client, chat: str, readers: Sequence[str]
) -> Counter[str]:
    """What a sender said in a chat, at the sender and at readers who were in it all the while: nothing answered is lost,
    nothing is doubled, and the order is that of saying. `chat` as the sender names it."""
    said = [each for each in sender.said if each.chat == chat]
    own = found[sender.name]
    states = {row.text: row.state for row in own.messages(chat) if row.mine}
    counts: Counter[str] = Counter()
    _check_order(said, own.texts_of(chat, sender.name), f"{sender.name}'s own {chat}")
    for each in said:
        if each.refused is not None:
            counts["refused"] += 1
            # "failed": it waited when the sender was removed, and is kept as what did not get through.
            if states.get(each.text) != ("failed" if each.refused == "failed" else None):
                raise Failed(f"{sender.name}: {each.text!r} was refused and is {states.get(each.text)}")
        elif each.answered is None:
            counts["unanswered, there" if each.text in states else "unanswered, not there"] += 1
        elif each.text not in states:
            raise Failed(f"{sender.name}: {each.text!r} was answered ({each.answered}) and is lost at home")
        else:
            counts["answered"] += 1
    failed = {text for text, state in states.items() if state == "failed"}
    counts["failed, and said so"] = len(failed)
    if queued := [text for text, state in states.items() if state == "queued"]:
        raise Failed(f"{sender.name}: still queued when all was over: {queued[:5]}")
    arrived = [text for text in own.texts_of(chat, sender.name) if text not in failed]
    for reader in readers:
        there = found[reader].texts_of(chat if is_group(chat) else sender.name, sender.name)
        if there != arrived:
            raise Failed(f"{reader} has of {sender.name} in {chat}: {_difference(arrived, there)}")
    return counts


def is_group(chat: str) -> bool:
    """Chats are named by the other person, groups by their id in hex."""
    return len(chat) == 64


def _check_order(said: Sequence[Said], there: Sequence[str], where: str) -> None:
    """What is there is part of what was said, in its order, each once."""
    place = {each.text: i for i, each in enumerate(said)}
    places = [place[text] for text in there if text in place]
    if places != sorted(set(places)):
        twice = [text for text, count in Counter(there).items() if count > 1]
        raise Failed(f"{where}: out of order, or doubled: {twice or there}")


def check_same_order(found: dict[str, Evidence], chat: str, readers: Sequence[str]) -> list[str]:
    """All who were in a group all the while have its messages in one order; it."""
    order = found[readers[0]].log_order(chat)
    for reader in readers[1:]:
        theirs = found[reader].log_order(chat)
        if theirs != order:
            raise Failed(
                f"{readers[0]} and {reader} have {chat} in another order: {_difference(order, theirs)}"
            )
    return order


def check_heard_in_order(order: Sequence[str], heard: Sequence[str], who: str) -> None:
    """Somebody who came and went has parts of it, in the same order, each once."""
    place = {text: i for i, text in enumerate(order)}
    if unknown := [text for text in heard if text not in place]:
        raise Failed(f"{who} has what nobody else has: {unknown[:5]}")
    places = [place[text] for text in heard]
    if places != sorted(set(places)):
        raise Failed(f"{who} has messages doubled or in another order")


def _difference(wanted: Sequence[str], there: Sequence[str]) -> str:
    lacking = [text for text in wanted if text not in set(there)]
    more = [text for text in there if text not in set(wanted)]
    twice = [text for text, count in Counter(there).items() if count > 1]
    if lacking or more or twice:
        return f"lacking {lacking[:5]}, too many {more[:5]}, twice {twice[:5]}"
    first = next(i for i, pair in enumerate(zip(wanted, there, strict=False)) if pair[0] != pair[1])
    return f"another order from {first} on: {list(wanted)[first : first + 5]} and {list(there)[first : first + 5]}"
