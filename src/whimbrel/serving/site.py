"""The web site that strangers see: files of a folder, or a small one of our own, with the answers of an ordinary server.

All of it is read into memory at the start: no request ever touches a path on the disk. The answers are those of nginx with
its usual settings (order of headers, texts of errors, 405 for a POST to a page, `If-Modified-Since`, ranges), because that
is what most small sites show.
"""

from __future__ import annotations

import hashlib
import mimetypes
from dataclasses import dataclass
from email.utils import formatdate, parsedate_to_datetime
from http import HTTPStatus
from pathlib import Path
from urllib.parse import unquote_to_bytes

SITE_MAX = 64 * 1024 * 1024
"""Bytes of a site in all: it stays in memory."""
SERVER = "nginx"

_REASONS = {
    HTTPStatus.METHOD_NOT_ALLOWED: "Not Allowed",
    HTTPStatus.REQUEST_TIMEOUT: "Request Time-out",
    HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE: "Requested Range Not Satisfiable",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "Request Entity Too Large",
    HTTPStatus.SERVICE_UNAVAILABLE: "Service Temporarily Unavailable",
}


class SiteUnfit(Exception):
    """The folder given for the site cannot be used; says why."""


@dataclass(frozen=True, slots=True)
class Page:
    """One file of the site."""

    content: bytes
    content_type: str
    modified: int
    etag: str


@dataclass(frozen=True, slots=True)
class Answer:
    """What goes back: status, headers beside the general ones, content. `close`: the connection ends with it."""

    status: HTTPStatus
    headers: tuple[tuple[str, str], ...]
    content: bytes
    close: bool = False

    @property
    def reason(self) -> str:
        return _REASONS.get(self.status, self.status.phrase)


class Site:
    """Pages by their path. `scheme`: how this server is asked, for redirects."""

    def __init__(self, pages: dict[str, Page]) -> None:
        self._pages = pages
        self.scheme = "http"
        self._not_found = pages.get("/404.html")

    def answer(self, method: str, target: bytes, headers: dict[bytes, bytes]) -> Answer:
        """The answer to a request for `target` (as it came). `headers`: names in lower case."""
        path = _path_of(target)
        if path is None:
            return error(HTTPStatus.BAD_REQUEST, close=True)
        page = self._pages.get(path + "index.html" if path.endswith("/") else path)
        if method not in ("GET", "HEAD", "POST"):
            return error(HTTPStatus.METHOD_NOT_ALLOWED)
        if page is None:
            if path + "/index.html" in self._pages:
                return _moved(self.scheme, target, headers)
            return self.not_found()
        if method == "POST":
            return error(HTTPStatus.METHOD_NOT_ALLOWED)
        return _show(page, headers)

    def not_found(self) -> Answer:
        """What every unknown path answers, whatever the method that may ask for pages."""
        if self._not_found is not None:
            page = self._not_found
            return Answer(HTTPStatus.NOT_FOUND, (("Content-Type", page.content_type),), page.content)
        return error(HTTPStatus.NOT_FOUND)


def read_site(folder: Path) -> Site:
    """The site in a folder. Hidden files and links that lead out of it are left out. Raises SiteUnfit."""
    root = folder.resolve()
    if not root.is_dir():
        raise SiteUnfit("the folder given with --site does not exist")
    pages: dict[str, Page] = {}
    size = 0
    for path in sorted(root.rglob("*")):
        parts = path.relative_to(root).parts
        if any(part.startswith(".") for part in parts) or not path.resolve().is_relative_to(root):
            continue
        if path.is_file():
            content = path.read_bytes()
            size += len(content)
            if size > SITE_MAX:
                raise SiteUnfit(
                    f"the site is larger than {SITE_MAX // 1024 // 1024} MB, and it is kept in memory"
                )
            pages["/" + "/".join(parts)] = _page(content, path.name, int(path.stat().st_mtime))
    if "/index.html" not in pages:
        raise SiteUnfit("the folder given with --site has no index.html")
    return Site(pages)


def own_site(seed: bytes, made_at: int) -> Site:
    """A small site for who has given none. `seed` (32 bytes) chooses its words, so that not all of them are the same."""
    adjective = _pick(("Quiet", "Northern", "Little", "Open", "Grey", "Salt", "Early", "Wide"), seed[0])
    noun = _pick(("Estuary", "Harbour", "Garden", "Meadow", "Shore", "Orchard", "Island", "Lane"), seed[1])
    subject = _pick(("notes", "photographs", "recipes", "walks", "letters", "a diary"), seed[2])
    state = _pick(
        ("This site is being moved.", "Back in spring.", "More soon.", "Nothing new this month."), seed[3]
    )
    colour = f"#{seed[4] // 4 + 16:02x}{seed[5] // 3 + 40:02x}{seed[6] // 3 + 60:02x}"
    title = f"{adjective} {noun}"
    index = (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f'<title>{title}</title>\n<link rel="stylesheet" href="/style.css">\n</head>\n<body>\n'
        f"<h1>{title}</h1>\n<p>{subject.capitalize()}.</p>\n<p>{state}</p>\n</body>\n</html>\n"
    )
    style = (
        f"body {{ max-width: {30 + seed[7] % 12}em; margin: {2 + seed[8] % 4}em auto; padding: 0 1em;\n"
        f"  font: 1.05em/1.5 Georgia, serif; color: {colour}; }}\nh1 {{ font-weight: normal; }}\n"
    )
    modified = made_at - int.from_bytes(seed[9:12], "big") % (200 * 86_400)
    return Site(
        {
            "/index.html": _page(index.encode(), "index.html", modified),
            "/style.css": _page(style.encode(), "style.css", modified),
            "/robots.txt": _page(b"User-agent: *\nDisallow:\n", "robots.txt", modified),
        }
    )


