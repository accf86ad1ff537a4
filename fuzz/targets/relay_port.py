"""What strangers send to a relay's port: HTTP requests, the web site behind them, WebSocket frames, letters by POST.

A real relay runs here, with its storage and keys in a folder of its own; only the sockets are missing.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from contextlib import suppress
from functools import cache
from http import HTTPStatus
from typing import Any

from websockets.frames import CloseCode, Frame, Opcode
from websockets.protocol import OPEN
from websockets.server import ServerProtocol

from fuzz.target import Shape, target
from fuzz.targets._memory import Wire, folder, loop, pieces, turns
from fuzz.targets._seeds import vectors
from support.probes import hello
from whimbrel.relay import exchanges, frames
from whimbrel.relay.server import Relay
from whimbrel.relay.sessions import SILENT, Session
from whimbrel.relay.settings import RelaySettings
from whimbrel.serving.http import Connection
from whimbrel.serving.journal import Event, Journal
from whimbrel.serving.listening import WrongUse, split_listen
from whimbrel.serving.requests import LARGE_BUFFER, HeadReader, Refused
from whimbrel.serving.site import Reached, Site, error, head_of, make_page, refusal
from whimbrel.serving.tls import hello_of
from whimbrel.wire import answering, asking, keydoc, letters
from whimbrel.wire.letters import LETTER_MAX, SealedRequest
from whimbrel.wire.operations import Unknown
from whimbrel.wire.streams import FRAME_MAX, KeysAsked, RelayStream

WAY_IN = "/thewayinthewayin"


class _Faults(Journal):
    """Whatever the relay would write down as a fault of its own is one here."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[BaseException] = []

    def fault(self, error: BaseException, event: Event = Event.FAULT) -> None:
        self.seen.append(error)


@cache
def _faults() -> _Faults:
    return _Faults()


@cache
def relay() -> Relay:
    """One relay for this process, with its secrets as in every run."""
    data = folder() / "relay"
    data.mkdir(mode=0o700, exist_ok=True)
    (data / "identity").write_bytes(b"i" * 32)
    (data / "root").write_bytes(b"r" * 32)
    (data / "path").write_bytes(WAY_IN[1:].encode())
    made = Relay(RelaySettings(data), _faults())
    loop().run_until_complete(made.start())
    return made


def _no_fault() -> None:
    if _faults().seen:
        raise _faults().seen.pop()


# ----------------------------------------------------------------------------------------------------- HTTP

_RESPONSE = re.compile(rb"HTTP/1\.1 [1-5]\d\d [A-Za-z -]+\r\n(?:[A-Za-z0-9-]+: ?[^\r\n]*\r\n)*\r\n")


def _requests() -> Iterator[bytes]:
    way = WAY_IN.encode()
    yield b"\x00GET / HTTP/1.1\r\nHost: a\r\n\r\n"
    yield b"\x01GET /style.css HTTP/1.1\r\nHost: a\r\nRange: bytes=0-5\r\nIf-Range: x\r\n\r\nGET /nothing HTTP/1.0\r\n\r\n"
    yield b"\x02POST " + way + b" HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\n\x00"
    yield (
        b"\x03POST "
        + way
        + b" HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n\x00\r\n0\r\n\r\n"
    )
    yield (
        b"\x00GET " + way + b" HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\n\r\n\x82\x81\x00\x00\x00\x00\x00\x89\x80\x00\x00\x00\x00"
    )
    yield b"\x00HEAD /a/%2e%2e/x?y HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nIf-Modified-Since: Tue, 24 Nov 2026 00:00:00 GMT\r\n\r\n"
    yield b'\x00GET http://a/robots.txt HTTP/1.1\r\nHost: a\r\nIf-None-Match: *, W/"x"\r\nConnection: close\r\n\r\n'


