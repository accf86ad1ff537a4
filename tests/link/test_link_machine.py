"""Anything may happen to the ways, in any order: each ticket is answered once, each record comes once and in order.

The relay here is a model: logs, watch sets under handles (the newest listener is told, cursors move only by what the
app says), answers in another order than requests, letters that arrive after their way is long gone.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule
from link_table import LETTERS, NEAR, OTHER, RESET, STREAM, H
from relay_model import Model, ModelWay

from whimbrel.link.events import (
    Abandon,
    Answered,
    Close,
    Deliver,
    DeliverRecords,
    Dial,
    Event,
    Repositioned,
    Send,
    Submitted,
    WatchSet,
    WayLost,
)
from whimbrel.link.link import Link
from whimbrel.link.watching import IDLE_PAUSE
from whimbrel.link.ways import Carries
from whimbrel.wire.answers import Done, Failure, Fetched, Status
from whimbrel.wire.operations import Append, Operation, Put, WatchItem
from whimbrel.wire.stored import entry_id

LOGS = 4


class LinkMachine(RuleBasedStateMachine):
    """A link, a model, and everything that can go wrong between them."""

    def __init__(self) -> None:
        super().__init__()
        self.model = Model()
        self.now = 0.0
        self.ways: dict[int, ModelWay] = {}
        self.ghosts: list[tuple[ModelWay, int, tuple[Operation, ...]]] = []
        self.last: Event | None = None
        self.tickets = 0
        self.delivered: Counter[int] = Counter()
        self.puts_answered: set[int] = set()
        self.queues: dict[bytes, int] = {}
        self.waiting_for: dict[int, bytes] = {}
        self.slots: dict[int, bytes] = {}
        self.cursors: dict[int, int] = {}
        self.wake_at: float | None = None

    @initialize(
        ways=st.sampled_from([(NEAR,), (STREAM, OTHER), (LETTERS,), (LETTERS, STREAM), (NEAR, LETTERS)])
    )
    def begin(self, ways: Any) -> None:
        self.link = Link(ways, seed=b"m")
        self.tell()

    # ------------------------------------------------------------------------- what the owner does

    @rule(log=st.integers(0, LOGS - 1))
    def append(self, log: int) -> None:
        """One append is under way for each log; the next is given when it is answered."""
        name = bytes([log]) * 32
        if name in self.waiting_for.values():
            return
        count = self.queues.get(name, 0) + 1
        self.queues[name] = count
        self.submit(Append(name, H, 0, (b"%d" % count,)), name)

    @rule(n=st.integers(1, 4))
    def upload(self, n: int) -> None:
        for _ in range(n):
            self.tickets += 1
            operation = Put(H, H, H, 1 << 30, self.tickets, bytes(65552))
            self.tell(Submitted(self.tickets, operation))

    @rule(slots=st.sets(st.integers(0, LOGS - 1)), turn=st.integers(0, 1))
    def watch(self, slots: set[int], turn: int) -> None:
        """Slots change, and now and then a slot gets another log."""
        wanted = {slot: bytes([(slot + turn) % LOGS]) * 32 for slot in slots}
        for slot, log in wanted.items():
            if self.slots.get(slot) != log:
                self.cursors[slot] = 0
        self.slots = wanted
        self.tell(WatchSet({s: WatchItem(s, log, H, self.cursors[s]) for s, log in wanted.items()}))

    @precondition(lambda self: self.slots)
    @rule(data=st.data())
    def go_back(self, data: st.DataObject) -> None:
        slot = data.draw(st.sampled_from(sorted(self.slots)))
        self.cursors[slot] = data.draw(st.integers(0, self.cursors[slot]))
        self.tell(Repositioned(slot, self.cursors[slot]))

    # ------------------------------------------------------------------------- what the network does

    @precondition(lambda self: any(w.up for w in self.ways.values()))
    @rule(data=st.data())
    def arrives(self, data: st.DataObject) -> None:
        way = data.draw(st.sampled_from([w for w in self.ways.values() if w.up]))
        place = data.draw(st.integers(0, min(2, len(way.up) - 1))) if way.up[0][0] else 0
        n, operations = way.up.pop(place)
        self.model.run(way, n, operations)

    @precondition(lambda self: any(w.down for w in self.ways.values()))
    @rule(data=st.data())
    def comes_back(self, data: st.DataObject) -> None:
        way = data.draw(st.sampled_from([w for w in self.ways.values() if w.down]))
        self.last = way.down.popleft()
        self.tell(self.last)

    @precondition(lambda self: any(w.up or w.down for w in self.ways.values()))
    @rule(steps=st.lists(st.tuples(st.integers(0, 3), st.integers(0, 2), st.booleans()), max_size=30))
    def much_arrives(self, steps: list[tuple[int, int, bool]]) -> None:
        """Some of what is under way comes through, here and there, out of order where it may be."""
        for which, place, upwards in steps:
            ways = [w for w in self.ways.values() if (w.up if upwards else w.down)]
            if not ways:
                continue
            way = ways[which % len(ways)]
            if upwards:
                self.model.run(way, *way.up.pop(place % len(way.up) if way.up[0][0] else 0))
            else:
                self.last = way.down.popleft()
                self.tell(self.last)

    @precondition(lambda self: any(w.up or w.down for w in self.ways.values()))
    @rule()
    def everything_arrives(self) -> None:
        for way in list(self.ways.values()):
            while way.up:
                self.model.run(way, *way.up.pop(0))
            while way.down and not way.gone:
                self.last = way.down.popleft()
                self.tell(self.last)

    @precondition(lambda self: isinstance(self.last, Answered))
    @rule()
    def an_answer_is_repeated(self) -> None:
        assert self.last is not None
        self.tell(self.last)

    @precondition(lambda self: self.ways)
    @rule(data=st.data())
    def a_way_is_lost(self, data: st.DataObject) -> None:
        self.lose(data.draw(st.sampled_from(sorted(self.ways))))

    @rule()
    def the_relay_dies(self) -> None:
        self.model.sets.clear()
        self.ghosts.clear()
        for way in list(self.ways.values()):
            way.up.clear()
            self.lose(way.number)

    @precondition(lambda self: self.ghosts)
    @rule(data=st.data())
    def a_letter_of_a_dead_way_arrives(self, data: st.DataObject) -> None:
        self.model.run(*self.ghosts.pop(data.draw(st.integers(0, len(self.ghosts) - 1))))

    @precondition(lambda self: any(w.held for w in self.ways.values()))
    @rule()
    def a_held_letter_is_answered(self) -> None:
        for way in self.ways.values():
            for n in list(way.held):
                self.model.release(way, n)

    @rule(times=st.integers(1, 3))
    def the_relay_is_busy(self, times: int) -> None:
        self.model.busy = times

    @rule(seconds=st.sampled_from([0.05, 0.3, 1.0, 5.0, 20.0]))
    def time_passes(self, seconds: float) -> None:
        self.pass_time(seconds)

    @rule(log=st.integers(0, LOGS - 1))
    def somebody_else_writes(self, log: int) -> None:
        name = bytes([log]) * 32
        self.model.logs.setdefault(name, []).append(b"other %d" % len(self.model.logs[name]))
        self.model.tell(name)

    # ------------------------------------------------------------------------- in the end

    def teardown(self) -> None:
        """Nothing is lost any more: then everything is answered and everything has come."""
        if not hasattr(self, "link"):
            return
        self.model.busy = 0
        rested = False
        for _ in range(4000):
            for way in list(self.ways.values()):
                while way.up:
                    self.model.run(way, *way.up.pop(0))
                while way.down and not way.gone:
                    self.tell(way.down.popleft())
            if self.link.is_settled and not any(w.up or w.down for w in self.ways.values()):
                for way in self.ways.values():
                    for n in list(way.held):
                        self.model.release(way, n)
                if not any(w.down for w in self.ways.values()):
                    if rested:
                        break
                    rested = True  # a relay that did not hold a letter is asked again after a moment
                    self.now += 2 * IDLE_PAUSE
                    self.tell()
                    continue
            assert self.wake_at is not None or self.ways, "it would wait for ever"
            if not any(w.up or w.down for w in self.ways.values()) and self.wake_at is not None:
                self.now = max(self.now, self.wake_at)
                self.tell()
        assert self.link.is_settled
        assert dict(self.delivered) == dict.fromkeys(range(1, self.tickets + 1), 1)
        for slot, log in self.slots.items():
            assert self.cursors[slot] == len(self.model.logs.get(log, ()))
        for log, count in self.queues.items():
            ours = [e for e in self.model.logs[log] if not e.startswith(b"other")]
            assert ours == [b"%d" % i for i in range(1, count + 1)]

    # ------------------------------------------------------------------------- the hands

    def submit(self, operation: Operation, log: bytes) -> None:
        self.tickets += 1
        self.waiting_for[self.tickets] = log
        self.tell(Submitted(self.tickets, operation))

    def pass_time(self, seconds: float) -> None:
        end = self.now + seconds
        while self.wake_at is not None and self.wake_at <= end:
            self.now = max(self.now, self.wake_at)
            self.tell()
        self.now = end
        self.tell()

    def lose(self, number: int) -> None:
        self.bury(number)
        self.tell(WayLost(number, RESET))

    def bury(self, number: int) -> None:
        way = self.ways.pop(number)
        way.gone = True
        self.ghosts += [(way, n, operations) for n, operations in way.up]

    def tell(self, *events: Event) -> None:
        actions, self.wake_at = self.link.next(self.now, events)
        for action in actions:
            match action:
                case Dial(number, candidate, operations):
                    stream = candidate.carries is Carries.STREAM
                    self.ways[number] = ModelWay(number, stream, [(0, operations)])
                case Send(number, n, operations):
                    again = {o.n for o in operations if isinstance(o, Put)} & self.puts_answered
                    assert not again, "a chunk that was answered is sent again"
                    self.ways[number].up.append((n, operations))
                case Close(number):
                    self.bury(number)
                case Abandon(number, n):
                    self.ways[number].held.pop(n, None)
                    self.ways[number].up = [r for r in self.ways[number].up if r[0] != n]
                case Deliver(ticket, answer):
                    self.delivered[ticket] += 1
                    assert self.delivered[ticket] == 1
                    assert not (isinstance(answer, Failure) and answer.status is Status.BUSY)
                    self.waiting_for.pop(ticket, None)
                    if isinstance(answer, Done):
                        self.puts_answered.add(ticket)
                case DeliverRecords(slot, what):
                    assert isinstance(what, Fetched)
                    for record in what.records:
                        assert record.seq == self.cursors[slot] + 1, "dropped or doubled"
                        there = self.model.logs[self.slots[slot]][record.seq - 1]
                        assert record.id == entry_id(there)
                        assert record.entry in (there, None)
                        self.cursors[slot] = record.seq


LinkMachine.TestCase.settings = settings(max_examples=150, stateful_step_count=60, deadline=None)
TestAnythingMayHappen = LinkMachine.TestCase
