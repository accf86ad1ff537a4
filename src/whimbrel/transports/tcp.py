"""TCP: resolve a host, connect to the first of its addresses that answers, carry bytes."""

from __future__ import annotations

import asyncio
import socket
import sys
from collections.abc import Callable, Coroutine, Sequence
from typing import Protocol

from whimbrel.link.trouble import Reason, Stage
from whimbrel.link.ways import neighbourhood
from whimbrel.transports.errors import TransportError, of_os
from whimbrel.transports.policy import Where, is_address

RECEIVE_MAX = 64 * 1024
"""Bytes that one `receive` gives at most; twice as many wait in memory before the peer is slowed."""
ADDRESSES_MAX = 4
"""Addresses of one name that are tried: more would be a storm (the dialer counts them)."""
UNSENT_MAX = 8 * 1024
"""Bytes that may wait in the kernel, and as many again in this program, before `send` waits: what is in neither can still be put
behind something more urgent. Beyond what the path holds, more would only make a text wait behind a file."""
NEXT_ADDRESS = 0.25
"""Seconds until the next address is tried beside the last (RFC 8305 §5)."""


_ELSEWHERE = {
    Where.ANYWHERE: Reason.NO_SUCH_NAME,
    Where.PRIVATE: Reason.PLAIN_FORBIDDEN,
    Where.PUBLIC: Reason.PRIVATE_FORBIDDEN,
}
"""Why there was nothing to connect to."""
_NOTSENT_LOWAT = getattr(socket, "TCP_NOTSENT_LOWAT", {"linux": 25, "darwin": 0x201}.get(sys.platform))


class TcpStream:
    """A ByteStream over a connected socket."""

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        subnets: tuple[str, ...] = (),
        peer: str | None = None,
    ) -> None:
        """`peer`: the address that was connected to, where the socket does not say it itself (`Net`)."""
        self._reader = reader
        self._writer = writer
        self._ended = False
        self._closed = False
        self.subnets = subnets
        """One for each connection that was tried until this one stood."""
        self.peer_at_first = peer or self.peer
        """The address that it was connected to, also when it has ended. Never for logs."""

    @property
    def peer(self) -> str:
        """The address that this stream is connected to. Never for logs."""
        name = self._writer.get_extra_info("peername")
        return str(name[0]) if name else ""

    async def send(self, data: bytes) -> None:
        if self._ended or self._closed or self._writer.is_closing():
            raise TransportError(Stage.SEND, Reason.ENDED)
        try:
            self._writer.write(data)
            await self._writer.drain()
        except OSError as error:
            raise of_os(Stage.SEND, error) from None

    async def receive(self) -> bytes:
        try:
            data = await self._reader.read(RECEIVE_MAX)
        except OSError as error:
            raise of_os(Stage.RECEIVE, error) from None
        if not data and self._closed:
            raise TransportError(Stage.RECEIVE, Reason.ENDED)
        return data

    async def end(self) -> None:
        if self._ended or self._closed or self._writer.is_closing():
            return
        self._ended = True
        try:
            self._writer.write_eof()
        except OSError as error:
            raise of_os(Stage.SEND, error) from None

    async def close(self) -> None:
        self._closed = True
        self._writer.transport.abort()
        # A reader that waits is told by the transport, in the loop's next round.
        await asyncio.sleep(0)


class Net(Protocol):
    """The network, where something stands between it and this program: every connection is made, and the system's resolver asked,
    by this. `make demo` leads both into a small network of its own."""

    async def open(self, address: str, port: int, *, sparing: bool = False) -> TcpStream:
        """One connection to an IP address. Raises TransportError (connect)."""

    async def look_up(self, name: str) -> list[str]:
        """What the system's resolver has for a name. Raises OSError."""


class Search(Protocol):
    """Who looks for the addresses of a name while we connect to those that are known (`resolving.py`)."""

    async def run(self, offer: Callable[[Sequence[str]], None]) -> None:
        """Offer addresses until there are no more. Raises TransportError (resolve) when there were none."""

    def lost(self) -> None:
        """All that was offered has failed."""


async def connect(
    host: str,
    port: int,
    *,
    known: Sequence[str] = (),
    where: Where = Where.ANYWHERE,
    search: Search | None = None,
    sparing: bool = False,
    net: Net | None = None,
) -> TcpStream:
    """Connect to `host` (a name or an address). `known`: addresses to use in place of resolving. `where`: refuse to
    connect to any address that is not there. `search`: who resolves, in place of the system alone.
    `sparing`: what confirms goes along with what is sent, where the system can be told so: fewer packets.
    `net`: in place of the system's own network. Raises TransportError (resolve or connect)."""
    tried: list[str] = []
    if search is not None and not (known or where is Where.PRIVATE or is_address(host)):
        stream = await _told(_first_of_search(search, port, where, tried, _Race(sparing, net)), tried)
    else:
        addresses = [a for a in list(known) or await _resolve(host, port, net) if where.allows(a)]
        if not addresses:
            raise TransportError(Stage.CONNECT, _ELSEWHERE[where])
        stream = await _told(_first_of(addresses[:ADDRESSES_MAX], port, tried, _Race(sparing, net)), tried)
    if not where.allows(stream.peer_at_first):
        await stream.close()
        raise TransportError(Stage.CONNECT, _ELSEWHERE[where])
    return stream


