"""The two people's apps as the demo asks them: over the socket in the home, as commands do."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import aclosing
from pathlib import Path
from typing import Any, Final

from whimbrel.app.channel import socket_path

Item = dict[str, Any]
LINE_MAX: Final = 16 * 1024 * 1024


class AppGone(Exception):
    """The app has ended."""


class Refused(Exception):
    """The app answered with an error."""


class Person:
    """One of the two, whose app runs on `home`."""

    def __init__(self, name: str, home: Path) -> None:
        self.name = name
        self.home = home
        self.chat = ""
        """The id of the chat with the other one, once there is one: names may be changed by a visitor."""

    async def ask(self, method: str, **parameters: Any) -> list[Item]:
        """A call of the app; what it answers. Raises Refused for its errors, AppGone when it has ended."""
        async with aclosing(self.items(method, **parameters)) as items:
            return [item async for item in items]

    async def one(self, method: str, **parameters: Any) -> Item:
        [item] = await self.ask(method, **parameters)
        return item

    async def items(self, method: str, **parameters: Any) -> AsyncGenerator[Item, None]:
        """The same, one by one as they come: `follow` has no end."""
        try:
            with socket_path(self.home) as path:
                reader, writer = await asyncio.open_unix_connection(path, limit=LINE_MAX)
        except OSError:
            raise AppGone from None
        try:
            writer.write(json.dumps({"method": method, "params": parameters}).encode() + b"\n")
            while line := await reader.readline():
                answer = json.loads(line)
                if "error" in answer:
                    raise Refused(answer["error"]["message"])
                if "item" not in answer:
                    return
                yield answer["item"]
            raise AppGone
        except OSError:
            raise AppGone from None
        finally:
            writer.close()
