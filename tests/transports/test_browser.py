"""TLS as a browser's: the suites inside it, what is trusted, which name is shown, and that curl goes nowhere by itself."""

from __future__ import annotations

import asyncio
import os
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from transport_peers import TlsPeer, listening, make_certificate, one_connection

from support.check_transport import (
    BytePair,
    ByteStreamSuite,
    fails,
    receive_all,
    receive_exactly,
    some_bytes,
)
from whimbrel.link.trouble import Reason, Stage
from whimbrel.transports import browser, tcp
from whimbrel.transports.browser import BrowserPost, BrowserTls
from whimbrel.transports.http import letters_to

NAME = "relay.example"

pytestmark = pytest.mark.skipif(not browser.available(), reason="no curl_cffi for this platform")


@asynccontextmanager
async def shaken(folder: Path, version: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3) -> AsyncIterator[BytePair]:
    authority, context = make_certificate(folder, NAME)
    context.maximum_version = version
    async with one_connection() as (port, came):
        ours = BrowserTls(await tcp.connect("127.0.0.1", port), NAME, authority)
        theirs = TlsPeer(await came, context)
        async with asyncio.TaskGroup() as group:
            group.create_task(ours.shake_hands())
            group.create_task(theirs.shake_hands())
        yield BytePair(ours, theirs)


class TestBrowser(ByteStreamSuite):
    @pytest.fixture(autouse=True)
    def folder(self, tmp_path: Path) -> None:
        self.tmp_path = tmp_path

    @asynccontextmanager
    async def pair(self) -> AsyncIterator[BytePair]:
        async with shaken(self.tmp_path) as pair:
            yield pair

    async def test_after_our_end_the_peer_still_talks(self) -> None:
        """Without TLS's own end, which no browser says before it has heard the other's: to the peer it is a cut."""
        async with self.opened() as pair:
            await pair.ours.send(b"the last words")
            await pair.ours.end()
            assert await pair.theirs.receive() == b"the last words"
            back = some_bytes(300_000, 3)
            await pair.theirs.send(back)
            await pair.theirs.end()
            assert await receive_all(pair.ours) == back
            assert (await fails(pair.theirs.receive)).trouble.reason is Reason.RESET
            assert await pair.ours.receive() == b"", "and from then on always"
            assert (await fails(lambda: pair.ours.send(b"after the end"))).trouble.stage is Stage.SEND


