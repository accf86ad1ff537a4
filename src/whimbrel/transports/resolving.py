"""Asking for addresses: the system's resolver, and resolvers of our own by HTTPS (RFC 8484) at addresses that need no resolving.

What comes is offered to whoever connects (`tcp.py`), at once and one after the other. `names.py` decides what it is worth.
"""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from whimbrel.link.trouble import Reason, Stage
from whimbrel.transports import browser, dns, tcp
from whimbrel.transports.browser import BrowserPost
from whimbrel.transports.browser_words import Asked
from whimbrel.transports.errors import TransportError, of_os
from whimbrel.transports.http import Connection, Http1Connection, HttpExchange
from whimbrel.transports.names import Names, is_public, sift
from whimbrel.transports.policy import is_address
from whimbrel.transports.tcp import Net, families_in_turn
from whimbrel.transports.tls import TlsStream, trusting

SYSTEM_PATIENCE: Final = 1.0
"""Seconds that the system's resolver has before others are asked beside it: the usual answer takes a tenth."""
NEXT_RESOLVER: Final = 1.0
"""Seconds until the next resolver is asked beside the last."""
RESOLVER_MAX: Final = 8.0
"""Seconds that one may take, connection and handshake included."""
QUIET_FOR: Final = 30.0
"""Seconds for which resolvers are left alone when none of them has answered."""
MESSAGE_KIND: Final = "application/dns-message"

CONNECT_PATIENCE: Final = 2.0
"""Seconds that the addresses at hand have before others are looked for."""

Offer = Callable[[Sequence[str]], None]


@dataclass(frozen=True, slots=True)
class Server:
    """A resolver: `name` is shown and looked for in its certificate; None: it is asked by its address alone, and nothing is
    shown (its name may be what a filter looks for)."""

    address: str
    path: str = "/dns-query"
    name: str | None = None
    port: int = 443


SERVERS: Final = tuple(
    Server(address)
    for address in (
        "1.1.1.1",  # Cloudflare
        "8.8.8.8",  # Google
        "9.9.9.9",  # Quad9
        "94.140.14.14",  # AdGuard
        "185.222.222.222",  # DNS.SB
        "1.0.0.1",
        "8.8.4.4",
        "149.112.112.112",
    )
)
"""Public resolvers whose certificates name these addresses."""


def parse_servers(text: str) -> tuple[Server, ...]:
    """Resolvers as `https://203.0.113.53/dns-query#dns.example`, one or more, with spaces or commas between; the name after `#`
    may be left out. What is none is left out."""
    found = []
    for word in text.replace(",", " ").split():
        try:
            parts = urlsplit(word)
            host, port = parts.hostname or "", parts.port or 443
        except ValueError:
            continue
        if parts.scheme == "https" and is_address(host):
            found.append(Server(host, parts.path or "/dns-query", parts.fragment or None, port))
    return tuple(found)


def servers_of(environment: Mapping[str, str]) -> tuple[Server, ...]:
    """The resolvers that are used: WHIMBREL_RESOLVERS in place of the public ones; empty, none is."""
    text = environment.get("WHIMBREL_RESOLVERS")
    return SERVERS if text is None else parse_servers(text)


class Resolving:
    """Asks. One for a whole app, so that nobody is asked the same twice at a time."""

    def __init__(
        self,
        names: Names,
        servers: Sequence[Server] = SERVERS,
        authority: Path | None = None,
        net: Net | None = None,
    ) -> None:
        """`authority`: a PEM file with the only certificates to trust, in place of the system's. `net`: in place of the system's
        own network."""
        self.names = names
        self.servers = tuple(servers)
        self.authority = authority
        self.net = net
        self._asking: dict[str, asyncio.Future[list[str] | OSError]] = {}
        self._best = 0
        self._quiet_until = 0.0

    def search(self, name: str) -> Search:
        """Look for the addresses of a name."""
        return Search(self, name)

    async def ask_system(self, name: str) -> list[str]:
        """What the system's resolver says. Its call cannot be given up, so it runs where nobody waits for it at the end.
        Raises TransportError (resolve)."""
        if self.net is not None:
            try:
                return families_in_turn(await self.net.look_up(name))
            except OSError as error:
                raise of_os(Stage.RESOLVE, error) from None
        loop = asyncio.get_running_loop()
        asking = self._asking.get(name)
        if asking is None or asking.get_loop() is not loop:
            asking = self._asking[name] = loop.create_future()
            _in_the_background(name, loop, asking)
            asking.add_done_callback(lambda done: self._asking.pop(name, None))
        found = await asyncio.shield(asking)
        if isinstance(found, OSError):
            raise of_os(Stage.RESOLVE, found)
        return families_in_turn(found)

    async def ask_own(self, name: str, heard: Callable[[Sequence[str]], None]) -> None:
        """Ask resolvers of our own, one after the other, until one has answered; `heard` gets what can be used. At first the
        one that answered last. When none has, they are left alone for a while."""
        loop = asyncio.get_running_loop()
        if loop.time() < self._quiet_until or self.names.has_answers(name, loop.time()):
            return
        done = asyncio.Event()

        async def one(number: int) -> None:
            try:
                async with asyncio.timeout(RESOLVER_MAX):
                    async for found in self.ask_server(self.servers[number], name):
                        heard(self.names.answered(name, found.addresses, found.holds, loop.time()))
                        self._best = number
                        answered.add(number)
            except (TransportError, TimeoutError, dns.BadMessage):
                pass
            if number in answered:
                done.set()

        answered: set[int] = set()

        async with asyncio.TaskGroup() as group:
            asked: list[asyncio.Task[None]] = []
            for offset in range(len(self.servers)):
                asked.append(group.create_task(one((self._best + offset) % len(self.servers))))
                await _until(done, asked[-1], NEXT_RESOLVER)
                if done.is_set():
                    break
            else:
                for task in asked:
                    await _until(done, task, None)
            for task in asked:
                task.cancel()
        if not answered:
            self._quiet_until = loop.time() + QUIET_FOR

    async def ask_server(self, server: Server, name: str) -> AsyncIterator[dns.Found]:
        """Both kinds of addresses of a name, by one connection. Raises TransportError, dns.BadMessage."""
        host = server.name or (f"[{server.address}]" if ":" in server.address else server.address)
        if server.port != 443:
            host = f"{host}:{server.port}"
        asked = Asked(host, server.path, MESSAGE_KIND, MESSAGE_KIND, dns.MESSAGE_MAX)

        async def connect() -> Connection:
            stream = await tcp.connect(server.address, server.port, net=self.net)
            shown = server.name or server.address
            if browser.available():
                return BrowserPost(stream, shown, asked, self.authority)
            tls = TlsStream(stream, trusting(self.authority), shown)
            try:
                await tls.shake_hands()
            except BaseException:
                await tls.close()
                raise
            return Http1Connection(tls, asked)

        exchange = HttpExchange(connect)
        try:
            for kind in (dns.A, dns.AAAA):
                answer = await exchange.exchange(dns.question(name, kind))
                yield dns.addresses_in(answer, kind)
        finally:
            await exchange.close()


