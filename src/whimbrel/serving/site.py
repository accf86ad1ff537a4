"""The web site that strangers see: files of a folder, or a small one of our own, with the answers of an ordinary server.

All of it is read into memory at the start: no request ever touches a path on the disk. The answers are those of nginx
(1.22.1, as Debian has it) with its usual settings, because that is what most small sites show; `tests/serving` compares them.
"""

from __future__ import annotations

import hashlib
import os
import re
import time
from dataclasses import dataclass, replace
from email.utils import formatdate
from functools import lru_cache
from http import HTTPStatus
from itertools import count
from pathlib import Path

from .kinds import kind_of
from .requests import HTTP_10, Head, Wrong
from .web_dates import seconds_of

SITE_MAX = 64 * 1024 * 1024
"""Bytes of a site in all: it stays in memory."""
SERVER = "nginx/1.22.1"
BODY_MAX = 1024 * 1024
"""client_max_body_size as it is without being set."""
OFFSET_MAX = (1 << 63) - 1

_REASONS = {
    HTTPStatus.METHOD_NOT_ALLOWED: "Not Allowed",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "Request Entity Too Large",
    HTTPStatus.REQUEST_URI_TOO_LONG: "Request-URI Too Large",
    HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE: "Requested Range Not Satisfiable",
    HTTPStatus.SERVICE_UNAVAILABLE: "Service Temporarily Unavailable",
}
_ENDS = frozenset(
    (
        HTTPStatus.BAD_REQUEST,
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        HTTPStatus.REQUEST_URI_TOO_LONG,
        HTTPStatus.INTERNAL_SERVER_ERROR,
        HTTPStatus.NOT_IMPLEMENTED,
    )
)
"""Errors after which a connection ends."""
_PADDING = b"<!-- a padding to disable MSIE and Chrome friendly error page -->\r\n" * 6


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
    """What goes back: status, headers beside the general ones, content. `close`: the connection ends with it. `asks_on`: a
    client that waits for "100 Continue" gets it first. `breaks_off`: it ends although it says otherwise."""

    status: HTTPStatus
    headers: tuple[tuple[str, str], ...]
    content: bytes
    close: bool = False
    asks_on: bool = False
    breaks_off: bool = False

    @property
    def reason(self) -> str:
        return _REASONS.get(self.status, self.status.phrase)


@dataclass(frozen=True, slots=True)
class Reached:
    """How this server was reached, for redirects: scheme, and its own address and port."""

    scheme: str
    address: str
    port: int


class Site:
    """Pages by their path."""

    def __init__(self, pages: dict[bytes, Page]) -> None:
        self._pages = {path: page for path, page in pages.items() if page is not _FOLDER}
        self._folders = {b"/"} | {path for path, page in pages.items() if page is _FOLDER}
        for path in pages:
            while path != b"/":
                path = path.rstrip(b"/").rpartition(b"/")[0] + b"/"
                self._folders.add(path)
        self._boundaries = count(0, 123_456)

    def answer(self, head: Head, reached: Reached) -> Answer:
        """The answer to a request that names no way."""
        if head.length > BODY_MAX:
            return error(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, head)
        path, method = head.path, head.method
        if path.endswith(b"/") and method in ("GET", "HEAD", "POST"):
            if path not in self._folders:
                return error(HTTPStatus.NOT_FOUND, head)
            path += b"index.html"
            if path not in self._pages:
                return error(HTTPStatus.FORBIDDEN, head)
        if method not in ("GET", "HEAD", "POST"):
            return error(HTTPStatus.METHOD_NOT_ALLOWED, head)
        page = self._pages.get(path)
        if page is None:
            if path + b"/" in self._folders:
                return _moved(head, reached)
            return error(HTTPStatus.NOT_FOUND, head)
        if method == "POST":
            return error(HTTPStatus.METHOD_NOT_ALLOWED, head)
        return self._show(page, head)

    def _show(self, page: Page, head: Head) -> Answer:
        headers = head.headers
        modified = formatdate(page.modified, usegmt=True)
        known = (("Last-Modified", modified), ("ETag", page.etag))
        unless = headers.get(b"if-unmodified-since")
        match = headers.get(b"if-match")
        if unless is not None and seconds_of(unless) < page.modified:
            return _precondition_failed(head)
        if match is not None and not _names(match, page.etag, weakly=False):
            return _precondition_failed(head)
        since = headers.get(b"if-modified-since")
        other = headers.get(b"if-none-match")
        if (
            (since is not None or other is not None)
            and (since is None or seconds_of(since) == page.modified)
            and (other is None or _names(other, page.etag, weakly=True))
        ):
            return Answer(HTTPStatus.NOT_MODIFIED, known, b"", asks_on=True)
        described = (("Content-Type", page.content_type), *known)
        whole = Answer(HTTPStatus.OK, (*described, ("Accept-Ranges", "bytes")), page.content, asks_on=True)
        wanted = headers.get(b"range", b"")
        if head.version < HTTP_10 or len(wanted) < 7 or wanted[:6].lower() != b"bytes=":
            return whole
        if (condition := headers.get(b"if-range")) is not None:
            if len(condition) >= 2 and condition.endswith(b'"'):
                if condition != page.etag.encode():
                    return whole
            elif seconds_of(condition) != page.modified:
                return whole
        size = len(page.content)
        ranges = ranges_of(wanted[6:], size)
        if ranges is None:
            return whole
        if not ranges:
            refusal = error(HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, head)
            span = ("Content-Range", f"bytes */{size}")
            return Answer(refusal.status, (*refusal.headers, span), refusal.content, asks_on=True)
        if len(ranges) == 1:
            [(start, end)] = ranges
            span = ("Content-Range", f"bytes {start}-{end - 1}/{size}")
            return Answer(
                HTTPStatus.PARTIAL_CONTENT, (*described, span), page.content[start:end], asks_on=True
            )
        boundary = f"{next(self._boundaries):020d}"
        parts = [
            f"\r\n--{boundary}\r\nContent-Type: {page.content_type}\r\n"
            f"Content-Range: bytes {start}-{end - 1}/{size}\r\n\r\n".encode()
            + page.content[start:end]
            for start, end in ranges
        ]
        content = b"".join(parts) + f"\r\n--{boundary}--\r\n".encode()
        kind = ("Content-Type", f"multipart/byteranges; boundary={boundary}")
        return Answer(HTTPStatus.PARTIAL_CONTENT, (kind, *known), content, asks_on=True)