_HTTP_WORDS = (
    b"\r\n", b"\r\n\r\n", b"GET ", b"POST ", b"OPTIONS ", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b" HTTP/1.1", b" HTTP/1.0", b" HTTP/2", WAY_IN.encode(),
    b"Content-Length: ", b"Content-Length: 18446744073709551616", b"Transfer-Encoding: chunked", b"Range: bytes=", b"Upgrade: h2c",
    b"Connection: upgrade", b"Sec-WebSocket-Key: ", b"Expect: 100-continue", b"If-Modified-Since: ", b"%00", b"%2f..", b"/..", b"\x00", b"\xff",
)  # fmt: skip


@target(
    "relay-http",
    "serving.http.Connection",
    "serving.site.Site.answer",
    seeds=_requests,
    skip=1,
    longest=40_000,
    words=_HTTP_WORDS,
)
def http(data: bytes) -> bool:
    """Bytes on a fresh connection, whole or in pieces: answered as a web server answers, and nothing stays behind."""
    how, sent = (data[0] if data else 0), data[1:]
    return bool(loop().run_until_complete(_talk_http(relay(), how, sent)))


async def _talk_http(server: Relay, how: int, sent: bytes) -> bool:
    before = (server._bodies, server.counts.connections, server.counts.streams)
    connection = Connection(server)
    wire = Wire(connection)
    connection.connection_made(wire)
    for piece in pieces(sent, how):
        if wire.closed:
            break
        wire.get_protocol().data_received(piece)
        await turns(1)
    await turns()
    assert len(connection._reader._kept) <= LARGE_BUFFER + max(map(len, pieces(sent, how)), default=0)
    wire.get_protocol().eof_received()
    wire.close()
    await turns(3)
    _no_fault()
    assert (server._bodies, server.counts.connections, server.counts.streams) == before
    written = bytes(wire.written)
    bare = [page.content for page in server.site._pages.values()]
    is_old = written.startswith((b"<html>", *bare))  # a request without a version gets the content alone
    assert not written or is_old or _RESPONSE.match(written), "an answer that is none of HTTP"
    assert b"Traceback" not in written
    return written[9:10] in b"123" or written[9:12] == b"404"


@cache
def _site() -> Site:
    pages = {
        f"/{name}".encode(): make_page(name.encode() * 40, name, 1_790_000_000)
        for name in ("index.html", "a/index.html", "a/b c.png")
    }
    return Site(pages)


def _targets() -> Iterator[bytes]:
    yield b"GET\n/a/b%20c.png?x\nrange\nbytes=1-"
    yield b"HEAD\n/a\nuser-agent\nChrome/1"
    yield b"POST\n/\nx\ny"
    yield b'GET\n/./a//\nif-none-match\nW/"6ab13b80-28"'
    yield b"GET\n/\nif-modified-since\nTue, 22 Sep 2026 17:33:20 GMT"


@target("relay-site", "serving.site.Site.answer", "serving.requests.HeadReader.feed", "serving.site.ranges_of", "serving.web_dates.seconds_of", seeds=_targets, shape=Shape.TEXT, longest=9000, words=(b"..", b"%2e", b"%00", b"//", b"bytes=-", b"bytes=0-0,1-1", b"GMT", b"https://x"))  # fmt: skip
def site(data: bytes) -> bool:
    """Targets and headers of requests to the web site: an answer of HTTP, and never a page that was not put there."""
    method, path, name, value, *_ = (*data.split(b"\n"), b"", b"", b"")
    sent = b"%s %s HTTP/1.1\r\nHost: x\r\n%s: %s\r\n\r\n" % (method, path, name, value)
    reader, again = HeadReader(), HeadReader()
    rest: bytes | None = None
    try:
        rest = reader.feed(sent)
    except Refused as refused:
        with suppress(Refused):
            for byte in sent:
                assert again.feed(bytes((byte,))) is None, "refused as a whole and taken in pieces"
        answer = refusal(refused.why, reader.head)
        assert answer.close
        assert _RESPONSE.fullmatch(head_of(answer, "Tue, 24 Nov 2026 00:00:00 GMT", keep_alive=False))
        return False
    if rest is None:
        return False
    for byte in sent[: len(sent) - len(rest)]:
        left = again.feed(bytes((byte,)))
    assert left == b"", "taken as a whole and not in pieces"
    assert again.head == reader.head
    answer = _site().answer(reader.head, Reached("https", "127.0.0.1", 443))
    head = head_of(answer, "Tue, 24 Nov 2026 00:00:00 GMT", keep_alive=True)
    assert _RESPONSE.fullmatch(head)
    pages = [page.content for page in _site()._pages.values()]
    assert answer.status is not HTTPStatus.OK or answer.content in pages
    assert (
        answer.status is not HTTPStatus.PARTIAL_CONTENT
        or answer.content.startswith(b"\r\n--")
        or any(answer.content in page for page in pages)
    )
    assert answer.content in (b"", error(answer.status, reader.head).content) or answer.status in (
        HTTPStatus.OK,
        HTTPStatus.PARTIAL_CONTENT,
    )
    return True


