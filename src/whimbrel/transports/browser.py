"""TLS that looks like a current Chromium's, over any ByteStream: curl with BoringSSL (`curl_cffi`) does the TLS and nothing below.

curl opens no connection and asks no name server. It gets one end of a pair of sockets inside this process and takes it
for a connection that stands; what it writes there goes out by the stream around which this is put, and back. So
proxies, split hellos and addresses stay ours, nothing is buffered on the way, and no task has to run beside.

`BrowserTls` is a stream of bytes with the hello that a browser has for WebSockets (`ws.py` speaks inside); `BrowserPost` posts
with the hello that it has for pages, and there curl speaks HTTP too, because a server may choose HTTP/2.
Where curl_cffi is missing, or has no such functions, `available` says so, and the system's own TLS is used (`tls.py`).
"""

from __future__ import annotations

import asyncio
import base64
import ctypes
import functools
import os
import select
import socket
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from whimbrel.link.trouble import Reason, Stage
from whimbrel.transports.browser_words import ENCODINGS, POST_ORDER, Asked, post_headers
from whimbrel.transports.errors import TransportError, in_handshake
from whimbrel.transports.policy import is_address
from whimbrel.transports.stream import ByteStream

PROFILE: Final = "chrome150"
"""The newest that curl_cffi 0.16 has; with the anchors below its hello has the JA4 of Chromium 156."""
TRUST_ANCHORS: Final = (
    "44947.2.1,44947.2.6,44947.2.13,44947.2.14,44947.2.15,44947.2.18,44947.2.19,44947.2.20,"
    "52580.200109.1.7,52580.200109.1.8,52580.200109.1.9,52580.200109.1.10,52580.200109.1.11,52580.200109.1.12,"
    "52580.200109.1.13,52580.200109.1.18,52580.200109.1.19,11129.9.1,11129.9.4,11129.9.5,11129.9.6,11129.9.7,"
    "11129.9.8,11129.9.10,11129.9.11,11129.9.12,11129.9.13,11129.9.15"
)
"""What Chromium 156 says in its extension 0xca34 (Trust Anchor Identifiers); `tests/transports/test_fingerprint.py` compares."""
RECORD: Final = 16 * 1024
"""Bytes of the largest TLS record (RFC 8446, 5.1): as much is handed to curl at a time."""
IN_MAX: Final = 256 * 1024
OUT_MAX: Final = 64 * 1024
"""Room in the pair of sockets, with what the kernel adds for itself: in, above what one read of the network brings; out, little
above one record, so that curl is not far ahead of the network."""
STALLED: Final = (0.05, 5.0)
"""Seconds after which curl is asked again, should it have left something undone; doubled up to the second."""
AGAIN_MAX: Final = 50
"""Times in a row that curl is asked again at once, while it seems to have something to do."""
NOWHERE: Final = "192.0.2.1"
"""An address for documentation (RFC 5737). curl names no server for an address, and it never connects."""

_SOCKET_STANDS: Final = 2  # CURL_SOCKOPT_ALREADY_CONNECTED
_OK, _AGAIN = 0, 81  # CURLE_OK, CURLE_AGAIN
_SSL_CONNECT_ERROR: Final = 35
_REFUSED: Final = 0xFFFFFFFF  # CURL_WRITEFUNC_ERROR
_CUT: Final = (18, 52, 55, 56)  # CURLE_PARTIAL_FILE, CURLE_GOT_NOTHING, CURLE_SEND_ERROR, CURLE_RECV_ERROR
_NOT_TRUSTED: Final = (60, 77, 83, 90)
"""CURLE_PEER_FAILED_VERIFICATION, CURLE_SSL_CACERT_BADFILE, CURLE_SSL_ISSUER_ERROR, CURLE_SSL_PINNEDPUBKEYNOTMATCH."""


class _Library:
    """curl_cffi, the functions of libcurl that it has inside and does not offer, and the two that curl calls."""

    def __init__(self) -> None:
        import curl_cffi  # a tenth of a second: not before it is needed
        from curl_cffi import _wrapper
        from curl_cffi.const import CurlInfo, CurlOpt

        self.curl: Callable[[], Any] = curl_cffi.Curl
        self.lib: Any = _wrapper.lib
        self.ffi: Any = _wrapper.ffi
        self.options: Any = CurlOpt
        self.status: Any = CurlInfo.RESPONSE_CODE
        self.its_socket: Any = CurlInfo.ACTIVESOCKET
        library = ctypes.CDLL(_wrapper.__file__)
        moving: Any = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t, ctypes.POINTER(ctypes.c_size_t)]
        self.receive: Callable[..., int] = library.curl_easy_recv
        self.send: Callable[..., int] = library.curl_easy_send
        library.curl_easy_recv.argtypes = library.curl_easy_send.argtypes = moving
        opening = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p)
        setting = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_int, ctypes.c_int)
        self._opened, self._set = opening(_hand_over), setting(lambda *_: _SOCKET_STANDS)
        self.on_open = ctypes.cast(self._opened, ctypes.c_void_p).value
        self.on_set = ctypes.cast(self._set, ctypes.c_void_p).value


