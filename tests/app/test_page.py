"""The page's doors: the token, the cookie, the header, Host and Origin; and what is served behind them."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from support.small_service import BO, SmallService
from whimbrel.app import http


@dataclass
class Running:
    page: http.Page
    service: SmallService
    base: str
    session: aiohttp.ClientSession

    async def get(self, path: str, **headers: str) -> tuple[int, str]:
        async with self.session.get(self.base + path, headers=headers, allow_redirects=False) as response:
            return response.status, await response.text()

    async def post(self, path: str, body: object = None, **headers: str) -> tuple[int, str]:
        headers = {"X-Whimbrel": self.page.gate.page_secret, "Content-Type": "application/json"} | headers
        data = body if isinstance(body, bytes) else json.dumps(body or {}).encode()
        async with self.session.post(self.base + path, data=data, headers=headers) as response:
            return response.status, await response.text()

    async def enter(self) -> None:
        status, _ = await self.get(f"/?token={self.page.gate.token()}")
        assert status == 303


@pytest.fixture
async def app(tmp_path: Path) -> AsyncIterator[Running]:
    listening = http.listen(0)
    service = SmallService()
    page = http.Page(service, tmp_path)
    base = f"http://127.0.0.1:{listening.getsockname()[1]}"
    async with (
        aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as session,
        asyncio.TaskGroup() as tasks,
    ):
        server = tasks.create_task(http.serve(listening, page))
        await asyncio.sleep(0.01)
        yield Running(page, service, base, session)
        server.cancel()


async def test_a_token_opens_the_page_once(app: Running) -> None:
    token = app.page.gate.token()
    async with app.session.get(f"{app.base}/?token={token}", allow_redirects=False) as response:
        assert (response.status, response.headers["Location"]) == (303, f"/#{app.page.gate.page_secret}")
        cookie = response.headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie
    assert (await app.get("/"))[0] == 200
    app.session.cookie_jar.clear()
    assert (await app.get(f"/?token={token}"))[0] == 403


async def test_a_second_window_with_the_same_link_is_let_in_by_its_cookie(app: Running) -> None:
    token = app.page.gate.token()
    assert (await app.get(f"/?token={token}"))[0] == 303
    assert (await app.get(f"/?token={token}"))[0] == 303


async def test_the_oldest_link_stops_working_when_many_were_made(app: Running) -> None:
    tokens = [app.page.gate.token() for _ in range(17)]
    assert (await app.get(f"/?token={tokens[0]}"))[0] == 403
    assert (await app.get(f"/?token={tokens[1]}"))[0] == 303


async def test_every_handler_asks_for_the_cookie_and_the_api_for_the_header_too(app: Running) -> None:
    routes = [route for route in app.page.application.router.routes() if route.method != "HEAD"]
    assert len(routes) == 5
    secret = app.page.gate.page_secret
    for route in routes:
        path = route.resource.canonical.replace("{method}", "chats")  # type: ignore[union-attr]
        if path == "/page.css":
            continue
        async with app.session.request(
            route.method, app.base + path, headers={"X-Whimbrel": secret}
        ) as response:
            assert response.status == 403, path
    await app.enter()
    for route in routes:
        path = route.resource.canonical.replace("{method}", "chats")  # type: ignore[union-attr]
        async with app.session.request(route.method, app.base + path) as response:
            assert response.status == (403 if path.startswith("/api/") else 200), path
    assert app.service.asked == []


async def test_wrong_secrets_of_any_kind_open_nothing(app: Running) -> None:
    await app.enter()
    for wrong in ("", "x", "ü", app.page.gate.page_secret[:-1], "\udcff"):
        async with app.session.post(
            f"{app.base}/api/chats",
            json={},
            headers={"X-Whimbrel": wrong.encode("utf-8", "surrogateescape").decode("latin-1")},
        ) as response:
            assert response.status == 403
    assert app.service.asked == []


async def test_the_cookie_alone_never_leads_to_the_second_secret(app: Running) -> None:
    """Cookies do not know ports: a server on another one may have it, and may ask for whatever it likes."""
    token = app.page.gate.token()
    assert (await app.get(f"/?token={token}"))[0] == 303
    for path in ("/", "/page.js", "/page.css", f"/?token={token}", "/?token=", "/api/chats", "/api/events"):
        async with app.session.get(app.base + path, allow_redirects=False) as response:
            assert app.page.gate.page_secret not in await response.text() + str(response.headers), path


async def test_nothing_is_written_into_the_markup_of_the_page(app: Running) -> None:
    await app.enter()
    async with app.session.get(app.base + "/") as response:
        text = await response.text()
        policy = response.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "<script>" not in text
    assert "style=" not in text


@pytest.mark.parametrize(
    "path", ["/", "/page.js", "/page.css", "/api/chats", "/api/nothing", "/elsewhere", "/?token=x"]
)
async def test_every_answer_has_the_strict_headers(app: Running, path: str) -> None:
    async with app.session.get(app.base + path, allow_redirects=False) as response:
        assert {
            name: response.headers.get(name)
            for name in (
                "X-Content-Type-Options",
                "Referrer-Policy",
                "Cache-Control",
                "Cross-Origin-Resource-Policy",
            )
        } == {
            "X-Content-Type-Options": "nosniff",
            "Referrer-Policy": "no-referrer",
            "Cache-Control": "no-store",
            "Cross-Origin-Resource-Policy": "same-origin",
        }
        assert "frame-ancestors 'none'" in response.headers["Content-Security-Policy"]
        assert not any(name.startswith("Access-Control") for name in response.headers)


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:{port}", "127.0.0.1", "127.0.0.1:1", "[::1]:{port}", ""]
)
async def test_another_host_is_refused(app: Running, host: str) -> None:
    await app.enter()
    status, _ = await app.get("/", Host=host.format(port=app.base.rpartition(":")[2]))
    assert status in (400, 421)


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "http://127.0.0.1:1", "null", "http://localhost:{port}"]
)
async def test_another_origin_is_refused(app: Running, origin: str) -> None:
    await app.enter()
    origin = origin.format(port=app.base.rpartition(":")[2])
    assert (await app.post("/api/chats", Origin=origin))[0] == 403
    assert app.service.asked == []


async def test_what_a_browser_sends_for_another_site_is_refused_but_a_link_may_be_followed(
    app: Running,
) -> None:
    await app.enter()
    cross = {"Sec-Fetch-Site": "cross-site"}
    assert (await app.get("/page.js", **cross))[0] == 403
    assert (await app.post("/api/chats", **cross))[0] == 403
    assert (await app.get("/", **cross, **{"Sec-Fetch-Mode": "navigate"}))[0] == 200


async def test_a_call_is_answered_in_lines(app: Running) -> None:
    await app.enter()
    status, text = await app.post("/api/chats", {"some": "thing"}, Origin=app.base)
    assert status == 200
    assert [json.loads(line) for line in text.splitlines()] == [{"item": BO}, {"end": True}]
    assert app.service.asked == [("chats", {"some": "thing"})]


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"\xff", b"[" * 100_000])
async def test_a_bad_body_is_an_error_in_a_line(app: Running, body: bytes) -> None:
    await app.enter()
    status, text = await app.post("/api/chats", body or b" ")
    assert status == 200
    assert json.loads(text.splitlines()[-1])["error"]["error"] == "wrong-use"


async def test_the_api_takes_json_only(app: Running) -> None:
    """A form of another site could send text/plain without asking first."""
    await app.enter()
    assert (await app.post("/api/chats", **{"Content-Type": "text/plain"}))[0] == 415


async def test_events_stream_and_end_when_the_page_goes_away(app: Running) -> None:
    await app.enter()
    app.service.answers["read"] = [{"id": "1", "text": "hello"}]
    headers = {"X-Whimbrel": app.page.gate.page_secret}
    async with app.session.get(f"{app.base}/api/events?since=0f", headers=headers) as response:
        assert response.content_type == "text/event-stream"
        line = await response.content.readline()
        assert json.loads(line.removeprefix(b"data: ")) == {"item": {"id": "1", "text": "hello"}}
        assert app.service.asked == [("read", {"follow": True, "events": True, "since": "0f"})]
    await asyncio.wait_for(app.service.cancelled.wait(), 5)


async def test_two_homes_have_cookies_of_different_names(tmp_path: Path) -> None:
    names: set[Any] = {http.Gate(tmp_path / name).cookie_name for name in ("one", "two")}
    assert len(names) == 2
    assert http.Gate(tmp_path / "one").cookie_name in names


def test_it_listens_on_loopback_only() -> None:
    listening = http.listen(0)
    assert listening.getsockname()[0] == "127.0.0.1"
    listening.close()
