"""A relay as a process and homes inside the bench: what several benches stand on."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from whimbrel.client.service import Service

COMMAND = Path(sys.executable).parent / "whimbrel"


@asynccontextmanager
async def relay(data: Path, *words: str, core: int | None = None) -> AsyncIterator[str]:
    """A relay process; its address. `core`: the only one that it may use."""
    pin = ["taskset", "-c", str(core)] if core is not None else []
    command = [*pin, str(COMMAND), "relay", "--data", str(data), "--listen", "127.0.0.1:0", *words]
    process = await asyncio.create_subprocess_exec(
        *command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    assert process.stdout is not None
    try:
        yield json.loads(await process.stdout.readline())["address"]
    finally:
        process.terminate()
        await process.wait()


async def one(service: Service, method: str, **params: Any) -> dict[str, Any]:
    """The one item that a call gives."""
    items = [item async for item in service.call(method, params)]
    assert len(items) == 1, items
    return items[0]


@asynccontextmanager
async def home(path: Path, name: str | None = None, relay: str | None = None) -> AsyncIterator[Service]:
    """A home, open as an app has it; with a name it gets an account on that relay."""
    async with Service.open(path, embedded=False, wait=0) as service:
        if name is not None:
            await one(service, "init", name=name, relay=relay)
        yield service


async def befriend(one_: Service, other: Service) -> None:
    """Each has a chat with the other."""
    invite = await one(one_, "invite")
    await one(other, "accept", invite=invite["invite"])
    assert await one_.shell.until(lambda: bool(one_.person().chats), 10)
    assert await one_.shell.settle(10)
    assert await other.shell.settle(10)
