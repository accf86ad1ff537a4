"""A real Chromium for tests of the page: windows of people who do not share anything, and a record of all that is asked for.

Whatever leaves loopback fails the test. Requests are recorded twice: as the windows see them, and by a proxy that gets
everything of the browser that is not for loopback (service workers and looking ahead included) and answers nothing.
"""

from __future__ import annotations

import os
import re
import shutil
import socketserver
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, Error, Page, Playwright, sync_playwright

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
PERMISSIONS = ("clipboard-read", "clipboard-write", "notifications", "microphone", "camera")
WIDE, MIDDLE, NARROW = (1280, 800), (900, 760), (390, 780)
PATIENCE_MS = 30_000.0
"""A shared machine has slow moments; what hangs is still noticed."""


HOUSEKEEPING = re.compile(
    r"(?:^CONNECT |^[A-Z]+ https?://)[\w.-]+\.(?:google|googleapis|gvt1|gstatic)\.com[:/]"
)
"""What Chromium itself asks for, whatever page it shows: who is signed in to it, its updates, its push service. No page
of ours names these, and were one to, its window would have it in its own record."""


def is_loopback(url: str) -> bool:
    """Whether this stays on the machine: loopback by its number, or what has no host at all."""
    parts = urlsplit(url)
    if parts.scheme in ("data", "blob", "about", "file", "chrome", "chrome-error", "devtools"):
        return True
    try:
        return ip_address(parts.hostname or "").is_loopback
    except ValueError:
        return parts.hostname == "localhost"


class _Proxy(socketserver.ThreadingTCPServer):
    """Where the browser takes everything that is not for loopback. It writes down who was asked for, and hangs up."""

    allow_reuse_address = True
    daemon_threads = True

    def __init__(self) -> None:
        self.asked: list[str] = []
        super().__init__(("127.0.0.1", 0), _Asked)


class _Asked(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        line = self.rfile.readline(4096).decode("latin-1").strip()
        if line:
            self.server.asked.append(line)  # type: ignore[attr-defined]


@dataclass
class Fault:
    """Something that a window said that no window should say: an exception, an error in the console, a broken policy."""

    window: str
    text: str


@dataclass
class Chromium:
    """The browser, running. `person` opens a window that shares nothing with the others."""

    playwright: Playwright
    browser: Browser
    proxy: _Proxy
    requests: list[str] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    allowed: set[str] = field(default_factory=set)
    """Names that a test has the browser look up itself."""

    @property
    def version(self) -> str:
        return self.browser.version

    def person(
        self,
        name: str = "",
        size: tuple[int, int] = WIDE,
        language: str = "en-GB",
        scheme: str = "light",
        reduced: bool = True,
        **more: Any,
    ) -> BrowserContext:
        """A browser of somebody's own: cookies, storage and permissions of nobody else."""
        context = self.browser.new_context(
            viewport={"width": size[0], "height": size[1]},
            locale=language,
            timezone_id="UTC",
            color_scheme=scheme,  # type: ignore[arg-type]
            reduced_motion="reduce" if reduced else "no-preference",
            permissions=more.pop("permissions", PERMISSIONS),
            **more,
        )
        context.set_default_timeout(PATIENCE_MS)
        context.on("request", lambda request: self.requests.append(request.url))
        context.on("page", lambda page: self._listen(page, name))
        return context

    def _listen(self, page: Page, name: str) -> None:
        page.on("pageerror", lambda error: self.faults.append(Fault(name, f"{error.stack or error}")))
        page.on("websocket", lambda socket: self.requests.append(socket.url))

        def said(message: Any) -> None:
            if message.type == "error":
                self.faults.append(Fault(name, f"{message.text} ({message.location.get('url', '')})"))

        page.on("console", said)

    def left_loopback(self) -> list[str]:
        """All that was asked for elsewhere."""
        seen = [url for url in self.requests if not is_loopback(url)]
        seen += [line for line in self.proxy.asked if not HOUSEKEEPING.match(line)]
        return [one for one in seen if not any(name in one for name in self.allowed)]


ARGUMENTS = (
    *(["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []),
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
    "--autoplay-policy=no-user-gesture-required",
    "--disable-dev-shm-usage",
    "--font-render-hinting=none",
    "--disable-component-update",
    "--disable-domain-reliability",
    "--no-pings",
    "--dns-prefetch-disable",
    "--gaia-url=http://127.0.0.1:9/",
)


@contextmanager
def chromium(*arguments: str, headless: bool = True) -> Iterator[Chromium]:
    """Start it, and end it. Skips the test where there is none."""
    with sync_playwright() as playwright, _launched(playwright, arguments, headless) as running:
        yield running


@contextmanager
def another(beside: Chromium, *arguments: str) -> Iterator[Chromium]:
    """A second browser, with processes of its own."""
    with _launched(beside.playwright, arguments, True) as running:
        yield running


@contextmanager
def _launched(playwright: Playwright, arguments: Sequence[str], headless: bool) -> Iterator[Chromium]:
    if CHROMIUM is None:
        pytest.skip("there is no Chromium here; `.ci/tools browser` looks for it")
    proxy = _Proxy()
    threading.Thread(target=proxy.serve_forever, daemon=True).start()
    try:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM,
            headless=headless,
            args=[*ARGUMENTS, f"--proxy-server=127.0.0.1:{proxy.server_address[1]}", *arguments],
        )
        try:
            yield Chromium(playwright, browser, proxy)
        finally:
            browser.close()
    finally:
        proxy.shutdown()
        proxy.server_close()


def until(page: Page, expression: str, arg: Any = None, patience_ms: float = PATIENCE_MS) -> None:
    """Wait until something holds in the page. (Playwright's own way has the page evaluate a string, which ours forbids.)"""
    for _ in range(int(patience_ms / 20)):
        try:
            if page.evaluate(expression, arg):
                return
        except Error as error:
            if "context was destroyed" not in str(error):  # the page goes elsewhere just now
                raise
        page.wait_for_timeout(20)
    raise AssertionError(f"it did not come to hold: {expression}")


def is_quiet(faults: Sequence[Fault], passed_over: Sequence[str] = ()) -> list[Fault]:
    """The faults, less those that a test brings about on purpose."""
    return [fault for fault in faults if not any(words in fault.text for words in passed_over)]
