"""The relay put together: storage, rules, keys, carriers, timers; usable on its own or inside an app's event loop.

This is the only part that knows the loop, the clock and chance. It decides nothing of the protocol.
"""

from __future__ import annotations

import asyncio
import hmac
import os
import shutil
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from whimbrel.serving.folder import keep_port, kept_port, make_folder
from whimbrel.serving.http import Connection, Opening, Reply
from whimbrel.serving.journal import Event, Journal
from whimbrel.serving.listening import (
    Certificate,
    PortTaken,
    WrongUse,
    bound_socket,
    certificate_of,
    listen,
    public_routes,
    with_path,
)
from whimbrel.serving.requests import Head
from whimbrel.serving.site import own_site, read_site, seed_of
from whimbrel.wire.errors import TextError
from whimbrel.wire.letters import RelayKeys
from whimbrel.wire.pieces import is_piece
from whimbrel.wire.routes import Route
from whimbrel.wire.streams import RANDOM, RelayStream
from whimbrel.wire.texts import WAYS_MAX, Address, parse_address

from . import exchanges
from .blobs import BlobFolder
from .clock import Clocks, SteadyClock
from .counts import Counts
from .desk import Desk
from .engine import Engine
from .expiry import Expiry
from .keys import LetterKeys, Secrets, open_secrets
from .pieces import Pieces, address_of
from .places import Places
from .sessions import Session
from .settings import RelaySettings
from .storage import Storage, StorageError
from .uploads import Uploads
from .watching import Watching

if TYPE_CHECKING:
    from .metrics import MetricsPort

TICK = 1.0
NAP = 1.0
"""Seconds that a tick may come late; what is beyond counts as time in which the relay itself was away."""
HOUR = 3600
EXPIRY_EVERY = HOUR
EXPIRY_PAUSE = 0.05
"""Seconds between two steps of a round of expiry: it never takes more than a small part of the time."""
DISK_EVERY = 5
KEYS_EVERY = 60
WAITING_MAX = 256 * 1024 * 1024
"""Bytes that all slow clients together have waiting, above which the slowest is cut off."""


@dataclass(frozen=True, slots=True)
class RelayInfo:
    """What a relay that is ready says of itself."""

    address: str
    identity: bytes
    port: int
    routes: tuple[Route, ...]


