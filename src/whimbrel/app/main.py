"""The app as it stays up: the client, served on the socket in the home and on loopback, until it is told to end."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket as sockets
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from whimbrel.app import http, socket
from whimbrel.app.answers import Calls
from whimbrel.client.errors import CANNOT, ServiceError
from whimbrel.client.service import Service
from whimbrel.client.windows import Windows
from whimbrel.store.errors import StoreError

# What the app itself answers on the socket, beside the client's methods: a new link to its page.
PAGE_METHOD = "page"


@dataclass(frozen=True, slots=True)
class Ready:
    """Everything answers."""

    url: str
    """Opens the page, once."""
    moved_from: int | None = None
    """The port of the run before, which another program has now: windows that are open there know nothing of this."""


class _WithPage:
    """The client's methods, and the app's own."""

    def __init__(self, service: Calls, new_url: Callable[[], str]) -> None:
        self._service = service
        self._new_url = new_url

    async def call(self, method: str, params: dict[str, Any]) -> AsyncIterator[dict[str, Any]]:
        if method == PAGE_METHOD:
            yield {"url": self._new_url()}
            return
        items = cast(AsyncGenerator[dict[str, Any], None], self._service.call(method, params))
        async with aclosing(items):
            async for item in items:
                yield item


async def stay_up(
    service: Service,
    home: Path,
    port: int | None,
    on_ready: Callable[[Ready], None],
    stop: asyncio.Event,
    *,
    framed_by: str | None = None,
) -> None:
    """Serve until `stop`, or until there is nothing left to serve.

    `port` is the page's on 127.0.0.1: None takes the one of the run before, or any that is free and keeps it; 0 any that is
    free, for this run. `framed_by`: the origin that may show the page in a frame, for who starts the app within another program.
    Raises ServiceError when a port that was asked for is taken.
    """
    listening, moved_from = _listen(service.windows, port)
    page = http.Page(service, home, service.windows, service.shelf, framed_by=framed_by)
    address = f"http://127.0.0.1:{listening.getsockname()[1]}/"

    def new_url() -> str:
        return f"{address}?token={service.windows.link()}"

    async with asyncio.TaskGroup() as tasks:
        servers = (
            tasks.create_task(http.serve(listening, page)),
            tasks.create_task(socket.serve(socket.listen(home), _WithPage(service, new_url), home)),
        )
        on_ready(Ready(new_url(), moved_from))
        ends = [tasks.create_task(event.wait()) for event in (stop, service.over)]
        await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        if service.over.is_set():
            await asyncio.sleep(LAST_ANSWER_S)
        for task in (*servers, *ends):
            task.cancel()


LAST_ANSWER_S = 0.2
"""For the answer that says that this was the end."""


def _listen(windows: Windows, port: int | None) -> tuple[sockets.socket, int | None]:
    if port is not None:
        try:
            return http.listen(port), None
        except OSError as error:
            raise _port_taken(port, error) from error
    kept = windows.port()
    with contextlib.suppress(OSError):
        listening = http.listen(kept)
        if kept != listening.getsockname()[1]:
            windows.keep_port(listening.getsockname()[1])
        return listening, None
    listening = http.listen(0)
    windows.keep_port(listening.getsockname()[1])
    # Whoever has the old port may have been told our secrets by a window that was open there.
    with contextlib.suppress(StoreError):
        windows.cut_off()
    return listening, kept


def _port_taken(port: int, error: OSError) -> ServiceError:
    return ServiceError(
        "port-taken",
        f"Port {port} on 127.0.0.1 cannot be used: {os.strerror(error.errno) if error.errno else error}.",
        "Choose another one with --port, or leave it out: then a free one is taken.",
        CANNOT,
    )
