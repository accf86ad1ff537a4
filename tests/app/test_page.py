"""The page's doors: the token, the cookie, the header, Host and Origin; and what is served behind them."""

import asyncio
import gzip
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest

from support.small_service import BO, SmallService
from support.windows import EmptyShelf, MemoryFacts, windows
from whimbrel.app import http
from whimbrel.client.windows import TICKET_LIFE, TICKETS_MAX, Windows

SCRIPT = "console.log('the page');\n" * 50
BUILT = {
    "index.html": '<!doctype html><title>Whimbrel</title><script type="module" src="/assets/index-AbCd1234.js"></script>',
    "assets/index-AbCd1234.js": SCRIPT,
    "assets/index-AbCd1234.css": "body { margin: 0 }",
    "manifest.webmanifest": "{}",
    "icon.svg": "<svg xmlns='http://www.w3.org/2000/svg'/>",
    "sw.js": "// a worker",
}


@dataclass
class Running:
    page: http.Page
    service: SmallService
    shelf: EmptyShelf
    windows: Windows
    base: str
    session: aiohttp.ClientSession

    async def get(self, path: str, **headers: str) -> tuple[int, str]:
        async with self.session.get(self.base + path, headers=headers, allow_redirects=False) as response:
            return response.status, await response.text()

    async def post(self, path: str, body: object = None, **headers: str) -> tuple[int, str]:
        headers = {"X-Whimbrel": self.windows.header, "Content-Type": "application/json"} | headers
        data = body if isinstance(body, bytes) else json.dumps(body or {}).encode()
        async with self.session.post(self.base + path, data=data, headers=headers) as response:
            return response.status, await response.text()

    async def enter(self) -> None:
        status, text = await self.get(f"/?token={self.windows.link()}")
        assert (status, self.windows.header in text) == (200, True)


@pytest.fixture
def built(tmp_path: Path) -> Path:
    for name, text in BUILT.items():
        path = tmp_path / "built" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path / "built"


@pytest.fixture
async def app(tmp_path: Path, built: Path) -> AsyncIterator[Running]:
    listening = http.listen(0)
    service, shelf, allowed = SmallService(), EmptyShelf(), windows()
    page = http.Page(service, tmp_path, allowed, shelf, built)
    base = f"http://127.0.0.1:{listening.getsockname()[1]}"
    async with (
        aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as session,
        asyncio.TaskGroup() as tasks,
    ):
        server = tasks.create_task(http.serve(listening, page))
        await asyncio.sleep(0.01)
        yield Running(page, service, shelf, allowed, base, session)
        server.cancel()


# ------------------------------------------------------------------------------------------------ the doors


async def test_a_token_opens_the_page_once(app: Running) -> None:
    token = app.windows.link()
    async with app.session.get(f"{app.base}/?token={token}", allow_redirects=False) as response:
        text, cookie = await response.text(), response.headers["Set-Cookie"]
        assert (response.status, response.headers["Cache-Control"]) == (200, "no-store")
    assert f'content="0;url=/#{app.windows.header}"' in text
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie
    assert (await app.get("/"))[0] == 200
    app.session.cookie_jar.clear()
    assert (await app.get(f"/?token={token}"))[0] == 403


async def test_a_second_window_with_the_same_link_is_let_in_by_its_cookie_and_gets_no_secret(
    app: Running,
) -> None:
    token = app.windows.link()
    assert (await app.get(f"/?token={token}"))[0] == 200
    status, text = await app.get(f"/?token={token}")
    assert (status, app.windows.header in text) == (303, False)


async def test_the_oldest_link_stops_working_when_many_were_made(app: Running) -> None:
    tokens = [app.windows.link() for _ in range(17)]
    assert (await app.get(f"/?token={tokens[0]}"))[0] == 403
    assert (await app.get(f"/?token={tokens[1]}"))[0] == 200


FOR_ALL = {"/plain.css", "/manifest.webmanifest", "/icon.svg"}


