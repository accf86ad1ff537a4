"""Whatever the order of edits, deletions, reactions, expiries and changes of members: everybody ends with the same.

First the rules alone, over a real store: any set of deeds in two drawn orders, in parts and with doubles. Then people with
the real engine on a real relay's engine, in drawn weather.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from functools import cache, partial
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from support.village import Village
from support.weather import Weather, Weathered
from whimbrel.chat import composing, content
from whimbrel.chat.composing import Act
from whimbrel.chat.content import Disposition, MimiContent
from whimbrel.chat.deeds import Deeds
from whimbrel.chat.effects import Effects
from whimbrel.chat.person import Person
from whimbrel.chat.records import AddMessage, ForgetMessage, MessageRow
from whimbrel.client.desk import StoreDesk
from whimbrel.store.home import Home, open_home

ADA, BO, ME = b"a" * 32, b"b" * 32, b"m" * 32
EMOJI = ("\N{THUMBS UP SIGN}", "\N{HEAVY BLACK HEART}", "\N{PARTY POPPER}")

Seen = tuple[str, bool, bool, tuple[tuple[bytes, str], ...]] | None


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    path = tmp_path_factory.mktemp("same-end") / "home"
    with open_home(path, create=True, find_keyring=lambda interactive: None) as home:
        yield home


# ------------------------------------------------------------------------------------------- the rules alone

# Who, what, how late its sender says it is, and which words: few of each, so that they meet.
deed = st.tuples(
    st.sampled_from((ADA, BO)),
    st.sampled_from(("edit", "edit", "delete", "react", "react", "take back", "forget")),
    st.integers(1, 4),
    st.integers(0, 2),
)


def content_of(message: bytes, what: str, at: int, words: int) -> MimiContent:
    salt = sha256(f"{what} {at} {words}".encode()).digest()[:16]
    match what:
        case "edit":
            value = composing.edit(salt, message, f"words {words}")
        case "delete":
            value = composing.delete(salt, message)
        case "react":
            value = composing.react(salt, message, EMOJI[words])
        case _:
            value = composing.delete(salt, b"\1" * 32, Disposition.REACTION, message)
    return composing.dated(value, at)


def expected(id: bytes, deeds: list[tuple[bytes, str, int, int]], chat: bytes) -> Seen:
    """What Ada's message must be like after these, said once more in a few lines."""
    if any(what == "forget" for _, what, _, _ in deeds):
        return None
    if any((who, what) == (ADA, "delete") for who, what, _, _ in deeds):
        return "", False, True, ()
    by_time = sorted(
        (at, id_of(id, who, what, at, words, chat), who, what, words) for who, what, at, words in deeds
    )
    edits = [words for _, _, who, what, words in by_time if (who, what) == (ADA, "edit")]
    last = {who: (what, words) for _, _, who, what, words in by_time if what in ("react", "take back")}
    reactions = sorted((who, EMOJI[words]) for who, (what, words) in last.items() if what == "react")
    return f"words {edits[-1]}" if edits else "first", bool(edits), False, tuple(reactions)


def id_of(message: bytes, who: bytes, what: str, at: int, words: int, chat: bytes) -> bytes:
    return composing.id_of(content.encode(content_of(message, what, at, words)), who, chat)


