"""Bridges for tests: in this process, or by the address of a relay whose own ways are replaced by a bridge's."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

from whimbrel.bridge.server import Bridge, BridgeInfo
from whimbrel.bridge.settings import BridgeSettings
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
