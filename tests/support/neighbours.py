"""People whose clients run inside the test, on real homes, with a real relay beside them: to reach into them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from whimbrel.client.service import Service
from whimbrel.relay.server import Relay
from whimbrel.relay.settings import RelaySettings

PATIENCE_S = 20.0
Item = dict[str, Any]


async def ask(service: Service, method: str, **parameters: Any) -> list[Item]:
    """A call, to its end."""
    return [item async for item in service.call(method, parameters)]


async def until(holds: Callable[[], object], patience: float = PATIENCE_S) -> None:
    """Wait until something is so."""
    async with asyncio.timeout(patience):
        while not holds():  # noqa: ASYNC110 - what is waited for says nothing of itself
            await asyncio.sleep(0.01)


@dataclass
class Neighbours:
    """Two who know each other. A group of both is called Rope."""

    relay: Relay
    ada: Service
    bo: Service

    def texts(self, service: Service, chat: str) -> list[str]:
        """What a person's store has in a chat."""
        person = service.person()
        found = next(c for c in person.chats.values() if c.name == chat)
        return [row.text for row in service.shell.home.database.messages(found.id)]


@asynccontextmanager
async def neighbours(folder: Path) -> AsyncIterator[Neighbours]:
    async with AsyncExitStack() as stack:
        relay = Relay(RelaySettings(folder / "relay", "127.0.0.1", 0))
        await relay.start()
        stack.push_async_callback(relay.close)
        people = []
        for name in ("Ada", "Bo"):
            opened = Service.open(folder / name.lower(), embedded=False, wait=0)
            service = await stack.enter_async_context(opened)
            await ask(service, "init", name=name, relay=relay.address)
            people.append(service)
        ada, bo = people
        [invite] = await ask(ada, "invite")
        await ask(bo, "accept", invite=invite["invite"])
        await until(lambda: ada.person().contacts)
        await ask(ada, "group_new", name="Rope", persons=["Bo"])
        await until(lambda: any(chat.name == "Rope" for chat in bo.person().chats.values()))
        yield Neighbours(relay, ada, bo)
