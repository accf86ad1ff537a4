"""An ordinary program beside the two: it asks the provider for the relay's name, connects to the first address, and loads a page.

It goes through the same censor and shows what each switch does to who has nothing against it.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Final, Literal

from demo import place
from demo.wire import UP, ThroughCensor

NAME: Final = "an ordinary program"
EVERY: Final = 10.0
"""Seconds between two tries."""
PATIENCE: Final = 6.0
"""Seconds for each step: as long as people look at a page that does not come."""
ENOUGH: Final = 24 * 1024
"""Bytes of an ordinary page."""

Outcome = Literal["ok", "no-name", "refused", "not-let-through", "reset", "silent", "frozen"]


class Plain:
    """`last`: what came of the last try; None before the first. `took`: how many seconds it took."""

    def __init__(self, net: ThroughCensor, authority: Path, on_change: Callable[[], None]) -> None:
        self.last: Outcome | None = None
        self.took = 0.0
        self._net = net
        self._on_change = on_change
        self._again = asyncio.Event()
        self._context = ssl.create_default_context(cafile=str(authority))

    def look_again(self) -> None:
        """Something has changed at the border."""
        self._again.set()

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            self._again.clear()
            begun = asyncio.get_running_loop().time()
            self.last = await self.attempt()
            self.took = asyncio.get_running_loop().time() - begun
            self._on_change()
            try:
                async with asyncio.timeout(EVERY):
                    await self._again.wait()
            except TimeoutError:
                pass

    async def attempt(self) -> Outcome:
        try:
            [address, *_] = await self._net.look_up(place.RELAY_NAME)
        except OSError:
            return "no-name"
        reader, writer = await self._net.connection(address, place.PORT)
        try:
            return await self._load(reader, writer)
        except (OSError, ssl.SSLError):
            return "reset"
        finally:
            writer.transport.abort()

    async def _load(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Outcome:
        """The page, over a connection that is asked for. Raises OSError when it is torn down."""
        came = 0
        outcome: Outcome = "not-let-through"
        try:
            async with asyncio.timeout(PATIENCE):
                if await reader.readline() != UP:
                    return "refused"
            outcome = "silent"
            async with asyncio.timeout(PATIENCE):
                await writer.start_tls(self._context, server_hostname=place.RELAY_NAME)
            while came < ENOUGH:
                writer.write(f"GET / HTTP/1.1\r\nHost: {place.RELAY_NAME}\r\n\r\n".encode())
                async with asyncio.timeout(PATIENCE):
                    data = await reader.read(ENOUGH)
                if not data:
                    return "reset"
                came += len(data)
                outcome = "frozen"
        except TimeoutError:
            return outcome
        return "ok"