def _hellos() -> Iterator[bytes]:
    yield hello(protocols=["h2", "http/1.1"])
    yield hello(name=None)


@target("serving-hello", "serving.tls.hello_of", seeds=_hellos, longest=40_000)
def first_flight(data: bytes) -> bool:
    """The beginning of a connection to a port for TLS: a hello, none, or more must come; the same whole and in pieces."""
    found = hello_of(data)
    for size in range(1, min(len(data), 700)):
        early = hello_of(data[:size])
        assert early is None or found == early, "more bytes made another hello of it"
    return found is not None


# ------------------------------------------------------------------------------------------------ WebSocket


class _Messages(RelayStream):
    """A stream that notes what came instead of opening it; what it answers is as long as what came."""

    def __init__(self) -> None:
        super().__init__(relay().letter_keys, b"r" * 64)
        self.came: list[bytes] = []

    def receive(self, data: bytes) -> Any:
        self.came.append(data)
        return KeysAsked(b"answer")


def _frame(opcode: Opcode, content: bytes, fin: bool = True) -> bytes:
    """A frame with a mask of zeros, so that it is the same in every run."""
    head = bytes(((0x80 if fin else 0) | opcode,))
    size = len(content)
    length = bytes((0x80 | size,)) if size < 126 else b"\xfe" + size.to_bytes(2, "big")
    return head + length + bytes(4) + content


def _frames() -> Iterator[bytes]:
    yield b"\x01" + _frame(Opcode.BINARY, b"some words")
    yield b"\x02" + _frame(Opcode.BINARY, b"x" * 300) + _frame(Opcode.BINARY, b"")
    parts = (
        _frame(Opcode.BINARY, b"one", False),
        _frame(Opcode.PING, b"?"),
        _frame(Opcode.CONT, b"two", False),
        _frame(Opcode.CONT, b""),
    )
    yield b"\x03" + b"".join(parts)
    yield (
        b"\x00"
        + _frame(Opcode.BINARY, b"first")
        + _frame(Opcode.CLOSE, b"\x03\xe8bye")
        + _frame(Opcode.BINARY, b"late")
    )


_OTHER_FRAMES = [
    b"\x01" + _frame(opcode, b"some words") for opcode in (Opcode.PING, Opcode.PONG, Opcode.TEXT)
]


@target("relay-websocket", "relay.sessions.Session.data_received", "relay.frames.whole_message", "relay.frames.frame_size", seeds=_frames, starts=_OTHER_FRAMES, skip=1, longest=70_000, words=(b"\x82\x80\0\0\0\0", b"\x82\xfe", b"\x82\xff\0\0\0\0", b"\x02\x80\0\0\0\0", b"\x80\x80\0\0\0\0", b"\x88\x80\0\0\0\0", b"\x89\xfe"))  # fmt: skip
def websocket(data: bytes) -> bool:
    """Frames on a stream, whole or in pieces: the same messages, in the same order, as `websockets` alone finds in them."""
    how, sent = (data[0] if data else 0), data[1:]
    size = frames.frame_size(sent, 0)
    assert size is None or size >= 2
    came = loop().run_until_complete(_talk_websocket(relay(), how, sent))
    expected, sure = _by_websockets(sent)
    assert came == expected[: len(came)]
    assert len(came) == len(expected) or not sure
    return bool(came)