async def test_every_handler_asks_for_the_cookie_and_the_api_for_the_header_too(app: Running) -> None:
    routes = [route for route in app.page.application.router.routes() if route.method != "HEAD"]
    assert len(routes) == 8
    paths = set()
    for route in routes:
        path = route.resource.canonical  # type: ignore[union-attr]
        path = path.replace("{method}", "chats").replace("{path}", "sw.js").replace("{file}", "0f")
        paths.add((route.method, path.replace("{picture}", "0f")))
    paths |= {("GET", "/" + name) for name in BUILT}
    for method, path in paths:
        async with app.session.request(
            method, app.base + path, headers={"X-Whimbrel": app.windows.header}
        ) as response:
            assert response.status == (200 if path in FOR_ALL else 403), path
    await app.enter()
    for method, path in paths:
        async with app.session.request(method, app.base + path) as response:
            inside = path.startswith(("/api/", "/files"))
            wanted = 403 if inside else 404 if path == "/index.html" else 200
            assert response.status == wanted, path
    assert app.service.asked == []
    assert app.shelf.asked == []


async def test_wrong_secrets_of_any_kind_open_nothing(app: Running) -> None:
    await app.enter()
    for wrong in ("", "x", "ü", app.windows.header[:-1], "\udcff"):
        async with app.session.post(
            f"{app.base}/api/chats",
            json={},
            headers={"X-Whimbrel": wrong.encode("utf-8", "surrogateescape").decode("latin-1")},
        ) as response:
            assert response.status == 403
    assert app.service.asked == []


async def test_the_cookie_alone_never_leads_to_the_second_secret(app: Running) -> None:
    """Cookies do not know ports: a server on another one may have it, and may ask for whatever it likes."""
    token = app.windows.link()
    assert (await app.get(f"/?token={token}"))[0] == 200
    paths = ["/", *(f"/{name}" for name in BUILT), "/plain.css", f"/?token={token}", "/?token=", "/api/chats"]
    for path in [*paths, "/api/follow", "/files/0f", "/files/0f?ticket=x", "/files/picture/0f"]:
        async with app.session.get(app.base + path, allow_redirects=False) as response:
            assert app.windows.header not in await response.text() + str(response.headers), path


async def test_the_header_alone_opens_nothing(app: Running) -> None:
    """Somebody who read the secret out of a window, and has no cookie."""
    assert (await app.post("/api/chats"))[0] == 403
    for path in ("/", "/api/follow", "/files/0f"):
        assert (await app.get(path, **{"X-Whimbrel": app.windows.header}))[0] == 403
    assert app.service.asked == []


async def test_two_homes_in_one_browser_and_a_stranger_on_a_third_port(
    app: Running, tmp_path: Path, built: Path
) -> None:
    """The browser has one jar for all ports of 127.0.0.1. Neither home takes the other's cookie or header for its own, and
    whoever sits on a third port has all cookies and nothing by them."""
    other_windows, other_service = windows("fedcba9876543210"), SmallService()
    listening = http.listen(0)
    other = http.Page(other_service, tmp_path, other_windows, EmptyShelf(), built)
    base = f"http://127.0.0.1:{listening.getsockname()[1]}"
    async with asyncio.TaskGroup() as tasks:
        server = tasks.create_task(http.serve(listening, other))
        await asyncio.sleep(0.01)
        await app.enter()
        async with app.session.get(f"{base}/?token={other_windows.link()}") as response:
            assert response.status == 200
        cookies = {cookie.key: cookie.value for cookie in app.session.cookie_jar}
        assert cookies == {
            app.windows.cookie_name: app.windows.cookie,
            other_windows.cookie_name: other_windows.cookie,
        }
        for at, header, status in (
            (app.base, app.windows.header, 200),
            (base, other_windows.header, 200),
            (app.base, other_windows.header, 403),
            (base, app.windows.header, 403),
        ):
            async with app.session.post(
                f"{at}/api/chats", json={}, headers={"X-Whimbrel": header}
            ) as response:
                assert response.status == status
        # The stranger was sent both cookies, and asks with them from where it is, as a page and as a program.
        stranger = {"Cookie": "; ".join(f"{name}={value}" for name, value in cookies.items())}
        async with aiohttp.ClientSession() as theirs:
            for headers in (stranger, stranger | {"Origin": "http://127.0.0.1:1", "X-Whimbrel": "x"}):
                for path in ("/api/chats", "/api/send", "/files"):
                    async with theirs.post(app.base + path, json={}, headers=headers) as response:
                        assert response.status == 403
        server.cancel()
    assert [method for method, _ in app.service.asked] == ["chats"]
    assert [method for method, _ in other_service.asked] == ["chats"]


