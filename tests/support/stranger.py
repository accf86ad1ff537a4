"""Somebody whose client runs inside the test and says whatever the test wants: true membership, untrue words.

Everything below the words is the real thing: home, MLS, relay. So what arrives at the other side was really sent.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Coroutine
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from whimbrel.chat import composing, content
from whimbrel.chat.composing import Attachment
from whimbrel.chat.content import MimiContent
from whimbrel.chat.conversation import Conversation
from whimbrel.chat.effects import Effects
from whimbrel.chat.person import Person
from whimbrel.chat.records import OutboxRow
from whimbrel.client.files import seal_file
from whimbrel.client.service import Service
from whimbrel.wire import cbor

T = TypeVar("T")
Item = dict[str, Any]
PATIENCE_S = 60.0

# A home of a test asks no keyring of the person who runs it.
os.environ.setdefault("PYTHON_KEYRING_BACKEND", "keyring.backends.null.Keyring")


class Stranger:
    """A person in a thread of their own. Use it as a context."""

    def __init__(self, folder: Path, name: str, relay: str) -> None:
        self.name = name
        self._folder, self._relay = folder, relay
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._over: asyncio.Event | None = None
        self._service: Service | None = None

    def __enter__(self) -> Stranger:
        self._thread.start()
        ready = threading.Event()
        self._running = asyncio.run_coroutine_threadsafe(self._run(ready), self._loop)
        assert ready.wait(PATIENCE_S), self._running
        if self._running.done():
            self._running.result()
        self.call("init", name=self.name, relay=self._relay)
        return self

    def __exit__(self, *_: object) -> None:
        if self._over is not None:
            self._loop.call_soon_threadsafe(self._over.set)
        self._running.result(PATIENCE_S)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(PATIENCE_S)
        self._loop.close()

    async def _run(self, ready: threading.Event) -> None:
        try:
            async with AsyncExitStack() as stack:
                opened = Service.open(self._folder, embedded=False, wait=0)
                self._service = await stack.enter_async_context(opened)
                self._over = asyncio.Event()
                ready.set()
                await self._over.wait()
        finally:
            ready.set()

    def _have(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(PATIENCE_S)

    # -- what anybody can do ------------------------------------------------------------------------------

    def call(self, method: str, **parameters: Any) -> list[Item]:
        """A call of the client, as its app would make it."""

        async def all_of_it() -> list[Item]:
            assert self._service is not None
            return [item async for item in self._service.call(method, parameters)]

        return self._have(all_of_it())

    # -- what nobody else can do --------------------------------------------------------------------------

    def post(self, chat: str, value: MimiContent | bytes) -> str:
        """Say this content, whatever it is; its id."""
        # Past the checks of `encode`: what it would refuse is what somebody else's program may send.
        body = value if isinstance(value, bytes) else content._encode(value)

        def deed(person: Person, now: int, fx: Effects) -> str:
            to = _chat(person, chat)
            try:
                id = composing.id_of(body, person.identity.account, to.id)
            except content.ContentError:
                id = os.urandom(32)
            to.put(OutboxRow(to.id, "content", cbor.encode([body, []]), id), fx)
            return id.hex()

        return self._do(deed)

    def give(
        self, chat: str, data: bytes, name: str, type: str, text: str = "", description: str = ""
    ) -> str:
        """Send a file under a name and of a type that it may not have."""

        async def staged() -> Attachment:
            assert self._service is not None
            blob, key = os.urandom(32), os.urandom(32)
            sealed = await self._service.shell.transfers.stage(blob)
            plain = self._folder / "plain"
            plain.write_bytes(data)
            digest = seal_file(plain, sealed, key, len(data))
            plain.unlink()
            return Attachment(b"", blob, key, len(data), digest, name, type, description)

        file = self._have(staged())

        def deed(person: Person, now: int, fx: Effects) -> str:
            to = _chat(person, chat)
            placed = replace(file, relay=person.relay_for_files(to))
            return person.send(to, text, [placed], None, now, fx).hex()

        return self._do(deed)

    def _do(self, deed: Any) -> Any:
        assert self._service is not None
        return self._have(self._service.shell.do(deed))


def _chat(person: Person, name: str) -> Conversation:
    return next(chat for chat in person.chats.values() if chat.name == name)