async def _talk_websocket(server: Relay, how: int, sent: bytes) -> list[bytes]:
    server.counts.connections += 1  # as `become_stream` has it, which also counts the stream
    server.counts.streams += 1
    stream, wire = _Messages(), Wire()
    session = Session(server, wire, stream)
    server._bucket_of(session).add(session)
    wire.set_protocol(session)
    for piece in pieces(sent, how):
        session.data_received(piece)
        assert session.waiting() <= FRAME_MAX + frames.HEAD + len(sent)
    await turns(2)
    came = list(stream.came)
    session.tend(server.time())
    wire.close()
    await turns(2)
    assert session._ws is None
    _no_fault()
    return came


def _by_websockets(sent: bytes) -> tuple[list[bytes], bool]:
    """The messages until the end of the stream, and whether nothing was wrong with what came."""
    protocol = ServerProtocol(state=OPEN, max_size=FRAME_MAX, logger=SILENT)
    protocol.receive_data(sent)
    found: list[bytes] = []
    parts: list[bytes] | None = None
    for event in protocol.events_received():
        if not isinstance(event, Frame):
            continue
        if event.opcode is Opcode.TEXT:
            return found, False
        if event.opcode in (Opcode.BINARY, Opcode.CONT):
            parts = [*(parts or []), bytes(event.data)]
            if event.fin:
                found.append(b"".join(parts))
                parts = None
    closed = protocol.close_sent
    return found, closed is None or closed.code == CloseCode.NORMAL_CLOSURE


# -------------------------------------------------------------------------------------------------- letters


def _asked() -> Iterator[bytes]:
    for one in vectors("operations")["operations"]:
        yield b"\x81" + bytes.fromhex(one["encoded"])
    yield asking.encode_operations([Unknown(99)] * 3)


@target("relay-letter", "relay.exchanges.take_letter", seeds=_asked, shape=Shape.CBOR, longest=20_000)
def letter(data: bytes) -> bool:
    """Operations in a letter to a running relay: as many answers as operations, and none of the relay's own faults."""
    server = relay()
    inner = b"\x83\x58\x20" + b"s" * 32 + b"\xf6" + data + b"\x80"
    document = server.letter_keys.document
    info = letters._info(document.identity, document.number)
    sealed = letters._SUITE.encrypt(inner, keydoc.public_kem(document.public), info)
    sent = bytes((letters.REQUEST, document.number & 0xFF)) + sealed
    replies: list[Any] = []

    async def ask() -> None:
        exchanges.take_letter(server, sent, replies.append)
        for _ in range(2000):
            await turns(3)
            if replies or server.held:
                break
            if server._at_disk:
                await asyncio.sleep(0.0002)
        for exchange in list(server.held):
            exchange.release()
            await turns(5)

    loop().run_until_complete(ask())
    _no_fault()
    assert len(replies) == 1, "no answer to a letter"
    if replies[0] is None:
        return False
    operations = asking.decode_operations(data)
    response = letters.open_response(SealedRequest(sent, b"s" * 32), replies[0])
    answers = answering.decode_answers(response.answers)
    assert len(answers) == len(operations)
    assert len(replies[0]) <= LETTER_MAX
    return True


@target(
    "relay-listen",
    "serving.listening.split_listen",
    seeds=lambda: [b"127.0.0.1:8080", b"[::1]:0", b":443"],
    shape=Shape.TEXT,
    longest=6000,
)
def listen(data: bytes) -> bool:
    """Where a relay is told to listen."""
    try:
        _, port = split_listen(data.decode("utf-8", "surrogateescape"))
    except WrongUse:
        return False
    assert 0 <= port < 65536
    return True
