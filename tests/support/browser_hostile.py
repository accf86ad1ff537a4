"""A server of somebody else on a port of loopback: serves whatever a test gives it, and writes down what it was sent."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


class HostileServer(http.server.ThreadingHTTPServer):
    def __init__(self, page: str) -> None:
        self.page = page
        self.cookies: list[str] = []
        self.told: list[str] = []
        super().__init__(("127.0.0.1", 0), _Handler)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/"


class _Handler(http.server.BaseHTTPRequestHandler):
    server: HostileServer

    def do_GET(self) -> None:
        self.server.cookies += self.headers.get_all("Cookie") or []
        self._answer(self.server.page.encode())

    def do_POST(self) -> None:
        self.server.cookies += self.headers.get_all("Cookie") or []
        length = int(self.headers.get("Content-Length") or 0)
        self.server.told.append(self.rfile.read(length).decode())
        self._answer(b"")

    def _answer(self, body: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass


@contextmanager
def hostile_server(page: str) -> Iterator[HostileServer]:
    server = HostileServer(page)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
