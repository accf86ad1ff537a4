"""A party between apps and a relay, which they reach through it: it writes down what passes, and may meddle with it.

It stands for the network, or for whoever ends the TLS before a relay. Threads and sockets, beside the programs of a test.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from whimbrel.wire.texts import Address, parse_address

PIECE = 64 * 1024
Meddle = Callable[[bytes], bytes]
"""What becomes of a piece that passes."""


@dataclass
class Passage:
    """One connection: what the app sent, what the relay sent, and the port that the relay saw it come from."""

    port: int
    up: bytearray = field(default_factory=bytearray)
    down: bytearray = field(default_factory=bytearray)


class Middle:
    """Listens on a port of its own and carries each connection on to the relay, coming from `source`."""

    def __init__(self, address: str, source: str = "127.0.0.1") -> None:
        self._whole: Address = parse_address(address)
        route = self._whole.routes[0]
        self.relay = (route.host, route.port)
        self._source = source
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listening.getsockname()[1]
        self.passages: list[Passage] = []
        self.meddle: Callable[[], tuple[Meddle, Meddle]] = lambda: (_leave, _leave)
        """For each new connection, what becomes of pieces on their way up and down."""
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    @property
    def address(self) -> str:
        """The relay's address by this way."""
        routes = tuple(replace(route, host="127.0.0.1", port=self.port) for route in self._whole.routes)
        return replace(self._whole, routes=routes).text

    def cut(self) -> None:
        """End all connections that there are."""
        with self._lock:
            connections = list(self._open)
        for connection in connections:
            _end(connection)

    def __enter__(self) -> Middle:
        return self

    def __exit__(self, *exception: object) -> None:
        _end(self._listening)
        self._listening.close()
        self.cut()
        for thread in self._threads:
            thread.join(10)

    def _accept(self) -> None:
        while True:
            try:
                app, _ = self._listening.accept()
            except OSError:
                return
            try:
                relay = socket.create_connection(self.relay, 5, (self._source, 0))
            except OSError:
                app.close()
                continue
            relay.settimeout(None)
            passage = Passage(relay.getsockname()[1])
            self.passages.append(passage)
            up, down = self.meddle()
            with self._lock:
                self._open |= {app, relay}
            for args in ((app, relay, passage.up, up), (relay, app, passage.down, down)):
                thread = threading.Thread(target=self._carry, args=args, daemon=True)
                self._threads.append(thread)
                thread.start()

    def _carry(self, here: socket.socket, there: socket.socket, seen: bytearray, meddle: Meddle) -> None:
        try:
            while piece := here.recv(PIECE):
                seen += piece
                there.sendall(meddle(piece))
        except OSError:
            pass
        for connection in (here, there):
            _end(connection)
        with self._lock:
            self._open -= {here, there}


def _leave(piece: bytes) -> bytes:
    return piece


def _end(connection: socket.socket) -> None:
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass
