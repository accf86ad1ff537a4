"""The socket in the home through which commands reach the app that runs on it. `channel.py` says what travels."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
from pathlib import Path

from whimbrel.app.answers import Calls, answers, refusal
from whimbrel.app.channel import SOCKET_NAME, socket_path

# A text may have a megabyte, and JSON writes some characters in twelve bytes; nothing that a command asks is longer.
_LONGEST_REQUEST = 16 * 1024 * 1024
_REQUESTS_WAITING = 16


def listen(home: Path) -> socket.socket:
    """The socket, in the home that this process has locked: one that lies there was left by a process that is gone."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(home / SOCKET_NAME)
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        with socket_path(home) as path:
            listening.bind(path)
            os.chmod(path, 0o600)
        listening.listen(128)
        listening.setblocking(False)
    except BaseException:
        listening.close()
        raise
    return listening


async def serve(listening: socket.socket, service: Calls, home: Path) -> None:
    """Answer commands until cancelled; what is under way then is cancelled with it, and the socket goes."""
    over = False
    try:
        async with asyncio.TaskGroup() as connections:

            def on_connection(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                if over:  # it was accepted just before
                    writer.transport.abort()
                else:
                    connections.create_task(_serve_one(reader, writer, service, home))

            server = await asyncio.start_unix_server(on_connection, sock=listening, limit=_LONGEST_REQUEST)
            try:
                await asyncio.get_running_loop().create_future()
            finally:
                over = True
                server.close()
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(home / SOCKET_NAME)


async def _serve_one(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, service: Calls, home: Path
) -> None:
    """One command's connection. When the command goes away, what it asked for is cancelled."""
    requests: asyncio.Queue[bytes] = asyncio.Queue(_REQUESTS_WAITING)
    try:
        async with asyncio.TaskGroup() as tasks:
            answering = tasks.create_task(_answer_each(requests, writer, service, home))
            await _read_each(reader, requests)
            answering.cancel()
    finally:
        writer.close()


async def _read_each(reader: asyncio.StreamReader, requests: asyncio.Queue[bytes]) -> None:
    with contextlib.suppress(ConnectionError, ValueError):  # ValueError: longer than any request is
        while (line := await reader.readline()).endswith(b"\n"):
            await requests.put(line)


async def _answer_each(
    requests: asyncio.Queue[bytes], writer: asyncio.StreamWriter, service: Calls, home: Path
) -> None:
    with contextlib.suppress(ConnectionError):
        while True:
            request = _parsed(await requests.get())
            if request is None:
                writer.write(refusal("This is not a request that the app knows."))
            else:
                lines = answers(service, request.get("method"), request.get("params"), home)
                async with contextlib.aclosing(lines):
                    async for line in lines:
                        writer.write(line)
                        await writer.drain()
            await writer.drain()


def _parsed(line: bytes) -> dict[str, object] | None:
    try:
        request = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return request if isinstance(request, dict) else None