async def test_windows_stay_in_over_a_restart_and_go_when_they_are_cut_off() -> None:
    facts = MemoryFacts()
    before = Windows(facts, "00")
    again = Windows(facts, "00")
    assert (again.cookie, again.header) == (before.cookie, before.header)
    again.keep_port(7001)
    thrown_out = []
    again.thrown_out.append(lambda: thrown_out.append(1))
    link = again.link()
    again.cut_off()
    assert not again.is_cookie(before.cookie)
    assert not again.is_header(before.header)
    assert not again.spend(link)
    assert thrown_out == [1]
    last = Windows(facts, "00")
    assert (last.cookie, last.header, last.port()) == (again.cookie, again.header, 7001)


def test_a_ticket_opens_one_file_for_a_while_and_there_are_never_too_many() -> None:
    allowed = windows()
    ticket = allowed.ticket(b"one", 0.0)
    assert allowed.is_ticket(ticket, b"one", TICKET_LIFE)
    assert not allowed.is_ticket(ticket, b"two", TICKET_LIFE)
    assert allowed.is_ticket(ticket, b"one", 2 * TICKET_LIFE)
    assert not allowed.is_ticket(ticket, b"one", 3 * TICKET_LIFE + 1)
    first = allowed.ticket(b"one", 4 * TICKET_LIFE)
    for _ in range(TICKETS_MAX):
        last = allowed.ticket(b"one", 4 * TICKET_LIFE)
    assert not allowed.is_ticket(first, b"one", 4 * TICKET_LIFE)
    assert allowed.is_ticket(last, b"one", 4 * TICKET_LIFE)
    allowed.close_files()
    assert not allowed.is_ticket(last, b"one", 4 * TICKET_LIFE)


# ----------------------------------------------------------------------------------------- policies, origins


async def test_nothing_is_written_into_the_markup_of_the_page(app: Running) -> None:
    await app.enter()
    for path in ("/", f"/?token={app.windows.link()}"):
        async with app.session.get(app.base + path) as response:
            text, policy = await response.text(), response.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        for word in ("unsafe", "data:", "http", "*"):
            assert word not in policy
        assert "<script>" not in text
        assert "style=" not in text


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/sw.js",
        "/plain.css",
        "/api/chats",
        "/api/nothing",
        "/elsewhere",
        "/?token=x",
        "/files/0f",
        "/icon.svg",
    ],
)
@pytest.mark.parametrize("inside", [True, False])
async def test_every_answer_has_the_strict_headers(app: Running, path: str, inside: bool) -> None:
    if inside:
        await app.enter()
    headers = {"X-Whimbrel": app.windows.header}
    async with app.session.get(app.base + path, allow_redirects=False, headers=headers) as response:
        found = response.headers
    assert {
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
        "Cache-Control": "no-store",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Cross-Origin-Opener-Policy": "same-origin",
    }.items() <= dict(found).items()
    assert "frame-ancestors 'none'" in found["Content-Security-Policy"]
    assert "camera=(self), microphone=(self)" in found["Permissions-Policy"]
    assert "geolocation=()" in found["Permissions-Policy"]
    assert not any(name.startswith("Access-Control") for name in found)


def test_a_page_may_be_framed_by_one_origin_alone_where_who_starts_it_says_so(
    tmp_path: Path, built: Path
) -> None:
    def policy(framed_by: str | None) -> list[str]:
        page = http.Page(SmallService(), tmp_path, windows(), EmptyShelf(), built, framed_by=framed_by)
        return page.headers["Content-Security-Policy"].split("; ")

    assert policy(None)[-1] == "frame-ancestors 'none'"
    assert policy("http://127.0.0.1:8000")[-1] == "frame-ancestors http://127.0.0.1:8000"
    assert policy(None)[:-1] == policy("http://127.0.0.1:8000")[:-1]


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:{port}",
        "127.0.0.1",
        "127.0.0.1:1",
        "[::1]:{port}",
        "",
        "127.0.0.1.evil.example:{port}",
    ],
)
@pytest.mark.parametrize("path", ["/", "/icon.svg", "/api/chats", "/files/0f"])
async def test_another_host_is_refused(app: Running, host: str, path: str) -> None:
    await app.enter()
    status, _ = await app.get(path, Host=host.format(port=app.base.rpartition(":")[2]))
    assert status in (400, 421)


