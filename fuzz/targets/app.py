"""What reaches a running app on its own machine: requests to the page's port, lines on the home's socket; and its answers."""

from __future__ import annotations

import asyncio
import json
import logging
import socket
from collections.abc import AsyncIterator, Iterator
from functools import cache
from typing import Any

from aiohttp import web

from fuzz.target import Shape, target
from fuzz.targets._memory import SOCKNAME, Wire, folder, loop, pieces, turns
from whimbrel.app import socket as app_socket
from whimbrel.app.channel import AppGone, Channel
from whimbrel.app.http import Page
from whimbrel.client.errors import ServiceError

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


@cache
def _page() -> tuple[Page, Asked, web.AppRunner]:
    service = Asked()
    page = Page(service, folder())
    page.gate._cookie, page.gate.page_secret = "COOKIE", "HEADER"  # as in every run
    runner = web.AppRunner(page.application, access_log=None, handle_signals=False, handler_cancellation=True)
    loop().run_until_complete(runner.setup())
    return page, service, runner


def _requests() -> Iterator[bytes]:
    page, _, _ = _page()
    cookie = b"Cookie: " + page.gate.cookie_name.encode() + b"=COOKIE\r\n"
    start = b"Host: " + HOST + b"\r\n" + cookie + b"X-Whimbrel: HEADER\r\n"
    yield b"\x01GET / HTTP/1.1\r\n" + start + b"\r\nGET /page.js HTTP/1.1\r\n" + start + b"\r\n"
    yield b"\x00GET /page.css HTTP/1.1\r\nHost: " + HOST + b"\r\nSec-Fetch-Site: none\r\n\r\n"
    call = start + b"Content-Type: application/json\r\nOrigin: http://" + HOST + b"\r\n"
    yield b"\x02POST /api/chats HTTP/1.1\r\n" + call + b'Content-Length: 9\r\n\r\n{"a":"b"}'
    yield (
        b"\x03POST /api/fail HTTP/1.1\r\n" + call + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n"
    )
    yield b"\x01GET /api/events?since=00 HTTP/1.1\r\n" + start + b"\r\n"
    yield b"\x01GET /?token=TOKEN HTTP/1.1\r\nHost: localhost:7000\r\nSec-Fetch-Mode: navigate\r\nSec-Fetch-Site: cross-site\r\n\r\n"


_WORDS = (
    b"\r\n", b"\r\n\r\n", b"GET ", b"POST ", b"Host: ", HOST, b"localhost:7000", b"Origin: null", b"X-Whimbrel: HEADER", b"COOKIE", b"HEADER",
    b"Content-Type: application/json", b"Content-Length: ", b"Transfer-Encoding: chunked", b"Sec-Fetch-Site: cross-site", b"?token=TOKEN", b"/api/", b"%2f", b"%00",
    b"Upgrade: websocket", b"Content-Encoding: gzip", b"Content-Encoding: br", b"Cookie: ", b'"; $Path=', *_JSON,
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
    page.gate._tokens = ["TOKEN"]
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
    if service.calls:
        assert b"COOKIE" in sent
        assert b"HEADER" in sent
        assert b":7000" in sent
        assert all(type(method) is str and type(params) is dict for method, params in service.calls)
    assert not (folder() / "last-error.txt").exists()
    return written[9:12] in (b"200", b"303")