def _hand_over(number: int | None, purpose: int, address: int) -> int:
    """curl asks for a socket: it gets a copy of its end of the pair, and closes that when it is done. What is no file's number
    (it asks once more, or late) gives none: an exception here would be taken for the number 0."""
    try:
        return os.dup(number) if number else -1
    except (OSError, OverflowError):
        return -1


@functools.cache
def _library() -> _Library | None:
    # A pair of sockets that Windows makes goes through its network, and what was written is not there at once.
    if not hasattr(socket, "AF_UNIX"):
        return None
    try:
        return _Library()
    except (ImportError, OSError, AttributeError):
        return None


def available() -> bool:
    """Whether this computer can look like a browser."""
    return _library() is not None


class _Pair:
    """curl, and the stream that it believes to be its socket."""

    def __init__(
        self, inner: ByteStream, url: str, name: str | None, authority: Path | None, key: bytes | None
    ) -> None:
        library = _library()
        if library is None:
            raise TransportError(Stage.HANDSHAKE, Reason.UNKNOWN_WAY)
        self._inner = inner
        self._library = library
        self._ours, self._theirs = socket.socketpair()
        for end, room in ((self._ours, IN_MAX), (self._theirs, OUT_MAX)):
            end.setblocking(False)
            end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, room)
        self._curl: Any = library.curl()
        self._multi: Any = library.lib.curl_multi_init()
        self._added = False
        self._spoken = False
        self._apart = False
        self._waiting = b""
        self._flushing = asyncio.Lock()
        self._peer_ended = False
        self._closed = False
        self._set_up(url, name, authority, key)

    def _set_up(self, url: str, name: str | None, authority: Path | None, key: bytes | None) -> None:
        curl, option = self._curl, self._library.options
        curl.impersonate(PROFILE, default_headers=False)
        curl.setopt(option.URL, url)
        if name is not None and not is_address(name):
            curl.setopt(option.RESOLVE, [f"{name}:443:{NOWHERE}"])
        curl.setopt(option.NOPROXY, "*")
        curl.setopt(option.NOSIGNAL, 1)
        curl.setopt(option.SSL_SESSIONID_CACHE, 0)
        curl.setopt(option.TLS_TRUST_ANCHORS, TRUST_ANCHORS)
        file, folder = _trusted(authority)
        curl.setopt(option.SSL_VERIFYPEER, 1 if key is None else 0)
        curl.setopt(option.SSL_VERIFYHOST, 0 if name is None or key is not None else 2)
        if key is not None:
            curl.setopt(option.PINNEDPUBLICKEY, "sha256//" + base64.b64encode(key).decode("ascii"))
        # What curl_cffi has no words for: none of these (curl would add its usual ones), and the two functions.
        self._point(option.CAINFO, file)
        self._point(option.CAPATH, folder)
        self._point(option.OPENSOCKETFUNCTION, self._library.on_open)
        self._point(option.OPENSOCKETDATA, self._theirs.fileno())
        self._point(option.SOCKOPTFUNCTION, self._library.on_set)

    def _point(self, option: int, value: int | str | None) -> None:
        ffi = self._library.ffi
        if isinstance(value, str):
            pointer: Any = ffi.new("char[]", os.fsencode(value))  # curl keeps a copy
        else:
            pointer = ffi.cast("void*", value or 0)
        self._library.lib._curl_easy_setopt(self._curl._curl, option, pointer)

    async def close(self) -> None:
        if not self._closed:
            self._closed = True
            if self._added:
                self._library.lib.curl_multi_remove_handle(self._multi, self._curl._curl)
            self._curl.close()
            self._library.lib.curl_multi_cleanup(self._multi)
            self._ours.close()
            self._theirs.close()
        await self._inner.close()

    async def _run(self) -> int:
        """Have curl do what it was set up for; how that ended (a CURLcode). Raises TransportError of the stream below."""
        lib, curl = self._library.lib, self._curl._curl
        if self._added:
            lib.curl_multi_remove_handle(self._multi, curl)
        lib.curl_multi_add_handle(self._multi, curl)
        self._added = True
        stalled, again = STALLED[0], 0
        while (code := self._perform()) is None:
            if await self._flush():
                self._spoken = True
            elif (self._unread() or not self._spoken) and again < AGAIN_MAX:
                again += 1
                await asyncio.sleep(0)
            else:
                again = 0
                try:
                    async with asyncio.timeout(stalled):
                        await self._feed()
                    stalled = STALLED[0]
                except TimeoutError:
                    stalled = min(2 * stalled, STALLED[1])
            if self._closed:
                raise TransportError(Stage.RECEIVE, Reason.ENDED)
            self._pour()
        self._point(self._library.options.OPENSOCKETDATA, 0)  # there is no second connection
        return code

    def _perform(self) -> int | None:
        ffi, lib = self._library.ffi, self._library.lib
        count = ffi.new("int *")
        lib.curl_multi_perform(self._multi, count)
        told = lib.curl_multi_info_read(self._multi, count)
        return None if told == ffi.NULL else int(told.data.result)

    def _unread(self) -> bool:
        """Whether curl has left something unread."""
        return not self._peer_ended and bool(select.select([self._theirs], [], [], 0)[0])

    async def _flush(self) -> bool:
        """Send what curl has written. True: there was something."""
        found = False
        async with self._flushing:
            while not self._closed:
                try:
                    data = self._ours.recv(RECORD)
                except BlockingIOError:
                    break
                if not data:
                    break
                found = True
                for part in _as_sent(data) if self._apart else (data,):
                    await self._inner.send(part)
        return found

    async def _feed(self) -> None:
        """More bytes for curl."""
        if self._waiting or self._peer_ended:
            return
        data = await self._inner.receive()
        if self._closed:
            raise TransportError(Stage.RECEIVE, Reason.ENDED)
        if data:
            self._waiting = data
            self._pour()
        else:
            self._peer_ended = True
            self._ours.shutdown(socket.SHUT_WR)

    def _pour(self) -> None:
        if self._waiting:
            try:
                self._waiting = self._waiting[self._ours.send(self._waiting) :]
            except BlockingIOError:
                pass
            except OSError:
                self._waiting = b""  # curl has let go of its end; it says why


