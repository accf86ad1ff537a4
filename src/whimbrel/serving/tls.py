"""TLS for a server whose handshake and farewell are those of nginx, and which answers plain HTTP as nginx does.

The loop's own TLS keeps its alerts to itself, waits for the client's farewell, and knows nothing of what comes instead of a
handshake. Here OpenSSL works on memory, and we carry.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
import struct
from dataclasses import dataclass
from typing import Any, Protocol, cast
from weakref import WeakSet

HANDSHAKE = 0x16
OLD_HANDSHAKE = 0x80
"""A first byte with this bit may be a hello of SSL 2: OpenSSL is to judge it."""
READ_AHEAD = 16_709
"""Bytes that OpenSSL takes from a socket at once, when it reads ahead as nginx lets it. What lies behind them is unread when
it gives up, and a connection with something unread ends with a reset."""
RECEIVE_MAX = 64 * 1024
NO_APPLICATION_PROTOCOL = 120
SERVER_NAME = 0
ALPN = 16
RECORD_MAX = 16 * 1024
SPOKEN = ("http/1.1", "http/1.0", "http/0.9")

_refused: WeakSet[ssl.SSLObject] = WeakSet()
"""Clients that speak none of the protocols that are spoken here."""


def tune(context: ssl.SSLContext, *, names: bool = True) -> None:
    """Have a context shake hands as nginx does (1.22, `ssl_protocols TLSv1.2 TLSv1.3`). `names`: with a function that is told the name."""
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers("HIGH:!aNULL:!MD5")
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION
    context.options |= ssl.OP_CIPHER_SERVER_PREFERENCE | ssl.OP_SINGLE_ECDH_USE | ssl.OP_SINGLE_DH_USE
    context.set_alpn_protocols(list(SPOKEN))
    # That there is such a function makes OpenSSL say that it has seen the name, whatever the name is.
    if names:
        context.sni_callback = _look_at_hello


def _look_at_hello(client: ssl.SSLObject, name: str, context: ssl.SSLContext) -> int | None:
    return NO_APPLICATION_PROTOCOL if client in _refused else None


class Client(Protocol):
    """A protocol that begins outside of TLS, where it is counted and has its time, and goes on inside."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None: ...
    def data_received(self, data: bytes) -> None: ...
    def eof_received(self) -> bool: ...
    def pause_writing(self) -> None: ...
    def resume_writing(self) -> None: ...
    def connection_lost(self, exc: Exception | None) -> None: ...

    def is_plain(self) -> None:
        """The client does not speak TLS."""

    def is_inside(self, transport: asyncio.Transport) -> None:
        """The handshake is over."""


class Gate(asyncio.Protocol):
    """The beginning of a connection to a port for TLS: until it is known whether it is spoken, then the carrier of it."""

    def __init__(self, contexts: tuple[ssl.SSLContext, ssl.SSLContext], client: Client) -> None:
        """`contexts`: the usual one, and one without a function for names."""
        self._contexts = contexts
        self._client = client
        self._held = bytearray()
        self._raw: asyncio.Transport | None = None
        self._inside: TlsTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._raw = cast(asyncio.Transport, transport)
        self._client.connection_made(transport)

    def data_received(self, data: bytes) -> None:
        raw = self._raw
        if raw is None or raw.is_closing():
            return
        if self._inside is not None:
            self._inside.feed(data)
            return
        if not self._held and not (data[0] == HANDSHAKE or data[0] & OLD_HANDSHAKE):
            self._client.is_plain()
            raw.set_protocol(cast(asyncio.BaseProtocol, self._client))
            self._client.data_received(data)
            return
        self._held += data
        hello = hello_of(self._held)
        if hello is None:
            return  # OpenSSL would wait for the rest of it, too
        data, self._held = bytes(self._held), bytearray()
        # A name that is no text cannot be told to a function, and would end the handshake.
        context = self._contexts[not hello.name.isascii()]
        self._inside = TlsTransport(raw, context, self._client)
        if hello.protocols and not any(name.encode() in hello.protocols for name in SPOKEN):
            _refused.add(self._inside.tls)
        self._inside.feed(data)

    def eof_received(self) -> bool:
        return self._inside is not None and self._inside.feed_eof()

    def pause_writing(self) -> None:
        if self._inside is not None and self._inside.protocol is not None:
            self._inside.protocol.pause_writing()

    def resume_writing(self) -> None:
        if self._inside is not None and self._inside.protocol is not None:
            self._inside.protocol.resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        self._raw = None
        if self._inside is None or not self._inside.lost(exc):
            self._client.connection_lost(exc)


