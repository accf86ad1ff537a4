"""One way while it is dialled or up: what it carries, how quick it is, and when its silence means something."""

from __future__ import annotations

from dataclasses import dataclass, field

from whimbrel.link.cut import Piece
from whimbrel.link.pace import FIRST, LEAST, STEP, Pace
from whimbrel.link.queue import Pending
from whimbrel.link.trouble import Stage
from whimbrel.link.watching import Leg
from whimbrel.link.ways import Candidate, Carries

ANSWER_WITHIN = 10.0
"""Seconds of silence with something unanswered, after which a way counts as gone; and what its bytes may take."""
ANSWER_MAX = 60.0
"""Seconds for one request while others are answered."""
SHORT_WITHIN = 6.0
"""Seconds for a letter that has a connection of its own: others are sent beside it long before."""
PROOF, PROOF_WITHIN = 24, 1.0
"""Questions that a way has to answer where connections freeze after 25 packets, one after the other; and the seconds for each."""
BULK_LATE = 1.0
"""Seconds more than a message's after which bulk without an answer is late: nobody waits for it with a text."""
EXCHANGE_LATE = 0.7
"""Seconds after which the answer to a letter is late at least: it may need a new connection."""
SUSPECT, SUSPECT_EVERY = 8, 0.25
"""How often, and after how many seconds of silence, a way is asked that took the place of one that had fallen silent: whether the
same happens to it shows soon."""
LISTEN_LEAST, LISTEN_MOST, LISTEN_EXCHANGE = 0.6, 3.0, 8.0
"""Seconds of silence after which a way in use is asked something small: twice what was usual between what came, within these."""
TURNS = {Carries.STREAM: 4, Carries.EXCHANGE: 3}
"""Round trips until the first answer: TCP, TLS, the WebSocket's greeting, the letter."""


@dataclass(slots=True)
class Request:
    """A request under way: what it carries, in the order of its answers."""

    carried: list[Pending]
    watch_at: int | None
    """Where among the answers the watch's is; it comes last."""
    sent_at: float
    size: int
    bulk: bool
    piece: Piece | None = None
    """Which part of the one chunk that it carries."""
    left_to_others: bool = False
    """Others carry that part, too."""


