"""mosquitto of Debian 12: MQTT 3.1.1, quality of service 1 on both ways (at least once, acknowledged on each leg).

In its favour: no limits on what is under way or queued, Nagle's algorithm off. Persistence is on as Debian ships it: written now and then, so an
acknowledged message is in memory, not on disk.
"""

from __future__ import annotations

import socket
import struct
from pathlib import Path

from .debian import need, version
from .process import Server, free_port

CONFIG = """
listener {port} 127.0.0.1
allow_anonymous true
persistence true
persistence_location {folder}/
max_inflight_messages 0
max_queued_messages 0
set_tcp_nodelay true
log_type error
user root
"""


class Mosquitto:
    name = "mosquitto, QoS 1"

    def __init__(self, folder: Path, core: int | None) -> None:
        need("mosquitto")
        self.port = free_port()
        config = folder / "mosquitto.conf"
        config.write_text(CONFIG.format(port=self.port, folder=folder))
        self.server = Server(folder, ["/usr/sbin/mosquitto", "-c", config], core)
        self.server.wait_for(self.port)

    @property
    def versions(self) -> dict[str, str | None]:
        return {"mosquitto": version("mosquitto")}

    def pids(self) -> list[int]:
        return self.server.pids()

    def stop(self) -> None:
        self.server.stop()


def connect(port: int, client: str, topic: str | None = None) -> socket.socket:
    """A client that is connected, and subscribed with QoS 1 when a topic is given."""
    found = socket.create_connection(("127.0.0.1", port), 30)
    found.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    found.sendall(_packet(0x10, _text("MQTT") + b"\x04\x02" + struct.pack(">H", 0) + _text(client)))
    assert _exactly(found, 4) == b"\x20\x02\x00\x00", "not connected"
    if topic is not None:
        found.sendall(_packet(0x82, b"\x00\x01" + _text(topic) + b"\x01"))
        assert _exactly(found, 5) == b"\x90\x03\x00\x01\x01", "not subscribed"
    return found


def publication(topic: str, number: int, payload: bytes) -> bytes:
    """A PUBLISH of QoS 1; numbers of packets start at 1 and come around."""
    return _packet(0x32, _text(topic) + struct.pack(">H", number % 65535 + 1) + payload)


def _packet(head: int, rest: bytes) -> bytes:
    size, length = len(rest), b""
    while True:
        size, low = size >> 7, size & 0x7F
        length += bytes((low | (0x80 if size else 0),))
        if not size:
            return bytes((head,)) + length + rest


def _text(text: str) -> bytes:
    return struct.pack(">H", len(text)) + text.encode("ascii")


def _exactly(sock: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        more = sock.recv(size - len(data))
        assert more, "the server closed the connection"
        data += more
    return data
