"""What a filter's library calls our connections: nDPI (ndpiReader) says of them what it says of Chromium's own to the same server.

Whole connections are recorded on loopback and given to it: ours by `wss`, then a WebSocket that the real Chromium opened.
"""

from __future__ import annotations

import os
import re
import shutil
import socket
import struct
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import websockets
from playwright.async_api import async_playwright
from transport_peers import make_certificate

from lab import pcap
from support.browser import CHROMIUM
from whimbrel.transports import browser
from whimbrel.transports.registry import Opener
from whimbrel.wire.routes import parse_route

NAME = "photos.example"
READER = shutil.which("ndpiReader")
MESSAGES, SIZE = 20, 500
"""Sent and echoed on each connection."""
WORDS = re.compile(
    r"\[((?:proto|cat|Hostname/SNI|ALPN|TLS Supported Versions|Risk|Risk Score|JA3S|Cipher): ?[^\]]*|[A-Za-z.0-9 ]+)\]"
)
"""What of its line on a connection is said of the connection: without counts, times, and what is drawn anew each time (JA3C)."""
COUNTED = re.compile(r"[0-9.]+ sec")

pytestmark = [
    pytest.mark.processes,
    pytest.mark.skipif(not browser.available(), reason="no curl_cffi for this platform"),
    pytest.mark.skipif(os.geteuid() != 0, reason="only root can record packets"),
]


@contextmanager
def recorded(path: Path, port: int) -> Iterator[None]:
    """All IPv4 packets on loopback to or from this port, into a file."""
    raw = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0800))
    raw.bind(("lo", 0))
    raw.settimeout(0.2)
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
    writer = pcap.Writer(path, pcap.ETHERNET)
    over = threading.Event()

    def keep() -> None:
        while not over.is_set():
            try:
                frame, (_, _, kind, *_) = raw.recvfrom(65536)
            except TimeoutError:
                continue
            if kind == socket.PACKET_OUTGOING:  # each packet is seen twice on loopback
                continue
            head = 14 + (frame[14] & 15) * 4
            if frame[23] == socket.IPPROTO_TCP and port in struct.unpack_from(">HH", frame, head):
                writer.write(time.time(), frame)

    thread = threading.Thread(target=keep)
    thread.start()
    try:
        yield
        time.sleep(0.3)
    finally:
        over.set()
        thread.join()
        raw.close()
        writer.close()


def said(path: Path) -> set[str]:
    """What nDPI says of the one connection in a recording."""
    assert READER is not None
    told = subprocess.run([READER, "-i", path, "-v", "2"], check=True, capture_output=True, text=True).stdout
    [line] = [line for line in told.splitlines() if re.match(r"\s*1\s+TCP ", line)]
    return {word for word in WORDS.findall(line) if not COUNTED.fullmatch(word)}


async def ours(way: str, authority: Path, port: int, to: Path) -> set[str]:
    """Some messages there and back by a way of ours."""
    with recorded(to, port):
        route = parse_route(f"{way}wss://{NAME}:{port}/x?ip=127.0.0.1")
        stream, _ = await Opener(authority=authority).open_stream(route)
        for _ in range(MESSAGES):
            await stream.send(bytes(SIZE))
            await stream.receive()
        await stream.close()
    return said(to)


async def chromiums(port: int, to: Path) -> set[str]:
    """The same by a WebSocket of a page."""
    words = [
        "--no-sandbox",
        "--disable-quic",
        "--ignore-certificate-errors",
        "--host-resolver-rules=MAP * 127.0.0.1",
    ]
    async with async_playwright() as playwright:
        running = await playwright.chromium.launch(executable_path=CHROMIUM, args=words)
        page = await (await running.new_context()).new_page()
        with recorded(to, port):
            echoed = await page.evaluate(TALK, [f"wss://{NAME}:{port}/x", MESSAGES, SIZE])
        await running.close()
    assert echoed == MESSAGES
    return said(to)


TALK = """([url, messages, size]) => new Promise((done, failed) => {
  const socket = new WebSocket(url);
  let echoed = 0;
  const say = () => socket.send(new Uint8Array(size));
  socket.onopen = say;
  socket.onmessage = () => (++echoed === messages ? socket.close() : say());
  socket.onclose = () => done(echoed);
  socket.onerror = failed;
})"""


async def echo(connection: websockets.ServerConnection) -> None:
    async for message in connection:
        await connection.send(message)


async def test_ndpi_says_of_ours_what_it_says_of_chromiums(tmp_path: Path) -> None:
    if READER is None:
        pytest.skip("no ndpiReader here: make .setup/lab installs it (Debian: libndpi-bin)")
    if CHROMIUM is None:
        pytest.skip("no Chromium here")
    authority, context = make_certificate(tmp_path, NAME)
    async with websockets.serve(echo, "127.0.0.1", 0, ssl=context) as server:
        port = server.sockets[0].getsockname()[1]
        mine = await ours("", authority, port, tmp_path / "ours.pcap")
        systems = await ours("system|", authority, port, tmp_path / "system.pcap")
        theirs = await chromiums(port, tmp_path / "chromium.pcap")
    assert "Chrome" in theirs
    assert mine == theirs
    assert "Chrome" not in systems, "it tells one from the other"
