"""TLS: the suite, over TCP and over another TLS, and what is trusted."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from transport_peers import TlsPeer, listening, make_certificate, one_connection

from support.check_transport import BytePair, ByteStreamSuite, fails, receive_exactly, some_bytes
from whimbrel.link.trouble import Reason, Stage
from whimbrel.transports import tcp
from whimbrel.transports.tls import TlsStream, trusting

NAME = "relay.example"


@asynccontextmanager
async def shaken(folder: Path, version: ssl.TLSVersion) -> AsyncIterator[BytePair]:
    authority, context = make_certificate(folder, NAME)
    context.maximum_version = version
    async with one_connection() as (port, came):
        ours = TlsStream(await tcp.connect("127.0.0.1", port), trusting(authority), NAME)
        theirs = TlsPeer(await came, context)
        async with asyncio.TaskGroup() as group:
            group.create_task(ours.shake_hands())
            group.create_task(theirs.shake_hands())
        yield BytePair(ours, theirs)


class TestTls13(ByteStreamSuite):
    @pytest.fixture(autouse=True)
    def folder(self, tmp_path: Path) -> None:
        self.tmp_path = tmp_path

    @asynccontextmanager
    async def pair(self) -> AsyncIterator[BytePair]:
        async with shaken(self.tmp_path, ssl.TLSVersion.TLSv1_3) as pair:
            yield pair


async def test_it_runs_inside_itself_as_it_would_in_any_wrapper(tmp_path: Path) -> None:
    authority, context = make_certificate(tmp_path, NAME)
    async with one_connection() as (port, came), asyncio.timeout(10):
        outer = TlsStream(await tcp.connect("127.0.0.1", port), trusting(authority), NAME)
        outer_peer = TlsPeer(await came, context)
        async with asyncio.TaskGroup() as group:
            group.create_task(outer.shake_hands())
            group.create_task(outer_peer.shake_hands())
        inner = TlsStream(outer, trusting(authority), NAME)
        inner_peer = TlsPeer(outer_peer, context)  # type: ignore[arg-type]
        async with asyncio.TaskGroup() as group:
            group.create_task(inner.shake_hands())
            group.create_task(inner_peer.shake_hands())
        data = some_bytes(200_000, 1)
        async with asyncio.TaskGroup() as group:
            group.create_task(inner.send(data))
            got = group.create_task(receive_exactly(inner_peer, len(data)))
        assert got.result() == data
        await inner.close()


async def server(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        writer.write(b"hello")
        await reader.read()
        writer.close()
    except OSError:
        pass


async def shake(port: int, context: ssl.SSLContext, name: str | None) -> None:
    stream = TlsStream(await tcp.connect("127.0.0.1", port), context, name)
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
        await shake(port, trusting(authority), NAME)
        await shake(port, trusting(authority), "127.0.0.1")
        for context_of_ours, name in (
            (trusting(authority), "other.example"),
            (trusting(stranger), NAME),
            (trusting(), NAME),
        ):
            error = await fails(lambda c=context_of_ours, n=name: shake(port, c, n))  # type: ignore[misc]
            assert (error.trouble.stage, error.trouble.reason) == (Stage.HANDSHAKE, Reason.CERTIFICATE)
            assert "example" not in str(error)


async def test_without_a_name_none_is_sent_and_the_authority_still_counts(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    authority, context = make_certificate(tmp_path, NAME)
    stranger, _ = make_certificate(tmp_path / "other", NAME)
    asked: list[str | None] = []
    context.sni_callback = lambda connection, name, of: asked.append(name)
    async with listening(server, context) as port, asyncio.timeout(10):
        await shake(port, trusting(authority, names=False), None)
        assert asked == [None]
        error = await fails(lambda: shake(port, trusting(stranger, names=False), None))
        assert error.trouble.reason is Reason.CERTIFICATE


async def test_something_that_does_not_speak_tls_is_told_apart(tmp_path: Path) -> None:
    async def plain(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await reader.read(1)
        writer.close()

    async def hangs_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.close()

    async with listening(plain) as port, asyncio.timeout(10):
        assert (await fails(lambda: shake(port, trusting(), NAME))).trouble.reason is Reason.NOT_TLS
    async with listening(hangs_up) as port, asyncio.timeout(10):
        assert (await fails(lambda: shake(port, trusting(), NAME))).trouble.reason is Reason.RESET


async def test_a_stream_that_is_cut_without_a_goodbye_is_no_end(tmp_path: Path) -> None:
    """Whoever cuts the connection must not be able to make half an answer look like a whole one."""
    async with asyncio.timeout(10), shaken(tmp_path, ssl.TLSVersion.TLSv1_3) as pair:
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
