"""The page and its API, on loopback only. What a request must bring is asked for in `gate.py`."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

from aiohttp import web

from whimbrel.app.answers import Calls, answers
from whimbrel.app.file_routes import FileRoutes, Shelf
from whimbrel.app.gate import Gate
from whimbrel.app.page_files import PageFiles, is_for_all, page_folder, plain
from whimbrel.client.windows import Windows

# A text may have a megabyte; files come by a way of their own.
_LONGEST_REQUEST = 16 * 1024 * 1024
# For what is under way when the app ends.
_LAST_ANSWERS_S = 1.0
# Lines of an answer go out together when they are ready together.
_CHUNK = 64 * 1024
# A comment after so many seconds of silence: a page that hears nothing for twice as long knows that nobody is there.
HEARTBEAT_S = 15.0
# A window that takes nothing for so long is frozen or gone; when it wakes it begins anew.
_STUCK_S = 60.0

_NOBODY = (
    "accelerometer display-capture geolocation gyroscope hid magnetometer midi payment"
    " publickey-credentials-get screen-wake-lock serial usb xr-spatial-tracking"
)
# Nothing from anywhere else, nothing written into the page itself; the page cannot send a form, nor be framed unless by who starts it.
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; font-src 'self'; "
    "img-src 'self' blob:; media-src 'self' blob:; manifest-src 'self'; worker-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors "
)
_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(self), microphone=(self), "
    + ", ".join(f"{feature}=()" for feature in _NOBODY.split()),
    "Cache-Control": "no-store",
}

_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Page:
    """The web application: what it serves, and the checks before that."""

    def __init__(
        self,
        service: Calls,
        home: Path,
        windows: Windows,
        shelf: Shelf,
        folder: Path | None = None,
        *,
        framed_by: str | None = None,
    ) -> None:
        """`framed_by`: the origin whose pages may show this one in a frame; None: nobody's."""
        self.headers = _HEADERS | {"Content-Security-Policy": _POLICY + (framed_by or "'none'")}
        self.gate = Gate(windows)
        self._service = service
        self._home = home
        self._files = PageFiles(folder or page_folder())
        self._following: set[asyncio.Timeout] = set()
        windows.thrown_out.append(self._end_following)
        self.application = web.Application(
            client_max_size=_LONGEST_REQUEST, middlewares=[self._same_origin, self._doors]
        )
        self.application.on_response_prepare.append(self._add_headers)
        self.application.on_shutdown.append(self._shutting_down)
        self.application.add_routes(
            [
                web.get("/", self._index),
                web.get("/plain.css", self._style),
                web.get("/api/follow", self._follow),
                web.post("/api/{method}", self._call),
                *FileRoutes(shelf, self.gate).routes(),
                web.get("/{path:.+}", self._file),
            ]
        )

    # -- checks, from outside in ---------------------------------------------------------------------------

    @web.middleware
    async def _same_origin(self, request: web.Request, handler: _Handler) -> web.StreamResponse:
        self.gate.check_origin(request)
        return await handler(request)

    @web.middleware
    async def _doors(self, request: web.Request, handler: _Handler) -> web.StreamResponse:
        """The cookie for everything but the looks of the page, and the header for API and files. A token leads to a cookie."""
        if request.path == "/" and "token" in request.query and request.method == "GET":
            if (entered := self.gate.enter(request)) is not None:
                return entered
            if self.gate.has_cookie(request):
                raise web.HTTPSeeOther("/")
        if is_for_all(request.path):
            return await handler(request)
        if not self.gate.has_cookie(request):
            raise web.HTTPForbidden(text=plain("closed.html"), content_type="text/html")
        inside = request.path.startswith(("/api/", "/files/")) or request.path == "/files"
        if inside and not self.gate.has_header(request) and not self.gate.has_ticket(request):
            raise web.HTTPForbidden(text="The API answers its own page only.\n")
        return await handler(request)

    # -- what is served ------------------------------------------------------------------------------------

    async def _index(self, request: web.Request) -> web.StreamResponse:
        response = self._files.index()
        self.gate.admit(response)
        return response

    async def _style(self, request: web.Request) -> web.StreamResponse:
        return web.Response(text=plain("plain.css"), content_type="text/css")

    async def _file(self, request: web.Request) -> web.StreamResponse:
        return self._files.file(request.match_info["path"], request.headers.get("Accept-Encoding", ""))

    async def _call(self, request: web.Request) -> web.StreamResponse:
        """Any method of the client: its parameters as one JSON object in, lines of JSON out, as on the socket."""
        if request.content_type != "application/json":
            raise web.HTTPUnsupportedMediaType(text="The API takes application/json.\n")
        try:
            params = json.loads(await request.read() or b"{}")
        except (ValueError, RecursionError):
            params = None
        response = web.StreamResponse(headers={"Content-Type": "application/jsonl"})
        await response.prepare(request)
        lines = answers(self._service, request.match_info["method"], params, self._home)
        try:
            async with contextlib.aclosing(lines):
                await _send_joined(response, lines)
            await response.write_eof()
        except* ConnectionError:
            pass  # the page is gone
        return response

    async def _follow(self, request: web.Request) -> web.StreamResponse:
        """What changes, as server-sent events, until the window goes or the app ends."""
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        events = _Events(response)
        lines = answers(self._service, "follow", {}, self._home)
        try:
            async with asyncio.timeout(None) as thrown_out, contextlib.aclosing(lines):
                self._following.add(thrown_out)
                try:
                    await events.send(lines)
                finally:
                    self._following.discard(thrown_out)
        except* (TimeoutError, ConnectionError):
            pass  # thrown out, stuck, or gone
        return response

    def _end_following(self) -> None:
        now = asyncio.get_running_loop().time()
        for thrown_out in self._following:
            thrown_out.reschedule(now)

    async def _add_headers(self, request: web.Request, response: web.StreamResponse) -> None:
        """On every answer, just before it goes out, whoever made it."""
        for name, value in self.headers.items():
            response.headers.setdefault(name, value)

    async def _shutting_down(self, application: web.Application) -> None:
        self._end_following()


