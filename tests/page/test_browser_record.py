"""What all tests of the page rely on: whatever leaves loopback is noticed, and a window that complains is heard."""

import http.server
import threading
from collections.abc import Iterator

import pytest

from support.browser import Chromium, chromium, is_loopback

pytestmark = pytest.mark.processes

PAGE = b"""<!doctype html><title>elsewhere</title>
<link rel=preconnect href="https://preconnected.example"><link rel=dns-prefetch href="//looked-up.example">
<img src="http://pictures.example/a.png"><script>
fetch("https://asked.example/x").catch(() => 0);
navigator.serviceWorker?.register("/worker.js");
</script>"""
WORKER = b"self.addEventListener('install', () => fetch('http://worker.example/y').catch(() => 0))"


class _Leaky(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body, kind = (
            (WORKER, "text/javascript") if self.path == "/worker.js" else (PAGE, "text/html; charset=utf-8")
        )
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def leaky() -> Iterator[str]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Leaky)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}/"
    server.shutdown()
    server.server_close()


@pytest.fixture
def browser() -> Iterator[Chromium]:
    with chromium() as running:
        yield running


def test_what_leaves_loopback_is_recorded_from_pages_and_service_workers(
    browser: Chromium, leaky: str
) -> None:
    page = browser.person("Mallory").new_page()
    page.goto(leaky)
    page.evaluate("navigator.serviceWorker.ready")
    page.wait_for_timeout(500)
    left = " ".join(browser.left_loopback())
    for name in ("pictures.example", "asked.example", "worker.example"):
        assert name in left


def test_a_window_that_complains_is_heard(browser: Chromium) -> None:
    page = browser.person("Ada").new_page()
    page.goto("about:blank")
    page.evaluate("() => { setTimeout(() => { throw new Error('out of order') }); console.error('wrong') }")
    page.wait_for_timeout(200)
    said = " ".join(fault.text for fault in browser.faults)
    assert "out of order" in said
    assert "wrong" in said


def test_loopback_is_told_by_its_number() -> None:
    assert is_loopback("http://127.0.0.1:4000/x")
    assert is_loopback("http://[::1]:4000/x")
    assert is_loopback("blob:http://127.0.0.1:4000/1")
    assert not is_loopback("http://127.0.0.1.example/")
    assert not is_loopback("https://192.168.1.4/")
    assert not is_loopback("wss://relay.example/")
