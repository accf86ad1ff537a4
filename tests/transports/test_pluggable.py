"""Pluggable transports: the real obfs4proxy on both sides, before a relay's WebSocket; and programs that are none."""

from __future__ import annotations

import asyncio
import os
import re
import stat
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from transport_peers import make_certificate
from websockets.asyncio.server import ServerConnection, serve

from support.check_transport import fails
from whimbrel.link.trouble import Reason, Stage
from whimbrel.transports import pluggable
from whimbrel.transports.pluggable import Disguise, Disguises, parse_disguise, program_for
from whimbrel.transports.registry import Opener
from whimbrel.wire.errors import Malformed
from whimbrel.wire.routes import parse_route

NAME = "relay.example"


@asynccontextmanager
async def obfs4_before(port: int, folder: Path) -> AsyncIterator[tuple[int, str]]:
    """An obfs4 server that leads to a port: where it listens, and what its clients must be told."""
    program = program_for("obfs4")
    if program is None:
        pytest.skip("no obfs4 here")
    process = await asyncio.create_subprocess_exec(
        program,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={
            "TOR_PT_MANAGED_TRANSPORT_VER": "1",
            "TOR_PT_SERVER_TRANSPORTS": "obfs4",
            "TOR_PT_SERVER_BINDADDR": "obfs4-127.0.0.1:0",
            "TOR_PT_ORPORT": f"127.0.0.1:{port}",
            "TOR_PT_STATE_LOCATION": str(folder),
            "TOR_PT_EXIT_ON_STDIN_CLOSE": "1",
        },
    )
    assert process.stdout is not None
    assert process.stdin is not None
    try:
        while True:
            line = (await process.stdout.readline()).decode()
            found = re.match(r"SMETHOD obfs4 127\.0\.0\.1:(\d+) ARGS:(\S+)", line)
            if found:
                break
            assert line
        yield int(found[1]), found[2].replace(",", ";")
    finally:
        process.stdin.close()
        await process.wait()


async def test_a_whole_way_through_obfs4(tmp_path: Path) -> None:
    authority, context = make_certificate(tmp_path, NAME)

    async def echo(connection: ServerConnection) -> None:
        async for message in connection:
            await connection.send(message)

    async with (
        asyncio.timeout(30),
        serve(echo, "127.0.0.1", 0, ssl=context) as relay,
        obfs4_before(relay.sockets[0].getsockname()[1], tmp_path / "server") as (port, told),
    ):
        opener = Opener(authority)
        route = parse_route(f"pt:obfs4;{told}|wss://{NAME}:{port}/x?ip=127.0.0.1")
        candidate = opener.candidate(route)
        assert candidate is not None
        assert not candidate.near
        processes = set()
        for text in (b"one", b"two"):
            stream, subnets = await opener.open_stream(route)
            await stream.send(text)
            assert await stream.receive() == text
            await stream.close()
            assert subnets == ("127.0.0.0/24",)
            processes.add(opener.disguises._running["obfs4"]._process.pid)
        assert len(processes) == 1, "one program for both"
        running = opener.disguises._running["obfs4"]
        opener.close()
        await asyncio.to_thread(running._process.wait)


@pytest.mark.parametrize(
    ("script", "patience"),
    [
        ("echo 'VERSION-ERROR no-version'", 10),
        ("echo 'CMETHOD-ERROR obfs4 no'; echo 'CMETHODS DONE'; sleep 30", 10),
        ("echo 'CMETHOD obfs4 socks5 203.0.113.7:80'; echo 'CMETHODS DONE'; sleep 30", 10),
        ("exit 1", 10),
        ("exec sleep 30", 0.2),
    ],
)
async def test_a_program_that_is_none_is_a_failure_and_does_not_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, patience: float
) -> None:
    program = tmp_path / "program"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setitem(pluggable.PROGRAMS, "obfs4", (str(program),))  # type: ignore[misc]
    monkeypatch.setattr(pluggable, "STARTING_MAX", patience)
    disguises = Disguises()
    async with asyncio.timeout(20):
        error = await fails(lambda: disguises.address("obfs4"))
        assert (error.trouble.stage, error.trouble.reason) == (Stage.CONNECT, Reason.FAILED)
        running = disguises._running["obfs4"]
        disguises.close()
        await asyncio.to_thread(running._process.wait)


async def test_without_the_program_the_way_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(pluggable.PROGRAMS, "obfs4", ())  # type: ignore[misc]
    route = parse_route(f"pt:obfs4;cert=x|wss://{NAME}/x?ip=203.0.113.7")
    assert Opener().candidate(route) is None
    error = await fails(lambda: Disguises().address("obfs4"))
    assert error.trouble.reason is Reason.UNKNOWN_WAY


def test_a_way_without_an_address_is_not_used_because_the_program_would_look_up_the_name(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(pluggable.PROGRAMS, "obfs4", (os.path.realpath("/bin/sh"),))  # type: ignore[misc]
    assert Opener().candidate(parse_route(f"pt:obfs4;cert=x|wss://{NAME}/x")) is None
    assert Opener().candidate(parse_route(f"pt:obfs4;cert=x|wss://{NAME}/x?ip=203.0.113.7")) is not None
    assert Opener().candidate(parse_route("pt:obfs4|wss://203.0.113.7/x")) is not None


def test_disguises_as_texts() -> None:
    assert parse_disguise("pt:obfs4;cert=a+b/c;iat-mode=0") == Disguise("obfs4", "cert=a+b/c;iat-mode=0")
    assert parse_disguise("pt:obfs4") == Disguise("obfs4", "")
    assert parse_disguise("pt:obfs4").credentials == ("\0", "\0")
    assert Disguise("obfs4", "x" * 300).credentials == ("x" * 255, "x" * 45)
    for text in ("pt:", "pt:unheard", "pt:obfs4;cert", "pt:obfs4;=x", "obfs4;cert=x"):
        with pytest.raises(Malformed):
            parse_disguise(text)
