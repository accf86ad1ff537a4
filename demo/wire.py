"""What an app and the censor say to each other at the start of a connection: one line there, one line back.

    SECRET open 203.0.113.10 443    → `up`: from here on the connection is one to that address
    SECRET name talk.example        → a JSON list of addresses; an empty one: there is no such name

The secret is the person's own, so that nobody else on this computer goes through, and the censor knows whose connection it is. A
connection that is closed without an answer was refused; one that gets none has lost its opening packets.
"""

from __future__ import annotations

import asyncio
import json
import socket
from dataclasses import dataclass
from typing import Final

from whimbrel.link.trouble import Reason, Stage
from whimbrel.transports.errors import TransportError, of_os
from whimbrel.transports.tcp import RECEIVE_MAX, UNSENT_MAX, TcpStream

UP: Final = b"up\n"
LINE_MAX: Final = 512


@dataclass(frozen=True, slots=True)
class ThroughCensor:
    """The network of one app: a `whimbrel.transports.tcp.Net`."""

    port: int
    secret: str

    async def open(self, address: str, port: int, *, sparing: bool = False) -> TcpStream:
        """A connection to an address of the demo's world. What `sparing` saves are packets, which nobody counts here."""
        try:
            reader, writer = await self.connection(address, port)
        except OSError as error:
            raise of_os(Stage.CONNECT, error) from None
        try:
            if await reader.readline() != UP:
                raise TransportError(Stage.CONNECT, Reason.REFUSED)
        except OSError as error:
            writer.transport.abort()
            raise of_os(Stage.CONNECT, error) from None
        except BaseException:
            writer.transport.abort()
            raise
        writer.transport.set_write_buffer_limits(UNSENT_MAX)
        return TcpStream(reader, writer, peer=address)

    async def connection(self, address: str, port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """One that is asked for; the line that says that it is up comes from its reader. Raises OSError."""
        return await self._ask(f"open {address} {port}")

    async def look_up(self, name: str) -> list[str]:
        """Raises OSError, also for a name that there is not."""
        reader, writer = await self._ask(f"name {name}")
        try:
            found: list[str] = json.loads(await reader.readline() or b"[]")
        finally:
            writer.transport.abort()
        if not found:
            raise socket.gaierror(socket.EAI_NONAME, "")
        return found

    async def _ask(self, words: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port, limit=RECEIVE_MAX)
        writer.write(f"{self.secret} {words}\n".encode())
        return reader, writer
