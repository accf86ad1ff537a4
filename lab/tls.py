"""The first bytes of a TLS connection as a filter reads them: records put together or not, the ClientHello, its JA4.

JA4 is as its authors publish it (FoxIO, `ja4/technical_details/JA4.md`)."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from enum import Enum

SERVER_NAME, GROUPS, ALPN, SIGNATURES, VERSIONS, ECH = 0, 10, 16, 13, 43, 0xFE0D
_GREASE = frozenset(value << 8 | value for value in range(0x0A, 0x100, 0x10))
_VERSIONS = {0x0304: "13", 0x0303: "12", 0x0302: "11", 0x0301: "10", 0x0300: "s3", 0x0002: "s2"}


class Not(Enum):
    """Why there is no ClientHello."""

    YET = "yet"
    """What is there could still become one."""
    TLS = "tls"
    """It is something else."""


@dataclass(frozen=True, slots=True)
class Hello:
    version: int
    ciphers: tuple[int, ...]
    extensions: tuple[tuple[int, bytes], ...]
    size: int = 0
    """Bytes of the handshake message."""
    records: int = 1
    """In how many records it came."""
    _ja4: list[str] = field(default_factory=list, compare=False, repr=False)

    @property
    def name(self) -> str:
        """The server name in small letters; '' when none is sent."""
        body = self.extension(SERVER_NAME)
        if body is None or len(body) < 5 or body[2] != 0:
            return ""
        return body[5 : 5 + int.from_bytes(body[3:5], "big")].decode("ascii", "replace").lower()

    @property
    def alpn(self) -> tuple[bytes, ...]:
        body = self.extension(ALPN)
        found, at = [], 2
        while body is not None and at < len(body):
            found.append(body[at + 1 : at + 1 + body[at]])
            at += 1 + body[at]
        return tuple(found)

    @property
    def ech(self) -> bool:
        return self.extension(ECH) is not None

    def extension(self, kind: int) -> bytes | None:
        return next((body for found, body in self.extensions if found == kind), None)

    @property
    def ja4(self) -> str:
        if not self._ja4:
            self._ja4.append(_ja4(self))
        return self._ja4[0]


def handshake(stream: bytes, records: int = 64) -> tuple[bytes, int, bool] | Not:
    """The handshake bytes of a stream of TLS records: (bytes, how many records, whether the last one ends). Stops after `records`."""
    found, at, seen, whole = bytearray(), 0, 0, True
    while at < len(stream) and seen < records:
        head = stream[at : at + 5]
        if head[0] != 0x16 or (len(head) > 1 and head[1] != 3) or (len(head) > 2 and head[2] > 4):
            return Not.TLS if not seen else (bytes(found), seen, True)
        if len(head) < 5:
            whole = False
            break
        size = int.from_bytes(head[3:], "big")
        part = stream[at + 5 : at + 5 + size]
        found += part
        seen += 1
        at += 5 + size
        whole = len(part) == size
    return bytes(found), seen, whole


def client_hello(stream: bytes, records: int = 64) -> Hello | Not:
    """The ClientHello at the beginning of a client's stream, which may be spread over that many records."""
    if not stream:
        return Not.YET
    found = handshake(stream, records)
    if isinstance(found, Not):
        return found
    message, seen, _whole = found
    if message and message[0] != 1:
        return Not.TLS
    if len(message) < 4 or len(message) < 4 + int.from_bytes(message[1:4], "big"):
        # A reader of one record alone never learns the rest.
        return Not.YET
    size = int.from_bytes(message[1:4], "big")
    return _parse(message[4 : 4 + size], size + 4, seen)


def _parse(body: bytes, size: int, records: int) -> Hello | Not:
    at = 35 + body[34] if len(body) > 34 else len(body)
    count = int.from_bytes(body[at : at + 2], "big")
    ciphers = tuple(int.from_bytes(body[i : i + 2], "big") for i in range(at + 2, at + 2 + count, 2))
    at += 2 + count
    if at >= len(body):
        return Not.TLS
    at += 1 + body[at]
    end = at + 2 + int.from_bytes(body[at : at + 2], "big")
    at += 2
    if end > len(body):
        return Not.TLS
    extensions = []
    while at + 4 <= end:
        length = int.from_bytes(body[at + 2 : at + 4], "big")
        extensions.append((int.from_bytes(body[at : at + 2], "big"), body[at + 4 : at + 4 + length]))
        at += 4 + length
    return Hello(int.from_bytes(body[:2], "big"), ciphers, tuple(extensions), size, records)


def _numbers(body: bytes, skip: int) -> list[int]:
    return [int.from_bytes(body[i : i + 2], "big") for i in range(skip, len(body) - 1, 2)]


def _short_hash(words: list[str], tail: str = "") -> str:
    text = ",".join(words) + tail
    return hashlib.sha256(text.encode()).hexdigest()[:12] if words else "000000000000"


def _ja4(hello: Hello, carrier: str = "t") -> str:
    ciphers = [value for value in hello.ciphers if value not in _GREASE]
    kinds = [kind for kind, _ in hello.extensions if kind not in _GREASE]
    versions = [value for value in _numbers(hello.extension(VERSIONS) or b"", 1) if value not in _GREASE]
    version = _VERSIONS.get(max(versions, default=hello.version), "00")
    alpn = hello.alpn[0] if hello.alpn and hello.alpn[0] else b""
    ends = "00"
    if alpn:
        first, last = alpn[:1], alpn[-1:]
        ends = (
            (first + last).decode() if first.isalnum() and last.isalnum() else alpn.hex()[0] + alpn.hex()[-1]
        )
    head = f"{carrier}{version}{'d' if SERVER_NAME in kinds else 'i'}{min(len(ciphers), 99):02}{min(len(kinds), 99):02}{ends}"
    hashed = sorted(f"{kind:04x}" for kind in kinds if kind not in (SERVER_NAME, ALPN))
    # GREASE in signature_algorithms is no part of it, like everywhere else.
    signatures = [f"{v:04x}" for v in _numbers(hello.extension(SIGNATURES) or b"", 2) if v not in _GREASE]
    tail = "_" + ",".join(signatures) if signatures else ""
    return f"{head}_{_short_hash(sorted(f'{v:04x}' for v in ciphers))}_{_short_hash(hashed, tail)}"
