"""Where it shows who can read: other browsers thrown out, what is kept here, and the page that says who can read what."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from playwright.sync_api import expect

from support.browser import Chromium
from support.browser_people import Person, at_their_pages
from support.catalogue import WEB
from support.homes import RelayProcess

pytestmark = pytest.mark.processes


@pytest.fixture
def both(browser: Chromium, relay: RelayProcess, tmp_path: Path) -> Iterator[Sequence[Person]]:
    with at_their_pages(browser, tmp_path, relay, "Ada", "Bo") as people:
        yield people


def settings(person: Person, page: str) -> None:
    person.page.keyboard.press("Escape")
    person.button("Settings").first.click()
    person.dialog.get_by_text(page, exact=True).first.click()


@pytest.mark.complaints("403", "ERR_")
def test_other_windows_are_thrown_out_and_this_one_stays(both: Sequence[Person], browser: Chromium) -> None:
    ada, _ = both
    other = browser.person("Ada elsewhere").new_page()
    ada.open(other)
    expect(other.get_by_role("list", name="Chats")).to_be_visible()
    settings(ada, "Lock")
    ada.button("Throw other windows out").click()
    ada.button("Throw out").click()
    expect(other.get_by_role("heading", name="This window was thrown out")).to_be_visible()
    assert "Bo" not in other.locator("body").inner_text()
    expect(ada.chats).to_contain_text("Bo")
    other.reload()
    expect(other.get_by_role("list", name="Chats")).to_have_count(0)
    other.context.close()


def test_what_is_kept_is_listed_and_who_can_read_it_is_said(both: Sequence[Person]) -> None:
    ada, _ = both
    ada.open_chat("Bo")
    ada.write("this is kept")
    settings(ada, "On this computer")
    for kind in ("Messages", "Files and pictures", "Contacts", "Keys"):
        expect(ada.dialog.get_by_text(kind, exact=True)).to_be_visible()
    expect(ada.dialog.get_by_text(str(ada.home.path))).to_be_visible()
    settings(ada, "What this keeps and who can read it")
    parties = re.findall(r"^## (.+)$", (WEB.parent / "docs" / "threat-model.md").read_text(), re.MULTILINE)
    for party in parties:
        expect(ada.dialog.get_by_text(party, exact=True).first).to_be_visible()
