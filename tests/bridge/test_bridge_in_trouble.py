"""Clients that go away in the middle of anything, and a relay that does: the bridge stands, forgets them, and has no fault of its own."""

import json
import random
import socket
import ssl
import time
from pathlib import Path

import pytest

from relay.test_relay_disguise import certificate
from support.homes import BridgeProcess, RelayProcess
from support.nginx import probe
from support.relay_client import Place
from whimbrel.wire.letters import ask_keys
from whimbrel.wire.texts import parse_address

pytestmark = pytest.mark.processes

CLIENTS = 400
UPGRADE = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"


def rude(port: int, path: str, chance: random.Random, inside: ssl.SSLContext | None) -> socket.socket:
    """Says a part of something, hears a part of the answer or none, and is gone, with or without a farewell."""
    raw: socket.socket = socket.create_connection(("127.0.0.1", port), 10)
    if inside is not None:
        raw = inside.wrap_socket(raw, server_hostname="localhost")
    letter = ask_keys()
    words = chance.choice(
        [
            f"GET {path} HTTP/1.1\r\nHost: x\r\n{UPGRADE}\r\n".encode()
            + b"\x82\x85\0\0\0\0hello" * chance.randint(0, 3),
            f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(letter)}\r\n\r\n".encode() + letter,
            f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n".encode() + bytes(50_000),
            b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" * 20,
            b"\x00\x01",
        ]
    )
    raw.sendall(words[: chance.choice([len(words), len(words) // 2, len(words)])])
    if chance.random() < 0.5:
        raw.settimeout(0.05)
        try:
            raw.recv(chance.choice([1, 100, 65536]))
        except OSError:
            pass
    if chance.random() < 0.5:
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    return raw


@pytest.mark.parametrize("tls", [False, True])
def test_a_bridge_stands_while_clients_and_the_relay_come_and_go(tmp_path: Path, tls: bool) -> None:
    chance = random.Random(7)
    cert, key = certificate(tmp_path)
    words = ["--cert", str(cert), "--key", str(key)] if tls else []
    inside = ssl._create_unverified_context() if tls else None
    with (
        RelayProcess(tmp_path / "relay") as relay,
        BridgeProcess(tmp_path / "bridge", relay.address, words=words) as bridge,
    ):
        path = parse_address(bridge.address).routes[0].path
        there: list[socket.socket] = []
        for n in range(CLIENTS):
            try:
                there.append(rude(bridge.port, path, chance, inside))
            except OSError:
                pass  # it was told to go
            while len(there) > 30:
                there.pop(chance.randrange(len(there))).close()
            if n == CLIENTS // 3:
                relay.kill()
            if n == CLIENTS // 2:
                relay.start()
        for one in there:
            one.close()
        time.sleep(1)
        assert probe(bridge.port, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", tls=tls).heard.startswith(
            b"HTTP/1.1 200"
        )
        if not tls:
            assert Place(bridge.address).keys().identity == parse_address(relay.address).relay
        assert bridge.program is not None
        program = bridge.program
        assert bridge.end() == 0
        events = [json.loads(line)["event"] for line in program.errors().splitlines()]
        assert set(events) <= {"started", "relay-away", "relay-back", "stopping", "stopped"}, program.errors()
