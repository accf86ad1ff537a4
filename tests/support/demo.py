"""The demo as `make demo` starts it, as a process, and somebody at its page in a browser."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from playwright.sync_api import FrameLocator, Locator, Page, expect

from support.browser import Chromium, is_quiet
from support.residents import Resident

ROOT = Path(__file__).parents[2]
PATIENCE_S = 240.0
"""A message waits for a minute where connections are counted by the minute, and a shared machine has slow moments."""


def start(
    temporary: Path,
    errors: IO[bytes] | int = subprocess.DEVNULL,
    before: Callable[[], None] | None = None,
) -> subprocess.Popen[str]:
    """As `make demo` starts it, with its folder in this one. `before`: what its process does before it is the demo."""
    return subprocess.Popen(
        [sys.executable, "-m", "demo", "--no-browser"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=errors,
        cwd=ROOT,
        env={**os.environ, "TMPDIR": str(temporary)},
        text=True,
        preexec_fn=before,
    )


class Demo:
    """It runs; `url` opens its page."""

    def __init__(self, temporary: Path, before: Callable[[], None] | None = None) -> None:
        self.temporary = temporary
        self._errors = (temporary / "errors").open("w+b")
        self.process = start(temporary, self._errors, before)
        self.said = ""
        self.url = self._until_it_runs()

    def _until_it_runs(self) -> str:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.said += line
            if found := re.search(r"http://127\.0\.0\.1:\d+/#\S+", line):
                return found[0]
        raise AssertionError(f"the demo did not start: {self.said}{self.errors()}")

    @property
    def folder(self) -> Path:
        [folder] = self.temporary.glob("whimbrel-demo-*")
        return folder

    def errors(self) -> str:
        self._errors.seek(0)
        return self._errors.read().decode()

    def ask(self, name: str, method: str, **parameters: Any) -> list[dict[str, Any]]:
        """A call of somebody's app, over its own socket."""
        return Resident(name, self.folder / name.lower()).ask(method, **parameters)

    def end(self, sign: signal.Signals = signal.SIGINT) -> int:
        self.process.send_signal(sign)
        try:
            return self.process.wait(60)
        finally:
            if self.process.poll() is None:
                self.process.kill()
            if self.process.stdout is not None:
                self.process.stdout.close()


class Visitor:
    """Somebody at the page."""

    def __init__(self, demo: Demo, page: Page) -> None:
        self.demo, self.page = demo, page

    def frame(self, side: int) -> FrameLocator:
        return self.page.frame_locator(f"#frame-{side}")

    def log(self, side: int) -> Locator:
        return self.frame(side).get_by_role("log", name="Messages", exact=True)

    def write(self, side: int, text: str) -> None:
        """Into the page of one of the two, as they would."""
        self.frame(side).get_by_role("textbox", name="Message", exact=True).fill(text)
        self.frame(side).get_by_role("button", name="Send", exact=True).click()

    def switch(self, title: str) -> Locator:
        return self.page.get_by_role("switch", name=title, exact=True)

    def button(self, name: str) -> Locator:
        return self.page.get_by_role("button", name=name, exact=True)

    def count(self, key: str) -> int:
        return int(self.page.locator(f"#count-{key} dd").inner_text())

    def way(self, side: int) -> tuple[str, str]:
        """The way that is told below the map, and the address to which the line of the map is lit."""
        line = self.page.locator("#ways li").nth(side)
        return line.get_attribute("data-way") or "", line.get_attribute("data-to") or ""

    def ordinary(self) -> tuple[str, float]:
        """What came of the ordinary program's last try, and in how many seconds."""
        line = self.page.locator("#ways li.ordinary")
        return line.get_attribute("data-outcome") or "", float(line.get_attribute("data-took") or 0)

    def lit(self, name: str) -> list[str]:
        lit = self.page.locator(f'#map .edge.lit[data-person="{name}"]')
        return [one.get_attribute("data-address") or "" for one in lit.all()]

    def until(self, holds: Callable[[], bool], otherwise: str, patience: float = PATIENCE_S) -> None:
        end = time.monotonic() + patience
        while not holds():
            assert time.monotonic() < end, otherwise
            self.page.wait_for_timeout(100)


@contextmanager
def running(temporary: Path) -> Iterator[Demo]:
    """A demo, ended as Ctrl-C ends it; nothing of it is left."""
    demo = Demo(temporary)
    try:
        yield demo
    finally:
        code = demo.end()
    assert (code, demo.errors()) == (0, "")
    assert not list(temporary.glob("whimbrel-demo-*")), "its folder is still there"


@contextmanager
def visiting(
    temporary: Path, browser: Chromium, size: tuple[int, int] = (1440, 1000), **window: Any
) -> Iterator[Visitor]:
    """Somebody at the page of a demo of their own, both chats open. Nothing left loopback meanwhile, and no window complained."""
    browser.requests.clear()
    browser.faults.clear()
    with running(temporary) as demo:
        context = browser.person("visitor", size=size, **window)
        visitor = Visitor(demo, context.new_page())
        visitor.page.goto(demo.url)
        for side in (0, 1):
            expect(visitor.frame(side).get_by_role("log")).to_be_visible(timeout=PATIENCE_S * 1000)
        yield visitor
        faults = is_quiet(browser.faults)
        context.close()
    assert faults == []
    assert browser.left_loopback() == []
