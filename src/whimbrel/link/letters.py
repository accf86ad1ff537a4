"""Letters where connections freeze by volume: each goes by a connection of its own, and a long one by several, in pieces.

A connection there carries some 16 KB, or 25 packets, and then nothing more; so it is opened for one exchange of one message
and closed with what came back. Connections are counted (`Dialer.short`), so what waits goes together, and each letter also
asks for what is new. Texts go before files; a letter that the relay holds brings what comes while nobody writes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence, Set
from dataclasses import dataclass, field
from enum import Enum

from whimbrel.link.dialer import Dialer
from whimbrel.link.queue import CatchUp, Pending, Queue, size_of
from whimbrel.link.watching import HOLD, HOLD_SHORT, Leg, Watching
from whimbrel.link.way import Request
from whimbrel.link.ways import Candidate
from whimbrel.wire.operations import Get, Put, Watch

TEXTS = 2850
"""Bytes of texts that go together, unless one alone is larger."""
ROOMS = {
    1.0: ((850, (2112, 8256)), (TEXTS + 1100, (4160, 4160)), (1 << 30, (8256, 576))),
    0.5: ((850, (2112, 4160)), (1 << 30, (4160, 2112))),
    0.25: ((1 << 30, (2112, 2112)),),
}
"""By how much is dared: bytes of operations, and what a message there and one back may have (the sizes of `wire.pieces`). With a
browser's hello and a usual certificate a connection has carried 13 packets until then; these make at most 12 more."""
BULK = {
    1.0: ((8256, 576, 6 * 1024), (2112, 8256, 7 * 1024)),
    0.5: ((4160, 576, 2 * 1024), (2112, 4160, 3 * 1024)),
    0.25: ((4160, 576, 2 * 1024), (2112, 2112, 1024)),
}
"""The same of a part of a chunk that is put and of one that is got, and how many bytes of it fit there. No message has room for a put below 4160."""
MORE = {576: 2112, 2112: 4160, 4160: 8256, 8256: 8256}
"""What a message back may have that brings more of an answer, by what the first one might: it is asked for with one packet."""
AROUND_ANSWER = 600
"""Bytes of a message back that are not what was asked for."""
DARE_LEAST = 0.25
BULK_FAILS, BULK_AGAIN = 3, 16
"""Letters with parts of chunks that may hang in a row until parts are smaller, and that come through in a row until they are larger again. What
now and then hangs at full size is quicker than what always comes through at a third of it."""
DARE_AGAIN = 8
"""Letters that are answered in a row until more is dared again, after one that hung."""
MUCH = 4160
"""Bytes of a message above which how long it takes is reckoned for itself."""
SLOW, SLOW_DARE = 0.35, 0.5
"""Seconds that much takes beside little from which the line itself is slow, and how much is dared there at most: of packets that come
one by one each is acknowledged, so that more of them make up the same letter."""
LATE = 0.35
"""Seconds after which an answer is late at least."""
BESIDE = 3
"""Letters with the same at a time."""
LOOK = 2
"""Logs that are looked at with each letter: those where something came last."""
ASK_EVERY = 5.0
"""Seconds after which the relay is asked for all that is new, while there is always something to write."""
TEXTS_FIRST = 0.3
"""Seconds in which a letter is left to texts before it only asks for what is new."""
REACT = 0.03
"""Seconds after an answer in which what the app makes of it is waited for: it had better go in the same letter."""
SAY_FIRST = 0.15
"""Seconds after an answer in which a chunk that is put down waits for what is said to it."""
REST = 1.0
"""Seconds after a text in which the next one is waited for, before the relay is asked to hold a letter."""
FAILS, FAILS_ALL = 2, 4
"""Letters in a row that may fail until other ways are tried too, and until none counts as up; also losses until a letter in
pieces is begun anew."""
PIECES, PIECES_BULK, BULK_LETTERS = 4, 2, 2
"""Pieces of a letter with texts and of one with a chunk, and letters with chunks, that are under way at a time."""


class Kind(Enum):
    """What a letter is for."""

    TEXT = "text"
    HELD = "held"
    BULK = "bulk"


