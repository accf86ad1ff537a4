"""What commands and the page ask the client for: any method with any object of JSON, on a real home with its own relay."""

from __future__ import annotations

import asyncio
import atexit
import json
import tempfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from fuzz.target import Shape, target
from fuzz.targets._memory import folder, loop
from whimbrel.client.errors import ServiceError
from whimbrel.client.service import METHODS, Service

ROUND = 300
"""Inputs for one home; the next one is fresh."""
PATIENCE_S = 0.02
"""What takes longer (waiting for a relay, following a chat) is cancelled, as when the command goes away."""


class _House:
    """Somebody's running client, with a group and a message in it. It lives in one task of its own, from opening to closing."""

    def __init__(self) -> None:
        self.count = 0
        self._opened: asyncio.Future[Service] = loop().create_future()
        self._leave = asyncio.Event()
        self._life = loop().create_task(self._live())

    async def _live(self) -> None:
        home = Path(tempfile.mkdtemp(dir=folder())) / "home"
        async with Service.open(home, wait=0) as service:
            for method, params in _FURNITURE:
                async for _ in service.call(method, params):
                    pass
            self._opened.set_result(service)
            await self._leave.wait()

    async def service(self) -> Service:
        await asyncio.wait([self._life, self._opened], return_when=asyncio.FIRST_COMPLETED)
        if not self._opened.done():
            await self._life
        return self._opened.result()

    async def close(self) -> None:
        self._leave.set()
        await self._life


_FURNITURE: tuple[tuple[str, dict[str, Any]], ...] = (
    ("init", {"name": "Ada"}),
    ("group_new", {"name": "birds"}),
    ("send", {"chat": "birds", "text": "hello"}),
)
_houses: list[_House] = []


async def _house() -> _House:
    if _houses and _houses[0].count >= ROUND:
        await _houses.pop().close()
    if not _houses:
        _leave_at_the_end()
        _houses.append(_House())
    _houses[0].count += 1
    return _houses[0]


@cache
def _leave_at_the_end() -> None:
    """After the folder was made, so that it is there until the home in it is closed."""
    folder()
    atexit.register(_leave)


def _leave() -> None:
    while _houses:
        loop().run_until_complete(_houses.pop().close())


def _calls() -> Iterator[bytes]:
    for method, params in (
        ("status", {}),
        ("chats", {}),
        ("contacts", {}),
        ("invite", {"open": True}),
        ("send", {"chat": "birds", "text": "words", "wait": 0}),
        ("read", {"chat": "birds", "limit": 3, "events": True}),
        ("search", {"words": ["hello"], "limit": 5}),
        ("group_show", {"group": "birds"}),
    ):
        yield json.dumps([method, params]).encode()


_MORE = [
    json.dumps([method, {"name": "birds", "chat": "birds", "group": "birds"} | extra]).encode()
    for method in METHODS
    for extra in ({}, {"wait": "x", "limit": -1, "words": [1], "files": [{}], "text": "\ud800\x00"})
] + [
    b'["read", {"follow": true, "timeout": 1e999, "since": "00"}]',
    b'["save", {"message": "00000000", "dir": "a\\u0000b"}]',
    b'["verify", {"name": 5, "confirm": "yes"}]',
    b'["requests", {"action": "accept", "name": []}]',
    b'["accept", {"invite": "whimbrel:aeqa", "text": "x"}]',
    b'["search", {"words": "\\ud800"}]',
    b'["group_new", {"name": "\\u202e", "persons": ["birds"]}]',
    b'["send", {"chat": "birds", "text": "", "files": ["no/such"], "reply_to": "0000"}]',
]  # fmt: skip
_WORDS = (b"null", b"true", b"-1", b"1e999", b"NaN", b"[]", b"{}", b'"birds"', b'"\\ud800"', b'"\\u0000"', b"99999999999999999999", *(f'"{name}"'.encode() for name in METHODS))  # fmt: skip


@target(
    "client-call",
    "client.service.Service.call",
    seeds=_calls,
    starts=_MORE,
    shape=Shape.JSON,
    longest=8192,
    words=_WORDS,
)
def call(data: bytes) -> bool:
    """Any method with any parameters: items that JSON can hold, or a ServiceError; and the client goes on."""
    try:
        method, params = json.loads(data)
    except (ValueError, TypeError, RecursionError):
        return False
    if type(method) is not str or type(params) is not dict:
        return False
    # Files are read and written only where nothing of anybody's lies.
    if type(params.get("dir")) is str:
        params["dir"] = str(folder()) + "/" + params["dir"].replace("/", "_")
    if type(params.get("files")) is list:
        params["files"] = [one.replace("/", "_") if type(one) is str else one for one in params["files"]]
    return loop().run_until_complete(_call(method, params))


async def _call(method: str, params: dict[str, Any]) -> bool:
    service = await (await _house()).service()
    service.shell.trouble.clear()

    async def ask() -> bool:
        try:
            async for item in service.call(method, params):
                json.dumps(item)
        except ServiceError as told:
            words = (told.code, told.message)
        else:
            return True
        assert all(words)
        return False

    asking = asyncio.get_running_loop().create_task(ask())
    done, _ = await asyncio.wait([asking], timeout=PATIENCE_S)
    if not done:
        asking.cancel()
        await asyncio.wait([asking])
        taken = True
    else:
        taken = asking.result()
    assert not [one for one in service.shell.trouble if one["code"] == "internal"]
    return taken