class _Events:
    """Server-sent events on one response."""

    def __init__(self, response: web.StreamResponse) -> None:
        self._response = response
        self._last = asyncio.get_running_loop().time()

    async def send(self, lines: AsyncIterator[bytes]) -> None:
        """All of them, and comments in between. Raises TimeoutError when the window takes nothing any more."""
        async with asyncio.TaskGroup() as tasks:
            heart = tasks.create_task(self._beat())
            async for line in lines:
                await self._write(b"data: " + line + b"\n")
            heart.cancel()

    async def _beat(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(max(0.0, self._last + HEARTBEAT_S - loop.time()))
            if loop.time() - self._last >= HEARTBEAT_S:
                await self._write(b":\n\n")

    async def _write(self, data: bytes) -> None:
        self._last = asyncio.get_running_loop().time()
        async with asyncio.timeout(_STUCK_S):
            await self._response.write(data)


async def _send_joined(response: web.StreamResponse, lines: AsyncIterator[bytes]) -> None:
    """Each line as soon as it is there, and those that are there together in one piece: thousands of small writes take longer
    than what they say."""
    waiting = bytearray()
    news, room = asyncio.Event(), asyncio.Event()
    over = False

    async def read() -> None:
        nonlocal over
        async for line in lines:
            waiting.extend(line)
            news.set()
            if len(waiting) >= _CHUNK:
                room.clear()
                await room.wait()
        over = True
        news.set()

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(read())
        while waiting or not over:
            await news.wait()
            news.clear()
            together = bytes(waiting)
            waiting.clear()
            room.set()
            if together:
                await response.write(together)


def listen(port: int) -> socket.socket:
    """On 127.0.0.1 and nowhere else. Raises OSError when the port is taken."""
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(("127.0.0.1", port))
        listening.listen(128)  # from here on whoever comes waits, and nobody else gets the port
    except BaseException:
        listening.close()
        raise
    return listening


async def serve(listening: socket.socket, page: Page) -> None:
    """Serve until cancelled."""
    # No access log: it would say who reads what. A page that goes away cancels what it asked for.
    runner = web.AppRunner(
        page.application,
        access_log=None,
        handle_signals=False,
        handler_cancellation=True,
        shutdown_timeout=_LAST_ANSWERS_S,
    )
    await runner.setup()
    try:
        await web.SockSite(runner, listening).start()
        await asyncio.get_running_loop().create_future()
    finally:
        await runner.cleanup()
