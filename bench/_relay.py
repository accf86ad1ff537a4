"""A relay in a process of its own on one core, and the leanest clients for it: frames sealed in advance, opened afterwards."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
import ssl
import subprocess
import sys
import sysconfig
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import whimbrel
from whimbrel.wire import letters
from whimbrel.wire.admission import encode_admission
from whimbrel.wire.codec import encode_log_body, log_id
from whimbrel.wire.keydoc import KeyDocument
from whimbrel.wire.operations import LogBody, LogKind
from whimbrel.wire.purpose import public_of, token_hash
from whimbrel.wire.streams import ClientStream
from whimbrel.wire.texts import Address, parse_address

CORES = sorted(os.sched_getaffinity(0))
RELAY = "import sys; from whimbrel.cli.main import main; sys.exit(main(['relay', *sys.argv[1:]]))"
PROFILED = """
import cProfile, sys
from whimbrel.cli.main import main
profile = cProfile.Profile()
profile.runcall(main, ['relay', *sys.argv[1:]])
profile.dump_stats({file!r})
"""
HANDSHAKE = (
    "GET {path} HTTP/1.1\r\nHost: bench\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
)


DISTRIBUTION = "/usr/bin/python3"


def python_of_the_distribution() -> str | None:
    """The interpreter that the system packages, where it can load what is installed here: as the peers' programs it was
    built to be used (with optimisation by profile), which one that somebody built at home often is not."""
    ask = "import sys; print(sys.implementation.cache_tag)"
    try:
        found = subprocess.run([DISTRIBUTION, "-c", ask], capture_output=True, text=True, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return DISTRIBUTION if found.stdout.strip() == sys.implementation.cache_tag else None


class RelayProcess:
    """The command `whimbrel relay`, pinned to one core. With RELAY_PROFILE=FILE in the environment the standard profiler
    watches it and leaves its findings there (look at them with `python -m pstats FILE`)."""

    def __init__(self, folder: Path, core: int, *words: str, python: str = sys.executable) -> None:
        """`python`: the interpreter; any other than this one gets the packages of this one."""
        profile = os.environ.get("RELAY_PROFILE")
        code = RELAY if profile is None else PROFILED.format(file=profile)
        where = [str(Path(whimbrel.__file__).parents[1]), sysconfig.get_path("purelib")]
        self.process = subprocess.Popen(
            [python, "-c", code, "--data", str(folder), *words],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=os.environ | ({} if python == sys.executable else {"PYTHONPATH": os.pathsep.join(where)}),
            preexec_fn=lambda: os.sched_setaffinity(0, {core}),
        )
        assert self.process.stdout is not None
        ready = json.loads(self.process.stdout.readline())
        self.address: Address = parse_address(ready["address"])

    def cpu(self) -> float:
        """Seconds of processor time so far."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(") ")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def rss(self) -> int:
        """Bytes of memory in use now."""
        for line in Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024
        raise RuntimeError("the relay is gone")

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(30)


@contextlib.contextmanager
def relay_on_first_core(folder: Path) -> Iterator[RelayProcess]:
    """A relay on the first core; this process goes to the last."""
    os.sched_setaffinity(0, {CORES[-1]})
    relay = RelayProcess(folder, CORES[0])
    try:
        yield relay
    finally:
        relay.stop()
        os.sched_setaffinity(0, set(CORES))


class LogOf:
    """A log that the bench makes up: tokens and body come from its number."""

    def __init__(self, number: int) -> None:
        name = b"bench %08d" % number
        self.read, self.write = name.ljust(32, b"r"), name.ljust(32, b"w")
        self.body = LogBody(
            LogKind.CONVERSATION,
            token_hash(self.read),
            token_hash(self.write),
            (public_of(b"a" * 32),),
            name.ljust(32, b"n"),
        )
        self.id = log_id(encode_log_body(self.body))


