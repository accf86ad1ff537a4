"""The first words of a TLS client, taken apart: what anybody on the way sees of it, and its fingerprint.

JA4 is computed as its public description says (FoxIO, "JA4: TLS Client Fingerprinting"), without the ways around TCP.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

SERVER_NAME, SIGNATURE_ALGORITHMS, ALPN, SUPPORTED_VERSIONS, TRUST_ANCHORS = 0x00, 0x0D, 0x10, 0x2B, 0xCA34
_VERSIONS = {0x0304: "13", 0x0303: "12", 0x0302: "11", 0x0301: "10"}


def is_grease(value: int) -> bool:
    """Whether this is one of the values that stand for nothing (RFC 8701)."""
    return value & 0x0F0F == 0x0A0A and value >> 8 == value & 0xFF


@dataclass(frozen=True)
class Hello:
    """A ClientHello. `extensions`: in the order in which they stand."""

    version: int
    ciphers: tuple[int, ...]
    extensions: tuple[tuple[int, bytes], ...]

    def body(self, kind: int) -> bytes | None:
        return next((body for found, body in self.extensions if found == kind), None)

    @property
    def name(self) -> str | None:
        """The server's name that it shows."""
        body = self.body(SERVER_NAME)
        return None if body is None else body[5:].decode()

    @property
    def protocols(self) -> tuple[str, ...]:
        body, found = self.body(ALPN) or b"\0\0", []
        at = 2
        while at < len(body):
            found.append(body[at + 1 : at + 1 + body[at]].decode())
            at += 1 + body[at]
        return tuple(found)

    @property
    def trust_anchors(self) -> tuple[str, ...]:
        """The relative object identifiers of the certificates that it says it trusts, in dotted form."""
        body, found = self.body(TRUST_ANCHORS) or b"\0\0", []
        at = 2
        while at < len(body):
            found.append(_dotted(body[at + 1 : at + 1 + body[at]]))
            at += 1 + body[at]
        return tuple(found)

    @property
    def ja4(self) -> str:
        ciphers = [c for c in self.ciphers if not is_grease(c)]
        kinds = [kind for kind, _ in self.extensions if not is_grease(kind)]
        body = self.body(SUPPORTED_VERSIONS)
        versions = (self.version,) if body is None else _numbers(body[1:])
        version = _VERSIONS[max(v for v in versions if not is_grease(v))]
        alpn = self.protocols[0][0] + self.protocols[0][-1] if self.protocols else "00"
        signatures = [s for s in _numbers((self.body(SIGNATURE_ALGORITHMS) or b"")[2:]) if not is_grease(s)]
        shown = "d" if SERVER_NAME in kinds else "i"
        sorted_kinds = sorted(kind for kind in kinds if kind not in (SERVER_NAME, ALPN))
        parts = f"{_hex(sorted_kinds)}_{_hex(signatures)}" if signatures else _hex(sorted_kinds)
        return "_".join(
            (
                f"t{version}{shown}{min(len(ciphers), 99):02}{min(len(kinds), 99):02}{alpn}",
                _twelve(_hex(sorted(ciphers))),
                _twelve(parts),
            )
        )


def parse_hello(data: bytes) -> Hello:
    """The ClientHello at the beginning of what a client sent, whole or in several records."""
    message = bytearray()
    at = 0
    while len(message) < 4 or len(message) < 4 + int.from_bytes(message[1:4], "big"):
        if at + 5 > len(data) or data[at] != 0x16:
            raise ValueError("no whole ClientHello")
        size = int.from_bytes(data[at + 3 : at + 5], "big")
        message += data[at + 5 : at + 5 + size]
        at += 5 + size
    version = int.from_bytes(message[4:6], "big")
    at = 38 + 1 + message[38]
    size = int.from_bytes(message[at : at + 2], "big")
    ciphers = _numbers(message[at + 2 : at + 2 + size])
    at += 2 + size
    at += 1 + message[at] + 2
    extensions = []
    while at < len(message):
        kind, size = (
            int.from_bytes(message[at : at + 2], "big"),
            int.from_bytes(message[at + 2 : at + 4], "big"),
        )
        extensions.append((kind, bytes(message[at + 4 : at + 4 + size])))
        at += 4 + size
    return Hello(version, ciphers, tuple(extensions))


class Recorder:
    """A server that keeps what each connection says first, and hangs up."""

    def __init__(self) -> None:
        self.port = 0
        self.segments: list[list[bytes]] = []
        """For each connection, what each read brought."""
        self.hellos: asyncio.Queue[Hello] = asyncio.Queue()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen: list[bytes] = []
        self.segments.append(seen)
        while data := await reader.read(65536):
            seen.append(data)
            try:
                hello = parse_hello(b"".join(seen))
            except (ValueError, IndexError):
                continue
            self.hellos.put_nowait(hello)
            break
        writer.transport.abort()


@asynccontextmanager
async def recording() -> AsyncIterator[Recorder]:
    recorder = Recorder()
    server = await asyncio.start_server(recorder.serve, "127.0.0.1", 0)
    recorder.port = server.sockets[0].getsockname()[1]
    try:
        yield recorder
    finally:
        server.close()


def _numbers(data: bytes) -> tuple[int, ...]:
    return tuple(int.from_bytes(data[at : at + 2], "big") for at in range(0, len(data) - 1, 2))


def _hex(numbers: list[int]) -> str:
    return ",".join(f"{n:04x}" for n in numbers)


def _twelve(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12] if text else "0" * 12


def _dotted(data: bytes) -> str:
    numbers, number = [], 0
    for byte in data:
        number = number << 7 | byte & 0x7F
        if not byte & 0x80:
            numbers.append(number)
            number = 0
    return ".".join(map(str, numbers))
