"""nats-server of Debian 12, core NATS: a message goes to who listens now, is kept nowhere and answered by nobody."""

from __future__ import annotations

import socket
from pathlib import Path

from .debian import need, version
from .process import Server, free_port


class Nats:
    name = "nats-server"

    def __init__(self, folder: Path, core: int | None) -> None:
        need("nats-server")
        self.port = free_port()
        self.server = Server(folder, ["/usr/sbin/nats-server", "-a", "127.0.0.1", "-p", str(self.port)], core)
        self.server.wait_for(self.port)

    @property
    def versions(self) -> dict[str, str | None]:
        return {"nats-server": version("nats-server")}

    def pids(self) -> list[int]:
        return self.server.pids()

    def stop(self) -> None:
        self.server.stop()


def connect(port: int, subject: str | None = None) -> socket.socket:
    """A client that is connected, and subscribed when a subject is given."""
    found = socket.create_connection(("127.0.0.1", port), 30)
    found.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    _until(found, b"\r\n")
    subscribed = b"" if subject is None else b"SUB " + subject.encode("ascii") + b" 1\r\n"
    found.sendall(b'CONNECT {"verbose":false,"pedantic":false}\r\n' + subscribed + b"PING\r\n")
    _until(found, b"PONG\r\n")
    return found


def publication(subject: str, payload: bytes) -> bytes:
    return b"PUB %s %d\r\n%s\r\n" % (subject.encode("ascii"), len(payload), payload)


def _until(sock: socket.socket, end: bytes) -> None:
    data = b""
    while not data.endswith(end):
        more = sock.recv(65536)
        assert more, "the server closed the connection"
        data += more
