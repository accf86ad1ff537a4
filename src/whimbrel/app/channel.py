"""The way between a command and the app that runs on the same home: what travels, and the command's end of it.

A Unix socket in the home, for its owner only. Both sides write lines of JSON: a request
`{"method": …, "params": {…}}` is answered by any number of `{"item": {…}}` and then one `{"end": true}` or
`{"error": {"error", "message", "do", "exit", "candidates"}}`. Requests may follow each other on one connection;
closing it cancels the one under way.

A command imports this file and nothing heavier, so that it is answered at once. The app's end is `socket.py`.
"""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

SOCKET_NAME = "socket"

# sun_path has 104 bytes on macOS and 108 on Linux, with the zero at its end.
_LONGEST_PATH = 103


class AppGone(Exception):
    """The app closed the connection before it had answered, or what answers there is none."""


@contextmanager
def socket_path(home: Path) -> Iterator[str]:
    """A path to the socket in the home that the system takes, however long the home's own path is."""
    path = os.path.join(home, SOCKET_NAME)
    if len(os.fsencode(path)) <= _LONGEST_PATH:
        yield path
        return
    folder = os.open(home, os.O_RDONLY | os.O_DIRECTORY)
    try:
        through = f"/proc/self/fd/{folder}"
        if os.path.isdir(through):
            yield f"{through}/{SOCKET_NAME}"
        else:
            yield from _path_from_inside(folder)
    finally:
        os.close(folder)


def _path_from_inside(folder: int) -> Iterator[str]:
    """Without /proc (macOS): from inside the folder. Binding and connecting do not wait, so nothing else runs then."""
    before = os.open(".", os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fchdir(folder)
        yield SOCKET_NAME
    finally:
        os.fchdir(before)
        os.close(before)


class Channel:
    """A command's connection to the app."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._lines = connection.makefile("rb")

    def ask(self, method: str, params: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """The app's answers to one request, as they stand in the lines. The last one is the end or an error.

        Raises AppGone.
        """
        try:
            self._connection.sendall(json.dumps({"method": method, "params": params}).encode("ascii") + b"\n")
            while True:
                answer = _parsed(self._lines.readline())
                if answer is None:
                    raise AppGone
                yield answer
                if "item" not in answer:
                    return
        except ConnectionError:
            raise AppGone from None

    def __enter__(self) -> Channel:
        return self

    def __exit__(self, *exception: object) -> None:
        self._lines.close()
        self._connection.close()


def _parsed(line: bytes) -> dict[str, Any] | None:
    """The object in a whole line."""
    try:
        answer = json.loads(line) if line.endswith(b"\n") else None
    except (ValueError, RecursionError):
        return None
    return answer if isinstance(answer, dict) else None


def reach_app(home: Path) -> Channel | None:
    """A channel to the app on this home; None where none runs, or none that is ours."""
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        with socket_path(home) as path:
            connection.connect(path)
    except (FileNotFoundError, NotADirectoryError, ConnectionRefusedError, PermissionError):
        connection.close()
        return None
    except BaseException:
        connection.close()
        raise
    return Channel(connection)
