"""The censor: a forwarder on loopback through which all goes that the two apps connect to or look up. It does what `border.py` decides.

It knows the addresses of the demo's world and where on this computer each of them is served; what it does not know it refuses.
"""

from __future__ import annotations

import asyncio
import hmac
import json
import socket
import struct
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Final, Literal

from demo.border import AGAIN_AFTER, SEGMENT, Border, Flow, Verdict
from demo.place import PORT
from demo.wire import LINE_MAX, UP

ROOM: Final = 32 * 1024
"""Bytes that wait in each socket: a slow line has a short queue (two seconds of 140 kbit/s)."""
PATIENCE: Final = 5.0
"""Seconds in which a connection says what it is for."""
UNHEARD: Final = 120.0
"""Seconds for which the far end of a connection that went silent is left to itself, as no network would tell it."""

What = Literal["asked", "tried", "lost", "up", "reset", "silent"]


@dataclass(frozen=True, slots=True)
class Seen:
    """Something that happened at the border."""

    person: str
    what: What
    place: str
    """An address; of a question the name."""
    name: str = ""
    """The name that was shown."""
    why: str = ""
    """The switch that did it."""
    found: tuple[str, ...] = ()
    """What a question was answered."""


class Censor:
    """`people`: the secret of each. `places`: where each address is served, as ports of this computer."""

    def __init__(
        self,
        border: Border,
        people: Mapping[str, str],
        places: Mapping[str, int],
        on_seen: Callable[[Seen], None],
    ) -> None:
        self.border = border
        self._people = people
        self._places = places
        self._on_seen = on_seen
        self._count = 0
        self._ends: dict[Flow, asyncio.StreamWriter] = {}

    async def serve(self, listening: socket.socket) -> None:
        """Until cancelled."""
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, ROOM)
        over = False
        async with asyncio.TaskGroup() as connections:

            def came(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                if over:  # it was accepted just before
                    writer.transport.abort()
                else:
                    connections.create_task(self._serve_one(reader, writer))

            server = await asyncio.start_server(came, sock=listening, limit=ROOM)
            try:
                await asyncio.get_running_loop().create_future()
            finally:
                over = True
                server.close()

    # -- what a visitor does ------------------------------------------------------------------------------

    def switch(self, key: str, on: bool) -> None:
        """Raises KeyError."""
        for flow in self.border.switch(key, on):
            self._see(flow, "silent")

    def cut(self) -> None:
        for flow in self.border.cut():
            flow.why = "cut"
            self._see(flow, "silent")

    def open_flows(self, person: str) -> list[Flow]:
        """Connections of somebody that stand and are not silent, the oldest first."""
        alive = [f for f in self.border.flows if f.person == person and f.stands and not f.silent]
        return sorted(alive, key=lambda flow: flow.number)

    # -- connections --------------------------------------------------------------------------------------

    async def _serve_one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            with suppress(OSError, ValueError, TimeoutError):
                async with asyncio.timeout(PATIENCE):
                    line = await reader.readline()
                person, verb, words = self._understood(line)
                if verb == "name":
                    found = self.border.look_up(words[0])
                    self._on_seen(Seen(person, "asked", words[0], found=tuple(found)))
                    writer.write(json.dumps(found).encode() + b"\n")
                    await writer.drain()
                elif verb == "open":
                    with self._flow(person, words[0], int(words[1])) as flow:
                        await self._carry(flow, reader, writer)
        finally:
            writer.transport.abort()

    def _understood(self, line: bytes) -> tuple[str, str, list[str]]:
        """Who asks for what. Raises ValueError for whom or what is not known here."""
        secret, verb, *words = line.decode("ascii").split()
        if not line.endswith(b"\n") or len(line) > LINE_MAX:
            raise ValueError("no such line")
        person = next((p for p, own in self._people.items() if hmac.compare_digest(own, secret)), None)
        if person is None or (verb, len(words)) not in (("name", 1), ("open", 2)):
            raise ValueError("nobody that is known here")
        if verb == "open" and (words[0] not in self._places or words[1] != str(PORT)):
            raise ValueError("no place of this world")
        return person, verb, words

    @contextmanager
    def _flow(self, person: str, address: str, port: int) -> Iterator[Flow]:
        self._count += 1
        flow = Flow(self._count, person, address, port, asyncio.get_running_loop().time())
        self.border.flows.add(flow)
        try:
            yield flow
        finally:
            self.border.flows.discard(flow)

    async def _carry(self, flow: Flow, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._see(flow, "tried")
        if not await self._comes_through(flow, reader):
            return
        far_reader, far_writer = await self._far_end(self._places[flow.address])
        try:
            _small_room(writer)
            writer.write(UP)
            async with asyncio.TaskGroup() as both:
                ways = (
                    both.create_task(self._pump(flow, True, reader, writer, far_writer)),
                    both.create_task(self._pump(flow, False, far_reader, far_writer, writer)),
                )
                await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
                if not any(way.done() and way.result() for way in ways):
                    # One side has ended in order; the other may go on until it does, too.
                    await asyncio.wait(ways)
                for way in ways:
                    way.cancel()
            if flow.silent and flow.why != "reset":
                await asyncio.sleep(UNHEARD)
        finally:
            far_writer.transport.abort()

    async def _comes_through(self, flow: Flow, reader: asyncio.StreamReader) -> bool:
        """Whether an opening packet passes, before whoever sends it gives up."""
        for wait in (*AGAIN_AFTER, None):
            if self.border.opens(flow):
                return True
            self._see(flow, "lost")
            with suppress(TimeoutError):
                async with asyncio.timeout(wait):
                    await reader.read(1)  # nothing is said before it is up: this is the end
                    return False
        return False

    async def _far_end(self, port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        far = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        far.setblocking(False)
        far.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, ROOM)
        try:
            await asyncio.get_running_loop().sock_connect(far, ("127.0.0.1", port))
        except BaseException:
            far.close()
            raise
        reader, writer = await asyncio.open_connection(sock=far, limit=ROOM)
        _small_room(writer)
        return reader, writer

    async def _pump(
        self,
        flow: Flow,
        from_client: bool,
        reader: asyncio.StreamReader,
        here: asyncio.StreamWriter,
        there: asyncio.StreamWriter,
    ) -> bool:
        """Carry one direction to its end. True: the whole connection is over."""
        loop = asyncio.get_running_loop()
        try:
            while data := await reader.read(ROOM):
                size = SEGMENT if self.border.is_slow(flow) else ROOM
                for start in range(0, len(data), size):
                    piece = data[start : start + size]
                    if not await self._pass_on(flow, from_client, piece, here, there, loop):
                        return True
        except OSError:
            if not flow.silent:
                _reset(there)
            return True
        if flow.silent:
            return from_client  # the person gave it up
        with suppress(OSError):
            there.write_eof()
        return False

    async def _pass_on(
        self,
        flow: Flow,
        from_client: bool,
        piece: bytes,
        here: asyncio.StreamWriter,
        there: asyncio.StreamWriter,
        loop: asyncio.AbstractEventLoop,
    ) -> bool:
        """False: it is the end of both directions."""
        was_silent = flow.silent
        verdict = self.border.takes(flow, loop.time(), from_client, piece)
        if verdict is Verdict.RESET:
            self._see(flow, "reset")
            _reset(here)
            _reset(there)
            return False
        if verdict is Verdict.SILENCE:
            if not was_silent:
                self._see(flow, "silent")
            return True  # read on, so that the end is seen; nothing passes
        if self.border.is_slow(flow):
            await asyncio.sleep(self.border.queues(flow, loop.time(), from_client, len(piece)))
            if flow.silent:
                return True
        there.write(piece)
        await there.drain()
        if not from_client and not flow.stands:
            flow.stands = True
            self._see(flow, "up")
        return True

    def _see(self, flow: Flow, what: What) -> None:
        self._on_seen(Seen(flow.person, what, flow.address, flow.name, flow.why))


def _small_room(writer: asyncio.StreamWriter) -> None:
    writer.transport.set_write_buffer_limits(ROOM)
    connected = writer.get_extra_info("socket")
    connected.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, ROOM)
    connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def _reset(writer: asyncio.StreamWriter) -> None:
    """The end by RST: what a filter sends, or what came from the other side."""
    with suppress(OSError):
        linger = struct.pack("ii", 1, 0)
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    writer.transport.abort()
