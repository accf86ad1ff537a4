"""The relay put together: storage, rules, keys, carriers, timers; usable on its own or inside an app's event loop.

This is the only part that knows the loop, the clock and chance. It decides nothing of the protocol.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import ssl
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from email.utils import formatdate
from typing import TYPE_CHECKING, Any

from whimbrel.wire.errors import Malformed
from whimbrel.wire.letters import RelayKeys
from whimbrel.wire.routes import Route, parse_route
from whimbrel.wire.streams import RANDOM, RelayStream
from whimbrel.wire.texts import Address

from . import exchanges
from .blobs import BlobFolder
from .clock import Clocks, SteadyClock
from .counts import Counts
from .desk import Desk
from .engine import Engine
from .expiry import Expiry
from .http import Connection
from .journal import Event, Journal
from .keys import LetterKeys, Secrets, keep_port, kept_port, open_secrets
from .places import Places
from .sessions import Session
from .settings import RelaySettings
from .site import own_site, read_site, seed_of
from .storage import Storage
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
FILES_SPARE = 128
"""File descriptors that are not for connections."""
WAITING_MAX = 256 * 1024 * 1024
"""Bytes that all slow clients together have waiting, above which the slowest is cut off."""


class RelayError(Exception):
    """The relay cannot start; says what to do."""


class WrongUse(RelayError):
    """The arguments cannot be meant so."""


class PortTaken(RelayError):
    """The address to listen on is in use, or not this machine's."""


class CertificateUnfit(RelayError):
    """The certificate or its key cannot be used."""


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
        self._date = ""
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
        """Open the data folder and listen. Raises RelayError, StorageError, SiteUnfit, DataFolderDamaged."""
        self.loop = asyncio.get_running_loop()
        data = self.settings.data
        data.mkdir(mode=0o700, parents=True, exist_ok=True)
        data.chmod(0o700)
        tls = self._tls()
        self.storage = Storage(data / "relay.db")
        try:
            self._open(self.storage, tls)
            await self._listen(tls)
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

    def _open(self, storage: Storage, tls: ssl.SSLContext | None) -> None:
        data = self.settings.data
        self._secrets: Secrets = open_secrets(data)
        self.way_in = self._secrets.path.encode("ascii")
        self._keys = LetterKeys(data / "keys", self._secrets.identity, self.limits, int(self._clocks.wall()))
        made_at = int((data / "identity").stat().st_mtime)
        if self.settings.site is None:
            self.site = own_site(seed_of(self._secrets.identity.private), made_at)
        else:
            self.site = read_site(self.settings.site)
        self.site.scheme = "http" if tls is None else "https"
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

    async def _listen(self, tls: ssl.SSLContext | None) -> None:
        settings = self.settings
        kept = kept_port(settings.data) if settings.port == 0 else None
        wanted = kept or settings.port
        try:
            bound = _bound_socket(settings.host, wanted)
            self.port = int(bound.getsockname()[1])
            self._server = await self.loop.create_server(
                lambda: Connection(self),
                sock=bound,
                ssl=tls,
                backlog=1024,
                ssl_handshake_timeout=None if tls is None else self.limits.head_timeout,
            )
        except OSError as error:
            raise PortTaken(
                f"cannot listen on {settings.host}:{wanted} ({error.strerror}): another program has it, or it is"
                " no address of this machine; give another one with --listen"
            ) from error
        if settings.port == 0 and kept is None:
            keep_port(settings.data, self.port)
        self.routes = self._routes(tls is not None)
        self._engine.set_routes(tuple(route.text for route in self.routes))

    def _routes(self, tls: bool) -> tuple[Route, ...]:
        """The ways in the relay's address: as given with --public, or as it listens."""
        path = self._secrets.path
        given: list[Route] = []
        for text in self.settings.public:
            try:
                route = parse_route(text)
            except Malformed as error:
                raise WrongUse(f"--public {text}: {error}") from error
            given.append(route)
        if not given:
            host = _reachable(self.settings.host)
            given.append(Route("wss" if tls else "ws", host, self.port))
        found: list[Route] = []
        for route in given:
            stream, letters = ("wss", "https") if route.transport in ("wss", "https") else ("ws", "http")
            for transport in (stream, letters):
                one = Route(
                    transport,
                    route.host,
                    route.port,
                    path if route.path == "/" else route.path,
                    route.sni,
                    route.addresses,
                    route.wrappers,
                )
                if one not in found:
                    found.append(one)
        return tuple(found)

    def _tls(self) -> ssl.SSLContext | None:
        cert, key = self.settings.cert, self.settings.key
        if cert is None and key is None:
            return None
        if cert is None or key is None:
            raise WrongUse("--cert and --key belong together")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.set_alpn_protocols(["http/1.1"])
        try:
            context.load_cert_chain(cert, key)
        except (OSError, ssl.SSLError) as error:
            reason = error.strerror or "it does not fit, or is no certificate in PEM form"
            raise CertificateUnfit(f"the certificate or its key cannot be read: {reason}") from error
        self._tls_context = context
        self._cert_time = _modified(self.settings)
        return context

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

    def date(self) -> str:
        """For the header of that name."""
        return self._date

    def random(self, size: int) -> bytes:
        return os.urandom(size)

    def soon(self, call: Callable[[], None]) -> None:
        """Call at the end of the loop's turn, when everything that had arrived has been read."""
        self.loop.call_soon(call)

    def take_letter(self, data: bytes, reply: exchanges.Reply) -> None:
        exchanges.take_letter(self, data, reply)

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
        self.journal.fault(error, Event.STORAGE_FAILED)

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

    def become_stream(self, connection: Connection, transport: asyncio.Transport, rest: bytes) -> None:
        """The connection has been upgraded: from here on a session has its transport."""
        self._connections.discard(connection)
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
        self._date = formatdate(usegmt=True)
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
        if self.settings.cert is not None and self.settings.key is not None:
            modified = _modified(self.settings)
            if modified != self._cert_time:
                self._cert_time = modified
                try:
                    self._tls_context.load_cert_chain(self.settings.cert, self.settings.key)
                except (OSError, ssl.SSLError):
                    self.journal.say(Event.CERTIFICATE_UNREADABLE)
                else:
                    self.journal.say(Event.CERTIFICATE_RENEWED)

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