class TlsTransport(asyncio.Transport):
    """What the protocol inside writes to."""

    def __init__(self, raw: asyncio.Transport, context: ssl.SSLContext, client: Client) -> None:
        super().__init__()
        self._raw = raw
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self._incoming, self._outgoing, server_side=True)
        self._client = client
        self._made = False
        self._paused = False
        self._burst = 0
        """Bytes that came together, the last time that any came."""
        self._deaf = False
        """Whether what comes is not looked at any more."""
        self._closing = False
        self.protocol: asyncio.Protocol | None = None
        """None until the handshake is over."""

    # ---------------------------------------------------------------------------------------- what comes

    def feed(self, data: bytes) -> None:
        if self._deaf:
            if self.protocol is not None:
                self.protocol.data_received(b"\x00")  # something came: how long it lingers goes by that
            return
        self._burst = len(data)
        self._incoming.write(data)
        if not self._made and not self._shake_hands():
            return
        self._pump()

    def feed_eof(self) -> bool:
        """The client has ended its side of TCP. Whether ours stays open."""
        if self.protocol is None or self._deaf:
            return False
        stays = bool(self.protocol.eof_received())
        if not stays:
            self.close()
        return True

    def _shake_hands(self) -> bool:
        try:
            self.tls.do_handshake()
        except ssl.SSLWantReadError:
            self._flush()
            return False
        except ssl.SSLError:
            self._flush()
            self._give_up()
            return False
        self._made = True
        self._flush()
        self.protocol = cast(asyncio.Protocol, self._client)
        self._client.is_inside(self)
        return True

    def _give_up(self) -> None:
        """The handshake failed; OpenSSL has said what it says."""
        self._deaf = self._closing = True
        if self._burst > READ_AHEAD:
            self._reset()
        else:
            self._raw.close()

    def _reset(self) -> None:
        connected = self._raw.get_extra_info("socket")
        if connected is not None:
            connected.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._raw.close()

    def _pump(self) -> None:
        while not self._paused and not self._deaf and self.protocol is not None:
            try:
                data = self.tls.read(RECEIVE_MAX)
            except ssl.SSLWantReadError:
                self._flush()
                return
            except ssl.SSLZeroReturnError:
                data = b""
            except ssl.SSLError:
                self._flush()
                self._deaf = True
                self._raw.close()
                return
            self._flush()
            if data:
                self.protocol.data_received(data)
            else:
                if not self.protocol.eof_received():
                    self.close()
                return

    def lost(self, exc: Exception | None) -> bool:
        """The connection has ended. Whether somebody inside was told."""
        self._deaf = self._closing = True
        if self.protocol is None:
            return False
        self.protocol.connection_lost(exc)
        return True

    # ---------------------------------------------------------------------------------------- what goes

    def _flush(self) -> None:
        data = self._outgoing.read()
        if data and not self._raw.is_closing():
            self._raw.write(data)

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if self._closing or not data:
            return
        try:
            self.tls.write(data)
        except ssl.SSLError:
            self._raw.abort()
            return
        self._flush()

    def write_eof(self) -> None:
        """Say farewell and listen no more; the connection stays, so that what still comes meets no closed door."""
        self._say_farewell()
        self._deaf = True
        if self._raw.can_write_eof():
            self._raw.write_eof()

    def can_write_eof(self) -> bool:
        return True

    def close(self) -> None:
        """nginx says its farewell and waits for nobody's."""
        if not self._closing:
            self._say_farewell()
            if self._burst > READ_AHEAD:
                self._reset()
            else:
                self._raw.close()

    def _say_farewell(self) -> None:
        self._closing = True
        try:
            self.tls.unwrap()
        except (ssl.SSLError, ValueError, OSError):
            pass  # the client's own farewell is not there yet
        self._flush()

    def abort(self) -> None:
        self._closing = self._deaf = True
        self._raw.abort()

    # ------------------------------------------------------------------------------------------- the rest

    def pause_reading(self) -> None:
        if not self._paused:
            self._paused = True
            self._raw.pause_reading()

    def resume_reading(self) -> None:
        if self._paused:
            self._paused = False
            self._raw.resume_reading()
            asyncio.get_running_loop().call_soon(self._pump)

    def is_reading(self) -> bool:
        return not self._paused

    def is_closing(self) -> bool:
        return self._closing

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self.protocol = cast(asyncio.Protocol, protocol)

    def get_protocol(self) -> asyncio.BaseProtocol:
        assert self.protocol is not None
        return self.protocol

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        self._raw.set_write_buffer_limits(high, low)

    def get_write_buffer_size(self) -> int:
        return self._raw.get_write_buffer_size()

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return self._raw.get_extra_info(name, default)


