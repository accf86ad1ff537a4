"""The page as it was built: files of a folder, by names that hold a hash of what they are; and the few pages without a script.

`app/page/` is made by the build of `web/` and is part of the wheel. WHIMBREL_PAGE names another folder, for who works on
the page.
"""

from __future__ import annotations

import gzip
import os
import re
from dataclasses import dataclass
from pathlib import Path

from aiohttp import web

BUILT = Path(__file__).parent / "page"
PLAIN = Path(__file__).parent / "plain"

_TYPES = {
    ".html": "text/html",
    ".js": "text/javascript",
    ".css": "text/css",
    ".json": "application/json",
    ".webmanifest": "application/manifest+json",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".webp": "image/webp",
    ".ico": "image/x-icon",
    ".woff2": "font/woff2",
    ".wasm": "application/wasm",
    ".txt": "text/plain",
}
_WORTH_COMPRESSING = frozenset((".html", ".js", ".css", ".json", ".webmanifest", ".svg", ".wasm", ".txt"))
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*(/[A-Za-z0-9_][A-Za-z0-9_.-]*)*")
# What Vite names after its content: assets/name-HASH.ending.
_HASHED = re.compile(r"assets/.+-[A-Za-z0-9_-]{8}\.[a-z0-9]+")
# Browsers fetch the manifest and icons without cookies. There is nothing of a person in them.
_FOR_ALL = re.compile(
    r"manifest\.webmanifest|favicon\.ico|icon[A-Za-z0-9_-]*\.(svg|png)|icons/[A-Za-z0-9_-]+\.(svg|png)"
)
_A_YEAR = "private, max-age=31536000, immutable"


def page_folder() -> Path:
    """Where the built page lies."""
    return Path(os.environ.get("WHIMBREL_PAGE") or BUILT)


def is_for_all(path: str) -> bool:
    """Whether a path is served without the cookie."""
    return path == "/plain.css" or bool(_FOR_ALL.fullmatch(path.removeprefix("/")))


def plain(name: str) -> str:
    """One of the pages that need nothing but `plain.css`."""
    return (PLAIN / name).read_text(encoding="utf-8")


@dataclass(frozen=True, slots=True)
class _Squeezed:
    modified: int
    data: bytes


class PageFiles:
    """Answers with files of one folder, compressed where the browser takes it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder.resolve()
        self._gzipped: dict[str, _Squeezed] = {}

    def index(self) -> web.Response:
        """The page itself. It is asked for anew each time: the names in it change with each build."""
        if self._find("index.html") is None:
            return web.Response(text=plain("unbuilt.html"), content_type="text/html")
        return self._answer("index.html", "")

    def file(self, name: str, accepted: str) -> web.Response:
        """A file beside it. `accepted`: the encodings that the browser takes."""
        if name == "index.html" or not _NAME.fullmatch(name) or self._find(name) is None:
            raise web.HTTPNotFound(text="There is no such file.\n")
        return self._answer(name, accepted)

    def _find(self, name: str) -> Path | None:
        try:
            path = (self._folder / name).resolve()
            return path if path.is_relative_to(self._folder) and path.is_file() else None
        except OSError:  # a name that is longer than names are
            return None

    def _answer(self, name: str, accepted: str) -> web.Response:
        path = self._folder / name
        ending = path.suffix
        response = web.Response(content_type=_TYPES.get(ending, "application/octet-stream"))
        if ending in (".html", ".js", ".css"):
            response.charset = "utf-8"
        if _HASHED.fullmatch(name):
            response.headers["Cache-Control"] = _A_YEAR
        if ending in _WORTH_COMPRESSING:
            response.headers["Vary"] = "Accept-Encoding"
            encodings = {part.partition(";")[0].strip() for part in accepted.split(",")}
            if "br" in encodings and self._find(f"{name}.br") is not None:
                response.headers["Content-Encoding"] = "br"
                response.body = path.with_name(path.name + ".br").read_bytes()
                return response
            if "gzip" in encodings:
                response.headers["Content-Encoding"] = "gzip"
                response.body = self._gzip(name, path)
                return response
        response.body = path.read_bytes()
        return response

    def _gzip(self, name: str, path: Path) -> bytes:
        """Compressed once for as long as the file is the same."""
        modified = path.stat().st_mtime_ns
        known = self._gzipped.get(name)
        if known is None or known.modified != modified:
            known = _Squeezed(modified, gzip.compress(path.read_bytes(), mtime=0))
            self._gzipped[name] = known
        return known.data
