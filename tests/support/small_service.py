"""A Service with the one method that the app and the commands use, and a memory of what it was asked."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from whimbrel.client.errors import AMBIGUOUS, ServiceError

BO = {"id": "b0" * 32, "name": "Bo", "kind": "pair", "unread": 2, "last": "2026-11-23T20:00:00Z"}


class SmallService:
    def __init__(self) -> None:
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.was_asked = asyncio.Event()
        self.cancelled = asyncio.Event()
        self.answers: dict[str, list[dict[str, Any]]] = {"chats": [BO], "status": [{"name": "Ada"}]}

    async def call(self, method: str, params: dict[str, Any]) -> AsyncIterator[dict[str, Any]]:
        self.asked.append((method, params))
        self.was_asked.set()
        if method == "verify":
            raise ServiceError("ambiguous", "Several people fit.", "Say more.", AMBIGUOUS, ["Bo", "Bob"])
        if method == "save":
            raise ZeroDivisionError("a secret value that nobody should see on a terminal")
        for answer in self.answers.get(method, []):
            yield answer
        if method == "follow" or (method == "read" and params.get("follow")):
            try:
                await asyncio.Event().wait()
            finally:
                self.cancelled.set()
