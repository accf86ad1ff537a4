"""DNS rebinding, with a browser that believes that a name of the network is this computer."""

import json
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from support.browser import chromium
from support.browser_people import at_their_pages
from support.homes import RelayProcess

pytestmark = pytest.mark.processes


def test_a_name_that_was_pointed_at_loopback_is_refused(relay: RelayProcess, tmp_path: Path) -> None:
    rules = "--host-resolver-rules=MAP rebound.example 127.0.0.1"
    with (
        chromium(rules, "--proxy-bypass-list=rebound.example") as rebinding,
        at_their_pages(rebinding, tmp_path, relay, "Ada", friends=False) as [ada],
    ):
        assert ada.app is not None
        rebinding.allowed.add("rebound.example")
        port = urlsplit(ada.app.url).port
        evil = ada.context.new_page()
        answer = evil.goto(f"http://rebound.example:{port}/")
        assert answer is not None
        assert answer.status in (400, 403, 421)
        for how in ("POST", "GET"):
            status = evil.evaluate(
                "how => fetch('/api/chats', {method: how, headers: {'Content-Type': 'application/json', 'X-Whimbrel': 'x'}, body: how === 'POST' ? '{}' : undefined}).then(r => r.status)",
                how,
            )
            assert status in (400, 403, 405, 421)
        assert "Ada" not in evil.content()
        assert json.dumps(evil.evaluate("() => ({...localStorage})")) == "{}"
        assert rebinding.left_loopback() == []
