"""A call of the client as lines of JSON: the same on the socket and for the page (`channel.py` says what they are)."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from pathlib import Path
from typing import Any, Protocol, cast

from whimbrel.app import unforeseen
from whimbrel.chat.refusal import CannotDo
from whimbrel.client.errors import CANNOT, ServiceError
from whimbrel.client.home_errors import store_error
from whimbrel.store.errors import StoreError

# Made once: `json.dumps` makes one for each line, which takes longer than writing it.
_JSON = json.JSONEncoder(ensure_ascii=True, separators=(",", ":"))


class Calls(Protocol):
    """What the app serves: `whimbrel.client.service.Service`, or in tests something with its one method."""

    def call(self, method: str, params: dict[str, Any]) -> AsyncIterator[dict[str, Any]]: ...


async def answers(service: Calls, method: object, params: object, home: Path) -> AsyncGenerator[bytes, None]:
    """The lines that answer one request, each with its line end. Whatever fails becomes the last line."""
    if not isinstance(method, str) or not isinstance(params, dict):
        yield refusal("This is not a request that the app knows.")
        return
    try:
        # Closed at once when the one who asked goes away, not when memory happens to be tidied up.
        items = cast(AsyncGenerator[dict[str, Any], None], service.call(method, params))
        async with aclosing(items):
            async for item in items:
                yield line(item=item)
    except Exception as error:
        yield line(error=_told(error, home))
    else:
        yield line(end=True)


def line(**answer: object) -> bytes:
    return _JSON.encode(answer).encode("ascii") + b"\n"


def refusal(message: str) -> bytes:
    """The answer to what is no request at all."""
    return line(
        error=_error("wrong-use", message, "Use the `whimbrel` command of the same version as the app.", 2)
    )


def the_only(error: BaseException) -> BaseException:
    """Task groups wrap what happened inside; the first thing that happened is what is told."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def told(error: BaseException) -> dict[str, object] | None:
    """An error that was foreseen, as it stands in the last line; None for others."""
    cause = the_only(error)
    if isinstance(cause, StoreError):
        cause = store_error(cause)
    if isinstance(cause, CannotDo):
        return _error(cause.code, str(cause), cause.do, CANNOT)
    if isinstance(cause, ServiceError):
        return _error(cause.code, cause.message, cause.do, cause.exit, cause.candidates)
    return None


def _told(error: Exception, home: Path) -> dict[str, object]:
    return told(error) or _error(unforeseen.CODE, unforeseen.told(error, home), unforeseen.DO, 1)


def _error(code: str, message: str, do: str, exit_code: int, candidates: object = ()) -> dict[str, object]:
    told: dict[str, object] = {"error": code, "message": message, "do": do, "exit": exit_code}
    if candidates:
        told["candidates"] = candidates
    return told