@pytest.mark.parametrize(
    "origin",
    [
        "https://evil.example",
        "http://127.0.0.1:1",
        "null",
        "http://localhost:{port}",
        "https://127.0.0.1:{port}",
    ],
)
@pytest.mark.parametrize("path", ["/api/chats", "/files?name=x"])
async def test_another_origin_is_refused(app: Running, origin: str, path: str) -> None:
    await app.enter()
    origin = origin.format(port=app.base.rpartition(":")[2])
    assert (await app.post(path, Origin=origin))[0] == 403
    assert app.service.asked == []
    assert app.shelf.asked == []


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
async def test_what_a_browser_sends_for_another_site_is_refused_but_a_link_may_be_followed(
    app: Running, site: str
) -> None:
    await app.enter()
    cross = {"Sec-Fetch-Site": site}
    followed = {**cross, "Sec-Fetch-Mode": "navigate"}
    for path in ("/sw.js", "/icon.svg", "/files/0f?ticket=x"):
        assert (await app.get(path, **cross))[0] == 403
        assert (await app.get(path, **followed))[0] == 403
    assert (await app.post("/api/chats", **cross))[0] == 403
    assert (await app.get("/", **followed))[0] == 200


# --------------------------------------------------------------------------------------------------- the API


async def test_a_call_is_answered_in_lines(app: Running) -> None:
    await app.enter()
    status, text = await app.post("/api/chats", {"some": "thing"}, Origin=app.base)
    assert status == 200
    assert [json.loads(line) for line in text.splitlines()] == [{"item": BO}, {"end": True}]
    assert app.service.asked == [("chats", {"some": "thing"})]


async def test_ten_thousand_lines_come_whole_and_in_few_pieces(app: Running) -> None:
    await app.enter()
    app.service.answers["chats"] = [BO | {"n": n} for n in range(10_000)]
    headers = {"X-Whimbrel": app.windows.header}
    pieces = 0
    text = b""
    async with app.session.post(f"{app.base}/api/chats", json={}, headers=headers) as response:
        async for data, ended in response.content.iter_chunks():
            text += data
            pieces += ended
    assert [json.loads(line)["item"]["n"] for line in text.splitlines()[:-1]] == list(range(10_000))
    assert pieces < 100


async def test_a_line_that_is_followed_by_nothing_comes_at_once(app: Running) -> None:
    await app.enter()
    app.service.answers["read"] = [BO]
    headers = {"X-Whimbrel": app.windows.header}
    async with app.session.post(f"{app.base}/api/read", json={"follow": True}, headers=headers) as response:
        line = await asyncio.wait_for(response.content.readline(), 5)
        assert json.loads(line) == {"item": BO}
    await asyncio.wait_for(app.service.cancelled.wait(), 5)


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


async def test_changes_stream_and_end_when_the_page_goes_away(app: Running) -> None:
    await app.enter()
    app.service.answers["follow"] = [{"ready": True}]
    headers = {"X-Whimbrel": app.windows.header}
    async with app.session.get(f"{app.base}/api/follow", headers=headers) as response:
        assert response.content_type == "text/event-stream"
        line = await response.content.readline()
        assert json.loads(line.removeprefix(b"data: ")) == {"item": {"ready": True}}
        assert app.service.asked == [("follow", {})]
    await asyncio.wait_for(app.service.cancelled.wait(), 5)


async def test_silence_is_filled_so_that_a_dead_connection_is_noticed(
    app: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http, "HEARTBEAT_S", 0.05)
    await app.enter()
    headers = {"X-Whimbrel": app.windows.header}
    async with app.session.get(f"{app.base}/api/follow", headers=headers) as response:
        for _ in range(3):
            assert await asyncio.wait_for(response.content.readline(), 5) == b":\n"
            assert await asyncio.wait_for(response.content.readline(), 5) == b"\n"


