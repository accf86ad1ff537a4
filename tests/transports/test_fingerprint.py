"""The same to look at as a browser: our hellos and our words beside those of the real Chromium, started for it.

A JA4 says what a filter can compare without knowing a connection's random values. For the versions of Chromium in `KNOWN`
ours must be equal; for another version the test says so and asks for a new profile, and does not fail.
"""

from __future__ import annotations

import asyncio
import warnings
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from client_hellos import Hello, Recorder, parse_hello, recording
from playwright.async_api import Error, Page, async_playwright
from transport_peers import listening, make_certificate

from support.browser import CHROMIUM
from support.check_transport import fails
from whimbrel.transports import browser, browser_words
from whimbrel.transports.browser import TRUST_ANCHORS
from whimbrel.transports.registry import Opener
from whimbrel.wire.routes import parse_route

NAME = "relay.example"
KNOWN = ("156",)
"""Versions of Chromium that ours were compared with."""
HTTPS = "t13d1517h2_8daaf6152771_cb7bf5808d99"
WSS = "t13d1516h1_8daaf6152771_5b37b36a67c0"
PYTHON = "t13d181100_85036bcba153_d41ae481755e"
"""What Python's own TLS shows where nothing is done about it (measured with OpenSSL 3.0)."""

pytestmark = [
    pytest.mark.processes,
    pytest.mark.skipif(not browser.available(), reason="no curl_cffi for this platform"),
]


async def ours(recorder: Recorder, text: str) -> Hello:
    """The hello of one of our ways to the recorder."""
    route = parse_route(f"{text.format(host=f'{NAME}:{recorder.port}')}ip=127.0.0.1")
    if route.transport == "https":
        await fails(lambda: Opener().open_exchange(route).exchange(b"x"))
    else:
        await fails(lambda: Opener().open_stream(route))
    return await recorder.hellos.get()


@asynccontextmanager
async def chromium() -> AsyncIterator[tuple[str, Page]]:
    """Its version, and a page. It looks up every name as this machine."""
    if CHROMIUM is None:
        pytest.skip("no Chromium here")
    words = ["--no-sandbox", "--disable-quic", "--host-resolver-rules=MAP * 127.0.0.1"]
    async with async_playwright() as playwright:
        running = await playwright.chromium.launch(executable_path=CHROMIUM, args=words)
        try:
            yield running.version.partition(".")[0], await (await running.new_context()).new_page()
        finally:
            await running.close()


def compare(version: str, theirs: object, mine: object, what: str) -> None:
    if version in KNOWN:
        assert mine == theirs, what
    elif mine != theirs:
        warnings.warn(
            f"Chromium {version} differs from ours in {what}; browser.py and browser_words.py want refreshing",
            stacklevel=2,
        )


@pytest.mark.parametrize(
    ("text", "ja4"),
    [
        ("wss://{host}/x?", WSS),
        ("https://{host}/x?", HTTPS),
        ("frag|wss://{host}/x?", WSS),
        ("short|https://{host}/x?", HTTPS),
        ("wss://{host}/x?sni=other.example&", WSS),
        ("wss://{host}/x?sni=&", WSS.replace("t13d1516", "t13i1515")),
    ],
)
async def test_what_our_ways_show(text: str, ja4: str) -> None:
    async with recording() as recorder, asyncio.timeout(20):
        hello = await ours(recorder, text)
        assert hello.ja4 == ja4
        assert hello.name == (None if "sni=&" in text else "other.example" if "other" in text else NAME)


async def test_the_systems_own_shows_a_program() -> None:
    """The control: the two are told apart by what is measured here."""
    async with recording() as recorder, asyncio.timeout(20):
        hello = await ours(recorder, "system|wss://{host}/x?")
        assert hello.ja4 not in (WSS, HTTPS)
        assert hello.ja4.split("_")[1] == PYTHON.split("_")[1] or hello.ja4.startswith("t13d")