class Search:
    """Looking for the addresses of one name, while somebody tries to connect to them."""

    def __init__(self, resolving: Resolving, name: str) -> None:
        self._resolving = resolving
        self._name = name
        self._news = asyncio.Event()
        self._answered = False
        self._refused: TransportError | None = None
        self._lost = False

    def lost(self) -> None:
        """All that was offered has failed."""
        self._lost = True
        self._news.set()

    async def run(self, offer: Offer) -> None:
        """Offer addresses as they become known, the likeliest first. Returns when there will be no more. Raises TransportError
        (resolve) when there were none."""
        names, name, loop = self._resolving.names, self._name, asyncio.get_running_loop()
        offered: list[str] = []
        held_back: list[str] = []
        private: list[str] = []

        def put(addresses: Sequence[str]) -> None:
            now = loop.time()
            new = [one for one in names.in_order(name, addresses, now) if one not in offered]
            if names.is_doubted(name):
                held_back.extend(one for one in new if names.is_wrong(name, one, now))
                new = [one for one in new if one not in held_back]
            offered.extend(new)
            if new:
                self._lost = False
                offer(new)

        async def by_system() -> None:
            try:
                good, others = sift(name, await self._resolving.ask_system(name))
                private.extend(others)
                put(good)
                self._answered = bool(good)
                self._refused = None if good else TransportError(Stage.RESOLVE, Reason.NO_SUCH_NAME)
            except TransportError as error:
                self._refused = error
            self._news.set()

        async def by_others() -> None:
            if not is_public(name) or not self._resolving.servers:
                return
            if not names.is_doubted(name):
                if not offered:
                    await self._until(lambda: self._answered or self._refused is not None, SYSTEM_PATIENCE)
                if offered:
                    await self._until(lambda: self._lost, CONNECT_PATIENCE)
            await self._resolving.ask_own(name, put)

        put(names.known(name, loop.time()))
        async with asyncio.TaskGroup() as group:
            group.create_task(by_system())
            group.create_task(by_others())
        if held_back:
            offer(held_back)
        put(private)
        offered.extend(held_back)
        if not offered:
            raise self._refused or TransportError(Stage.RESOLVE, Reason.NO_SUCH_NAME)

    async def _until(self, holds: Callable[[], bool], patience: float) -> None:
        try:
            async with asyncio.timeout(patience):
                while not holds():
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            pass


def _in_the_background(
    name: str, loop: asyncio.AbstractEventLoop, asking: asyncio.Future[list[str] | OSError]
) -> None:
    def settle(found: list[str] | OSError) -> None:
        if not asking.done():
            asking.set_result(found)

    def ask() -> None:
        found: list[str] | OSError
        try:
            infos = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP)
            found = list(dict.fromkeys(str(info[4][0]) for info in infos))
        except OSError as error:
            found = error
        except UnicodeError:
            found = socket.gaierror(socket.EAI_NONAME, "")
        try:
            loop.call_soon_threadsafe(settle, found)
        except RuntimeError:
            pass  # the loop has ended meanwhile

    threading.Thread(target=ask, name="resolver", daemon=True).start()


async def _until(done: asyncio.Event, task: asyncio.Task[None], patience: float | None) -> None:
    """Wait until something is done or this task has ended, no longer than `patience` (seconds)."""
    task.add_done_callback(lambda _: ended.set())
    ended = asyncio.Event()
    try:
        async with asyncio.timeout(patience):
            while not (done.is_set() or task.done()):
                await ended.wait()
    except TimeoutError:
        pass
