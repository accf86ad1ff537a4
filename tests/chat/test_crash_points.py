"""A crash after every single step, every answer lost once, every operation twice: all flows end well, once, in order.

Each flow runs again and again in one village. In run k something goes wrong at its k-th step; when a run has fewer
steps than that, every step had its turn.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256

import pytest

import whimbrel.chat.person as person_module
from support.village import Village, Villager
from whimbrel.chat.composing import Attachment
from whimbrel.chat.invite_keys import key_of
from whimbrel.crypto.accounts import pair_id
from whimbrel.wire.operations import Put

STEPS_MAX = 400
"""No flow here has more steps; if one has, it does not come to rest."""


class Mishap:
    """Something that goes wrong at one step: 'crash' after it, 'lost' answer and then a crash, or asked 'twice'."""

    def __init__(self, village: Village, how: str, at: int) -> None:
        self.village = village
        self.how = how
        self.at = at
        self.count = 0

    @property
    def happened(self) -> bool:
        return self.count >= self.at

    def drive(self, *people: Villager) -> None:
        """Step by step until nobody has anything to say at this moment."""
        while any(self._step(one) for one in people):
            assert self.count < STEPS_MAX, "it does not come to rest"

    def _step(self, one: Villager) -> bool:
        now = self.count + 1 == self.at
        asks = bool(one.asks)
        if now and self.how == "twice" and asks:
            self.village.relay.ask(one.asks[0].operation)
        moved = one.step(lose=lambda ask: now and self.how == "lost")
        if moved:
            self.count += 1
            if now and (self.how == "crash" or (self.how == "lost" and asks)):
                one.crash()
        return moved


def at_every_step(village: Village, how: str, flow: Callable[[int, Mishap], None]) -> None:
    """Run a flow until no step of it is left at which something could go wrong."""
    for run in range(STEPS_MAX):
        mishap = Mishap(village, how, run + 1)
        flow(run, mishap)
        village.settle(patience=100_000)
        for one in village.people.values():
            assert not one.troubles(), (run, one.name, one.news[-3:])
            assert one.person.waiting() == 0, (run, one.name)
            assert not one.person.busy(village.now), (run, one.name)
        if not mishap.happened:
            assert run > 3, "a flow of hardly any steps"
            return
    raise AssertionError("a flow without end")


def agree(people: list[Villager], chat: bytes) -> None:
    lines = [one.person.chats[chat].line for one in people]
    assert None not in lines
    assert len({line.group.epoch_authenticator() for line in lines if line is not None}) == 1


def intend(one: Villager, group: str, kind: str, value: list[object]) -> None:
    one.do(lambda person, now, fx: person.intend(one.chat(group), kind, value, fx))


HOW = pytest.mark.parametrize("how", ["crash", "lost", "twice"])


@HOW
def test_messages_and_receipts(village: Village, how: str) -> None:
    ada, bo = village.friends("Ada", "Bo")
    said: list[str] = []

    def flow(run: int, mishap: Mishap) -> None:
        for one, to in ((ada, "Bo"), (bo, "Ada")):
            for n in range(2):
                one.send(to, f"{one.name} {run} {n}")
        said.extend(f"{name} {run} {n}" for name in ("Ada", "Bo") for n in range(2))
        mishap.drive(ada, bo)
        village.now += 3_000
        mishap.drive(ada, bo)

    at_every_step(village, how, flow)
    for one, to in ((ada, "Bo"), (bo, "Ada")):
        assert sorted(one.texts(to)) == sorted(said)
        for name in ("Ada", "Bo"):
            theirs = [text for text in one.texts(to) if text.startswith(name)]
            assert theirs == [text for text in said if text.startswith(name)]
        assert {row.state for row in one.rows(to) if row.mine} == {"delivered"}


@HOW
def test_edits_deletions_and_reactions(village: Village, how: str) -> None:
    ada, bo = village.friends("Ada", "Bo")
    ids: list[bytes] = []

    def act(one: Villager, deed: str, id: bytes, *what: object) -> None:
        row = one.home.database.message(id)
        assert row is not None
        one.do(
            lambda person, now, fx: getattr(person.acts, deed)(person.chats[row.chat], row, *what, now, fx)
        )

    def flow(run: int, mishap: Mishap) -> None:
        new = [ada.send("Bo", f"{run} {n}") for n in range(3)]
        village.settle()
        act(ada, "edit", new[0], f"{run} edited", ())
        act(bo, "react", new[0], "\N{BIRD}")
        act(ada, "edit", new[1], f"{run} never seen", ())
        act(ada, "delete", new[1])
        act(bo, "react", new[2], "\N{BIRD}")
        mishap.drive(ada, bo)
        act(bo, "react", new[2], "")
        mishap.drive(ada, bo)
        ids.extend(new)

    at_every_step(village, how, flow)
    for one in (ada, bo):
        reactions = one.home.database.reactions_to(ids)
        for n, id in enumerate(ids):
            row = one.home.database.message(id)
            assert row is not None
            run, which = divmod(n, 3)
            assert (row.text, row.deleted) == ((f"{run} edited", False), ("", True), (f"{run} 2", False))[
                which
            ]
            assert [deed.text for deed in reactions.get(id, [])] == (["\N{BIRD}"] if which == 0 else [])
        assert one.home.database._rows("SELECT count(*) FROM deeds WHERE state = 'queued'") == [(0,)]


@HOW
def test_a_post_too_large_for_an_entry(village: Village, how: str) -> None:
    ada, bo = village.friends("Ada", "Bo")

    def flow(run: int, mishap: Mishap) -> None:
        ada.send("Bo", f"{run} before")
        ada.send("Bo", f"{run} " + "\u0301" * 60_000)
        ada.send("Bo", f"{run} after")
        mishap.drive(ada, bo)

    at_every_step(village, how, flow)
    texts = bo.texts("Ada")
    assert len(texts) == len(set(texts))
    assert len(texts) % 3 == 0
    for run in range(len(texts) // 3):
        assert [text[:9].rstrip("\u0301") for text in texts[3 * run : 3 * run + 3]] == [
            f"{run} before"[:9],
            f"{run} ",
            f"{run} after"[:9],
        ]


@HOW
def test_an_invite_and_its_opening(village: Village, how: str) -> None:
    ada = village.person("Ada")

    def flow(run: int, mishap: Mishap) -> None:
        guest = village.person(f"Guest {run}")
        invite = ada.do(lambda person, now, fx: person.doors.invites.make(now, fx))
        mishap.drive(ada)
        village.settle()
        guest.do(lambda person, now, fx: person.doors.accept(invite, "", now, fx))
        guest.do(lambda person, now, fx: None)
        mishap.drive(guest, ada)
        village.settle(patience=100_000)
        assert guest.person.doors.acceptances.all[key_of(invite)].stage == "done"
        assert [len(chat.lines) for chat in guest.person.chats.values()] == [1]
        guest.send("Ada", "hello")
        ada.send(guest.name, "hello, too")
        village.settle()
        assert sorted(guest.texts("Ada")) == sorted(ada.texts(guest.name)) == ["hello", "hello, too"]
        assert len(ada.contact(guest.name).stock) == len(guest.contact("Ada").stock) == 3
        village.people.pop(guest.name).home.close()

    at_every_step(village, how, flow)


@HOW
def test_both_open_each_others_invites(village: Village, how: str) -> None:
    def flow(run: int, mishap: Mishap) -> None:
        one, other = village.person(f"One {run}"), village.person(f"Other {run}")
        invites = one.invite(), other.invite()
        one.do(lambda person, now, fx: person.doors.accept(invites[1], "", now, fx))
        other.do(lambda person, now, fx: person.doors.accept(invites[0], "", now, fx))
        mishap.drive(one, other)
        one.send(other.name, "2")
        other.send(one.name, "3")
        village.settle(patience=100_000)
        id = pair_id(one.person.identity.account, other.person.identity.account)
        agree([one, other], id)
        assert sorted(one.texts(other.name)) == sorted(other.texts(one.name)) == ["2", "3"]
        for each in (one, other):
            village.people.pop(each.name).home.close()

    at_every_step(village, how, flow)


@HOW
def test_a_request_that_is_accepted(village: Village, how: str) -> None:
    ada = village.person("Ada")
    invite = ada.do(lambda person, now, fx: person.doors.invites.make_open(now, fx))
    village.settle()

    def flow(run: int, mishap: Mishap) -> None:
        guest = village.person(f"Guest {run}")
        guest.do(lambda person, now, fx: person.doors.accept(invite, "me", now, fx))
        mishap.drive(guest, ada)
        village.settle(patience=100_000)
        asking = ada.contact(guest.name)
        assert asking.standing == "asking"
        id = pair_id(ada.person.identity.account, asking.account)
        ada.do(lambda person, now, fx: person.make_pair(replace(asking, standing="contact"), id, now, fx))
        mishap.drive(ada, guest)
        ada.send(guest.name, "come in")
        village.settle(patience=100_000)
        assert guest.texts("Ada") == ["come in"]
        assert ada.contact(guest.name).standing == guest.contact("Ada").standing == "contact"
        village.people.pop(guest.name).home.close()

    at_every_step(village, how, flow)


@HOW
@pytest.mark.parametrize("inline", [person_module.INLINE, 1_000], ids=["in letters", "in blobs"])
def test_a_group_is_founded(village: Village, how: str, inline: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(person_module, "INLINE", inline)
    ada, bo, cy = people = village.friends("Ada", "Bo", "Cy")

    def flow(run: int, mishap: Mishap) -> None:
        chat = ada.group(f"group {run}", "Bo", "Cy").id
        ada.send(f"group {run}", "welcome")
        mishap.drive(ada, bo, cy)
        village.settle(patience=100_000)
        agree(people, chat)
        for one in people:
            assert one.texts(f"group {run}") == ["welcome"]

    at_every_step(village, how, flow)


@HOW
def test_members_come_and_go(village: Village, how: str) -> None:
    ada, bo, cy = village.friends("Ada", "Bo", "Cy")
    chat = ada.group("birds", "Bo").id
    village.settle()
    said: list[str] = []

    def flow(run: int, mishap: Mishap) -> None:
        account = cy.person.identity.account
        ada.do(lambda person, now, fx: person.add_to_group(ada.chat("birds"), ada.contact("Cy"), now, fx))
        ada.send("birds", f"{run} in")
        mishap.drive(ada, bo, cy)
        village.settle(patience=100_000)
        agree([ada, bo, cy], chat)
        intend(ada, "birds", "roles", ["promote", account])
        mishap.drive(ada, bo, cy)
        village.settle(patience=100_000)
        village.now += 120_000  # who is no admin advances once a minute
        intend(bo, "birds", "update", [])
        intend(cy, "birds", "roles", ["demote", account])
        mishap.drive(cy, bo, ada)
        village.settle(patience=100_000)
        agree([ada, bo, cy], chat)
        intend(ada, "birds", "remove", [account])
        ada.send("birds", f"{run} out")
        mishap.drive(ada, bo, cy)
        village.settle(patience=100_000)
        agree([ada, bo], chat)
        assert cy.chat("birds").line is None
        said.extend([f"{run} in", f"{run} out"])
        assert bo.texts("birds") == said
        assert cy.texts("birds") == said[::2]

    at_every_step(village, how, flow)


@HOW
def test_somebody_leaves_and_comes_back(village: Village, how: str) -> None:
    ada, bo, cy = people = village.friends("Ada", "Bo", "Cy")
    chat = ada.group("birds", "Bo", "Cy").id
    village.settle()

    def flow(run: int, mishap: Mishap) -> None:
        bo.send("birds", f"{run} last words")
        bo.do(lambda person, now, fx: person.leave(bo.chat("birds"), fx))
        mishap.drive(bo, ada, cy)
        village.settle(patience=100_000)
        assert bo.chat("birds").left
        agree([ada, cy], chat)
        assert len(ada.chat("birds").accounts()) == 2
        ada.do(lambda person, now, fx: person.add_to_group(ada.chat("birds"), ada.contact("Bo"), now, fx))
        mishap.drive(ada, bo, cy)
        village.settle(patience=100_000)
        agree(people, chat)

    at_every_step(village, how, flow)
    texts = cy.texts("birds")
    assert texts == [f"{run} last words" for run in range(len(texts))] == bo.texts("birds")


@HOW
def test_a_message_with_a_file(village: Village, how: str) -> None:
    ada, bo = village.friends("Ada", "Bo")

    def upload(blob: bytes) -> None:
        """What the shell does: the sealed file goes up, as often as it must, and then the engine hears of it."""
        state = ada.chat("Bo").line.state  # type: ignore[union-attr]
        village.relay.ask(Put(blob, state.log, state.write, 272, 0, bytes(272)))
        for row in list(ada.home.database.files_under_way()):
            body = ada.home.database.facts()["files:" + row.message.hex()]
            ada.do(lambda person, now, fx, row=row, body=body: person.file_is_there(row, body, fx))

    def flow(run: int, mishap: Mishap) -> None:
        blob = os.urandom(32)
        file = Attachment(
            village.relay.identity, blob, os.urandom(32), 5, sha256(blob).digest(), "a", "text/plain"
        )
        ada.send("Bo", f"{run} before")
        chat = ada.chat("Bo")
        ada.do(lambda person, now, fx: person.send(chat, f"{run} with", [file], None, now, fx))
        mishap.drive(ada, bo)
        upload(blob)
        mishap.drive(ada, bo)
        upload(blob)

    at_every_step(village, how, flow)
    texts = bo.texts("Ada")
    assert texts == [f"{n // 2} {'with' if n % 2 else 'before'}" for n in range(len(texts))]
    for row in bo.rows("Ada")[1::2]:
        assert [file.state for file in bo.home.database.files_of(row.id)] == ["offered"]
