"""What is watched: a cursor for each log, moved by what is delivered, and what the relay was told of it.

Nothing is dropped: records that do not follow the cursor are fetched before they are delivered. Nothing is doubled:
what the cursor has passed is left out. A relay keeps the set under a handle, so that another way needs to say only what
changed; when it has forgotten the handle it hears the whole set again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from whimbrel.link.events import DeliverRecords, DeliverSignal
from whimbrel.wire.answers import Answer, Failure, Fetched, Head, Record, Status, Watched
from whimbrel.wire.operations import OWN, OWN_MAX, Append, Fetch, Watch, WatchItem
from whimbrel.wire.stored import entry_id

HOLD = 25
"""Seconds for which a relay holds the answer of an exchange: below the 30 to 60 s after which proxies lose patience."""
HOLD_SHORT = 8
"""And while people talk and connections may die at any time: whether this one did shows soon. Then it is not worth the connections, which
are missing when a picture comes."""
RECORD, RECORD_AROUND = 700, 112
"""Bytes of a record with a short text, and of all in it that is not the entry."""
RECORDS_AGAIN = 20
"""Records of one log that are asked for only to see whether they get through."""
ITEMS_MAX = 500
"""Logs named in one operation: 50 KB; a larger set goes in several."""
BUSY_PAUSE, REFUSED_PAUSE, IDLE_PAUSE = 1.0, 10.0, 1.0
"""Seconds: after `busy` without a time, after any other refusal of the whole set, after an answer that held nothing new."""


@dataclass(slots=True)
class _Slot:
    """One watched log. `version` counts what the relay must be told again; `reached` is the last seq up to which nothing
    readable is missing."""

    log: bytes
    read: bytes
    cursor: int
    version: int
    reached: int
    head: Head | None = None
    stopped: bool = False
    not_before: float = float("-inf")
    fetching: bool = False
    gap: bool = False
    news: int = 0
    """When something last came for it, counted by what came."""


@dataclass(frozen=True, slots=True)
class _Told:
    log: bytes
    version: int
    after: int


@dataclass(slots=True)
class Leg:
    """The watch on one way: what the relay was told on it or, under the same handle, before it."""

    held: bool
    """The way is an exchange: the answer is held until there is something, and each letter tells the cursors."""
    handle: bytes | None = None
    told: dict[int, _Told] = field(default_factory=dict)
    asking: int | None = None
    """The request that carries the watch now."""
    waits: bool = False
    """That request is held by the relay."""
    hold: int = HOLD
    """For so many seconds at most."""
    answered: bool = False
    not_before: float = float("-inf")
    sent_at: float = 0.0
    saying: dict[int, _Told] = field(default_factory=dict)
    dropping: tuple[int, ...] = ()
    count: int = 0
    """Which of all watches it asked for last."""


class Watching:
    """The desired set, its cursors, and what to ask on each way."""

    def __init__(self) -> None:
        self._slots: dict[int, _Slot] = {}
        self._versions = 0
        self._count = 0
        """Watches that were asked for, by whatever way: the relay holds none of a set for newer that comes with a lower one."""
        self._known: tuple[bytes | None, dict[int, _Told]] = (None, {})
        self._in_doubt: bytes | None = None
        """The handle that a letter carries which was given up: it may arrive as long as somebody on the way says it again, which is for
        minutes, and also after others with that handle were answered."""
        self._news = 0
        self.page: int | None = None
        """Records to ask for at a time, where an answer must be small; None: as many as there are."""
        self.record = RECORD
        """Bytes of a record, as they came lately."""
        self._own: dict[bytes, dict[bytes, None]] = {}
        """For each log the beginnings of the ids of own entries that were not read back, in the order in which they were written."""

    def __bool__(self) -> bool:
        return bool(self._slots)

    def all_again(self) -> tuple[Fetch, ...]:
        """How to ask anew for the first records of each log that is watched."""
        return tuple(Fetch(slot.log, slot.read, 0, RECORDS_AGAIN) for slot in self._slots.values())

    def cursor(self, slot: int) -> int | None:
        """Up to where a slot's records were delivered."""
        found = self._slots.get(slot)
        return found.cursor if found is not None else None

    # ------------------------------------------------------------------------------- what the owner wants

    def set(self, items: Mapping[int, WatchItem]) -> None:
        """Watch these and nothing else."""
        slots = {}
        for number, item in items.items():
            old = self._slots.get(number)
            if old is None or old.log != item.log:
                slots[number] = _Slot(item.log, item.read, item.after, self._next_version(), item.after)
                continue
            if old.read != item.read:
                old.read, old.version, old.stopped = item.read, self._next_version(), False
                old.head = None  # what the token before showed may be the head at its end: this one's is told, news or not
            if item.after > old.cursor:
                self._move(old, item.after)
            slots[number] = old
        self._slots = slots
        logs = {slot.log for slot in slots.values()}
        self._own = {log: own for log, own in self._own.items() if log in logs}

    def writes(self, append: Append) -> None:
        """These entries are known here: they need not come back."""
        if any(slot.log == append.log for slot in self._slots.values()):
            own = self._own.setdefault(append.log, {})
            own.update((entry_id(entry)[:OWN], None) for entry in append.entries)
            for one in list(own)[: max(0, len(own) - OWN_MAX)]:
                del own[one]

    def has_not_written(self, append: Append) -> None:
        """It was refused. Should it be in the log after all, it is to be seen whole."""
        for entry in append.entries:
            self._own.get(append.log, {}).pop(entry_id(entry)[:OWN], None)

    def reposition(self, number: int, after: int) -> None:
        """Watch a slot from `after` on, whatever was delivered."""
        slot = self._slots.get(number)
        if slot is not None:
            self._move(slot, after)

    def ask_again(self) -> None:
        """Have something fetched, so that a way that is up has to show that it still is."""
        for slot in self._slots.values():
            if not slot.stopped:
                slot.gap = True
                return

    def _move(self, slot: _Slot, after: int) -> None:
        slot.cursor = slot.reached = after
        slot.version = self._next_version()
        slot.stopped, slot.gap, slot.not_before, slot.head = False, False, float("-inf"), None

    def _next_version(self) -> int:
        self._versions += 1
        return self._versions

    # ------------------------------------------------------------------------------- what to ask

    def leg(self, held: bool) -> Leg:
        """A watch for a new way: it knows what the relay was told on the last one.

        A relay tells whoever used the handle last. Where a letter with it may still arrive late from a way that was given
        up, a stream does not use that handle again: it would wait in silence for what goes to the dead way. An
        exchange may, because each of its letters takes the set back.
        """
        handle, told = self._known
        if handle is not None and handle == self._in_doubt and not held:
            handle, told = None, {}
        return Leg(held, handle, dict(told))

    def has_news_for(self, leg: Leg, now: float) -> bool:
        """Whether the relay is to be told something else than that the app still listens."""
        if leg.not_before > now:
            return False
        return (
            (not leg.answered and bool(leg.told))
            or any(n not in self._slots or self._slots[n].stopped for n in leg.told)
            or any(self._slots[n].not_before <= now for n in self._to_tell(leg, compare=False))
        )

    def is_overtaken(self, leg: Leg) -> bool:
        """Whether another way has asked since this one did: whom the relay tells now is not known here."""
        return 0 < leg.count < self._count

    def dropped(self, leg: Leg) -> None:
        """The way of this leg is gone or given up."""
        if leg.asking is not None and leg.handle is not None:
            self._in_doubt = leg.handle

    def request(self, leg: Leg, now: float, hold: int = HOLD) -> Watch | None:
        """What to tell the relay on this way now, if anything; it counts as asked from here on (`leg.asking` is the caller's).
        `hold`: how long the relay may hold the answer when there is nothing to tell; 0: it only says what is new."""
        if leg.not_before > now:
            return None
        news = [n for n in self._to_tell(leg, compare=False) if self._slots[n].not_before <= now]
        dropping = tuple(n for n in leg.told if n not in self._slots or self._slots[n].stopped)
        quiet = not news and all(n in self._slots for n in leg.told)
        if quiet:
            if leg.answered and not (leg.held and leg.told):
                return None
            if not leg.answered and not leg.told:
                return None
        wait = hold if leg.held and leg.answered and quiet else 0
        # Whenever the relay is told anything it looks at the whole set again, so it is also told the cursors that moved.
        moved = [n for n in self._to_tell(leg, compare=True) if self._slots[n].not_before <= now]
        changed = list(dict.fromkeys(news + moved))[:ITEMS_MAX]
        items = tuple(self._item(n) for n in changed)
        leg.saying = {i.slot: _Told(i.log, self._slots[i.slot].version, i.after) for i in items}
        leg.dropping = dropping
        leg.waits, leg.hold = wait > 0, hold
        leg.sent_at = now
        own = [one for log in self._own.values() for one in log][-OWN_MAX:]
        self._count += 1
        leg.count = self._count
        drop = dropping if leg.handle is not None else ()
        return Watch(leg.handle, items, drop, wait, tuple(own), leg.count)

    def outdated(self, leg: Leg, now: float) -> bool:
        """The letter that the relay holds does not say what is wanted now: it should be replaced by another."""
        if not leg.waits:
            return False
        if any(n not in self._slots for n in leg.told):
            return True
        said = leg.told | leg.saying
        return any(
            not s.stopped and s.not_before <= now and (n not in said or said[n].version != s.version)
            for n, s in self._slots.items()
        )

    def not_asked(self, leg: Leg) -> None:
        """The request that carried the watch was given up: what it said is unsaid."""
        leg.asking, leg.waits, leg.saying, leg.dropping = None, False, {}, ()

    def wake_at(self, leg: Leg, now: float) -> float | None:
        """When `request` may have something to say without anything happening before."""
        times = [s.not_before for s in self._slots.values() if not s.stopped and s.not_before > now]
        if leg.not_before > now:
            times.append(leg.not_before)
        return min(times, default=None)

    def to_fetch(self) -> Iterator[tuple[int, Fetch]]:
        """Fetches for slots where records are missing; each is given once and counts as under way."""
        for number, slot in self._slots.items():
            if slot.gap and not slot.fetching and not slot.stopped:
                slot.gap, slot.fetching = False, True
                yield number, self._fetch(slot)

    def look(self, most: int) -> Iterator[tuple[int, Fetch]]:
        """Fetches for the slots where something came last, as in `to_fetch`, without waiting for a sign that there is more."""
        lately = sorted((s.news, n) for n, s in self._slots.items() if s.news and not s.stopped)
        for _, number in lately[-most:]:
            slot = self._slots[number]
            if not slot.fetching:
                slot.gap, slot.fetching = False, True
                yield number, self._fetch(slot)

    def _fetch(self, slot: _Slot) -> Fetch:
        own = tuple(self._own.get(slot.log, ()))
        if self.page is None:
            return Fetch(slot.log, slot.read, slot.cursor, own=own)
        return Fetch(slot.log, slot.read, slot.cursor, self.page, own)

    def is_settled(self, leg: Leg) -> bool:
        """Every watched log was answered on this way, and nothing is missing."""
        active = [s for s in self._slots.values() if not s.stopped]
        if any(s.fetching or s.gap for s in active):
            return False
        return not active or (leg.answered and next(self._to_tell(leg, compare=False), None) is None)

    def _to_tell(self, leg: Leg, compare: bool) -> Iterator[int]:
        for number, slot in self._slots.items():
            if slot.stopped:
                continue
            told = leg.told.get(number)
            if told is None or told.version != slot.version or (compare and told.after != slot.cursor):
                yield number

    def _item(self, number: int) -> WatchItem:
        slot = self._slots[number]
        return WatchItem(number, slot.log, slot.read, slot.cursor)

    # ------------------------------------------------------------------------------- what came

    def answered(self, leg: Leg, now: float, answer: Answer, first: bool) -> list[DeliverRecords]:
        """The answer to the watch on `leg`; `first` when it is the way that counts (others only learn the handle)."""
        saying, dropping, waited = leg.saying, leg.dropping, leg.waits
        self.not_asked(leg)
        if not isinstance(answer, Watched):
            self._refused(leg, now, answer)
            return []
        leg.handle = answer.handle
        leg.told = {n: t for n, t in leg.told.items() if n not in dropping} | saying
        leg.answered = True
        actions: list[DeliverRecords] = []
        if first:
            self._known = (leg.handle, leg.told)
            for number, what in answer.results:
                asked = saying.get(number)
                actions += self._came(leg, now, number, what, asked.after if asked is not None else None)
        if leg.held and waited and not actions and now - leg.sent_at < IDLE_PAUSE:
            leg.not_before = now + IDLE_PAUSE
        return actions

    def pushed(self, leg: Leg, now: float, number: int, what: Fetched | Failure) -> list[DeliverRecords]:
        """Pushed on a stream: it follows what was pushed before, or something is missing."""
        return self._came(leg, now, number, what, None)

    def signalled(self, leg: Leg, number: int, body: bytes) -> list[DeliverSignal]:
        """A signal, if it is for the log that has this slot now."""
        slot, told = self._slots.get(number), leg.told.get(number)
        if slot is None or told is None or told.log != slot.log:
            return []
        return [DeliverSignal(number, body)]

    def fetched(self, number: int, asked: Fetch, answer: Answer) -> list[DeliverRecords]:
        """The answer to one of `to_fetch`."""
        slot = self._slots.get(number)
        if slot is None or slot.log != asked.log:
            return []
        slot.fetching = False
        if slot.read != asked.read or asked.after > slot.cursor:
            slot.gap = True  # what was asked is not what is wanted any more
            return []
        if isinstance(answer, Fetched):
            return self._deliver(number, slot, answer, certain=True)
        return self._stop(number, slot, answer) if isinstance(answer, Failure) else []

    def _refused(self, leg: Leg, now: float, answer: Answer) -> None:
        if isinstance(answer, Failure) and answer.status is Status.UNKNOWN and leg.handle is not None:
            leg.handle, leg.told = None, {}
            self._known = (None, {})
            return
        if isinstance(answer, Failure) and answer.status is Status.BUSY:
            pause = float(answer.retry_after) if answer.retry_after is not None else BUSY_PAUSE
        else:
            leg.handle, leg.told = None, {}
            pause = REFUSED_PAUSE
        leg.not_before = now + pause

    def _came(
        self, leg: Leg, now: float, number: int, what: Fetched | Failure, asked_after: int | None
    ) -> list[DeliverRecords]:
        slot, told = self._slots.get(number), leg.told.get(number)
        if slot is None or slot.stopped:
            return []
        if told is None or told.log != slot.log:
            slot.gap = True  # it may have been for the log that had this slot before
            return []
        if isinstance(what, Fetched):
            if what.ended and told.version != slot.version:
                what = replace(what, ended=False)  # the token before this one has ended, not this one
            return self._deliver(number, slot, what, asked_after is not None and asked_after <= slot.cursor)
        leg.told.pop(number, None)
        if what.status is Status.BUSY:
            slot.not_before = now + (what.retry_after if what.retry_after is not None else BUSY_PAUSE)
            return []
        if told.version != slot.version:
            return []  # the failure belongs to a token or a cursor that is not wanted any more
        return self._stop(number, slot, what)

    def _deliver(self, number: int, slot: _Slot, what: Fetched, certain: bool) -> list[DeliverRecords]:
        fresh: list[Record] = []
        last = slot.cursor
        own = self._own.get(slot.log)
        for record in what.records:
            if record.seq > last:
                fresh.append(record)
                last = record.seq
                if own:
                    own.pop(record.id[:OWN], None)
        if fresh and not certain and fresh[0].seq > slot.reached + 1:
            slot.gap = True
            return []
        ended = what.ended and not what.more
        news = bool(fresh) or what.head != slot.head or ended
        slot.cursor = last
        slot.reached = max(last, slot.reached)
        slot.head = what.head
        if certain and not what.more:
            slot.reached = max(slot.reached, what.head.seq)
        if what.more:
            slot.gap = True
        if ended:
            slot.stopped = True  # nothing more comes by this token; another one wakes the slot
        if fresh:
            self._news += 1
            slot.news = self._news
            average = sum(len(r.entry or b"") for r in fresh) / len(fresh) + RECORD_AROUND
            self.record += int((average - self.record) / 4)
        if not news:
            return []
        return [DeliverRecords(number, Fetched(tuple(fresh), what.head, what.more, what.ended))]

    def _stop(self, number: int, slot: _Slot, failure: Failure) -> list[DeliverRecords]:
        slot.stopped, slot.gap = True, False
        return [DeliverRecords(number, failure)]
