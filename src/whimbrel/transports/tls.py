"""TLS over any ByteStream. Camouflage and a check of the name; what protects people is sealed inside.

`ssl.MemoryBIO` rather than the loop's own TLS, so that it also runs inside wrappers and around other streams.
"""

from __future__ import annotations

import asyncio
import hmac
import ssl
from hashlib import sha256
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

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


def trusting_nobody() -> ssl.SSLContext:
    """For ways that name the server's key: whoever has that key is right, whatever its certificate says."""
    context = trusting(names=False)
    context.verify_mode = ssl.CERT_NONE
    return context


def key_in(certificate: bytes) -> bytes:
    """The hash of the public key in a certificate (DER), as ways name it. Raises ValueError."""
    key = x509.load_der_x509_certificate(certificate).public_key()
    return sha256(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).digest()


class TlsStream:
    """A ByteStream inside TLS. `shake_hands` comes first."""

    def __init__(
        self, inner: ByteStream, context: ssl.SSLContext, name: str | None, key: bytes | None = None
    ) -> None:
        """`name`: sent as SNI and looked for in the certificate; None, with a context that does not look at names: none.
        `key`: what the server's public key has to be (`key_in`), with a context that trusts nobody."""
        self._inner = inner
        self._key = key
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
                self._check_key()
                await self._flush()
                return

    def _check_key(self) -> None:
        """Before anything is said: the server has shown that it holds the key in its certificate."""
        if self._key is None:
            return
        try:
            right = hmac.compare_digest(key_in(self._tls.getpeercert(binary_form=True) or b""), self._key)
        except (ValueError, TypeError, UnsupportedAlgorithm):
            right = False
        if not right:
            raise TransportError(Stage.HANDSHAKE, Reason.CERTIFICATE)

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
