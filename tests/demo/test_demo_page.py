"""The page of the demo for everybody: by keyboard, narrow, in Russian, in dark, and for who has no token."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from demo.words import WORDS
from support.browser import NARROW, Chromium, is_quiet
from support.demo import PATIENCE_S, Demo, Visitor, running

pytestmark = pytest.mark.processes

AXE = Path(__file__).parents[1] / "page" / "node_modules" / "axe-core" / "axe.min.js"


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    with running(tmp_path_factory.mktemp("demo")) as demo:
        yield demo


def at_the_page(demo: Demo, browser: Chromium, **window: Any) -> Visitor:
    visitor = Visitor(demo, browser.person("visitor", **window).new_page())
    visitor.page.goto(demo.url)
    expect(visitor.page.locator("#ways li[data-way]:not([data-way=''])")).to_have_count(
        2, timeout=PATIENCE_S * 1000
    )
    return visitor


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(demo: Demo, browser: Chromium, scheme: str) -> None:
    if not AXE.exists():
        pytest.skip("axe-core is missing: make .setup/browser")
    visitor = at_the_page(demo, browser, scheme=scheme, bypass_csp=True)
    visitor.switch(WORDS["en"].switches["names"].title).check()
    visitor.page.evaluate(AXE.read_text() + ";0")
    found = visitor.page.evaluate("axe.run(document, { resultTypes: ['violations'], iframes: false })")
    told = [
        f"{one['id']}: {node['html'][:200]} {node['failureSummary']}"
        for one in found["violations"]
        for node in one["nodes"]
    ]
    assert told == []
    visitor.button("Lift everything").click()
    visitor.page.context.close()


def test_all_can_be_done_by_keyboard(demo: Demo, browser: Chromium) -> None:
    visitor = at_the_page(demo, browser)
    for side in (0, 1):  # a chat that opens takes the focus to where one writes
        expect(visitor.frame(side).get_by_role("textbox", name="Message", exact=True)).to_be_visible(
            timeout=PATIENCE_S * 1000
        )
    visitor.page.wait_for_timeout(1000)
    title = WORDS["en"].switches["lottery"].title
    reached = set()
    visitor.button("Cut what is open").focus()
    for _ in range(40):
        visitor.page.keyboard.press("Tab")
        reached.add(
            visitor.page.evaluate("document.activeElement.closest('label, a, button')?.innerText ?? ''")
        )
    assert {words.title for words in WORDS["en"].switches.values()} | {"Lift everything", "source"} <= reached
    visitor.switch(title).focus()
    visitor.page.keyboard.press("Space")
    expect(visitor.switch(title)).to_be_checked()
    visitor.button("Lift everything").focus()
    visitor.page.keyboard.press("Enter")
    expect(visitor.switch(title)).not_to_be_checked()
    visitor.page.context.close()


@pytest.mark.parametrize("size", [NARROW, (900, 760), (1280, 800)])
def test_nothing_is_wider_than_the_window(demo: Demo, browser: Chromium, size: tuple[int, int]) -> None:
    visitor = at_the_page(demo, browser, size=size)
    assert visitor.page.evaluate("document.documentElement.scrollWidth") <= size[0]
    for side in (0, 1):
        visitor.page.locator(f"#frame-{side}").scroll_into_view_if_needed()
        expect(visitor.log(side)).to_be_visible(timeout=PATIENCE_S * 1000)
    visitor.page.context.close()


def test_who_reads_russian_has_it_in_russian(demo: Demo, browser: Chromium) -> None:
    visitor = at_the_page(demo, browser, language="ru-RU")
    for words in WORDS["ru"].switches.values():
        expect(visitor.switch(words.title)).to_be_visible()
    expect(visitor.page.locator("html")).to_have_attribute("lang", "ru")
    visitor.page.context.close()


def test_a_reload_comes_back_to_both_chats(demo: Demo, browser: Chromium) -> None:
    visitor = at_the_page(demo, browser)
    title = WORDS["en"].switches["reset"].title
    visitor.switch(title).check()
    visitor.page.reload()
    for side in (0, 1):
        expect(visitor.log(side)).to_be_visible(timeout=PATIENCE_S * 1000)
    expect(visitor.switch(title)).to_be_checked()
    visitor.button("Lift everything").click()
    expect(visitor.switch(title)).not_to_be_checked()
    visitor.page.context.close()


@pytest.mark.parametrize("fragment", ["", "#", "#somebody-elses"])
def test_without_the_token_there_is_nothing_to_see(demo: Demo, browser: Chromium, fragment: str) -> None:
    page = browser.person("stranger").new_page()
    page.goto(demo.url.partition("#")[0] + fragment)
    expect(page.get_by_role("alert")).to_contain_text("link")
    assert page.locator("iframe, input").count() == 1, (
        "no page of theirs, and no switch but the one that stands there"
    )
    page.context.close()


def test_nothing_left_loopback_and_no_window_complained(demo: Demo, browser: Chromium) -> None:
    """After all of the above: what a stranger was refused is all that a window complained of."""
    assert browser.left_loopback() == []
    assert is_quiet(browser.faults, ("403",)) == []