class Relay:
    """One relay in the running event loop."""

    def __init__(
        self, settings: RelaySettings, journal: Journal | None = None, clocks: Clocks | None = None
    ) -> None:
        self.settings = settings
        self._clocks = clocks or Clocks()
        self.limits = settings.limits
        self.journal = journal or Journal()
        self.counts = Counts()
        self.draining = False
        self.held: set[exchanges.Exchange] = set()
        self._connections: set[Connection] = set()
        self._sessions: list[set[Session]] = [set() for _ in range(self.limits.tend_every)]
        self._ticks = 0
        self._ticked = 0.0
        self._away = 0.0
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._bodies = 0
        self._server: asyncio.Server | None = None
        self._started = False

    # -------------------------------------------------------------------------------- what apps look at

    @property
    def address(self) -> str:
        """The text that people paste to use this relay."""
        return Address(self.identity, self.routes, self._secrets.admission).text

    @property
    def identity(self) -> bytes:
        return self._secrets.identity.public

    def info(self) -> RelayInfo:
        return RelayInfo(self.address, self.identity, self.port, self.routes)

    # --------------------------------------------------------------------------------------------- start

    async def start(self) -> None:
        """Open the data folder and listen. Raises CannotStart, StorageError, SiteUnfit, DataFolderDamaged."""
        self.loop = asyncio.get_running_loop()
        data = self.settings.data
        make_folder(data)
        self._certificate = certificate_of(self.settings.cert, self.settings.key)
        self.storage = Storage(data / "relay.db")
        try:
            self._open(self.storage)
            await self._listen(self._certificate)
            self._metrics = self._open_metrics()
        except BaseException:
            if self._server is not None:
                self._server.close()
            self.storage.close()
            raise
        self._started = True
        self._tick()
        self._expire()
        self.journal.say(Event.STARTED)

    def _open_metrics(self) -> MetricsPort | None:
        port = self.settings.metrics_port
        if port is None:
            return None
        # Not at the top: a relay inside an app starts quicker without it.
        from .metrics import MetricsPort

        try:
            return MetricsPort(self, port)
        except OSError as error:
            raise PortTaken(f"cannot serve metrics on 127.0.0.1:{port} ({error.strerror})") from error

    def _open(self, storage: Storage) -> None:
        data = self.settings.data
        self._secrets: Secrets = open_secrets(data)
        self.way_in = self._secrets.path.encode("ascii")
        self._by_bridges = _ways_by_bridges(self.settings.ways, self.identity)
        self._keys = LetterKeys(data / "keys", self._secrets.identity, self.limits, int(self._clocks.wall()))
        made_at = int((data / "identity").stat().st_mtime)
        if self.settings.site is None:
            self.site = own_site(seed_of(self._secrets.identity.private), made_at)
        else:
            self.site = read_site(self.settings.site)
        self._clock = SteadyClock(data / "clock", self._clocks)
        self._clock.keep()
        if abs(self._clock.doubted) > HOUR:
            self.journal.say(Event.CLOCK_DOUBTED, seconds=self._clock.doubted)
        folder = BlobFolder(data / "blobs")
        swept = folder.sweep(storage.blob_ids())
        if swept:
            self.journal.say(Event.FILES_SWEPT, files=swept)

        self._executor = ThreadPoolExecutor(1, thread_name_prefix="relay-disk")
        self._at_disk = 0
        self._disk_idle = asyncio.Event()
        places = Places(storage, self.limits, self._secrets.root)
        # The ways are known only when the port is: until then nobody can ask for them.
        self._engine = Engine(storage, places, self._secrets.identity, self.limits, ())
        self.uploads = Uploads(storage, places, folder, self.limits, self._disk, self._clock.now)
        self.watching = Watching(storage, self._engine, self.limits, lambda: os.urandom(16))
        self.pieces = Pieces(self.limits, self.time, partial(exchanges.take_letter, self), os.urandom(32))
        self._expiry = Expiry(storage, self.uploads, self.limits)
        self.desk = Desk(
            storage,
            self._engine,
            places,
            self.uploads,
            self.watching,
            self.limits,
            self.counts,
            self._clock.now,
            self.soon,
            self._complain,
        )

    async def _listen(self, certificate: Certificate | None) -> None:
        settings = self.settings
        kept = kept_port(settings.data) if settings.port == 0 else None
        bound = bound_socket(settings.host, kept or settings.port)
        self.port = int(bound.getsockname()[1])
        self._server = await listen(bound, self, certificate)
        if settings.port == 0 and kept is None:
            keep_port(settings.data, self.port)
        given = public_routes(settings.public, settings.host, self.port, tls=certificate is not None)
        self.routes = (*with_path(given, self._secrets.path), *self._by_bridges)
        if len(self.routes) > WAYS_MAX:
            raise WrongUse(
                f"--public and --way: an address has room for {WAYS_MAX} ways, and these are {len(self.routes)}"
            )
        self._engine.set_routes(tuple(route.text for route in self.routes))

    # ---------------------------------------------------------------------------------------------- stop

    async def close(self) -> None:
        """Stop: no new connections, what is queued is answered, streams are told, then the data folder is closed."""
        if not self._started:
            return
        self._started = False
        self.draining = True
        self.journal.say(Event.STOPPING)
        for timer in self._timers.values():
            timer.cancel()
        if self._server is not None:
            self._server.close()
        await self._settle_disk()
        self.desk.flush()
        for exchange in list(self.held):
            exchange.release()
        for session in self._all_sessions():
            session.go_away()
        end = self.loop.time() + self.limits.drain
        while (self._connections or any(self._sessions)) and self.loop.time() < end:
            for connection in list(self._connections):
                if connection.idle():
                    connection.close()
            await asyncio.sleep(0.02)
        for connection in list(self._connections):
            connection.abort()
        for session in self._all_sessions():
            session.abort()
        await asyncio.sleep(0)
        await self._settle_disk()
        self.desk.flush()
        await self._settle_disk()
        self._executor.shutdown()
        if self._metrics is not None:
            self._metrics.close()
        self._keep_clock()
        self.storage.close()
        self.journal.say(Event.STOPPED)

    async def _settle_disk(self) -> None:
        # Work that is over may have added more.
        while self._at_disk:
            await self._disk_idle.wait()

    # ------------------------------------------------------------------------------- what the parts need

    @property
    def letter_keys(self) -> RelayKeys:
        return self._keys.current

    def time(self) -> float:
        """Monotonic seconds without those in which the relay was stopped, suspended or had no processor: no client is
        silent or slow by that."""
        return self.loop.time() - self._away

    def random(self, size: int) -> bytes:
        return os.urandom(size)

    def soon(self, call: Callable[[], None]) -> None:
        """Call at the end of the loop's turn, when everything that had arrived has been read."""
        self.loop.call_soon(call)

    def way_of(self, target: bytes) -> int | None:
        """The way that a path leads to: a relay has one."""
        return 0 if hmac.compare_digest(target, self.way_in) else None

    @property
    def secure(self) -> bool:
        return self._certificate is not None

    def page_shown(self) -> None:
        self.counts.pages += 1

    def take_letter(self, way: int, connection: Connection, head: Head, letter: bytes, reply: Reply) -> None:
        """A letter, or a piece of one."""
        if is_piece(letter):
            self.pieces.take(letter, address_of(connection.peer), reply)
        else:
            exchanges.take_letter(self, letter, reply)

    def take_body(self, size: int) -> bool:
        """Count bytes of letters that are not complete (negative: they are). False: too many in all."""
        if size > 0 and self._bodies + size > WAITING_MAX:
            return False
        self._bodies += size
        return True

    def may_hold(self) -> bool:
        return len(self.held) < self.limits.held and not self.draining

    def _disk(self, work: Callable[[], None], done: Callable[[Exception | None], None]) -> None:
        self._at_disk += 1
        self._disk_idle.clear()

        def over(future: Future[None]) -> None:
            self.loop.call_soon_threadsafe(ended, future.exception())

        def ended(fault: BaseException | None) -> None:
            self._at_disk -= 1
            if fault is not None:
                self.journal.fault(fault, Event.STORAGE_FAILED)
            done(fault if isinstance(fault, Exception) else None)
            if self._at_disk == 0:
                self._disk_idle.set()

        self._executor.submit(work).add_done_callback(over)

    def _complain(self, error: Exception) -> None:
        failed = isinstance(error, StorageError | OSError)
        self.journal.fault(error, Event.STORAGE_FAILED if failed else Event.FAULT)

    # ----------------------------------------------------------------------------------- connections

    def admit_connection(self, connection: Connection) -> bool:
        if self.draining or self.counts.connections >= self.limits.connections:
            return False
        self.counts.connections += 1
        self._connections.add(connection)
        return True

    def connection_ended(self, connection: Connection) -> None:
        if connection in self._connections:
            self._connections.discard(connection)
            self.counts.connections -= 1

    def open_stream(self, way: int, opening: Opening) -> None:
        """A WebSocket is asked for: from here on a session has its transport."""
        if self.draining:
            opening.overlook()
            return
        self._connections.discard(opening.connection)
        transport, rest = opening.accept()
        session = Session(self, transport, RelayStream(self.letter_keys, os.urandom(RANDOM)))
        self._bucket_of(session).add(session)
        self.counts.streams += 1
        transport.set_protocol(session)
        transport.resume_reading()
        if rest:
            session.data_received(rest)

    def session_ended(self, session: Session) -> None:
        bucket = self._bucket_of(session)
        if session in bucket:
            bucket.discard(session)
            self.counts.streams -= 1
            self.counts.connections -= 1

    def _bucket_of(self, session: Session) -> set[Session]:
        return self._sessions[id(session) // 64 % len(self._sessions)]

    def _all_sessions(self) -> list[Session]:
        return [session for bucket in self._sessions for session in bucket]

    # ------------------------------------------------------------------------------------------- timers

    def _tick(self) -> None:
        """Once a second: whoever is late is cut off, and what is due is done."""
        self._timers["tick"] = self.loop.call_later(TICK, self._tick)
        self._ticks += 1
        late_by = self.loop.time() - self._ticked - TICK
        self._ticked = self.loop.time()
        if self._ticks > 1 and late_by > NAP:
            self._away += late_by
        now = self.time()
        late: list[Connection | Session] = [one for one in self._connections if one.overdue(now)]
        late += [one for one in list(self._sessions[self._ticks % len(self._sessions)]) if not one.tend(now)]
        late += self._slowest()
        for one in late:
            one.abort()
        self.counts.cut_off += len(late)
        self.pieces.tend()
        if self._ticks % DISK_EVERY == 1:
            self._look_at_disk()
        if self._ticks % KEYS_EVERY == 0:
            self._renew()

    def _slowest(self) -> list[Session]:
        waiting = [
            (session.waiting(), session) for session in self._sessions[self._ticks % len(self._sessions)]
        ]
        total = sum(size for size, _ in waiting)
        cut: list[Session] = []
        for size, session in sorted(waiting, key=lambda pair: -pair[0]):
            if total <= WAITING_MAX // len(self._sessions):
                break
            total -= size
            cut.append(session)
        return cut

    def _look_at_disk(self) -> None:
        low = shutil.disk_usage(self.settings.data).free < self.limits.disk_reserve
        if low != self._engine.disk_full:
            self.journal.say(Event.DISK_LOW if low else Event.DISK_ENOUGH)
        self._engine.disk_full = self.uploads.disk_full = low

    def _renew(self) -> None:
        if self._keys.rotate(int(self._clocks.wall())):
            self.journal.say(Event.KEYS_RENEWED)
            for session in self._all_sessions():
                session.show_keys(self._keys.current.document)
        taken = None if self._certificate is None else self._certificate.look()
        if taken is not None:
            self.journal.say(Event.CERTIFICATE_RENEWED if taken else Event.CERTIFICATE_UNREADABLE)

    def _expire(self) -> None:
        """One step of a round, and the next one soon; a new round every hour."""
        try:
            more = self._expiry.step(int(self._clock.now()))
        except Exception as error:
            self.desk.fail(error)
            more = False
        self.desk.changed()
        if not more:
            self._keep_clock()
        pause = EXPIRY_PAUSE if more else EXPIRY_EVERY
        self._timers["expiry"] = self.loop.call_later(pause, self._expire)

    def _keep_clock(self) -> None:
        try:
            self._clock.keep()
        except OSError as error:
            self._complain(error)


async def serve(
    settings: RelaySettings,
    on_ready: Callable[[RelayInfo], None],
    stop: asyncio.Event,
    journal: Journal | None = None,
) -> None:
    """Run a relay until `stop` is set."""
    relay = Relay(settings, journal)
    await relay.start()
    try:
        on_ready(relay.info())
        await stop.wait()
    finally:
        await relay.close()


def _ways_by_bridges(texts: tuple[str, ...], identity: bytes) -> tuple[Route, ...]:
    """The ways of bridges that lead to this relay. Raises WrongUse for those that lead elsewhere."""
    found: list[Route] = []
    for text in texts:
        try:
            address = parse_address(text)
        except TextError as error:
            raise WrongUse(f"--way: {error}") from error
        if address.relay != identity:
            raise WrongUse("--way: that bridge leads to another relay")
        found += [route for route in address.routes if route not in found]
    return tuple(found)
