"""The page of the demo and what it asks, on loopback only.

The page itself holds nothing of anybody and is served to whoever asks. What it may do needs the token that stands behind the # of the
link, which a browser sends nowhere; the page sends it in a header. Other origins and other names of this computer are refused.
"""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import json
import secrets
import socket
import time
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from aiohttp import web

from demo import place
from demo.censor import Censor, Seen
from demo.people import Person
from demo.plain import Plain
from demo.switches import SWITCHES
from demo.talk import Talk
from demo.words import WORDS, language_of
from whimbrel.wire.errors import WireError
from whimbrel.wire.routes import parse_route

PAGE: Final = Path(__file__).parent / "page"
FILES: Final = {
    "/": ("index.html", "text/html"),
    "/demo.js": ("demo.js", "text/javascript"),
    "/demo.css": ("demo.css", "text/css"),
    "/icon.svg": ("icon.svg", "image/svg+xml"),
}
HEADER: Final = "X-Demo"
STEADY: Final = 0.1
"""Seconds between two looks at what is new: a page need not be told more often."""
HEARTBEAT: Final = 1.0
KEPT: Final = 200
"""Events that are kept for a page that is slow."""

_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Server:
    """`framed`: where the two apps' pages are."""

    def __init__(self, listening: socket.socket) -> None:
        self.token = secrets.token_urlsafe(32)
        self._listening = listening
        self.origin = f"http://127.0.0.1:{listening.getsockname()[1]}"
        self.url = f"{self.origin}/#{self.token}"
        self._events: deque[tuple[int, dict[str, Any]]] = deque(maxlen=KEPT)
        self._count = 0
        self._news = asyncio.Event()
        self._over = asyncio.Event()

    def show(
        self,
        people: tuple[Person, Person],
        pages: dict[str, str],
        censor: Censor,
        talk: Talk,
        ordinary: Plain,
    ) -> None:
        """What the page shows from now on. `pages`: the origin of each one's page."""
        self._people = {person.name: person for person in people}
        self._pages = pages
        self._censor = censor
        self._talk = talk
        self._ordinary = ordinary

    def saw(self, seen: Seen) -> None:
        if seen.person not in place.PEOPLE:
            return
        self._count += 1
        self._events.append((self._count, asdict(seen)))
        self._news.set()

    def changed(self) -> None:
        self._news.set()

    async def serve(self) -> None:
        """Until cancelled."""
        application = web.Application(middlewares=[self._doors])
        application.on_response_prepare.append(self._add_headers)
        application.on_shutdown.append(self._shutting_down)
        application.add_routes([web.get(path, self._file) for path in FILES])
        application.add_routes(
            [
                web.get("/api/people", self._who),
                web.get("/api/events", self._tell),
                web.post("/api/link", self._link),
                web.post("/api/switch", self._switch),
                web.post("/api/cut", self._cut),
                web.post("/api/talk", self._let_talk),
            ]
        )
        runner = web.AppRunner(
            application,
            access_log=None,
            handle_signals=False,
            handler_cancellation=True,
            shutdown_timeout=1.0,
        )
        await runner.setup()
        try:
            await web.SockSite(runner, self._listening).start()
            await asyncio.get_running_loop().create_future()
        finally:
            await runner.cleanup()

    async def _shutting_down(self, application: web.Application) -> None:
        self._over.set()
        self._news.set()

    # -- checks -------------------------------------------------------------------------------------------

    @web.middleware
    async def _doors(self, request: web.Request, handler: _Handler) -> web.StreamResponse:
        if f"http://{request.host}" != self.origin:
            raise web.HTTPMisdirectedRequest(text="This is not an address of the demo.\n")
        if request.headers.get("Origin", self.origin) != self.origin:
            raise web.HTTPForbidden(text="Another site cannot use the demo.\n")
        if request.path.startswith("/api/"):
            given = request.headers.get(HEADER, "").encode("utf-8", "surrogateescape")
            if not hmac.compare_digest(given, self.token.encode()):
                raise web.HTTPForbidden(text="The link on the terminal opens the demo.\n")
        return await handler(request)

    async def _add_headers(self, request: web.Request, response: web.StreamResponse) -> None:
        frames = " ".join(getattr(self, "_pages", {}).values()) or "'none'"
        response.headers.update(
            {
                "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
                f"img-src 'self'; frame-src {frames}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
                "X-Content-Type-Options": "nosniff",
                "Referrer-Policy": "no-referrer",
                "Cross-Origin-Resource-Policy": "same-origin",
                "Cache-Control": "no-store",
            }
        )

    # -- what is served -----------------------------------------------------------------------------------

    async def _file(self, request: web.Request) -> web.StreamResponse:
        name, kind = FILES[request.path]
        return web.Response(text=(PAGE / name).read_text(encoding="utf-8"), content_type=kind)

    async def _who(self, request: web.Request) -> web.StreamResponse:
        """What does not change: people, places, switches, words."""
        language = language_of(request.headers.get("Accept-Language", ""))
        words = WORDS[language]
        self._talk.lines = words.lines
        return web.json_response(
            {
                "language": language,
                "words": words.page,
                "people": [{"name": name, "page": self._pages[name]} for name in place.PEOPLE],
                "relay": {"name": place.RELAY_NAME, "addresses": place.RELAY},
                "bridges": [{"name": name, "address": address} for name, address in place.BRIDGES],
                "resolvers": [{"name": name, "address": address} for name, address in place.RESOLVERS],
                "switches": [
                    {
                        "key": one.key,
                        "measure": one.measure,
                        "link": one.link,
                        "title": words.switches[one.key].title,
                        "does": words.switches[one.key].does,
                        "where": words.switches[one.key].where,
                    }
                    for one in SWITCHES
                ],
            }
        )

    async def _link(self, request: web.Request) -> web.StreamResponse:
        """A new link to somebody's page, which works once, and the chat to open there."""
        who = (await _told(request)).get("who")
        if who not in self._people:
            raise web.HTTPBadRequest
        person = self._people[who]
        return web.json_response({"url": (await person.one("page"))["url"], "chat": person.chat})

    async def _switch(self, request: web.Request) -> web.StreamResponse:
        told = await _told(request)
        try:
            self._censor.switch(told["key"], told["on"] is True)
        except KeyError:
            raise web.HTTPBadRequest from None
        self._ordinary.look_again()
        return self._done()

    async def _cut(self, request: web.Request) -> web.StreamResponse:
        self._censor.cut()
        return self._done()

    async def _let_talk(self, request: web.Request) -> web.StreamResponse:
        self._talk.set((await _told(request)).get("on") is True)
        return self._done()

    def _done(self) -> web.StreamResponse:
        self._news.set()
        return web.json_response(self.state())

    async def _tell(self, request: web.Request) -> web.StreamResponse:
        """How things are, and what happened since the last line, a line of JSON each time, until the page goes."""
        response = web.StreamResponse(headers={"Content-Type": "application/jsonl"})
        await response.prepare(request)
        told = self._count
        with contextlib.suppress(ConnectionError):
            while not self._over.is_set():
                events = [event for number, event in self._events if number > told]
                told = self._count
                line = {"state": self.state(), "events": events}
                await response.write(json.dumps(line).encode() + b"\n")
                await asyncio.sleep(STEADY)
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(HEARTBEAT):
                        await self._news.wait()
                self._news.clear()
        return response

    # -- how things are -----------------------------------------------------------------------------------

    def state(self) -> dict[str, Any]:
        talk = self._talk
        now = time.monotonic()
        counts = list(talk.counts.values())
        waiting = [at for count in counts if (at := count.oldest_waiting()) is not None]
        return {
            "on": sorted(self._censor.border.on),
            "talk": talk.on,
            "written": sum(count.written for count in counts),
            "arrived": sum(count.arrived for count in counts),
            "waits": sum(count.waits for count in counts),
            "oldest": round(now - min(waiting), 1) if waiting else 0,
            "lost": sum(count.lost for count in counts),
            "doubled": sum(count.doubled for count in counts),
            "people": {name: self._of(name) for name in place.PEOPLE},
            "ordinary": {"outcome": self._ordinary.last, "took": round(self._ordinary.took, 1)},
        }

    def _of(self, name: str) -> dict[str, Any]:
        """The way that somebody's app says is up, where it leads, and the connections that the censor sees."""
        status = self._talk.statuses.get(name, {})
        own = next((way for way in status.get("ways", ()) if way["own"]), None)
        flows = [flow.address for flow in self._censor.open_flows(name)]
        way = own["way"] if own is not None and own["up"] else None
        return {
            "way": way,
            "to": self._leads_to(way, flows),
            "looks": _looks_of(way),
            "trouble": own["trouble"] if own is not None and not own["up"] else None,
            "pattern": own["pattern"] if own is not None else None,
            "waiting": status.get("waiting", 0),
            "flows": flows,
        }

    def _leads_to(self, way: str | None, flows: list[str]) -> str | None:
        """The address of a way: the one that it names, or for a way by name alone the one that is connected to."""
        if way is None:
            return None
        try:
            route = parse_route(way)
        except WireError:
            return None
        known = place.ZONE.get(route.host, ())
        if len(route.addresses) == 1:
            return route.addresses[0]
        return next((address for address in reversed(flows) if address in known), (*known, None)[0])


def _looks_of(way: str | None) -> list[str]:
    """What is done so that a way gets through, in words for the page's catalogue."""
    if way is None:
        return []
    try:
        route = parse_route(way)
    except WireError:
        return []
    looks: list[str] = [word for word in ("short", "frag", "system") if word in route.wrappers]
    if route.transport == "https" and "short" not in looks:
        looks.append("letters")
    if route.sni == "":
        looks.append("unnamed")
    return looks


async def _told(request: web.Request) -> dict[str, Any]:
    try:
        told = await request.json()
    except ValueError:
        raise web.HTTPBadRequest from None
    if request.content_type != "application/json" or not isinstance(told, dict):
        raise web.HTTPBadRequest
    return told
