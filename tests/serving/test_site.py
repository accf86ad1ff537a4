"""The web site: what it answers to what, as an ordinary server does."""

from email.utils import formatdate
from pathlib import Path

import pytest

from whimbrel.serving import site as sites
from whimbrel.serving.requests import Head, HeadReader, Refused
from whimbrel.serving.site import Reached, Site, SiteUnfit, own_site, read_site, refusal


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "index.html").write_text("<h1>home</h1>")
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "index.html").write_text("notes")
    (tmp_path / "a b.txt").write_text("0123456789")
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git" / "config").write_text("secret")
    return tmp_path


@pytest.fixture
def site(folder: Path) -> Site:
    return read_site(folder)


def ask(site: Site, target: str, method: str = "GET", **headers: str) -> tuple[int, bytes, dict[str, str]]:
    lines = {"host": "x", **{name.replace("_", "-"): value for name, value in headers.items()}}
    named = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    reader = HeadReader()
    try:
        assert reader.feed(f"{method} {target} HTTP/1.1\r\n{named}\r\n".encode()) == b""
    except Refused as refused:
        answer = refusal(refused.why, reader.head)
    else:
        answer = site.answer(reader.head, Reached("http", "127.0.0.1", 80))
    return int(answer.status), answer.content, dict(answer.headers)


@pytest.mark.parametrize(
    ("target", "status", "content"),
    [
        ("/", 200, b"<h1>home</h1>"),
        ("/index.html", 200, b"<h1>home</h1>"),
        ("/?q=1", 200, b"<h1>home</h1>"),
        ("//", 200, b"<h1>home</h1>"),
        ("/notes/", 200, b"notes"),
        ("/notes/../", 200, b"<h1>home</h1>"),
        ("/a%20b.txt", 200, b"0123456789"),
        ("/./a%20b.txt", 200, b"0123456789"),
        ("http://example/a%20b.txt", 200, b"0123456789"),
    ],
)
def test_pages_are_found_by_their_path(site: Site, target: str, status: int, content: bytes) -> None:
    assert ask(site, target)[:2] == (status, content)


@pytest.mark.parametrize(
    "target", ["/nothing", "/.git/config", "/notes/nothing", "/%2e%67it/config", "/%FF%FE"]
)
def test_what_is_not_there_is_not_found(site: Site, target: str) -> None:
    assert ask(site, target)[0] == 404


@pytest.mark.parametrize(
    "target", ["/../etc/passwd", "/%2e%2e/etc/passwd", "/notes/../../x", "/a%00b", "*", "/.."]
)
def test_paths_that_lead_out_are_bad_requests(site: Site, target: str) -> None:
    assert ask(site, target)[0] == 400


