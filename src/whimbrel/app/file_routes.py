"""Files through the page: what people attach comes in sealed, and what they look at goes out under safe types and names.

Somebody else chose the bytes, the name and the type of a received file. Only raster pictures, sound and film are given
their own type; everything else (SVG, HTML, XML and PDF among it, which can run scripts or reach out) is `application/octet-stream`
and an attachment. No file is ever a page of our origin: each answer has a policy that puts it into a sandbox.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Iterator
from itertools import islice
from typing import Any, Protocol
from urllib.parse import quote

from aiohttp import web

from whimbrel.app.answers import line, told
from whimbrel.app.gate import Gate
from whimbrel.chat.composing import safe_file_name
from whimbrel.chat.refusal import CannotDo
from whimbrel.client.errors import NOT_FOUND, ServiceError
from whimbrel.client.files import FileChanged, opened
from whimbrel.client.shelf import Stored
from whimbrel.store.errors import StoreError

PICTURES = frozenset(("image/png", "image/jpeg", "image/gif", "image/webp", "image/avif"))
"""Those that browsers decode themselves and that hold no script."""
_PLAYED = re.compile(r"(audio|video)/[a-z0-9][a-z0-9.+-]{0,63}")
OTHER = "application/octet-stream"

POLICY = "default-src 'none'; sandbox"
PIECES_AT_ONCE = 16
SILENCE = 60.0
"""Seconds without a byte after which somebody who sends a file is given up."""

_RANGE = re.compile(r"bytes=(\d{0,19})-(\d{0,19})")
_STATUS = {
    "locked": 423,
    "not-found": 404,
    "file-too-large": 413,
    "too-many-files": 429,
    "home-full": 507,
    "upload-cut-off": 400,
}


class Shelf(Protocol):
    """Where files go to and come from: `whimbrel.client.shelf.Shelf`."""

    async def take(
        self, chat: str | None, name: str, type: str, size: int, content: AsyncIterator[bytes]
    ) -> dict[str, Any]: ...

    def stored(self, file: str) -> Stored: ...

    def picture(self, id: str) -> tuple[bytes, str] | None: ...


class FileRoutes:
    """POST /files, GET /files/ID, GET /files/picture/ID. The gate was passed before."""

    def __init__(self, shelf: Shelf, gate: Gate) -> None:
        self._shelf = shelf
        self._gate = gate

    def routes(self) -> list[web.RouteDef]:
        return [
            web.post("/files", self._take),
            web.get("/files/picture/{picture}", self._picture),
            web.get("/files/{file}", self._give),
        ]

    # ------------------------------------------------------------------------------------------------ in

    async def _take(self, request: web.Request) -> web.StreamResponse:
        """A file that is to be sent: sealed while it comes, never on the disk in clear."""
        size = request.content_length
        if size is None:
            raise web.HTTPLengthRequired(text="A file is sent with its length.\n")
        query = request.query
        try:
            item = await self._shelf.take(
                query.get("chat"),
                query.get("name", ""),
                query.get("type") or request.content_type,
                size,
                _body(request),
            )
        except (ServiceError, CannotDo, StoreError) as error:
            return _refused(error)
        return web.Response(status=201, body=line(item=item), content_type="application/json")

    # ----------------------------------------------------------------------------------------------- out

    async def _give(self, request: web.Request) -> web.StreamResponse:
        try:
            file = self._shelf.stored(request.match_info["file"])
        except (ServiceError, StoreError) as error:
            return _refused(error)
        headers = headers_of(file.name, file.type)
        headers |= {"ETag": f'"{file.id.hex()}"', "Accept-Ranges": "bytes"}
        start, stop, status = 0, file.size, 200
        asked = request.headers.get("Range")
        if asked is not None and _is_same(request, headers["ETag"]):
            try:
                part = range_of(asked, file.size)
            except OutOfRange:
                return web.Response(status=416, headers=headers | {"Content-Range": f"bytes */{file.size}"})
            if part is not None:
                (start, stop), status = part, 206
                headers["Content-Range"] = f"bytes {start}-{stop - 1}/{file.size}"
        response = web.StreamResponse(status=status, headers=headers)
        response.content_length = stop - start
        await self._send(request, response, file, start, stop)
        return response

    async def _send(
        self, request: web.Request, response: web.StreamResponse, file: Stored, start: int, stop: int
    ) -> None:
        pieces = opened(file.sealed, file.key, file.size, start, stop)
        try:
            first = await asyncio.to_thread(_some, pieces)
        except (FileChanged, OSError) as error:
            raise web.HTTPInternalServerError(
                text=f"The copy on this disk cannot be read: {error}.\n"
            ) from None
        await response.prepare(request)
        while first:
            await response.write(first)
            try:
                first = await asyncio.to_thread(_some, pieces)
            except (FileChanged, OSError):
                # Too late for a status: a connection that breaks off says that it is not whole.
                if request.transport is not None:
                    request.transport.abort()
                return
        await response.write_eof()

    async def _picture(self, request: web.Request) -> web.StreamResponse:
        try:
            found = self._shelf.picture(request.match_info["picture"])
        except (ServiceError, StoreError) as error:
            return _refused(error)
        if found is None:
            return _refused(ServiceError("not-found", "There is no such picture.", "", NOT_FOUND))
        data, type = found
        return web.Response(body=data, headers=headers_of("picture", type))


def headers_of(name: str, type: str) -> dict[str, str]:
    """How a file is shown or saved: its type where that is harmless, and a name that harms nobody."""
    plain = type.split(";", 1)[0].strip().lower()
    shown = plain in PICTURES or _PLAYED.fullmatch(plain) is not None
    return {
        "Content-Type": plain if shown else OTHER,
        "Content-Disposition": disposition("inline" if shown else "attachment", name),
        "Content-Security-Policy": POLICY,
        "Cache-Control": "no-store",  # what is sealed here is not to lie in the browser's cache in clear
    }


def disposition(kind: str, name: str) -> str:
    """RFC 6266: a name for those that read only ASCII, and the whole one (RFC 5987)."""
    safe = safe_file_name(name)
    ascii_only = re.sub(r"[^A-Za-z0-9 ._()+-]", "_", safe)
    return f"{kind}; filename=\"{ascii_only}\"; filename*=UTF-8''{quote(safe, safe='')}"


class OutOfRange(Exception):
    """Nothing of the file lies where it was asked for."""


def range_of(asked: str, size: int) -> tuple[int, int] | None:
    """The one range of bytes that is asked for (RFC 9110, 14.2), from and up to; None for what is not such a range: then the whole
    file is the answer. Raises OutOfRange."""
    found = _RANGE.fullmatch(asked.strip().lower())
    if found is None or found[1] == found[2] == "":
        return None
    if not found[1]:
        last = min(int(found[2]), size)
        if not last:
            raise OutOfRange
        return size - last, size
    start = int(found[1])
    stop = int(found[2]) + 1 if found[2] else size
    if found[2] and stop <= start:
        return None
    if start >= size:
        raise OutOfRange
    return start, min(stop, size)


def _is_same(request: web.Request, etag: str) -> bool:
    """What lies under an id never changes, so only another file's mark says that the whole is wanted."""
    return request.headers.get("If-Range") in (None, etag)


def _some(pieces: Iterator[bytes]) -> bytes:
    return b"".join(islice(pieces, PIECES_AT_ONCE))


async def _body(request: web.Request) -> AsyncIterator[bytes]:
    while True:
        try:
            async with asyncio.timeout(SILENCE):
                data = await request.content.readany()
        except (TimeoutError, web.RequestPayloadError, ConnectionError):
            return
        if not data:
            return
        yield data


def _refused(error: Exception) -> web.Response:
    answer = told(error)
    status = _STATUS.get(str(answer["error"]), 409) if answer is not None else 500
    return web.Response(status=status, body=line(error=answer), content_type="application/json")
