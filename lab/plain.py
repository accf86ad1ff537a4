"""A plain client, as anybody would write it: the system's resolver, Python's own TLS, a WebSocket. It does nothing against a block,
and so it says whether there is one. A `bystander` does it."""

from __future__ import annotations

import asyncio
import http.client
import ssl
import time
import urllib.parse
from typing import Any

import websockets

PINGS = 10
PING_EVERY_S = 0.1
PING_BYTES = 100


async def chat(name: str, path: str, patience: float) -> dict[str, Any]:
    """Connect by name and have pings answered, each within the patience."""
    begun = time.monotonic()
    stage = "connect"
    try:
        async with websockets.connect(
            f"wss://{name}{path}",
            ssl=ssl.create_default_context(),
            open_timeout=patience,
            close_timeout=1,
            compression=None,
            proxy=None,
        ) as connection:
            stage = "talk"
            for _ in range(PINGS):
                async with asyncio.timeout(patience):
                    await (await connection.ping(b"x" * PING_BYTES))
                await asyncio.sleep(PING_EVERY_S)
    except (OSError, websockets.WebSocketException, TimeoutError, EOFError) as error:
        why = type(error).__name__
        return {"ok": False, "stage": stage, "why": why, "seconds": time.monotonic() - begun}
    return {"ok": True, "seconds": time.monotonic() - begun}


def get(url: str, patience: float) -> dict[str, Any]:
    """Fetch a page with all of its body."""
    begun = time.monotonic()
    parts = urllib.parse.urlsplit(url)
    connection = http.client.HTTPSConnection(
        parts.hostname or "", parts.port or 443, timeout=patience, context=ssl.create_default_context()
    )
    try:
        connection.request("GET", (parts.path or "/") + (f"?{parts.query}" if parts.query else ""))
        answer = connection.getresponse()
        body = answer.read()
    except (OSError, http.client.HTTPException) as error:
        return {"ok": False, "why": type(error).__name__, "seconds": time.monotonic() - begun}
    finally:
        connection.close()
    found = {"status": answer.status, "bytes": len(body), "seconds": time.monotonic() - begun}
    return {"ok": answer.status == http.client.OK, **found}