class Reader:
    """A device that reads a conversation, and nothing else."""

    def __init__(self, home: Home, chat: bytes, log: bytes) -> None:
        self.database, self.chat = home.database, chat
        self.desk = StoreDesk(home)
        # Ids are unique in a home: each reader has the same bytes in a conversation of its own.
        self.body = content.encode(composing.dated(composing.say(log[:16], "first"), 1))
        self.id = composing.id_of(self.body, ADA, chat)

    def read(self, batch: list[tuple[bytes, str, int, int] | None]) -> None:
        """None is the message itself."""
        fx = Effects()
        deeds = Deeds(self.chat, ME, self.desk, fx)
        for one in batch:
            if one is None:
                row = MessageRow(self.id, self.chat, ADA, False, 1, "first", self.body, "delivered", seq=1)
                fx.save(AddMessage(row))
                deeds.settle(self.id, 1)
            elif one[1] == "forget":
                fx.save(ForgetMessage(self.id, self.chat, 1))
            else:
                who, what, at, words = one
                value = content_of(self.id, what, at, words)
                body = content.encode(value)
                assert composing.act_of(value) is not Act.SAY
                deeds.read(composing.id_of(body, who, self.chat), body, value, who, 2, 1)
        self.database.commit(fx.saves)

    def sees(self) -> Seen:
        row = self.database.message(self.id)
        if row is None:
            return None
        found = self.database.reactions_to([self.id]).get(self.id, [])
        reactions = sorted((one.sender, one.text) for one in found)
        return row.text, row.edit is not None, row.deleted, tuple(reactions)


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    deeds=st.lists(deed, max_size=8),
    data=st.data(),
    log=st.binary(min_size=16, max_size=16),
)
def test_any_order_of_the_same_deeds_ends_in_the_same(
    home: Home, deeds: list[tuple[bytes, str, int, int]], data: st.DataObject, log: bytes
) -> None:
    for reader in range(2):
        chat = sha256(
            log + bytes([reader]) + repr(deeds).encode() + Path(tempfile.mktemp()).name.encode()
        ).digest()
        one = Reader(home, chat, log)
        doubled = data.draw(st.lists(st.sampled_from(deeds), max_size=3)) if deeds else []
        order = data.draw(st.permutations([None, *deeds, *doubled]))
        while order:
            size = data.draw(st.integers(1, len(order)))
            one.read(order[:size])
            order = order[size:]
        assert one.sees() == expected(one.id, deeds, chat)
        if one.database.is_gone(one.id):
            assert one.database.deeds_to(one.id) == []


# ------------------------------------------------------------------------------------ people on a real relay

NAMES = ("Ada", "Bo", "Cy")
GROUP = "birds"
TIMER = 300
HOUR = 3_600_000

people = st.sampled_from(NAMES)
step = st.one_of(
    st.tuples(people, st.just("say"), st.integers(0, 5)),
    st.tuples(people, st.sampled_from(("edit", "delete", "react", "react", "take back")), st.integers(0, 5)),
    st.tuples(people, st.sampled_from(("read", "clear", "here")), st.integers(0, 5)),
    st.tuples(st.just("Ada"), st.sampled_from(("timer", "remove", "add")), st.integers(0, 5)),
    st.tuples(
        people, st.sampled_from(("step", "step", "step", "lost", "late", "crash", "pause")), st.integers(0, 5)
    ),
)


@cache
def the_village() -> Village:
    village = Village(Path(tempfile.mkdtemp(prefix="whimbrel-same-end-")))
    ada, *_ = village.friends(*NAMES)
    ada.group(GROUP, "Bo", "Cy")
    village.settle()
    return village