def allow_many_files(connections: int) -> int:
    """Raise this process's limit of open files as far as it goes; answers how many connections fit."""
    try:
        import resource
    except ImportError:  # not on Windows, where sockets are not counted so
        return connections
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = connections + FILES_SPARE
    if soft < wanted:
        most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
        soft = most
    return max(16, min(connections, soft - FILES_SPARE))


def _bound_socket(host: str, port: int) -> socket.socket:
    """A listening socket's beginning. Raises OSError."""
    found: list[Any] = socket.getaddrinfo(
        host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )
    family, kind, protocol, _, address = found[0]
    bound = socket.socket(family, kind, protocol)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            # An IPv6 wildcard takes IPv4 too, as people expect of `[::]`.
            bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        bound.bind(address)
    except OSError:
        bound.close()
        raise
    return bound


def _reachable(host: str) -> str:
    """What to write into the address for a host that is listened on: for all of them, the one that leads outside."""
    if host not in ("", "0.0.0.0", "::"):
        return host
    family = socket.AF_INET6 if host == "::" else socket.AF_INET
    target = "2001:db8::1" if host == "::" else "192.0.2.1"
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            # No packet is sent: connecting a datagram socket only asks the routing table. (RFC 5737, RFC 3849)
            probe.connect((target, 9))
            return str(probe.getsockname()[0])
        except OSError:
            return "::1" if host == "::" else "127.0.0.1"


def _modified(settings: RelaySettings) -> tuple[int, int]:
    """When certificate and key were last written."""
    try:
        paths = (settings.cert, settings.key)
        times = [0 if path is None else path.stat().st_mtime_ns for path in paths]
    except OSError:
        return (0, 0)
    return (times[0], times[1])