async def test_chromium_shows_the_same() -> None:
    async with recording() as recorder, chromium() as (version, page), asyncio.timeout(60):
        with pytest.raises(Error):
            await page.goto(f"https://{NAME}:{recorder.port}/")
        https = await offering(recorder, "h2", "http/1.1")
        async with listening(blank) as port:
            another = await page.context.new_page()
            await another.goto(f"http://127.0.0.1:{port}/")
            await another.evaluate(f"void new WebSocket('wss://{NAME}:{recorder.port}/x')")
            wss = await offering(recorder, "http/1.1")
    async with recording() as recorder, asyncio.timeout(20):
        compare(version, https.ja4, (await ours(recorder, "https://{host}/x?")).ja4, "the hello for a page")
        mine = await ours(recorder, "wss://{host}/x?")
        compare(version, wss.ja4, mine.ja4, "the hello for a WebSocket")
        for hello in (https, wss, mine):  # in an order of chance
            found = sorted(hello.trust_anchors)
            compare(version, found, sorted(TRUST_ANCHORS.split(",")), "the trust anchors")


async def offering(recorder: Recorder, *protocols: str) -> Hello:
    """The next hello that offers these: a browser tries a page again that was cut."""
    while (hello := await recorder.hellos.get()).protocols != protocols:
        pass
    return hello


async def blank(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 0\r\n\r\n")
        await reader.read()
    except (OSError, asyncio.IncompleteReadError):
        pass


async def test_chromium_uses_the_same_words(tmp_path: Path) -> None:
    """What a page on this machine says, where there is no TLS to look into."""
    heads: asyncio.Queue[list[str]] = asyncio.Queue()

    async def keep(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")[:-2]
                if head[0].split()[1] == "/x":
                    heads.put_nowait(head[1:])
                if head[0].startswith("POST"):
                    await reader.readexactly(5)
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 0\r\n\r\n")
        except (OSError, asyncio.IncompleteReadError):
            pass

    async with listening(keep) as port, chromium() as (version, page), asyncio.timeout(60):
        host = f"127.0.0.1:{port}"
        await page.goto(f"http://{host}/")
        kind = "application/octet-stream"
        await page.evaluate(
            "kind => fetch('/x', {method: 'POST', body: new Uint8Array(5), headers: {'Content-Type': kind}})",
            kind,
        )
        posted = await heads.get()
        await page.evaluate(f"void new WebSocket('ws://{host}/x')")
        upgraded = await heads.get()
        key = next(line.partition(": ")[2] for line in upgraded if line.startswith("Sec-WebSocket-Key"))
        compare(
            version, [agent(line) for line in posted], await our_post(tmp_path, host), "the words of a POST"
        )
        words = [f"{n}: {v}" for n, v in browser_words.upgrade_headers(host, key)]
        compare(version, [agent(line) for line in upgraded], plain(words), "the words of an upgrade")


async def our_post(folder: Path, host: str) -> list[str]:
    """The words of our POST of five bytes, as if to this host."""
    authority, context = make_certificate(folder, NAME)
    came: asyncio.Queue[bytes] = asyncio.Queue()

    async def keep(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        came.put_nowait(await reader.readuntil(b"\r\n\r\n"))
        writer.transport.abort()

    async with listening(keep, context) as port:
        route = parse_route(f"https://{NAME}:{port}/x?ip=127.0.0.1")
        await fails(lambda: Opener(authority=authority).open_exchange(route).exchange(b"12345"))
        lines = (await came.get()).decode().split("\r\n")[1:-2]
        return plain([line.replace(f"{NAME}:{port}", host) for line in lines])


def agent(line: str) -> str:
    """A browser without a window says so, which ours must not."""
    return line.replace("HeadlessChrome", "Chrome")


def plain(lines: list[str]) -> list[str]:
    return [line.replace("https://", "http://") for line in lines]


def test_a_hello_in_several_records_is_the_same_hello() -> None:
    with pytest.raises(ValueError, match="whole"):
        parse_hello(b"\x16\x03\x01\x00\x02\x01\x00")