def read_site(folder: Path) -> Site:
    """The site in a folder. Hidden files (but for `.well-known`) and links that lead out of it are left out. Raises SiteUnfit."""
    root = folder.resolve()
    if not root.is_dir():
        raise SiteUnfit("the folder given with --site does not exist")
    pages: dict[bytes, Page] = {}
    size = 0
    for path in sorted(root.rglob("*")):
        parts = path.relative_to(root).parts
        hidden = any(part.startswith(".") and part != ".well-known" for part in parts)
        if hidden or not path.resolve().is_relative_to(root):
            continue
        if path.is_file():
            content = path.read_bytes()
            size += len(content)
            if size > SITE_MAX:
                raise SiteUnfit(
                    f"the site is larger than {SITE_MAX // 1024 // 1024} MB, and it is kept in memory"
                )
            name = b"/" + b"/".join(os.fsencode(part) for part in parts)
            pages[name] = make_page(content, path.name, int(path.stat().st_mtime))
        elif path.is_dir():
            pages.setdefault(b"/" + b"/".join(os.fsencode(part) for part in parts) + b"/", _FOLDER)
    if b"/index.html" not in pages:
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
            b"/index.html": make_page(index.encode(), "index.html", modified),
            b"/style.css": make_page(style.encode(), "style.css", modified),
            b"/robots.txt": make_page(b"User-agent: *\nDisallow:\n", "robots.txt", modified),
        }
    )


def seed_of(identity_private: bytes) -> bytes:
    """What chooses the words of the relay's own site."""
    return hashlib.sha256(b"whimbrel/1 site\x00" + identity_private).digest()


def error(status: HTTPStatus, head: Head, said: str = "") -> Answer:
    """The page of an error. `said`: what it has beside the status."""
    title = f"{status.value} {_REASONS.get(status, status.phrase)}"
    body = (
        f"<html>\r\n<head><title>{f'{status.value} {said}' if said else title}</title></head>\r\n<body>\r\n"
        f"<center><h1>{title}</h1></center>\r\n"
        + (f"<center>{said}</center>\r\n" if said else "")
        + f"<hr><center>{SERVER}</center>\r\n</body>\r\n</html>\r\n"
    ).encode()
    if status >= HTTPStatus.BAD_REQUEST and head.version >= HTTP_10 and head.pads_errors:
        body += _PADDING
    return Answer(status, (("Content-Type", "text/html"),), body, close=status in _ENDS)


def refusal(why: Wrong, head: Head) -> Answer:
    """The answer to a request that is none, or none that is taken: the connection ends with it."""
    status, said = _REFUSALS[why]
    made = error(status, head, said)
    return Answer(made.status, made.headers, made.content, close=True)


