"""An app's side of the wire, just enough to talk to a real relay: streams over `websockets`, letters over `http.client`."""

from __future__ import annotations

import asyncio
import http.client
import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from websockets.asyncio.client import ClientConnection, connect

from whimbrel.wire import letters
from whimbrel.wire.answers import Pushed, Signalled
from whimbrel.wire.codec import decode_answers, encode_operations
from whimbrel.wire.keydoc import KeyDocument
from whimbrel.wire.operations import Operation
from whimbrel.wire.streams import Answered, ClientStream, KeysNeeded
from whimbrel.wire.texts import Address, parse_address


class Place:
    """A relay as its address describes it."""

    def __init__(self, text: str) -> None:
        self.address: Address = parse_address(text)
        self.route = self.address.routes[0]
        self.document: KeyDocument | None = None

    @property
    def url(self) -> str:
        return f"ws://{self.route.host}:{self.route.port}{self.route.path}"

    def post(self, letter: bytes, path: str | None = None) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection(self.route.host, self.route.port, timeout=40)
        try:
            connection.request("POST", path or self.route.path, letter)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def keys(self) -> KeyDocument:
        if self.document is None:
            status, answer = self.post(letters.ask_keys())
            assert status == 200
            self.document = letters.open_key_document(answer, self.address.relay)
        return self.document

    def exchange(self, *operations: Operation) -> list[Any]:
        """One letter and its answers."""
        sealed = letters.seal_request(self.keys(), encode_operations(operations), os.urandom(32))
        status, answer = self.post(sealed.letter)
        assert status == 200
        return decode_answers(letters.open_response(sealed, answer).answers)

    @asynccontextmanager
    async def stream(self, *operations: Operation) -> AsyncIterator[Stream]:
        """A stream whose first letter carries these operations."""
        async with connect(self.url, compression=None, max_size=None, ping_interval=None) as socket:
            stream = Stream(self, socket)
            await stream.open(operations)
            yield stream


class Stream:
    """One stream; whatever is pushed gathers in `pushed`, what is answered in `answered`."""

    def __init__(self, place: Place, socket: ClientConnection) -> None:
        self.place = place
        self.socket = socket
        self.first: tuple[Any, ...] = ()
        self.pushed: list[Pushed | Signalled] = []
        self.answered: dict[int, tuple[Any, ...]] = {}
        self._n = 0

    async def open(self, operations: Sequence[Operation]) -> None:
        if self.place.document is None:
            await self.socket.send(letters.ask_keys())
            shown = await self.socket.recv()
            assert isinstance(shown, bytes)
            self.place.document = letters.open_key_document(shown, self.place.address.relay)
        for _ in range(2):
            self.wire = ClientStream(self.place.document, os.urandom(64))
            await self.socket.send(self.wire.open(operations))
            try:
                await self.receive()
                break
            except KeysNeeded as needed:
                self.place.document = needed.document
        self.first = self.answered.pop(0)

    async def receive(self) -> None:
        data = await self.socket.recv()
        assert isinstance(data, bytes)
        for what in self.wire.receive(data):
            if isinstance(what, Answered):
                self.answered[what.n] = what.answers
            elif isinstance(what, (Pushed, Signalled)):
                self.pushed.append(what)

    async def send(self, *operations: Operation) -> int:
        self._n += 1
        await self.socket.send(self.wire.request(self._n, operations))
        return self._n

    async def answer(self, n: int) -> tuple[Any, ...]:
        async with asyncio.timeout(20):
            while n not in self.answered:
                await self.receive()
        return self.answered.pop(n)

    async def ask(self, *operations: Operation) -> tuple[Any, ...]:
        return await self.answer(await self.send(*operations))

    async def next_push(self, timeout: float = 10) -> Pushed | Signalled:
        async with asyncio.timeout(timeout):
            while not self.pushed:
                await self.receive()
        return self.pushed.pop(0)