async def _resolve(host: str, port: int, net: Net | None) -> list[str]:
    """The addresses of a host, each once, the system's preference first."""
    if is_address(host):
        return [host]
    try:
        if net is not None:
            addresses = await net.look_up(host)
        else:
            loop = asyncio.get_running_loop()
            found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP)
            addresses = list(dict.fromkeys(str(info[4][0]) for info in found))
    except OSError as error:
        raise of_os(Stage.RESOLVE, error) from None
    except UnicodeError:
        raise TransportError(Stage.RESOLVE, Reason.NO_SUCH_NAME) from None
    if not addresses:
        raise TransportError(Stage.RESOLVE, Reason.NO_SUCH_NAME)
    return families_in_turn(addresses)


def families_in_turn(addresses: list[str]) -> list[str]:
    """One of the first family, one of the other, and so on (RFC 8305 §4): a broken IPv6 costs one attempt, not all."""
    first = [a for a in addresses if (":" in a) == (":" in addresses[0])]
    other = [a for a in addresses if (":" in a) != (":" in addresses[0])]
    mixed: list[str] = []
    while first or other:
        mixed += first[:1] + other[:1]
        first, other = first[1:], other[1:]
    return mixed


async def _told(connecting: Coroutine[object, object, TcpStream], tried: list[str]) -> TcpStream:
    """The same; what fails says which subnets were tried."""
    try:
        return await connecting
    except TransportError as error:
        error.subnets = tuple(tried)
        raise


async def _first_of_search(
    search: Search, port: int, where: Where, tried: list[str], race: _Race
) -> TcpStream:
    """As `_first_of`, of addresses that become known one after the other."""
    waiting: list[str] = []
    over = False
    trouble: list[TransportError] = []

    def offer(addresses: Sequence[str]) -> None:
        waiting.extend(a for a in addresses if where.allows(a))
        race.news.set()

    async def look() -> None:
        nonlocal over
        try:
            await search.run(offer)
        except TransportError as error:
            trouble.append(error)
        over = True
        race.news.set()

    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(look())]
            while race.winner is None:
                if waiting and len(tried) < ADDRESSES_MAX:
                    address = waiting.pop(0)
                    tried.append(neighbourhood(address)[1])
                    tasks.append(group.create_task(race.attempt(address, port)))
                    await race.has_moved_on(len(tried), NEXT_ADDRESS)
                    continue
                if len(race.failures) == len(tried):
                    if over or len(tried) >= ADDRESSES_MAX:
                        break
                    if tried:
                        search.lost()
                race.news.clear()
                await race.news.wait()
            # As there, the race ends without an exception.
            for task in tasks:
                task.cancel()
    except BaseException:
        if race.winner is not None:
            await race.winner.close()
        raise
    if race.winner is None:
        raise [*race.failures, *trouble, TransportError(Stage.CONNECT, _ELSEWHERE[where])][0]
    race.winner.subnets = tuple(tried)
    return race.winner


async def _first_of(addresses: Sequence[str], port: int, tried: list[str], race: _Race) -> TcpStream:
    """The first address that answers, each a little later than the one before, or as soon as that has failed."""
    try:
        async with asyncio.TaskGroup() as group:
            attempts: list[asyncio.Task[None]] = []
            for address in addresses:
                tried.append(neighbourhood(address)[1])
                attempts.append(group.create_task(race.attempt(address, port)))
                await race.has_moved_on(len(attempts), NEXT_ADDRESS)
                if race.winner is not None:
                    break
            await race.has_moved_on(len(attempts), None)
            # The race ends without an exception: a group that ends by one would forget that we were cancelled.
            for attempt in attempts:
                attempt.cancel()
    except BaseException:
        if race.winner is not None:
            await race.winner.close()
        raise
    if race.winner is None:
        raise race.failures[0]
    race.winner.subnets = tuple(tried)
    return race.winner


class _Race:
    """Attempts at the addresses of one host."""

    def __init__(self, sparing: bool, net: Net | None) -> None:
        self._sparing = sparing
        self._net = net
        self.winner: TcpStream | None = None
        self.failures: list[TransportError] = []
        self.news = asyncio.Event()

    async def attempt(self, address: str, port: int) -> None:
        try:
            if self._net is not None:
                stream = await self._net.open(address, port, sparing=self._sparing)
            else:
                stream = await _connect_one(address, port, self._sparing)
        except TransportError as error:
            self.failures.append(error)
        else:
            if self.winner is None:
                self.winner = stream
            else:
                await stream.close()
        self.news.set()

    async def has_moved_on(self, started: int, patience: float | None) -> None:
        """Wait until one has won or all that were started have failed; no longer than `patience` (seconds)."""
        try:
            async with asyncio.timeout(patience):
                while self.winner is None and len(self.failures) < started:
                    self.news.clear()
                    await self.news.wait()
        except TimeoutError:
            pass


async def _connect_one(address: str, port: int, sparing: bool = False) -> TcpStream:
    connected = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
    try:
        connected.setblocking(False)
        _set_manners(connected, sparing)
        await asyncio.get_running_loop().sock_connect(connected, (address, port))
        reader, writer = await asyncio.open_connection(sock=connected, limit=RECEIVE_MAX)
    except OSError as error:
        connected.close()
        raise of_os(Stage.CONNECT, error) from None
    except BaseException:
        connected.close()
        raise
    writer.transport.set_write_buffer_limits(UNSENT_MAX)
    return TcpStream(reader, writer)


def _set_manners(connected: socket.socket, sparing: bool) -> None:
    connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    wished = [(_NOTSENT_LOWAT, UNSENT_MAX)]
    if sparing:
        # Before it connects: then even the third packet of the handshake goes along with the first words.
        wished.append((getattr(socket, "TCP_QUICKACK", None), 0))
    for option, value in wished:
        try:
            if option is not None:
                connected.setsockopt(socket.IPPROTO_TCP, option, value)
        except OSError:
            pass  # a system that does not have it