_REFUSALS = {
    Wrong.BAD: (HTTPStatus.BAD_REQUEST, ""),
    Wrong.LINE_TOO_LONG: (HTTPStatus.REQUEST_URI_TOO_LONG, ""),
    Wrong.HEAD_TOO_LARGE: (HTTPStatus.BAD_REQUEST, "Request Header Or Cookie Too Large"),
    Wrong.VERSION: (HTTPStatus.HTTP_VERSION_NOT_SUPPORTED, ""),
    Wrong.NOT_ALLOWED: (HTTPStatus.METHOD_NOT_ALLOWED, ""),
    Wrong.NOT_IMPLEMENTED: (HTTPStatus.NOT_IMPLEMENTED, ""),
}


def plain_to_tls(head: Head) -> Answer:
    """What a port for TLS answers who does not speak it."""
    return error(HTTPStatus.BAD_REQUEST, head, "The plain HTTP request was sent to HTTPS port")


def head_of(answer: Answer, date: str, *, keep_alive: bool) -> bytes:
    """Status line and headers, in the order in which nginx sends them."""
    lines = [f"HTTP/1.1 {answer.status.value} {answer.reason}", f"Server: {SERVER}", f"Date: {date}"]
    later: list[str] = []
    for name, value in answer.headers:
        (later if name in ("ETag", "Accept-Ranges", "Content-Range", "Cache-Control") else lines).append(
            f"{name}: {value}"
        )
        if name == "Content-Type":
            lines.append(f"Content-Length: {len(answer.content)}")
    lines.append("Connection: " + ("keep-alive" if keep_alive else "close"))
    return "\r\n".join([*lines, *later, "", ""]).encode("latin-1")


def date() -> str:
    """For the header of that name: now."""
    return _date(int(time.time()))


@lru_cache(2)
def _date(second: int) -> str:
    return formatdate(second, usegmt=True)


def ranges_of(wanted: bytes, size: int) -> list[tuple[int, int]] | None:
    """The ranges (from, up to) that are asked for; an empty list: they cannot be given; None: all of it is given instead."""
    found: list[tuple[int, int]] = []
    total = 0
    for piece in wanted.split(b","):
        match = _RANGE.fullmatch(piece)
        if match is None:
            return []
        first, last = match[1] or b"", match[2]
        if max(len(first), len(last)) > 20 or int(first or 0) > OFFSET_MAX or int(last or 0) > OFFSET_MAX:
            return []
        if first:
            start, end = int(first), min(size, int(last) + 1) if last else size
        elif last:
            start, end = max(0, size - int(last)), size
        else:
            return []
        if start < end:
            found.append((start, end))
            total += end - start
        elif start == 0:
            return None
    return None if total > size else found


_RANGE = re.compile(rb" *(?:([0-9]+) *- *|-)([0-9]*) *")


def _pick(words: tuple[str, ...], byte: int) -> str:
    return words[byte % len(words)]


def make_page(content: bytes, name: str, modified: int) -> Page:
    """A file of the site."""
    return Page(content, kind_of(name), modified, f'"{modified:x}-{len(content):x}"')


_FOLDER = Page(b"", "", 0, "")
"""Stands for a folder in the list of what is there."""


def _moved(head: Head, reached: Reached) -> Answer:
    host = head.server.decode("latin-1") or reached.address
    usual = 443 if reached.scheme == "https" else 80
    port = "" if reached.port == usual else f":{reached.port}"
    query = b"?" + head.query if head.query else b""
    location = f"{reached.scheme}://{host}{port}" + _escaped(head.path) + (b"/" + query).decode("latin-1")
    page = error(HTTPStatus.MOVED_PERMANENTLY, head)
    return Answer(page.status, (*page.headers, ("Location", location)), page.content)


def _precondition_failed(head: Head) -> Answer:
    page = error(HTTPStatus.PRECONDITION_FAILED, head)
    return replace(page, breaks_off=True, asks_on=True)


def _escaped(path: bytes) -> str:
    return "".join(f"%{char:02X}" if char in _ESCAPED else chr(char) for char in path)


_ESCAPED = frozenset((*range(0x21), *range(0x7F, 0x100), *b'"#%<>?\\^`{|}'))


def _names(listed: bytes, etag: str, *, weakly: bool) -> bool:
    """Whether a list of tags names this one."""
    if listed == b"*":
        return True
    for piece in listed.split(b","):
        tag = piece.strip(b" \t")
        if weakly and len(tag) > 2:
            tag = tag.removeprefix(b"W/")
        if tag == etag.encode():
            return True
    return False