def test_a_link_that_leads_out_of_the_folder_is_no_page(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:  # fmt: skip
    outside = tmp_path_factory.mktemp("outside") / "key.pem"
    outside.write_text("private")
    (folder / "key.pem").symlink_to(outside)
    assert ask(read_site(folder), "/key.pem")[0] == 404


def test_a_folder_without_its_slash_is_moved(site: Site) -> None:
    status, _, headers = ask(site, "/notes?x=1", host="example.org")
    assert (status, headers["Location"]) == (301, "http://example.org/notes/?x=1")


@pytest.mark.parametrize(
    ("method", "target", "status"),
    [("POST", "/", 405), ("POST", "/nothing", 404), ("PUT", "/", 405), ("DELETE", "/nothing", 405), ("OPTIONS", "/", 405)],
)  # fmt: skip
def test_other_methods_are_answered_as_by_nginx(site: Site, method: str, target: str, status: int) -> None:
    assert ask(site, target, method)[0] == status


def test_what_is_known_is_not_sent_again(site: Site) -> None:
    _, _, headers = ask(site, "/")
    for condition in (
        {"if_none_match": headers["ETag"]},
        {"if_none_match": f'"other", W/{headers["ETag"]}'},
        {"if_none_match": "*"},
        {"if_modified_since": headers["Last-Modified"]},
        {"if_none_match": headers["ETag"], "if_modified_since": headers["Last-Modified"]},
    ):
        status, content, _ = ask(site, "/", **condition)
        assert (status, content) == (304, b"")
    for condition in (
        {"if_none_match": '"other"'},
        {"if_none_match": '"other"', "if_modified_since": headers["Last-Modified"]},
        {"if_modified_since": formatdate(0, usegmt=True)},
        {"if_modified_since": "yesterday"},
    ):
        assert ask(site, "/", **condition)[0] == 200


@pytest.mark.parametrize(
    ("wanted", "status", "content"),
    [
        ("bytes=0-3", 206, b"0123"),
        ("bytes=7-", 206, b"789"),
        ("bytes=-3", 206, b"789"),
        ("bytes=5-100", 206, b"56789"),
        ("bytes=10-", 416, None),
        ("bytes=5-3", 416, None),
        ("bytes=-0", 416, None),
        ("lines=0-1", 200, b"0123456789"),
        ("bytes=-", 416, None),
        ("bytes=a-b", 416, None),
        ("bytes=0-5,0-5", 200, b"0123456789"),
        ("bytes=" + "9" * 5000 + "-", 416, None),
    ],
)
def test_ranges(site: Site, wanted: str, status: int, content: bytes | None) -> None:
    found, body, headers = ask(site, "/a%20b.txt", range=wanted)
    assert found == status
    if content is not None:
        assert body == content
    if status == 206:
        assert headers["Content-Range"].endswith("/10")


def test_several_ranges_come_in_parts(site: Site) -> None:
    status, body, headers = ask(site, "/a%20b.txt", range="bytes=0-1,3-4")
    assert status == 206
    kind, boundary = headers["Content-Type"].split("; boundary=")
    assert kind == "multipart/byteranges"
    assert body.split(f"\r\n--{boundary}".encode())[1:] == [
        b"\r\nContent-Type: text/plain\r\nContent-Range: bytes 0-1/10\r\n\r\n01",
        b"\r\nContent-Type: text/plain\r\nContent-Range: bytes 3-4/10\r\n\r\n34",
        b"--\r\n",
    ]


def test_a_folder_without_an_index_is_forbidden_and_files_for_authorities_are_shown(folder: Path) -> None:
    (folder / "empty").mkdir()
    (folder / ".well-known").mkdir()
    (folder / ".well-known" / "x").write_text("y")
    site = read_site(folder)
    assert ask(site, "/empty/")[0] == 403
    assert ask(site, "/empty")[0] == 301
    assert ask(site, "/.well-known/x")[:2] == (200, b"y")


def test_heads_come_in_the_order_of_nginx(site: Site) -> None:
    answer = site.answer(Head("GET", b"/", b"/", version=1001), Reached("http", "x", 80))
    lines = sites.head_of(answer, "Mon, 23 Nov 2026 12:00:00 GMT", keep_alive=True).decode().split("\r\n")
    assert [line.partition(":")[0] for line in lines] == [
        "HTTP/1.1 200 OK",
        "Server",
        "Date",
        "Content-Type",
        "Content-Length",
        "Last-Modified",
        "Connection",
        "ETag",
        "Accept-Ranges",
        "",
        "",
    ]


def test_sites_that_cannot_be_used_say_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SiteUnfit, match="does not exist"):
        read_site(tmp_path / "nothing")
    with pytest.raises(SiteUnfit, match=r"index\.html"):
        read_site(tmp_path)
    (tmp_path / "index.html").write_text("x" * 100)
    monkeypatch.setattr(sites, "SITE_MAX", 50)
    with pytest.raises(SiteUnfit, match="larger"):
        read_site(tmp_path)


def test_relays_without_a_site_do_not_all_show_the_same() -> None:
    pages = {ask(own_site(bytes([n]) * 32, 1_800_000_000), "/")[1] for n in range(8)}
    assert len(pages) > 4
    one = own_site(b"s" * 32, 1_800_000_000)
    assert ask(one, "/style.css")[0] == 200
    assert b"whimbrel" not in ask(one, "/")[1].lower()
