"""Messages that go after a time: somebody else's counted from when it was read here, an own one from when it was sent.

A message brings its time with it (MIMI's `expires`). When its time is over, its rows and its file leave this disk, and
it stays away when it is offered once more. The times stand in the store, so that they go on over a restart.
"""

from __future__ import annotations

from whimbrel.chat.deeds import forget_files
from whimbrel.chat.effects import Desk, Effects
from whimbrel.chat.records import ForgetMessage, ForgetOld, ShortenVanishing

AT_ONCE = 200
"""Messages that go in one turn."""
KEPT = 400 * 24 * 3_600_000
"""Milliseconds for which it is known what is gone, and deeds wait for their message: as long as a relay keeps anything."""
TIDY_EVERY = 24 * 3_600_000


class Vanishing:
    """Lets messages go when their time is over."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._looked = 0
        """When this was last looked at (milliseconds); 0: not in this run."""
        self._tidied = 0

    def next_time(self) -> int | None:
        """When the next one goes (milliseconds)."""
        return self._desk.next_vanishing()

    def pump(self, now: int, fx: Effects) -> None:
        """Whatever is due goes. A clock that was set back keeps nothing longer than it was given."""
        if (now < self._looked or not self._looked) and self._desk.vanishing_late(now):
            fx.save(ShortenVanishing(now))
        self._looked = now
        due = self._desk.next_vanishing()
        if due is not None and due <= now:
            for message in self._desk.vanished(now, AT_ONCE):
                forget_files(self._desk, fx, message.id)
                fx.save(ForgetMessage(message.id, message.chat, now))
        if not 0 <= now - self._tidied < TIDY_EVERY:
            self._tidied = now
            if self._desk.has_old(now - KEPT):
                fx.save(ForgetOld(now - KEPT))
