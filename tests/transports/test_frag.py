"""`frag`: what goes out, and that everything that puts records together still understands it."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from client_hellos import parse_hello, recording
from hypothesis import given
from hypothesis import strategies as st
from transport_peers import TlsPeer, make_certificate, one_connection

from support.check_transport import BytePair, ByteStreamSuite, fails
from whimbrel.transports import tcp
from whimbrel.transports.frag import Fragmenting, split_hello
from whimbrel.transports.registry import Opener
from whimbrel.transports.tls import TlsStream, trusting
from whimbrel.wire.routes import parse_route

NAME = "relay.example.net"


def hello(name: str | None) -> bytes:
    context = trusting(names=name is not None)
    outgoing = ssl.MemoryBIO()
    tls = context.wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname=name)
    with pytest.raises(ssl.SSLWantReadError):
        tls.do_handshake()
    return outgoing.read()


class TestFrag(ByteStreamSuite):
    """With TLS inside, as it is used."""

    @pytest.fixture(autouse=True)
    def certificate(self, tmp_path: Path) -> None:
        self.authority, self.context = make_certificate(tmp_path, NAME)

    @asynccontextmanager
    async def pair(self) -> AsyncIterator[BytePair]:
        async with one_connection() as (port, came):
            inner = Fragmenting(await tcp.connect("127.0.0.1", port))
            ours = TlsStream(inner, trusting(self.authority), NAME)
            theirs = TlsPeer(await came, self.context)
            async with asyncio.TaskGroup() as group:
                group.create_task(ours.shake_hands())
                group.create_task(theirs.shake_hands())
            yield BytePair(ours, theirs)


def test_neither_record_has_the_whole_name_and_together_they_are_the_same_hello() -> None:
    whole = hello(NAME)
    pieces = split_hello(whole + b"rest")
    assert pieces is not None
    first, second = pieces
    assert NAME.encode() in whole
    assert NAME.encode() not in first + second, "a record's head stands in the middle of it"
    assert parse_hello(first + second) == parse_hello(whole)
    assert second.endswith(b"rest")


def test_without_a_name_it_is_cut_all_the_same() -> None:
    pieces = split_hello(hello(None))
    assert pieces is not None
    assert parse_hello(b"".join(pieces)) == parse_hello(hello(None)) or len(pieces[0]) > 10


@given(st.binary(max_size=600))
def test_whatever_is_no_hello_stays_as_it_is_or_is_still_whole(data: bytes) -> None:
    for candidate in (data, b"\x16\x03\x01" + len(data).to_bytes(2, "big") + b"\x01" + data):
        pieces = split_hello(candidate)
        if pieces is not None:
            first, second = pieces
            assert first[5:] + second[5:] == candidate[5:]


@pytest.mark.parametrize("how", ["frag|wss", "system|frag|wss", "frag|https"])
async def test_it_leaves_in_two_segments(how: str) -> None:
    async with recording() as recorder, asyncio.timeout(10):
        route = parse_route(f"{how}://{NAME}:{recorder.port}/x?ip=127.0.0.1")
        if "https" in how:
            await fails(lambda: Opener().open_exchange(route).exchange(b"x"))
        else:
            await fails(lambda: Opener().open_stream(route))
        seen = await recorder.hellos.get()
        assert seen.name == NAME
        (segments,) = recorder.segments
        assert len(segments) >= 2
        assert all(NAME.encode() not in segment for segment in segments)
        assert segments[0][0] == segments[1][0] == 0x16, "each begins a record"
