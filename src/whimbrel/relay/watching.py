"""Who watches what: sets of logs under a handle, and who is told when something comes.

A *set* is soft state: it lives 7 days after its last use, in memory only, and whoever comes with a handle that is gone is
told `unknown` and sends the set in full. What the app last said of a slot (`after`) changes only by what the app says:
an answer may have been lost. A set that is attached to a *listener* (a stream, or an exchange that is held) is told of
everything that comes from then on; the newest listener has it.

A listener that cannot take more for now is not told, but remembered: when it can, it hears that there is `more` and
fetches at its own pace. So nothing waits in memory for a slow client beyond its write buffer.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator
from typing import Protocol

from whimbrel.wire.answers import Failure, Fetched, Status, Watched
from whimbrel.wire.operations import Watch
from whimbrel.wire.purpose import token_hash

from .engine import ANSWER_COST, Budget, Engine, News, Signalling
from .logs import Log
from .places import DENIED
from .settings import Limits
from .storage import Storage

RECORDS_AT_ONCE = 500
PUSH_BYTES = 512 * 1024
"""Records pushed at a time; what is larger is announced and fetched."""


class Listener(Protocol):
    """Who is told: a stream, or an exchange that is held."""

    attached: WatchSet | None
    """The set that this listener has; kept by `Watching`."""

    def can_take(self) -> bool:
        """Whether more may be sent to it now."""

    def push(self, slot: int, what: Fetched | Failure, shared: Encoded | None) -> None:
        """Records of a slot, or the end of it. `shared` is the same for all who are told the same."""

    def signal(self, slot: int, body: bytes) -> None:
        """Sealed bytes for a slot."""


class Encoded:
    """What is told, and room for its bytes, so that they are made once for all who watch."""

    __slots__ = ("data", "what")

    def __init__(self, what: Fetched) -> None:
        self.what = what
        self.data: bytes | None = None


class Item:
    """One log of a set. `after` is what the app said; `seen` what it has been told of since the set was attached."""

    __slots__ = ("after", "log", "missed", "number", "seen", "set", "slot", "token")

    def __init__(self, owner: WatchSet, slot: int, log: bytes, token: bytes, after: int) -> None:
        self.set = owner
        self.slot = slot
        self.log = log
        self.token = token
        self.after = after
        self.number = 0
        self.seen = -1
        """-1: not told of anything now."""
        self.missed = False


class WatchSet:
    """Some logs under a handle. `used`: Unix seconds. `count`: the highest that came with the handle."""

    __slots__ = ("count", "handle", "items", "listener", "missed", "own", "used")

    def __init__(self, handle: bytes, used: int) -> None:
        self.handle = handle
        self.items: dict[int, Item] = {}
        self.listener: Listener | None = None
        self.missed = 0
        self.own: frozenset[bytes] = frozenset()
        self.used = used
        self.count = 0


class Watching:
    """All sets of one relay."""

    def __init__(
        self, storage: Storage, engine: Engine, limits: Limits, new_handle: Callable[[], bytes]
    ) -> None:
        """`new_handle`: 16 random bytes."""
        self._storage = storage
        self._engine = engine
        self._limits = limits
        self._new_handle = new_handle
        self._sets: OrderedDict[bytes, WatchSet] = OrderedDict()
        self._by_log: dict[int, tuple[Item, ...]] = {}
        self._in_group: list[WatchSet] = []
        self.items = 0

    @property
    def sets(self) -> int:
        return len(self._sets)

    # ------------------------------------------------------------------------------------------- watch

    def watch(self, watch: Watch, now: int, budget: Budget, listener: Listener | None) -> Watched | Failure:
        """Answer what a fetch would, and tell `listener` of what comes from now on.

        Of a set that was there before, slots with nothing new are left out unless the request names them.
        """
        if watch.handle is None:
            found = WatchSet(self._new_handle(), now)
        else:
            known = self._sets.get(watch.handle)
            if known is None:
                return Failure(Status.UNKNOWN)
            if 0 < watch.count <= known.count:
                return Failure(Status.BUSY, retry_after=0)  # it came late, or was played again
            found = known
        items = len(found.items) + sum(one.slot not in found.items for one in watch.items)
        if items > self._limits.watch_items:
            return Failure(Status.FULL)
        reserve = ANSWER_COST * (items + 1)
        if budget.left < reserve:
            return Failure(Status.BUSY, retry_after=0)
        grows = watch.handle is None or items > len(found.items)
        if grows and not self._has_room(now):
            return Failure(Status.BUSY, retry_after=60)
        budget.left -= reserve

        self.detach(found)
        for slot in watch.drop:
            if found.items.pop(slot, None) is not None:
                self.items -= 1
        for one in watch.items:
            if one.slot not in found.items:
                self.items += 1
            found.items[one.slot] = Item(found, one.slot, one.log, token_hash(one.read), one.after)
        found.used, found.own = now, frozenset(watch.own)
        found.count = max(found.count, watch.count)
        self._sets[found.handle] = found
        self._sets.move_to_end(found.handle)
        if listener is not None:
            if watch.handle is None and listener.attached is not None:
                self.forget(listener.attached)
            self._attach(found, listener)
        if self._storage.pending:
            self._in_group.append(found)
        named = frozenset([one.slot for one in watch.items])
        return Watched(found.handle, tuple(self._results(found, named, budget)))

    def results(self, handle: bytes, budget: Budget) -> Watched | Failure:
        """What there is for a set now: the late answer of an exchange that was held."""
        found = self._sets.get(handle)
        if found is None:
            return Failure(Status.UNKNOWN)
        reserve = ANSWER_COST * (len(found.items) + 1)
        if budget.left < reserve:
            return Failure(Status.BUSY, retry_after=0)
        budget.left -= reserve
        return Watched(handle, tuple(self._results(found, frozenset(), budget)))

    def _results(
        self, found: WatchSet, named: frozenset[int], budget: Budget
    ) -> Iterator[tuple[int, Fetched | Failure]]:
        """What there is for each slot. The budget is for records only: heads are reserved already."""
        for slot, item in found.items.items():
            log = self._storage.log(item.log)
            if log is None:
                yield slot, DENIED
                continue
            current = log.read == item.token
            if current:
                # The bytes are kept once for all who watch.
                item.token, item.log = log.read, log.id
            what = self._engine.read(log, item.token, item.after, RECORDS_AT_ONCE, budget, found.own)
            if isinstance(what, Fetched):
                if current:
                    self._follow(found, item, log)
                news = what.records or what.ended or what.more or what.head.seq < item.after
            else:
                news = True
            if news or slot in named:
                yield slot, what

    def _follow(self, found: WatchSet, item: Item, log: Log) -> None:
        """From now on the item is told of what comes (when its set is attached)."""
        if found.listener is not None:
            if item.seen < 0:
                item.number = log.number
                self._by_log[log.number] = (*self._by_log.get(log.number, ()), item)
            item.seen = log.seq

    # -------------------------------------------------------------------------------- attach and detach

    def _attach(self, found: WatchSet, listener: Listener) -> None:
        if listener.attached is not None and listener.attached is not found:
            self.detach(listener.attached)
        found.listener = listener
        listener.attached = found

    def detach(self, found: WatchSet) -> None:
        """Tell nobody of this set's logs any more; the set stays."""
        if found.listener is not None:
            found.listener.attached = None
            found.listener = None
        for item in found.items.values():
            self._unfollow(item)
            item.missed = False
        found.missed = 0

    def forget(self, found: WatchSet) -> None:
        """The set is gone."""
        self.detach(found)
        if self._sets.pop(found.handle, None) is not None:
            self.items -= len(found.items)

    def _unfollow(self, item: Item) -> None:
        if item.seen < 0:
            return
        item.seen = -1
        if item.missed:
            item.missed = False
            item.set.missed -= 1
        left = tuple([other for other in self._by_log[item.number] if other is not item])
        if left:
            self._by_log[item.number] = left
        else:
            del self._by_log[item.number]

    def _has_room(self, now: int) -> bool:
        """Forget sets that were not used for long, and the oldest beyond the limits, but none that somebody has."""
        for _ in range(100):
            many = len(self._sets) >= self._limits.watch_sets or self.items >= self._limits.watch_items_all
            oldest = next(iter(self._sets.values()), None)
            if oldest is None or not (many or oldest.used + self._limits.watch_set_life < now):
                return True
            if oldest.listener is None:
                self.forget(oldest)
            else:
                oldest.used = now
                self._sets.move_to_end(oldest.handle)
        return not many

    # ------------------------------------------------------------------------------------------- groups

    def committed(self) -> None:
        """What was told of the group is true now."""
        self._in_group.clear()

    def rolled_back(self) -> None:
        """The group has not happened: who watched while it was open has to watch again."""
        for found in self._in_group:
            self.detach(found)
        self._in_group.clear()

    # -------------------------------------------------------------------------------------------- news

    def tell(self, news: News) -> None:
        """Tell everybody who watches this log what has come. What fails with one is raised when the others were told."""
        items = self._by_log.get(news.log)
        if items is None:
            return
        if news.dropped:
            for item in items:
                listener = item.set.listener
                self._unfollow(item)
                if listener is None:
                    continue
                if listener.can_take():
                    listener.push(item.slot, DENIED, None)
                else:
                    item.missed = True
                    item.set.missed += 1
            return
        records = news.records
        last = records[-1].seq if records else news.head.seq
        ended = news.ended
        if news.size > PUSH_BYTES:
            what = Fetched((), news.head, more=True, ended=False)
        else:
            what = Fetched(records, news.head, more=False, ended=ended)
        shared = Encoded(what)
        fault: Exception | None = None
        for item in items:
            if item.seen >= last and not ended:
                continue
            listener = item.set.listener
            if listener is None:
                continue
            if item.missed or not listener.can_take():
                if not item.missed:
                    item.missed = True
                    item.set.missed += 1
                continue
            item.seen = last
            try:
                listener.push(item.slot, what, shared)
            except Exception as error:
                fault = error
            if ended:
                self._unfollow(item)
        if fault is not None:
            raise fault

    def pass_on(self, signalling: Signalling, by: Listener | None) -> None:
        """A signal, to everybody who watches now and can take it; not back to whom it came from."""
        for item in self._by_log.get(signalling.log, ()):
            listener = item.set.listener
            if listener is not None and listener is not by and listener.can_take():
                listener.signal(item.slot, signalling.body)

    def catch_up(self, listener: Listener) -> None:
        """The listener can take more again: say in which slots it has missed something."""
        found = listener.attached
        if found is None or not found.missed:
            return
        for item in list(found.items.values()):
            if not item.missed:
                continue
            if not listener.can_take():
                return
            item.missed = False
            found.missed -= 1
            log = self._storage.log(item.log)
            if log is None:
                self._unfollow(item)
                listener.push(item.slot, DENIED, None)
            elif log.read == item.token:
                item.seen = log.seq
                listener.push(item.slot, Fetched((), log.head, more=True, ended=False), None)
            else:
                # Its token has ended meanwhile: what it opens still is fetched, up to the end.
                self._unfollow(item)
                window = self._storage.old_read(log, item.token)
                if window is None:
                    listener.push(item.slot, DENIED, None)
                else:
                    listener.push(item.slot, Fetched((), window.end, more=True, ended=False), None)
