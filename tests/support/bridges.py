"""Bridges for tests: in this process, or by the address of a relay whose own ways are replaced by a bridge's."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from support.homes import COMMAND, environment
from support.relay_client import Place
from whimbrel.bridge.server import Bridge, BridgeInfo
from whimbrel.bridge.settings import BridgeSettings
from whimbrel.wire.operations import Stat
from whimbrel.wire.texts import parse_address


@asynccontextmanager
async def bridging(settings: BridgeSettings) -> AsyncIterator[tuple[Bridge, BridgeInfo]]:
    """A bridge in this loop."""
    bridge, stop = Bridge(settings), asyncio.Event()
    ready: asyncio.Future[BridgeInfo] = asyncio.get_running_loop().create_future()
    async with asyncio.TaskGroup() as group:
        group.create_task(bridge.run(ready.set_result, stop))
        try:
            yield bridge, await ready
        finally:
            stop.set()


def only_through(bridge: str, relay: str) -> str:
    """The relay's address, as somebody has it who can reach the bridge alone."""
    there, here = parse_address(relay), parse_address(bridge)
    assert there.relay == here.relay
    assert here.admission is None
    return replace(there, routes=here.routes).text


def cut(folder: Path, text: str) -> tuple[int, dict[str, Any]]:
    """What `whimbrel bridge --cut` says: exit code and line."""
    words = [str(COMMAND), "bridge", "--data", str(folder), "--cut", text]
    done = subprocess.run(words, capture_output=True, env=environment(None), check=False, timeout=60)
    return done.returncode, json.loads(done.stdout)


async def gets_through(text: str) -> bool:
    """Whether a letter by the ways of this address is answered."""
    place = Place(text)
    try:
        [answer] = await asyncio.to_thread(place.exchange, Stat(os.urandom(32)))
    except Exception:
        return False
    return answer is not None
