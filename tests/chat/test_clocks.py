"""A clock that jumps by a day or a year, either way, and back: nothing is stuck, nothing lost, nothing doubled."""

from __future__ import annotations

from dataclasses import replace

import pytest

from support.village import Village, Villager
from whimbrel.chat.inbox import KEEP_EVERY
from whimbrel.wire.answers import Failure, Status
from whimbrel.wire.operations import Append, Keep

DAY = 24 * 3600 * 1000
YEAR = 365 * DAY
JUMPS = pytest.mark.parametrize("jump", [DAY, -DAY, YEAR, -YEAR])


@JUMPS
def test_what_waits_for_company_leaves_soon_after_the_clock_was_set_and_set_back(
    village: Village, jump: int
) -> None:
    ada, bo = village.friends("Ada", "Bo")
    ada.send("Bo", "hello")
    while bo.texts("Ada") != ["hello"]:
        ada.step()
        bo.step()
    # Bo's receipt waits for two seconds of a clock that is wrong.
    [receipt] = [row for row in bo.chat("Ada").outbox if row.kind == "receipts"]
    assert receipt.not_before > village.now
    village.now += jump
    village.settle()
    assert [row.state for row in ada.rows("Bo")] == ["delivered"]


@JUMPS
def test_people_go_on_talking_while_the_clock_jumps(village: Village, jump: int) -> None:
    ada, bo = village.friends("Ada", "Bo")
    said = []
    for n, by in enumerate((jump, -jump, jump, -jump)):
        ada.send("Bo", f"{n} before")
        village.now += by
        ada.send("Bo", f"{n} after")
        village.settle()
        said += [f"{n} before", f"{n} after"]
        assert bo.texts("Ada") == said  # in the order in which they were said, whatever the clocks showed
        assert [row.state for row in ada.rows("Bo")] == ["delivered"] * len(said)
    assert not ada.troubles() + bo.troubles()


@JUMPS
def test_a_message_never_bears_a_time_that_lies_ahead_of_its_readers_clock(
    village: Village, jump: int
) -> None:
    ada, bo = village.friends("Ada", "Bo")
    village.now += jump
    ada.send("Bo", "from another year")
    while ada.asks or ada.step():
        ada.step()
    village.now -= jump
    village.settle()
    [row] = bo.rows("Ada")
    assert row.at <= village.now


def refuse_append(ada: Villager) -> None:
    """The relay is full for Ada's append."""
    [ask] = [ask for ask in ada.asks if isinstance(ask.operation, Append)]
    ada.asks.remove(ask)
    ada.do(lambda person, now, fx: person.answer(ask.tag, Failure(Status.FULL), now, fx))


@JUMPS
def test_what_a_full_relay_refused_is_tried_again_within_a_minute_whatever_the_clock_does(
    village: Village, jump: int
) -> None:
    ada, bo = village.friends("Ada", "Bo")
    village.now += jump
    ada.send("Bo", "is there room?")
    refuse_append(ada)
    assert not any(isinstance(ask.operation, Append) and not ask.operation.advance for ask in ada.asks)
    village.now -= jump
    village.settle(patience=61_000)
    assert bo.texts("Ada") == ["is there room?"]


@JUMPS
def test_an_errand_put_off_is_run_soon_after_the_clock_was_set_back(village: Village, jump: int) -> None:
    ada, bo = village.friends("Ada", "Bo")
    village.now += jump
    ada.do(lambda person, now, fx: person.doors.invites.make(now, fx))
    for _ in range(4):  # the last wait is an hour
        asks, ada.asks = ada.asks, []
        for ask in asks:
            if ask.tag[0] == "routes":
                continue  # ways are asked for now and then; that is no errand
            assert ask.tag[0] == "errand"
            ada.do(lambda person, now, fx, tag=ask.tag: person.answer(tag, Failure(Status.FULL), now, fx))
        village.now += 600_000
        ada.do(lambda person, now, fx: None)
    village.now -= jump
    ada.crash()  # the time that it waits for is in the store
    village.settle(patience=3_700_000)
    assert not list(ada.person.errands)
    assert bo.accept(ada.invite()) == "done"


@JUMPS
def test_the_card_is_kept_alive_in_real_time_after_the_clock_was_wrong(village: Village, jump: int) -> None:
    ada = village.person("Ada")

    def kept() -> bool:
        ada.do(lambda person, now, fx: None)
        return any(isinstance(ask.operation, Keep) for ask in ada.asks)

    village.now += jump
    kept()
    village.settle()
    village.now -= jump
    kept()
    village.settle()
    assert not kept()
    village.now += (KEEP_EVERY + 1) * 1000
    assert kept()


def test_an_old_answer_does_not_count_for_a_new_errand_that_got_its_number(village: Village) -> None:
    ada = village.person("Ada")
    ada.do(lambda person, now, fx: person.doors.invites.make(now, fx))
    first = ada.asks[0]
    # What was saved last is restored, and another errand gets the same lane and number.
    [errand] = [each for each in ada.person.errands if each.n == first.tag[2]]
    other = errand.operation[:-1] + bytes([errand.operation[-1] ^ 1])
    assert ada.person.errands.find(errand.lane, errand.n, first.tag[3]) is errand
    ada.person.errands._lanes[errand.lane][0] = replace(errand, operation=other)
    answer = village.relay.ask(first.operation)
    before = len(ada.person.errands)
    ada.do(lambda person, now, fx: person.answer(first.tag, answer, now, fx))
    assert len(ada.person.errands) == before