@dataclass(slots=True, eq=False)
class Letter:
    """A letter on its way. `number` is that of the way which began it."""

    number: int
    kind: Kind
    request: Request
    room: tuple[int, int]
    ways: dict[int, tuple[Candidate, float]] = field(default_factory=dict)
    """The connections that carry something of it, and since when."""
    left: int = 1
    """Exchanges that it takes still, with those under way."""
    begun: bool = False
    """Something came back already."""
    losses: int = 0

    @property
    def dialled_at(self) -> float:
        return max((since for _, since in self.ways.values()), default=float("-inf"))


@dataclass(slots=True)
class _Dare:
    """How much letters to one machine carry, and how many were answered there in a row."""

    candidate: Candidate
    share: float
    in_a_row: int = 0


def _rooms_of(share: float) -> set[tuple[int, int]]:
    """What letters may have where so much is dared."""
    return {room for _, room in ROOMS[share]} | {(there, back) for there, back, _ in BULK[share]}


Begin = Callable[[Kind, Candidate, list[Pending], Watch | None, tuple[int, int]], None]
Continue = Callable[[Letter, Candidate], None]
Part = Callable[[Candidate, "Room", "Room"], None]
Room = tuple[int, int, int]
"""Of a part of a chunk: a message there, one back, and bytes of the chunk."""