class BrowserTls(_Pair):
    """A ByteStream inside TLS as Chromium's for a WebSocket. `shake_hands` comes first."""

    def __init__(
        self, inner: ByteStream, name: str | None, authority: Path | None = None, key: bytes | None = None
    ) -> None:
        """`name`: sent (an address is not) and looked for in the certificate; None: nothing is sent, and any name in a
        trusted certificate will do. `authority`: a PEM file with the only certificates to trust. `key`: what the server's public
        key has to be (`tls.key_in`); then the certificate may be anything."""
        super().__init__(inner, f"wss://{_in_url(name)}:443/", name, authority, key)
        self._curl.setopt(self._library.options.CONNECT_ONLY, 1)
        self._ready = False
        self._buffer = ctypes.create_string_buffer(RECORD)
        self._moved = ctypes.c_size_t()
        self._sending = asyncio.Lock()
        self._over = False
        self._ended = False

    async def shake_hands(self) -> None:
        """Run the handshake. Raises TransportError (handshake)."""
        try:
            code = await self._run()
            await (
                self._flush()
            )  # the last words of a handshake, or the alert that ends it, as a browser says it
        except TransportError as error:
            raise in_handshake(error) from None
        if code != _OK:
            raise TransportError(Stage.HANDSHAKE, self._why(code))
        self._ready = True

    def _why(self, code: int) -> Reason:
        if code in _NOT_TRUSTED:
            return Reason.CERTIFICATE
        return Reason.RESET if self._peer_ended else Reason.NOT_TLS

    async def send(self, data: bytes) -> None:
        if self._ended or self._closed or not self._ready:
            raise TransportError(Stage.SEND, Reason.ENDED)
        async with self._sending:
            # From the same bytes at the same place when it has to be said again: BoringSSL insists on it.
            whole, at = ctypes.create_string_buffer(data, len(data)) if data else None, 0
            while whole is not None and at < len(data):
                if self._closed:
                    raise TransportError(Stage.SEND, Reason.ENDED)
                size = min(RECORD, len(data) - at)
                code = self._library.send(self._number, ctypes.addressof(whole) + at, size, self._moved)
                if code == _OK:
                    at += self._moved.value
                elif code != _AGAIN:
                    raise TransportError(Stage.SEND, Reason.RESET)
                if not await self._flush() and code == _AGAIN:
                    await asyncio.sleep(STALLED[0])

    async def receive(self) -> bytes:
        while True:
            if self._closed or not self._ready:
                raise TransportError(Stage.RECEIVE, Reason.ENDED)
            if self._over:
                return b""
            code = self._library.receive(self._number, self._buffer, RECORD, self._moved)
            if code == _AGAIN:
                if self._waiting:
                    self._pour()
                    continue
                if self._peer_ended:
                    raise TransportError(Stage.RECEIVE, Reason.RESET)
                await self._flush()  # what TLS itself may have to say, such as to a key update
                await self._feed()
            elif code != _OK:
                cut = self._peer_ended and not self._waiting
                raise TransportError(Stage.RECEIVE, Reason.RESET if cut else Reason.NOT_TLS)
            elif self._moved.value:
                return self._buffer.raw[: self._moved.value]
            elif self._peer_ended:
                # An end without TLS's own is a cut: somebody may have left the rest away.
                raise TransportError(Stage.RECEIVE, Reason.RESET)
            else:
                self._over = True

    async def end(self) -> None:
        """Nothing more is sent. curl cannot say so in TLS, as no browser does; the connection below is ended."""
        if not self._ended and not self._closed:
            self._ended = True
            await self._inner.end()

    @property
    def _number(self) -> int:
        return int(self._library.ffi.cast("uintptr_t", self._curl._curl))