async def test_who_is_thrown_out_hears_nothing_more(app: Running) -> None:
    await app.enter()
    app.service.answers["follow"] = [{"ready": True}]
    headers = {"X-Whimbrel": app.windows.header}
    async with app.session.get(f"{app.base}/api/follow", headers=headers) as response:
        await response.content.readline()
        app.windows.cut_off()
        rest = await asyncio.wait_for(response.content.read(), 5)
    assert rest == b"\n"
    await asyncio.wait_for(app.service.cancelled.wait(), 5)
    assert (await app.get("/"))[0] == 403


# -------------------------------------------------------------------------------------------------- the page


async def test_files_with_a_hash_in_their_names_are_kept_by_the_browser_and_the_page_is_not(
    app: Running,
) -> None:
    await app.enter()
    for path, kept in (("/", "no-store"), ("/sw.js", "no-store"), ("/assets/index-AbCd1234.js", "immutable")):
        async with app.session.get(app.base + path) as response:
            assert kept in response.headers["Cache-Control"], path


async def test_scripts_and_styles_come_compressed_where_the_browser_takes_it(
    app: Running, built: Path
) -> None:
    await app.enter()
    path = "/assets/index-AbCd1234.js"
    async with aiohttp.ClientSession(auto_decompress=False) as raw:
        cookie = {"Cookie": f"{app.windows.cookie_name}={app.windows.cookie}"}

        async def got(accepted: str) -> tuple[str | None, bytes]:
            headers = cookie | {"Accept-Encoding": accepted}
            async with raw.get(app.base + path, headers=headers) as response:
                assert response.headers["Content-Type"] == "text/javascript; charset=utf-8"
                return response.headers.get("Content-Encoding"), await response.read()

        encoding, data = await got("gzip, deflate, br")
        assert (encoding, gzip.decompress(data).decode()) == ("gzip", SCRIPT)
        assert len(data) < len(SCRIPT) / 2
        assert await got("identity") == (None, SCRIPT.encode())
        (built / f"{path[1:]}.br").write_bytes(b"as the build compressed it")
        assert await got("gzip, br") == ("br", b"as the build compressed it")


@pytest.mark.parametrize(
    "path",
    [
        "/../secret.txt",
        "/%2e%2e/secret.txt",
        "/assets/..%2f..%2fsecret.txt",
        "/link.txt",
        "/.hidden",
        "/" + "api" * 2000,
        "/assets",
    ],
)
async def test_nothing_outside_the_built_page_is_served(app: Running, built: Path, path: str) -> None:
    (built.parent / "secret.txt").write_text("secret")
    (built / ".hidden").write_text("secret")
    (built / "link.txt").symlink_to(built.parent / "secret.txt")
    await app.enter()
    reader, writer = await asyncio.open_connection("127.0.0.1", int(app.base.rpartition(":")[2]))
    host = app.base.removeprefix("http://")
    cookie = f"{app.windows.cookie_name}={app.windows.cookie}"
    writer.write(
        f"GET {path} HTTP/1.1\r\nHost: {host}\r\nCookie: {cookie}\r\nConnection: close\r\n\r\n".encode()
    )
    answer = await asyncio.wait_for(reader.read(), 5)
    writer.close()
    assert answer.startswith((b"HTTP/1.1 404", b"HTTP/1.1 403", b"HTTP/1.1 400"))
    assert b"secret" not in answer


async def test_a_page_that_was_not_built_yet_says_how(app: Running, built: Path) -> None:
    (built / "index.html").unlink()
    await app.enter()
    status, text = await app.get("/")
    assert (status, "make setup" in text) == (200, True)


def test_two_homes_have_cookies_of_different_names() -> None:
    assert windows("one").cookie_name != windows("two").cookie_name
    assert windows("one").cookie_name == windows("one").cookie_name


def test_it_listens_on_loopback_only() -> None:
    listening = http.listen(0)
    assert listening.getsockname()[0] == "127.0.0.1"
    listening.close()