async def server(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        writer.write(b"hello")
        await reader.read()
        writer.close()
    except OSError:
        pass


async def shake(port: int, name: str | None, authority: Path | None) -> None:
    stream = BrowserTls(await tcp.connect("127.0.0.1", port), name, authority)
    try:
        await stream.shake_hands()
        assert await stream.receive() == b"hello"
    finally:
        await stream.close()


async def test_only_certificates_of_the_pinned_authority_are_trusted_and_names_are_compared(
    tmp_path: Path,
) -> None:
    (tmp_path / "other").mkdir()
    authority, context = make_certificate(tmp_path, NAME, "127.0.0.1")
    stranger, _ = make_certificate(tmp_path / "other", NAME)
    async with listening(server, context) as port, asyncio.timeout(10):
        await shake(port, NAME, authority)
        await shake(port, "127.0.0.1", authority)
        for name, trusted in (("other.example", authority), (NAME, stranger), (NAME, None), (None, None)):
            error = await fails(lambda n=name, t=trusted: shake(port, n, t))  # type: ignore[misc]
            assert (error.trouble.stage, error.trouble.reason) == (Stage.HANDSHAKE, Reason.CERTIFICATE)
            assert "example" not in str(error)


async def test_a_folder_of_certificates_beside_the_pinned_file_counts_for_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """curl was built with one in it, and would add it."""
    (tmp_path / "other").mkdir()
    mine, context = make_certificate(tmp_path, NAME)
    stranger, _ = make_certificate(tmp_path / "other", NAME)
    monkeypatch.setenv("SSL_CERT_FILE", str(mine))
    async with listening(server, context) as port, asyncio.timeout(10):
        await shake(port, NAME, None)
        assert (await fails(lambda: shake(port, NAME, stranger))).trouble.reason is Reason.CERTIFICATE


async def test_without_a_name_none_is_sent_and_the_authority_still_counts(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    authority, context = make_certificate(tmp_path, NAME)
    stranger, _ = make_certificate(tmp_path / "other", NAME)
    asked: list[str | None] = []
    context.sni_callback = lambda connection, name, of: asked.append(name)
    async with listening(server, context) as port, asyncio.timeout(10):
        await shake(port, None, authority)
        assert asked == [None]
        await shake(port, NAME, authority)
        assert asked == [None, NAME]
        assert (await fails(lambda: shake(port, None, stranger))).trouble.reason is Reason.CERTIFICATE


async def test_something_that_does_not_speak_tls_is_told_apart() -> None:
    async def plain(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await reader.read(1)
        writer.close()

    async def hangs_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.close()

    async with listening(plain) as port, asyncio.timeout(10):
        assert (await fails(lambda: shake(port, NAME, None))).trouble.reason is Reason.NOT_TLS
    async with listening(hangs_up) as port, asyncio.timeout(10):
        assert (await fails(lambda: shake(port, NAME, None))).trouble.reason is Reason.RESET


async def test_a_stream_that_is_cut_without_a_goodbye_is_no_end(tmp_path: Path) -> None:
    """Whoever cuts the connection must not be able to make half an answer look like a whole one."""
    async with asyncio.timeout(10), shaken(tmp_path) as pair:
        await pair.theirs.send(b"half of it")
        assert await pair.ours.receive() == b"half of it"
        await pair.theirs._inner.end()  # type: ignore[attr-defined]
        assert (await fails(pair.ours.receive)).trouble.reason is Reason.RESET
        await pair.ours.close()
        await pair.theirs.close()


async def test_older_servers_are_spoken_to_as_well(tmp_path: Path) -> None:
    async with asyncio.timeout(10), shaken(tmp_path, ssl.TLSVersion.TLSv1_2) as pair:
        await pair.theirs.send(b"hello")
        assert await pair.ours.receive() == b"hello"
        await pair.ours.close()
        await pair.theirs.close()


async def test_it_runs_inside_itself_as_it_would_in_any_wrapper(tmp_path: Path) -> None:
    async with asyncio.timeout(10), shaken(tmp_path) as outer:
        authority, context = make_certificate(tmp_path, NAME)
        inner = BrowserTls(outer.ours, NAME, authority)
        inner_peer = TlsPeer(outer.theirs, context)  # type: ignore[arg-type]
        async with asyncio.TaskGroup() as group:
            group.create_task(inner.shake_hands())
            group.create_task(inner_peer.shake_hands())
        data = some_bytes(200_000, 1)
        async with asyncio.TaskGroup() as group:
            group.create_task(inner.send(data))
            got = group.create_task(receive_exactly(inner_peer, len(data)))
        assert got.result() == data
        await inner.close()


async def test_no_file_stays_open_and_a_handshake_may_be_given_up_at_any_moment(tmp_path: Path) -> None:
    authority, context = make_certificate(tmp_path, NAME)
    descriptors = Path("/proc/self/fd")
    if not descriptors.exists():
        pytest.skip("no list of open files here")
    async with listening(server, context) as port, asyncio.timeout(30):
        await shake(port, NAME, authority)
        before = len(os.listdir(descriptors))
        for rounds in range(40):
            stream = BrowserTls(await tcp.connect("127.0.0.1", port), NAME, authority)
            async with asyncio.TaskGroup() as group:
                shaking = group.create_task(stream.shake_hands())
                for _ in range(rounds):
                    await asyncio.sleep(0)
                shaking.cancel()
            await stream.close()
            await stream.close()
        await asyncio.sleep(0.1)
        assert len(os.listdir(descriptors)) <= before + 2


@pytest.mark.parametrize("sparing", [False, True])
async def test_the_last_words_of_the_handshake_go_alone_or_with_the_letter(
    tmp_path: Path, sparing: bool
) -> None:
    """Alone, as a browser sends them; with the letter, where packets are counted."""
    authority, context = make_certificate(tmp_path, NAME)
    async with one_connection() as (port, came), asyncio.timeout(10):
        sent: list[bytes] = []
        stream = await tcp.connect("127.0.0.1", port)
        send = stream.send

        async def noting(data: bytes) -> None:
            sent.append(data)
            await send(data)

        stream.send = noting  # type: ignore[method-assign]
        post = BrowserPost(stream, NAME, letters_to(NAME, "/x"), authority, sparing=sparing)
        theirs = TlsPeer(await came, context)
        async with asyncio.TaskGroup() as group:
            posting = group.create_task(post.post(b"letter"))
            await theirs.shake_hands()
            head = await theirs.receive()
            while b"letter" not in head:
                head += await theirs.receive()
            await theirs.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        assert posting.result() == (200, b"ok")
        assert len(sent) == (2 if sparing else 3), "the hello; the last words; the letter"
        assert sent[1][0] == 0x14
        assert (len(sent[1]) < 120) is not sparing
        await post.close()
        await theirs.close()


async def test_a_server_that_wishes_no_second_letter_gets_none_and_no_other_file_is_touched(
    tmp_path: Path,
) -> None:
    authority, context = make_certificate(tmp_path, NAME)

    async def once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"letter")
        writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok")

    async with listening(once, context) as port, asyncio.timeout(10):
        post = BrowserPost(await tcp.connect("127.0.0.1", port), NAME, letters_to(NAME, "/x"), authority)
        assert await post.post(b"letter") == (200, b"ok")
        assert not post.reusable
        error = await fails(lambda: post.post(b"letter"))  # who does it all the same
        assert error.trouble.stage is Stage.RECEIVE
        await post.close()
        os.fstat(0)
