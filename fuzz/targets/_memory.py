"""A connection in memory: what a protocol of asyncio writes is collected, what it asks of its transport is done."""

from __future__ import annotations

import asyncio
import atexit
import os
import shutil
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

SOCKNAME = ("127.0.0.1", 7000)


class Wire(asyncio.Transport):
    """The transport of one connection; nobody takes long at its other end."""

    def __init__(self, protocol: asyncio.BaseProtocol | None = None) -> None:
        super().__init__()
        self.written = bytearray()
        self.closed = False
        self._protocol = protocol

    def write(self, data: Any) -> None:
        self.written += data

    def close(self) -> None:
        if not self.closed:
            self.closed = True
            asyncio.get_running_loop().call_soon(self._lost)

    def abort(self) -> None:
        self.close()

    def _lost(self) -> None:
        if self._protocol is not None:
            self._protocol.connection_lost(None)

    def is_closing(self) -> bool:
        return self.closed

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self._protocol = protocol

    def get_protocol(self) -> Any:
        return self._protocol

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return {"sockname": SOCKNAME, "peername": ("127.0.0.1", 7001)}.get(name, default)

    def get_write_buffer_size(self) -> int:
        return 0

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Nothing waits here."""

    def pause_reading(self) -> None:
        """Whoever feeds the protocol feeds it all the same: what has arrived has arrived."""

    def resume_reading(self) -> None:
        """As above."""

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        """Its other end goes on, or not."""


def pieces(data: bytes, how: int) -> list[bytes]:
    """As it may arrive: whole, in pieces, or byte by byte."""
    if how % 4 == 0 or len(data) > 20_000:
        return [data]
    size = (1, 7, 100)[how % 4 - 1]
    return [data[at : at + size] for at in range(0, len(data), size)]


@cache
def loop() -> asyncio.AbstractEventLoop:
    """The one loop of this process."""
    return asyncio.new_event_loop()


async def turns(count: int = 8) -> None:
    """Let the loop go on for a while."""
    for _ in range(count):
        await asyncio.sleep(0)


MEMORY = Path("/dev/shm")
"""Where the system has one: a disk that syncs is slow."""


@cache
def folder() -> Path:
    """A folder for this process, where TMPDIR says or in memory."""
    in_memory = MEMORY if MEMORY.is_dir() and "TMPDIR" not in os.environ else None
    path = Path(tempfile.mkdtemp(prefix="whimbrel-fuzz-", dir=in_memory))
    path.chmod(0o700)
    atexit.register(shutil.rmtree, path, ignore_errors=True)
    return path
