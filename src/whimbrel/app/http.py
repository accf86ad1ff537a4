"""The page and its API, on loopback only.

Three things stand between the API and everything else that runs on the machine or in the browser:

- *The cookie.* The url that the app prints has a token that works once; it is turned into a cookie that scripts cannot
  read. Cookies do not know ports, so its name holds an id of the home: two homes do not overwrite each other's.
- *The header.* A second secret is given away with the token's answer and never again, in the fragment of a url, which
  a browser keeps to itself. The page stores it under its origin, port included, and sends it in `X-Whimbrel`. Another
  program on another port of 127.0.0.1 is sent our cookie by the browser; with that alone nothing here answers to it.
- *Host and Origin.* A name of the network that was pointed at 127.0.0.1 (DNS rebinding) is another Host; a web site
  that sends something here is another Origin. Both are refused, and nothing is ever allowed across origins.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import hmac
import json
import secrets
import socket
from collections.abc import Awaitable, Callable
from importlib.resources import files
from pathlib import Path
from typing import Any

from aiohttp import web

from whimbrel.app.answers import Calls, answers

# A text may have a megabyte; files are named by their paths, so nothing larger is asked.
_LONGEST_REQUEST = 16 * 1024 * 1024
# So many links may be printed and not opened; the oldest one stops working then.
_TOKENS_AT_MOST = 16
# For what is under way when the app ends.
_LAST_ANSWERS_S = 1.0

_HEADERS = {
    # Nothing from anywhere else, nothing written into the page itself; the page cannot be framed or send a form.
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
    "Cache-Control": "no-store",
}

_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Gate:
    """The secrets of one run of the app, and who may pass with them."""

    def __init__(self, home: Path) -> None:
        digest = hashlib.sha256(str(home.resolve()).encode("utf-8", "surrogateescape")).hexdigest()
        self.cookie_name = f"whimbrel-{digest[:12]}"
        self._cookie = secrets.token_urlsafe(32)
        self.page_secret = secrets.token_urlsafe(32)
        self._tokens: list[str] = []

    def token(self) -> str:
        """A new one-time token."""
        self._tokens = [*self._tokens[-(_TOKENS_AT_MOST - 1) :], secrets.token_urlsafe(32)]
        return self._tokens[-1]

    def spend(self, token: str) -> bool:
        """True once for each token."""
        for known in self._tokens:
            if _equal(known, token):
                self._tokens.remove(known)
                return True
        return False

    def admit(self, response: web.StreamResponse) -> None:
        response.set_cookie(self.cookie_name, self._cookie, path="/", httponly=True, samesite="Strict")

    def has_cookie(self, request: web.Request) -> bool:
        return _equal(request.cookies.get(self.cookie_name, ""), self._cookie)

    def has_header(self, request: web.Request) -> bool:
        return _equal(request.headers.get("X-Whimbrel", ""), self.page_secret)


def _equal(one: str, other: str) -> bool:
    return hmac.compare_digest(
        one.encode("utf-8", "surrogateescape"), other.encode("utf-8", "surrogateescape")
    )


class Page:
    """The web application: what it serves, and the checks before that."""

    def __init__(self, service: Calls, home: Path) -> None:
        self.gate = Gate(home)
        self._service = service
        self._home = home
        self.application = web.Application(
            client_max_size=_LONGEST_REQUEST, middlewares=[self._headers, self._same_origin, self._doors]
        )
        self.application.add_routes(
            [
                web.get("/", self._index),
                web.get("/page.js", self._script),
                web.get("/page.css", self._style),
                web.get("/api/events", self._events),
                web.post("/api/{method}", self._call),
            ]
        )

    # -- checks, from outside in ---------------------------------------------------------------------------

    @web.middleware
    async def _headers(self, request: web.Request, handler: _Handler) -> web.StreamResponse:
        try:
            response = await handler(request)
        except web.HTTPException as refused:
            refused.headers.update(_HEADERS)
            raise
        if not response.prepared:
            response.headers.update(_HEADERS)
        return response

    @web.middleware
    async def _same_origin(self, request: web.Request, handler: _Handler) -> web.StreamResponse:
        """Only this origin, under its own names. A browser names the origin of whatever may change something."""
        host, port = request.host.rpartition(":")[::2]
        listening = request.transport.get_extra_info("sockname") if request.transport else None
        if host not in ("127.0.0.1", "localhost") or listening is None or port != str(listening[1]):
            raise web.HTTPMisdirectedRequest(text="This is not an address of Whimbrel.\n")
        origin = request.headers.get("Origin")
        if origin is not None and origin != f"http://{request.host}":
            raise web.HTTPForbidden(text="Another site cannot use Whimbrel.\n")
        site = request.headers.get("Sec-Fetch-Site", "none")
        if site not in ("none", "same-origin") and not _is_link(request):
            raise web.HTTPForbidden(text="Another site cannot use Whimbrel.\n")
        return await handler(request)

    @web.middleware
    async def _doors(self, request: web.Request, handler: _Handler) -> web.StreamResponse:
        """The cookie for everything but the looks of the page, and the header for the API. A token leads to a cookie."""
        token = request.query.get("token")
        if request.path == "/" and token is not None and request.method == "GET":
            return self._enter(token, request)
        if not self.gate.has_cookie(request) and request.path != "/page.css":
            raise web.HTTPForbidden(text=_page("closed.html"), content_type="text/html")
        if request.path.startswith("/api/") and not self.gate.has_header(request):
            raise web.HTTPForbidden(text="The API answers its own page only.\n")
        return await handler(request)

    def _enter(self, token: str, request: web.Request) -> web.StreamResponse:
        """The token leaves the address bar at once, and the page takes the second secret out of it."""
        if not self.gate.spend(token):
            if self.gate.has_cookie(request):
                raise web.HTTPSeeOther("/")
            raise web.HTTPForbidden(text=_page("closed.html"), content_type="text/html")
        response = web.Response(status=303, headers={"Location": f"/#{self.gate.page_secret}"})
        self.gate.admit(response)
        return response

    # -- what is served ------------------------------------------------------------------------------------

    async def _index(self, request: web.Request) -> web.StreamResponse:
        return web.Response(text=_page("index.html"), content_type="text/html")

    async def _script(self, request: web.Request) -> web.StreamResponse:
        return web.Response(text=_page("page.js"), content_type="text/javascript")

    async def _style(self, request: web.Request) -> web.StreamResponse:
        return web.Response(text=_page("page.css"), content_type="text/css")

    async def _call(self, request: web.Request) -> web.StreamResponse:
        """Any method of the client: its parameters as one JSON object in, lines of JSON out, as on the socket."""
        if request.content_type != "application/json":
            raise web.HTTPUnsupportedMediaType(text="The API takes application/json.\n")
        try:
            params = json.loads(await request.read() or b"{}")
        except (ValueError, RecursionError):
            params = None
        response = web.StreamResponse(headers={"Content-Type": "application/jsonl", **_HEADERS})
        await response.prepare(request)
        lines = answers(self._service, request.match_info["method"], params, self._home)
        async with contextlib.aclosing(lines):
            async for line in lines:
                await response.write(line)
        await response.write_eof()
        return response

    async def _events(self, request: web.Request) -> web.StreamResponse:
        """Messages and events as they come, as server-sent events; `?since=ID` goes on after a message."""
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream", **_HEADERS})
        await response.prepare(request)
        params: dict[str, Any] = {"follow": True, "events": True}
        if since := request.query.get("since"):
            params["since"] = since
        lines = answers(self._service, "read", params, self._home)
        async with contextlib.aclosing(lines):
            async for line in lines:
                await response.write(b"data: " + line + b"\n")
        return response


def _is_link(request: web.Request) -> bool:
    """Somebody pressed a link to the app, say in a mail with the url: they see the page, the site that had it nothing."""
    return request.method == "GET" and request.headers.get("Sec-Fetch-Mode") == "navigate"


def _page(name: str) -> str:
    return files("whimbrel.app").joinpath("page", name).read_text(encoding="utf-8")


def listen(port: int) -> socket.socket:
    """On 127.0.0.1 and nowhere else. Raises OSError when the port is taken."""
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(("127.0.0.1", port))
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
