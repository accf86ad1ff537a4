"""TLS over any ByteStream. Camouflage and a check of the name; what protects people is sealed inside.

`ssl.MemoryBIO` rather than the loop's own TLS, so that it also runs inside wrappers and around other streams.
"""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path

from whimbrel.link.trouble import Reason, Stage
from whimbrel.transports.errors import TransportError, of_os
from whimbrel.transports.stream import ByteStream

RECEIVE_MAX = 64 * 1024
"""Bytes that one `receive` gives at most."""


def trusting(authority: Path | None = None, *, names: bool = True) -> ssl.SSLContext:
    """What to trust: the certificates of the system, or only those in a PEM file (a relay's own, in tests and at home).

    Without `names` any name in a trusted certificate will do: for ways that send no name.
    """
    context = ssl.create_default_context(cafile=None if authority is None else str(authority))
    context.check_hostname = names
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    return context


class TlsStream:
    """A ByteStream inside TLS. `shake_hands` comes first."""

    def __init__(self, inner: ByteStream, context: ssl.SSLContext, name: str | None) -> None:
        """`name`: sent as SNI and looked for in the certificate; None, with a context that does not look at names: none."""
        self._inner = inner
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname=name)
        self._flushing = asyncio.Lock()
        self._ended = False
        self._over = False
        self._closed = False

    async def shake_hands(self) -> None:
        """Run the handshake. Raises TransportError (handshake)."""
        while True:
            try:
                self._tls.do_handshake()
            except ssl.SSLWantReadError:
                await self._flush()
                await self._feed(Stage.HANDSHAKE)
            except ssl.SSLError as error:
                raise of_os(Stage.HANDSHAKE, error) from None
            else:
                await self._flush()
                return

    async def send(self, data: bytes) -> None:
        if self._ended or self._closed:
            raise TransportError(Stage.SEND, Reason.ENDED)
        if not data:
            return
        try:
            self._tls.write(data)  # a MemoryBIO takes all of it
        except ssl.SSLError as error:
            raise of_os(Stage.SEND, error) from None
        await self._flush()

    async def receive(self) -> bytes:
        while True:
            if self._closed:
                raise TransportError(Stage.RECEIVE, Reason.ENDED)
            if self._over:
                return b""
            try:
                data = self._tls.read(RECEIVE_MAX)
            except ssl.SSLWantReadError:
                await self._flush()  # what TLS itself may have to say, such as to a key update
                await self._feed(Stage.RECEIVE)
                continue
            except ssl.SSLZeroReturnError:
                data = b""
            except ssl.SSLEOFError:
                raise TransportError(Stage.RECEIVE, Reason.RESET) from None
            except ssl.SSLError as error:
                raise of_os(Stage.RECEIVE, error) from None
            if not data:
                self._over = True
            return data

    async def end(self) -> None:
        if self._ended or self._closed:
            return
        self._ended = True
        try:
            self._tls.unwrap()
        except ssl.SSLError:
            pass  # it wants the peer's end too; ours is written, and we go on reading
        await self._flush()

    async def close(self) -> None:
        self._closed = True
        await self._inner.close()

    async def _flush(self) -> None:
        async with self._flushing:
            while self._outgoing.pending:
                await self._inner.send(self._outgoing.read())

    async def _feed(self, stage: Stage) -> None:
        """More bytes for TLS. An end without TLS's own is a cut: somebody may have left the rest away."""
        data = await self._inner.receive()
        if not data:
            if stage is Stage.HANDSHAKE:
                raise TransportError(stage, Reason.RESET)
            self._incoming.write_eof()
            return
        self._incoming.write(data)