@dataclass(frozen=True, slots=True)
class Hello:
    """What is looked at of a client's hello."""

    protocols: tuple[bytes, ...] = ()
    """The names in ALPN."""
    name: bytes = b""
    """The extension with the server's name."""


def hello_of(data: bytes | bytearray) -> Hello | None:
    """The hello with which these bytes begin, an empty one when there is none; None: more must come."""
    protocols, server = [], b""
    try:
        hello = _message_of(data)
        if hello is None:
            return None
        at = 34  # version, random
        at += 1 + hello[at]
        at += 2 + int.from_bytes(hello[at : at + 2], "big")
        at += 1 + hello[at]
        # What a length promises beyond the hello's end is not there to be looked at.
        end = min(at + 2 + int.from_bytes(hello[at : at + 2], "big"), len(hello))
        at += 2
        while at + 4 <= end:
            kind = int.from_bytes(hello[at : at + 2], "big")
            size = int.from_bytes(hello[at + 2 : at + 4], "big")
            at += 4
            if kind == SERVER_NAME:
                server = hello[at : at + size]
            elif kind == ALPN:
                place, stop = at + 2, at + size
                while place < stop:
                    protocols.append(bytes(hello[place + 1 : place + 1 + hello[place]]))
                    place += 1 + hello[place]
            at += size
    except IndexError:
        pass
    return Hello(tuple(protocols), server)


def _message_of(data: bytes | bytearray) -> bytes | None:
    """The body of a ClientHello that begins here, over as many records as it takes; b"": it is none."""
    message, at = bytearray(), 0
    while True:
        if data[at : at + 1] not in (b"", b"\x16") or data[at + 1 : at + 2] not in (b"", b"\x03"):
            return b""
        if data[at + 5 : at + 6] not in (b"", b"\x01") and not message:
            return b""
        if len(data) < at + 5:
            return None
        size = int.from_bytes(data[at + 3 : at + 5], "big")
        if not 0 < size <= RECORD_MAX:
            return b""
        message += data[at + 5 : at + 5 + size]
        at += 5 + size
        if len(message) >= 4:
            if message[0] != 1:
                return b""
            length = int.from_bytes(message[1:4], "big")
            if len(message) >= 4 + length:
                return bytes(message[4 : 4 + length])
            if length > 65536:
                return b""
        if at > len(data):
            return None
