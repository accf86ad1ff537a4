"""What was asked before is asked again, by whoever saw it: the same answers, and nothing that happens twice or goes back."""

from __future__ import annotations

import random
from typing import Any

import pytest

from support.mischief import append, commit, entry, line_of, promote, remove
from support.village import Village, Villager
from whimbrel.wire.answers import Altered, Appended, Failure, Status
from whimbrel.wire.operations import Alter, Append, Create, Fetch, Operation


def listen(village: Village) -> list[Operation]:
    """Everything that anybody asks of the relay from now on."""
    heard: list[Operation] = []
    real = village.relay.ask

    def ask(operation: Any) -> Any:
        heard.append(operation)
        return real(operation)

    village.relay.ask = ask  # type: ignore[method-assign]
    return heard


def everything(village: Village) -> tuple[Villager, Villager, Villager]:
    """Friends, a group, files' blobs, promotions, removals: each kind of operation of an admin is among it."""
    ada, bo, mal = village.friends("Ada", "Bo", "Mal")
    ada.group("birds", "Bo", "Mal")
    village.settle()
    ada.send("birds", "x" * 70_000), bo.send("birds", "short")
    village.settle()
    promote(ada, "birds", bo)
    village.settle()
    remove(bo, "birds", mal)
    village.settle()
    ada.do(lambda p, now, fx: p.intend(ada.chat("birds"), "update", [], fx))
    village.settle()
    ada.do(lambda p, now, fx: p.add_to_group(ada.chat("birds"), ada.contact("Mal"), now, fx))
    village.settle()
    assert set(mal.chat("birds").accounts()) == set(ada.chat("birds").accounts())
    return ada, bo, mal


def logs(village: Village) -> dict[bytes, tuple[Any, ...]]:
    """Every log of the relay: where it stands, its locks, its grants and its records."""
    storage = village.relay.storage
    seen = {}
    for number in range(1, storage._next_log):
        for id in storage.logs_after(number - 1, 1):
            log = storage.log(id)
            assert log is not None
            rows = storage.rows(log.number, 0, log.seq, 100_000)
            seen[id] = (
                log.seq,
                log.turn,
                log.h,
                log.n,
                log.read,
                log.write,
                log.admins,
                rows,
                tokens(village, log),
            )
    return seen


def tokens(village: Village, log: Any) -> list[tuple[Any, ...]]:
    asked = "SELECT hash, role, entries, size FROM tokens WHERE log = ? ORDER BY hash, role"
    return village.relay.storage._db.execute(asked, (log.number,)).fetchall()


def picture(who: Villager) -> list[tuple[Any, ...]]:
    """What somebody has: chats, members, texts, events."""
    return sorted(
        (
            chat.name,
            chat.hidden,
            tuple(chat.accounts()) if chat.line else (),
            who.texts(chat.name),
            who.events(chat.name),
        )
        for chat in who.person.chats.values()
    )


@pytest.mark.parametrize("order", ["as it was", "backwards", *range(6)])
def test_nothing_that_was_asked_before_changes_anything_when_it_is_asked_again(
    village: Village, order: str | int
) -> None:
    """As by a network that could repeat single operations, or by whoever had taken them from an app's memory."""
    heard = listen(village)
    people = everything(village)
    village.now += 3_600_000  # what limits the pace of advances is over
    again = list(heard)
    assert {type(one) for one in again} >= {Create, Append, Alter, Fetch}
    assert [one for one in again if isinstance(one, Append) and one.change is not None]
    before, pictures = logs(village), [picture(one) for one in people]
    if order == "backwards":
        again.reverse()
    elif isinstance(order, int):
        random.Random(order).shuffle(again)
    for operation in again:
        village.relay.ask(operation)
    assert logs(village) == before
    village.settle()
    for one in people:
        one.crash()
    village.settle(patience=600_000)
    assert [picture(one) for one in people] == pictures
    assert not [one.troubles() for one in people if one.troubles()]


def test_changes_of_admins_are_of_no_use_to_members_who_read_them(village: Village) -> None:
    """A member reads an admin's signed change in its record. Played again it opens nothing, here or in another log."""
    heard = listen(village)
    ada, bo, mal = village.friends("Ada", "Bo", "Mal")
    for name in ("birds", "bees"):
        ada.group(name, "Bo", "Mal")
        village.settle()
    promote(ada, "birds", bo)
    village.settle()
    log = line_of(mal, "birds").state.log
    [change] = [one.change for one in heard if isinstance(one, Append) and one.log == log and one.change]

    def play_again(*, holds: bool) -> None:
        before = logs(village)
        for chat in ("birds", "bees"):
            alone = village.relay.ask(Alter(line_of(mal, chat).state.log, change))
            # The change that holds now is answered once more: it is in force already.
            assert isinstance(alone, Altered) if holds and chat == "birds" else refused(alone)
            for advance in (False, True):
                body, _ = commit(mal, chat, update=True)
                assert refused(append(mal, chat, entry(body), advance=advance, change=change))
        assert logs(village) == before

    play_again(holds=True)
    account = bo.person.identity.account
    for word in ("demote", "promote"):
        ada.do(lambda p, now, fx, word=word: p.intend(ada.chat("birds"), "roles", [word, account], fx))
        village.settle()
        play_again(holds=False)
    for one in (ada, bo, mal):
        one.send("birds", f"{one.name} goes on")
    village.settle(patience=200_000)
    assert {"Ada goes on", "Bo goes on", "Mal goes on"} <= set(mal.texts("birds")) & set(ada.texts("birds"))


def test_an_append_of_an_admin_is_of_no_use_with_something_else_in_it(village: Village) -> None:
    """The proof that frees an admin from limits, and the change beside a commit, hold for these entries alone."""
    heard = listen(village)
    ada, bo, mal = village.friends("Ada", "Bo", "Mal")
    ada.group("birds", "Bo", "Mal")
    village.settle()
    promote(ada, "birds", bo)
    village.settle()
    log = line_of(mal, "birds").state.log
    [proved] = [
        one for one in heard if isinstance(one, Append) and one.log == log and one.admin and one.change
    ]
    body, _ = commit(mal, "birds", update=True)
    before = logs(village)
    for more in (
        {"admin": proved.admin},
        {"admin": proved.admin, "advance": True},
        {"admin": proved.admin, "advance": True, "change": proved.change},
        {"change": proved.change, "advance": True, "turn": proved.turn},
    ):
        answer = append(mal, "birds", entry(body), **more)
        assert isinstance(answer, Failure)
        assert answer.status in (Status.DENIED, Status.WRONG_TURN)
    known = village.relay.ask(proved)
    assert isinstance(known, Appended)
    assert logs(village) == before


def refused(answer: object) -> bool:
    return isinstance(answer, Failure) and answer.status is Status.DENIED
