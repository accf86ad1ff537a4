"""A village in bad weather: answers are late, lost and repeated, records come in parts and again, people crash.

What the link does in the app is done here, so that a person meets what a person meets: an operation that was not answered,
or answered with *busy*, is asked again, and answered once. A village can be copied, and a relay set back to what it was.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from support.village import Deed, Village, Villager, VillageRelay
from whimbrel.chat.effects import Ask, Tag, Watching
from whimbrel.chat.person import Person
from whimbrel.chat.refusal import CannotDo
from whimbrel.client.desk import StoreDesk
from whimbrel.store.home import open_home
from whimbrel.wire.answers import Answer, Failure, Fetched, Status
from whimbrel.wire.operations import Fetch


class Weathered(Villager):
    """Somebody whose post goes through the weather."""

    def __init__(self, village: Village, name: str) -> None:
        self.village = village
        self.name = name
        self.path = village.folder / name
        self.news: list[dict[str, Any]] = []
        self.home = open_home(self.path, create=False, find_keyring=lambda interactive: None)
        self._begin()

    def _begin(self) -> None:
        self.asks: list[Ask] = []
        self.put_off: list[tuple[int, Ask]] = []
        """What the relay was too busy for, and from when on (milliseconds) it is asked again."""
        self.late: list[tuple[Tag, Answer]] = []
        """Answers on their way."""
        self.again: list[tuple[Watching, Fetched]] = []
        """Records that were shown, and may be shown once more."""
        store = self.home.database
        self.person = Person.restore(
            store.facts(), store.chats(), store.contacts(), store.outbox(), StoreDesk(self.home), os.urandom
        )

    def crash(self) -> None:
        self.home.close()
        self.home = open_home(self.path, create=False, find_keyring=lambda interactive: None)
        self._begin()

    def back_up(self) -> None:
        """A copy of the home, as people make them."""
        copy = self.path.with_name(f"copy of {self.name}")
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(self.path, copy)

    def restore(self) -> bool:
        """The home is set back to its copy. False: there is none."""
        copy = self.path.with_name(f"copy of {self.name}")
        if not copy.exists():
            return False
        self.home.close()
        shutil.rmtree(self.path)
        shutil.copytree(copy, self.path)
        self.home = open_home(self.path, create=False, find_keyring=lambda interactive: None)
        self._begin()
        return True

    def wish(self, deed: Deed) -> Any:
        """Something that the person wants; None when it cannot be done. As in the shell, nothing of that remains."""
        try:
            return self.do(deed)
        except CannotDo:
            self.crash()
            return None

    # ---------------------------------------------------------------------------------------- the post

    def ask_one(self, which: int = 0, how: str = "well") -> bool:
        """Have one ask carried to the relay. 'lost': its answer is, and it is asked again; 'twice': it was on two ways;
        'late': the answer comes some time later. False: there is none."""
        due = [ask for at, ask in self.put_off if at <= self.village.now]
        self.put_off = [(at, ask) for at, ask in self.put_off if at > self.village.now]
        self.asks += due
        if not self.asks:
            return False
        ask = self.asks.pop(which % len(self.asks))
        relay = self.village.relays[ask.relay]
        answer = relay.ask(ask.operation)
        if how == "twice":
            answer = relay.ask(ask.operation)
        if isinstance(answer, Failure) and answer.status is Status.BUSY:
            self.put_off.append((self.village.now + 1000 * (answer.retry_after or 1), ask))
        elif how == "lost":
            self.asks.append(ask)
        elif how == "late":
            self.late.append((ask.tag, answer))
        else:
            self._hear(ask.tag, answer)
        return True

    def hear_late(self, which: int = 0) -> bool:
        """An answer that was late comes."""
        if not self.late:
            return False
        self._hear(*self.late.pop(which % len(self.late)))
        return True

    def _hear(self, tag: Tag, answer: Answer) -> None:
        self.do(lambda person, now, fx: person.answer(tag, answer, now, fx))

    def read_one(self, which: int = 0, limit: int = 500) -> bool:
        """Read on in one of the watched logs in which there is something to read, so many records at most."""
        found = []
        for watching in self.person.watching():
            fetch = Fetch(watching.log, watching.read, watching.after, limit)
            what = self.village.relays[watching.relay].ask(fetch)
            line = self.person._line(watching.relay, watching.log)
            behind = line is not None and not line[1].caught_up
            if isinstance(what, Fetched):
                set_back = line is not None and what.head.seq < line[1].known and not what.ended
                news = bool(what.records) or behind or set_back
            else:
                news = line is not None
            if news:
                found.append((watching, what))
        if not found:
            return False
        watching, what = found[which % len(found)]
        if isinstance(what, Fetched):
            self.again = [*self.again[-3:], (watching, what)]
        self._show(watching, what)
        return True

    def read_again(self, which: int = 0) -> bool:
        """Records that came before come once more, as from a push that was on its way."""
        if not self.again:
            return False
        self._show(*self.again[which % len(self.again)])
        return True

    def _show(self, watching: Watching, what: Fetched | Failure) -> None:
        self.do(lambda person, now, fx: person.records(watching.relay, watching.log, what, now, fx))

    def step(self, lose: Any = None) -> bool:
        """One step in fine weather."""
        if self.ask_one() or self.hear_late() or self.read_one():
            return True
        before = len(self.asks)
        self.do(lambda person, now, fx: None)
        return len(self.asks) > before

    def next_time(self) -> int | None:
        """When something is due by itself (milliseconds)."""
        times = [self.person.next_time(), *(at for at, _ in self.put_off)]
        return min((time for time in times if time is not None), default=None)


class Weather(Village):
    """A copy of a village, with its people in the weather."""

    def __init__(self, of: Village, folder: Path) -> None:
        shutil.copytree(of.folder, folder)
        self.folder = folder
        self.now = of.now
        self.relay = _the_same_relay(of.relay, folder / "relay", lambda: self.now)
        self.relays = {self.relay.identity: self.relay}
        self.people = {name: Weathered(self, name) for name in of.people}

    def settle(self, steps: int = 100_000, patience: int = 10_000) -> None:
        end = self.now + patience
        for _ in range(steps):
            steps_taken = [one.step() for one in self.people.values()]
            if any(steps_taken):
                continue
            times = [one.next_time() for one in self.people.values() if isinstance(one, Weathered)]
            later = min((time for time in times if time is not None), default=None)
            if later is None or max(later, self.now + 1) > end:
                return
            self.now = max(later, self.now + 1)
        raise AssertionError("it does not come to rest")

    # ---------------------------------------------------------------------------------------- the relay

    def back_up_relay(self) -> None:
        """A copy of all that the relay has, as its operator makes it."""
        shutil.rmtree(self.folder / "backup", ignore_errors=True)
        self.relay.backup(self.folder / "backup")
        self._blobs = _blobs_of(self.relay)

    def restore_relay(self) -> None:
        """The relay is set back to the copy, and knows nothing of what came after it."""
        self.relay.restore(self.folder / "backup")
        vars(self.relay).update({name: dict(value) for name, value in self._blobs.items()})

    def restart_relay(self) -> None:
        """The relay's program ends and starts again."""
        self.relay.storage.close()
        self.relay._open()


def _the_same_relay(relay: VillageRelay, folder: Path, clock: Callable[[], int]) -> VillageRelay:
    """Another relay of the same identity, with what this one keeps, whose folder was copied."""
    copy: VillageRelay = object.__new__(VillageRelay)
    vars(copy).update(vars(relay) | _blobs_of(relay) | {"folder": folder, "clock": clock})
    copy._open()
    return copy


def _blobs_of(relay: VillageRelay) -> dict[str, dict[Any, Any]]:
    """A copy of all that the village's relay keeps in memory instead of files."""
    return {name: dict(value) for name, value in vars(relay).items() if isinstance(value, dict)}
