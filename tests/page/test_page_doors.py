"""Who gets in through the page, tried in a real browser: other sites, other names, other browsers, other servers on loopback."""

import http.client
from collections.abc import Iterator, Sequence
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Page, expect

from support.browser import Chromium
from support.browser_hostile import hostile_server
from support.browser_people import Person, at_their_pages
from support.homes import RelayProcess

pytestmark = pytest.mark.processes

EVIL = """<!doctype html><title>a page with cats</title><iframe id=frame src="{app}"></iframe><script>
const app = "{app}", chat = "{chat}";
const body = JSON.stringify({{chat, text: "sent by the page with cats"}});
const tries = {{
  "json": () => fetch(app + "api/send", {{method: "POST", body, headers: {{"Content-Type": "application/json"}}, credentials: "include"}}),
  "without asking": () => fetch(app + "api/send", {{method: "POST", body, mode: "no-cors", credentials: "include"}}),
  "a guessed secret": () => fetch(app + "api/send", {{method: "POST", body, headers: {{"X-Whimbrel": "x"}}, credentials: "include"}}),
  "reading chats": () => fetch(app + "api/chats", {{method: "POST", body: "{{}}", credentials: "include"}}),
  "reading the page": () => fetch(app, {{credentials: "include"}}),
  "following": () => new Promise((yes, no) => {{
    const source = new EventSource(app + "api/follow", {{withCredentials: true}});
    source.onmessage = yes; source.onerror = no;
  }}),
  "a script of its": () => new Promise((yes, no) => {{
    const script = document.createElement("script"); script.src = app + "api/chats"; script.onload = yes; script.onerror = no; document.head.append(script);
  }}),
  "a picture of its": () => new Promise((yes, no) => {{
    const picture = new Image(); picture.onload = yes; picture.onerror = no; picture.src = app + "icon.svg";
  }}),
  "a beacon": async () => {{ navigator.sendBeacon(app + "api/send", new Blob([body], {{type: "text/plain"}})); throw "sent blindly"; }},
}};
globalThis.outcome = (async () => {{
  const found = {{}};
  for (const [what, attempt] of Object.entries(tries)) {{
    try {{
      const answer = await attempt();
      found[what] = answer instanceof Response ? (answer.type === "opaque" ? "blind" : "READ " + (await answer.text())) : "LOADED";
    }} catch (error) {{ found[what] = "refused"; }}
  }}
  let inside = "closed";
  try {{ inside = document.getElementById("frame").contentDocument.body.innerText || "closed"; }} catch (error) {{ inside = "closed"; }}
  return {{...found, "a frame": inside === "closed" ? "refused" : "READ"}};
}})();
</script>"""


@pytest.fixture
def both(browser: Chromium, relay: RelayProcess, tmp_path: Path) -> Iterator[Sequence[Person]]:
    with at_their_pages(browser, tmp_path, relay, "Ada", "Bo") as people:
        yield people


def root(person: Person) -> str:
    assert person.app is not None
    return person.app.url.partition("?")[0]


def call(person: Person, method: str, **headers: str) -> int:
    """What the app answers to a program that sends these headers."""
    connection = http.client.HTTPConnection(urlsplit(root(person)).netloc, timeout=30)
    try:
        connection.request("POST", f"/api/{method}", "{}", {"Content-Type": "application/json", **headers})
        return connection.getresponse().status
    finally:
        connection.close()


def cookies_of(person: Person) -> dict[str, str]:
    return {cookie["name"]: cookie["value"] for cookie in person.context.cookies()}


@pytest.mark.complaints("")
def test_a_page_of_another_origin_can_neither_read_nor_do_anything(both: Sequence[Person]) -> None:
    ada, bo = both
    [chat] = ada.ask("chats")
    with hostile_server(EVIL.format(app=root(ada), chat=chat["id"])) as server:
        # On another port of the same name, so that the browser sends Ada's cookie along.
        evil = ada.context.new_page()
        evil.goto(server.url)
        outcome = evil.evaluate("outcome")
        assert any("whimbrel" in cookie for cookie in server.cookies)
    assert {what: how for what, how in outcome.items() if how not in ("refused", "blind")} == {}
    assert len(outcome) == 10
    ada.say("Bo", "after all that")
    bo.home.wait_for(lambda: bo.texts("Ada"), bool)
    assert bo.texts("Ada") == ["after all that"]
    assert ada.texts("Bo") == ["after all that"]


@pytest.mark.complaints("")
def test_a_second_browser_without_a_token_is_shown_nothing(both: Sequence[Person], browser: Chromium) -> None:
    ada, _ = both
    stranger = browser.person("Mallory").new_page()
    answer = stranger.goto(root(ada))
    assert answer is not None
    assert answer.status == 403
    assert "Bo" not in stranger.content()
    assert ada.secret() not in stranger.content()
    for method in ("chats", "status", "follow", "erase_everything"):
        assert stranger.evaluate(
            "method => fetch('/api/' + method, {method: 'POST', body: '{}', headers: {'Content-Type': 'application/json'}}).then(r => r.status)",
            method,
        ) in (403, 405)
    stranger.context.close()


def test_each_secret_alone_opens_nothing(both: Sequence[Person]) -> None:
    ada, _ = both
    secret, cookies = ada.secret(), cookies_of(ada)
    assert len(cookies) == 1
    cookie = "; ".join(f"{name}={value}" for name, value in cookies.items())
    assert call(ada, "chats", Cookie=cookie) == 403
    assert call(ada, "chats", **{"X-Whimbrel": secret}) == 403
    assert call(ada, "chats", Cookie=cookie, **{"X-Whimbrel": secret}) == 200


@pytest.mark.complaints("")
def test_two_homes_in_one_browser_keep_apart_and_a_third_server_gets_nowhere(
    both: Sequence[Person],
) -> None:
    ada, bo = both
    second = ada.context.new_page()
    bo.open(second)
    expect(second.get_by_role("list", name="Chats")).to_contain_text("Ada")
    # Neither threw the other out.
    ada.page.reload()
    expect(ada.chats).to_contain_text("Bo")
    second.reload()
    expect(second.get_by_role("list", name="Chats")).to_contain_text("Ada")

    secrets = (ada.secret(), bo.secret())
    with hostile_server("<!doctype html><p>hello") as server:
        third = ada.context.new_page()
        third.goto(server.url)
        [sent] = set(server.cookies)
        assert sent.count("whimbrel-") == 2, "the browser is known to send them to any port"
        assert not any(secret in sent for secret in secrets)
        for person in (ada, bo):
            for method in ("chats", "send", "follow", "lock", "erase_everything"):
                assert call(person, method, Cookie=sent) in (403, 405)
        for person, secret in zip((bo, ada), secrets, strict=True):
            assert call(person, "chats", Cookie=sent, **{"X-Whimbrel": secret}) == 403, "the other's secret"
        assert storage(third) == {}


def storage(page: Page) -> dict[str, str]:
    found: dict[str, str] = page.evaluate("() => ({...localStorage, ...sessionStorage})")
    return found


def test_nothing_secret_stands_in_the_address_bar(both: Sequence[Person]) -> None:
    ada, _ = both
    expect(ada.chats).to_be_visible()
    assert ada.secret() not in ada.page.url
    assert "token" not in ada.page.url
