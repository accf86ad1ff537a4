"""Somebody who writes without end: others are held up as little as can be, and the flooder can always be removed."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.mischief import append, commit, entry, line_of, remove
from support.village import Village, Villager
from whimbrel.chat.inbox import GRANT_ENTRIES, letter
from whimbrel.relay.settings import Limits
from whimbrel.wire.answers import Failure, Status
from whimbrel.wire.operations import Append
from whimbrel.wire.texts import Open

SMALL = Limits(
    log_bytes=400_000,
    log_reserve=100_000,
    log_blobs=200_000,
    create_burst=10_000,
    advance_burst=4,
    advance_every=60,
)
"""The limits of a relay, made small, so that they are reached: the rules are the real ones."""
Birds = tuple[Villager, Villager, Villager]
"""Ada's group, in which Bo is a member and Mal is one, too."""


@pytest.fixture
def village(tmp_path: Path) -> Iterator[Village]:
    village = Village(tmp_path, SMALL)
    yield village
    village.close()


@pytest.fixture
def birds(village: Village) -> Birds:
    ada, bo, mal = village.friends("Ada", "Bo", "Mal")
    ada.group("birds", "Bo", "Mal")
    village.settle()
    return ada, bo, mal


def fill(mal: Villager, chat: str) -> Failure:
    """Append garbage until the relay takes no more."""
    while True:
        answer = append(mal, chat, *(entry(os.urandom(20_000)) for _ in range(2)))
        if isinstance(answer, Failure):
            break
    while True:
        answer = append(mal, chat, entry(os.urandom(50)))
        if isinstance(answer, Failure):
            return answer


def test_a_member_who_fills_the_log_is_removed_and_the_group_goes_on_elsewhere(
    village: Village, birds: Birds
) -> None:
    """The log's space is used up: honest posts wait and are not lost; an admin's removal comes through in the reserve."""
    ada, bo, mal = birds
    assert fill(mal, "birds").status is Status.FULL
    ada.send("birds", "Ada is held up"), bo.send("birds", "Bo is held up")
    village.settle(patience=120_000)
    assert {row.state for row in ada.rows("birds")} == {"queued"}
    assert "full" in ada.troubles()
    remove(ada, "birds", mal)
    village.settle(patience=120_000)
    assert len(ada.chat("birds").accounts()) == len(bo.chat("birds").accounts()) == 2
    assert mal.chat("birds").line is None
    state = mal.chat("birds").lines[-1].state
    again = Append(state.log, state.write, state.turn, (entry(os.urandom(50)),))
    assert isinstance(village.relay.ask(again), Failure)
    assert ada.texts("birds") == ["Ada is held up"]
    assert bo.texts("birds") == ["Bo is held up"]
    # Until the garbage has expired nothing else fits; an admin need not wait for that.
    ada.do(lambda person, now, fx: person.move(ada.chat("birds"), None, now, fx))
    village.settle(patience=600_000)
    for one in (ada, bo):
        assert sorted(one.texts("birds")) == ["Ada is held up", "Bo is held up"]
    assert mal.texts("birds") == []


def test_a_member_who_fills_the_log_cannot_use_the_reserve(village: Village, birds: Birds) -> None:
    _, _, mal = birds
    fill(mal, "birds")
    body, _ = commit(mal, "birds", update=True)
    answer = append(mal, "birds", entry(body), advance=True)
    assert isinstance(answer, Failure)
    assert answer.status is Status.FULL


def test_a_member_who_uses_up_turns_is_slowed_down_and_removed(village: Village, birds: Birds) -> None:
    ada, bo, mal = birds
    log = line_of(mal, "birds").state.log
    write = line_of(mal, "birds").state.write
    taken = 0
    while True:
        head = village.relay.storage.log(log)
        assert head is not None
        answer = village.relay.ask(Append(log, write, head.turn, (entry(os.urandom(300)),), advance=True))
        if isinstance(answer, Failure):
            break
        taken += 1
    assert answer.status is Status.BUSY
    assert 0 < answer.retry_after <= SMALL.advance_every
    assert taken <= SMALL.advance_burst
    ada.send("birds", "between two of them"), bo.send("birds", "and so do I")
    remove(ada, "birds", mal)
    village.settle(patience=30_000)
    assert len(bo.chat("birds").accounts()) == 2
    assert sorted(bo.texts("birds")) == ["and so do I", "between two of them"]


def test_a_contact_who_floods_an_inbox_ends_at_the_own_quota(village: Village) -> None:
    """Each contact has a write token of their own: one who uses it up stops nobody else's letters."""
    ada, bo, mal = village.friends("Ada", "Bo", "Mal")
    inbox = bo.person.inbox.here()
    joiner, _ = mal.contact("Bo").joiner(village.now)
    sent = 0
    while True:
        flood = letter(inbox.log, joiner.token, inbox.key_public, os.urandom(3_000), os.urandom(16))
        answer = village.relay.ask(flood)
        if isinstance(answer, Failure):
            break
        sent += 1
    assert answer.status is Status.FULL
    assert sent <= GRANT_ENTRIES
    ada.group("bees", "Bo")
    village.settle()
    ada.send("bees", "you are in")
    village.settle()
    assert bo.texts("bees") == ["you are in"]
    assert not bo.troubles()


def test_a_stranger_with_an_open_invite_cannot_fill_the_inbox(tmp_path: Path) -> None:
    """Everybody shares the token of an open invite. All that it is good for leaves room for the letters of contacts."""
    village = Village(tmp_path)
    ada, bo = village.friends("Ada", "Bo")
    invite = bo.do(lambda person, now, fx: person.doors.invites.make_open(now, fx))
    village.settle()
    inbox, secret = bo.person.inbox.here(), invite.secret
    assert isinstance(secret, Open)
    for size in (63_000, 20_000, 5_000, 1_000, 50):
        while True:
            flood = Append(secret.inbox, secret.token, 0, (entry(os.urandom(size)),))
            answer = village.relay.ask(flood)
            if isinstance(answer, Failure):
                break
        assert answer.status is Status.FULL
    ada.group("bees", "Bo")
    village.settle(patience=60_000)
    ada.send("bees", "you are in")
    village.settle(patience=60_000)
    assert inbox.log == secret.inbox
    assert bo.texts("bees") == ["you are in"]
    village.close()
