"""What reaches a running app on its own machine: requests to the page's port, lines on the home's socket; and its answers."""

from __future__ import annotations

import asyncio
import json
import logging
import socket
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cache
from typing import Any

from aiohttp import web

from fuzz.target import Shape, target
from fuzz.targets._memory import SOCKNAME, Wire, folder, loop, pieces, turns
from whimbrel.app import socket as app_socket
from whimbrel.app.channel import AppGone, Channel
from whimbrel.app.http import Page
from whimbrel.chat.records import Save
from whimbrel.client.errors import ServiceError
from whimbrel.client.shelf import Stored
from whimbrel.client.windows import COOKIE, HEADER, Windows
from whimbrel.crypto.files import seal_whole

logging.getLogger("aiohttp.server").disabled = True
"""It would write down every request that is none."""

HOST = f"{SOCKNAME[0]}:{SOCKNAME[1]}".encode()


class Asked:
    """A client that says what it was asked. It answers once, and some methods fail as a client's do."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, dict[str, Any]]] = []

    async def call(self, method: str, params: dict[str, Any]) -> AsyncIterator[dict[str, Any]]:
        self.calls.append((method, params))
        if method == "fail":
            raise ServiceError("ambiguous", "Several people fit.", "Say more.", candidates=["Bo"])
        yield {"echo": params}


class Facts:
    """What windows keep of a home that is not there: always the same two secrets."""

    def facts(self) -> dict[str, bytes]:
        return {COOKIE: b"COOKIE", HEADER: b"HEADER"}

    def commit(self, changes: Sequence[Save]) -> None:
        raise AssertionError("a request made new secrets")


class OneFile:
    """A shelf with one sealed file, of a name and type that a hostile sender chose; takes what is given whole."""

    FILE = bytes(32)

    def __init__(self, asked: Asked) -> None:
        self._asked = asked
        self._key, self._content = bytes(32), bytes(range(256)) * 300
        self._sealed = folder() / "sealed"
        self._sealed.write_bytes(b"".join(seal_whole(self._key, self._content)))

    async def take(
        self, chat: str | None, name: str, type: str, size: int, content: AsyncIterator[bytes]
    ) -> dict[str, Any]:
        self._asked.calls.append(("files", {}))
        came = sum([len(data) async for data in content])
        assert came <= size
        if came != size:
            raise ServiceError("upload-cut-off", "The file did not come whole.")
        return {"upload": "00", "name": name, "size": size, "type": type}

    def stored(self, file: str) -> Stored:
        self._asked.calls.append(("files", {}))
        if file != self.FILE.hex():
            raise ServiceError("not-found", "There is no such file.")
        name = "../\u202e\r\nSet-Cookie: x=y"
        return Stored(self.FILE, name, "text/html", len(self._content), self._sealed, self._key)

    def picture(self, id: str) -> tuple[bytes, str] | None:
        self._asked.calls.append(("files", {}))
        return (b"picture", "image/svg+xml") if id == "00" else None


# ---------------------------------------------------------------------------------------------------- socket


def _lines() -> Iterator[bytes]:
    yield b'\x00{"method": "chats", "params": {}}\n'
    yield b'\x01{"method": "send", "params": {"text": "\\ud83d\\ude00 \\ud800"}}\n{"method": "fail", "params": {}}\n'


_JSON = (
    b'{"method":',
    b'"params":',
    b"{}",
    b"[]",
    b"null",
    b"1e999",
    b"NaN",
    b"\\ud800",
    b"\n",
    b"[" * 100,
    b'{"a":' * 50,
    b"9" * 100,
)


@target(
    "app-socket",
    "app.socket._serve_one",
    "app.answers.answers",
    seeds=_lines,
    shape=Shape.TEXT,
    skip=1,
    longest=70_000,
    words=_JSON,
)
def commands(data: bytes) -> bool:
    """Lines on the socket in the home: each is answered by lines of JSON, and the client is asked with text and object."""
    return loop().run_until_complete(_serve_lines(data[0] if data else 0, data[1:]))


async def _serve_lines(how: int, sent: bytes) -> bool:
    service = Asked()
    reader = asyncio.StreamReader(limit=1 << 20)
    protocol = asyncio.StreamReaderProtocol(reader)
    wire = Wire(protocol)
    writer = asyncio.StreamWriter(wire, protocol, reader, asyncio.get_running_loop())
    for piece in pieces(sent, how):
        reader.feed_data(piece)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(app_socket._serve_one(reader, writer, service, folder()))
        before = -1
        while before != len(wire.written):
            before = len(wire.written)
            await turns(20)
        reader.feed_eof()
    assert wire.closed
    answers = [json.loads(line) for line in bytes(wire.written).splitlines()]
    ends = sum("end" in answer or "error" in answer for answer in answers)
    assert ends == sent.count(b"\n")
    assert all(type(method) is str and type(params) is dict for method, params in service.calls)
    assert not (folder() / "last-error.txt").exists()
    return bool(service.calls)


def _answers() -> Iterator[bytes]:
    yield b'{"item": {"id": "00"}}\n{"end": true}\n'
    yield b'{"error": {"error": "x", "message": "y", "do": "z", "exit": 1}}\n'


@target(
    "app-channel", "app.channel.Channel.ask", seeds=_answers, shape=Shape.TEXT, longest=20_000, words=_JSON
)
def channel(data: bytes) -> bool:
    """What comes back on the socket: objects of JSON up to the last, or AppGone."""
    here, there = socket.socketpair()
    with there, Channel(here) as asking:
        there.sendall(data)
        there.shutdown(socket.SHUT_WR)
        try:
            answers = list(asking.ask("chats", {}))
        except AppGone:
            return False
    assert all(type(answer) is dict for answer in answers)
    assert "item" not in answers[-1]
    return True


# ------------------------------------------------------------------------------------------------------ page


class AtOnce(ThreadPoolExecutor):
    """Does what is given to it where it is given: in the loop's turn, so that turns can be counted."""

    def submit(self, work: Callable[..., Any], /, *given: Any, **named: Any) -> Future[Any]:
        done: Future[Any] = Future()
        try:
            done.set_result(work(*given, **named))
        except BaseException as error:
            done.set_exception(error)
        return done