class BrowserPost(_Pair):
    """A Connection (see `http.py`) inside TLS as Chromium's for a page: HTTP/2, or 1.1 where the server has no other. It shakes
    hands with the first post."""

    def __init__(
        self,
        inner: ByteStream,
        name: str | None,
        asked: Asked,
        authority: Path | None = None,
        *,
        sparing: bool = False,
        key: bytes | None = None,
    ) -> None:
        """`name`, `authority` and `key`: as for BrowserTls. `asked`: what is posted, and where. `sparing`: the last words of the
        handshake go in one packet with what follows them; a browser sends them alone."""
        super().__init__(inner, f"https://{_in_url(name)}:443{asked.path}", name, authority, key)
        self.reusable = True
        self._apart = not sparing
        self._answer_max = asked.answer_max
        self._answer = bytearray()
        self._too_large = False
        option = self._library.options
        # "Expect:" without a word: curl would wait for leave before it sends what is large.
        named = [*post_headers(asked.host, asked.kind, asked.accept), ("Expect", "")]
        self._curl.setopt(option.HTTPHEADER, [f"{name}: {value}".strip().encode() for name, value in named])
        self._curl.setopt(option.HTTPHEADER_ORDER, POST_ORDER)
        self._curl.setopt(option.ACCEPT_ENCODING, ENCODINGS)
        self._curl.setopt(option.POST, 1)
        self._curl.setopt(option.WRITEFUNCTION, self._take)

    async def post(self, body: bytes) -> tuple[int, bytes]:
        self.reusable = False
        self._answer.clear()
        self._curl.setopt(self._library.options.POSTFIELDSIZE, len(body))
        self._curl.setopt(self._library.options.POSTFIELDS, body)
        code = await self._run()
        if code != _OK:
            raise self._why(code)
        await self._flush()  # what HTTP/2 may have to say
        self.reusable = self._curl.getinfo(self._library.its_socket) != -1  # else the server wished it to end
        status = self._curl.getinfo(self._library.status)
        return int(status), bytes(self._answer)

    def _take(self, data: bytes) -> int:
        """curl brings a part of the answer."""
        if len(self._answer) + len(data) > self._answer_max:
            self._too_large = True
            return _REFUSED
        self._answer += data
        return len(data)

    def _why(self, code: int) -> TransportError:
        if self._too_large:
            return TransportError(Stage.RECEIVE, Reason.TOO_LARGE)
        if code in _NOT_TRUSTED:
            return TransportError(Stage.HANDSHAKE, Reason.CERTIFICATE)
        if code == _SSL_CONNECT_ERROR:
            return TransportError(Stage.HANDSHAKE, Reason.RESET if self._peer_ended else Reason.NOT_TLS)
        if code in _CUT:
            return TransportError(Stage.RECEIVE, Reason.ENDED)
        return TransportError(Stage.RECEIVE, Reason.NOT_A_RELAY)


def _as_sent(data: bytes) -> tuple[bytes, ...]:
    """The last words of a handshake (in TLS 1.3: ChangeCipherSpec, then Finished in a record that looks like any other) and what
    follows them, where both are there."""
    if data[:1] != b"\x14":
        return (data,)
    end = 0
    for _ in range(2):
        end += 5 + int.from_bytes(data[end + 3 : end + 5], "big")
    return (data[:end], data[end:]) if end < len(data) else (data,)


def _in_url(name: str | None) -> str:
    host = NOWHERE if name is None else name
    return f"[{host}]" if ":" in host else host


def _trusted(authority: Path | None) -> tuple[str | None, str | None]:
    """The file and the folder of certificates to trust: one's own alone, the system's, or those that came with curl_cffi."""
    if authority is not None:
        return str(authority), None
    usual = ssl.get_default_verify_paths()
    if usual.cafile or usual.capath:
        return usual.cafile, usual.capath
    import certifi

    return certifi.where(), None