class Letters:
    """Which letter goes next, and when."""

    def __init__(self, queue: Queue, watching: Watching, dialer: Dialer) -> None:
        self._queue = queue
        self._watching = watching
        self._dialer = dialer
        self.under_way: dict[int, Letter] = {}
        self.leg: Leg | None = None
        self.up: Candidate | None = None
        """What answered last; None when nothing does."""
        self._fails = 0
        self._takes, self._takes_much = 0.5, 0.0
        self._answered_at = float("-inf")
        self._begun_at = float("-inf")
        """Since when letters go."""
        self._asked_at = float("-inf")
        self._dared: dict[str, _Dare] = {}
        """By the machine that is dialled."""
        self._dares_bulk = 1.0
        self._bulk_in_a_row = 0
        """Letters with parts of chunks that came through; below zero: that hung."""
        self._owes_look = False

    @property
    def get_through(self) -> bool:
        """Whether they are not all lost."""
        return self._fails < FAILS

    @property
    def _has_not_asked(self) -> bool:
        """What streams would have brought was not asked for yet."""
        return self._asked_at < self._begun_at

    @property
    def _writes(self) -> bool:
        return any(x.kind is Kind.TEXT for x in self.under_way.values())

    def late_after(self, room: tuple[int, int]) -> float:
        """Seconds after which an answer is late to a letter of this size: where little goes through, much takes long."""
        takes = max(self._takes, self._takes_much) if room[0] > MUCH else self._takes
        return max(LATE, 1.5 * takes)

    # ------------------------------------------------------------------------------- what goes

    def serve(self, now: float, late: bool, begin: Begin, go_on: Continue, part: Part) -> float | None:
        """Begin and go on with what the budget allows; when to look again. `late`: what waits is carried by a way that is silent."""
        if self.leg is None:
            self.leg = self._watching.leg(held=True)
            self.leg.answered = self.leg.handle is not None
            self._fails, self._begun_at = 0, now
            # First what is to be said: connections are few, and listening takes one.
            if self._queue.unanswered:
                self._answered_at = now
        leg = self.leg
        wakes: list[float | None] = [self._watching.wake_at(leg, now)]
        for letter in list(self.under_way.values()):  # what has begun is worth most when it is whole
            if letter.kind is not Kind.BULK:
                wakes.append(self._go_on(now, letter, go_on))
        quick = [x for x in self.under_way.values() if x.kind is Kind.TEXT and not x.begun]
        if quick:
            wakes.append(self._write_beside(now, leg, quick, begin))
        elif self._has_something_to_say(now, leg):
            wakes.append(self._write(now, leg, late, begin))
        elif leg.asking is None and self._watching and not self._writes:
            rested_at = max(self._answered_at + REST, self._left_to_texts_until(now))
            if self._has_not_asked:
                rested_at = self._answered_at + REACT
            wakes.append(rested_at if rested_at > now else self._listen(now, leg, begin))
        for letter in list(self.under_way.values()):
            if letter.kind is Kind.BULK:
                wakes.append(self._go_on(now, letter, go_on))
        if all(now - x.dialled_at < self._takes for x in quick):
            wakes.append(self._serve_bulk(now, part))
        return min((t for t in wakes if t is not None), default=None)

    def _has_something_to_say(self, now: float, leg: Leg) -> bool:
        """An empty letter goes once, where nothing is to be said or watched: it shows whether they get through."""
        if self._queue.next_message() is not None:
            return True
        if leg.asking in self.under_way and self.under_way[leg.asking].kind is not Kind.HELD:
            return False  # it is being said
        return self._watching.has_news_for(leg, now) or (self.up is None and not self._watching)

    def _go_on(self, now: float, letter: Letter, go_on: Continue) -> float | None:
        """The next piece of a letter that takes several, or again one that is late."""
        if not letter.begun or len(letter.ways) >= max(BESIDE, min(letter.left, PIECES)):
            return None
        if self._is_said_by_another(letter):
            return None
        late_at = letter.dialled_at + 2 * self.late_after(letter.room)
        bulk = letter.kind is Kind.BULK
        if len(letter.ways) >= min(letter.left, PIECES_BULK if bulk else PIECES) and late_at > now:
            return late_at
        besides = [candidate for candidate, _ in letter.ways.values()]
        candidate, at = self._short(now, bulk=bulk, hedge=not bulk or letter.left <= 1, besides=besides)
        if candidate is None:
            return at
        go_on(letter, candidate)
        return now

    def _write(self, now: float, leg: Leg, late: bool, begin: Begin) -> float | None:
        """All that waits, and a look at what is new. Who was answered just now may have something to say to that."""
        if now < self._answered_at + REACT:
            return self._answered_at + REACT
        besides = self._where_little_passes()
        candidate, at = self._short(now, hedge=late, text=self._queue.says_something, besides=besides)
        if candidate is None:
            return at
        dare = self._dare(candidate)
        texts, looks = self._batch(dare, again=False)
        large = sum(p.size for p in texts) > TEXTS * dare
        if self._owes_look and self._watching and texts and (large or looks):
            texts, large, self._owes_look = [], False, False
        else:
            # Where there is more to be had, or much to be said, every other letter asks for a large page, and nothing else.
            self._owes_look = bool(texts) and (large or bool(looks))
        watch = None
        if large:
            looks = []
        elif not looks or self._has_not_asked:
            watch = self._ask(now, leg)
            looks = self._batch(dare, again=False)[1]
        if not looks and watch is None:
            texts = self._batch(dare, again=False)[0]  # there is nothing to look at
        batch = texts + looks
        room = self._room(batch, watch, dare)
        begin(Kind.TEXT, candidate, batch, watch, room)
        return now + self.late_after(room)

    def _ask(self, now: float, leg: Leg) -> Watch | None:
        """What is new anywhere, now and then; else a look at where something came last waits to go along."""
        asked = leg.asking in self.under_way and self.under_way[leg.asking].kind is not Kind.HELD
        lately = now - self._asked_at < ASK_EVERY and not self._watching.has_news_for(leg, now)
        if not asked and not lately:
            self._asked_at = now
            self._watching.not_asked(leg)
            return self._watching.request(leg, now, hold=0)
        for slot, fetch in self._watching.look(LOOK):
            self._queue.add(CatchUp(slot), fetch)
        return None

    def _write_beside(self, now: float, leg: Leg, quick: list[Letter], begin: Begin) -> float | None:
        """The same again by another way when the answer is late, and less of it."""
        newest = max(quick, key=lambda x: x.dialled_at)
        late_at = newest.dialled_at + self.late_after(newest.room) * len(quick)
        if len(quick) >= BESIDE or not self._says_more(quick):
            return None
        if late_at > now:
            return late_at
        besides = [candidate for x in quick for candidate, _ in x.ways.values()]
        candidate, at = self._short(now, hedge=True, besides=besides)
        if candidate is None:
            return at
        dare = max(self._dare(candidate) / 2 ** len(quick), DARE_LEAST)
        texts, looks = self._batch(dare, again=True, but=self._begun)
        # What is much and not in them either has a letter of its own later: this one is for what is late.
        texts = [p for p in texts if p.size <= TEXTS * dare or p.on & {x.number for x in quick}]
        watch = None
        if any(leg.asking == x.number for x in quick):
            self._watching.not_asked(
                leg
            )  # the newest letter asks; an answer to an older one is not looked at
            watch = self._watching.request(leg, now, hold=0)
        batch = texts + looks
        room = self._room(batch, watch, dare)
        begin(Kind.TEXT, candidate, batch, watch, room)
        return now + self.late_after(room)

    @property
    def _begun(self) -> set[int]:
        """Letters with texts of which a part has come through."""
        return {x.number for x in self.under_way.values() if x.kind is Kind.TEXT and x.begun}

    def _says_more(self, quick: list[Letter]) -> bool:
        """Whether these letters carry anything that is not on its way already by one of which a part has come through."""
        begun = self._begun
        if not begun or (self.leg is not None and any(self.leg.asking == x.number for x in quick)):
            return True
        return any(not p.done and not p.on & begun for x in quick for p in x.request.carried)

    def _is_said_by_another(self, letter: Letter) -> bool:
        """Whether one that was begun before and is as far says all of it: two that go on side by side take twice the connections."""
        undone = [p for p in letter.request.carried if not p.done]
        before = (
            x
            for x in self.under_way.values()
            if x.kind is Kind.TEXT and x.begun and x.number < letter.number and x.left <= letter.left
        )
        return bool(undone) and any(all(x.number in p.on for p in undone) for x in before)

    def opens_at(self, now: float) -> float | None:
        """Since or from when on a letter with texts may go; None: never."""
        return self._dialer.short_at(now, both=self._queue.next_bulk() is not None, text=True)

    def _left_to_texts_until(self, now: float) -> float:
        """Where somebody writes all the time, the first moment of a letter is theirs: what they wrote meanwhile comes only now."""
        if not self._dialer.writes_steadily(now):
            return now
        at = self.opens_at(now)
        return at + TEXTS_FIRST if at is not None else now

    def _listen(self, now: float, leg: Leg, begin: Begin) -> float | None:
        watched_closely = self._dialer.is_talking(now) and self._queue.next_bulk() is None
        hold = HOLD_SHORT if watched_closely else HOLD
        if leg.not_before > now:
            return leg.not_before
        candidate, at = self._short(now)
        if candidate is None:
            return at
        watch = self._watching.request(leg, now, hold=hold)
        if watch is not None:
            self._asked_at = max(self._asked_at, self._begun_at)
            begin(
                Kind.HELD if watch.wait else Kind.TEXT,
                candidate,
                [],
                watch,
                self._room([], watch, self._dare(candidate)),
            )
        return None

    def _serve_bulk(self, now: float, part: Part) -> float | None:
        bulk = [x for x in self.under_way.values() if x.kind is Kind.BULK]
        chunk = self._queue.next_bulk()
        if chunk is None or len(bulk) >= BULK_LETTERS:
            return None
        if isinstance(chunk.operation, Put) and not self._dialer.writes_steadily(now):
            # What is fetched, and what is said to it, is waited for; what is only put down can wait that long.
            if self._writes or any(isinstance(p.operation, Get) for x in bulk for p in x.request.carried):
                return None
            if now < self._answered_at + SAY_FIRST:
                return self._answered_at + SAY_FIRST
        candidate, at = self._short(now, bulk=True)
        if candidate is None:
            return at
        part(candidate, *BULK[self._dares_bulk])
        return now

    def _short(
        self,
        now: float,
        *,
        bulk: bool = False,
        hedge: bool = False,
        text: bool = False,
        besides: Sequence[Candidate] = (),
    ) -> tuple[Candidate | None, float | None]:
        both = self._queue.next_bulk() is not None
        return self._dialer.short(now, bulk=bulk, both=both, hedge=hedge, text=text, besides=besides)

    def _batch(
        self, dare: float, again: bool, but: Set[int] = frozenset()
    ) -> tuple[list[Pending], list[Pending]]:
        """Texts as far as there is room, and looks. `again`: also what other letters carry already, but for these."""
        waiting = [p for p in self._queue.open_messages() if p.waiting or (again and not p.on & but)]
        looks = [p for p in waiting if isinstance(p.purpose, CatchUp)][: 4 * LOOK]
        texts: list[Pending] = []
        size = 0
        for pending in waiting:
            if isinstance(pending.purpose, CatchUp):
                continue
            if texts and size + pending.size > TEXTS * dare:
                break
            texts.append(pending)
            size += pending.size
        return texts, looks

    def _room(self, batch: list[Pending], watch: Watch | None, dare: float) -> tuple[int, int]:
        size = sum(p.size for p in batch) + (size_of(watch) if watch is not None else 0)
        return next(room for most, room in ROOMS[self._share(dare)] if size <= most)

    def _share(self, dare: float) -> float:
        return next(d for d in sorted(ROOMS, reverse=True) if d <= max(dare, DARE_LEAST))

    def _dare(self, candidate: Candidate) -> float:
        """How much is dared there: what hung at one machine may have been too much for what lies before that one alone. Of one that
        carried nothing yet, as much as at the best."""
        most = max((d.share for d in self._dared.values()), default=1.0)
        dared = self._dared.get(candidate.place)
        share = dared.share if dared is not None else most
        return min(share, SLOW_DARE) if self._takes_much - self._takes > SLOW else share

    def _where_little_passes(self) -> list[Candidate]:
        """Machines to which letters have to be smaller than to others: each takes more of the connections."""
        most = max((d.share for d in self._dared.values()), default=1.0)
        return [d.candidate for d in self._dared.values() if d.share < most]

    def _dares_after(self, candidate: Candidate, room: tuple[int, int]) -> None:
        """So much has gone through there."""
        dared = self._dared.setdefault(candidate.place, _Dare(candidate, self._dare(candidate)))
        shown = min(share for share in ROOMS if room in _rooms_of(share))
        dared.in_a_row += 1
        if dared.share < shown:
            dared.share, dared.in_a_row = shown, 0
        elif dared.in_a_row >= DARE_AGAIN:
            dared.share, dared.in_a_row = min(2 * dared.share, 1.0), 0

    def _bulk_ended(self, hung: bool) -> None:
        """A letter with a part of a chunk came through, or hung."""
        self._bulk_in_a_row = min(self._bulk_in_a_row, 0) - 1 if hung else max(self._bulk_in_a_row, 0) + 1
        if self._bulk_in_a_row <= -BULK_FAILS:
            self._dares_bulk, self._bulk_in_a_row = max(self._dares_bulk / 2, DARE_LEAST), 0
        elif self._bulk_in_a_row >= BULK_AGAIN:
            self._dares_bulk, self._bulk_in_a_row = min(2 * self._dares_bulk, 1.0), 0

    def _dares_less(self, candidate: Candidate, hung: bool) -> None:
        dared = self._dared.setdefault(candidate.place, _Dare(candidate, self._dare(candidate)))
        dared.in_a_row = 0
        if hung:
            dared.share = max(dared.share / 2, DARE_LEAST)

    def page(self, batch: list[Pending], room: tuple[int, int]) -> int:
        """Records to ask for, so that the answer fits into one message."""
        looks = max(1, sum(isinstance(p.purpose, CatchUp) for p in batch))
        return max(1, (room[1] - AROUND_ANSWER) // self._watching.record // looks)

    # ------------------------------------------------------------------------------- what came of it

    def carried(self, letter: Letter, way: int, candidate: Candidate, now: float) -> None:
        """A connection carries something of a letter."""
        self.under_way[letter.number] = letter
        letter.ways[way] = (candidate, now)

    def came_back(self, now: float, letter: Letter, way: int, was_held: bool) -> None:
        """Something came back by a connection: they get through."""
        candidate, since = letter.ways.pop(way)
        self.up, self._fails = candidate, 0
        letter.begun, letter.losses = True, 0
        self._dares_after(candidate, letter.room)
        if letter.kind is Kind.BULK:
            self._bulk_ended(hung=False)
        if not was_held:
            self._answered_at = now
            took = now - since
            if letter.room[0] > MUCH:
                self._takes_much += (took - self._takes_much) / (4 if self._takes_much else 1)
            elif not letter.request.bulk:
                self._takes += (took - self._takes) / 4

    def lost(self, letter: Letter, way: int, hung: bool) -> bool:
        """A connection is gone, and nothing came back. True: so is the letter; what it carried is to go by another."""
        carried = letter.ways.pop(way, None)
        letter.losses += 1
        self._fails += 1
        if carried is not None:
            self._dares_less(carried[0], hung)
            if letter.kind is Kind.BULK and hung:
                self._bulk_ended(hung=True)
        if self._fails >= FAILS_ALL:
            self.up = None
        if letter.ways or (letter.begun and letter.losses < FAILS_ALL):
            return False
        self.gone(letter)
        return True

    def gone(self, letter: Letter) -> None:
        """A letter is answered, or given up."""
        self.under_way.pop(letter.number, None)

    def leave(self) -> None:
        """There is a better way now."""
        self.leg = None
        self.up = None