def error(status: HTTPStatus, *, close: bool = False) -> Answer:
    """The page of an error, as nginx writes it."""
    reason = _REASONS.get(status, status.phrase)
    title = f"{status.value} {reason}"
    body = (
        f"<html>\r\n<head><title>{title}</title></head>\r\n<body>\r\n<center><h1>{title}</h1></center>\r\n"
        f"<hr><center>{SERVER}</center>\r\n</body>\r\n</html>\r\n"
    )
    return Answer(status, (("Content-Type", "text/html"),), body.encode(), close)


def head_of(answer: Answer, date: str, *, keep_alive: bool) -> bytes:
    """Status line and headers, in the order in which nginx sends them."""
    lines = [f"HTTP/1.1 {answer.status.value} {answer.reason}", f"Server: {SERVER}", f"Date: {date}"]
    later: list[str] = []
    for name, value in answer.headers:
        (later if name in ("ETag", "Accept-Ranges", "Content-Range") else lines).append(f"{name}: {value}")
        if name == "Content-Type":
            lines.append(f"Content-Length: {len(answer.content)}")
    lines.append("Connection: " + ("keep-alive" if keep_alive and not answer.close else "close"))
    return "\r\n".join([*lines, *later, "", ""]).encode("latin-1")


def _pick(words: tuple[str, ...], byte: int) -> str:
    return words[byte % len(words)]


def _page(content: bytes, name: str, modified: int) -> Page:
    kind = mimetypes.guess_type(name)[0] or "application/octet-stream"
    return Page(content, kind, modified, f'"{modified:x}-{len(content):x}"')


def _path_of(target: bytes) -> str | None:
    """The path of a request's target, without its query; None when no server would take it."""
    path = target.partition(b"?")[0]
    if path.startswith((b"http://", b"https://")):
        path = b"/" + path.split(b"/", 3)[3] if path.count(b"/") >= 3 else b"/"
    if not path.startswith(b"/"):
        return None
    raw = unquote_to_bytes(path)
    if b"\x00" in raw:
        return None
    parts: list[str] = []
    pieces = raw.decode("utf-8", "replace").split("/")[1:]
    for piece in pieces[:-1]:
        if piece == "..":
            if not parts:
                return None
            parts.pop()
        elif piece not in ("", "."):
            parts.append(piece)
    last = pieces[-1]
    if last == "..":
        if not parts:
            return None
        parts.pop()
    folder = "/" + "".join(part + "/" for part in parts)
    return folder if last in ("", ".", "..") else folder + last


def _moved(scheme: str, target: bytes, headers: dict[bytes, bytes]) -> Answer:
    path, mark, query = target.partition(b"?")
    host = headers.get(b"host", b"localhost").decode("latin-1")
    location = f"{scheme}://{host}{path.decode('latin-1')}/" + (mark + query).decode("latin-1")
    page = error(HTTPStatus.MOVED_PERMANENTLY)
    return Answer(page.status, (*page.headers, ("Location", location)), page.content)


def _show(page: Page, headers: dict[bytes, bytes]) -> Answer:
    modified = formatdate(page.modified, usegmt=True)
    general: tuple[tuple[str, str], ...] = (("Last-Modified", modified), ("ETag", page.etag))
    if _is_known(page, headers):
        return Answer(HTTPStatus.NOT_MODIFIED, general, b"")
    general = (("Content-Type", page.content_type), *general)
    wanted = headers.get(b"range")
    if wanted is not None and headers.get(b"if-range", page.etag.encode()) in (
        page.etag.encode(),
        modified.encode(),
    ):
        return _part(page, general, wanted)
    return Answer(HTTPStatus.OK, (*general, ("Accept-Ranges", "bytes")), page.content)


def _is_known(page: Page, headers: dict[bytes, bytes]) -> bool:
    tags = headers.get(b"if-none-match")
    if tags is not None:
        listed = [tag.strip().removeprefix(b"W/") for tag in tags.split(b",")]
        return b"*" in listed or page.etag.encode() in listed
    since = headers.get(b"if-modified-since")
    if since is None:
        return False
    try:
        # nginx compares exactly by default: only the very date that it has given counts.
        return int(parsedate_to_datetime(since.decode("latin-1")).timestamp()) == page.modified
    except (ValueError, TypeError, OverflowError):
        return False


def _part(page: Page, general: tuple[tuple[str, str], ...], wanted: bytes) -> Answer:
    """One range; what is not one range is answered as if none had been asked for."""
    size = len(page.content)
    whole = Answer(HTTPStatus.OK, (*general, ("Accept-Ranges", "bytes")), page.content)
    unit, _, spans = wanted.decode("latin-1").partition("=")
    first, dash, last = spans.strip().partition("-")
    if unit.strip() != "bytes" or not dash or not all(part.isascii() for part in (first, last)):
        return whole
    if not (first.isdigit() or first == "") or not (last.isdigit() or last == "") or first == last == "":
        return whole
    if len(first) > 18 or len(last) > 18:
        return whole
    if first == "":
        start, end = max(0, size - int(last)), size
        fits = int(last) > 0
    else:
        start, end = int(first), min(size, int(last) + 1) if last else size
        fits = start < end
    if not fits or start >= size:
        refusal = error(HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE)
        return Answer(
            refusal.status, (*refusal.headers, ("Content-Range", f"bytes */{size}")), refusal.content
        )
    span = ("Content-Range", f"bytes {start}-{end - 1}/{size}")
    return Answer(HTTPStatus.PARTIAL_CONTENT, (*general, span), page.content[start:end])


def seed_of(identity_private: bytes) -> bytes:
    """What chooses the words of the relay's own site."""
    return hashlib.sha256(b"whimbrel/1 site\x00" + identity_private).digest()
