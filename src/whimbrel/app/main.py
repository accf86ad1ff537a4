"""The app as it stays up: the client, served on the socket in the home and on loopback, until it is told to end."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing
from pathlib import Path
from typing import Any, cast

from whimbrel.app import http, socket
from whimbrel.app.answers import Calls
from whimbrel.client.errors import CANNOT, ServiceError

# What the app itself answers on the socket, beside the client's methods: a new link to its page.
PAGE_METHOD = "page"


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
    service: Calls, home: Path, port: int, on_ready: Callable[[str], None], stop: asyncio.Event
) -> None:
    """Serve until `stop`. `on_ready` gets the url with its one-time token once everything answers.

    `port` is the page's on 127.0.0.1; 0 takes any that is free. Raises ServiceError when it is taken.
    """
    try:
        listening = http.listen(port)
    except OSError as error:
        raise _port_taken(port, error) from error
    page = http.Page(service, home)
    address = f"http://127.0.0.1:{listening.getsockname()[1]}/"

    def new_url() -> str:
        return f"{address}?token={page.gate.token()}"

    async with asyncio.TaskGroup() as tasks:
        servers = (
            tasks.create_task(http.serve(listening, page)),
            tasks.create_task(socket.serve(socket.listen(home), _WithPage(service, new_url), home)),
        )
        on_ready(new_url())
        await stop.wait()
        for server in servers:
            server.cancel()


def _port_taken(port: int, error: OSError) -> ServiceError:
    return ServiceError(
        "port-taken",
        f"Port {port} on 127.0.0.1 cannot be used: {os.strerror(error.errno) if error.errno else error}.",
        "Choose another one with --port, or leave it out: then a free one is taken.",
        CANNOT,
    )