class Wire(asyncio.Protocol):
    """A WebSocket without a library: masks of zero, frames told apart by their heads, messages handed on as bytes."""

    def __init__(self, path: str) -> None:
        self.transport: Any = None
        self.on_message: Callable[[bytes], None] = lambda message: None
        self.upgraded = asyncio.get_running_loop().create_future()
        self._path = path
        self._data = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self.transport.write(HANDSHAKE.format(path=self._path).encode())

    def data_received(self, data: bytes) -> None:
        data = self._data + data if self._data else data
        if not self.upgraded.done():
            head, _, data = data.partition(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 101"), head
            self.upgraded.set_result(None)
        at, size = 0, len(data)
        while size - at >= 2:
            length, start = data[at + 1], at + 2
            if length == 126:
                length, start = int.from_bytes(data[start : start + 2], "big"), start + 2
            elif length == 127:
                length, start = int.from_bytes(data[start : start + 8], "big"), start + 8
            if size < start + length:
                break
            if data[at] == 0x82:
                self.on_message(data[start : start + length])
            at = start + length
        self._data = data[at:]

    def send(self, message: bytes) -> None:
        self.transport.write(frame_of(message))


def frame_of(message: bytes) -> bytes:
    """A masked binary frame whose mask is zero, so that the message is in it as it is."""
    size = len(message)
    if size < 126:
        head = bytes((0x82, 0x80 | size))
    elif size < 65536:
        head = b"\x82\xfe" + size.to_bytes(2, "big")
    else:
        head = b"\x82\xff" + size.to_bytes(8, "big")
    return head + b"\0\0\0\0" + message


def ask_document(address: Address, tls: ssl.SSLContext | None = None) -> KeyDocument:
    """The relay's key document, asked for on a connection of its own."""
    with _upgraded(address, tls) as sock:
        sock.sendall(frame_of(letters.ask_keys()))
        return letters.open_key_document(_one_message(sock), address.relay)


def open_session(
    address: Address, document: KeyDocument, operations: list[Any], tls: ssl.SSLContext | None = None
) -> tuple[socket.socket, ClientStream, list[Any]]:
    """A stream that is open, on a blocking socket, and the answers to the operations in its letter."""
    sock = _upgraded(address, tls)
    stream = ClientStream(document, os.urandom(64))
    sock.sendall(frame_of(stream.open(operations)))
    [answered] = stream.receive(_one_message(sock))
    return sock, stream, list(answered.answers)  # type: ignore[union-attr]


def _upgraded(address: Address, tls: ssl.SSLContext | None) -> socket.socket:
    route = next(route for route in address.routes if route.transport in ("ws", "wss"))
    sock = socket.create_connection((route.host, route.port), 30)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if tls is not None:
        sock = tls.wrap_socket(sock)
    sock.sendall(HANDSHAKE.format(path=route.path).encode())
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        head += sock.recv(1024)
    assert head.startswith(b"HTTP/1.1 101"), head
    return sock


def _one_message(sock: socket.socket) -> bytes:
    """The next message; nothing may stand behind it yet."""
    data = b""
    while True:
        data += sock.recv(65536)
        assert data[0] == 0x82, data[:16]
        if len(data) >= 4:
            small = data[1] < 126
            start, size = (2, data[1]) if small else (4, int.from_bytes(data[2:4], "big"))
            if len(data) >= start + size:
                assert len(data) == start + size
                return data[start:]


class Client:
    """One stream: its wire and its keys."""

    def __init__(self, wire: Wire, stream: ClientStream) -> None:
        self.wire = wire
        self.stream = stream


class Clients:
    """Opens streams to one relay."""

    def __init__(self, address: Address) -> None:
        self.address = address
        self.route = next(route for route in address.routes if route.transport == "ws")
        self.document: KeyDocument | None = None

    @property
    def admission(self) -> bytes:
        assert self.address.admission is not None
        return encode_admission(self.address.admission)

    async def open(self, operations: list[Any]) -> tuple[Client, list[Any]]:
        """A stream, and the answers to the operations in its first letter."""
        loop = asyncio.get_running_loop()
        _, wire = await loop.create_connection(
            lambda: Wire(self.route.path), self.route.host, self.route.port
        )
        await wire.upgraded
        first: asyncio.Queue[bytes] = asyncio.Queue()
        wire.on_message = first.put_nowait
        if self.document is None:
            wire.send(letters.ask_keys())
            self.document = letters.open_key_document(await first.get(), self.address.relay)
        stream = ClientStream(self.document, os.urandom(64))
        wire.send(stream.open(operations))
        [answered] = stream.receive(await first.get())
        return Client(wire, stream), list(answered.answers)  # type: ignore[union-attr]