@dataclass(slots=True)
class Way:
    """One attempt or connection."""

    number: int
    candidate: Candidate
    leg: Leg
    dialled_at: float
    heard_at: float
    pace: Pace
    up_since: float | None = None
    leaving_since: float | None = None
    doubted_at: float | None = None
    """Since when it owes an answer for longer than is usual."""
    last_n: int = 0
    requests: dict[int, Request] = field(default_factory=dict)
    carried: int = 0
    """Bytes that were answered or came by themselves, about."""
    messages: int = 0
    comes_every: float = LISTEN_MOST
    lanes: int = 1
    """Connections that a way by exchanges has opened and may use again."""
    proving: int | None = None
    """Questions that it has still to answer until it counts, where connections freeze: texts do not go by it before."""
    suspect: int = 0
    """So often it is still asked more eagerly than is usual."""
    stage: Stage = Stage.CONNECT
    """What it waits for, until it is up."""
    connected_in: float | None = None
    """Seconds until the other machine answered at all."""
    letter: int | None = None
    """Of a way that is short: the way that began the letter of which it carries a piece."""

    @classmethod
    def to(cls, number: int, candidate: Candidate, leg: Leg, now: float) -> Way:
        """A way that is being dialled."""
        pace = Pace(STEP, STEP) if candidate.near else Pace(LEAST, FIRST)
        return cls(number, candidate, leg, now, now, pace)

    @property
    def is_stream(self) -> bool:
        return self.candidate.carries is Carries.STREAM

    @property
    def is_short(self) -> bool:
        return self.candidate.short

    # ------------------------------------------------------------------------------- its watch

    def ask(self, n: int) -> None:
        """Request `n` carries the watch. Short ways share a leg, so there the letter's number stands for it."""
        self.leg.asking = self.number if self.is_short else n

    @property
    def asking(self) -> int | None:
        """The request of this way that carries the watch."""
        if not self.is_short:
            return self.leg.asking
        return 0 if self.letter is not None and self.leg.asking == self.letter else None

    def is_held(self, n: int) -> bool:
        """The relay holds the answer to that request until there is something to tell."""
        return n == self.asking and self.leg.waits

    @property
    def only_holds(self) -> bool:
        """Nothing but a held watch is under way."""
        return bool(self.requests) and all(self.is_held(n) for n in self.requests)

    # ------------------------------------------------------------------------------- what is under way

    def under_way(self, bulk: bool) -> tuple[int, int]:
        """Requests and bytes of one kind without an answer; a held watch does not count."""
        count = size = 0
        for n, request in self.requests.items():
            if request.bulk is bulk and not self.is_held(n):
                count += 1
                size += request.size
        return count, size

    def has_come_to(self, now: float, stage: Stage) -> None:
        """The attempt has reached that stage, and waits there now."""
        if stage not in (Stage.RESOLVE, Stage.CONNECT) and self.connected_in is None:
            self.connected_in = now - self.dialled_at
        self.stage = stage

    def came(self, now: float, size: int) -> None:
        """Something was brought by this way."""
        self.comes_every += (min(now - self.heard_at, LISTEN_MOST) - self.comes_every) / 4
        self.carried += size
        self.messages += 1

    # ------------------------------------------------------------------------------- silence

    def silent_until(self) -> float | None:
        """When this way has been silent for too long with something unanswered."""
        if not self.requests:
            return None
        bytes_take = self.pace.seconds_for(sum(r.size for r in self.requests.values()))
        ends = []
        for n, request in self.requests.items():
            held = self.leg.hold if self.is_held(n) else 0
            if self.is_short:
                ends.append(self.dialled_at + SHORT_WITHIN + held)
                continue
            # What comes by the other connections of an exchange says nothing about the one that the relay holds.
            heard_at = self.heard_at if self.is_stream or not held else request.sent_at
            silent = max(heard_at, request.sent_at) + ANSWER_WITHIN
            ends.append(min(silent, request.sent_at + ANSWER_MAX) + bytes_take + held)
        return min(ends)

    def fails_proof_at(self) -> float:
        """When a way that has to prove itself has been silent for too long."""
        return self.heard_at + max(PROOF_WITHIN, 3 * self.pace.late_after)

    def late_at(self) -> float | None:
        """When an answer is later than is usual here; None when none is owed, or nobody should be impatient."""
        if self.candidate.near or self.up_since is None or self.is_short:
            return None
        owed = [r for n, r in self.requests.items() if not self.is_held(n)]
        if self.is_stream:  # what came since shows that it lives: an older request only takes the relay long
            owed = [r for r in owed if r.sent_at >= self.heard_at]
        if not owed:
            return None
        texts = [r.sent_at for r in owed if not r.bulk]
        since = min(texts) if texts else min(r.sent_at for r in owed)
        usual = self.pace.late_after
        if not self.is_stream:
            usual = max(usual, EXCHANGE_LATE)
        usual += self.pace.expected(sum(r.size for r in owed))
        return since + usual + (0.0 if texts else BULK_LATE)

    def listen_at(self) -> float | None:
        """When it should be asked whether it lives, while somebody is there to be written to."""
        if self.candidate.near or self.up_since is None or self.is_short or self.leaving_since is not None:
            return None
        owed = [r.sent_at for n, r in self.requests.items() if not self.is_held(n)]
        if not self.is_stream:
            return self.heard_at + LISTEN_EXCHANGE if not owed else None
        if any(sent_at >= self.heard_at for sent_at in owed):
            return None
        if owed:  # soon, and then ever more rarely
            return self.heard_at + max(self.pace.late_after, (self.heard_at - min(owed)) / 2)
        if self.suspect:
            return self.heard_at + SUSPECT_EVERY
        return self.heard_at + max(LISTEN_LEAST, min(2 * self.comes_every, LISTEN_MOST))
