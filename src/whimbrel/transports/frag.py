"""`frag`: the first ClientHello goes out as two records in two segments, cut inside the server's name.

The records of a hello are plaintext, so this needs no part of TLS. A filter that does not put records together sees no whole
name. One that does sees it as before; and no browser does this, so it is for networks where a plain hello has failed.
"""

from __future__ import annotations

import asyncio
from typing import Final

from whimbrel.transports.stream import ByteStream

APART: Final = 0.01
"""Seconds between the two, so that the kernel does not put both into one segment."""
_HANDSHAKE, _CLIENT_HELLO, _SERVER_NAME = 22, 1, 0
_HEAD: Final = 5
"""Bytes of a record's head (RFC 8446, 5.1): type, version, length."""


async def frag(inner: ByteStream, rest: str) -> ByteStream:
    """The wrapper. `rest` says nothing."""
    return Fragmenting(inner)


class Fragmenting:
    """A ByteStream that cuts the first hello that goes through it, and changes nothing else."""

    def __init__(self, inner: ByteStream) -> None:
        self._inner = inner
        self._cut = False

    async def send(self, data: bytes) -> None:
        pieces = None if self._cut else split_hello(data)
        if pieces is None:
            await self._inner.send(data)
            return
        self._cut = True
        await self._inner.send(pieces[0])
        await asyncio.sleep(APART)
        await self._inner.send(pieces[1])

    async def receive(self) -> bytes:
        return await self._inner.receive()

    async def end(self) -> None:
        await self._inner.end()

    async def close(self) -> None:
        await self._inner.close()


def split_hello(data: bytes) -> tuple[bytes, bytes] | None:
    """Two records in place of the one at the beginning, and what follows it; None when that is no ClientHello.

    The cut is in the middle of the server's name; without a name, in the middle of the hello.
    """
    if len(data) < _HEAD + 4 or data[0] != _HANDSHAKE or data[_HEAD] != _CLIENT_HELLO:
        return None
    size = int.from_bytes(data[3:5], "big")
    body, rest = data[_HEAD : _HEAD + size], data[_HEAD + size :]
    if len(body) < size or size < 2:
        return None
    begin, end = _name_in(body) or (0, size)
    cut = (begin + end) // 2
    head = data[:3]
    first, second = body[:cut], body[cut:]
    return (
        head + len(first).to_bytes(2, "big") + first,
        head + len(second).to_bytes(2, "big") + second + rest,
    )


def _name_in(body: bytes) -> tuple[int, int] | None:
    """Where the server's name stands in a ClientHello (RFC 8446, 4.1.2; RFC 6066, 3)."""

    def number(at: int, size: int) -> int:
        if at + size > len(body):
            raise IndexError
        return int.from_bytes(body[at : at + size], "big")

    try:
        at = 4 + 2 + 32  # the message's head, version, random
        at += 1 + number(at, 1)  # session
        at += 2 + number(at, 2)  # ciphers
        at += 1 + number(at, 1)  # compressions
        end = at + 2 + number(at, 2)
        at += 2
        while at < end:
            kind, size = number(at, 2), number(at + 2, 2)
            if kind == _SERVER_NAME:
                begin = at + 4 + 2 + 1 + 2  # length of the list, type and length of the one name
                size = number(begin - 2, 2)
                return (begin, begin + size) if size >= 2 and begin + size <= len(body) else None
            at += 4 + size
    except IndexError:
        pass
    return None