class Run:
    """A group of three, and what they do in it."""

    def __init__(self, folder: Path) -> None:
        self.village = Weather(the_village(), folder)
        self.group = next(chat.id for chat in self.one("Ada").person.chats.values() if chat.name == GROUP)
        self.forgot: dict[str, set[bytes]] = {name: set() for name in NAMES}
        """What each removed at home: nobody else is asked to."""
        self.out: set[str] = set()
        self.timed = False

    def one(self, name: str) -> Weathered:
        found = self.village.people[name]
        assert isinstance(found, Weathered)
        return found

    def rows(self, name: str) -> list[MessageRow]:
        return self.one(name).home.database.messages(self.group)

    def take(self, who: str, what: str, n: int) -> None:
        one, rows = self.one(who), self.rows(who)
        there = self.group in one.person.chats
        match what:
            case "step":
                one.step()
            case "rest":
                self.village.settle(patience=100)
            case "lost":
                one.ask_one(n, "lost")
            case "late":
                one.ask_one(n, "late")
            case "crash":
                one.crash()
            case "pause":
                self.village.now += 1_000 * 10**n
                one.do(lambda person, now, fx: None)
            case "say" if there:
                one.wish(
                    lambda person, now, fx: person.send(
                        person.chats[self.group], f"{who} says {n}", [], None, now, fx
                    )
                )
            case "read" if there and rows:
                ids = one.home.database.unread_messages(self.group, rows[-1].n)
                one.do(lambda person, now, fx: person.acts.read_up_to(self.group, rows[-1].n, ids, now, fx))
            case "clear" if there and n == 0:
                self.forgot[who] |= {row.id for row in rows}
                one.wish(lambda person, now, fx: person.acts.clear(person.chats[self.group], now, fx))
            case "timer":
                self.timed = True
                wishes = {"timer": TIMER if n % 2 else 0}
                one.wish(lambda person, now, fx: person.change_group(person.chats[self.group], wishes, fx))
            case "remove" | "add":
                self.out.add("Cy")
                account = self.one("Cy").person.identity.account
                one.wish(partial(self._members, what, account))
            case "edit" | "delete" | "react" | "take back" | "here" if there and rows:
                row = rows[n % len(rows)]
                if what == "here" or (what == "delete" and row.state in ("queued", "failed")):
                    self.forgot[who].add(row.id)
                one.wish(partial(self._deed, what, row, n))

    def _members(self, what: str, account: bytes, person: Person, now: int, fx: Effects) -> None:
        chat = person.chats[self.group]
        if what == "remove":
            person.intend(chat, "remove", [account], fx)
        else:
            person.add_to_group(chat, person.contacts[account], now, fx)

    def _deed(self, what: str, row: MessageRow, n: int, person: Person, now: int, fx: Effects) -> None:
        chat, acts = person.chats[row.chat], person.acts
        match what:
            case "edit":
                acts.edit(chat, row, f"edited {n} at {now}", (), now, fx)
            case "delete":
                acts.delete(chat, row, now, fx)
            case "here":
                acts.delete_here(chat, row, now, fx)
            case "react":
                acts.react(chat, row, EMOJI[n % 3], now, fx)
            case _:
                acts.react(chat, row, "", now, fx)

    def seen_by(self, name: str) -> dict[bytes, Any]:
        """What somebody sees of each message that left."""
        store = self.one(name).home.database
        rows = [row for row in self.rows(name) if row.state != "failed"]
        reactions = store.reactions_to([row.id for row in rows])
        return {
            row.id: (
                row.text,
                row.edit,
                row.deleted,
                sorted((one.sender, one.text) for one in reactions.get(row.id, ())),
            )
            for row in rows
        }

    def all_see_the_same(self) -> None:
        stayed = [name for name in NAMES if name not in self.out]
        seen = {name: self.seen_by(name) for name in stayed}
        for one in stayed:
            for other in stayed:
                for id in set(seen[one]) & set(seen[other]):
                    assert seen[one][id] == seen[other][id], (one, other)
                missing = set(seen[one]) - set(seen[other]) - self.forgot[other]
                assert self.timed or not missing, (one, other, missing)
        for one in NAMES:
            store = self.one(one).home.database
            assert self.one(one).person.waiting() == 0
            assert not store._rows("SELECT 1 FROM deeds WHERE state = 'queued'"), one
            assert not store._rows("SELECT 1 FROM deeds WHERE target IN (SELECT id FROM gone)"), one
            assert not store._rows("SELECT 1 FROM messages WHERE deleted = 1 AND content <> x''"), one

    def what_is_timed_goes_everywhere(self) -> None:
        """All read everything; then their time passes."""
        for name in NAMES:
            self.take(name, "read", 0)
        self.village.settle(patience=HOUR)
        self.village.now += HOUR
        for name in NAMES:
            one = self.one(name)
            one.crash()
            one.do(lambda person, now, fx: None)
            kept = [row for row in self.rows(name) if row.expires is not None]
            assert all(row.mine and row.state == "failed" for row in kept), name
            blobs = one.home.database.facts()
            assert not any(name.startswith("files:") for name in blobs)


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck), print_blob=True)
@given(timed=st.booleans(), steps=st.lists(step, min_size=5, max_size=60))
def test_all_devices_end_in_the_same_state(timed: bool, steps: list[tuple[str, str, int]]) -> None:
    with tempfile.TemporaryDirectory(prefix="whimbrel-same-end-") as folder:
        run = Run(Path(folder) / "village")
        try:
            for who, what, n in [("Ada", "timer", 1), ("Ada", "rest", 0)] * timed + steps:
                run.take(who, what, n)
            run.village.settle(patience=3 * HOUR)
            run.all_see_the_same()
            run.what_is_timed_goes_everywhere()
            run.all_see_the_same()
        finally:
            run.village.close()