@cache
def _page() -> tuple[Page, Asked, web.AppRunner]:
    service = Asked()
    loop().set_default_executor(AtOnce(1))
    built = folder() / "built"
    (built / "assets").mkdir(parents=True, exist_ok=True)
    for name in ("index.html", "icon.svg", "assets/page-ABCD1234.js"):
        (built / name).write_text("of the page")
    page = Page(service, folder(), Windows(Facts(), "00"), OneFile(service), built)
    runner = web.AppRunner(page.application, access_log=None, handle_signals=False, handler_cancellation=True)
    loop().run_until_complete(runner.setup())
    return page, service, runner


def _requests() -> Iterator[bytes]:
    page, _, _ = _page()
    cookie = b"Cookie: " + page.gate.windows.cookie_name.encode() + b"=COOKIE\r\n"
    start = b"Host: " + HOST + b"\r\n" + cookie + b"X-Whimbrel: HEADER\r\n"
    yield (
        b"\x01GET / HTTP/1.1\r\n"
        + start
        + b"\r\nGET /assets/page-ABCD1234.js HTTP/1.1\r\nAccept-Encoding: gzip, br\r\n"
        + start
        + b"\r\n"
    )
    yield b"\x00GET /plain.css HTTP/1.1\r\nHost: " + HOST + b"\r\nSec-Fetch-Site: none\r\n\r\n"
    call = start + b"Content-Type: application/json\r\nOrigin: http://" + HOST + b"\r\n"
    yield b"\x02POST /api/chats HTTP/1.1\r\n" + call + b'Content-Length: 9\r\n\r\n{"a":"b"}'
    yield (
        b"\x03POST /api/fail HTTP/1.1\r\n" + call + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n"
    )
    yield b"\x01GET /api/follow HTTP/1.1\r\n" + start + b"\r\n"
    file = b"GET /files/" + OneFile.FILE.hex().encode()
    yield b"\x01" + file + b" HTTP/1.1\r\n" + start + b"Range: bytes=65000-66000\r\n\r\n"
    yield b"\x02" + file + b" HTTP/1.1\r\n" + start + b'If-Range: "x"\r\nRange: bytes=-1\r\n\r\n'
    yield b"\x01GET /files/picture/00 HTTP/1.1\r\n" + start + b"\r\n"
    yield (
        b"\x02POST /files?name=a%2fb&type=image/png HTTP/1.1\r\n" + start + b"Content-Length: 5\r\n\r\nbytes"
    )
    yield b"\x01GET /?token=TOKEN HTTP/1.1\r\nHost: localhost:7000\r\nSec-Fetch-Mode: navigate\r\nSec-Fetch-Site: cross-site\r\n\r\n"


_WORDS = (
    b"\r\n", b"\r\n\r\n", b"GET ", b"POST ", b"Host: ", HOST, b"localhost:7000", b"Origin: null", b"X-Whimbrel: HEADER", b"COOKIE", b"HEADER",
    b"Content-Type: application/json", b"Content-Length: ", b"Transfer-Encoding: chunked", b"Sec-Fetch-Site: cross-site", b"?token=TOKEN", b"/api/", b"%2f", b"%00",
    b"Upgrade: websocket", b"/files/", b"ticket=TICKET", b"Range: bytes=", b"If-Range: ", b"Accept-Encoding: gzip", b"Content-Encoding: gzip", b"Content-Encoding: br", b"Cookie: ", b'"; $Path=', *_JSON,
)  # fmt: skip


@target(
    "app-http", "app.http.Page", "app.answers.answers", seeds=_requests, skip=1, longest=40_000, words=_WORDS
)
def page(data: bytes) -> bool:
    """Requests to the page's port: never an error of ours, and the client is asked only by who has both secrets and
    speaks to one of the app's own addresses."""
    return loop().run_until_complete(_serve_page(*_page(), data[0] if data else 0, data[1:]))


async def _serve_page(page: Page, service: Asked, runner: web.AppRunner, how: int, sent: bytes) -> bool:
    service.calls.clear()
    page.gate.windows._links = ["TOKEN"]
    page.gate.windows._tickets["TICKET"] = (OneFile.FILE, loop().time())
    assert runner.server is not None
    protocol = runner.server()
    wire = Wire(protocol)
    protocol.connection_made(wire)
    for piece in pieces(sent, how):
        if wire.closed:
            break
        protocol.data_received(piece)
    before = -1
    while before != len(wire.written):
        before = len(wire.written)
        await turns(15)
    wire.close()
    await turns(10)
    written = bytes(wire.written)
    assert not written or written.startswith(b"HTTP/")
    assert b" 500 " not in written.partition(b"\r\n")[0]
    assert b"500 Internal" not in written
    assert b"\r\nset-cookie: x=y" not in written.lower()
    assert b"text/html\r\ncontent-disposition" not in written.lower()
    if service.calls:
        assert b"COOKIE" in sent
        assert b"HEADER" in sent or b"TICKET" in sent
        assert b":7000" in sent
        assert all(type(method) is str and type(params) is dict for method, params in service.calls)
    assert not (folder() / "last-error.txt").exists()
    return written[9:12] in (b"200", b"201", b"206", b"303")
